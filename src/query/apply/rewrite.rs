//! Puts calls of `function` in the place of queries within a plan.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result, UnnestOptions};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::{Exists, InSubquery, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::{Filter, Join};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder, Subquery, lit};

use super::find;
use super::function::{Apply, Kind, place};
use super::graft;
use crate::query::{QueryError, QueryErrorKind};

pub(super) fn row_by_row(
    state: &SessionState,
    plan: LogicalPlan,
) -> Result<Transformed<LogicalPlan>> {
    let rewrite = Rewrite { state };
    plan.transform_up(|node| rewrite.node(node))
}

struct Rewrite<'a> {
    state: &'a SessionState,
}

impl Rewrite<'_> {
    fn node(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Join(join) if is_lateral(&join.right)? => {
                self.lateral(join).map(Transformed::yes)
            }
            LogicalPlan::Filter(filter) => self.filter(filter),
            other if other.inputs().len() == 1 => self.hoisted(other),
            other => Ok(Transformed::no(other)),
        }
    }

    /// What needs no query is looked at first.
    fn filter(&self, filter: Filter) -> Result<Transformed<LogicalPlan>> {
        let asks = |expr: &Expr| expr.exists(|inner| Ok(find::within(inner, true)));
        let mut plain = Vec::new();
        let mut asking = Vec::new();
        for part in split_conjunction_owned(filter.predicate.clone()) {
            match asks(&part)? {
                true => asking.push(part),
                false => plain.push(part),
            }
        }
        let Some(asking) = conjunction(asking) else {
            return Ok(Transformed::no(LogicalPlan::Filter(filter)));
        };
        let mut input = LogicalPlanBuilder::from(filter.input.as_ref().clone());
        if let Some(plain) = conjunction(plain) {
            input = input.filter(plain)?;
        }
        self.hoisted(LogicalPlan::Filter(Filter::try_new(
            asking,
            Arc::new(input.build()?),
        )?))
    }

    /// A node over a projection that has the queries' answers as columns.
    fn hoisted(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let filter = matches!(plan, LogicalPlan::Filter(_));
        let [input] = plan.inputs()[..] else {
            return Ok(Transformed::no(plan));
        };
        let (input, schema) = (input.clone(), Arc::clone(input.schema()));
        let before = Arc::clone(plan.schema());
        let mut calls = Vec::new();
        let names = NamePreserver::new(&plan);
        let plan = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let changed = expr.transform_up(|expr| {
                if !find::within(&expr, filter) {
                    return Ok(Transformed::no(expr));
                }
                let (call, negated) = self.call(expr, &schema)?;
                let column = format!("__apply_{}_{}", calls.len(), schema.fields().len());
                calls.push(call.alias(column.clone()));
                let column = Expr::Column(Column::new_unqualified(column));
                Ok(Transformed::yes(match negated {
                    true => Expr::Not(Box::new(column)),
                    false => column,
                }))
            })?;
            Ok(changed.update_data(|expr| name.restore(expr)))
        })?;
        if calls.is_empty() {
            return Ok(plan);
        }
        let columns = schema.columns().into_iter().map(Expr::Column).chain(calls);
        let input = LogicalPlanBuilder::from(input).project(columns)?.build()?;
        let exprs = plan.data.expressions();
        let node = plan.data.with_new_exprs(exprs, vec![input])?;
        if node.schema().fields().len() == before.fields().len() {
            return Ok(Transformed::yes(node));
        }
        let columns = before.columns().into_iter().map(Expr::Column);
        let node = LogicalPlanBuilder::from(node).project(columns)?.build()?;
        Ok(Transformed::yes(node))
    }

    /// A call for a query, and whether its answer is to be turned round.
    fn call(&self, expr: Expr, schema: &DFSchema) -> Result<(Expr, bool)> {
        let (kind, subquery, tested, negated) = match expr {
            Expr::ScalarSubquery(subquery) => (Kind::Scalar, subquery, None, false),
            Expr::Exists(Exists { subquery, negated }) => (Kind::Exists, subquery, None, negated),
            Expr::InSubquery(InSubquery {
                expr,
                subquery,
                negated,
            }) => (Kind::In, subquery, Some(*expr), negated),
            other => return Ok((other, false)),
        };
        let Subquery { subquery, .. } = subquery;
        let call = self.asking(kind, subquery.as_ref().clone(), tested, schema)?;
        Ok((call, negated))
    }

    fn asking(
        &self,
        kind: Kind,
        plan: LogicalPlan,
        tested: Option<Expr>,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let (outer, inner): (Vec<_>, Vec<_>) = outer_columns(&plan)?
            .into_iter()
            .partition(|column| schema.has_column(column));
        // A query within this one may read its columns.
        let own = |column: &Column| plan.exists(|node| Ok(node.schema().has_column(column)));
        if let Some(unknown) = inner.iter().find(|column| !own(column).unwrap_or(false)) {
            return Err(QueryError::new(
                QueryErrorKind::FeatureNotSupported,
                format!("a query that reads {unknown} from beyond the query around it is not supported here"),
            )
            .into());
        }
        let args = tested
            .into_iter()
            .chain(outer.iter().cloned().map(Expr::Column));
        let args = args.collect();
        let function = Apply::function(kind, plan, outer, self.state)?;
        Ok(Expr::ScalarFunction(ScalarFunction::new_udf(
            Arc::new(function),
            args,
        )))
    }

    /// `a JOIN LATERAL (…) b`: each row of a beside each row of its list.
    fn lateral(&self, join: Join) -> Result<LogicalPlan> {
        let condition = join.filter.clone().filter(|filter| *filter != lit(true));
        let keys = join
            .on
            .iter()
            .map(|(left, right)| left.clone().eq(right.clone()));
        let condition = conjunction(keys.chain(condition));
        let outer = match join.join_type {
            JoinType::Inner => false,
            JoinType::Left if condition.is_none() => true,
            other => {
                return Err(QueryError::new(
                    QueryErrorKind::FeatureNotSupported,
                    format!("a {other} JOIN LATERAL with a condition is not supported"),
                )
                .with_hint("Put the condition into the query behind LATERAL, and join ON true.")
                .into());
            }
        };
        let schema = Arc::clone(join.left.schema());
        let query = join.right.as_ref().clone().transform_down(|node| {
            Ok(match node {
                LogicalPlan::Subquery(inner) => Transformed::new(
                    inner.subquery.as_ref().clone(),
                    true,
                    TreeNodeRecursion::Jump,
                ),
                other => Transformed::no(other),
            })
        });
        let query = query.data()?;
        if !outer && let Ok(Some(joined)) = graft::grafted(&query, &join.left) {
            let joined = LogicalPlanBuilder::from(joined);
            return match condition {
                Some(condition) => joined.filter(condition)?.build(),
                None => joined.build(),
            };
        }
        let call = self.asking(Kind::Rows, query, None, &schema)?;
        let rows = format!("__rows_{}", schema.fields().len());
        let left = || schema.columns().into_iter().map(Expr::Column);
        let list = Column::new_unqualified(rows.clone());
        let kept = UnnestOptions::new().with_preserve_nulls(outer);
        let right = join.right.schema().iter().enumerate();
        let right = right.map(|(at, (relation, field))| {
            let part = Column::new_unqualified(format!("{rows}.{}", place(at)));
            Expr::Column(part).alias_qualified(relation.cloned(), field.name())
        });
        let joined = LogicalPlanBuilder::from(join.left.as_ref().clone())
            .project(left().chain([call.alias(rows.clone())]))?
            .unnest_column_with_options(list.clone(), kept.clone())?
            // Then the row: a call of `get_field` would be moved before the list is taken apart.
            .unnest_column_with_options(list, kept)?
            .project(left().chain(right))?;
        match condition {
            Some(condition) => joined.filter(condition)?.build(),
            None => joined.build(),
        }
    }
}

fn is_lateral(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| {
        Ok(matches!(node, LogicalPlan::Subquery(inner) if !inner.outer_ref_columns.is_empty()))
    })
}

/// All columns from around a plan that it reads, at any depth.
fn outer_columns(plan: &LogicalPlan) -> Result<Vec<Column>> {
    let mut columns = Vec::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::OuterReferenceColumn(_, column) = expr
                    && !columns.contains(column)
                {
                    columns.push(column.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(columns)
}
