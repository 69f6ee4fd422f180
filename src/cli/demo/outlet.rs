//! Where the demo's records go: the embedded log or Kafka.

use std::borrow::Cow;
use std::ops::Range;

use async_trait::async_trait;

use crate::sink::source::embedded::NewRecord;

/// Some records in the order in which they were made, their bytes in one buffer.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub bytes: Vec<u8>,
    pub records: Vec<Outgoing>,
}

/// Where a record goes and where it lies in its [`Batch`].
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub partition: i32,
    pub timestamp_ms: i64,
    pub key: Range<usize>,
    pub payload: Range<usize>,
}

impl Batch {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
    }

    /// As a log takes them.
    pub(super) fn new_records(&self) -> Vec<NewRecord<'_>> {
        let bytes = |range: &Range<usize>| Some(Cow::Borrowed(&self.bytes[range.clone()]));
        let record = |record: &Outgoing| NewRecord {
            partition: record.partition,
            timestamp_ms: record.timestamp_ms,
            key: bytes(&record.key),
            payload: bytes(&record.payload),
        };
        self.records.iter().map(record).collect()
    }
}

/// A topic that is appended to by this producer alone.
#[async_trait]
pub(super) trait Outlet: Send {
    /// The end of each partition: as many records as were ever appended to it.
    async fn ends(&mut self) -> anyhow::Result<Vec<i64>>;

    /// Appends in order, durably when it returns. After an error or a crash each partition holds
    /// a prefix of what was to be appended to it.
    async fn append(&mut self, batch: &Batch) -> anyhow::Result<()>;
}

#[async_trait]
impl Outlet for Box<dyn Outlet> {
    async fn ends(&mut self) -> anyhow::Result<Vec<i64>> {
        self.as_mut().ends().await
    }

    async fn append(&mut self, batch: &Batch) -> anyhow::Result<()> {
        self.as_mut().append(batch).await
    }
}
