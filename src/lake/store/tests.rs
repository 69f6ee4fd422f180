use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    PutMultipartOptions, PutResult,
};

use super::*;

fn on_disk() -> (tempfile::TempDir, Store, String) {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_str().unwrap().to_owned();
    (directory, Store::open(StoreOptions::default()), root)
}

#[tokio::test]
async fn writes_reads_lists_and_deletes_on_disk() {
    let (_keep, store, root) = on_disk();
    let file = format!("file://{root}/a/b/one.bin");
    store
        .write(&file, Bytes::from_static(b"one"))
        .await
        .unwrap();
    assert_eq!(
        store.read(&format!("{root}/a/b/one.bin")).await.unwrap(),
        "one"
    );
    assert_eq!(store.read_range(&file, 1..3).await.unwrap(), "ne");
    assert_eq!(store.size(&file).await.unwrap(), Some(3));

    let listed: Vec<_> = store
        .list(&format!("file://{root}/a"))
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].location.as_str(), listed[0].size_bytes),
        (file.as_str(), 3)
    );
    assert!(listed[0].last_modified_ms > 1_600_000_000_000);

    store.delete(&file).await.unwrap();
    store.delete(&file).await.expect("a missing file is fine");
    assert!(!store.exists(&file).await.unwrap());
    assert_eq!(
        store.read(&file).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn listing_what_is_not_there_is_empty() {
    let (_keep, store, root) = on_disk();
    let listed: Vec<_> = store
        .list(&format!("{root}/none"))
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert!(listed.is_empty());
}

#[tokio::test]
async fn a_file_is_never_overwritten() {
    let (_keep, store, root) = on_disk();
    for store in [store, Store::memory()] {
        let file = format!("{root}/x");
        store
            .write(&file, Bytes::from_static(b"first"))
            .await
            .unwrap();
        let again = store.write(&file, Bytes::from_static(b"second")).await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::Conflict);
        // A retry below us may meet what it has written itself.
        store
            .write(&file, Bytes::from_static(b"first"))
            .await
            .unwrap();
        assert_eq!(store.read(&file).await.unwrap(), "first");
    }
}

#[tokio::test]
async fn a_large_file_goes_in_parts() {
    let (_keep, store, root) = on_disk();
    let bytes: Bytes = (0..SINGLE_PUT_BYTES + 12_345)
        .map(|i| (i / 977) as u8)
        .collect();
    let file = format!("{root}/deep/large");
    store.write(&file, bytes.clone()).await.unwrap();
    assert!(store.read(&file).await.unwrap() == bytes, "bytes differ");
    let names: Vec<_> = std::fs::read_dir(format!("{root}/deep")).unwrap().collect();
    assert_eq!(names.len(), 1, "no staging file is left");
}

#[tokio::test]
async fn keys_of_foreign_writers_are_raw() {
    let (_keep, store, root) = on_disk();
    std::fs::create_dir_all(format!("{root}/p=a%3Ab c")).unwrap();
    std::fs::write(format!("{root}/p=a%3Ab c/f"), "x").unwrap();
    assert_eq!(
        store.read(&format!("{root}/p=a%3Ab c/f")).await.unwrap(),
        "x"
    );
    let listed: Vec<_> = store.list(&root).unwrap().try_collect().await.unwrap();
    assert_eq!(
        store.read(&listed[0].location).await.unwrap(),
        "x",
        "{}",
        listed[0].location
    );
}

#[tokio::test]
async fn an_unknown_bucket_is_said() {
    let error = Store::memory().read("s3://other/x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("s3://other"), "{error}");
}

#[test]
fn secrets_are_not_shown() {
    let options = S3Options {
        secret_access_key: Some("hush".into()),
        ..S3Options::default()
    };
    assert!(!format!("{options:?}").contains("hush"));
}

#[tokio::test]
async fn iceberg_reads_and_writes_through_it() {
    let io = Store::memory().file_io();
    io.new_output("/t/x")
        .unwrap()
        .write(Bytes::from_static(b"abc"))
        .await
        .unwrap();
    let mut parts = io.new_output("/t/y").unwrap().writer().await.unwrap();
    parts.write(Bytes::from_static(b"de")).await.unwrap();
    parts.write(Bytes::from_static(b"f")).await.unwrap();
    parts.close().await.unwrap();
    assert!(parts.close().await.is_err());
    let reader = io.new_input("file:///t/y").unwrap().reader().await.unwrap();
    assert_eq!(reader.read(1..3).await.unwrap(), "ef");
    assert_eq!(
        io.new_input("/t/x").unwrap().metadata().await.unwrap().size,
        3
    );
    io.delete_prefix("/t").await.unwrap();
    assert!(!io.exists("/t/x").await.unwrap());
}

/// Carries out every first write of a file and then reports failure; fails the first reads.
#[derive(Debug)]
struct LostReplies {
    inner: InMemory,
    writes: AtomicU32,
    reads: AtomicU32,
    failing_reads: u32,
}

impl fmt::Display for LostReplies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lost replies")
    }
}

fn lost() -> object_store::Error {
    object_store::Error::Generic {
        store: "test",
        source: "connection reset".into(),
    }
}

#[async_trait]
impl ObjectStore for LostReplies {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> object_store::Result<PutResult> {
        let result = self.inner.put_opts(location, payload, opts).await;
        match self.writes.fetch_add(1, Ordering::SeqCst) {
            0 => Err(lost()),
            _ => result,
        }
    }
    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }
    async fn get_opts(
        &self,
        location: &Path,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        if self.reads.fetch_add(1, Ordering::SeqCst) < self.failing_reads {
            return Err(lost());
        }
        self.inner.get_opts(location, options).await
    }
    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }
    async fn copy_opts(
        &self,
        from: &Path,
        to: &Path,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn losing(failing_reads: u32) -> Store {
    Store::local(Arc::new(LostReplies {
        inner: InMemory::new(),
        writes: AtomicU32::new(0),
        reads: AtomicU32::new(0),
        failing_reads,
    }))
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_reply_was_lost_is_found_done() {
    let store = losing(2);
    store
        .write("/x", Bytes::from_static(b"same"))
        .await
        .unwrap();
    assert_eq!(store.read("/x").await.unwrap(), "same");
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded() {
    let store = losing(1000);
    assert_eq!(
        store.read("/x").await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
}
