//! Outer columns as the values that they have in one row.

use std::collections::HashMap;

use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};

pub(super) type Values = HashMap<Column, ScalarValue>;

/// The plan with values in the place of outer columns, in the queries within it too.
pub(super) fn substituted(plan: &LogicalPlan, values: &Values) -> Result<LogicalPlan> {
    let node = |node: LogicalPlan| {
        if let LogicalPlan::Subquery(mut inner) = node {
            forget(&mut inner, values);
            return Ok(Transformed::yes(match inner.outer_ref_columns.is_empty() {
                true => inner.subquery.as_ref().clone(),
                false => LogicalPlan::Subquery(inner),
            }));
        }
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let changed = expr.transform_up(|expr| expression(expr, values))?;
            Ok(changed.update_data(|expr| name.restore(expr)))
        })
    };
    plan.clone().transform_up_with_subqueries(node).data()
}

fn expression(expr: Expr, values: &Values) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::OuterReferenceColumn(field, column) => match values.get(&column) {
            Some(value) => {
                let value = match value.is_null() {
                    true => ScalarValue::try_from(field.data_type())?,
                    false => value.cast_to(field.data_type())?,
                };
                let marks = FieldMetadata::new_from_field(&field);
                let marks = (!marks.is_empty()).then_some(marks);
                Transformed::yes(Expr::Literal(value, marks))
            }
            None => Transformed::no(Expr::OuterReferenceColumn(field, column)),
        },
        Expr::ScalarSubquery(mut subquery) => {
            forget(&mut subquery, values);
            Transformed::yes(Expr::ScalarSubquery(subquery))
        }
        Expr::Exists(Exists {
            mut subquery,
            negated,
        }) => {
            forget(&mut subquery, values);
            Transformed::yes(Expr::Exists(Exists { subquery, negated }))
        }
        Expr::InSubquery(InSubquery {
            expr,
            mut subquery,
            negated,
        }) => {
            forget(&mut subquery, values);
            Transformed::yes(Expr::InSubquery(InSubquery {
                expr,
                subquery,
                negated,
            }))
        }
        other => Transformed::no(other),
    })
}

/// A query's list of the outer columns that it reads, without those that have a value now.
fn forget(subquery: &mut Subquery, values: &Values) {
    subquery.outer_ref_columns.retain(|expr| match expr {
        Expr::OuterReferenceColumn(_, column) => !values.contains_key(column),
        _ => true,
    });
}
