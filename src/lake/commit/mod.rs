//! The one commit path: a set of changes to tables becomes visible together or not at all.
//!
//! 1. load each table's pointer afresh and check each change against it;
//! 2. write manifests, manifest lists and metadata files under new names;
//! 3. swap all pointers, with the guards, in one transaction of the catalog; when one has moved,
//!    start again at 1, with jitter.
//!
//! Keeps I1 (offsets in the commit of their rows), I2 (ledger rebuilt from the fresh base),
//! I3 (expected positions checked on the fresh base), I5 (unknown outcomes are looked up), I8
//! (guards), I10 (manifests merged, metadata log bounded).

mod avro;
mod document;
mod encode;
mod files;
pub(super) mod ledger;
mod manifest;
mod merge;
mod metadata;
mod prepare;
mod run;
mod summary;
mod views;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use iceberg::spec::{DataFile, Schema, SortOrder, UnboundPartitionSpec};
use uuid::Uuid;

use super::catalog::Guard;
use crate::domain::{OffsetRange, Position, SourcePartition, TableName};

/// The summary property that names the commit a snapshot came from.
pub const COMMIT_ID_SUMMARY: &str = "frazil.commit-id";

/// A set of changes that become visible together.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Names this commit in every snapshot's summary (`frazil.commit-id`), so that an unknown
    /// outcome can be looked up (I5). Use a fresh one for each attempt at new work.
    pub id: Uuid,
    pub changes: Vec<TableChange>,
    pub guards: Vec<Guard>,
}

/// What happens to one table.
#[derive(Clone, Debug)]
pub struct TableChange {
    pub table: TableName,
    /// Makes the table in this commit when it does not exist.
    pub create: Option<NewTable>,
    pub files: FileChange,
    pub set_properties: BTreeMap<String, String>,
    pub remove_properties: Vec<String>,
    /// A schema that replaces the current one (field ids must already be the table's).
    pub schema: Option<Schema>,
    /// Goes into the snapshot's summary beside the counts.
    pub summary: BTreeMap<String, String>,
    /// Moves of the ledger that this table carries (I1, I3). Refused as `Stale` when the table's
    /// ledger was written by a snapshot that is no ancestor of the current one: someone rolled
    /// the table back, and rows that the ledger counts are gone.
    /// With [`FileChange::Nothing`] only offsets are set (`read` and `lost` are None).
    pub ledger: Vec<LedgerMove>,
    /// Goes on after somebody rolled the table back behind its ledger: without it such a ledger
    /// stops every commit that moves it (I1). Only for an operator's explicit word.
    pub accept_rollback: bool,
    /// Snapshots that go (thinning, expiry); one that a branch or tag needs is refused. Their files
    /// stay: upkeep deletes by reachability (I9).
    pub remove_snapshots: Vec<i64>,
    /// Tags to set on a snapshot, or (None) to remove.
    pub tags: BTreeMap<String, Option<i64>>,
    /// The snapshot that must be current (None in the inner option: no snapshot yet).
    pub expected_snapshot: Option<Option<i64>>,
    /// The partition spec that the added files were written for, if it must still be the default.
    pub expected_spec_id: Option<i32>,
    /// The table that must be meant: a table dropped and made again has another uuid.
    pub expected_uuid: Option<Uuid>,
    /// The schema that must be current: give it with `schema`, else two that evolve at once give
    /// one field id to two columns.
    pub expected_schema: Option<i32>,
    /// With `create`: a new table takes the name, whatever table there is.
    pub must_create: bool,
    /// The table that takes this name, with all that it has: a rename. Its old name needs a change
    /// beside this one that drops it or has another table take it.
    pub renamed_from: Option<TableName>,
    /// With the two above, the table that loses its name to the other; without, nobody may have it.
    pub replaces: Option<Uuid>,
    /// The table goes; its files stay. Nothing else of this change counts but what is expected.
    pub drop: bool,
}

