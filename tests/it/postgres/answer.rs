//! What a server answers to one statement, in a form that two servers' answers are compared in.

use std::fmt;
use std::time::Duration;

use tokio_postgres::{Client, SimpleQueryMessage};

pub enum Answer {
    Rows {
        /// Name and type of each column; no types where only the simple protocol knows them.
        columns: Vec<String>,
        rows: Vec<String>,
    },
    /// The SQLSTATE.
    Error(String, String),
}

impl Answer {
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(..))
    }

    /// The same names, types and rows; of errors the same class.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Error(ours, _), Self::Error(theirs, _)) => ours.get(..2) == theirs.get(..2),
            (
                Self::Rows { columns, rows },
                Self::Rows {
                    columns: their_columns,
                    rows: their_rows,
                },
            ) => columns == their_columns && rows == their_rows,
            _ => false,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(code, message) => write!(f, "{code} {message}"),
            Self::Rows { columns, rows } => {
                write!(f, "({}) ", columns.join(", "))?;
                for row in rows.iter().take(12) {
                    write!(f, "[{row}] ")?;
                }
                Ok(())
            }
        }
    }
}

/// No statement of these takes long; one that does is an answer of its own.
const PATIENCE: Duration = Duration::from_secs(20);

pub async fn answer(client: &Client, sql: &str) -> Answer {
    let asked = tokio::time::timeout(PATIENCE, client.simple_query(sql)).await;
    let messages = match asked {
        Err(_) => return Answer::Error("-----".to_owned(), "no answer".to_owned()),
        Ok(Err(error)) => return failed(&error),
        Ok(Ok(messages)) => messages,
    };
    let mut columns: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    for message in &messages {
        match message {
            SimpleQueryMessage::RowDescription(all) => {
                columns.extend(all.iter().map(|column| column.name().to_owned()));
            }
            SimpleQueryMessage::Row(row) => rows.push(
                (0..row.len())
                    .map(|column| row.get(column).unwrap_or("∅"))
                    .collect::<Vec<_>>()
                    .join("|"),
            ),
            SimpleQueryMessage::CommandComplete(count) => rows.push(format!("#{count}")),
            _ => {}
        }
    }
    let lower = sql.to_lowercase();
    if ["select", "values", "with", "table", "(select"]
        .iter()
        .any(|word| lower.starts_with(word))
        && !sql.contains(';')
    {
        columns = typed(client, sql, columns).await;
    }
    // Without an order any is right.
    if !lower.contains("order by") && !lower.starts_with("fetch") && !sql.contains(';') {
        rows.sort();
    }
    Answer::Rows { columns, rows }
}

/// The columns' types, which only the extended protocol tells through this client.
async fn typed(client: &Client, sql: &str, names: Vec<String>) -> Vec<String> {
    match tokio::time::timeout(PATIENCE, client.prepare(sql)).await {
        Ok(Ok(statement)) => {
            let types = statement.columns().iter().map(|c| c.type_().name());
            let named = names.iter().zip(types);
            named.map(|(name, kind)| format!("{name} {kind}")).collect()
        }
        Ok(Err(error)) => {
            let Answer::Error(code, message) = failed(&error) else {
                return names;
            };
            vec![format!("can't be prepared: {code} {message}")]
        }
        Err(_) => vec!["can't be prepared: no answer".to_owned()],
    }
}

fn failed(error: &tokio_postgres::Error) -> Answer {
    match error.as_db_error() {
        Some(error) => Answer::Error(error.code().code().to_owned(), error.message().to_owned()),
        None => Answer::Error("-----".to_owned(), error.to_string()),
    }
}
