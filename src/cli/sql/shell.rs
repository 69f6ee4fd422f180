//! The shell: statements that end with `;`, a few backslash commands, Ctrl-C gives up a query.

use std::io;

use anyhow::Context;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Config, Editor};

use super::{Exit, Failure, Format, RunError, explain, run_text};
use crate::query::Session;

const HELP: &str = "\
statements end with ;   they may take several lines
\\d             tables          \\d NAME      columns of a table
\\q             leave           Ctrl-C       give up the query or the line
";

pub(super) async fn run(session: &Session, format: Format) -> Result<Exit, Failure> {
    let config = Config::builder().auto_add_history(true).build();
    let mut editor = Editor::<(), MemHistory>::with_history(config, MemHistory::new())
        .context("the terminal can't be used")?;
    println!("frazil {}: \\? for help", env!("CARGO_PKG_VERSION"));
    let mut text = String::new();
    loop {
        let prompt = if text.is_empty() {
            "frazil=> "
        } else {
            "frazil-> "
        };
        let (back, line) = tokio::task::spawn_blocking(move || {
            let line = editor.readline(prompt);
            (editor, line)
        })
        .await
        .context("the line editor ended by a defect")?;
        editor = back;
        match line {
            Ok(line) if text.is_empty() && line.trim_start().starts_with('\\') => {
                match command(line.trim()) {
                    Command::Leave => return Ok(Exit::Done),
                    Command::Say(what) => print!("{what}"),
                    Command::Run(sql) => execute(session, &sql, format).await?,
                }
            }
            Ok(line) => {
                text.push_str(&line);
                text.push('\n');
                if line.trim_end().ends_with(';') {
                    execute(session, &text, format).await?;
                    text.clear();
                } else if text.trim().is_empty() {
                    text.clear();
                }
            }
            Err(ReadlineError::Interrupted) => text.clear(),
            Err(ReadlineError::Eof) => return Ok(Exit::Done),
            Err(error) => return Err(error.into()),
        }
    }
}

enum Command {
    Leave,
    Say(String),
    Run(String),
}

fn command(line: &str) -> Command {
    let (name, argument) = line.split_once(' ').unwrap_or((line, ""));
    let literal = |text: &str| format!("'{}'", text.trim().replace('\'', "''"));
    match (name, argument.trim()) {
        ("\\q", _) => Command::Leave,
        ("\\?" | "\\h", _) => Command::Say(HELP.to_owned()),
        ("\\d" | "\\dt", "") => Command::Run(
            "SELECT table_schema AS schema, table_name AS name FROM information_schema.tables \
             WHERE table_schema NOT IN ('information_schema', 'pg_catalog') ORDER BY 1, 2"
                .to_owned(),
        ),
        ("\\d" | "\\dt", table) => {
            let (schema, name) = table.split_once('.').unwrap_or(("%", table));
            Command::Run(format!(
                "SELECT column_name AS column, data_type AS type, is_nullable AS nullable \
                 FROM information_schema.columns \
                 WHERE table_schema LIKE {} AND table_name = {} ORDER BY ordinal_position",
                literal(schema),
                literal(name)
            ))
        }
        (other, _) => Command::Say(format!("{other} is not known here; \\? shows what is\n")),
    }
}

/// Runs a text; its errors are shown and the shell goes on. Ctrl-C gives the query up.
async fn execute(session: &Session, text: &str, format: Format) -> Result<(), Failure> {
    let mut out = io::stdout();
    let result = tokio::select! {
        result = run_text(session, text, format, &mut out) => result,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("\ngiven up");
            return Ok(());
        }
    };
    match result {
        Ok(()) => Ok(()),
        Err(RunError::Query(error)) => {
            eprint!("{}", explain(&error, text));
            Ok(())
        }
        Err(RunError::Output(error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backslash_commands_can_not_be_broken_out_of() {
        let Command::Run(sql) = command("\\d shop.e'; DROP") else {
            panic!("runs")
        };
        assert!(sql.contains("table_name = 'e''; DROP'"), "{sql}");
        assert!(matches!(command("\\q"), Command::Leave));
        assert!(matches!(command("\\x"), Command::Say(_)));
    }
}
