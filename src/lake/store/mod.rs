//! Bytes: one `object_store` for everything, local files and S3 alike.
//! A [`Store`] takes the paths that stand in metadata (`file:///x`, `file:/x`, `/x`, `s3://b/k`)
//! and finds the object store and key behind each; iceberg's `FileIO` is an adapter over it.
//!
//! Every call is bounded: time-outs, and a few attempts where the store did not answer. A call that
//! reports failure may have taken place all the same; a repeated write looks before it complains.

mod durable;
mod file_io;
mod location;
mod options;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use url::Url;

use self::durable::DurableFiles;
use self::location::Location;
use super::manifests::ManifestCache;
use super::{Error, ErrorKind, Result};
use crate::seams::{Clock, SystemClock};

pub use self::location::normalise;
pub use self::options::{S3Options, StoreOptions};

/// Attempts at one call, the first included.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Larger files are written in parts.
const PART_BYTES: usize = 8 << 20;
const SINGLE_PUT_BYTES: usize = 32 << 20;
const PARTS_AT_ONCE: usize = 4;

/// All object stores of a lake, by scheme and bucket. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    mounts: RwLock<BTreeMap<String, Arc<dyn ObjectStore>>>,
    /// None: only what was mounted is reachable.
    options: Option<StoreOptions>,
    clock: Arc<dyn Clock>,
    manifests: ManifestCache,
}

