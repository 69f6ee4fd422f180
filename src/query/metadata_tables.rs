//! A table's metadata as tables: `shop.events$snapshots`, `$history`, `$files`, `$partitions`,
//! `$manifests`. Read at the snapshot the statement has pinned.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::Result as DfResult;
use datafusion::datasource::TableType;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use iceberg::spec::{DataContentType, ManifestContentType};

use super::QueryError;
use super::scan::{DataFileEntry, IcebergTable, all_files};
use crate::lake::partition::value_text;

/// Which of a table's metadata tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetadataTable {
    Snapshots,
    History,
    Files,
    Partitions,
    Manifests,
}

impl MetadataTable {
    /// `events$files` into `events` and which.
    pub(super) fn parse(name: &str) -> Option<(&str, Self)> {
        let (base, kind) = name.rsplit_once('$')?;
        let kind = match kind {
            "snapshots" => Self::Snapshots,
            "history" => Self::History,
            "files" => Self::Files,
            "partitions" => Self::Partitions,
            "manifests" => Self::Manifests,
            _ => return None,
        };
        Some((base, kind))
    }

    fn schema(self) -> SchemaRef {
        let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        let (long, int, text) = (DataType::Int64, DataType::Int32, DataType::Utf8);
        let columns = match self {
            Self::Snapshots => vec![
                ("committed_at", time),
                ("snapshot_id", long.clone()),
                ("parent_id", long.clone()),
                ("sequence_number", long),
                ("operation", text.clone()),
                ("manifest_list", text.clone()),
                ("summary", text),
            ],
            Self::History => vec![
                ("made_current_at", time),
                ("snapshot_id", long.clone()),
                ("parent_id", long),
                ("is_current_ancestor", DataType::Boolean),
            ],
            Self::Files => vec![
                ("content", text.clone()),
                ("file_path", text.clone()),
                ("file_format", text.clone()),
                ("spec_id", int.clone()),
                ("partition", text),
                ("record_count", long.clone()),
                ("file_size_in_bytes", long.clone()),
                ("sequence_number", long.clone()),
                ("snapshot_id", long),
                ("sort_order_id", int),
            ],
            Self::Partitions => vec![
                ("partition", text),
                ("spec_id", int),
                ("record_count", long.clone()),
                ("file_count", long.clone()),
                ("file_size_in_bytes", long.clone()),
                ("delete_file_count", long),
            ],
            Self::Manifests => vec![
                ("content", text.clone()),
                ("path", text),
                ("length", long.clone()),
                ("partition_spec_id", int),
                ("added_snapshot_id", long.clone()),
                ("sequence_number", long.clone()),
                ("added_files_count", long.clone()),
                ("existing_files_count", long.clone()),
                ("deleted_files_count", long.clone()),
                ("added_rows_count", long.clone()),
                ("existing_rows_count", long.clone()),
                ("deleted_rows_count", long),
            ],
        };
        let fields: Vec<_> = columns
            .into_iter()
            .map(|(name, kind)| Field::new(name, kind, true))
            .collect();
        Arc::new(Schema::new(fields))
    }
}

pub(super) fn provider(table: &IcebergTable, kind: MetadataTable) -> Arc<dyn TableProvider> {
    Arc::new(Metadata {
        table: table.clone(),
        kind,
    })
}

#[derive(Debug)]
struct Metadata {
    table: IcebergTable,
    kind: MetadataTable,
}

#[async_trait]
impl TableProvider for Metadata {
    fn schema(&self) -> SchemaRef {
        self.kind.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let columns = match self.kind {
            MetadataTable::Snapshots => snapshots(&self.table),
            MetadataTable::History => history(&self.table),
            MetadataTable::Files => files(&self.table).await?,
            MetadataTable::Partitions => partitions(&self.table).await?,
            MetadataTable::Manifests => manifests(&self.table).await?,
        };
        let schema = self.kind.schema();
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        MemTable::try_new(schema, vec![vec![batch]])?
            .scan(state, projection, filters, limit)
            .await
    }
}

fn longs(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<Int64Array>())
}

fn counts(values: impl Iterator<Item = u64>) -> ArrayRef {
    longs(values.map(|value| i64::try_from(value).ok()))
}

fn texts(values: impl Iterator<Item = String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn times(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from_iter_values(values).with_timezone("UTC"))
}

fn snapshots(table: &IcebergTable) -> Vec<ArrayRef> {
    let metadata = table.table().metadata();
    let mut all: Vec<_> = metadata.snapshots().collect();
    all.sort_by_key(|snapshot| (snapshot.sequence_number(), snapshot.timestamp_ms()));
    vec![
        times(all.iter().map(|s| s.timestamp_ms())),
        longs(all.iter().map(|s| Some(s.snapshot_id()))),
        longs(all.iter().map(|s| s.parent_snapshot_id())),
        longs(all.iter().map(|s| Some(s.sequence_number()))),
        texts(
            all.iter()
                .map(|s| s.summary().operation.as_str().to_owned()),
        ),
        texts(all.iter().map(|s| s.manifest_list().to_owned())),
        texts(all.iter().map(|s| {
            let sorted: BTreeMap<_, _> = s.summary().additional_properties.iter().collect();
            serde_json::to_string(&sorted).expect("texts always serialise")
        })),
    ]
}

