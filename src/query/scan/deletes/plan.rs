//! The plan's node over files with deletes. It stands between them and the rest of the plan: a
//! limit that reached the files' reader could make it read rows that are gone.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning,
    PlanProperties,
};
use futures::StreamExt;

use super::equality::{self, DeletedKeys};

/// Leaves out rows that equality deletes name, and then the columns that only those needed.
#[derive(Debug)]
pub(super) struct DeleteScan {
    input: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    keys: Arc<Vec<DeletedKeys>>,
    /// What the deletes take, as long as there is a plan that holds them.
    memory: Arc<MemoryReservation>,
    properties: Arc<PlanProperties>,
}

impl DeleteScan {
    /// `asked`: how many of the input's columns the query wants, the first ones.
    pub(super) fn new(
        input: Arc<dyn ExecutionPlan>,
        asked: usize,
        keys: Arc<Vec<DeletedKeys>>,
        memory: Arc<MemoryReservation>,
    ) -> Self {
        let fields = input.schema().fields()[..asked].to_vec();
        let schema = Arc::new(Schema::new(fields));
        let partitions = input.output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            input,
            schema,
            keys,
            memory,
            properties: Arc::new(properties),
        }
    }
}

impl DisplayAs for DeleteScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.memory.size();
        write!(f, "IcebergDeleteScan: deletes={bytes} bytes")
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
        vec![&self.input]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(input) = children.pop() else {
            return internal_err!("files with deletes are one input");
        };
        let asked = self.schema.fields().len();
        let (keys, memory) = (Arc::clone(&self.keys), Arc::clone(&self.memory));
        Ok(Arc::new(Self::new(input, asked, keys, memory)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let (keys, schema) = (Arc::clone(&self.keys), Arc::clone(&self.schema));
        // A stream may outlive its plan.
        let memory = Arc::clone(&self.memory);
        let rows = self.input.execute(partition, context)?.map(move |batch| {
            let _held = &memory;
            first_columns(equality::without(&keys, batch?)?, &schema)
        });
        let schema = Arc::clone(&self.schema);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

fn first_columns(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch.columns()[..schema.fields().len()].to_vec();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &options,
    )?)
}
