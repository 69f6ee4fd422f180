//! What a statement names, loaded once each: tables of the lake as of one moment, what the session
//! has of its own, system tables, and views with all that they read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::execution::session_state::SessionState;

use super::catalog::{LakeCatalog, SYSTEM_SCHEMA};
use super::engine::Engine;
use super::metadata_tables::{self, MetadataTable};
use super::pin::Pin;
use super::scan::IcebergTable;
use super::views::{View, too_deep};
use super::write::TEMPORARY;
use super::{QueryError, QueryErrorKind};
use crate::domain::TableName;
use crate::lake::catalog::{Pointer, Relation};
use crate::lake::{ErrorKind, Lake, Table};

/// Tables and views that one statement may mean, with all that its views read.
const MOST_NAMES: usize = 2_000;
/// How deep views may stand on views; also how often a look is taken again.
const MOST_ROUNDS: usize = 64;

/// Loads a statement's tables, each once.
pub(super) struct Loader<'a> {
    catalog: &'a LakeCatalog,
    state: &'a SessionState,
    loaded: Tables<'a>,
    listed: bool,
}

/// The tables that a transaction has read, as they stood when it first did. Shared by the session
/// and the statements that it plans.
pub(super) type Held = Arc<Mutex<HashMap<TableName, Option<Table>>>>;

/// Tables that a statement sees before all others: what its transaction has changed, and what the
/// statement made for itself. None: the transaction has dropped it.
pub(super) type Own = HashMap<TableName, Option<Arc<dyn TableProvider>>>;

/// The views of a session's own.
pub(super) type OwnViews = BTreeMap<TableName, Option<Arc<View>>>;

/// What a name means.
pub(super) enum Found {
    Table(Arc<dyn TableProvider>),
    View(TableName, Arc<View>),
}

/// What was loaded of the lake for one statement.
pub(super) struct Tables<'a> {
    pins: &'a HashMap<TableName, Pin>,
    own: &'a Own,
    /// None outside of a transaction.
    held: Option<Held>,
    /// What the session has of views, before all others; None: its transaction has dropped it.
    own_views: OwnViews,
    /// Pointers that were asked for together.
    pointers: HashMap<TableName, Option<Pointer>>,
    /// What lists tables (`pg_catalog`) may not be read: a list is being made.
    listless: bool,
    /// Views that were found with them.
    views: HashMap<TableName, Arc<View>>,
    loaded: HashMap<TableName, Option<IcebergTable>>,
}

impl<'a> Tables<'a> {
    pub(super) fn new(pins: &'a HashMap<TableName, Pin>, held: Option<Held>, own: &'a Own) -> Self {
        Self {
            pins,
            own,
            held,
            own_views: OwnViews::new(),
            listless: false,
            pointers: HashMap::new(),
            views: HashMap::new(),
            loaded: HashMap::new(),
        }
    }

    pub(super) fn with_views(mut self, own_views: OwnViews) -> Self {
        self.own_views = own_views;
        self
    }

    pub(super) fn without_lists(mut self) -> Self {
        self.listless = true;
        self
    }

    fn view(&self, name: &TableName) -> Option<Arc<View>> {
        match self.own_views.get(name) {
            Some(own) => own.clone(),
            None if self.own.contains_key(name) => None,
            None => self.views.get(name).cloned(),
        }
    }

    /// The table as the transaction has read it before.
    fn held(&self, name: &TableName) -> Option<Option<Table>> {
        let held = self.held.as_ref()?;
        let held = held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(name).cloned()
    }

    fn hold(&self, name: &TableName, table: &Option<Table>) {
        if let Some(held) = &self.held {
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            held.entry(name.clone()).or_insert_with(|| table.clone());
        }
    }
}

impl<'a> Loader<'a> {
    pub(super) fn new(
        catalog: &'a LakeCatalog,
        state: &'a SessionState,
        loaded: Tables<'a>,
    ) -> Self {
        Self {
            catalog,
            state,
            loaded,
            listed: false,
        }
    }

    /// Asks the catalog at one moment for all that a statement may mean, so that it sees all of a
    /// commit to several tables or nothing of it. Views are followed to what they read, and all is
    /// asked again with that. What is no table is left out.
    pub(super) async fn look(
        &mut self,
        candidates: impl Iterator<Item = (&str, &str)>,
    ) -> Result<(), QueryError> {
        let own_views = std::mem::take(&mut self.loaded.own_views);
        let mut wanted: BTreeSet<TableName> = candidates
            .filter_map(|(schema, table)| self.asked(schema, table))
            .collect();
        let done = self.look_further(&own_views, &mut wanted).await;
        self.loaded.own_views = own_views;
        done
    }

