//! Where records come from: Kafka, the embedded log, or a script (simulation).
//! One seam for all, so that the pipeline and its proof don't know which.

pub mod embedded;
pub mod kafka;

use std::time::Duration;

use async_trait::async_trait;

use crate::lake::Result;

/// Who the source is (invariant I4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceIdentity {
    pub cluster_id: String,
    pub topic: String,
    pub topic_id: String,
    pub partitions: i32,
}

impl SourceIdentity {
    /// Whether both name one and the same topic; it may have got more partitions.
    pub fn is_same_topic(&self, other: &Self) -> bool {
        self.cluster_id == other.cluster_id && self.topic_id == other.topic_id
    }
}

/// Where one record lies in its [`Chunk`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSpan {
    pub offset: i64,
    /// Milliseconds since 1970 by the broker or the producer; None when the log has none.
    pub timestamp_ms: Option<i64>,
    /// Range of the key in `bytes`; None for a null key.
    pub key: Option<std::ops::Range<usize>>,
    /// Range of the payload; None for a tombstone.
    pub payload: Option<std::ops::Range<usize>>,
}

/// A record that was read, and the leader epoch under which the log took it: when the log is cut
/// below it and grows again, what lies at its offset then has a higher one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastRecord {
    pub offset: i64,
    pub leader_epoch: i32,
}

/// Some records of one partition in offset order, their bytes in one buffer.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    pub partition: i32,
    pub bytes: Vec<u8>,
    pub records: Vec<RecordSpan>,
    /// The reader's position behind this chunk: past its last record, and past control and
    /// aborted records and gaps behind it as far as the source knows (I3).
    pub next_offset: i64,
    /// Its last record, where the source has leader epochs.
    pub last: Option<LastRecord>,
}

/// Offsets that exist now: `[low, high)`; `high` is the last stable offset where there are
/// transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    pub low: i64,
    pub high: i64,
}

/// When the source removes records, whoever has read them or not; None where it never does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// By age.
    pub age_ms: Option<i64>,
    /// By what a partition takes in the log.
    pub partition_bytes: Option<i64>,
}

/// What a poll brought.
#[derive(Clone, Debug)]
pub enum SourceEvent {
    /// These partitions are ours now; nothing is read from them until they are sought.
    Assigned(Vec<i32>),
    /// These are about to be taken from us: flush or discard, then call
    /// [`Source::release`] before the source's own time-out.
    Revoked(Vec<i32>),
    /// These are gone already (session lost): discard.
    Lost(Vec<i32>),
    Records(Chunk),
    /// The position wanted is not there any more (retention) or not yet, or what lies before it
    /// isn't what was read.
    OutOfRange {
        partition: i32,
        wanted: i64,
    },
    /// Something is wrong that the source itself goes on trying to mend (broker away).
    Trouble(String),
    /// Nothing within the time given.
    Idle,
}

/// A consumer of one topic.
#[async_trait]
pub trait Source: Send {
    /// Asks the cluster: never a cached answer (I4).
    async fn identity(&mut self) -> Result<SourceIdentity>;

    /// The next event, `Idle` after `wait`. Cancel-safe: a dropped call loses nothing.
    async fn poll(&mut self, wait: Duration) -> Result<SourceEvent>;

    /// Reads the partition from this offset on; chunks read before are never delivered after.
    async fn seek(&mut self, partition: i32, offset: i64) -> Result<()>;

    /// As [`Self::seek`], where the last record before the offset is known: a source with leader
    /// epochs looks whether its log still holds that very record, and says `OutOfRange` if not.
    async fn seek_after(&mut self, partition: i32, offset: i64, last: LastRecord) -> Result<()> {
        let _ = last;
        self.seek(partition, offset).await
    }

    /// Stops delivery of these without leaving the group; the source is still polled (I7).
    async fn pause(&mut self, partitions: &[i32]) -> Result<()>;

    async fn resume(&mut self, partitions: &[i32]) -> Result<()>;

    /// Answers a `Revoked`.
    async fn release(&mut self, partitions: &[i32]) -> Result<()>;

    async fn watermarks(&mut self, partition: i32) -> Result<Watermarks>;

    /// First offset at or after the time, or the high watermark.
    async fn offset_at(&mut self, partition: i32, timestamp_ms: i64) -> Result<i64>;

    /// What the source removes by itself, as it is set now. Asked rarely, and only for an alarm.
    async fn retention(&mut self) -> Result<Retention> {
        Ok(Retention::default())
    }

    /// Advises lag tools how far the group is (I1: never read back).
    async fn publish(&mut self, next_offsets: &[(i32, i64)]) -> Result<()>;

    /// Leaves the group in order.
    async fn close(&mut self) -> Result<()>;
}

/// Makes a stream's consumer; called again after the last one was closed or broke.
#[async_trait]
pub trait Connector: Send + Sync {
    async fn connect(&self) -> Result<Box<dyn Source>>;
}
