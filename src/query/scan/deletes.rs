//! Files with delete files, of writers that merge on read: iceberg's own reader applies them.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::catalog::Session;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::{StreamExt, TryStreamExt};
use iceberg::arrow::ArrowReaderBuilder;
use iceberg::io::FileIO;
use iceberg::scan::{FileScanTask, FileScanTaskDeleteFile};

use super::files::DataFileEntry;
use super::schema::{corrupt, field_id};
use super::{IcebergTable, QueryError};

pub(super) fn scan(
    table: &IcebergTable,
    state: &dyn Session,
    projection: Option<&Vec<usize>>,
    files: Vec<(DataFileEntry, Vec<FileScanTaskDeleteFile>)>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = match projection {
        Some(indices) => Arc::new(table.schema.project(indices)?),
        None => Arc::clone(&table.schema),
    };
    let field_ids: Vec<i32> = schema.fields().iter().filter_map(|f| field_id(f)).collect();
    let count = state.config().target_partitions().max(1).min(files.len());
    let mut partitions = vec![Vec::new(); count];
    for (number, (entry, deletes)) in files.into_iter().enumerate() {
        partitions[number % count].push(task(table, &entry, deletes, &field_ids));
    }
    let properties = PlanProperties::new(
        EquivalenceProperties::new(Arc::clone(&schema)),
        Partitioning::UnknownPartitioning(count),
        EmissionType::Incremental,
        Boundedness::Bounded,
    );
    Ok(Arc::new(DeleteScan {
        files: table.table.store().file_io(),
        partitions,
        schema,
        properties: Arc::new(properties),
    }))
}

fn task(
    table: &IcebergTable,
    entry: &DataFileEntry,
    deletes: Vec<FileScanTaskDeleteFile>,
    field_ids: &[i32],
) -> FileScanTask {
    let file = entry.file();
    let spec = table
        .table
        .metadata()
        .partition_spec_by_id(entry.partition_spec_id)
        .cloned();
    FileScanTask::builder()
        .with_file_size_in_bytes(file.file_size_in_bytes())
        .with_start(0)
        .with_length(file.file_size_in_bytes())
        .with_record_count(Some(file.record_count()))
        .with_data_file_path(file.file_path().to_owned())
        .with_data_file_format(file.file_format())
        .with_schema(table.iceberg_schema.clone())
        .with_project_field_ids(field_ids.to_vec())
        .with_deletes(deletes)
        .with_partition(Some(file.partition().clone()))
        .with_partition_spec(spec)
        .with_case_sensitive(true)
        .build()
}

/// Reads data files and applies their deletes.
#[derive(Debug)]
struct DeleteScan {
    files: FileIO,
    partitions: Vec<Vec<FileScanTask>>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for DeleteScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: usize = self.partitions.iter().map(Vec::len).sum();
        write!(f, "IcebergDeleteScan: files={files}")
    }
}

impl ExecutionPlan for DeleteScan {
    fn name(&self) -> &str {
        "IcebergDeleteScan"
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
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let tasks = self.partitions.get(partition).cloned().unwrap_or_default();
        let schema = Arc::clone(&self.schema);
        let to = Arc::clone(&self.schema);
        let rows = ArrowReaderBuilder::new(self.files.clone(), iceberg::Runtime::current())
            .with_batch_size(context.session_config().batch_size())
            .with_data_file_concurrency_limit(1)
            .build()
            .read(futures::stream::iter(tasks.into_iter().map(Ok)).boxed())
            .map_err(external)?
            .stream()
            .map_err(external)
            .map(move |batch| in_schema(batch?, &to));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

fn external(error: iceberg::Error) -> DataFusionError {
    let error: QueryError = corrupt(error);
    error.into()
}

fn in_schema(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| Ok(arrow::compute::cast(column, field.data_type())?))
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &options,
    )?)
}
