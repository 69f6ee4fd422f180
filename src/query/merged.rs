//! The merged column of `a RIGHT JOIN b USING (k)` and `a FULL JOIN b USING (k)`, natural ones too:
//! it has the key of the side that has one (SQL's coalesce(a.k, b.k)). DataFusion takes a's, which
//! is NULL where a has no row.

use std::ops::ControlFlow;

use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{Column, Result};
use datafusion::config::ConfigOptions;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::{
    Expr, JoinConstraint, JoinType, LogicalPlan, LogicalPlanBuilder, logical_plan::Join,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::sql::sqlparser::ast::{
    self, JoinConstraint as Constraint, JoinOperator, Visit, Visitor,
};

use super::{QueryError, QueryErrorKind};

/// Puts the merged key in the place of the left one. Must come before anything else makes joins.
#[derive(Debug)]
pub(super) struct MergedKeys;

impl AnalyzerRule for MergedKeys {
    fn name(&self) -> &str {
        "merged_keys"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Join(join) if merges(&join) => merged(join).map(Transformed::yes),
            plan => Ok(Transformed::no(plan)),
        })
        .data()
    }
}

fn merges(join: &Join) -> bool {
    join.join_constraint == JoinConstraint::Using
        && matches!(join.join_type, JoinType::Right | JoinType::Full)
}

fn merged(join: Join) -> Result<LogicalPlan> {
    let mut columns = Vec::with_capacity(join.schema.fields().len());
    for column in join.schema.columns() {
        let is_left = |(left, _): &&(Expr, Expr)| *left == Expr::Column(column.clone());
        let Some((left, right)) = join.on.iter().find(is_left) else {
            columns.push(Expr::Column(column));
            continue;
        };
        let Column { relation, name, .. } = column;
        let both = coalesce(vec![left.clone(), right.clone()]);
        columns.push(both.alias_qualified(relation, name));
    }
    LogicalPlanBuilder::from(LogicalPlan::Join(join))
        .project(columns)?
        .build()
}

/// Refuses what the rule would give a wrong answer for: the left key by its own name.
/// `FeatureNotSupported`.
pub(super) fn check(select: &ast::Select) -> ControlFlow<QueryError> {
    let joins = select.from.iter().flat_map(|from| &from.joins);
    let mut keys = Keys::default();
    for join in joins {
        let (JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)) = &join.join_operator
        else {
            continue;
        };
        match constraint {
            Constraint::Using(names) => {
                let names = names.iter().map(|name| name.to_string().to_lowercase());
                keys.names.extend(names);
            }
            Constraint::Natural => keys.all = true,
            _ => {}
        }
    }
    match keys.all || !keys.names.is_empty() {
        true => select.visit(&mut keys),
        false => ControlFlow::Continue(()),
    }
}

/// The merged columns of a SELECT; all that there may be, with NATURAL.
#[derive(Default)]
struct Keys {
    names: Vec<String>,
    all: bool,
}

impl Visitor for Keys {
    type Break = QueryError;

    fn pre_visit_expr(&mut self, expr: &ast::Expr) -> ControlFlow<QueryError> {
        let ast::Expr::CompoundIdentifier(parts) = expr else {
            return ControlFlow::Continue(());
        };
        let name = parts.last().map(ToString::to_string).unwrap_or_default();
        if !self.all && !self.names.contains(&name.to_lowercase()) {
            return ControlFlow::Continue(());
        }
        let error = QueryError::new(
            QueryErrorKind::FeatureNotSupported,
            format!("{expr} beside a RIGHT or FULL JOIN that merges columns of one name"),
        );
        ControlFlow::Break(error.with_hint(format!(
            "Name the merged column without its table ({name}), or join with ON."
        )))
    }
}
