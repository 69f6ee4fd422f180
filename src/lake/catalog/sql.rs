//! The catalog in SQLite or Postgres, in the layout of Iceberg's JDBC catalog (V1), so that
//! pyiceberg, Spark and Trino open it directly, under the catalog name that
//! the options give (`frazil`).

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Catalog, Guard, Move, Pointer, Relation, Swap, SwapOutcome, ViewSwap};
use crate::domain::TableName;
use crate::lake::control::sql::holds;
use crate::lake::database::SqlDatabase;
use crate::lake::database::connection::{Arg, Transaction};
use crate::lake::database::error::SqlError;
use crate::lake::{Error, ErrorKind, Result};

/// The catalog side of a [`SqlDatabase`].
#[derive(Clone, Debug)]
pub struct SqlCatalog {
    database: Arc<SqlDatabase>,
}

impl SqlCatalog {
    pub fn new(database: Arc<SqlDatabase>) -> Self {
        Self { database }
    }
}

#[async_trait]
impl Catalog for SqlCatalog {
    async fn load_all(&self, tables: &[TableName]) -> Result<Vec<Option<Pointer>>> {
        let relations = self.load_relations(tables).await?;
        let pointer = |relation| match relation {
            Some(Relation::Table(pointer)) => Some(pointer),
            Some(Relation::View(_)) | None => None,
        };
        Ok(relations.into_iter().map(pointer).collect())
    }

    async fn load_relations(&self, names: &[TableName]) -> Result<Vec<Option<Relation>>> {
        let doing = || format!("loading {}", shown(names));
        let read = async {
            if names.is_empty() {
                return Ok(Vec::new());
            }
            // One statement sees one state of the database.
            let sql = load_statement(names.len());
            let mut arguments = vec![Arg::Text(self.database.catalog_name())];
            for name in names {
                arguments.push(Arg::Text(name.namespace()));
                arguments.push(Arg::Text(name.name()));
            }
            let mut found = HashMap::new();
            for row in self.database.query(&sql, &arguments).await? {
                let key = (row.text(0)?, row.text(1)?);
                let at = row.opt_text(2)?.ok_or_else(|| {
                    let (namespace, name) = &key;
                    SqlError::Corrupt(format!(
                        "the row of {namespace}.{name} has no metadata_location"
                    ))
                })?;
                let relation = match row.opt_text(3)?.as_deref() {
                    Some(VIEW) => Relation::View(at),
                    _ => Relation::Table(Pointer::at(at)),
                };
                found.insert(key, relation);
            }
            let relation = |name: &TableName| {
                let key = (name.namespace().to_owned(), name.name().to_owned());
                found.get(&key).cloned()
            };
            Ok(names.iter().map(relation).collect())
        };
        read.await
            .map_err(|error: SqlError| error.at(self.database.name(), &doing()))
    }

    fn keeps_views(&self) -> bool {
        true
    }

    async fn views(&self) -> Result<Vec<(TableName, String)>> {
        let sql = "SELECT table_namespace, table_name, metadata_location FROM iceberg_tables \
                   WHERE catalog_name = $1 AND iceberg_type = 'VIEW'";
        let read = async {
            let mut views = Vec::new();
            let catalog = [Arg::Text(self.database.catalog_name())];
            for row in self.database.query(sql, &catalog).await? {
                let name = TableName::new(&row.text(0)?, &row.text(1)?);
                if let (Ok(view), Some(at)) = (name, row.opt_text(2)?) {
                    views.push((view, at));
                }
            }
            views.sort();
            Ok(views)
        };
        read.await
            .map_err(|error: SqlError| error.at(self.database.name(), "listing views"))
    }

    async fn list(&self) -> Result<Vec<TableName>> {
        let sql = "SELECT table_namespace, table_name FROM iceberg_tables \
                   WHERE catalog_name = $1 AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)";
        let read = async {
            let mut tables = Vec::new();
            for row in self
                .database
                .query(sql, &[Arg::Text(self.database.catalog_name())])
                .await?
            {
                // Another engine's nested namespaces and odd names can't be asked for here.
                if let Ok(table) = TableName::new(&row.text(0)?, &row.text(1)?) {
                    tables.push(table);
                }
            }
            tables.sort();
            Ok(tables)
        };
        read.await
            .map_err(|error: SqlError| error.at(self.database.name(), "listing tables"))
    }

    async fn namespaces(&self) -> Result<Vec<String>> {
        let sql = "SELECT table_namespace FROM iceberg_tables WHERE catalog_name = $1 \
                   UNION SELECT namespace FROM iceberg_namespace_properties \
                   WHERE catalog_name = $1";
        let read = async {
            let rows = self
                .database
                .query(sql, &[Arg::Text(self.database.catalog_name())])
                .await?;
            let names: std::result::Result<BTreeSet<String>, SqlError> =
                rows.iter().map(|row| row.text(0)).collect();
            Ok(names?.into_iter().collect())
        };
        read.await
            .map_err(|error: SqlError| error.at(self.database.name(), "listing namespaces"))
    }

