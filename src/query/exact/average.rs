//! `avg` of whole and exact numbers: an exact sum divided by the count, as Postgres's is, where
//! DataFusion would go over floating-point numbers or cut the digits.
//! Must come before type coercion, which would have made them doubles.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{Column, DFSchema, Result, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::logical_plan::{Aggregate, Projection, Window};
use datafusion::logical_expr::{
    AggregateUDF, Expr, ExprSchemable, LogicalPlan, WindowFunctionDefinition, cast,
};
use datafusion::optimizer::AnalyzerRule;

/// See the module; holds the sum to divide.
#[derive(Debug)]
pub(in crate::query) struct Averages(pub Arc<AggregateUDF>);

impl AnalyzerRule for Averages {
    fn name(&self) -> &str {
        "exact_averages"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = plan.transform_up_with_subqueries(|node| self.node(node))?;
        if !plan.transformed {
            return Ok(plan.data);
        }
        // What stands above takes the new types.
        let settled = |node: LogicalPlan| Ok(Transformed::yes(node.recompute_schema()?));
        plan.data.transform_up_with_subqueries(settled).data()
    }
}

impl Averages {
    fn node(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let (input, own, total) = match &plan {
            LogicalPlan::Aggregate(node) => {
                (&node.input, &node.aggr_expr, node.schema.fields().len())
            }
            LogicalPlan::Window(node) => {
                (&node.input, &node.window_expr, node.schema.fields().len())
            }
            _ => return Ok(Transformed::no(plan)),
        };
        let schema = Arc::clone(input.schema());
        if !own.iter().any(|expr| self.parts(expr, &schema).is_some()) {
            return Ok(Transformed::no(plan));
        }
        let columns = plan.schema().columns();
        let before = total - own.len();
        let mut kept: Vec<Expr> = Vec::new();
        let mut results: Vec<Expr> = columns[..before]
            .iter()
            .cloned()
            .map(Expr::Column)
            .collect();
        for (expr, column) in own.iter().zip(&columns[before..]) {
            match self.parts(expr, &schema) {
                None => {
                    push(&mut kept, expr.clone());
                    results.push(Expr::Column(column.clone()));
                }
                Some((sum, count)) => {
                    let quotient = of(&sum, &count, &schema)?;
                    push(&mut kept, sum);
                    push(&mut kept, count);
                    results.push(quotient.alias_qualified(column.relation.clone(), &column.name));
                }
            }
        }
        let inner = match plan {
            LogicalPlan::Aggregate(node) => {
                LogicalPlan::Aggregate(Aggregate::try_new(node.input, node.group_expr, kept)?)
            }
            LogicalPlan::Window(node) => LogicalPlan::Window(Window::try_new(kept, node.input)?),
            other => other,
        };
        let projection = Projection::try_new(results, Arc::new(inner))?;
        Ok(Transformed::yes(LogicalPlan::Projection(projection)))
    }

    /// The sum and the count that an average is made of; None for what is none, or of doubles.
    fn parts(&self, expr: &Expr, schema: &DFSchema) -> Option<(Expr, Expr)> {
        let counted = |args: &[Expr]| match args {
            [arg] => arg
                .get_type(schema)
                .is_ok_and(|kind| kind.is_integer() || kind.is_decimal()),
            _ => false,
        };
        match expr {
            Expr::Alias(alias) => self.parts(&alias.expr, schema),
            Expr::AggregateFunction(AggregateFunction { func, params })
                if func.name() == "avg" && counted(&params.args) =>
            {
                let with = |func: &Arc<AggregateUDF>| {
                    Expr::AggregateFunction(AggregateFunction {
                        func: Arc::clone(func),
                        params: params.clone(),
                    })
                };
                Some((with(&self.0), with(&count_udaf())))
            }
            Expr::WindowFunction(window) => match &window.fun {
                WindowFunctionDefinition::AggregateUDF(func)
                    if func.name() == "avg" && counted(&window.params.args) =>
                {
                    let with = |func: &Arc<AggregateUDF>| {
                        Expr::from(WindowFunction {
                            fun: WindowFunctionDefinition::AggregateUDF(Arc::clone(func)),
                            params: window.params.clone(),
                        })
                    };
                    Some((with(&self.0), with(&count_udaf())))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

fn push(all: &mut Vec<Expr>, expr: Expr) {
    if !all.contains(&expr) {
        all.push(expr);
    }
}

/// The quotient of two columns that the node below gives.
fn of(sum: &Expr, count: &Expr, schema: &DFSchema) -> Result<Expr> {
    let column = |expr: &Expr| Expr::Column(Column::from_name(expr.schema_name().to_string()));
    let kind = sum.get_type(schema)?;
    let (sum, kind) = if kind.is_decimal() {
        (column(sum), kind)
    } else {
        let whole = DataType::Decimal128(20, 0);
        (cast(column(sum), whole.clone()), whole)
    };
    let count = column(count);
    match super::quotient(&sum, &count, (&kind, &DataType::Int64)) {
        Some(quotient) => Ok(quotient),
        None => internal_err!("an average of {kind}"),
    }
}
