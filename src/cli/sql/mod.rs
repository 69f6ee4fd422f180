//! `frazil sql`: SQL over a lakehouse with no server; a shell when no SQL is given.

mod format;
mod shell;

use std::io::{self, IsTerminal, Read, Write};

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::exit::{Exit, Failure};
use super::output::written;
use crate::query::names;
use crate::query::statement::{Statement, parse};
use crate::query::{QueryError, QueryErrorKind, Session};
use crate::runtime::{Lakehouse, OpenError, STACK_BYTES};
use format::Rows;

/// Run SQL over a lakehouse with no server
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The configuration, its folder, or a warehouse's folder or URL
    #[arg(long, value_name = "FILE", default_value = "frazil.toml")]
    config: String,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// One statement or several; with none there is a shell, or stdin is read
    sql: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Aligned columns for people
    Table,
    /// RFC 4180 with a header
    Csv,
    /// One array of objects
    Json,
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .context("the runtime can't start")?;
    let result = runtime.block_on(open_and_run(options));
    // A query that was given up may still be in a long step: don't wait for it.
    runtime.shutdown_background();
    result
}

async fn open_and_run(options: &Options) -> Result<Exit, Failure> {
    let lakehouse = Lakehouse::open(&options.config)
        .await
        .map_err(|error| match error {
            OpenError::Declared(_) | OpenError::Missing(_) => Failure::usage(error),
            other => other.into(),
        })?;
    let session = lakehouse.session()?;
    match &options.sql {
        Some(text) => batch(&session, text, options.format).await,
        None if io::stdin().is_terminal() => shell::run(&session, options.format).await,
        None => {
            let mut text = String::new();
            io::stdin()
                .read_to_string(&mut text)
                .context("stdin can't be read")?;
            batch(&session, &text, options.format).await
        }
    }
}

async fn batch(session: &Session, text: &str, format: Format) -> Result<Exit, Failure> {
    let stdout = io::stdout();
    match run_text(session, text, format, &mut stdout.lock()).await {
        Ok(()) => Ok(Exit::Done),
        Err(RunError::Query(error)) => {
            eprint!("{}", explain(&error, text));
            Ok(Exit::Failed)
        }
        Err(RunError::Output(error)) => Err(error.into()),
    }
}

enum RunError {
    Query(QueryError),
    Output(io::Error),
}

impl From<QueryError> for RunError {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

/// Runs the statements of a text one after the other; the first error ends it.
async fn run_text(
    session: &Session,
    text: &str,
    format: Format,
    out: &mut impl Write,
) -> Result<(), RunError> {
    for statement in parse(text)? {
        let statement = match statement {
            Statement::Sql(statement) => statement,
            Statement::Model(model) => {
                let Some(admin) = session.engine().model_admin() else {
                    return Err(no_server().into());
                };
                let tag = admin.execute("embedded", &model).await?;
                if !written(writeln!(out, "{tag}")).map_err(RunError::Output)? {
                    return Ok(());
                }
                continue;
            }
        };
        let plan = session.plan(&statement).await?;
        let mut stream = session.execute(plan, &statement.to_string()).await?;
        let names = names::of_columns(stream.schema(), Some(&statement));
        let mut rows = Rows::new(format, stream.schema(), names);
        let mut reader_is_there = true;
        while let Some(batch) = stream.next().await {
            reader_is_there = written(rows.write(&batch?, out)).map_err(RunError::Output)?;
            if !reader_is_there {
                break;
            }
        }
        if !reader_is_there || !written(rows.finish(out)).map_err(RunError::Output)? {
            return Ok(());
        }
    }
    written(out.flush()).map(drop).map_err(RunError::Output)
}

fn no_server() -> QueryError {
    QueryError::new(
        QueryErrorKind::FeatureNotSupported,
        "nobody carries out statements about models here",
    )
}

/// The error as psql shows one.
fn explain(error: &QueryError, text: &str) -> String {
    let mut shown = format!("ERROR:  {}\n", error.message);
    if let Some(position) = error.position {
        let before: String = text.chars().take(position.saturating_sub(1)).collect();
        let line_number = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count();
        if let Some(line) = text.lines().nth(line_number - 1) {
            let label = format!("LINE {line_number}: ");
            let indent = " ".repeat(label.chars().count() + column);
            shown += &format!("{label}{line}\n{indent}^\n");
        }
    }
    if let Some(detail) = &error.detail {
        shown += &format!("DETAIL:  {detail}\n");
    }
    if let Some(hint) = &error.hint {
        shown += &format!("HINT:  {hint}\n");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_points_at_its_place() {
        let mut error = QueryError::new(QueryErrorKind::UndefinedColumn, "no column \"x\"");
        error.position = Some(17);
        let text = "SELECT a,\n       x\nFROM t";
        assert_eq!(
            explain(&error, text),
            "ERROR:  no column \"x\"\nLINE 2:        x\n              ^\n"
        );
    }
}
