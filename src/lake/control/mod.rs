//! The control store: what processes must agree on and Iceberg has no place for.
//! Leases, runs, models that psql made, streams as last seen, tables that they fill. In the
//! catalog's own database, its schema versioned and migrated.

pub(crate) mod lease;
pub mod memory;
pub mod sql;

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Error, Result};

/// A lease as it was granted. `generation` rises with every grant to another holder, so that a
/// holder that slept is told from its successor (I8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    pub name: String,
    pub holder: String,
    pub generation: i64,
    /// Milliseconds since 1970, by the control store's clock.
    pub expires_at_ms: i64,
}

/// How a run ended, or that it hasn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    Running,
    Succeeded,
    Failed,
    /// Its process died or was displaced; found by the next holder of the model's lease.
    Abandoned,
}

/// One attempt at a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    pub run_id: String,
    pub model: String,
    pub state: RunState,
    /// The tick of the schedule it was for; None for a REFRESH by hand.
    pub scheduled_at_ms: Option<i64>,
    pub started_at_ms: i64,
    pub ended_at_ms: Option<i64>,
    /// JSON object: source table → snapshot id that was read.
    pub source_snapshots: String,
    pub target_snapshot: Option<i64>,
    pub rows: Option<i64>,
    pub error: Option<String>,
    pub holder: String,
}

/// A model that was made through psql (those of files live in their files).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredModel {
    /// `namespace.name`.
    pub name: String,
    /// The statement as it was written.
    pub statement: String,
    pub owner: String,
    pub changed_at_ms: i64,
}

/// A stream's partition as its sink last saw it; for people and lag tools, never for decisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStatus {
    pub stream: String,
    pub topic: String,
    pub topic_id: String,
    pub partition: i32,
    /// Next offset to commit.
    pub committed_offset: i64,
    pub low_watermark: i64,
    pub high_watermark: i64,
    pub holder: String,
    pub state: String,
    pub message: Option<String>,
    pub seen_at_ms: i64,
}

/// A table that a stream fills: that both its tables were dropped is not told by either.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilledTable {
    /// `namespace.name`.
    pub table: String,
    pub uuid: String,
    pub stream: String,
    pub since_ms: i64,
}

#[async_trait]
pub trait Control: Debug + Send + Sync {
    /// Grants the lease if it is free, expired, or already this holder's; None if another's.
    async fn acquire(&self, name: &str, holder: &str, ttl_ms: i64) -> Result<Option<Lease>>;

    /// Extends it if it still stands in this generation; false when it is lost.
    async fn renew(&self, lease: &Lease, ttl_ms: i64) -> Result<bool>;

    /// Gives it back, if it is still held; its generation stays.
    async fn release(&self, lease: &Lease) -> Result<()>;

    /// Inserts or replaces by `run_id`.
    async fn put_run(&self, run: &RunRecord) -> Result<()>;

    /// The newest runs first, of one model or of all; at most `limit`.
    async fn runs(&self, model: Option<&str>, limit: usize) -> Result<Vec<RunRecord>>;

    /// Forgets ended runs beyond the newest `keep` of each model.
    async fn prune_runs(&self, keep: usize) -> Result<()>;

    async fn put_model(&self, model: &StoredModel) -> Result<()>;
    async fn drop_model(&self, name: &str) -> Result<bool>;
    async fn models(&self) -> Result<Vec<StoredModel>>;

    /// Inserts or replaces by (stream, topic_id, partition).
    async fn put_stream_status(&self, status: &[StreamStatus]) -> Result<()>;
    async fn stream_status(&self) -> Result<Vec<StreamStatus>>;

    /// Inserts or replaces by table.
    async fn put_filled_table(&self, filled: &FilledTable) -> Result<()>;
    async fn filled_table(&self, table: &str) -> Result<Option<FilledTable>>;
    /// No error when it isn't known.
    async fn forget_filled_table(&self, table: &str) -> Result<()>;
}

/// What no backend may store: a lease without a name, without a holder, or over at once.
pub(crate) fn check_lease_request(name: &str, holder: &str, ttl_ms: i64) -> Result<()> {
    if name.is_empty() || holder.is_empty() || ttl_ms <= 0 {
        return Err(Error::invalid(format!(
            "a lease needs a name, a holder and a time above 0 ms; got {name:?}, {holder:?}, {ttl_ms} ms"
        )));
    }
    Ok(())
}