    async fn create_namespace(&self, namespace: &str) -> Result<()> {
        super::check_namespace(namespace)?;
        // The mark of a namespace without properties is the reference implementation's.
        let sql = "INSERT INTO iceberg_namespace_properties \
                   (catalog_name, namespace, property_key, property_value) \
                   VALUES ($1, $2, 'exists', 'true') ON CONFLICT DO NOTHING";
        self.database
            .execute(
                sql,
                &[
                    Arg::Text(self.database.catalog_name()),
                    Arg::Text(namespace),
                ],
            )
            .await
            .map(|_| ())
            .map_err(|error| {
                error.at(
                    self.database.name(),
                    &format!("declaring the namespace {namespace}"),
                )
            })
    }

    async fn drop_namespace(&self, namespace: &str) -> Result<bool> {
        let arguments = [
            Arg::Text(self.database.catalog_name()),
            Arg::Text(namespace),
        ];
        let dropping = async {
            let sql = "DELETE FROM iceberg_namespace_properties \
                       WHERE catalog_name = $1 AND namespace = $2 AND NOT EXISTS \
                       (SELECT 1 FROM iceberg_tables \
                        WHERE catalog_name = $1 AND table_namespace = $2)";
            self.database.execute(sql, &arguments).await?;
            let sql = "SELECT 1 FROM iceberg_tables \
                       WHERE catalog_name = $1 AND table_namespace = $2 LIMIT 1";
            Ok(self.database.query(sql, &arguments).await?.is_empty())
        };
        let doing = || format!("dropping the namespace {namespace}");
        dropping
            .await
            .map_err(|error: SqlError| error.at(self.database.name(), &doing()))
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
        let doing = describe(swaps, views);
        let mut transaction = self
            .database
            .begin()
            .await
            .map_err(|error| self.nothing_moved(error, &doing))?;
        match move_all(&mut transaction, &self.database, (swaps, views), guards).await {
            Ok(SwapOutcome::Swapped) => {}
            Ok(other) => {
                transaction.rollback().await;
                return Ok(other);
            }
            Err(Stop::Sql(error)) => {
                transaction.rollback().await;
                return Err(self.nothing_moved(error, &doing));
            }
            Err(Stop::Refused(error)) => {
                transaction.rollback().await;
                return Err(error);
            }
        }
        transaction
            .commit()
            .await
            .map_err(|error| {
                Error::unavailable(format!(
                    "{doing} in {}: the commit was sent, but its outcome is not known: {error}",
                    self.database.name()
                ))
                .with_source(error)
            })
            .map(|()| SwapOutcome::Swapped)
    }
}

/// What a row of a view is marked with.
const VIEW: &str = "VIEW";

/// The statement that loads the pointers of so many names.
fn load_statement(tables: usize) -> String {
    let mut sql = "SELECT table_namespace, table_name, metadata_location, iceberg_type \
                   FROM iceberg_tables WHERE catalog_name = $1 \
                   AND (iceberg_type IN ('TABLE', 'VIEW') OR iceberg_type IS NULL) AND ("
        .to_owned();
    for table in 0..tables {
        let or = if table == 0 { "" } else { " OR " };
        let (namespace, name) = (2 * table + 2, 2 * table + 3);
        let _ = write!(
            sql,
            "{or}(table_namespace = ${namespace} AND table_name = ${name})"
        );
    }
    sql + ")"
}

/// A few tables by name, for an error.
fn shown(tables: &[TableName]) -> String {
    let shown: Vec<String> = tables.iter().take(5).map(ToString::to_string).collect();
    let more = if tables.len() > 5 { " and others" } else { "" };
    shown.join(", ") + more
}

impl SqlCatalog {
    /// An error from before the COMMIT is certain, and so may not be called `Unavailable`.
    fn nothing_moved(&self, error: SqlError, doing: &str) -> Error {
        let error = error.at(self.database.name(), &format!("nothing moved, {doing}"));
        match error.kind() {
            ErrorKind::Unavailable => {
                Error::new(ErrorKind::Conflict, error.to_string()).with_source(error)
            }
            _ => error,
        }
    }
}

enum Stop {
    Sql(SqlError),
    Refused(Error),
}

