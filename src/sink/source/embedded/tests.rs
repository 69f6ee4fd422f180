use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::batch::StoredBatch;
use super::*;
use crate::lake::ErrorKind;
use crate::seams::SeededEntropy;
use crate::sink::source::{Chunk, Source, SourceEvent, Watermarks};

async fn open(folder: &TempDir) -> EmbeddedLog {
    let path = folder.path().join("log.db");
    EmbeddedLog::open(&path, Arc::new(SeededEntropy::new(1)))
        .await
        .unwrap()
}

fn record(partition: i32, timestamp_ms: i64, payload: &str) -> NewRecord<'_> {
    NewRecord {
        partition,
        timestamp_ms,
        key: None,
        payload: Some(payload.as_bytes().into()),
    }
}

fn payloads(read: Read) -> Vec<String> {
    let Read::Records(chunk) = read else {
        panic!("{read:?}");
    };
    let slice = |range: std::ops::Range<usize>| chunk.bytes[range].to_vec();
    let texts = chunk
        .records
        .iter()
        .map(|r| slice(r.payload.clone().unwrap()));
    texts
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .collect()
}

#[tokio::test]
async fn appended_records_come_back_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let log = open(&folder).await;
    let topic = log.create_topic("shop", 2).await.unwrap();
    assert_eq!(log.create_topic("shop", 9).await.unwrap(), topic);
    let offsets = log
        .append(
            "shop",
            &[record(1, 5, "a"), record(0, 6, "b"), record(1, 7, "c")],
        )
        .await
        .unwrap();
    assert_eq!(offsets, [0, 0, 1]);
    assert_eq!(log.append("shop", &[record(1, 8, "d")]).await.unwrap(), [2]);
    let cluster = log.cluster_id().to_owned();
    log.close().await;

    let log = open(&folder).await;
    assert_eq!(log.cluster_id(), cluster);
    assert_eq!(log.topic("shop").await.unwrap(), topic);
    assert_eq!(
        payloads(log.read(&topic, 1, 0, 1 << 20).await.unwrap()),
        ["a", "c", "d"]
    );
    // From the middle of a batch; one batch at least, whatever the limit.
    assert_eq!(payloads(log.read(&topic, 1, 1, 1).await.unwrap()), ["c"]);
    assert!(matches!(
        log.read(&topic, 1, 3, 1).await.unwrap(),
        Read::End
    ));
    let marks = Watermarks { low: 0, high: 3 };
    for outside in [-1, 4] {
        let read = log.read(&topic, 1, outside, 1).await.unwrap();
        assert!(
            matches!(read, Read::OutOfRange(found) if found == marks),
            "{read:?}"
        );
    }
    let times = [(0, 0), (5, 0), (6, 1), (8, 2), (9, 3)];
    for (timestamp, offset) in times {
        assert_eq!(log.offset_at(&topic, 1, timestamp).await.unwrap(), offset);
    }
}