impl TableChange {
    /// A change of `table` that does nothing yet.
    pub fn new(table: TableName, files: FileChange) -> Self {
        Self {
            table,
            create: None,
            files,
            set_properties: BTreeMap::new(),
            remove_properties: Vec::new(),
            schema: None,
            summary: BTreeMap::new(),
            ledger: Vec::new(),
            accept_rollback: false,
            remove_snapshots: Vec::new(),
            tags: BTreeMap::new(),
            expected_snapshot: None,
            expected_spec_id: None,
            expected_uuid: None,
            expected_schema: None,
            must_create: false,
            renamed_from: None,
            replaces: None,
            drop: false,
        }
    }
}

/// How a table that doesn't exist is made.
#[derive(Clone, Debug)]
pub struct NewTable {
    pub schema: Schema,
    pub partition: UnboundPartitionSpec,
    pub sort_order: SortOrder,
    /// [`LOCATION`] among them is no property: it says where the table is placed.
    pub properties: BTreeMap<String, String>,
}

/// Of a new table's properties the one that names its folder; without it the folder has the
/// table's name. Two tables in one folder would have upkeep remove each other's files.
pub const LOCATION: &str = "location";

/// How a folder in a table's data folder begins that holds rows which are only passed on. Whatever
/// lies there is that table's.
pub const SCRATCH: &str = "scratch-";

/// What happens to a table's files.
#[derive(Clone, Debug)]
pub enum FileChange {
    /// No new snapshot: properties, schema or creation only.
    Nothing,
    /// Adds files; an empty list makes an empty snapshot (an advance of offsets with no rows).
    Append(Vec<DataFile>),
    /// A logical change: these paths go, these files come.
    Overwrite {
        remove: Vec<String>,
        add: Vec<DataFile>,
    },
    /// Everything goes, these files come (a full refresh). Give `expected_snapshot` with it, so
    /// that files added meanwhile are not lost unseen.
    OverwriteAll { add: Vec<DataFile> },
    /// Same rows in other files (compaction): refused when a removed file is gone or has got
    /// delete files meanwhile.
    Replace {
        remove: Vec<String>,
        add: Vec<DataFile>,
    },
    /// Only removals.
    Delete { remove: Vec<String> },
}

/// One partition's move in the ledger: commits only when the fresh base stands at `expected`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerMove {
    pub source: SourcePartition,
    pub topic: String,
    /// None: the ledger must not know the partition yet.
    pub expected: Option<Position>,
    pub to: Position,
    /// What was read, for the snapshot's summary; None when offsets were only set.
    pub read: Option<OffsetRange>,
    /// What Kafka no longer had (I6).
    pub lost: Option<OffsetRange>,
}

/// What a commit left behind, table by table, in the order of the changes.
#[derive(Clone, Debug)]
pub struct Committed {
    pub tables: Vec<super::Table>,
    /// How often the swap had to be tried.
    pub attempts: u32,
}

/// Why a commit did not happen, or that nobody knows yet.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The ledger stands elsewhere: this writer is a zombie or replays. Drop the batch, re-seek.
    #[error(
        "{table}: the ledger stands at {found:?} for {source_partition}, this batch started from {expected:?}"
    )]
    Fenced {
        table: TableName,
        source_partition: Box<SourcePartition>,
        expected: Option<Position>,
        found: Option<Position>,
    },
    /// The base is not what the change was planned on: plan again.
    #[error("{table}: {reason}")]
    Stale { table: TableName, reason: String },
    /// A guard did not hold: whoever planned this has been displaced (I8).
    #[error("the lease {0:?} is no longer held as planned")]
    Displaced(Guard),
    /// Still unknown after looking (I5): the files must be left to orphan removal, and the caller
    /// must look at the ledger before it commits anything else.
    #[error("it is not known whether commit {id} took place: {cause}")]
    Unknown { id: Uuid, cause: super::Error },
    /// Nothing took place.
    #[error(transparent)]
    Failed(#[from] super::Error),
}

pub(super) use self::document::SnapshotTexts;
pub use self::ledger::{LOST_SUMMARY, OFFSETS_SUMMARY, committed_ranges};
pub(super) use self::manifest::Headers;
pub(super) use self::metadata::stage;
pub use self::run::run;
pub use self::views::ViewChange;
