//! iceberg's `Storage` over a [`Store`], so that its readers see the same bytes, faults and bounds.
//! The commit path itself doesn't need it.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use iceberg::io::{
    FileIO, FileIOBuilder, FileMetadata, FileRead, FileWrite, InputFile, OutputFile, Storage,
    StorageConfig, StorageFactory,
};
use serde::{Deserialize, Serialize};

use super::Store;
use crate::lake::{Error, ErrorKind};

pub(super) fn adapt(store: Store) -> FileIO {
    FileIOBuilder::new(Arc::new(Adapter { store: Some(store) })).build()
}

/// Serialises to nothing (iceberg asks for it, for engines that ship plans): what comes back from
/// there has no store and says so.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Adapter {
    #[serde(skip)]
    store: Option<Store>,
}

impl Adapter {
    fn store(&self) -> iceberg::Result<&Store> {
        self.store.as_ref().ok_or_else(|| {
            iceberg::Error::new(
                iceberg::ErrorKind::PreconditionFailed,
                "this file access was deserialised and has no store",
            )
        })
    }
}

fn foreign(error: Error) -> iceberg::Error {
    let kind = match error.kind() {
        ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Corrupt => {
            iceberg::ErrorKind::DataInvalid
        }
        ErrorKind::Conflict => iceberg::ErrorKind::PreconditionFailed,
        ErrorKind::Unavailable | ErrorKind::Internal => iceberg::ErrorKind::Unexpected,
    };
    iceberg::Error::new(kind, error.to_string())
        .with_retryable(error.kind() == ErrorKind::Unavailable)
        .with_source(error)
}

#[typetag::serde(name = "FrazilStorageFactory")]
impl StorageFactory for Adapter {
    fn build(&self, _config: &StorageConfig) -> iceberg::Result<Arc<dyn Storage>> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
#[typetag::serde(name = "FrazilStorage")]
impl Storage for Adapter {
    async fn exists(&self, path: &str) -> iceberg::Result<bool> {
        self.store()?.exists(path).await.map_err(foreign)
    }

    async fn metadata(&self, path: &str) -> iceberg::Result<FileMetadata> {
        let size = self.store()?.size(path).await.map_err(foreign)?;
        let missing = || foreign(Error::not_found(format!("there is no file {path}")));
        Ok(FileMetadata {
            size: size.ok_or_else(missing)?,
        })
    }

    async fn read(&self, path: &str) -> iceberg::Result<Bytes> {
        self.store()?.read(path).await.map_err(foreign)
    }

    async fn reader(&self, path: &str) -> iceberg::Result<Box<dyn FileRead>> {
        Ok(Box::new(Reader {
            store: self.store()?.clone(),
            path: path.to_owned(),
        }))
    }

    async fn write(&self, path: &str, bytes: Bytes) -> iceberg::Result<()> {
        self.store()?.write(path, bytes).await.map_err(foreign)
    }

    async fn writer(&self, path: &str) -> iceberg::Result<Box<dyn FileWrite>> {
        Ok(Box::new(Writer {
            store: self.store()?.clone(),
            path: path.to_owned(),
            buffer: Some(BytesMut::new()),
        }))
    }

    async fn delete(&self, path: &str) -> iceberg::Result<()> {
        self.store()?.delete(path).await.map_err(foreign)
    }

    async fn delete_prefix(&self, path: &str) -> iceberg::Result<()> {
        let store = self.store()?;
        let mut files = store.list(path).map_err(foreign)?;
        while let Some(file) = files.try_next().await.map_err(foreign)? {
            store.delete(&file.location).await.map_err(foreign)?;
        }
        Ok(())
    }

    async fn delete_stream(&self, mut paths: BoxStream<'static, String>) -> iceberg::Result<()> {
        while let Some(path) = paths.next().await {
            self.store()?.delete(&path).await.map_err(foreign)?;
        }
        Ok(())
    }

    fn new_input(&self, path: &str) -> iceberg::Result<InputFile> {
        Ok(InputFile::new(Arc::new(self.clone()), path.to_owned()))
    }

    fn new_output(&self, path: &str) -> iceberg::Result<OutputFile> {
        Ok(OutputFile::new(Arc::new(self.clone()), path.to_owned()))
    }
}

#[derive(Debug)]
struct Reader {
    store: Store,
    path: String,
}

#[async_trait]
impl FileRead for Reader {
    async fn read(&self, range: Range<u64>) -> iceberg::Result<Bytes> {
        let read = self.store.read_range(&self.path, range);
        read.await.map_err(foreign)
    }
}

/// Gathers a file and writes it when it is closed.
#[derive(Debug)]
struct Writer {
    store: Store,
    path: String,
    buffer: Option<BytesMut>,
}

impl Writer {
    fn closed(&self) -> iceberg::Error {
        foreign(Error::invalid(format!("{} is closed already", self.path)))
    }
}

#[async_trait]
impl FileWrite for Writer {
    async fn write(&mut self, bytes: Bytes) -> iceberg::Result<()> {
        match &mut self.buffer {
            Some(buffer) => {
                buffer.extend_from_slice(&bytes);
                Ok(())
            }
            None => Err(self.closed()),
        }
    }

    async fn close(&mut self) -> iceberg::Result<()> {
        let Some(buffer) = self.buffer.take() else {
            return Err(self.closed());
        };
        let written = self.store.write(&self.path, buffer.freeze());
        written.await.map_err(foreign)
    }
}
