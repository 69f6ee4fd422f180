//! The schemas `pg_catalog` and `information_schema` of one session.

use std::sync::{Arc, Weak};

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, MemTable, SchemaProvider, TableProvider};
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use datafusion_pg_catalog::pg_catalog::catalog_info::CatalogInfo;
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::{
    PgCatalogSchemaProvider, PgCatalogStaticTables, PgCatalogTable,
};

use super::Facts;
use super::information;
use super::own::{self, Sources};
use super::snapshot::CatalogCache;
use super::whole;
use crate::query::{self, QueryError, QueryErrorKind};
use crate::wire::sqlstate::WireError;

pub(super) fn register(
    session: &query::Session,
    facts: &Arc<Facts>,
    cache: &Arc<CatalogCache>,
) -> crate::wire::sqlstate::Result<()> {
    let context = session.context();
    let name = {
        let state = context.state_ref();
        let mut state = state.write();
        let options = state.config_mut().options_mut();
        // DataFusion's own shows its own types; with it off the one below is found.
        options.catalog.information_schema = false;
        options.catalog.default_catalog.clone()
    };
    let catalog = context
        .catalog(&name)
        .ok_or_else(|| WireError::new("XX000", "the session has no catalog"))?;
    for which in [Which::Postgres, Which::Information] {
        let provider = CatalogSchema {
            which,
            facts: Arc::clone(facts),
            cache: Arc::clone(cache),
            // The catalog holds this schema: the way back must not keep it alive.
            catalog: Arc::downgrade(&catalog),
        };
        catalog
            .register_schema(which.name(), Arc::new(provider))
            .map_err(|error| WireError::from(QueryError::from(error)))?;
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Postgres,
    Information,
}

impl Which {
    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "pg_catalog",
            Self::Information => "information_schema",
        }
    }
}

struct CatalogSchema {
    which: Which,
    facts: Arc<Facts>,
    cache: Arc<CatalogCache>,
    catalog: Weak<dyn CatalogProvider>,
}

impl std::fmt::Debug for CatalogSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CatalogSchema({:?})", self.which)
    }
}

#[async_trait]
impl SchemaProvider for CatalogSchema {
    fn table_names(&self) -> Vec<String> {
        let names = whole::tables(self.which.name());
        names.map(str::to_owned).collect()
    }

    fn table_exist(&self, name: &str) -> bool {
        whole::columns(self.which.name(), name).is_some()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let schema = self.which.name();
        let Some(columns) = whole::columns(schema, name) else {
            return Ok(None);
        };
        let Some(catalog) = self.catalog.upgrade() else {
            return Ok(None);
        };
        let snapshot = self.cache.refresh_from(&*catalog).await.map_err(plain)?;
        let statics = self.cache.statics().map_err(plain)?;
        let sources = Sources {
            snapshot: &snapshot,
            statics: &statics,
            facts: &self.facts,
            cache: &self.cache,
        };
        let made = match self.which {
            Which::Postgres => own::table(name, &sources),
            Which::Information => information::table(name, &sources),
        };
        let batches = match made {
            Some(batch) => vec![batch?],
            None if self.which == Which::Postgres => exported(name, &statics)?.unwrap_or_default(),
            None => Vec::new(),
        };
        let whole = batches
            .into_iter()
            .map(|batch| whole::complete(schema, name, batch))
            .collect::<Result<Vec<_>>>()?;
        let columns = whole.first().map_or(columns, RecordBatch::schema);
        Ok(Some(Arc::new(MemTable::try_new(columns, vec![whole])?)))
    }
}

fn lookup(name: &str, statics: &Arc<PgCatalogStaticTables>) -> Result<Option<PgCatalogTable>> {
    PgCatalogSchemaProvider::try_new(NoTables, Arc::clone(statics), EmptyContextProvider)?
        .build_table_by_name(name)
}

/// A table of Postgres's own objects; None when the exports lack it.
fn exported(name: &str, statics: &Arc<PgCatalogStaticTables>) -> Result<Option<Vec<RecordBatch>>> {
    let Some(PgCatalogTable::Static(rows)) = lookup(name, statics)? else {
        return Ok(None);
    };
    let schema = own::corrected(&rows.schema());
    let batches = rows
        .data()
        .iter()
        .map(|batch| {
            let columns = batch
                .columns()
                .iter()
                .zip(schema.fields())
                // Rights and options of Postgres's own objects: none is set here.
                .map(
                    |(column, field)| match column.data_type() == field.data_type() {
                        true => Arc::clone(column),
                        false => new_null_array(field.data_type(), batch.num_rows()),
                    },
                )
                .collect();
            Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Some(batches))
}

/// The columns that a table of Postgres has.
pub(super) fn exported_schema(name: &str, sources: &Sources<'_>) -> Result<SchemaRef> {
    lookup(name, sources.statics)?
        .map(|table| table.schema())
        .ok_or_else(|| DataFusionError::Internal(format!("{name} has no exported columns")))
}

fn plain(error: WireError) -> DataFusionError {
    QueryError::new(QueryErrorKind::Unavailable, error.message).into()
}

/// The exports are asked for what is fixed only: of tables they are told none.
#[derive(Clone, Debug)]
struct NoTables;

#[async_trait]
impl CatalogInfo for NoTables {
    async fn catalog_names(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn schema_names(&self, _catalog: &str) -> Result<Option<Vec<String>>> {
        Ok(None)
    }

    async fn table_names(&self, _catalog: &str, _schema: &str) -> Result<Option<Vec<String>>> {
        Ok(None)
    }

    async fn table_schema(
        &self,
        _catalog: &str,
        _schema: &str,
        _table: &str,
    ) -> Result<Option<SchemaRef>> {
        Ok(None)
    }

    async fn table_type(
        &self,
        _catalog: &str,
        _schema: &str,
        _table: &str,
    ) -> Result<Option<datafusion::datasource::TableType>> {
        Ok(None)
    }
}

/// The catalog in which a session's statements find their tables.
pub(super) fn default_catalog(context: &SessionContext) -> Option<Arc<dyn CatalogProvider>> {
    let name = context
        .state()
        .config_options()
        .catalog
        .default_catalog
        .clone();
    context.catalog(&name)
}
