//! The lake as DataFusion sees it: one catalog, schemas for namespaces, tables on reference.
//! A schema's tables are listed only when somebody lists them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::Result as DfResult;
use datafusion::execution::session_state::SessionState;

use super::QueryError;
use super::engine::Engine;
use super::loader::{Own, Tables, load};
use super::views::{listed, listed_table};
use crate::domain::TableName;

/// The one database of an engine.
pub const CATALOG_NAME: &str = "frazil";
/// Where the program tells about itself.
pub(super) const SYSTEM_SCHEMA: &str = "system";

/// Names as last listed.
type Names = BTreeMap<String, Vec<String>>;
/// Views as last listed, with their metadata files.
type Views = BTreeMap<TableName, String>;

/// A session's catalog: the lake's namespaces, `system`, and what the session registers.
pub(super) struct LakeCatalog {
    pub(super) engine: Arc<Engine>,
    registered: RwLock<BTreeMap<String, Arc<dyn SchemaProvider>>>,
    names: Arc<RwLock<Names>>,
    views: Arc<RwLock<Views>>,
    state: RwLock<Option<SessionStates>>,
}

/// The session's state as it is now, by which a view's columns are found out. Weak inside: the state
/// holds the catalog.
type SessionStates = Arc<dyn Fn() -> Option<SessionState> + Send + Sync>;

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
            views: Arc::default(),
            state: RwLock::default(),
        }
    }

    /// Whose session this is.
    pub(super) fn belongs_to(&self, state: SessionStates) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }

    pub(super) fn registered(&self, schema: &str) -> Option<Arc<dyn SchemaProvider>> {
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
        let views: Views = self
            .engine
            .lake()
            .catalog
            .views()
            .await?
            .into_iter()
            .collect();
        for view in views.keys() {
            names
                .entry(view.namespace().to_owned())
                .or_default()
                .push(view.name().to_owned());
        }
        *self.views.write().unwrap_or_else(PoisonError::into_inner) = views;
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
                views: Arc::clone(&self.views),
                state: self
                    .state
                    .read()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone(),
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
    views: Arc<RwLock<Views>>,
    state: Option<SessionStates>,
    schema: String,
}

impl std::fmt::Debug for LakeSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LakeSchema({})", self.schema)
    }
}

impl LakeSchema {
    /// Where the metadata of a view stands; None for what is no view.
    fn view(&self, name: &str) -> Option<String> {
        let name = TableName::new(&self.schema, name).ok()?;
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        views.get(&name).cloned()
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
        if let Some(at) = self.view(name) {
            let view = self.engine.views().read(self.engine.lake(), &at).await;
            let Some(view) = view.map_err(QueryError::from)? else {
                return Ok(None);
            };
            let state = self.state.as_ref().and_then(|state| state());
            return Ok(Some(listed(&view, state).await));
        }
        let (pins, own) = (HashMap::new(), Own::new());
        let mut tables = Tables::new(&pins, None, &own);
        let table = load(&self.engine, &self.schema, name, &mut tables).await?;
        Ok(table.map(listed_table))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.table_names().iter().any(|known| known == name)
    }
}
