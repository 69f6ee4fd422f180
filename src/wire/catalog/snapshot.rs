//! The lake's tables as the catalogs show them: taken at one moment, shared, never changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, SchemaRef};
use datafusion::catalog::CatalogProvider;
use datafusion::datasource::TableType;
use datafusion_pg_catalog::pg_catalog::PgCatalogStaticTables;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::types::TypeNames;
use crate::query::{Engine, QueryError, Session};
use crate::wire::WireOptions;
use crate::wire::sqlstate::{Result, WireError};

/// OIDs from here on are not Postgres's own.
const FIRST_OID: u32 = 16_384;
/// Older than this a snapshot is taken anew when somebody looks.
const FRESH: Duration = Duration::from_secs(1);

/// The entry of a listed relation's schema that holds its comment.
const COMMENT: &str = "comment";

pub(super) const PG_CATALOG_OID: i32 = 11;
pub(super) const PUBLIC_OID: i32 = 2200;

/// One schema.
#[derive(Clone, Debug)]
pub(super) struct SchemaEntry {
    pub oid: i32,
    pub name: String,
}

/// One table.
#[derive(Clone, Debug)]
pub(super) struct TableEntry {
    pub oid: i32,
    pub schema: String,
    pub schema_oid: i32,
    pub name: String,
    /// `r` or `v`, as in `pg_class.relkind`.
    pub kind: char,
    pub columns: SchemaRef,
    pub comment: Option<String>,
    /// A view's query.
    pub definition: Option<String>,
}

impl TableEntry {
    /// A view's query as Postgres shows it; None for what has none.
    pub fn shown_definition(&self) -> Option<String> {
        let query = self.definition.as_ref()?;
        Some(format!(" {query};"))
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    pub schemas: Vec<SchemaEntry>,
    pub tables: Vec<TableEntry>,
    by_oid: BTreeMap<i32, usize>,
    by_name: BTreeMap<(String, String), usize>,
}

impl Snapshot {
    pub fn table_by_oid(&self, oid: i32) -> Option<&TableEntry> {
        self.by_oid.get(&oid).map(|index| &self.tables[*index])
    }

    pub fn table(&self, schema: &str, name: &str) -> Option<&TableEntry> {
        self.by_name
            .get(&(schema.to_owned(), name.to_owned()))
            .map(|index| &self.tables[*index])
    }

    /// The table that a bare name means on a search path.
    pub fn find(&self, name: &str, search_path: &[String]) -> Option<&TableEntry> {
        std::iter::once("pg_catalog")
            .chain(search_path.iter().map(String::as_str))
            .find_map(|schema| self.table(schema, name))
    }

    pub fn is_visible(&self, oid: i32, search_path: &[String]) -> bool {
        self.table_by_oid(oid).is_some_and(|table| {
            self.find(&table.name, search_path)
                .is_some_and(|found| found.oid == oid)
        })
    }

    pub fn schema_oid(&self, name: &str) -> Option<i32> {
        self.schemas
            .iter()
            .find(|schema| schema.name == name)
            .map(|schema| schema.oid)
    }

    fn new(schemas: Vec<SchemaEntry>, tables: Vec<TableEntry>) -> Self {
        let by_oid = tables
            .iter()
            .enumerate()
            .map(|(index, table)| (table.oid, index))
            .collect();
        let by_name = tables
            .iter()
            .enumerate()
            .map(|(index, table)| ((table.schema.clone(), table.name.clone()), index))
            .collect();
        Self {
            schemas,
            tables,
            by_oid,
            by_name,
        }
    }
}

/// Hands out OIDs: a hash of what the object is called, and the next free one where two meet.
#[derive(Default)]
struct Oids(BTreeSet<u32>);

impl Oids {
    fn of(&mut self, kind: &str, name: &str) -> i32 {
        let digest = Sha256::digest(format!("{kind}\0{name}"));
        let hash = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        let range = i32::MAX.cast_unsigned() - FIRST_OID;
        let mut oid = FIRST_OID + hash % range;
        while !self.0.insert(oid) {
            oid = FIRST_OID + (oid - FIRST_OID + 1) % range;
        }
        oid.cast_signed()
    }
}

/// What all sessions of a listener share of the catalogs.
pub(in crate::wire) struct CatalogCache {
    pub database: String,
    pub database_oid: i32,
    latest: RwLock<Arc<Snapshot>>,
    taken: tokio::sync::Mutex<Option<Instant>>,
    statics: OnceLock<Arc<PgCatalogStaticTables>>,
    types: OnceLock<TypeNames>,
    started_ms: OnceLock<i64>,
}

impl std::fmt::Debug for CatalogCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CatalogCache").finish_non_exhaustive()
    }
}

impl CatalogCache {
    pub fn new(options: &WireOptions) -> Self {
        Self {
            database: options.database.clone(),
            database_oid: Oids::default().of("database", &options.database),
            latest: RwLock::default(),
            taken: tokio::sync::Mutex::new(None),
            statics: OnceLock::new(),
            types: OnceLock::new(),
            started_ms: OnceLock::new(),
        }
    }

    /// When the first client came, near enough the start for `pg_postmaster_start_time`.
    pub fn started_ms(&self, engine: &Engine) -> i64 {
        *self.started_ms.get_or_init(|| engine.lake().clock.now_ms())
    }

