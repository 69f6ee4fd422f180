//! Which plans have queries within them that may be no join.

use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::{Expr, LogicalPlan};

/// Whether an expression of a node is one that `test` looks for.
fn has(node: &LogicalPlan, test: impl Fn(&Expr) -> bool) -> Result<bool> {
    let mut found = false;
    node.apply_expressions(|expr| {
        expr.apply(|expr| {
            found |= test(expr);
            Ok(match found {
                true => TreeNodeRecursion::Stop,
                false => TreeNodeRecursion::Continue,
            })
        })
    })?;
    Ok(found)
}

fn any(plan: &LogicalPlan, test: impl Fn(&LogicalPlan) -> Result<bool>) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= test(node)?;
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(found)
}

/// A query that reads columns from around it, or one that stands where only filters have them.
pub(super) fn needs_care(plan: &LogicalPlan) -> Result<bool> {
    any(plan, |node| {
        let filter = matches!(node, LogicalPlan::Filter(_));
        let lateral =
            matches!(node, LogicalPlan::Subquery(inner) if !inner.outer_ref_columns.is_empty());
        Ok(lateral || has(node, |expr| within(expr, filter))?)
    })
}

/// Whether `expr` is such a query; `filter`: whether it stands in a WHERE.
pub(super) fn within(expr: &Expr, filter: bool) -> bool {
    match expr {
        Expr::ScalarSubquery(inner) => !inner.outer_ref_columns.is_empty(),
        Expr::Exists(Exists { subquery, .. }) | Expr::InSubquery(InSubquery { subquery, .. }) => {
            !filter || !subquery.outer_ref_columns.is_empty()
        }
        _ => false,
    }
}

/// What no physical plan can be made of.
pub(super) fn is_left(plan: &LogicalPlan) -> Result<bool> {
    any(plan, |node| {
        let lateral =
            matches!(node, LogicalPlan::Subquery(inner) if !inner.outer_ref_columns.is_empty());
        let open = |expr: &Expr| {
            matches!(
                expr,
                Expr::Exists(_) | Expr::InSubquery(_) | Expr::OuterReferenceColumn(..)
            )
        };
        Ok(lateral || has(node, open)?)
    })
}
