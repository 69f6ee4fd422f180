//! What SQL may do here: read the lake, and nothing else.
//! An allow-list on both sides of planning, so that what nobody thought of is refused: statements
//! by their kind, then every node of the plan they became.

use std::ops::ControlFlow;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    self, CopySource, CopyTarget, Query, SetExpr, Statement, TableFactor, Visit, Visitor,
};

use super::{QueryError, QueryErrorKind as Kind};

/// Refuses every statement that is not a plain read.
pub(super) fn statement(statement: &Statement) -> Result<(), QueryError> {
    match statement {
        Statement::Query(_)
        | Statement::ShowTables { .. }
        | Statement::ShowColumns { .. }
        | Statement::ExplainTable { .. } => {}
        Statement::Explain {
            statement: inner, ..
        } => return self::statement(inner),
        Statement::Copy {
            source,
            to: true,
            target: CopyTarget::Stdout,
            ..
        } => {
            return match source {
                CopySource::Query(query) => inside(query.as_ref()),
                CopySource::Table { .. } => Ok(()),
            };
        }
        Statement::Copy { target, to, .. } => return Err(copy(target, *to)),
        other => return Err(other_statement(other)),
    }
    inside(statement)
}

fn copy(target: &CopyTarget, to: bool) -> QueryError {
    match target {
        CopyTarget::Stdin | CopyTarget::Stdout => QueryError::new(
            Kind::FeatureNotSupported,
            "COPY can only read: COPY (SELECT …) TO STDOUT",
        )
        .with_hint("Tables are filled from streams and by models."),
        _ => QueryError::new(
            Kind::InsufficientPrivilege,
            format!(
                "COPY {} a file or program on the server is never allowed",
                if to { "to" } else { "from" }
            ),
        )
        .with_hint("Use COPY (SELECT …) TO STDOUT, or psql's \\copy … to."),
    }
}

fn other_statement(statement: &Statement) -> QueryError {
    let text = statement.to_string();
    let words: Vec<_> = text.split_whitespace().take(2).collect();
    let words = words.join(" ").to_uppercase();
    let reaches_outside = matches!(
        statement,
        Statement::CreateTable(ast::CreateTable { external: true, .. })
            | Statement::LoadData { .. }
            | Statement::Load { .. }
            | Statement::Install { .. }
            | Statement::AttachDatabase { .. }
            | Statement::AttachDuckDBDatabase { .. }
            | Statement::CreateFunction(_)
            | Statement::CreateExtension(_)
            | Statement::CreateServer(_)
            | Statement::Directory { .. }
            | Statement::Unload { .. }
            | Statement::Set(_)
    );
    if reaches_outside {
        QueryError::new(
            Kind::InsufficientPrivilege,
            format!("{words} is not allowed: SQL here reads the lake and nothing else"),
        )
    } else {
        QueryError::new(
            Kind::FeatureNotSupported,
            format!("{words} is not supported"),
        )
        .with_hint(
            "Tables change by streams and by CREATE, REFRESH, ALTER and DROP MATERIALIZED VIEW.",
        )
    }
}

/// Looks into every subquery, CTE and table factor: also for what DataFusion would leave out in
/// silence and so answer another question than the one asked.
fn inside<V: Visit>(node: &V) -> Result<(), QueryError> {
    match node.visit(&mut Inside) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Inside;

fn unsupported<T>(what: &str) -> ControlFlow<QueryError, T> {
    ControlFlow::Break(QueryError::new(
        Kind::FeatureNotSupported,
        format!("{what} is not supported"),
    ))
}

impl Visitor for Inside {
    type Break = QueryError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<QueryError> {
        match query.body.as_ref() {
            SetExpr::Insert(inner)
            | SetExpr::Update(inner)
            | SetExpr::Delete(inner)
            | SetExpr::Merge(inner) => ControlFlow::Break(other_statement(inner)),
            SetExpr::Select(select) if select.into.is_some() => unsupported("SELECT INTO"),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<QueryError> {
        match factor {
            TableFactor::Table {
                with_hints,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
                ..
            } => {
                if sample.is_some() {
                    return unsupported("TABLESAMPLE");
                }
                if *with_ordinality {
                    return unsupported("WITH ORDINALITY");
                }
                if !with_hints.is_empty() || !index_hints.is_empty() {
                    return unsupported("a table hint");
                }
                if !partitions.is_empty() || json_path.is_some() {
                    return unsupported("this way to name a part of a table");
                }
                ControlFlow::Continue(())
            }
            TableFactor::Derived {
                sample: Some(_), ..
            } => unsupported("TABLESAMPLE"),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<QueryError> {
        // The outermost has been checked; whatever stands inside must be a plain read as well.
        match statement {
            Statement::Query(_)
            | Statement::ShowTables { .. }
            | Statement::ShowColumns { .. }
            | Statement::ExplainTable { .. } => ControlFlow::Continue(()),
            other => ControlFlow::Break(other_statement(other)),
        }
    }
}

/// Refuses every plan with a node that does more than read, in subqueries too.
pub(super) fn plan(plan: &LogicalPlan) -> Result<(), QueryError> {
    let mut refused = None;
    let walked = plan.apply_with_subqueries(|node| {
        if may_run(node) {
            return Ok(TreeNodeRecursion::Continue);
        }
        refused = Some(node.display().to_string());
        Ok(TreeNodeRecursion::Stop)
    });
    walked?;
    match refused {
        None => Ok(()),
        Some(node) => Err(QueryError::new(
            Kind::InsufficientPrivilege,
            format!("{node} is not allowed: SQL here reads the lake and nothing else"),
        )),
    }
}

fn may_run(node: &LogicalPlan) -> bool {
    match node {
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::TableScan(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Values(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::DescribeTable(_)
        | LogicalPlan::Unnest(_)
        | LogicalPlan::RecursiveQuery(_) => true,
        LogicalPlan::Statement(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::Extension(_) => false,
    }
}
