//! A statement that was parsed and described, to be run as often as the client likes.
//! Its syntax tree, parameter types and columns are kept; its plan only within the batch of
//! messages it was made in, since a plan holds the snapshots of its tables.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::ast;
use pgwire::messages::data::{FieldDescription, RowDescription};

use super::connection::Limits;
use super::encode::{self, Format};
use super::params;
use super::session::{Session, lock};
use super::showing;
use super::sqlstate::{Result, WireError};
use super::transaction;
use super::utility;
use crate::query::names;
use crate::query::statement::{self, Statement};
use crate::query::write;

pub(super) struct Prepared {
    /// None for an empty text.
    pub statement: Option<Statement>,
    pub text: String,
    /// OIDs of `$1`, `$2`, …
    pub parameters: Vec<u32>,
    /// None for a statement that gives no rows.
    pub columns: Option<Columns>,
    plan: Mutex<Option<(u64, LogicalPlan)>>,
}

/// What a client is told of a result.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    pub schema: SchemaRef,
    pub names: Vec<String>,
}

impl Columns {
    /// The columns of a statement, named as Postgres names them.
    pub fn new(schema: SchemaRef, statement: Option<&ast::Statement>) -> Self {
        let names = names::of_columns(&schema, statement);
        Self { schema, names }
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn description(&self, formats: &[Format]) -> RowDescription {
        let fields = self
            .schema
            .fields()
            .iter()
            .zip(&self.names)
            .enumerate()
            .map(|(index, (field, name))| {
                let pg = encode::of_field(field);
                let format = formats.get(index).copied().unwrap_or(Format::Text);
                FieldDescription::new(
                    name.replace('\0', ""),
                    0,
                    0,
                    pg.oid,
                    pg.size,
                    pg.modifier,
                    format.code(),
                )
            })
            .collect();
        RowDescription::new(fields)
    }
}

/// The one statement of a text for the extended protocol; None for an empty text.
pub(super) fn single(text: &str) -> Result<Option<Statement>> {
    let text = utility::respell(text);
    let mut statements = statement::parse(&text)?;
    if statements.len() > 1 {
        return Err(WireError::syntax(
            "cannot insert multiple commands into a prepared statement",
        ));
    }
    Ok(statements.pop())
}

impl Prepared {
    /// Takes the plan that was made for the description, if it is of this very batch.
    fn take_plan(&self, batch: u64) -> Option<LogicalPlan> {
        let (made, plan) = lock(&self.plan).take()?;
        (made == batch).then_some(plan)
    }

    /// Whether Postgres would read the query backward though nobody said SCROLL: one that passes
    /// rows on, sorted or not, and makes none of several.
    pub fn scans_backward(&self) -> bool {
        let plan = lock(&self.plan);
        plan.as_ref().is_some_and(|(_, plan)| passes_on(plan))
    }

    /// A statement of the simple protocol: no parameters, described by its rows.
    pub fn immediate(statement: Statement, text: String) -> Self {
        Self {
            statement: Some(statement),
            text,
            parameters: Vec::new(),
            columns: None,
            plan: Mutex::new(None),
        }
    }
}

impl Session<'_> {
    /// Describes a statement: its parameters and columns. `declared` are the client's type OIDs,
    /// 0 where it leaves one open.
    pub async fn prepare(
        &mut self,
        statement: Option<Statement>,
        text: &str,
        declared: Vec<u32>,
    ) -> Result<Prepared> {
        let mut prepared = Prepared {
            statement,
            text: text.to_owned(),
            parameters: declared,
            columns: None,
            plan: Mutex::new(None),
        };
        let Some(Statement::Sql(sql)) = &prepared.statement else {
            return Ok(prepared);
        };
        if self.transaction.failed() && !utility::ends_transaction(sql) {
            return Err(transaction::aborted());
        }
        if let Some(columns) = self.described_by_session(sql)? {
            prepared.columns = columns;
            return Ok(prepared);
        }
        if write::command(sql).is_some() {
            let sql = sql.clone();
            return Box::pin(self.prepare_write(prepared, &sql)).await;
        }
        let limits = self.start();
        let planned = Box::pin(self.plan(sql, &limits)).await;
        self.stop();
        let plan = planned?;
        let plans = std::slice::from_ref(&plan);
        prepared.parameters = parameter_types(plans, &prepared.parameters)?;
        if !matches!(sql.as_ref(), ast::Statement::Copy { .. }) {
            let schema = if showing::is_explain(sql) {
                showing::explain_schema()
            } else {
                self.coerced_schema(&plan, &prepared.parameters)
            };
            prepared.columns = Some(Columns::new(schema, Some(sql)));
        }
        prepared.plan = Mutex::new(Some((self.batch, plan)));
        Ok(prepared)
    }

