//! Local files that are on the disk before a write returns. `object_store`'s own local store syncs
//! nothing and stages under names that its listing hides, so a killed process would leak them; here
//! a file is made under its own name, which nobody knows before the write has returned.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, TryFutureExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart,
};

const STORE: &str = "local files";
/// Directories whose entries are known to be on the disk; forgotten together when there are more.
const MAX_KNOWN_DIRECTORIES: usize = 4096;

/// Local files, rooted at `/`.
#[derive(Debug)]
pub struct DurableFiles {
    inner: LocalFileSystem,
    sync: Arc<Syncer>,
}

#[derive(Debug)]
struct Syncer {
    fsync: bool,
    known: Mutex<BTreeSet<PathBuf>>,
}

impl DurableFiles {
    pub fn new(fsync: bool) -> Self {
        Self {
            inner: LocalFileSystem::new(),
            sync: Arc::new(Syncer {
                fsync,
                known: Mutex::new(BTreeSet::new()),
            }),
        }
    }
}

impl fmt::Display for DurableFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STORE)
    }
}

impl Syncer {
    /// Makes the file, which must not exist, and the directories above it.
    fn create(&self, path: &FilePath) -> Result<File> {
        let open = || OpenOptions::new().write(true).create_new(true).open(path);
        let made = match open() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
                }
                open()
            }
            made => made,
        };
        made.map_err(|error| failed(path, error))
    }

    /// The file's bytes, its name, and the names of new directories above it.
    fn settle(&self, file: &File, path: &FilePath) -> Result<()> {
        if !self.fsync {
            return Ok(());
        }
        file.sync_all().map_err(|error| failed(path, error))?;
        let Some(parent) = path.parent() else {
            return Ok(());
        };
        sync_directory(parent)?;
        let mut above = parent;
        while let Some(directory) = above.parent() {
            if self.is_known(above) {
                break;
            }
            // Permission to open the upper directories may be missing; they are not new then.
            if sync_directory(directory).is_err() {
                break;
            }
            above = directory;
        }
        self.remember(parent);
        Ok(())
    }

    fn is_known(&self, directory: &FilePath) -> bool {
        let known = self.known.lock().expect("no holder of this lock panics");
        known.contains(directory)
    }

    fn remember(&self, directory: &FilePath) {
        let mut known = self.known.lock().expect("no holder of this lock panics");
        if known.len() >= MAX_KNOWN_DIRECTORIES {
            known.clear();
        }
        known.insert(directory.to_owned());
    }
}

fn sync_directory(path: &FilePath) -> Result<()> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| failed(path, error))
}

fn failed(path: &FilePath, error: std::io::Error) -> Error {
    let path = path.display().to_string();
    let kind = error.kind();
    let text = match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            format!("{path}: the disk is full, make room ({error})")
        }
        _ => format!("{path}: {error}"),
    };
    let source: Box<dyn std::error::Error + Send + Sync> = text.into();
    match kind {
        ErrorKind::AlreadyExists => Error::AlreadyExists { path, source },
        ErrorKind::NotFound => Error::NotFound { path, source },
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Error::PermissionDenied { path, source }
        }
        _ => Error::Generic {
            store: STORE,
            source,
        },
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}

#[async_trait]
impl ObjectStore for DurableFiles {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let path = self.inner.path_to_filesystem(location)?;
        let sync = self.sync.clone();
        if opts.mode != PutMode::Create {
            let result = self.inner.put_opts(location, payload, opts).await?;
            blocking(move || {
                let file = File::open(&path).map_err(|error| failed(&path, error))?;
                sync.settle(&file, &path)
            })
            .await?;
            return Ok(result);
        }
        blocking(move || {
            let mut file = sync.create(&path)?;
            let written = payload
                .iter()
                .try_for_each(|bytes| file.write_all(bytes))
                .map_err(|error| failed(&path, error))
                .and_then(|()| sync.settle(&file, &path));
            if let Err(error) = written {
                // Best effort: what stays is an orphan that nothing names.
                let _ = std::fs::remove_file(&path);
                return Err(error);
            }
            Ok(PutResult {
                e_tag: None,
                version: None,
            })
        })
        .await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let path = self.inner.path_to_filesystem(location)?;
        let sync = self.sync.clone();
        let upload = blocking(move || {
            let file = Arc::new(sync.create(&path)?);
            Ok(Upload {
                file,
                path,
                sync,
                offset: 0,
            })
        })
        .await?;
        Ok(Box::new(upload))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// A file that is written in parts, each at its own place.
#[derive(Debug)]
struct Upload {
    file: Arc<File>,
    path: PathBuf,
    sync: Arc<Syncer>,
    offset: u64,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (file, path, start) = (self.file.clone(), self.path.clone(), self.offset);
        self.offset += data.content_length() as u64;
        let work = move || {
            let mut at = start;
            for bytes in data.iter() {
                file.write_all_at(bytes, at)
                    .map_err(|error| failed(&path, error))?;
                at += bytes.len() as u64;
            }
            Ok(())
        };
        tokio::task::spawn_blocking(work)
            .map_err(Error::from)
            .map(|joined| joined?)
            .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let (file, path, sync) = (self.file.clone(), self.path.clone(), self.sync.clone());
        blocking(move || sync.settle(&file, &path)).await?;
        Ok(PutResult {
            e_tag: None,
            version: None,
        })
    }

    async fn abort(&mut self) -> Result<()> {
        let path = self.path.clone();
        blocking(move || std::fs::remove_file(&path).map_err(|error| failed(&path, error))).await
    }
}