#[tokio::test]
async fn an_append_is_whole_or_not_at_all() {
    let folder = TempDir::new().unwrap();
    let log = open(&folder).await;
    let topic = log.create_topic("shop", 1).await.unwrap();
    let error = log
        .append("shop", &[record(0, 1, "a"), record(1, 1, "b")])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let marks = log.watermarks(&topic, 0).await.unwrap();
    assert_eq!(marks, Watermarks { low: 0, high: 0 });
    let error = log.append("else", &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn writers_at_once_get_different_offsets() {
    let folder = TempDir::new().unwrap();
    // Two handles stand for two processes: they share the file and nothing else.
    let logs = [open(&folder).await, open(&folder).await];
    logs[0].create_topic("shop", 1).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let log = logs[writer % 2].clone();
        tasks.spawn(async move {
            let mut offsets = Vec::new();
            for n in 0..20 {
                let text = format!("{writer}-{n}");
                let records = [record(0, 1, &text), record(0, 1, &text)];
                offsets.extend(log.append("shop", &records).await.unwrap());
            }
            offsets
        });
    }
    let mut offsets = tasks.join_all().await.concat();
    offsets.sort_unstable();
    assert_eq!(offsets, (0..160).collect::<Vec<_>>());
}

#[tokio::test]
async fn retention_raises_the_low_watermark_and_shrinks_the_file() {
    let folder = TempDir::new().unwrap();
    let log = open(&folder).await;
    let topic = log.create_topic("shop", 2).await.unwrap();
    for n in 0..40_u64 {
        // Text that doesn't compress.
        let entropy = SeededEntropy::new(n);
        let text: String = (0..4_000)
            .map(|_| format!("{:016x}", entropy.next_u64()))
            .collect();
        log.append("shop", &[record((n % 2) as i32, n as i64, &text)])
            .await
            .unwrap();
    }
    let pages = || async {
        let pages: i64 = sqlx::query_scalar("PRAGMA page_count")
            .fetch_one(&log.inner.database.write)
            .await
            .unwrap();
        pages
    };
    let (before, size) = (pages().await, log.size_bytes(&topic).await.unwrap());
    let keep_for = |group: &str| Retention {
        bytes: size / 4,
        keep_for: Some(group.to_owned()),
    };
    // A group that has read nothing loses nothing; one that has read a part, only that part.
    assert_eq!(log.retain(&topic, &keep_for("g")).await.unwrap(), 0);
    log.publish("g", &topic, &[(0, 5)]).await.unwrap();
    assert_eq!(log.retain(&topic, &keep_for("g")).await.unwrap(), 5);
    assert_eq!(
        log.watermarks(&topic, 0).await.unwrap(),
        Watermarks { low: 5, high: 20 }
    );
    assert_eq!(
        log.watermarks(&topic, 1).await.unwrap(),
        Watermarks { low: 0, high: 20 }
    );

    let any = Retention {
        bytes: size / 4,
        keep_for: None,
    };
    assert!(log.retain(&topic, &any).await.unwrap() > 20);
    assert!(log.size_bytes(&topic).await.unwrap() <= size / 4);
    assert!(
        pages().await < before / 2,
        "{} of {before} pages",
        pages().await
    );
    let marks = log.watermarks(&topic, 1).await.unwrap();
    assert!(marks.low > 10 && marks.high == 20);
    assert!(matches!(
        log.read(&topic, 1, marks.low - 1, 1).await.unwrap(),
        Read::OutOfRange(_)
    ));
    assert!(matches!(
        log.read(&topic, 1, marks.low, 1).await.unwrap(),
        Read::Records(_)
    ));
    // Even with nothing left, offsets go on.
    let nothing = Retention {
        bytes: 0,
        keep_for: None,
    };
    log.retain(&topic, &nothing).await.unwrap();
    assert_eq!(
        log.append("shop", &[record(1, 1, "z")]).await.unwrap(),
        [20]
    );
}

#[tokio::test]
async fn a_foreign_a_newer_and_a_damaged_file_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log.db");
    let again = || EmbeddedLog::open(&path, Arc::new(SeededEntropy::new(2)));
    let log = open(&folder).await;
    let topic = log.create_topic("shop", 1).await.unwrap();
    log.append("shop", &[record(0, 1, "abc")]).await.unwrap();
    let write = &log.inner.database.write;
    sqlx::raw_sql("UPDATE batches SET blob = substr(blob, 1, length(blob) - 1) || x'00'")
        .execute(write)
        .await
        .unwrap();
    let error = log.read(&topic, 0, 0, 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("shop[0]"), "{error}");

    sqlx::raw_sql("PRAGMA user_version = 2")
        .execute(write)
        .await
        .unwrap();
    let error = again().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("has version 2, this program knows up to 1"),
        "{error}"
    );
    sqlx::raw_sql("PRAGMA application_id = 7")
        .execute(write)
        .await
        .unwrap();
    let error = again().await.unwrap_err();
    assert!(error.to_string().contains("not an event log"), "{error}");
    log.close().await;

    let path = folder.path().join("text");
    std::fs::write(&path, vec![b'x'; 20_000]).unwrap();
    let opened = EmbeddedLog::open(&path, Arc::new(SeededEntropy::new(2)));
    let error = opened.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

/// Golden: a file as the first release wrote it must open for ever, and go on.
#[tokio::test]
async fn opens_a_file_of_the_first_release_and_goes_on() {
    use sqlx::{Connection, Executor};
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        // The dump names tables before it makes them.
        .foreign_keys(false);
    let mut made = sqlx::SqliteConnection::connect_with(&options)
        .await
        .unwrap();
    let golden = include_str!("../../../../tests/golden/log-v1.sql");
    made.execute(golden).await.unwrap();
    made.close().await.unwrap();

    let log = open(&folder).await;
    assert_eq!(log.cluster_id(), "43ad2583-cbba-4e0d-8f0d-f5ae9fbaf928");
    let topic = log.topic("shop-events").await.unwrap();
    assert_eq!(topic.topic_id, "cfa41cd3-c650-410e-bac3-478378d5be11");
    assert_eq!(topic.partitions, 4);
    let marks = log.watermarks(&topic, 1).await.unwrap();
    assert_eq!((marks.low, marks.high), (0, 5));
    let read = payloads(log.read(&topic, 1, 0, 1 << 20).await.unwrap());
    let ids = [
        "e99017b2-b621-420b-b276-4a7cc915f079",
        "65b7b5a9-298b-4ae1-8381-aea1eef6c456",
        "44a45463-d142-4ae2-96a2-76763845a42f",
        "1bb5f96c-4152-4de4-9465-62d6168a039b",
        "f400c343-6a4d-4f2e-a0d3-bb36fcffc55b",
    ];
    assert_eq!(read.len(), ids.len());
    for (payload, id) in read.iter().zip(ids) {
        assert!(payload.contains(id), "{payload}");
    }
    let new = [record(1, 6, "new"), record(0, 6, "x")];
    assert_eq!(log.append("shop-events", &new).await.unwrap(), [5, 0]);
    let read = payloads(log.read(&topic, 1, 5, 1 << 20).await.unwrap());
    assert_eq!(read, ["new"]);
}

