//! What a window holds of its input, counted against the memory limit: DataFusion's window nodes
//! gather whole partitions, some the whole input, and count nothing.

use std::fmt;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputOrderMode, PlanProperties,
};
use futures::StreamExt;

use super::gather;

/// The same window over a counted input; None for what is no window.
pub(super) fn counted(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let keys = if let Some(window) = node.downcast_ref::<BoundedWindowAggExec>() {
        match window.input_order_mode {
            InputOrderMode::Sorted => window.partition_keys(),
            // Partitions that aren't side by side stay open to the end.
            InputOrderMode::Linear | InputOrderMode::PartiallySorted(_) => Vec::new(),
        }
    } else if node.downcast_ref::<WindowAggExec>().is_some() {
        Vec::new()
    } else {
        return Ok(None);
    };
    let inputs = node.children().into_iter().map(|input| {
        Arc::new(Kept {
            input: Arc::clone(input),
            keys: keys.clone(),
        }) as Arc<dyn ExecutionPlan>
    });
    let inputs = inputs.collect();
    Ok(Some(Arc::clone(node).with_new_children(inputs)?))
}

/// Counts what goes through it, until the stream is dropped, or the partition ends.
struct Kept {
    input: Arc<dyn ExecutionPlan>,
    /// What ends a partition when it changes; empty where nothing does.
    keys: Vec<Arc<dyn PhysicalExpr>>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").field(&self.input).finish()
    }
}

impl DisplayAs for Kept {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CountedExec")
    }
}

impl ExecutionPlan for Kept {
    fn name(&self) -> &str {
        "CountedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(input) = children.pop() else {
            return internal_err!("a counted plan has one child");
        };
        Ok(Arc::new(Self {
            input,
            keys: self.keys.clone(),
        }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let mut count = Count {
            reservation: MemoryConsumer::new(format!("Window[{partition}]"))
                .register(context.memory_pool()),
            keys: self.keys.clone(),
            last: Vec::new(),
        };
        let rows = self.input.execute(partition, context)?.map(move |batch| {
            let batch = batch?;
            count.add(&batch)?;
            Ok(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.input.schema(),
            rows,
        )))
    }
}

struct Count {
    reservation: MemoryReservation,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    /// The key of the last row so far.
    last: Vec<ScalarValue>,
}

impl Count {
    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let bytes = batch.columns().iter().map(gather::bytes).sum();
        if batch.num_rows() > 0 && !self.keys.is_empty() {
            let last = self.key(batch, batch.num_rows() - 1)?;
            let first = self.key(batch, 0)?;
            if first != self.last || first != last {
                // At most the partitions that begin in this batch are still held.
                self.last = last;
                return self.reservation.try_resize(bytes);
            }
        }
        self.reservation.try_grow(bytes)
    }

    fn key(&self, batch: &RecordBatch, row: usize) -> Result<Vec<ScalarValue>> {
        let one = batch.slice(row, 1);
        let value = |key: &Arc<dyn PhysicalExpr>| {
            let array = key.evaluate(&one)?.into_array(1)?;
            ScalarValue::try_from_array(&array, 0)
        };
        self.keys.iter().map(value).collect()
    }
}