    pub(super) fn latest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.latest.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Postgres's own objects, read once.
    pub(super) fn statics(&self) -> Result<Arc<PgCatalogStaticTables>> {
        if let Some(statics) = self.statics.get() {
            return Ok(Arc::clone(statics));
        }
        let statics = PgCatalogStaticTables::try_new()
            .map_err(|error| WireError::from(QueryError::from(error)))?;
        Ok(Arc::clone(self.statics.get_or_init(|| Arc::new(statics))))
    }

    pub(super) fn types(&self) -> Result<&TypeNames> {
        let statics = self.statics()?;
        Ok(self.types.get_or_init(|| TypeNames::read(&statics)))
    }

    /// OIDs of the functions of a name.
    pub(super) fn functions(&self, name: &str) -> Result<Vec<i32>> {
        let mut found = Vec::new();
        for batch in self.statics()?.pg_proc.data() {
            let (Some(oids), Some(names)) =
                (batch.column_by_name("oid"), batch.column_by_name("proname"))
            else {
                continue;
            };
            let (Ok(oids), Ok(names)) =
                (cast(oids, &DataType::Int32), cast(names, &DataType::Utf8))
            else {
                continue;
            };
            let oids = oids.as_primitive::<Int32Type>().iter();
            for (oid, known) in oids.zip(names.as_string::<i32>()) {
                if known == Some(name) {
                    found.extend(oid);
                }
            }
        }
        Ok(found)
    }

    /// Tables were made or dropped: who looks next takes a new snapshot.
    pub async fn forget(&self) {
        *self.taken.lock().await = None;
    }

    /// The snapshot for a statement of a session.
    pub(super) async fn refresh(&self, session: &Session) -> Result<Arc<Snapshot>> {
        if self
            .taken
            .lock()
            .await
            .is_some_and(|taken| taken.elapsed() < FRESH)
        {
            return Ok(self.latest());
        }
        session.refresh_names().await?;
        match super::schema::default_catalog(session.context()) {
            Some(catalog) => self.refresh_from(&*catalog).await,
            None => Ok(self.latest()),
        }
    }

    /// Takes a new snapshot when the last one is too old; one at a time does it.
    pub(super) async fn refresh_from(
        &self,
        catalog: &dyn CatalogProvider,
    ) -> Result<Arc<Snapshot>> {
        let mut taken = self.taken.lock().await;
        if taken.is_some_and(|taken| taken.elapsed() < FRESH) {
            return Ok(self.latest());
        }
        let snapshot = Arc::new(take(catalog).await?);
        *self.latest.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&snapshot);
        *taken = Some(Instant::now());
        Ok(snapshot)
    }
}

async fn take(catalog: &dyn CatalogProvider) -> Result<Snapshot> {
    let mut oids = Oids::default();
    let mut schemas = vec![
        SchemaEntry {
            oid: PG_CATALOG_OID,
            name: "pg_catalog".into(),
        },
        SchemaEntry {
            oid: oids.of("schema", "information_schema"),
            name: "information_schema".into(),
        },
        SchemaEntry {
            oid: PUBLIC_OID,
            name: "public".into(),
        },
    ];
    let mut tables = Vec::new();
    let mut names = catalog.schema_names();
    names.sort();
    for name in names {
        if matches!(name.as_str(), "pg_catalog" | "information_schema") {
            continue;
        }
        let schema_oid = match schemas.iter().find(|schema| schema.name == name) {
            Some(known) => known.oid,
            None => {
                let oid = oids.of("schema", &name);
                schemas.push(SchemaEntry {
                    oid,
                    name: name.clone(),
                });
                oid
            }
        };
        let Some(schema) = catalog.schema(&name) else {
            continue;
        };
        let mut table_names = schema.table_names();
        table_names.sort();
        for table_name in table_names {
            // A table may be dropped while it is listed, or be one that can't be read: it must
            // not take all the others out of sight.
            let provider = match schema.table(&table_name).await {
                Ok(Some(provider)) => provider,
                Ok(None) => continue,
                Err(error) => {
                    tracing::warn!("{name}.{table_name} is left out of pg_catalog: {error}");
                    continue;
                }
            };
            tables.push(TableEntry {
                oid: oids.of("table", &format!("{name}.{table_name}")),
                schema: name.clone(),
                schema_oid,
                kind: match provider.table_type() {
                    _ if name == "system" => 'v',
                    TableType::View => 'v',
                    _ => 'r',
                },
                comment: provider.schema().metadata().get(COMMENT).cloned(),
                columns: provider.schema(),
                definition: provider.get_table_definition().map(str::to_owned),
                name: table_name,
            });
        }
    }
    Ok(Snapshot::new(schemas, tables))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oids_are_the_same_in_every_process_and_never_meet() {
        let mut oids = Oids::default();
        let first = oids.of("table", "shop.events");
        assert_eq!(first, Oids::default().of("table", "shop.events"));
        // Golden: a change of the hash would move every OID that a client has kept.
        assert_eq!(first, 1_000_206_326);
        assert_ne!(oids.of("table", "shop.events"), first);
    }
}
