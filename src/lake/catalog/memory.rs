//! The catalog in memory, for simulations and tests. Nothing outlives the process.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Catalog, Guard, Move, Pointer, Relation, Swap, SwapOutcome, ViewSwap};
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

    async fn load_relations(&self, names: &[TableName]) -> Result<Vec<Option<Relation>>> {
        let state = self.database.state();
        let relation = |name| {
            let table = state.tables.get(name).map(Pointer::at);
            let view = || state.views.get(name).cloned().map(Relation::View);
            table.map(Relation::Table).or_else(view)
        };
        Ok(names.iter().map(relation).collect())
    }

    fn keeps_views(&self) -> bool {
        true
    }

    async fn views(&self) -> Result<Vec<(TableName, String)>> {
        let state = self.database.state();
        let views = state.views.iter();
        Ok(views.map(|(name, at)| (name.clone(), at.clone())).collect())
    }

    async fn list(&self) -> Result<Vec<TableName>> {
        Ok(self.database.state().tables.keys().cloned().collect())
    }

    async fn namespaces(&self) -> Result<Vec<String>> {
        let state = self.database.state();
        let mut all = state.namespaces.clone();
        let names = state.tables.keys().chain(state.views.keys());
        all.extend(names.map(|name| name.namespace().to_owned()));
        Ok(all.into_iter().collect())
    }

    async fn create_namespace(&self, namespace: &str) -> Result<()> {
        super::check_namespace(namespace)?;
        let mut state = self.database.state();
        state.namespaces.insert(namespace.to_owned());
        Ok(())
    }

    async fn drop_namespace(&self, namespace: &str) -> Result<bool> {
        let mut state = self.database.state();
        let mut names = state.tables.keys().chain(state.views.keys());
        if names.any(|name| name.namespace() == namespace) {
            return Ok(false);
        }
        state.namespaces.remove(namespace);
        Ok(true)
    }

    async fn swap(&self, swaps: &[Swap], guards: &[Guard]) -> Result<SwapOutcome> {
        self.swap_all(swaps, &[], guards).await
    }

    async fn swap_all(
        &self,
        swaps: &[Swap],
        views: &[ViewSwap],
        guards: &[Guard],
    ) -> Result<SwapOutcome> {
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
        // Nothing is changed before all is known to hold.
        let (mut tables, mut views_then) = (state.tables.clone(), state.views.clone());
        for one in super::in_order(swaps, views) {
            let (own, other) = match one {
                Move::Table(_) => (&mut tables, &mut views_then),
                Move::View(_) => (&mut views_then, &mut tables),
            };
            let taken = one.target().is_some() && other.contains_key(one.name());
            if own.get(one.name()) != one.expected() || taken {
                return Ok(SwapOutcome::Moved(one.name().clone()));
            }
            match one.target() {
                Some(new) => own.insert(one.name().clone(), new.clone()),
                None => own.remove(one.name()),
            };
        }
        (state.tables, state.views) = (tables, views_then);
        Ok(SwapOutcome::Swapped)
    }
}
