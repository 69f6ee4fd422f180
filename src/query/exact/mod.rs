//! Exact numbers: what doesn't fit is an error (22003) as in Postgres, where DataFusion would wrap.
//!
//! A rule of the analyser, right behind type coercion, puts checked functions in the place of
//! integer `+ - *`, unary minus and `abs`, and of casts that lose something. There it reaches every
//! node of every plan at once: projections, filters that go on into the scan, keys of joins,
//! windows and aggregates; DataFusion's own flag for it (`BinaryExpr::with_fail_on_overflow`) would
//! have to be set in the physical plan, node type by node type. Constants are still folded, so that
//! `id = 5 + 1` prunes files as before.

mod arithmetic;
mod average;
mod convert;
mod divide;
mod floats;
mod spread;
mod sum;
mod total;

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::{Cast, ScalarFunction};
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::logical_expr::{
    AggregateUDF, BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF,
};
use datafusion::optimizer::optimizer::{ApplyOrder, Optimizer};
use datafusion::optimizer::{AnalyzerRule, OptimizerConfig, OptimizerRule};

use super::rewrite;
use super::{QueryError, QueryErrorKind};
use arithmetic::{Checked, Op};
pub(super) use average::Averages;
use convert::Convert;
use divide::Divide;
use floats::Floats;

/// Puts exact aggregates in the place of DataFusion's.
pub(super) fn install(state: &mut SessionState) -> Result<()> {
    if let Ok(sum) = state.udaf("sum") {
        state.register_udaf(Arc::new(AggregateUDF::from(sum::ExactSum::new(sum))))?;
    }
    for aggregate in spread::all() {
        state.register_udaf(Arc::new(aggregate))?;
    }
    Ok(())
}

/// The quotient of two exact numbers of which one at least is a decimal; None for others. Made
/// before types are coerced, so that what stands around it is coerced to its type.
pub(super) fn quotient(left: &Expr, right: &Expr, kinds: (&DataType, &DataType)) -> Option<Expr> {
    let exact = |kind: &DataType| kind.is_decimal() || kind.is_integer();
    if !exact(kinds.0) || !exact(kinds.1) || !(kinds.0.is_decimal() || kinds.1.is_decimal()) {
        return None;
    }
    let scale = |kind: &DataType| match kind {
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale,
        _ => 0,
    };
    let function = Divide::function(left, right, (scale(kinds.0), scale(kinds.1)));
    let args = vec![left.clone(), right.clone()];
    Some(Expr::ScalarFunction(ScalarFunction::new_udf(
        Arc::new(function),
        args,
    )))
}

/// The rule for averages, over the exact sum that is installed.
pub(super) fn averages() -> Averages {
    let sum = datafusion::functions_aggregate::sum::sum_udaf();
    Averages(Arc::new(AggregateUDF::from(sum::ExactSum::new(sum))))
}

/// DataFusion's rules of the optimiser, but for one that takes the sum of sums to be of the type of
/// the sums.
pub(super) fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let spared = |rule: Arc<dyn OptimizerRule + Send + Sync>| match rule.name() {
        "single_distinct_aggregation_to_group_by" => Arc::new(SparesSums(rule)) as _,
        _ => rule,
    };
    Optimizer::new().rules.into_iter().map(spared).collect()
}

#[derive(Debug)]
struct SparesSums(Arc<dyn OptimizerRule + Send + Sync>);

impl OptimizerRule for SparesSums {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let is_sum = |expr: &Expr| match expr {
            Expr::AggregateFunction(call) => !call.params.distinct && call.func.name() == "sum",
            _ => false,
        };
        match &plan {
            LogicalPlan::Aggregate(aggregate) if aggregate.aggr_expr.iter().any(is_sum) => {
                Ok(Transformed::no(plan))
            }
            _ => self.0.rewrite(plan, config),
        }
    }
}

/// Must come after type coercion.
#[derive(Debug)]
pub(super) struct Exact;

impl AnalyzerRule for Exact {
    fn name(&self) -> &str {
        "exact_numbers"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        rewrite::expressions(plan, expression)
    }
}

/// The expression with what could go wrong in silence replaced. Its types must be coerced already.
pub(super) fn expression(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| match checked(&expr, schema) {
        Some((function, args)) => {
            let function = Arc::new(function);
            let call = ScalarFunction::new_udf(function, args.into_iter().cloned().collect());
            Ok(Transformed::yes(Expr::ScalarFunction(call)))
        }
        None => Ok(Transformed::no(expr)),
    })
}

fn checked<'a>(expr: &'a Expr, schema: &DFSchema) -> Option<(ScalarUDF, Vec<&'a Expr>)> {
    let is_integer = |expr: &Expr| expr.get_type(schema).is_ok_and(|t| t.is_integer());
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if is_double(left, schema) && is_double(right, schema) =>
        {
            let kind = left.get_type(schema).ok()?;
            let function = Floats::function(*op, &kind)?;
            (right.get_type(schema).ok()? == kind)
                .then(|| (function, vec![left.as_ref(), right.as_ref()]))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let op = match op {
                Operator::Plus => Op::Add,
                Operator::Minus => Op::Subtract,
                Operator::Multiply => Op::Multiply,
                _ => return None,
            };
            let whole = is_integer(left) && is_integer(right);
            whole.then(|| (Checked::function(op), vec![left.as_ref(), right.as_ref()]))
        }
        Expr::Negative(inner) if is_integer(inner) => {
            Some((Checked::function(Op::Negate), vec![inner.as_ref()]))
        }
        Expr::ScalarFunction(call) if call.name() == "abs" && is_integer(call.args.first()?) => {
            Some((Checked::function(Op::Abs), call.args.iter().collect()))
        }
        Expr::Cast(Cast { expr, field }) => {
            let from = expr.get_type(schema).ok()?;
            let function = Convert::function(&from, field.data_type())?;
            Some((function, vec![expr.as_ref()]))
        }
        _ => None,
    }
}

fn is_double(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|kind| kind.is_floating())
}

/// Postgres's words for a number that its type can't hold.
fn out_of_range(kind: &DataType) -> QueryError {
    let name = match kind {
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => "smallint",
        DataType::Int32 | DataType::UInt16 => "integer",
        DataType::Decimal128(..) | DataType::Decimal256(..) => "numeric",
        _ => "bigint",
    };
    QueryError::new(
        QueryErrorKind::NumericOutOfRange,
        format!("{name} out of range"),
    )
}
