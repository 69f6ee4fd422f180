//! Starting one statement, the same in both protocols.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast;

use super::connection::Limits;
use super::copy::CopyWriter;
use super::prepared::{Columns, Prepared};
use super::rows::{Rows, Source};
use super::scroll::Direction;
use super::session::Session;
use super::showing;
use super::sqlstate::{Result, WireError};
use super::transaction;
use super::utility;
use super::write::CopyingIn;
use crate::query::statement::Statement;
use crate::query::write;

/// A statement that has begun.
pub(super) enum Started {
    Empty,
    Tag(String),
    Rows {
        rows: Rows,
        columns: Columns,
        tag: Tag,
    },
    Fetch {
        cursor: String,
        count: FetchCount,
    },
    Copy(Copying),
    CopyIn(Box<CopyingIn>),
}

pub(super) struct Copying {
    pub rows: Rows,
    pub writer: CopyWriter,
    pub columns: Columns,
}

/// Where FETCH or MOVE goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FetchCount {
    pub to: FetchTo,
    /// MOVE: pass over them.
    pub skip: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FetchTo {
    Rows(Direction),
    /// The one row that lies so far on or back.
    Relative(i64),
}

/// The command tag of a statement that gives rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Select,
    Plain(&'static str),
    /// Of a statement that writes.
    Written(String),
}

impl Tag {
    pub fn of(&self, rows: u64) -> String {
        match self {
            Self::Select => format!("SELECT {rows}"),
            Self::Plain(tag) => (*tag).to_owned(),
            Self::Written(tag) => tag.clone(),
        }
    }

    pub fn of_statement(statement: Option<&Statement>) -> Self {
        match statement {
            Some(Statement::Sql(sql)) => match sql.as_ref() {
                ast::Statement::Explain { .. } | ast::Statement::ExplainTable { .. } => {
                    Self::Plain("EXPLAIN")
                }
                ast::Statement::ShowVariable { .. }
                | ast::Statement::ShowTables { .. }
                | ast::Statement::ShowColumns { .. } => Self::Plain("SHOW"),
                _ => Self::Select,
            },
            _ => Self::Select,
        }
    }
}

impl Session<'_> {
    /// Starts a statement. Rows come later, through what it gives.
    pub async fn run(
        &mut self,
        prepared: &Prepared,
        values: &[ScalarValue],
        limits: &Limits,
    ) -> Result<Started> {
        let sql = match &prepared.statement {
            None => return Ok(Started::Empty),
            Some(Statement::Model(model)) => {
                if self.transaction.failed() {
                    return Err(transaction::aborted());
                }
                if self.transaction.in_block() {
                    return Err(WireError::new(
                        "25001",
                        "statements about materialized views cannot run inside a transaction block",
                    ));
                }
                // Not watched: what changes the lake is carried through, whoever waits for it.
                return Ok(Started::Tag(self.query.run_model(model).await?));
            }
            Some(Statement::Sql(sql)) => sql,
        };
        if self.transaction.failed() && !utility::ends_transaction(sql) {
            return Err(transaction::aborted());
        }
        self.begin_implicit();
        if let Some(started) = self.run_in_session(sql, limits).await? {
            return Ok(started);
        }
        if let Some(command) = write::command(sql) {
            return Box::pin(self.run_write(command, prepared, sql, values, limits)).await;
        }
        Box::pin(self.run_query(prepared, sql, values, limits)).await
    }

    /// Starts a statement of the engine that reads.
    pub async fn run_query(
        &mut self,
        prepared: &Prepared,
        sql: &ast::Statement,
        values: &[ScalarValue],
        limits: &Limits,
    ) -> Result<Started> {
        let plan = Box::pin(self.bound_plan(prepared, sql, values, limits)).await?;
        let query = &self.query;
        let text = prepared.text.as_str();
        let stream = utility::guarded(Box::pin(query.execute(plan, text)));
        let stream = self.connection.watch(limits, stream).await???;
        if showing::is_explain(sql) {
            return self.explained(stream, limits).await;
        }
        let columns = match &prepared.columns {
            Some(columns) => columns.clone(),
            None => Columns::new(Arc::clone(stream.schema()), Some(sql)),
        };
        let rows = Rows::new(Arc::clone(&columns.schema), Source::Stream(stream));
        if let ast::Statement::Copy {
            options,
            legacy_options,
            ..
        } = sql
        {
            return Ok(Started::Copy(Copying {
                writer: CopyWriter::new(options, legacy_options)?,
                rows,
                columns,
            }));
        }
        Ok(Started::Rows {
            rows,
            columns,
            tag: Tag::of_statement(prepared.statement.as_ref()),
        })
    }
}