/// Golden: a batch as the first release wrote it must open for ever.
#[test]
fn opens_a_batch_of_the_first_release() {
    let mut blob = vec![1];
    // A zstd frame with one raw block and a checksum would do as well; this one is compressed.
    let raw = [
        &7_i64.to_le_bytes()[..],
        &u32::MAX.to_le_bytes(),
        &2_u32.to_le_bytes(),
        b"{}",
        &8_i64.to_le_bytes(),
        &1_u32.to_le_bytes(),
        b"k",
        &u32::MAX.to_le_bytes(),
    ]
    .concat();
    blob.extend(zstd::bulk::compress(&raw, 3).unwrap());
    let batch = StoredBatch {
        base_offset: 10,
        records: 2,
        raw_bytes: raw.len() as i64,
        blob,
    };
    let mut chunk = Chunk::default();
    batch.read_into(10, &mut chunk, "x").unwrap();
    assert_eq!(chunk.bytes, b"{}k");
    let found: Vec<_> = chunk
        .records
        .iter()
        .map(|r| (r.offset, r.timestamp_ms, r.key.clone(), r.payload.clone()))
        .collect();
    assert_eq!(
        found,
        [
            (10, Some(7), None, Some(0..2)),
            (11, Some(8), Some(2..3), None)
        ]
    );
}

proptest! {
    #[test]
    fn batches_survive_their_blob(
        records in prop::collection::vec(
            (any::<i64>(), any::<Option<Vec<u8>>>(), any::<Option<Vec<u8>>>()), 1..20),
        skip in 0..20i64,
    ) {
        let mut builder = BatchBuilder::default();
        for (timestamp_ms, key, payload) in &records {
            builder.push(&NewRecord {
                partition: 0,
                timestamp_ms: *timestamp_ms,
                key: key.as_deref().map(Cow::Borrowed),
                payload: payload.as_deref().map(Cow::Borrowed),
            });
        }
        let batch = builder.finish().unwrap();
        prop_assert_eq!(batch.max_timestamp_ms, records.iter().map(|r| r.0).max().unwrap());
        let stored = StoredBatch {
            base_offset: 100,
            records: batch.records,
            raw_bytes: batch.raw_bytes,
            blob: batch.blob,
        };
        let mut chunk = Chunk::default();
        stored.read_into(100 + skip, &mut chunk, "x").unwrap();
        let slice = |range: &Option<std::ops::Range<usize>>| {
            range.clone().map(|range| chunk.bytes[range].to_vec())
        };
        let found: Vec<_> = chunk
            .records
            .iter()
            .map(|r| (r.timestamp_ms.unwrap(), slice(&r.key), slice(&r.payload)))
            .collect();
        let wanted: Vec<_> = records.iter().skip(skip as usize).cloned().collect();
        prop_assert_eq!(found, wanted);
    }
}

#[tokio::test]
async fn a_waiting_reader_is_woken_and_a_topic_made_anew_is_not_read() {
    let folder = TempDir::new().unwrap();
    let log = open(&folder).await;
    log.create_topic("shop", 1).await.unwrap();
    let mut source = EmbeddedSource::open(log.clone(), "shop", "g")
        .await
        .unwrap();
    let wait = Duration::from_secs(60);
    assert!(matches!(source.poll(wait).await.unwrap(), SourceEvent::Assigned(p) if p == [0]));
    source.seek(0, 0).await.unwrap();
    let before = source.identity().await.unwrap();
    let started = std::time::Instant::now();
    let (event, _) = tokio::join!(source.poll(wait), async {
        log.append("shop", &[record(0, 1, "a")]).await.unwrap();
    });
    assert!(matches!(event.unwrap(), SourceEvent::Records(chunk) if chunk.next_offset == 1));
    assert!(started.elapsed() < wait / 2);

    log.delete_topic("shop").await.unwrap();
    log.create_topic("shop", 1).await.unwrap();
    log.append("shop", &[record(0, 1, "b"), record(0, 1, "c")])
        .await
        .unwrap();
    let after = source.identity().await.unwrap();
    assert_ne!(before.topic_id, after.topic_id);
    assert_eq!(before.cluster_id, after.cluster_id);
    let event = source.poll(Duration::from_millis(1)).await.unwrap();
    assert!(matches!(&event, SourceEvent::Trouble(_)), "{event:?}");
}
