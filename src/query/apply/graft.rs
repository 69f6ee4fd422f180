//! `a, LATERAL f(a.x)`: a lateral query that reads no table is worked out beside the rows of a, all
//! at once, instead of row by row.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

/// The rows of `left`, each beside those that the query gives for it; the columns of both. None
/// where the query is more than functions of a row.
pub(super) fn grafted(query: &LogicalPlan, left: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    let kept: Vec<Expr> = left
        .schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    plan(query, left, &kept)
}

fn plan(query: &LogicalPlan, left: &LogicalPlan, kept: &[Expr]) -> Result<Option<LogicalPlan>> {
    Ok(match query {
        LogicalPlan::EmptyRelation(empty) if empty.produce_one_row => Some(left.clone()),
        LogicalPlan::Projection(node) => {
            let Some(input) = plan(&node.input, left, kept)? else {
                return Ok(None);
            };
            let own: Vec<Expr> = node.expr.iter().cloned().map(own).collect::<Result<_>>()?;
            let all = kept.iter().cloned().chain(own);
            Some(LogicalPlanBuilder::from(input).project(all)?.build()?)
        }
        LogicalPlan::Unnest(node) => {
            let Some(input) = plan(&node.input, left, kept)? else {
                return Ok(None);
            };
            let columns = node.exec_columns.clone();
            let joined = LogicalPlanBuilder::from(input);
            let joined = joined.unnest_columns_with_options(columns, node.options.clone())?;
            Some(joined.build()?)
        }
        LogicalPlan::SubqueryAlias(node) => {
            let Some(input) = plan(&node.input, left, kept)? else {
                return Ok(None);
            };
            let own = node.input.schema().columns().into_iter().map(|column| {
                let name = column.name.clone();
                Expr::Column(column).alias_qualified(Some(node.alias.clone()), name)
            });
            let all: Vec<Expr> = kept.iter().cloned().chain(own).collect();
            Some(LogicalPlanBuilder::from(input).project(all)?.build()?)
        }
        _ => None,
    })
}

/// An expression whose outer columns are columns beside it now, under the name that it had.
fn own(expr: Expr) -> Result<Expr> {
    let name = expr.schema_name().to_string();
    let changed = expr.transform_up(|expr| {
        Ok(match expr {
            Expr::OuterReferenceColumn(_, column) => Transformed::yes(Expr::Column(column)),
            other => Transformed::no(other),
        })
    })?;
    match changed.transformed && !matches!(changed.data, Expr::Alias(_)) {
        true => Ok(changed.data.alias(name)),
        false => Ok(changed.data),
    }
}