    /// Plans a statement of the engine.
    pub async fn plan(&mut self, sql: &ast::Statement, limits: &Limits) -> Result<LogicalPlan> {
        let rewritten = Box::pin(self.rewrite(sql)).await?;
        let query = &self.query;
        let planned = utility::guarded(Box::pin(query.plan(&rewritten)));
        let planned = self.connection.watch(limits, planned).await?;
        Ok(planned??)
    }

    /// The plan to run now, its parameters filled in.
    pub async fn bound_plan(
        &mut self,
        prepared: &Prepared,
        sql: &ast::Statement,
        values: &[ScalarValue],
        limits: &Limits,
    ) -> Result<LogicalPlan> {
        let plan = match prepared.take_plan(self.batch) {
            Some(plan) => plan,
            None => Box::pin(self.plan(sql, limits)).await?,
        };
        if values.is_empty() {
            return Ok(plan);
        }
        let values = ParamValues::from(values.to_vec());
        plan.replace_params_with_values(&values)
            .map_err(|error| WireError::from(crate::query::QueryError::from(error)))
    }

    /// The types that the analyser will settle on, so that what is described is what comes.
    fn coerced_schema(&self, plan: &LogicalPlan, parameters: &[u32]) -> SchemaRef {
        let as_planned = || -> SchemaRef { Arc::new(plan.schema().as_arrow().clone()) };
        let nulls: Option<Vec<ScalarValue>> = parameters
            .iter()
            .map(|oid| params::null(&encode::to_arrow(*oid)?).ok())
            .collect();
        let Some(nulls) = nulls else {
            return as_planned();
        };
        let state = self.query.context().state();
        let options = state.config_options();
        let coerced = plan
            .clone()
            .replace_params_with_values(&ParamValues::from(nulls))
            .and_then(|plan| state.analyzer().execute_and_check(plan, options, |_, _| {}));
        match coerced {
            Ok(coerced) if coerced.schema().fields().len() == plan.schema().fields().len() => {
                Arc::new(Schema::clone(coerced.schema().as_arrow()))
            }
            _ => as_planned(),
        }
    }
}

fn passes_on(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) | LogicalPlan::Values(_) => true,
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Union(_) => plan.inputs().into_iter().all(passes_on),
        _ => false,
    }
}

/// Types that the planner leaves open though their place tells: `$1::bigint`, `LIMIT $1`.
fn types_by_place(plan: &LogicalPlan) -> HashMap<String, u32> {
    let mut types = HashMap::new();
    let walked = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            for count in [&limit.skip, &limit.fetch].into_iter().flatten() {
                if let Expr::Placeholder(placeholder) = count.as_ref() {
                    types.insert(placeholder.id.clone(), encode::oid::INT8);
                }
            }
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Cast(cast) = expr
                    && let Expr::Placeholder(placeholder) = cast.expr.as_ref()
                {
                    let oid = encode::of_field(&cast.field).oid;
                    types.entry(placeholder.id.clone()).or_insert(oid);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    debug_assert!(walked.is_ok(), "nothing in the walk fails");
    types
}

/// Types of `$1 … $n`: what the client declared, else what the plan infers, else text.
pub(super) fn parameter_types(plans: &[LogicalPlan], declared: &[u32]) -> Result<Vec<u32>> {
    let mut types = declared.to_vec();
    for plan in plans {
        infer(plan, &mut types)?;
    }
    for type_oid in &mut types {
        // A type that can't be bound is left to the plan's own coercion, from text.
        if matches!(*type_oid, 0 | encode::oid::UNKNOWN) || encode::to_arrow(*type_oid).is_none() {
            *type_oid = encode::oid::TEXT;
        }
    }
    Ok(types)
}

/// What one plan tells of the types that are still open.
fn infer(plan: &LogicalPlan, types: &mut Vec<u32>) -> Result<()> {
    let inferred = plan
        .get_parameter_fields()
        .map_err(|error| WireError::from(crate::query::QueryError::from(error)))?;
    let by_place = types_by_place(plan);
    for (name, field) in inferred {
        let number = name
            .strip_prefix('$')
            .and_then(|digits| digits.parse::<usize>().ok())
            .filter(|number| (1..=usize::from(u16::MAX)).contains(number))
            .ok_or_else(|| WireError::new("42P02", format!("there is no parameter {name}")))?;
        if types.len() < number {
            types.resize(number, 0);
        }
        if types[number - 1] == 0 {
            let placed = by_place.get(&name).copied();
            let inferred = field.map(|field| encode::of_field(&field).oid);
            types[number - 1] = placed.or(inferred).unwrap_or(0);
        }
    }
    Ok(())
}
