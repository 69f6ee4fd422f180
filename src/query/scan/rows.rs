//! A table whose rows can be told apart: beside its columns each row has the number of its file and
//! its place in it, so that a statement that changes rows can say which.
//!
//! Files are chosen by their bounds and then read whole, in order: a row's place is counted, never
//! guessed. Tables with delete files of other engines are refused: places would mean other rows.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr_adapter::BatchAdapterFactory;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::{Stream, StreamExt, TryStreamExt};
use parquet::arrow::async_reader::ParquetObjectReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};

use super::columns::FieldIdAdapterFactory;
use super::files::{self, DataFileEntry};
use super::{IcebergTable, QueryError, QueryErrorKind, predicate, prune};

/// The number of a row's file among the table's.
pub(in crate::query) const FILE_COLUMN: &str = "frazil_file";
/// A row's place in its file, from 0.
pub(in crate::query) const ROW_COLUMN: &str = "frazil_row";

/// A table and all its files, numbered.
#[derive(Clone, Debug)]
pub(in crate::query) struct RowTable {
    table: IcebergTable,
    files: Arc<Vec<DataFileEntry>>,
    /// The table's columns, then file and row.
    schema: SchemaRef,
}

impl RowTable {
    /// Lists the table's files. `FeatureNotSupported` when some have delete files.
    pub(in crate::query) async fn new(table: IcebergTable) -> Result<Self, QueryError> {
        let everything = predicate::all_of(&[], &table.schema, &table.iceberg_schema);
        let found = files::plan(&table, &everything).await?;
        if !found.with_deletes.is_empty() {
            return Err(QueryError::new(
                QueryErrorKind::FeatureNotSupported,
                format!(
                    "{} has delete files of another engine: its rows can't be changed here",
                    table.table.name()
                ),
            )
            .with_hint("Have that engine rewrite the table's data files first."));
        }
        let mut fields: Vec<_> = table.schema.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(FILE_COLUMN, DataType::Int32, false)));
        fields.push(Arc::new(Field::new(ROW_COLUMN, DataType::Int64, false)));
        Ok(Self {
            schema: Arc::new(Schema::new(fields)),
            files: Arc::new(found.plain),
            table,
        })
    }

    /// The files by their numbers.
    pub(in crate::query) fn files(&self) -> &[DataFileEntry] {
        &self.files
    }

    /// All rows of one file, in their order, with the table's columns.
    pub(in crate::query) fn read(
        &self,
        number: usize,
    ) -> impl Stream<Item = Result<RecordBatch>> + Send + use<> {
        let (table, files) = (self.table.clone(), Arc::clone(&self.files));
        let wanted = Arc::clone(&self.table.schema);
        futures::stream::once(async move { rows_of(&table, &files[number], wanted).await })
            .try_flatten()
    }
}

#[async_trait]
impl TableProvider for RowTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(indices) => Arc::new(self.schema.project(indices)?),
            None => Arc::clone(&self.schema),
        };
        let predicate = predicate::all_of(filters, &self.table.schema, &self.table.iceberg_schema);
        let metadata = self.table.table.metadata();
        let pruner = prune::Pruner::new(metadata, &self.table.iceberg_schema, &predicate);
        let chosen = (0..self.files.len()).filter(|n| pruner.file_may_match(&self.files[*n]));
        let chosen: Vec<usize> = chosen.collect();
        let count = state.config().target_partitions().max(1);
        let count = count.min(chosen.len()).max(1);
        let mut partitions = vec![Vec::new(); count];
        for (index, number) in chosen.into_iter().enumerate() {
            partitions[index % count].push(number);
        }
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(count),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Arc::new(RowScan {
            table: self.clone(),
            partitions,
            schema,
            properties: Arc::new(properties),
        }))
    }
}

/// Reads files whole and counts their rows.
#[derive(Debug)]
struct RowScan {
    table: RowTable,
    /// Numbers of files.
    partitions: Vec<Vec<usize>>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for RowScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: usize = self.partitions.iter().map(Vec::len).sum();
        write!(f, "IcebergRowScan: files={files}")
    }
}

impl ExecutionPlan for RowScan {
    fn name(&self) -> &str {
        "IcebergRowScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let numbers = self.partitions.get(partition).cloned().unwrap_or_default();
        let (table, schema) = (self.table.clone(), Arc::clone(&self.schema));
        let wanted = Arc::clone(&schema);
        let rows = futures::stream::iter(numbers)
            .map(move |number| one_file(table.clone(), number, Arc::clone(&wanted)))
            .flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

/// One file's rows with the wanted columns, file and row among them where asked for.
fn one_file(
    table: RowTable,
    number: usize,
    wanted: SchemaRef,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    let own = |field: &&Arc<Field>| ![FILE_COLUMN, ROW_COLUMN].contains(&field.name().as_str());
    let columns: Vec<_> = wanted.fields().iter().filter(own).cloned().collect();
    let columns = Arc::new(Schema::new(columns));
    let rows = async move { rows_of(&table.table, &table.files[number], columns).await };
    let mut next = 0_i64;
    futures::stream::once(rows)
        .try_flatten()
        .map(move |batch| numbered(&batch?, number, &mut next, &wanted))
}

fn numbered(
    batch: &RecordBatch,
    number: usize,
    next: &mut i64,
    wanted: &SchemaRef,
) -> Result<RecordBatch> {
    let count = batch.num_rows();
    let first = *next;
    *next += i64::try_from(count).map_err(|error| DataFusionError::External(error.into()))?;
    let mut own = batch.columns().iter();
    let mut columns = Vec::with_capacity(wanted.fields().len());
    for field in wanted.fields() {
        let column: Option<ArrayRef> = match field.name().as_str() {
            FILE_COLUMN => {
                let number = i32::try_from(number);
                let number = number.map_err(|error| DataFusionError::External(error.into()))?;
                Some(Arc::new(Int32Array::from_value(number, count)))
            }
            ROW_COLUMN => Some(Arc::new(Int64Array::from_iter_values(first..*next))),
            _ => own.next().cloned(),
        };
        columns.extend(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(wanted),
        columns,
        &options,
    )?)
}

/// A file's rows in its own order, as the table has these columns now.
async fn rows_of(
    table: &IcebergTable,
    entry: &DataFileEntry,
    wanted: SchemaRef,
) -> Result<impl Stream<Item = Result<RecordBatch>> + Send + use<>> {
    let file = entry.file();
    let (store, _, path) = table
        .table
        .store()
        .resolve(file.file_path())
        .map_err(QueryError::from)?;
    let reader = ParquetObjectReader::new(store, path).with_file_size(file.file_size_in_bytes());
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await?;
    let factory = Arc::new(FieldIdAdapterFactory::new(&table.table));
    let roots = factory.roots(&wanted, builder.schema());
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let stream = builder.with_projection(mask).build()?;
    let adapters = BatchAdapterFactory::new(Arc::clone(&wanted)).with_adapter_factory(factory);
    let mut adapter = None;
    Ok(stream.map(move |batch| {
        let batch = batch?;
        if wanted.fields().is_empty() {
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let wanted = Arc::clone(&wanted);
            return Ok(RecordBatch::try_new_with_options(
                wanted,
                Vec::new(),
                &options,
            )?);
        }
        if adapter.is_none() {
            adapter = Some(adapters.make_adapter(&batch.schema())?);
        }
        match &adapter {
            Some(adapter) => adapter.adapt_batch(&batch),
            None => unreachable!("it was just made"),
        }
    }))
}