/// A file as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Spelled like the prefix that was listed.
    pub location: String,
    pub size_bytes: u64,
    pub last_modified_ms: i64,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mounts = self.mounts();
        f.debug_struct("Store")
            .field("mounts", &mounts.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Local files, and S3 buckets as they are met.
    pub fn open(options: StoreOptions) -> Self {
        let local: Arc<dyn ObjectStore> = Arc::new(DurableFiles::new(options.fsync));
        let mounts = BTreeMap::from([(location::LOCAL.to_owned(), local)]);
        Self::assemble(mounts, Some(options), Arc::new(SystemClock::default()))
    }

    /// Exactly these object stores, each for a base (`file:///`, `s3://bucket`): the way in for
    /// simulations and for wrappers that inject faults. Pauses between attempts use `clock`.
    pub fn with<'a>(
        mounts: impl IntoIterator<Item = (&'a str, Arc<dyn ObjectStore>)>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let mounts = mounts
            .into_iter()
            .map(|(base, store)| Ok((Location::parse(base)?.base, store)))
            .collect::<Result<_>>()?;
        Ok(Self::assemble(mounts, None, clock))
    }

    /// A store for local files, over this `ObjectStore` (rooted at `/`); tests pass one that fails.
    pub fn local(inner: Arc<dyn ObjectStore>) -> Self {
        let mounts = BTreeMap::from([(location::LOCAL.to_owned(), inner)]);
        Self::assemble(mounts, None, Arc::new(SystemClock::default()))
    }

    /// Local paths, kept in memory only.
    pub fn memory() -> Self {
        Self::local(Arc::new(InMemory::new()))
    }

    fn assemble(
        mounts: BTreeMap<String, Arc<dyn ObjectStore>>,
        options: Option<StoreOptions>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let cache_bytes = options
            .as_ref()
            .map_or(StoreOptions::default().cache_bytes, |o| o.cache_bytes);
        Self {
            shared: Arc::new(Shared {
                mounts: RwLock::new(mounts),
                options,
                clock,
                manifests: ManifestCache::new(cache_bytes),
            }),
        }
    }

    fn mounts(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Arc<dyn ObjectStore>>> {
        self.shared
            .mounts
            .read()
            .expect("no holder of this lock panics")
    }

    /// Parsed manifests and metadata of this store, shared by all who read tables through it.
    pub fn manifests(&self) -> &ManifestCache {
        &self.shared.manifests
    }

    fn mounted(&self, base: &str) -> Result<Arc<dyn ObjectStore>> {
        if let Some(store) = self.mounts().get(base) {
            return Ok(store.clone());
        }
        let (Some(options), Some(bucket)) = (&self.shared.options, base.strip_prefix("s3://"))
        else {
            return Err(Error::invalid(format!(
                "no object store is configured for {base}"
            )));
        };
        let opened = options.s3.open(bucket)?;
        let mut mounts = self
            .shared
            .mounts
            .write()
            .expect("no holder of this lock panics");
        Ok(mounts.entry(base.to_owned()).or_insert(opened).clone())
    }

    fn place(&self, location: &str) -> Result<(Arc<dyn ObjectStore>, Location, Path)> {
        let parsed = Location::parse(location)?;
        let path = parsed.path()?;
        Ok((self.mounted(&parsed.base)?, parsed, path))
    }

    /// The object store behind a location, its base URL (`file:///`, `s3://bucket`) for
    /// DataFusion's registry, and the key in it.
    pub fn resolve(&self, location: &str) -> Result<(Arc<dyn ObjectStore>, Url, Path)> {
        let (store, parsed, path) = self.place(location)?;
        Ok((store, parsed.base_url(), path))
    }

    /// Every object store met so far with its base URL, to register with DataFusion. Buckets are
    /// opened when first met: a table's own are found with [`Self::resolve`].
    pub fn stores(&self) -> Vec<(Url, Arc<dyn ObjectStore>)> {
        self.mounts()
            .iter()
            .filter_map(|(base, store)| Some((Url::parse(base).ok()?, store.clone())))
            .collect()
    }

    /// iceberg's view of this store.
    pub fn file_io(&self) -> iceberg::io::FileIO {
        file_io::adapt(self.clone())
    }

    /// The bytes of a file. `NotFound`, `Unavailable`.
    pub async fn read(&self, location: &str) -> Result<Bytes> {
        let (store, _, path) = self.place(location)?;
        let read = || async { store.get(&path).await?.bytes().await };
        self.attempts("read", location, read).await
    }

    /// A part of a file.
    pub async fn read_range(&self, location: &str, range: std::ops::Range<u64>) -> Result<Bytes> {
        let (store, _, path) = self.place(location)?;
        let read = || store.get_range(&path, range.clone());
        self.attempts("read", location, read).await
    }

    /// The size of a file, in bytes; None when there is no such file.
    pub async fn size(&self, location: &str) -> Result<Option<u64>> {
        let (store, _, path) = self.place(location)?;
        match self
            .attempts("look at", location, || store.head(&path))
            .await
        {
            Ok(meta) => Ok(Some(meta.size)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn exists(&self, location: &str) -> Result<bool> {
        Ok(self.size(location).await?.is_some())
    }

    /// Writes a file that must not exist yet, durably: `Conflict` when it does with other bytes; the
    /// same bytes again are fine. Files above 32 MiB go in parts, which object stores don't check
    /// for being the first; such names must be unique by themselves, as those of data files are.
    pub async fn write(&self, location: &str, bytes: Bytes) -> Result<()> {
        let (store, _, path) = self.place(location)?;
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let written = self.bounded(put(store.as_ref(), &path, &bytes)).await;
            let error = match written {
                Ok(()) => return Ok(()),
                Err(error) => classify("write", location, error),
            };
            let again = attempt < ATTEMPTS && error.kind() == ErrorKind::Unavailable;
            if error.kind() == ErrorKind::Conflict {
                // An earlier attempt may have been carried out although it reported failure: one
                // of ours, or of the client's own below (S3 answers 503 to what it has done).
                return match self.read(location).await {
                    Ok(found) if found == bytes => Ok(()),
                    _ => Err(error),
                };
            }
            if !again {
                return Err(error);
            }
            self.shared.clock.sleep(pause).await;
            pause *= 4;
        }
        unreachable!("the loop ends by returning")
    }

    /// Removes a file; one that is missing is fine.
    pub async fn delete(&self, location: &str) -> Result<()> {
        let (store, _, path) = self.place(location)?;
        match self
            .attempts("delete", location, || store.delete(&path))
            .await
        {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// All files below a directory, in no promised order, as a stream: tables can have many.
    pub fn list(&self, prefix: &str) -> Result<BoxStream<'static, Result<FileInfo>>> {
        let (store, parsed, path) = self.place(prefix)?;
        let listed = prefix.to_owned();
        let files = store
            .list(Some(&path))
            .map_ok(move |meta| FileInfo {
                location: format!("{}{}", parsed.spelling, meta.location),
                size_bytes: meta.size,
                last_modified_ms: meta.last_modified.timestamp_millis(),
            })
            .map_err(move |error| classify("list", &listed, error));
        Ok(files.boxed())
    }

    /// A safety net over a store that hangs, not logic: a simulation's clock has no part in it.
    async fn bounded<T>(
        &self,
        call: impl Future<Output = object_store::Result<T>>,
    ) -> object_store::Result<T> {
        let result = tokio::time::timeout(CALL_TIMEOUT, call).await;
        result.unwrap_or_else(|_| {
            Err(object_store::Error::Generic {
                store: "object store",
                source: format!("no answer within {CALL_TIMEOUT:?}").into(),
            })
        })
    }

    async fn attempts<T, F, C>(&self, verb: &str, location: &str, call: C) -> Result<T>
    where
        C: Fn() -> F,
        F: Future<Output = object_store::Result<T>>,
    {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            match self.bounded(call()).await {
                Ok(value) => return Ok(value),
                Err(error) => {
                    let error = classify(verb, location, error);
                    if attempt == ATTEMPTS || error.kind() != ErrorKind::Unavailable {
                        return Err(error);
                    }
                }
            }
            self.shared.clock.sleep(pause).await;
            pause *= 4;
        }
        unreachable!("the loop ends by returning")
    }
}

async fn put(store: &dyn ObjectStore, path: &Path, bytes: &Bytes) -> object_store::Result<()> {
    if bytes.len() <= SINGLE_PUT_BYTES {
        let options = PutOptions::from(PutMode::Create);
        store
            .put_opts(path, PutPayload::from(bytes.clone()), options)
            .await?;
        return Ok(());
    }
    let mut upload = store.put_multipart(path).await?;
    let mut parts = Vec::new();
    for start in (0..bytes.len()).step_by(PART_BYTES) {
        let end = (start + PART_BYTES).min(bytes.len());
        parts.push(upload.put_part(PutPayload::from(bytes.slice(start..end))));
    }
    let sent: object_store::Result<Vec<()>> = futures::stream::iter(parts)
        .buffered(PARTS_AT_ONCE)
        .try_collect()
        .await;
    let done = match sent {
        Ok(_) => upload.complete().await.map(|_| ()),
        Err(error) => Err(error),
    };
    if done.is_err() {
        // Best effort: an abandoned upload costs space until the bucket's own rule removes it.
        let _ = upload.abort().await;
    }
    done
}

/// What an object store's error means to a caller.
fn classify(verb: &str, location: &str, error: object_store::Error) -> Error {
    use object_store::Error as E;
    let kind = match &error {
        E::NotFound { .. } => ErrorKind::NotFound,
        E::AlreadyExists { .. } | E::Precondition { .. } => ErrorKind::Conflict,
        E::PermissionDenied { .. }
        | E::Unauthenticated { .. }
        | E::InvalidPath { .. }
        | E::NotSupported { .. }
        | E::NotImplemented { .. }
        | E::UnknownConfigurationKey { .. } => ErrorKind::Invalid,
        E::JoinError { .. } => ErrorKind::Internal,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("can't {verb} {location}: {error}")).with_source(error)
}
