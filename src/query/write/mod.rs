//! Writing through SQL: statements that make, change and fill tables.
//!
//! A statement changes what the session's open transaction has (`state`); COMMIT publishes all of
//! it as one commit of the lake (`publish`), and until then nobody else sees it. Rows go through the
//! table writer as a stream; a row is changed by writing its file anew without it (`change`).
//! Must never change a table of a stream or a model: those have one writer, which is not here.

mod alter;
mod assign;
mod change;
mod checks;
mod conflict;
mod copy;
mod create;
mod defaults;
mod dependents;
mod describe;
mod drop;
mod insert;
mod merge;
mod pending_views;
mod publish;
mod rewrite;
mod schema;
mod shape;
mod sink;
mod state;
mod target;
mod truncate;
mod types;
mod update;
mod view;

pub use copy::{CopyColumn, CopyRows};
pub use describe::Described;
pub use publish::Savepoint;
pub(super) use state::Writes;

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{self, Statement};

use super::loader::Own;
use super::session::{Session, lock};
use super::{Access, QueryError, QueryErrorKind, RowStream};
use crate::domain::TableName;

type Error = QueryError;
type Result<T, E = Error> = std::result::Result<T, E>;

/// Where the tables that a statement works on stand for its own plans: nobody's namespace.
const WORK: &str = "frazil_write";
/// The namespace of a session's temporary tables.
pub(super) const TEMPORARY: &str = "pg_temp";

/// What a statement did.
#[derive(Debug)]
pub struct Written {
    /// The command tag, `INSERT 0 3` say.
    pub tag: String,
    /// Rows of RETURNING.
    pub rows: Option<Returned>,
    /// What the client is told beside.
    pub notices: Vec<Notice>,
}

/// What a client is told that is no error.
#[derive(Clone, Debug)]
pub struct Notice {
    pub sqlstate: &'static str,
    pub text: String,
    pub detail: Option<String>,
}

/// Rows of RETURNING, and the SELECT that names their columns.
#[derive(Debug)]
pub struct Returned {
    pub rows: RowStream,
    pub named_by: ast::Statement,
}

impl Written {
    fn tag(tag: impl Into<String>) -> Self {
        Self {
            tag: tag.into(),
            rows: None,
            notices: Vec::new(),
        }
    }

    fn noticed(mut self, sqlstate: &'static str, text: String) -> Self {
        self.notices.push(Notice {
            sqlstate,
            text,
            detail: None,
        });
        self
    }

    fn noticed_in_detail(mut self, sqlstate: &'static str, text: String, detail: String) -> Self {
        self.notices.push(Notice {
            sqlstate,
            text,
            detail: Some(detail),
        });
        self
    }
}

/// An error for which Postgres has a code.
fn refuse(sqlstate: &'static str, message: impl Into<String>) -> Error {
    QueryError::new(QueryErrorKind::State(sqlstate), message)
}

fn unsupported(message: impl Into<String>) -> Error {
    QueryError::new(QueryErrorKind::FeatureNotSupported, message)
}

/// The first words of a statement that writes, as Postgres's errors have them; None for others.
pub fn command(statement: &Statement) -> Option<&'static str> {
    use Statement as S;
    Some(match statement {
        S::Insert(_) => "INSERT",
        S::Update(_) => "UPDATE",
        S::Delete(_) => "DELETE",
        S::Merge(_) => "MERGE",
        S::CreateTable(table) if table.external => return None,
        S::CreateTable(table) if table.query.is_some() => "CREATE TABLE AS",
        S::CreateTable(_) => "CREATE TABLE",
        S::CreateSchema { .. } => "CREATE SCHEMA",
        S::CreateView(view) if view.materialized => return None,
        S::CreateView(_) => "CREATE VIEW",
        S::AlterTable(alter) if is_alter_view(alter) => "ALTER VIEW",
        S::AlterTable(_) => "ALTER TABLE",
        S::Truncate(_) => "TRUNCATE TABLE",
        S::Comment { .. } => "COMMENT",
        S::Drop { object_type, .. } => match object_type {
            ast::ObjectType::Table => "DROP TABLE",
            ast::ObjectType::View => "DROP VIEW",
            ast::ObjectType::Schema => "DROP SCHEMA",
            _ => return None,
        },
        S::Copy {
            to: false,
            target: ast::CopyTarget::Stdin,
            ..
        } => "COPY FROM",
        _ => return None,
    })
}