    async fn look_further(
        &mut self,
        own_views: &OwnViews,
        wanted: &mut BTreeSet<TableName>,
    ) -> Result<(), QueryError> {
        let engine = &self.catalog.engine;
        for _ in 0..MOST_ROUNDS {
            let mut read = Vec::new();
            for view in wanted
                .iter()
                .filter_map(|name| own_views.get(name))
                .flatten()
            {
                read.extend(view.reads.iter().cloned());
            }
            let names: Vec<TableName> = wanted
                .iter()
                .filter(|n| self.is_lakes(n))
                .cloned()
                .collect();
            let found = engine.lake().catalog.load_relations(&names).await?;
            let (mut pointers, mut views) = (HashMap::new(), HashMap::new());
            let mut again = false;
            for (name, relation) in names.into_iter().zip(found) {
                let pointer = match relation {
                    None => None,
                    Some(Relation::Table(pointer)) => Some(pointer),
                    Some(Relation::View(at)) => {
                        match engine.views().read(engine.lake(), &at).await? {
                            Some(view) => {
                                read.extend(view.reads.iter().cloned());
                                views.insert(name.clone(), view);
                            }
                            // It was replaced or dropped in between.
                            None => again = true,
                        }
                        None
                    }
                };
                pointers.insert(name, pointer);
            }
            let read = read
                .iter()
                .filter_map(|(schema, name)| self.asked(schema, name));
            let more: Vec<TableName> = read.filter(|name| !wanted.contains(name)).collect();
            if more.is_empty() && !again {
                (self.loaded.pointers, self.loaded.views) = (pointers, views);
                return Ok(());
            }
            wanted.extend(more);
            if wanted.len() > MOST_NAMES {
                break;
            }
        }
        Err(too_deep())
    }

    /// The table or view of which to ask, where a name may mean one.
    fn asked(&self, schema: &str, name: &str) -> Option<TableName> {
        let other = schema == SYSTEM_SCHEMA || schema == "information_schema";
        if other || self.catalog.registered(schema).is_some() {
            return None;
        }
        let base = MetadataTable::parse(name).map_or(name, |(base, _)| base);
        TableName::new(schema, base).ok()
    }

    /// Whether the lake says what the name means.
    fn is_lakes(&self, name: &TableName) -> bool {
        name.namespace() != TEMPORARY
            && !self.loaded.own.contains_key(name)
            && !self.loaded.own_views.contains_key(name)
            // Where the transaction has found no table there may be a view.
            && self.loaded.held(name).is_none_or(|table| table.is_none())
    }

    pub(super) async fn load(
        &mut self,
        schema: &str,
        table: &str,
    ) -> Result<Option<Found>, QueryError> {
        if let Ok(name) = TableName::new(schema, table)
            && let Some(view) = self.view(&name)
        {
            return Ok(Some(Found::View(name, view)));
        }
        Ok(self.provider(schema, table).await?.map(Found::Table))
    }

    /// The view of this very name.
    pub(super) fn view(&self, name: &TableName) -> Option<Arc<View>> {
        self.loaded.view(name)
    }

    async fn provider(
        &mut self,
        schema: &str,
        table: &str,
    ) -> Result<Option<Arc<dyn TableProvider>>, QueryError> {
        let listing = if schema == "information_schema" {
            self.state
                .schema_for_ref(TableReference::partial("information_schema", table))
                .ok()
        } else {
            self.catalog.registered(schema)
        };
        if let Some(provider) = listing {
            if self.loaded.listless {
                return Err(QueryError::new(
                    QueryErrorKind::Internal,
                    format!("{schema} can't be read while a list of tables is made"),
                ));
            }
            if !self.listed {
                self.catalog.refresh().await?;
                self.listed = true;
            }
            return Ok(provider.table(table).await?);
        }
        let engine = &self.catalog.engine;
        load(engine, schema, table, &mut self.loaded).await
    }
}

pub(super) async fn load(
    engine: &Engine,
    schema: &str,
    table: &str,
    loaded: &mut Tables<'_>,
) -> Result<Option<Arc<dyn TableProvider>>, QueryError> {
    if schema == SYSTEM_SCHEMA {
        return Ok(engine.system_table(table));
    }
    if let Ok(name) = TableName::new(schema, table)
        && let Some(own) = loaded.own.get(&name)
    {
        return Ok(own.clone());
    }
    if schema == TEMPORARY {
        return Ok(None);
    }
    if let Some((base, kind)) = MetadataTable::parse(table) {
        let Ok(name) = TableName::new(schema, base) else {
            return Ok(None);
        };
        return Ok(load_table(engine, &name, loaded)
            .await?
            .map(|table| metadata_tables::provider(&table, kind)));
    }
    let Ok(name) = TableName::new(schema, table) else {
        return Ok(None);
    };
    Ok(load_table(engine, &name, loaded)
        .await?
        .map(|table| Arc::new(table) as _))
}

async fn load_table(
    engine: &Engine,
    name: &TableName,
    tables: &mut Tables<'_>,
) -> Result<Option<IcebergTable>, QueryError> {
    if let Some(known) = tables.loaded.get(name) {
        return Ok(known.clone());
    }
    let table = match (tables.held(name), tables.pointers.get(name)) {
        (Some(held), _) => held,
        (None, Some(Some(pointer))) => Box::pin(read(engine.lake(), name, pointer)).await?,
        (None, Some(None)) => None,
        (None, None) => Box::pin(engine.lake().find(name)).await?,
    };
    tables.hold(name, &table);
    let table = match table {
        Some(table) => Some(IcebergTable::new(table, tables.pins.get(name).copied())?),
        None => None,
    };
    tables.loaded.insert(name.clone(), table.clone());
    Ok(table)
}

/// The table as the pointer had it.
async fn read(
    lake: &Lake,
    name: &TableName,
    pointer: &Pointer,
) -> Result<Option<Table>, QueryError> {
    match Table::at(&lake.store, name, pointer).await {
        Ok(table) => Ok(Some(table)),
        // Many commits, or a drop, came between: the table as it is now, which has what it had.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(lake.find(name).await?),
        Err(error) => Err(error.into()),
    }
}