fn history(table: &IcebergTable) -> Vec<ArrayRef> {
    let metadata = table.table().metadata();
    let mut ancestors = Vec::new();
    let mut next = metadata.current_snapshot();
    while let Some(snapshot) = next {
        ancestors.push(snapshot.snapshot_id());
        next = snapshot
            .parent_snapshot_id()
            .and_then(|id| metadata.snapshot_by_id(id));
    }
    let log = metadata.history();
    let parent = |id| {
        metadata
            .snapshot_by_id(id)
            .and_then(|snapshot| snapshot.parent_snapshot_id())
    };
    let current: BooleanArray = log
        .iter()
        .map(|entry| Some(ancestors.contains(&entry.snapshot_id)))
        .collect();
    vec![
        times(log.iter().map(|entry| entry.timestamp_ms())),
        longs(log.iter().map(|entry| Some(entry.snapshot_id))),
        longs(log.iter().map(|entry| parent(entry.snapshot_id))),
        Arc::new(current),
    ]
}

/// `day=2026-01-31/…`, empty for an unpartitioned table.
fn partition_text(table: &IcebergTable, file: &DataFileEntry) -> String {
    let metadata = table.table().metadata();
    let Some(spec) = metadata.partition_spec_by_id(file.partition_spec_id) else {
        return String::new();
    };
    if spec.is_unpartitioned() {
        return String::new();
    }
    // A spec over a column that was dropped since can't be shown with its names.
    let Ok(kinds) = spec.partition_type(metadata.current_schema()) else {
        return format!("spec {}", file.partition_spec_id);
    };
    let fields = spec.fields().iter().zip(kinds.fields());
    let shown: Vec<String> = fields
        .zip(file.file().partition().iter())
        .map(|((field, kind), value)| {
            let text = value_text(field.transform, &kind.field_type, value);
            format!("{}={text}", field.name)
        })
        .collect();
    shown.join("/")
}

fn content_text(content: DataContentType) -> &'static str {
    match content {
        DataContentType::Data => "data",
        DataContentType::PositionDeletes => "position deletes",
        DataContentType::EqualityDeletes => "equality deletes",
    }
}

async fn files(table: &IcebergTable) -> Result<Vec<ArrayRef>, QueryError> {
    let all = all_files(table).await?;
    let format = |f: &DataFileEntry| f.file().file_format().to_string();
    Ok(vec![
        texts(
            all.iter()
                .map(|f| content_text(f.file().content_type()).to_owned()),
        ),
        texts(all.iter().map(|f| f.file().file_path().to_owned())),
        texts(all.iter().map(format)),
        Arc::new(Int32Array::from_iter_values(
            all.iter().map(|f| f.partition_spec_id),
        )),
        texts(all.iter().map(|f| partition_text(table, f))),
        counts(all.iter().map(|f| f.file().record_count())),
        counts(all.iter().map(|f| f.file().file_size_in_bytes())),
        longs(all.iter().map(|f| f.entry.sequence_number())),
        longs(all.iter().map(|f| f.entry.snapshot_id())),
        Arc::new(
            all.iter()
                .map(|f| f.file().sort_order_id())
                .collect::<Int32Array>(),
        ),
    ])
}

#[derive(Default)]
struct PartitionSum {
    rows: u64,
    files: u64,
    bytes: u64,
    delete_files: u64,
}

async fn partitions(table: &IcebergTable) -> Result<Vec<ArrayRef>, QueryError> {
    let mut sums: BTreeMap<(String, i32), PartitionSum> = BTreeMap::new();
    for file in all_files(table).await? {
        let key = (partition_text(table, &file), file.partition_spec_id);
        let sum = sums.entry(key).or_default();
        if file.file().content_type() == DataContentType::Data {
            sum.rows += file.file().record_count();
            sum.files += 1;
            sum.bytes += file.file().file_size_in_bytes();
        } else {
            sum.delete_files += 1;
        }
    }
    Ok(vec![
        texts(sums.keys().map(|(partition, _)| partition.clone())),
        Arc::new(Int32Array::from_iter_values(
            sums.keys().map(|(_, spec)| *spec),
        )),
        counts(sums.values().map(|sum| sum.rows)),
        counts(sums.values().map(|sum| sum.files)),
        counts(sums.values().map(|sum| sum.bytes)),
        counts(sums.values().map(|sum| sum.delete_files)),
    ])
}

async fn manifests(table: &IcebergTable) -> Result<Vec<ArrayRef>, QueryError> {
    let list = table.manifests().await?;
    let content = |content| match content {
        ManifestContentType::Data => "data".to_owned(),
        ManifestContentType::Deletes => "deletes".to_owned(),
    };
    let count = |value: Option<u32>| value.map(i64::from);
    let rows = |value: Option<u64>| value.and_then(|value| i64::try_from(value).ok());
    Ok(vec![
        texts(list.iter().map(|m| content(m.content))),
        texts(list.iter().map(|m| m.manifest_path.clone())),
        longs(list.iter().map(|m| Some(m.manifest_length))),
        Arc::new(Int32Array::from_iter_values(
            list.iter().map(|m| m.partition_spec_id),
        )),
        longs(list.iter().map(|m| Some(m.added_snapshot_id))),
        longs(list.iter().map(|m| Some(m.sequence_number))),
        longs(list.iter().map(|m| count(m.added_files_count))),
        longs(list.iter().map(|m| count(m.existing_files_count))),
        longs(list.iter().map(|m| count(m.deleted_files_count))),
        longs(list.iter().map(|m| rows(m.added_rows_count))),
        longs(list.iter().map(|m| rows(m.existing_rows_count))),
        longs(list.iter().map(|m| rows(m.deleted_rows_count))),
    ])
}
