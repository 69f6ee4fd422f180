//! What the pipeline relies on in any source, as checks over a log that a fixture can write to.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use frazil::sink::source::embedded::NewRecord;
use frazil::sink::source::{Chunk, Source, SourceEvent, Watermarks};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// So long a check waits for what must come; far more than it takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A log with one topic of three partitions.
#[async_trait]
pub trait Fixture: Sync {
    async fn append(&self, records: &[NewRecord<'_>]) -> Vec<i64>;
    /// A source in a group of its own.
    async fn source(&self) -> Box<dyn Source>;
    /// Deletes the topic and makes it again under its name.
    async fn recreate(&self);
    /// Takes away the records below this offset.
    async fn expire(&self, partition: i32, below: i64);
}

pub const PARTITIONS: i32 = 3;

pub fn record(partition: i32, timestamp_ms: i64, payload: &str) -> NewRecord<'_> {
    NewRecord {
        partition,
        timestamp_ms,
        key: None,
        payload: Some(payload.as_bytes().into()),
    }
}

/// `count` records whose payload says their offset when they are the partition's first.
pub async fn fill(log: &dyn Fixture, partition: i32, from: i64, count: i64) {
    let texts: Vec<String> = (from..from + count)
        .map(|n| format!("{partition}:{n}"))
        .collect();
    let records: Vec<_> = texts
        .iter()
        .map(|text| record(partition, 1_000, text))
        .collect();
    for part in records.chunks(500) {
        log.append(part).await;
    }
}

/// The source, with all partitions assigned.
pub async fn assigned(log: &dyn Fixture) -> Box<dyn Source> {
    let mut source = log.source().await;
    wait_assigned(source.as_mut(), PARTITIONS as usize).await;
    source
}

pub async fn wait_assigned(source: &mut dyn Source, count: usize) {
    let mut partitions = Vec::new();
    while partitions.len() < count {
        match poll(source).await {
            SourceEvent::Assigned(more) => partitions.extend(more),
            SourceEvent::Trouble(_) => {}
            other => panic!("before the assignment came {other:?}"),
        }
    }
}

/// The next event but `Idle`.
pub async fn poll(source: &mut dyn Source) -> SourceEvent {
    let started = std::time::Instant::now();
    while started.elapsed() < PATIENCE {
        match source.poll(Duration::from_millis(500)).await.unwrap() {
            SourceEvent::Idle => {}
            event => return event,
        }
    }
    panic!("nothing came");
}

pub async fn poll_chunk(source: &mut dyn Source) -> Chunk {
    loop {
        match poll(source).await {
            SourceEvent::Records(chunk) => return chunk,
            SourceEvent::Trouble(_) => {}
            other => panic!("instead of records came {other:?}"),
        }
    }
}

pub fn payload(chunk: &Chunk, at: usize) -> Option<String> {
    let range = chunk.records[at].payload.clone()?;
    Some(String::from_utf8(chunk.bytes[range].to_vec()).unwrap())
}

/// Offsets and payloads of one partition until the reader has reached `end`.
pub async fn read_to(source: &mut dyn Source, partition: i32, end: i64) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    loop {
        let chunk = poll_chunk(source).await;
        assert_eq!(chunk.partition, partition);
        for at in 0..chunk.records.len() {
            let text = payload(&chunk, at).unwrap_or_default();
            found.push((chunk.records[at].offset, text));
        }
        assert!(
            chunk.next_offset <= end,
            "{} is past {end}",
            chunk.next_offset
        );
        if chunk.next_offset == end {
            return found;
        }
    }
}

fn dense(partition: i32, from: i64, to: i64) -> Vec<(i64, String)> {
    (from..to)
        .map(|n| (n, format!("{partition}:{n}")))
        .collect()
}

/// All checks, each on a new log.
pub async fn all<F: Fixture>(new: impl AsyncFn() -> F) {
    nothing_comes_before_a_seek(&new().await).await;
    records_come_whole(&new().await).await;
    each_seek_is_exact(&new().await).await;
    pauses_lose_nothing(&new().await).await;
    out_of_range_is_said(&new().await).await;
    marks_and_times(&new().await).await;
    a_topic_made_anew_is_another(&new().await).await;
}

