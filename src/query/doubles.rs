//! Numbers that meet floating-point numbers become those, as in Postgres, where DataFusion would
//! turn both into `numeric(30,15)`: too narrow for a large double and not exact for any other, so
//! that `x < 0.1` could hold for an x that is 0.1.
//!
//! Must come before type coercion, which then finds two doubles.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{Between, Case, InList, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, cast};
use datafusion::optimizer::AnalyzerRule;

use super::rewrite;

/// Functions that bring their arguments to one type.
const OF_ONE_TYPE: [&str; 5] = ["coalesce", "nullif", "greatest", "least", "nvl"];

/// See the module.
#[derive(Debug)]
pub(super) struct Doubles;

impl AnalyzerRule for Doubles {
    fn name(&self) -> &str {
        "doubles_among_decimals"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        rewrite::expressions(plan, |expr, schema| {
            expr.transform_up(|mut expr| {
                let changed = to_doubles(together(&mut expr), schema);
                Ok(Transformed::new_transformed(expr, changed))
            })
        })
    }
}

/// The parts of an expression that are brought to one type.
fn together(expr: &mut Expr) -> Vec<&mut Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: _, right }) => vec![left, right],
        Expr::Between(Between {
            expr, low, high, ..
        }) => vec![expr, low, high],
        Expr::InList(InList { expr, list, .. }) => {
            let mut parts = vec![expr.as_mut()];
            parts.extend(list);
            parts
        }
        Expr::Case(Case {
            expr: None,
            when_then_expr,
            else_expr,
        }) => {
            let results = when_then_expr.iter_mut().map(|(_, then)| then.as_mut());
            results.chain(else_expr.as_deref_mut()).collect()
        }
        Expr::ScalarFunction(ScalarFunction { func, args })
            if OF_ONE_TYPE.contains(&func.name()) =>
        {
            args.iter_mut().collect()
        }
        _ => Vec::new(),
    }
}

/// Casts the decimals among these when a floating-point number is; whether there was one.
fn to_doubles(parts: Vec<&mut Expr>, schema: &DFSchema) -> bool {
    let kinds: Vec<_> = parts
        .iter()
        .map(|part| part.get_type(schema).ok())
        .collect();
    if !kinds.iter().flatten().any(DataType::is_floating) {
        return false;
    }
    let mut changed = false;
    for (part, kind) in parts.into_iter().zip(kinds) {
        if kind.as_ref().is_some_and(DataType::is_decimal) {
            *part = cast(std::mem::take(part), DataType::Float64);
            changed = true;
        }
    }
    changed
}
