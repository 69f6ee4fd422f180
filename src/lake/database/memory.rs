//! One database in memory behind catalog and control, so that a swap can check a lease in the
//! same moment. Deterministic: ordered maps, no threads, time from the clock that it was given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::domain::TableName;
use crate::lake::catalog::memory::MemoryCatalog;
use crate::lake::control::lease::LeaseState;
use crate::lake::control::memory::MemoryControl;
use crate::lake::control::{FilledTable, RunRecord, StoredModel, StreamStatus};
use crate::seams::Clock;

/// The state that a [`MemoryCatalog`] and a [`MemoryControl`] share.
#[derive(Debug)]
pub struct MemoryDatabase {
    clock: Arc<dyn Clock>,
    state: Mutex<MemoryState>,
}

/// What is stored; the lock over all of it is what makes a swap one transaction.
#[derive(Debug, Default)]
pub(crate) struct MemoryState {
    pub tables: BTreeMap<TableName, String>,
    pub views: BTreeMap<TableName, String>,
    pub namespaces: BTreeSet<String>,
    pub leases: BTreeMap<String, LeaseState>,
    pub runs: BTreeMap<String, RunRecord>,
    pub models: BTreeMap<String, StoredModel>,
    pub stream_status: BTreeMap<(String, String, i32), StreamStatus>,
    pub filled_tables: BTreeMap<String, FilledTable>,
}

impl MemoryDatabase {
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            state: Mutex::default(),
        })
    }

    pub fn catalog(self: &Arc<Self>) -> Arc<MemoryCatalog> {
        Arc::new(MemoryCatalog::new(Arc::clone(self)))
    }

    pub fn control(self: &Arc<Self>) -> Arc<MemoryControl> {
        Arc::new(MemoryControl::new(Arc::clone(self)))
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Never held over an await.
    pub(crate) fn state(&self) -> MutexGuard<'_, MemoryState> {
        self.state.lock().expect("no holder of this lock panics")
    }
}
