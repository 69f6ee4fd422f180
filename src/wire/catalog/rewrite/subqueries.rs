//! Subqueries over catalogs in a form that the planner takes.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, Expr, Query, SelectItem, SetExpr, TableFactor,
};

use super::build::{call, take};
use crate::wire::catalog::emptiness;

/// The planner wants a scalar subquery to be an aggregate; those of catalog queries look a key up
/// and so have one row at most.
pub(super) fn at_most_one_row(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    let grouped =
        !matches!(&select.group_by, ast::GroupByExpr::Expressions(list, _) if list.is_empty());
    let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] =
        &mut select.projection[..]
    else {
        return;
    };
    if grouped
        || select.from.is_empty()
        || select.distinct.is_some()
        || emptiness::is_aggregate(item)
    {
        return;
    }
    let value = take(item);
    *item = call("first_value", vec![value]);
    query.limit_clause = None;
    query.order_by = None;
}

/// The planner takes correlation by equality only: where `c.oid = a.x` holds, `c.oid` stands for
/// the outer `a.x` in the other conditions just as well.
pub(super) fn correlate_by_equality(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    let inner: BTreeSet<String> = select
        .from
        .iter()
        .flat_map(|from| {
            std::iter::once(&from.relation).chain(from.joins.iter().map(|j| &j.relation))
        })
        .filter_map(|factor| match factor {
            TableFactor::Table { name, alias, .. } => Some(match alias {
                Some(alias) => alias.name.value.clone(),
                None => name.0.last()?.as_ident()?.value.clone(),
            }),
            _ => None,
        })
        .collect();
    let is_inner = |expr: &Expr| matches!(expr, Expr::CompoundIdentifier(parts) if inner.contains(&parts[0].value));
    let is_outer = |expr: &Expr| matches!(expr, Expr::CompoundIdentifier(parts) if !inner.contains(&parts[0].value));
    let Some(selection) = &mut select.selection else {
        return;
    };
    let mut equal: Vec<(Expr, Expr)> = Vec::new();
    each_condition(selection, &mut |condition| {
        if let Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } = condition
        {
            if is_inner(left) && is_outer(right) {
                equal.push((right.as_ref().clone(), left.as_ref().clone()));
            } else if is_outer(left) && is_inner(right) {
                equal.push((left.as_ref().clone(), right.as_ref().clone()));
            }
        }
    });
    each_condition(selection, &mut |condition| {
        let Expr::BinaryOp { left, op, right } = condition else {
            return;
        };
        if *op == BinaryOperator::Eq {
            return;
        }
        for side in [left, right] {
            if let Some((_, stand_in)) = equal.iter().find(|(outer, _)| *outer == **side) {
                **side = stand_in.clone();
            }
        }
    });
}

/// The conditions that AND joins.
fn each_condition(expr: &mut Expr, visit: &mut dyn FnMut(&mut Expr)) {
    match expr {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => {
            each_condition(left, visit);
            each_condition(right, visit);
        }
        Expr::Nested(inner) => each_condition(inner, visit),
        other => visit(other),
    }
}
