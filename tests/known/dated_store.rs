//! An object store in memory whose files are dated by a test's own clock, so that upkeep sees their
//! true age. Shared by upkeep's tests (`src/upkeep`) and the simulation (`tests/it/simulation`);
//! both have the clock's trait in the module above.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::Clock;

#[derive(Debug)]
pub struct DatedStore {
    inner: InMemory,
    clock: Arc<dyn Clock>,
    dates: Arc<Mutex<BTreeMap<Path, DateTime<Utc>>>>,
    /// Files of which the path has this in it can't be deleted.
    pub stuck: Mutex<Option<String>>,
}

impl DatedStore {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: InMemory::new(),
            clock,
            dates: Arc::default(),
            stuck: Mutex::default(),
        }
    }

    fn date(&self, location: &Path) {
        let now = DateTime::from_timestamp_millis(self.clock.now_ms()).unwrap();
        self.dates.lock().unwrap().insert(location.clone(), now);
    }
}

fn dated(dates: &Mutex<BTreeMap<Path, DateTime<Utc>>>, mut meta: ObjectMeta) -> ObjectMeta {
    if let Some(date) = dates.lock().unwrap().get(&meta.location) {
        meta.last_modified = *date;
    }
    meta
}

impl fmt::Display for DatedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dated store")
    }
}

#[async_trait]
impl ObjectStore for DatedStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let put = self.inner.put_opts(location, payload, opts).await?;
        self.date(location);
        Ok(put)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.date(location);
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut got = self.inner.get_opts(location, options).await?;
        got.meta = dated(&self.dates, got.meta);
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
        let dates = self.dates.clone();
        let listed = self.inner.list(prefix);
        listed
            .map(move |meta| meta.map(|meta| dated(&dates, meta)))
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut listed = self.inner.list_with_delimiter(prefix).await?;
        for meta in &mut listed.objects {
            *meta = dated(&self.dates, meta.clone());
        }
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await?;
        self.date(to);
        Ok(())
    }
}
