//! A view in a plan: its text planned, with the names that its columns have.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableSource};
use datafusion::sql::sqlparser::ast;

use super::{View, too_deep};
use crate::domain::TableName;
use crate::query::loader::Loader;
use crate::query::{QueryError, QueryErrorKind, names};

/// How deep views may stand on views.
const DEEPEST: usize = 32;
/// Nodes of the plan that one view becomes: views that name others twice double it with each.
const LARGEST: usize = 10_000;

/// The views that one statement has been planned with.
#[derive(Default)]
pub(in crate::query) struct Expansion {
    /// The view that the statement is to become.
    defined: Option<TableName>,
    known: HashMap<TableName, Arc<dyn TableSource>>,
}

/// A view on the way down to what it stands on.
struct Step {
    name: TableName,
    view: Arc<View>,
    below: Vec<(TableName, Arc<View>)>,
}

impl Step {
    fn of(name: &TableName, view: &Arc<View>, loader: &Loader<'_>) -> Self {
        let below = view.reads.iter().filter_map(|(schema, table)| {
            let name = TableName::new(schema, table).ok()?;
            let view = loader.view(&name)?;
            Some((name, view))
        });
        Self {
            name: name.clone(),
            view: Arc::clone(view),
            below: below.collect(),
        }
    }
}

impl Expansion {
    /// For the text that is to become this view.
    pub fn of(defined: TableName) -> Self {
        Self {
            defined: Some(defined),
            known: HashMap::new(),
        }
    }

    pub fn known(&self, name: &TableName) -> Result<Arc<dyn TableSource>, QueryError> {
        self.known.get(name).cloned().ok_or_else(|| {
            let message = format!("the view {name} was not planned before it was read");
            QueryError::new(QueryErrorKind::Internal, message)
        })
    }

    /// The view and all that it stands on which is not known yet, each behind what it reads.
    pub fn order(
        &self,
        name: &TableName,
        view: &Arc<View>,
        loader: &Loader<'_>,
    ) -> Result<Vec<(TableName, Arc<View>)>, QueryError> {
        let mut ordered: Vec<(TableName, Arc<View>)> = Vec::new();
        let mut path = Vec::new();
        let mut next = Some((name.clone(), Arc::clone(view)));
        loop {
            if let Some((name, view)) = next.take() {
                let is_on_path = path.iter().any(|step: &Step| step.name == name);
                if is_on_path || self.defined.as_ref() == Some(&name) {
                    return Err(endless(&name));
                }
                let done = self.known.contains_key(&name)
                    || ordered.iter().any(|(known, _)| *known == name);
                if !done {
                    // The view that is being made will stand on all of them.
                    if path.len() + usize::from(self.defined.is_some()) >= DEEPEST {
                        return Err(too_deep());
                    }
                    path.push(Step::of(&name, &view, loader));
                }
            }
            let Some(step) = path.last_mut() else {
                return Ok(ordered);
            };
            next = step.below.pop();
            if next.is_none()
                && let Some(step) = path.pop()
            {
                ordered.push((step.name, step.view));
            }
        }
    }

    /// What the view is from now on, by the plan of its text.
    pub fn add(
        &mut self,
        name: TableName,
        query: &ast::Statement,
        plan: LogicalPlan,
    ) -> Result<(), QueryError> {
        let plan = named(plan, query)?;
        let mut nodes = 0;
        plan.apply_with_subqueries(|_| {
            nodes += 1;
            Ok(match nodes > LARGEST {
                true => TreeNodeRecursion::Stop,
                false => TreeNodeRecursion::Continue,
            })
        })?;
        if nodes > LARGEST {
            return Err(too_deep());
        }
        let text = query.to_string();
        let source = provider_as_source(Arc::new(ViewTable::new(plan, Some(text))));
        self.known.insert(name, source);
        Ok(())
    }
}

fn endless(name: &TableName) -> QueryError {
    QueryError::new(
        QueryErrorKind::State("42P17"),
        format!(
            "infinite recursion detected in rules for relation \"{}\"",
            name.name()
        ),
    )
}

/// The plan with Postgres's names of its columns, which were told apart when the view was made.
pub(in crate::query) fn named(
    plan: LogicalPlan,
    query: &ast::Statement,
) -> Result<LogicalPlan, QueryError> {
    let schema = plan.schema();
    let names = names::of_columns(schema.as_arrow(), Some(query));
    let columns = names
        .iter()
        .enumerate()
        .map(|(index, name)| Expr::Column(Column::from(schema.qualified_field(index))).alias(name));
    let columns: Vec<Expr> = columns.collect();
    Ok(LogicalPlanBuilder::from(plan.clone())
        .project(columns)?
        .build()?)
}
