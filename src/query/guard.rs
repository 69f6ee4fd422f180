//! Keeps a running plan within reach: what DataFusion computes in one long stretch looks up now
//! and then to see whether the query was stopped.
//! Joins make many rows out of few: DataFusion's own yielding counts the few. A nested-loop join
//! whose condition is seldom true gives no rows at all for hours: its condition is where it looks.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder, SortMergeJoinExec,
};
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

use super::error_map::cancelled;
use super::kept;

/// Set once a query is to stop.
#[derive(Clone, Debug, Default)]
pub(super) struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    pub(super) fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The same plan, within reach of `flag`, what its windows hold counted in `pool`.
pub(super) fn guard(
    plan: Arc<dyn ExecutionPlan>,
    flag: &StopFlag,
    pool: &Arc<dyn MemoryPool>,
) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        if let Some(window) = kept::counted(&node, pool)? {
            return Ok(Transformed::yes(window));
        }
        let node = match node.downcast_ref::<NestedLoopJoinExec>() {
            Some(join) => nested_loop(join, flag)?,
            None => node,
        };
        Ok(if makes_many_rows(&node) {
            Transformed::yes(Arc::new(CooperativeExec::new(node)) as _)
        } else {
            Transformed::no(node)
        })
    })
    .data()
}

fn makes_many_rows(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.downcast_ref::<NestedLoopJoinExec>().is_some()
        || node.downcast_ref::<CrossJoinExec>().is_some()
        || node.downcast_ref::<HashJoinExec>().is_some()
        || node.downcast_ref::<SortMergeJoinExec>().is_some()
        || node.downcast_ref::<UnnestExec>().is_some()
}

fn nested_loop(join: &NestedLoopJoinExec, flag: &StopFlag) -> Result<Arc<dyn ExecutionPlan>> {
    let filter = join.filter().map(|filter| {
        let watched = Arc::new(Watched {
            inner: Arc::clone(filter.expression()),
            flag: flag.clone(),
        });
        JoinFilter::new(
            watched,
            filter.column_indices().to_vec(),
            Arc::clone(filter.schema()),
        )
    });
    let left: Arc<dyn ExecutionPlan> = Arc::new(Again::new(Arc::clone(join.left())));
    let rebuilt = NestedLoopJoinExecBuilder::new(left, Arc::clone(join.right()), *join.join_type())
        .with_projection_ref(join.projection().clone())
        .with_filter(filter)
        .build()?;
    Ok(Arc::new(rebuilt))
}

/// A condition that fails once the query is to stop.
#[derive(Debug)]
struct Watched {
    inner: Arc<dyn PhysicalExpr>,
    flag: StopFlag,
}

impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for Watched {}

impl Hash for Watched {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PhysicalExpr for Watched {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.inner.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.inner.nullable(schema)
    }

    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        self.inner.return_field(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.flag.is_stopped() {
            return Err(cancelled().into());
        }
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let Some(inner) = children.pop() else {
            return internal_err!("a watched condition has one child");
        };
        Ok(Arc::new(Self {
            inner,
            flag: self.flag.clone(),
        }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}

/// A plan that can be executed again: a nested-loop join which finds that its left side doesn't
/// fit reads it once more to spill it, and most nodes can't be executed twice.
struct Again {
    inner: Arc<dyn ExecutionPlan>,
    used: Mutex<Vec<bool>>,
}

impl Again {
    fn new(inner: Arc<dyn ExecutionPlan>) -> Self {
        let partitions = inner.properties().partitioning.partition_count();
        Self {
            inner,
            used: Mutex::new(vec![false; partitions]),
        }
    }
}

impl fmt::Debug for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Again").field(&self.inner).finish()
    }
}

impl DisplayAs for Again {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RereadExec")
    }
}

impl ExecutionPlan for Again {
    fn name(&self) -> &str {
        "RereadExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.inner.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.pop() {
            Some(inner) => Ok(Arc::new(Self::new(inner))),
            None => internal_err!("a plan to be read again has one child"),
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let first = {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            match used.get_mut(partition) {
                Some(used) => !std::mem::replace(used, true),
                None => true,
            }
        };
        if first {
            self.inner.execute(partition, context)
        } else {
            reset_plan_states(Arc::clone(&self.inner))?.execute(partition, context)
        }
    }
}
