//! Window functions held to the memory limit: DataFusion counts nothing of what they hold.
//!
//! Their input is counted by [`kept`](super::kept), which also tells aggregates over sliding frames
//! how large the rows are that they hold. Here are aggregates whose results may be large
//! (`array_agg`, the longest text): over a window each row gets one, and 100,000 rows get as many
//! arrays of 100,000 values before anything else could look.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{
    AggregateUDF, Expr, LogicalPlan, WindowFrame, WindowFunctionDefinition,
};
use datafusion::optimizer::AnalyzerRule;

use super::gather::Gather;
use super::{QueryError, QueryErrorKind};

/// Puts counted aggregates in the place of those whose results have no fixed size.
pub(super) struct Windows(pub Arc<dyn MemoryPool>);

impl fmt::Debug for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Windows")
    }
}

impl AnalyzerRule for Windows {
    fn name(&self) -> &str {
        "windows_are_counted"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Window(_) => plan.map_expressions(|expr| {
                expr.transform_up(|expr| match expr {
                    Expr::WindowFunction(call) => self.counted(*call),
                    other => Ok(Transformed::no(other)),
                })
            }),
            other => Ok(Transformed::no(other)),
        })
        .data()
    }
}

impl Windows {
    fn counted(&self, mut call: WindowFunction) -> Result<Transformed<Expr>> {
        if call.params.distinct {
            return Err(QueryError::new(
                QueryErrorKind::FeatureNotSupported,
                "DISTINCT is not implemented for window functions",
            )
            .into());
        }
        let mut changed = false;
        if let WindowFunctionDefinition::AggregateUDF(function) = &call.fun {
            let repeats = is_whole_partition(&call.params.window_frame);
            let known = function.inner().downcast_ref::<Gather>();
            let counted = match known {
                Some(gather) if repeats => gather.repeated(),
                None if repeats && matches!(function.name(), "min" | "max") => {
                    Gather::new(Arc::clone(function), Arc::clone(&self.0)).repeated()
                }
                None if !call.params.window_frame.is_ever_expanding() => {
                    Some(Gather::sliding(Arc::clone(function), Arc::clone(&self.0)))
                }
                _ => None,
            };
            if let Some(counted) = counted {
                let counted = Arc::new(AggregateUDF::from(counted));
                call.fun = WindowFunctionDefinition::AggregateUDF(counted);
                changed = true;
            }
        }
        let call = Expr::WindowFunction(Box::new(call));
        Ok(Transformed::new_transformed(call, changed))
    }
}

/// Whether every row of a partition gets the same result.
fn is_whole_partition(frame: &WindowFrame) -> bool {
    frame.start_bound.is_unbounded() && frame.end_bound.is_unbounded()
}
