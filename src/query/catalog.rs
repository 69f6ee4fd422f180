//! The lake as DataFusion sees it: one catalog, schemas for namespaces, tables on reference.
//! A schema's tables are listed only when somebody lists them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::{Result as DfResult, TableReference};
use datafusion::execution::session_state::SessionState;

use super::QueryError;
use super::engine::Engine;
use super::metadata_tables::{self, MetadataTable};
use super::pin::Pin;
use super::scan::IcebergTable;
use super::write::TEMPORARY;
use crate::domain::TableName;
use crate::lake::catalog::Pointer;
use crate::lake::{ErrorKind, Lake, Table};

/// The one database of an engine.
pub const CATALOG_NAME: &str = "frazil";
/// Where the program tells about itself.
pub(super) const SYSTEM_SCHEMA: &str = "system";

/// Names as last listed.
type Names = BTreeMap<String, Vec<String>>;

/// A session's catalog: the lake's namespaces, `system`, and what the session registers.
pub(super) struct LakeCatalog {
    engine: Arc<Engine>,
    registered: RwLock<BTreeMap<String, Arc<dyn SchemaProvider>>>,
    names: Arc<RwLock<Names>>,
}

impl std::fmt::Debug for LakeCatalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LakeCatalog").finish_non_exhaustive()
    }
}

impl LakeCatalog {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            registered: RwLock::default(),
            names: Arc::default(),
        }
    }

    fn registered(&self, schema: &str) -> Option<Arc<dyn SchemaProvider>> {
        self.registered
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(schema)
            .cloned()
    }

    /// Lists namespaces and tables anew, for statements that read lists of them.
    pub(super) async fn refresh(&self) -> Result<(), QueryError> {
        let mut names = Names::new();
        for namespace in self.engine.lake().catalog.namespaces().await? {
            names.entry(namespace).or_default();
        }
        for table in self.engine.lake().catalog.list().await? {
            names
                .entry(table.namespace().to_owned())
                .or_default()
                .push(table.name().to_owned());
        }
        names.insert(SYSTEM_SCHEMA.to_owned(), self.engine.system_table_names());
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = names;
        Ok(())
    }
}

impl CatalogProvider for LakeCatalog {
    fn schema_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .names
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .keys()
            .cloned()
            .collect();
        let registered = self
            .registered
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        names.extend(registered.keys().cloned());
        names.sort();
        names.dedup();
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if let Some(registered) = self.registered(name) {
            return Some(registered);
        }
        let known = self
            .names
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(name);
        known.then(|| {
            Arc::new(LakeSchema {
                engine: Arc::clone(&self.engine),
                names: Arc::clone(&self.names),
                schema: name.to_owned(),
            }) as _
        })
    }

    fn register_schema(
        &self,
        name: &str,
        schema: Arc<dyn SchemaProvider>,
    ) -> DfResult<Option<Arc<dyn SchemaProvider>>> {
        let mut registered = self
            .registered
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(registered.insert(name.to_owned(), schema))
    }
}

/// One schema, for what lists tables and columns (`information_schema`, `pg_catalog`).
struct LakeSchema {
    engine: Arc<Engine>,
    names: Arc<RwLock<Names>>,
    schema: String,
}

impl std::fmt::Debug for LakeSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LakeSchema({})", self.schema)
    }
}

#[async_trait]
impl SchemaProvider for LakeSchema {
    fn table_names(&self) -> Vec<String> {
        self.names
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&self.schema)
            .cloned()
            .unwrap_or_default()
    }

    async fn table(&self, name: &str) -> DfResult<Option<Arc<dyn TableProvider>>> {
        Ok(load(
            &self.engine,
            &self.schema,
            name,
            &mut Tables::new(&HashMap::new(), None, &Own::new()),
        )
        .await?)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.table_names().iter().any(|known| known == name)
    }
}

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

/// What was loaded of the lake for one statement.
pub(super) struct Tables<'a> {
    pins: &'a HashMap<TableName, Pin>,
    own: &'a Own,
    /// None outside of a transaction.
    held: Option<Held>,
    /// Pointers that were asked for together.
    pointers: HashMap<TableName, Option<Pointer>>,
    loaded: HashMap<TableName, Option<IcebergTable>>,
}

impl<'a> Tables<'a> {
    pub(super) fn new(pins: &'a HashMap<TableName, Pin>, held: Option<Held>, own: &'a Own) -> Self {
        Self {
            pins,
            own,
            held,
            pointers: HashMap::new(),
            loaded: HashMap::new(),
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

    /// Asks the catalog once for all tables that a statement may mean, so that it sees all of a
    /// commit to several tables or nothing of it. What is no table is left out.
    pub(super) async fn look(
        &mut self,
        candidates: impl Iterator<Item = (&str, &str)>,
    ) -> Result<(), QueryError> {
        let tables: BTreeSet<TableName> = candidates
            .filter(|(schema, _)| *schema != SYSTEM_SCHEMA && *schema != "information_schema")
            .filter(|(schema, _)| self.catalog.registered(schema).is_none())
            .filter_map(|(schema, table)| {
                let base = MetadataTable::parse(table).map_or(table, |(base, _)| base);
                TableName::new(schema, base).ok()
            })
            .filter(|table| self.loaded.held(table).is_none())
            .filter(|table| table.namespace() != TEMPORARY && !self.loaded.own.contains_key(table))
            .collect();
        let tables: Vec<TableName> = tables.into_iter().collect();
        let pointers = self.catalog.engine.lake().catalog.load_all(&tables).await?;
        self.loaded.pointers = tables.into_iter().zip(pointers).collect();
        Ok(())
    }

    pub(super) async fn load(
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

async fn load(
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
        (None, Some(Some(pointer))) => read(engine.lake(), name, pointer).await?,
        (None, Some(None)) => None,
        (None, None) => engine.lake().find(name).await?,
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
