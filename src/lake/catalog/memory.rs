//! The catalog in memory, for simulations and tests. Nothing outlives the process.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Catalog, Guard, Pointer, Swap, SwapOutcome};
use crate::domain::TableName;
use crate::lake::Result;
use crate::lake::database::MemoryDatabase;

/// The catalog side of a [`MemoryDatabase`].
#[derive(Clone, Debug)]
pub struct MemoryCatalog {
    database: Arc<MemoryDatabase>,
}

impl MemoryCatalog {
    pub fn new(database: Arc<MemoryDatabase>) -> Self {
        Self { database }
    }
}

#[async_trait]
impl Catalog for MemoryCatalog {
    async fn load_all(&self, tables: &[TableName]) -> Result<Vec<Option<Pointer>>> {
        let state = self.database.state();
        let pointer = |table| state.tables.get(table).map(Pointer::at);
        Ok(tables.iter().map(pointer).collect())
    }

    async fn list(&self) -> Result<Vec<TableName>> {
        Ok(self.database.state().tables.keys().cloned().collect())
    }

    async fn namespaces(&self) -> Result<Vec<String>> {
        let state = self.database.state();
        let mut all = state.namespaces.clone();
        all.extend(state.tables.keys().map(|t| t.namespace().to_owned()));
        Ok(all.into_iter().collect())
    }

    async fn create_namespace(&self, namespace: &str) -> Result<()> {
        super::check_namespace(namespace)?;
        let mut state = self.database.state();
        state.namespaces.insert(namespace.to_owned());
        Ok(())
    }

    async fn swap(&self, swaps: &[Swap], guards: &[Guard]) -> Result<SwapOutcome> {
        super::check_swaps(swaps)?;
        let mut state = self.database.state();
        for guard in guards {
            let Guard::Lease(lease) = guard;
            if !state
                .leases
                .get(&lease.name)
                .is_some_and(|row| row.is_held_as(lease))
            {
                return Ok(SwapOutcome::GuardFailed(guard.clone()));
            }
        }
        for swap in super::in_order(swaps) {
            if state.tables.get(&swap.table) != swap.expected.as_ref() {
                return Ok(SwapOutcome::Moved(swap.table.clone()));
            }
        }
        for swap in swaps {
            match &swap.new {
                Some(new) => state.tables.insert(swap.table.clone(), new.clone()),
                None => state.tables.remove(&swap.table),
            };
        }
        Ok(SwapOutcome::Swapped)
    }
}
