//! The Iceberg table as DataFusion scans it: files are chosen from cached manifests, DataFusion's
//! own Parquet source reads them, columns are matched by field id.
//! A table value stays at one snapshot for its whole life; it never looks at the catalog.

mod columns;
mod deletes;
mod files;
mod overlay;
mod parquet;
mod predicate;
mod prune;
mod rows;
mod schema;
mod selectivity;
mod statistics;
mod structs;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as DfResult;
use datafusion::datasource::TableType;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use iceberg::spec::{ManifestFile, SchemaRef as IcebergSchemaRef, SnapshotRef};

use super::pin::Pin;
use super::{QueryError, QueryErrorKind};
use crate::lake::{Table, history};

pub(super) use files::{DataFileEntry, all as all_files};
pub(super) use overlay::Overlay;
pub(super) use rows::{FILE_COLUMN, ROW_COLUMN, RowTable};

/// A moment of a table's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    Snapshot(i64),
    /// What was current at this time, milliseconds since 1970 UTC.
    Time(i64),
    /// A tag or a branch.
    Ref(String),
}

/// A table at one snapshot.
#[derive(Clone, Debug)]
pub(super) struct IcebergTable {
    table: Table,
    snapshot: Option<SnapshotRef>,
    /// Leave out files with this data sequence number or a lower one.
    after_sequence_number: Option<i64>,
    /// What a transaction has changed of its files.
    overlay: Option<Arc<Overlay>>,
    iceberg_schema: IcebergSchemaRef,
    schema: SchemaRef,
}

impl IcebergTable {
    /// The table as loaded, or held at a pin; either way with the table's current columns.
    pub(super) fn new(table: Table, pin: Option<Pin>) -> Result<Self, QueryError> {
        let metadata = table.metadata();
        let snapshot = match pin {
            None => metadata.current_snapshot().cloned(),
            Some(Pin {
                snapshot_id: None, ..
            }) => None,
            Some(Pin {
                snapshot_id: Some(id),
                ..
            }) => Some(known_snapshot(&table, id)?),
        };
        let iceberg_schema = metadata.current_schema().clone();
        Ok(Self {
            schema: schema::of_table(&table, &iceberg_schema)?,
            iceberg_schema,
            snapshot,
            overlay: None,
            after_sequence_number: pin.and_then(|pin| pin.after_sequence_number),
            table,
        })
    }

    /// The table at another moment, with the columns it had then (a branch: the current ones).
    pub(super) fn at(&self, at: &At) -> Result<Self, QueryError> {
        let metadata = self.table.metadata();
        let (snapshot, branch) = match at {
            At::Snapshot(id) => (known_snapshot(&self.table, *id)?, false),
            At::Time(time_ms) => (snapshot_at(&self.table, *time_ms)?, false),
            At::Ref(name) => (
                metadata.snapshot_for_ref(name).cloned().ok_or_else(|| {
                    undefined(format!(
                        "table {} has no tag or branch \"{name}\"",
                        self.table.name()
                    ))
                })?,
                metadata
                    .snapshot_for_ref(name)
                    .is_some_and(|_| is_branch(&self.table, name)),
            ),
        };
        let iceberg_schema = if branch {
            metadata.current_schema().clone()
        } else {
            snapshot.schema(metadata).map_err(schema::corrupt)?
        };
        Ok(Self {
            schema: schema::of_table(&self.table, &iceberg_schema)?,
            iceberg_schema,
            snapshot: Some(snapshot),
            overlay: None,
            after_sequence_number: None,
            table: self.table.clone(),
        })
    }

    /// The table with what a transaction has changed of its files.
    #[must_use]
    pub(super) fn with_overlay(self, overlay: Overlay) -> Self {
        Self {
            overlay: Some(Arc::new(overlay)),
            ..self
        }
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// The manifests of its snapshot; none when it has no snapshot.
    pub(super) async fn manifests(&self) -> Result<Vec<ManifestFile>, QueryError> {
        let Some(snapshot) = &self.snapshot else {
            return Ok(Vec::new());
        };
        let store = self.table.store();
        let version = self.table.metadata().format_version();
        let list = store.manifests().list(store, snapshot, version).await?;
        Ok(list.as_ref().clone())
    }
}

fn undefined(message: String) -> QueryError {
    QueryError::new(QueryErrorKind::UndefinedObject, message)
}

fn known_snapshot(table: &Table, id: i64) -> Result<SnapshotRef, QueryError> {
    table.metadata().snapshot_by_id(id).cloned().ok_or_else(|| {
        undefined(format!("table {} has no snapshot {id}", table.name())).with_hint(format!(
            "It may have been expired; see SELECT * FROM {}$snapshots.",
            table.name()
        ))
    })
}

/// What was current at `time_ms`, by the table's own history (a rollback counts); where upkeep has
/// thinned it, the newest snapshot kept from before.
fn snapshot_at(table: &Table, time_ms: i64) -> Result<SnapshotRef, QueryError> {
    let metadata = table.metadata();
    if let Some(id) = history::as_of(table, time_ms) {
        return known_snapshot(table, id);
    }
    let oldest = metadata
        .snapshots()
        .map(|snapshot| snapshot.timestamp_ms())
        .min()
        .and_then(chrono::DateTime::from_timestamp_millis);
    Err(undefined(match oldest {
        Some(oldest) => format!(
            "table {} has no history that old: it begins at {oldest}",
            table.name()
        ),
        None => format!("table {} has no snapshot yet", table.name()),
    }))
}

fn is_branch(table: &Table, name: &str) -> bool {
    // The metadata has no public list of references; its JSON has.
    serde_json::to_value(table.metadata().as_ref())
        .ok()
        .and_then(|json| {
            json.get("refs")?
                .get(name)?
                .get("type")
                .map(|kind| kind == "branch")
        })
        .unwrap_or(name == "main")
}

#[async_trait]
impl TableProvider for IcebergTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DfResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let predicate = predicate::all_of(filters, &self.schema, &self.iceberg_schema);
        let files = files::plan(self, &predicate).await?;
        // Without filters each row that a file has is a row of the answer.
        let limit = limit.filter(|_| filters.is_empty());
        let mut plans = Vec::with_capacity(2);
        if !files.plain.is_empty() || files.with_deletes.is_empty() {
            plans.push(parquet::scan(
                self,
                state,
                projection,
                parquet::Filters {
                    given: filters,
                    understood: &predicate,
                },
                limit,
                files.plain,
            )?);
        }
        if !files.with_deletes.is_empty() {
            plans.push(deletes::scan(self, state, projection, files.with_deletes).await?);
        }
        match plans.len() {
            1 => Ok(plans.remove(0)),
            _ => UnionExec::try_new(plans),
        }
    }
}