/// How an ALTER VIEW is told from an ALTER TABLE: the parser knows only the latter's actions.
pub(super) const ALTER_VIEW_MARK: &str = "frazil_alter_view";

fn is_alter_view(alter: &ast::AlterTable) -> bool {
    let mark = alter.on_cluster.as_ref();
    mark.is_some_and(|mark| mark.value == ALTER_VIEW_MARK)
}

/// One statement that writes, on its way.
struct Writer<'a> {
    session: &'a Session,
    parameters: Option<ParamValues>,
    /// What `system.queries` shows.
    text: &'a str,
}

impl Session {
    fn begin_writing(&self) {
        lock(&self.writes).began_ms = self.engine().lake().clock.now_ms();
    }

    /// Carries out a statement for which [`command`] knows a name, in the open transaction:
    /// [`Self::commit_writes`] must follow. A statement that fails has changed nothing.
    ///
    /// COPY FROM is for [`Self::copy_in`].
    pub async fn write(
        &self,
        statement: &Statement,
        values: &[ScalarValue],
        text: &str,
    ) -> Result<Written> {
        use Statement as S;
        self.begin_writing();
        let writer = Writer {
            session: self,
            parameters: (!values.is_empty()).then(|| ParamValues::from(values.to_vec())),
            text,
        };
        match statement {
            S::Insert(insert) => writer.insert(insert).await,
            S::Update(update) => writer.update(update).await,
            S::Delete(delete) => writer.delete(delete).await,
            S::Merge(merge) => writer.merge(merge).await,
            S::CreateTable(create) => writer.create_table(create).await,
            S::CreateSchema {
                schema_name,
                if_not_exists,
                ..
            } => writer.create_schema(schema_name, *if_not_exists).await,
            S::AlterTable(alter) => Box::pin(writer.alter_table(alter)).await,
            S::Truncate(truncate) => writer.truncate(truncate).await,
            S::Comment {
                object_type,
                object_name,
                comment,
                ..
            } => {
                writer
                    .comment(*object_type, object_name, comment.as_deref())
                    .await
            }
            S::CreateView(create) => Box::pin(writer.create_view(create)).await,
            S::Drop {
                object_type,
                if_exists,
                names,
                cascade,
                ..
            } => match object_type {
                ast::ObjectType::View => {
                    Box::pin(writer.drop_views(names, *if_exists, *cascade)).await
                }
                ast::ObjectType::Schema => {
                    Box::pin(writer.drop_schemas(names, *if_exists, *cascade)).await
                }
                _ => Box::pin(writer.drop_tables(names, *if_exists, *cascade)).await,
            },
            other => Err(unsupported(format!("{other} is not supported"))),
        }
    }
}

impl Writer<'_> {
    /// Writing needs the access for it.
    fn check_access(&self, what: &str) -> Result<()> {
        if self.session.options().access == Access::Write {
            return Ok(());
        }
        Err(QueryError::new(
            QueryErrorKind::InsufficientPrivilege,
            format!("permission denied for {what}"),
        ))
    }

    /// Plans a statement that reads, its parameters filled in where they are known.
    async fn plan(&self, statement: &Statement, own: Own) -> Result<LogicalPlan> {
        let plan = Box::pin(self.session.plan_with(statement, own)).await?;
        self.filled(plan)
    }

    fn filled(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        match &self.parameters {
            Some(values) => Ok(plan.replace_params_with_values(values)?),
            None => Ok(plan),
        }
    }

    /// A table for a statement's own plans, under this name in [`WORK`].
    fn work(&self, name: &str, table: impl TableProvider + 'static) -> Result<Own> {
        let name =
            TableName::new(WORK, name).map_err(|error| refuse("42602", error.to_string()))?;
        let table: Arc<dyn TableProvider> = Arc::new(table);
        Ok(Own::from([(name, Some(table))]))
    }

    async fn execute(&self, plan: LogicalPlan) -> Result<RowStream> {
        Box::pin(self.session.execute(plan, self.text)).await
    }
}

/// An identifier as it is meant: unquoted ones fold to lower case.
fn folded(name: &ast::Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}

/// A name as an identifier that means just this.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Parses a statement that was put together here.
fn parse(text: &str) -> Result<Statement> {
    match super::statement::parse(text)?.pop() {
        Some(super::statement::Statement::Sql(statement)) => Ok(*statement),
        _ => Err(QueryError::new(
            QueryErrorKind::Internal,
            format!("no plain statement: {text}"),
        )),
    }
}
