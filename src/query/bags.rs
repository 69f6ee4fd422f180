//! `EXCEPT ALL` and `INTERSECT ALL` count their rows: `{1, 1, 2} except all {1}` is `{1, 2}`, where
//! DataFusion takes away every 1, and `{1, 1} intersect all {1}` is `{1}`, where it gives both.
//! Here the equal rows of a side are numbered, and the n-th meets the n-th.

use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{Column, NullEquality, Result};
use datafusion::config::ConfigOptions;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, JoinType, LogicalPlan, LogicalPlanBuilder, logical_plan::Join,
};
use datafusion::optimizer::AnalyzerRule;

const NTH: [&str; 2] = ["frazil_nth_left", "frazil_nth_right"];

/// Must come before anything else makes joins: a semi or anti join that takes NULL for equal to
/// NULL is one of these operations then. Where the left rows are distinct, there is one of each,
/// and the join is right as it is.
#[derive(Debug)]
pub(super) struct Bags;

impl AnalyzerRule for Bags {
    fn name(&self) -> &str {
        "set_operations_count"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Join(join) if is_bag(&join) => counted(join).map(Transformed::yes),
            plan => Ok(Transformed::no(plan)),
        })
        .data()
    }
}

fn is_bag(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftAnti | JoinType::LeftSemi)
        && join.null_equality == NullEquality::NullEqualsNull
        && join.filter.is_none()
        && !matches!(join.left.as_ref(), LogicalPlan::Distinct(_))
}

fn counted(join: Join) -> Result<LogicalPlan> {
    let columns: Vec<Expr> = join.left.schema().iter().map(Expr::from).collect();
    let mut keys: (Vec<Column>, Vec<Column>) = (Vec::new(), Vec::new());
    for (left, right) in &join.on {
        let (Expr::Column(left), Expr::Column(right)) = (left, right) else {
            return Ok(LogicalPlan::Join(join));
        };
        keys.0.push(left.clone());
        keys.1.push(right.clone());
    }
    let left = numbered(join.left.as_ref().clone(), &keys.0, NTH[0])?;
    let right = numbered(join.right.as_ref().clone(), &keys.1, NTH[1])?;
    keys.0.push(Column::from_name(NTH[0]));
    keys.1.push(Column::from_name(NTH[1]));
    LogicalPlanBuilder::from(left)
        .join_detailed(right, join.join_type, keys, None, join.null_equality)?
        .project(columns)?
        .build()
}

/// With a column that numbers the rows that are equal in all of these columns.
fn numbered(plan: LogicalPlan, columns: &[Column], name: &str) -> Result<LogicalPlan> {
    let equal = columns.iter().cloned().map(Expr::Column).collect();
    let number = row_number().partition_by(equal).build()?.alias(name);
    LogicalPlanBuilder::from(plan).window(vec![number])?.build()
}
