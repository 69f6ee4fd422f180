//! A stream's contract: topic, target table, columns, partitioning, order, commit rhythm.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use iceberg::spec::{Schema, SortOrder, UnboundPartitionSpec};

use crate::config::{Place, SettingPlaces, redact_settings};
use crate::domain::TableName;

/// One file of `catalog/`.
#[derive(Clone)]
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
    /// Old name → new name of columns, dotted for nested ones (`a.element.x` in a list,
    /// `a.key.x` and `a.value.x` in a map). The old name is as it was before any rename.
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
    pub places: Places,
}

/// Where in its file a stream says what may clash with others, or may turn out wrong.
#[derive(Clone, Debug, Default)]
pub struct Places {
    pub table: Place,
    pub dead_letters: Place,
    pub group_id: Place,
    pub kafka: SettingPlaces,
}

/// Where a partition that the ledger doesn't know is first read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Earliest,
    Latest,
    /// The first record at or after this time, milliseconds since 1970 UTC.
    At(i64),
}

impl fmt::Debug for Stream {
    /// Leaves out the schema's details and every secret among the settings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("name", &self.name)
            .field("topic", &self.topic)
            .field("table", &self.table)
            .field("dead_letters", &self.dead_letters)
            .field("commit_interval", &self.commit_interval)
            .field("commit_bytes", &self.commit_bytes)
            .field("start", &self.start)
            .field("largest_record_bytes", &self.largest_record_bytes)
            .field("group_id", &self.group_id)
            .field("kafka", &redact_settings(&self.kafka))
            .finish_non_exhaustive()
    }
}
