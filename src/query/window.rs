//! Window functions held to the memory limit: DataFusion counts nothing of what they hold.
//!
//! Their input is counted by [`kept`](super::kept). Here are aggregates whose results are as large
//! as what they have seen (`array_agg`, `string_agg`, the longest text): over a window each row gets
//! one, and 100,000 rows get as many arrays of 100,000 values before anything else could look.

use std::fmt;
use std::mem::size_of_val;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::logical_expr::expr::{
    AggregateFunctionParams, WindowFunction, WindowFunctionParams,
};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, LogicalPlan, ReversedUDAF, Signature,
    WindowFrame, WindowFunctionDefinition,
};
use datafusion::optimizer::AnalyzerRule;

use super::{QueryError, QueryErrorKind};

/// These hold all that they have seen.
const GATHER: [&str; 2] = ["array_agg", "string_agg"];

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
            let gathers = GATHER.contains(&function.name());
            let is_ours = function.inner().is::<Counted>();
            if !is_ours && (gathers || repeats && matches!(function.name(), "min" | "max")) {
                let counted = Counted {
                    inner: Arc::clone(function),
                    repeats,
                    pool: Pool(Arc::clone(&self.0)),
                };
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

/// An aggregate whose values count against the memory limit.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Counted {
    inner: Arc<AggregateUDF>,
    repeats: bool,
    pool: Pool,
}

/// Is no part of what a function is.
#[derive(Debug)]
struct Pool(Arc<dyn MemoryPool>);

impl PartialEq for Pool {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Pool {}

impl std::hash::Hash for Pool {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl Counted {
    fn counted(&self, inner: Box<dyn Accumulator>) -> Box<dyn Accumulator> {
        let name = format!("{} over a window", self.inner.name());
        Box::new(CountedValues {
            inner,
            repeats: self.repeats,
            rows: 0,
            given: 0,
            reservation: MemoryConsumer::new(name).register(&self.pool.0),
        })
    }
}

impl AggregateUDFImpl for Counted {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.schema_name(params)
    }

    fn human_display(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.human_display(params)
    }

    fn display_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.display_name(params)
    }

    fn window_function_schema_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.inner.window_function_schema_name(params)
    }

    fn window_function_display_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.inner.window_function_display_name(params)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        self.inner.return_field(fields)
    }

    fn is_nullable(&self) -> bool {
        self.inner.is_nullable()
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(self.counted(self.inner.accumulator(args)?))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(self.counted(self.inner.create_sliding_accumulator(args)?))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        match self.inner.reverse_udf() {
            ReversedUDAF::Reversed(inner) => {
                ReversedUDAF::Reversed(Arc::new(AggregateUDF::from(Self {
                    inner,
                    repeats: self.repeats,
                    pool: Pool(Arc::clone(&self.pool.0)),
                })))
            }
            other => other,
        }
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn default_value(&self, kind: &DataType) -> Result<ScalarValue> {
        self.inner.default_value(kind)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.inner.supports_null_handling_clause()
    }
}

#[derive(Debug)]
struct CountedValues {
    inner: Box<dyn Accumulator>,
    repeats: bool,
    rows: usize,
    /// Bytes of the values given so far: rows go on in batches, so they may all still be held.
    given: usize,
    reservation: MemoryReservation,
}

impl CountedValues {
    fn count(&mut self) -> Result<()> {
        self.reservation
            .try_resize(self.given.saturating_add(self.inner.size()))
    }
}

impl Accumulator for CountedValues {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(values)?;
        self.rows += values.first().map_or(0, |values| values.len());
        self.count()
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(values)?;
        self.rows = self
            .rows
            .saturating_sub(values.first().map_or(0, |v| v.len()));
        self.count()
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        // Not all of them make what they give of what they hold: room for it first.
        let times = if self.repeats { self.rows.max(1) } else { 1 };
        self.given = self
            .given
            .saturating_add(self.inner.size().saturating_mul(times));
        self.count()?;
        self.inner.evaluate()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)?;
        self.count()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.inner.size()
    }
}