async fn nothing_comes_before_a_seek(log: &dyn Fixture) {
    fill(log, 0, 0, 10).await;
    let mut source = assigned(log).await;
    let event = source.poll(Duration::from_secs(2)).await.unwrap();
    assert!(matches!(event, SourceEvent::Idle), "{event:?}");
    source.seek(0, 4).await.unwrap();
    assert_eq!(read_to(source.as_mut(), 0, 10).await, dense(0, 4, 10));
    // The others still wait.
    fill(log, 1, 0, 10).await;
    let event = source.poll(Duration::from_secs(2)).await.unwrap();
    assert!(matches!(event, SourceEvent::Idle), "{event:?}");
    source.publish(&[(0, 10)]).await.unwrap();
    source.close().await.unwrap();
}

async fn records_come_whole(log: &dyn Fixture) {
    let bytes = |text: &'static [u8]| Some(text.into());
    let records = [
        NewRecord {
            partition: 2,
            timestamp_ms: 5,
            key: bytes(b"k\xff"),
            payload: bytes(b""),
        },
        NewRecord {
            partition: 2,
            timestamp_ms: 6,
            key: bytes(b""),
            payload: None,
        },
        NewRecord {
            partition: 2,
            timestamp_ms: 4,
            key: None,
            payload: bytes(b"\0\xfe"),
        },
    ];
    assert_eq!(log.append(&records).await, [0, 1, 2]);
    let mut source = assigned(log).await;
    source.seek(2, 0).await.unwrap();
    let mut found = Vec::new();
    while found.len() < 3 {
        let chunk = poll_chunk(source.as_mut()).await;
        let slice = |range: &Option<std::ops::Range<usize>>| {
            range.clone().map(|range| chunk.bytes[range].to_vec())
        };
        for record in &chunk.records {
            found.push((
                record.timestamp_ms,
                slice(&record.key),
                slice(&record.payload),
            ));
        }
    }
    let wanted: Vec<_> = records
        .iter()
        .map(|r| {
            let owned =
                |bytes: &Option<std::borrow::Cow<'_, [u8]>>| bytes.as_deref().map(<[u8]>::to_vec);
            (Some(r.timestamp_ms), owned(&r.key), owned(&r.payload))
        })
        .collect();
    assert_eq!(found, wanted);
    source.close().await.unwrap();
}

/// Whatever was fetched or waits to be polled: after a seek the very record comes.
async fn each_seek_is_exact(log: &dyn Fixture) {
    const RECORDS: i64 = 5_000;
    fill(log, 1, 0, RECORDS).await;
    let mut source = assigned(log).await;
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for _ in 0..60 {
        let mut next = rng.random_range(0..RECORDS);
        source.seek(1, next).await.unwrap();
        // Sometimes sought again before anything came.
        for _ in 0..rng.random_range(0..3) {
            let chunk = poll_chunk(source.as_mut()).await;
            for at in 0..chunk.records.len() {
                assert_eq!(chunk.records[at].offset, next);
                assert_eq!(payload(&chunk, at), Some(format!("1:{next}")));
                next += 1;
            }
            if next == RECORDS {
                break;
            }
        }
    }
    source.seek(1, RECORDS - 10).await.unwrap();
    let tail = read_to(source.as_mut(), 1, RECORDS).await;
    assert_eq!(tail, dense(1, RECORDS - 10, RECORDS));
    source.close().await.unwrap();
}

/// Random pauses, resumes and seeks while records are written: each partition's records come in
/// order, without a gap, and none while it is paused.
async fn pauses_lose_nothing(log: &dyn Fixture) {
    const RECORDS: i64 = 20_000;
    let mut source = assigned(log).await;
    let mut next: BTreeMap<i32, i64> = BTreeMap::new();
    let mut paused: BTreeMap<i32, bool> = BTreeMap::new();
    for partition in 0..PARTITIONS {
        fill(log, partition, 0, RECORDS / 2).await;
        source.seek(partition, 0).await.unwrap();
        next.insert(partition, 0);
        paused.insert(partition, false);
    }
    let writing = async {
        for partition in 0..PARTITIONS {
            fill(log, partition, RECORDS / 2, RECORDS / 2).await;
        }
    };
    let reading = async {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let started = std::time::Instant::now();
        let mut steps = 0;
        while next.values().any(|next| *next < RECORDS) {
            assert!(
                started.elapsed() < PATIENCE,
                "stuck at {next:?}, paused {paused:?}"
            );
            steps += 1;
            let partition = rng.random_range(0..PARTITIONS);
            match rng.random_range(0..12) {
                0 | 1 => {
                    source.pause(&[partition]).await.unwrap();
                    paused.insert(partition, true);
                }
                2..6 => {
                    source.resume(&[partition]).await.unwrap();
                    paused.insert(partition, false);
                }
                6 if steps < 300 => {
                    let to = rng.random_range(0..=next[&partition]);
                    source.seek(partition, to).await.unwrap();
                    next.insert(partition, to);
                }
                _ => {}
            }
            let event = source.poll(Duration::from_millis(20)).await.unwrap();
            if let SourceEvent::Records(chunk) = event {
                assert!(!paused[&chunk.partition], "delivered while paused");
                let next = next.get_mut(&chunk.partition).unwrap();
                for at in 0..chunk.records.len() {
                    assert_eq!(chunk.records[at].offset, *next);
                    assert_eq!(
                        payload(&chunk, at),
                        Some(format!("{}:{next}", chunk.partition))
                    );
                    *next += 1;
                }
                assert_eq!(chunk.next_offset, *next);
            }
        }
    };
    tokio::join!(writing, reading);
    source.close().await.unwrap();
}

