//! A stream's contract: topic, target table, columns, partitioning, order, commit rhythm.

use std::collections::BTreeMap;
use std::time::Duration;

use iceberg::spec::{Schema, SortOrder, UnboundPartitionSpec};

use crate::domain::TableName;

/// One file of `catalog/`.
#[derive(Clone, Debug)]
pub struct Stream {
    pub name: String,
    pub topic: String,
    pub table: TableName,
    pub dead_letters: TableName,
    /// The contract's columns followed by the sink's own (`_topic`, `_topic_id`, `_partition`,
    /// `_offset`, `_timestamp`, `_key`, `_extra`), with provisional field ids: a new table takes
    /// them as they are, a living one is evolved to them by name.
    pub schema: Schema,
    pub partition: UnboundPartitionSpec,
    pub sort_order: SortOrder,
    /// Old name → new name of columns, dotted for nested ones.
    pub renames: BTreeMap<String, String>,
    pub commit_interval: Duration,
    /// Commit before the interval ends when this many bytes of payload were read.
    pub commit_bytes: u64,
    pub start: Start,
    /// A longer record goes to dead letters with its size and its first bytes.
    pub largest_record_bytes: u64,
    pub group_id: String,
    /// librdkafka settings of the connection, as they are.
    pub kafka: BTreeMap<String, String>,
}

/// Where a partition that the ledger doesn't know is first read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Earliest,
    Latest,
    /// The first record at or after this time, milliseconds since 1970 UTC.
    At(i64),
}
