//! The control store in memory, for simulations and tests. Nothing outlives the process.

use std::sync::Arc;

use async_trait::async_trait;

use super::lease::LeaseState;
use super::{Control, FilledTable, Lease, RunRecord, RunState, StoredModel, StreamStatus};
use crate::lake::Result;
use crate::lake::database::MemoryDatabase;

/// The control side of a [`MemoryDatabase`].
#[derive(Clone, Debug)]
pub struct MemoryControl {
    database: Arc<MemoryDatabase>,
}

impl MemoryControl {
    pub fn new(database: Arc<MemoryDatabase>) -> Self {
        Self { database }
    }
}

#[async_trait]
impl Control for MemoryControl {
    async fn acquire(&self, name: &str, holder: &str, ttl_ms: i64) -> Result<Option<Lease>> {
        super::check_lease_request(name, holder, ttl_ms)?;
        let now_ms = self.database.now_ms();
        let mut state = self.database.state();
        let lease = state
            .leases
            .get(name)
            .cloned()
            .unwrap_or_default()
            .grant(name, holder, now_ms, ttl_ms);
        if let Some(lease) = &lease {
            state.leases.insert(name.to_owned(), lease.into());
        }
        Ok(lease)
    }

    async fn renew(&self, lease: &Lease, ttl_ms: i64) -> Result<bool> {
        super::check_lease_request(&lease.name, &lease.holder, ttl_ms)?;
        let now_ms = self.database.now_ms();
        let mut state = self.database.state();
        match state.leases.get_mut(&lease.name) {
            Some(row) if row.is_held_as(lease) => {
                row.expires_at_ms = now_ms.saturating_add(ttl_ms);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        let mut state = self.database.state();
        if let Some(row) = state.leases.get_mut(&lease.name)
            && row.is_held_as(lease)
        {
            *row = LeaseState {
                holder: None,
                generation: row.generation,
                expires_at_ms: 0,
            };
        }
        Ok(())
    }

    async fn put_run(&self, run: &RunRecord) -> Result<()> {
        let mut state = self.database.state();
        state.runs.insert(run.run_id.clone(), run.clone());
        Ok(())
    }

    async fn runs(&self, model: Option<&str>, limit: usize) -> Result<Vec<RunRecord>> {
        let state = self.database.state();
        let mut runs: Vec<RunRecord> = state
            .runs
            .values()
            .filter(|run| model.is_none_or(|model| run.model == model))
            .cloned()
            .collect();
        runs.sort_by(newest_first);
        runs.truncate(limit);
        Ok(runs)
    }

    async fn prune_runs(&self, keep: usize) -> Result<()> {
        let mut state = self.database.state();
        let mut ended: Vec<RunRecord> = state
            .runs
            .values()
            .filter(|run| run.state != RunState::Running)
            .cloned()
            .collect();
        ended.sort_by(newest_first);
        let mut seen = std::collections::BTreeMap::<&str, usize>::new();
        for run in &ended {
            let place = seen.entry(&run.model).or_default();
            *place += 1;
            if *place > keep {
                state.runs.remove(&run.run_id);
            }
        }
        Ok(())
    }

    async fn put_model(&self, model: &StoredModel) -> Result<()> {
        let mut state = self.database.state();
        state.models.insert(model.name.clone(), model.clone());
        Ok(())
    }

    async fn drop_model(&self, name: &str) -> Result<bool> {
        Ok(self.database.state().models.remove(name).is_some())
    }

    async fn models(&self) -> Result<Vec<StoredModel>> {
        Ok(self.database.state().models.values().cloned().collect())
    }

    async fn put_stream_status(&self, status: &[StreamStatus]) -> Result<()> {
        let mut state = self.database.state();
        for line in status {
            let key = (line.stream.clone(), line.topic_id.clone(), line.partition);
            state.stream_status.insert(key, line.clone());
        }
        Ok(())
    }

    async fn stream_status(&self) -> Result<Vec<StreamStatus>> {
        let state = self.database.state();
        Ok(state.stream_status.values().cloned().collect())
    }

    async fn put_filled_table(&self, filled: &FilledTable) -> Result<()> {
        let mut state = self.database.state();
        let key = filled.table.clone();
        state.filled_tables.insert(key, filled.clone());
        Ok(())
    }

    async fn filled_table(&self, table: &str) -> Result<Option<FilledTable>> {
        Ok(self.database.state().filled_tables.get(table).cloned())
    }

    async fn forget_filled_table(&self, table: &str) -> Result<()> {
        self.database.state().filled_tables.remove(table);
        Ok(())
    }
}

fn newest_first(a: &RunRecord, b: &RunRecord) -> std::cmp::Ordering {
    (b.started_at_ms, &b.run_id).cmp(&(a.started_at_ms, &a.run_id))
}