async fn out_of_range_is_said(log: &dyn Fixture) {
    // In two appends, for a log that can only forget whole ones.
    fill(log, 0, 0, 60).await;
    fill(log, 0, 60, 40).await;
    fill(log, 1, 0, 100).await;
    let mut source = assigned(log).await;
    source.seek(1, 90).await.unwrap();
    assert_eq!(read_to(source.as_mut(), 1, 100).await, dense(1, 90, 100));
    source.seek(0, 101).await.unwrap();
    expect_out_of_range(source.as_mut(), 0, 101).await;
    source.seek(0, 0).await.unwrap();
    assert_eq!(read_to(source.as_mut(), 0, 100).await, dense(0, 0, 100));
    log.expire(0, 60).await;
    let marks = Watermarks { low: 60, high: 100 };
    assert_eq!(source.watermarks(0).await.unwrap(), marks);
    source.seek(0, 10).await.unwrap();
    expect_out_of_range(source.as_mut(), 0, 10).await;
    source.seek(0, 60).await.unwrap();
    assert_eq!(read_to(source.as_mut(), 0, 100).await, dense(0, 60, 100));
    // Another partition is not touched by all that.
    fill(log, 1, 100, 10).await;
    assert_eq!(read_to(source.as_mut(), 1, 110).await, dense(1, 100, 110));
    source.close().await.unwrap();
}

async fn expect_out_of_range(source: &mut dyn Source, partition: i32, wanted: i64) {
    match poll(source).await {
        SourceEvent::OutOfRange {
            partition: p,
            wanted: w,
        } => {
            assert_eq!((p, w), (partition, wanted));
        }
        other => panic!("{other:?}"),
    }
}

async fn marks_and_times(log: &dyn Fixture) {
    log.append(&[record(0, 10, "a"), record(0, 30, "b")]).await;
    log.append(&[record(0, 20, "c"), record(0, 40, "d")]).await;
    let mut source = assigned(log).await;
    let marks = |low, high| Watermarks { low, high };
    assert_eq!(source.watermarks(0).await.unwrap(), marks(0, 4));
    assert_eq!(source.watermarks(1).await.unwrap(), marks(0, 0));
    for (time, offset) in [(0, 0), (10, 0), (11, 1), (30, 1), (31, 3), (41, 4)] {
        assert_eq!(
            source.offset_at(0, time).await.unwrap(),
            offset,
            "at {time}"
        );
    }
    assert_eq!(source.offset_at(1, 5).await.unwrap(), 0);
    source.close().await.unwrap();
}

async fn a_topic_made_anew_is_another(log: &dyn Fixture) {
    fill(log, 0, 0, 5).await;
    let mut source = assigned(log).await;
    let before = source.identity().await.unwrap();
    assert_eq!(before.partitions, PARTITIONS);
    assert_eq!(source.identity().await.unwrap(), before);
    log.recreate().await;
    let started = std::time::Instant::now();
    loop {
        // The cluster may need a moment to tell of the new one.
        if let Ok(after) = source.identity().await
            && after.topic_id != before.topic_id
        {
            assert_eq!(after.cluster_id, before.cluster_id);
            assert_eq!(after.topic, before.topic);
            break;
        }
        assert!(started.elapsed() < PATIENCE, "the topic id has not changed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    source.close().await.unwrap();
}
