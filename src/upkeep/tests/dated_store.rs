//! An object store in memory whose files bear the time of the test's clock.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::DateTime;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::seams::{Clock, ManualClock};

#[derive(Debug)]
pub struct DatedStore {
    inner: InMemory,
    clock: Arc<ManualClock>,
    written_ms: Arc<Mutex<BTreeMap<Path, i64>>>,
    /// Paths of which deletes fail.
    pub stuck: Mutex<Option<String>>,
}

impl DatedStore {
    pub fn new(clock: Arc<ManualClock>) -> Self {
        Self {
            inner: InMemory::new(),
            clock,
            written_ms: Arc::default(),
            stuck: Mutex::default(),
        }
    }
}

fn dated(written_ms: &Mutex<BTreeMap<Path, i64>>, mut meta: ObjectMeta) -> ObjectMeta {
    let ms = written_ms.lock().unwrap()[&meta.location];
    meta.last_modified = DateTime::from_timestamp_millis(ms).unwrap();
    meta
}

impl fmt::Display for DatedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatedStore")
    }
}

#[async_trait]
impl ObjectStore for DatedStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let put = self.inner.put_opts(location, payload, options).await?;
        let now_ms = self.clock.now_ms();
        self.written_ms
            .lock()
            .unwrap()
            .insert(location.clone(), now_ms);
        Ok(put)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut got = self.inner.get_opts(location, options).await?;
        got.meta = dated(&self.written_ms, got.meta);
        Ok(got)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let stuck = self.stuck.lock().unwrap().clone();
        let locations = locations.map(move |location| {
            let location = location?;
            match &stuck {
                Some(part) if location.as_ref().contains(part.as_str()) => {
                    Err(object_store::Error::PermissionDenied {
                        path: location.to_string(),
                        source: "stuck".into(),
                    })
                }
                _ => Ok(location),
            }
        });
        self.inner.delete_stream(locations.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let written_ms = Arc::clone(&self.written_ms);
        let metas = self.inner.list(prefix);
        metas
            .map(move |meta| meta.map(|meta| dated(&written_ms, meta)))
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
