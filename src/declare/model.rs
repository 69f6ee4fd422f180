//! A model's statement: `CREATE MATERIALIZED VIEW … WITH (…) AS SELECT …`.

use crate::domain::TableName;

/// One model: a file of `sql/`, or a statement that came through psql.
#[derive(Clone, Debug)]
pub struct Model {
    pub name: TableName,
    pub kind: Kind,
    pub schedule: Option<Schedule>,
    /// The SELECT, as text that parses again.
    pub query: String,
    /// Tables that the query reads, from its syntax tree, sorted.
    pub sources: Vec<TableName>,
    /// The whole statement as written.
    pub statement: String,
    pub comment: Option<String>,
}

/// How a model is materialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The whole result replaces the table.
    Full,
    /// The query runs over rows added since the last run; its result is appended.
    Append,
}

/// When a model runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Five-field cron in a time zone.
    Cron {
        expression: String,
        time_zone: chrono_tz::Tz,
    },
    Every(std::time::Duration),
}

/// A statement about models; the same from a file and from psql.
#[derive(Clone, Debug)]
pub enum ModelStatement {
    Create {
        model: Box<Model>,
        or_replace: bool,
        if_not_exists: bool,
    },
    Refresh {
        name: TableName,
    },
    /// `ALTER MATERIALIZED VIEW name SET (key = 'value', …)`.
    Alter {
        name: TableName,
        set: Vec<(String, String)>,
    },
    Drop {
        name: TableName,
        if_exists: bool,
    },
}