impl From<SqlError> for Stop {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

/// Everything of a swap but its COMMIT.
async fn move_all(
    transaction: &mut Transaction,
    database: &SqlDatabase,
    (swaps, views): (&[Swap], &[ViewSwap]),
    guards: &[Guard],
) -> std::result::Result<SwapOutcome, Stop> {
    // Leases before tables, both by name: the same order for every writer.
    let mut guards: Vec<&Guard> = guards.iter().collect();
    guards.sort_by(|Guard::Lease(a), Guard::Lease(b)| a.name.cmp(&b.name));
    for guard in guards {
        let Guard::Lease(lease) = guard;
        if !holds(transaction, database.dialect(), lease).await? {
            return Ok(SwapOutcome::GuardFailed(guard.clone()));
        }
    }
    for one in super::in_order(swaps, views) {
        let moved = match one {
            Move::Table(swap) => move_one(transaction, database.catalog_name(), swap).await?,
            Move::View(swap) => move_view(transaction, database.catalog_name(), swap).await?,
        };
        if !moved {
            return Ok(SwapOutcome::Moved(one.name().clone()));
        }
    }
    Ok(SwapOutcome::Swapped)
}

async fn move_one(
    transaction: &mut Transaction,
    catalog_name: &str,
    swap: &Swap,
) -> std::result::Result<bool, Stop> {
    let key = key(catalog_name, &swap.table);
    let [catalog, namespace, name] = key;
    let moved = match (&swap.expected, &swap.new) {
        (Some(expected), Some(new)) => {
            let sql = "UPDATE iceberg_tables \
                       SET metadata_location = $5, previous_metadata_location = $4 \
                       WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3 \
                       AND metadata_location = $4 \
                       AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)";
            let args = [
                catalog,
                namespace,
                name,
                Arg::Text(expected),
                Arg::Text(new),
            ];
            transaction.execute(sql, &args).await?
        }
        (Some(expected), None) => {
            let sql = "DELETE FROM iceberg_tables \
                       WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3 \
                       AND metadata_location = $4 \
                       AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)";
            let args = [catalog, namespace, name, Arg::Text(expected)];
            transaction.execute(sql, &args).await?
        }
        (None, Some(new)) => {
            let sql = "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, \
                       metadata_location, previous_metadata_location, iceberg_type) \
                       VALUES ($1, $2, $3, $4, NULL, 'TABLE') ON CONFLICT DO NOTHING";
            let args = [catalog, namespace, name, Arg::Text(new)];
            let made = transaction.execute(sql, &args).await?;
            if made == 0 {
                refuse_view(transaction, key, &swap.table).await?;
            }
            made
        }
        (None, None) => unreachable!("check_swaps refuses it"),
    };
    Ok(moved == 1)
}

async fn move_view(
    transaction: &mut Transaction,
    catalog_name: &str,
    swap: &ViewSwap,
) -> std::result::Result<bool, Stop> {
    let [catalog, namespace, name] = key(catalog_name, &swap.view);
    let mut args = vec![catalog, namespace, name];
    args.extend(swap.expected.as_deref().map(Arg::Text));
    args.extend(swap.new.as_deref().map(Arg::Text));
    let sql = match (&swap.expected, &swap.new) {
        (Some(_), Some(_)) => {
            "UPDATE iceberg_tables \
             SET metadata_location = $5, previous_metadata_location = $4 \
             WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3 \
             AND metadata_location = $4 AND iceberg_type = 'VIEW'"
        }
        (Some(_), None) => {
            "DELETE FROM iceberg_tables \
             WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3 \
             AND metadata_location = $4 AND iceberg_type = 'VIEW'"
        }
        (None, Some(_)) => {
            "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, \
             metadata_location, previous_metadata_location, iceberg_type) \
             VALUES ($1, $2, $3, $4, NULL, 'VIEW') ON CONFLICT DO NOTHING"
        }
        (None, None) => {
            let what = format!("{} moves from nothing to nothing", swap.view);
            return Err(Stop::Refused(Error::invalid(what)));
        }
    };
    Ok(transaction.execute(sql, &args).await? == 1)
}

/// A view has the name: no new try would ever get past it.
async fn refuse_view(
    transaction: &mut Transaction,
    key: [Arg<'_>; 3],
    table: &TableName,
) -> std::result::Result<(), Stop> {
    let sql = "SELECT iceberg_type FROM iceberg_tables WHERE catalog_name = $1 \
               AND table_namespace = $2 AND table_name = $3";
    let rows = transaction.query(sql, &key).await?;
    let kind = rows.first().map_or(Ok(None), |row| row.opt_text(0))?;
    match kind {
        Some(kind) if kind != "TABLE" => Err(Stop::Refused(Error::invalid(format!(
            "{table} can't be made: there is a {} of this name in the catalog",
            kind.to_lowercase()
        )))),
        _ => Ok(()),
    }
}

fn key<'a>(catalog_name: &'a str, table: &'a TableName) -> [Arg<'a>; 3] {
    [
        Arg::Text(catalog_name),
        Arg::Text(table.namespace()),
        Arg::Text(table.name()),
    ]
}

fn describe(swaps: &[Swap], views: &[ViewSwap]) -> String {
    let moves = super::in_order(swaps, views);
    let names: Vec<String> = moves.iter().map(|one| one.name().to_string()).collect();
    format!("committing {}", names.join(", "))
}
