//! Text into statements: sqlparser with a dialect of our own, plus the statements it lacks.

use async_trait::async_trait;
use datafusion::sql::sqlparser::ast;

use super::QueryError;
use crate::declare::model::ModelStatement;

/// One statement of a text.
#[derive(Clone, Debug)]
pub enum Statement {
    Sql(Box<ast::Statement>),
    /// CREATE / REFRESH / ALTER / DROP MATERIALIZED VIEW.
    Model(ModelStatement),
}

/// Splits and parses a text; an empty one gives no statement.
pub fn parse(_text: &str) -> Result<Vec<Statement>, QueryError> {
    todo!("the query helper writes this")
}

/// Who carries out model statements: the jobs room, put in by the runtime.
#[async_trait]
pub trait ModelAdmin: Send + Sync + std::fmt::Debug {
    /// The command tag, `CREATE MATERIALIZED VIEW` say. `user` has been checked for write access.
    async fn execute(&self, user: &str, statement: &ModelStatement) -> Result<String, QueryError>;
}
