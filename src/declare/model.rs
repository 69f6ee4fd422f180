//! A model's statement: `CREATE MATERIALIZED VIEW … WITH (…) AS SELECT …`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::Place;
use crate::domain::TableName;

pub use super::statement::{StatementError, parse_statement};

/// One model: a file of `sql/`, or a statement that came through psql.
#[derive(Clone, Debug)]
pub struct Model {
    pub name: TableName,
    pub kind: Kind,
    pub schedule: Option<Schedule>,
    /// Partition fields as text, `day(day)`; checked against the query's columns at its first run.
    pub partition_by: Vec<String>,
    /// The options as written, by name.
    pub options: BTreeMap<String, String>,
    /// The SELECT, as text that parses again.
    pub query: String,
    /// Tables that the query reads, from its syntax tree, sorted.
    pub sources: Vec<TableName>,
    /// The whole statement as written.
    pub statement: String,
    pub comment: Option<String>,
    /// The file that owns the model; None for one that came through psql.
    pub file: Option<PathBuf>,
    /// Where its name stands in that file.
    pub place: Place,
}

/// How a model is materialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The whole result replaces the table.
    Full,
    /// The query runs over rows added since the last run; its result is appended.
    Append,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Append => "append",
        }
    }
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
        /// Where the model's name begins in the text.
        name_byte: usize,
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

impl Model {
    /// The model with some options changed, its statement written anew; `''` takes one out.
    pub fn altered(&self, set: &[(String, String)]) -> Result<Self, String> {
        let mut options = self.options.clone();
        for (key, value) in set {
            if value.is_empty() {
                options.remove(key);
            } else {
                options.insert(key.clone(), value.clone());
            }
        }
        let options: Vec<String> = options
            .iter()
            .map(|(key, value)| format!("{key} = '{}'", value.replace('\'', "''")))
            .collect();
        let with = if options.is_empty() {
            String::new()
        } else {
            format!("\nWITH ({})", options.join(", "))
        };
        let text = format!(
            "CREATE MATERIALIZED VIEW \"{}\".\"{}\"{with}\nAS {}",
            self.name.namespace(),
            self.name.name(),
            self.query
        );
        match parse_statement(&text).map_err(|error| error.message)? {
            ModelStatement::Create { model, .. } => Ok(Self {
                comment: self.comment.clone(),
                file: self.file.clone(),
                place: self.place.clone(),
                ..*model
            }),
            _ => unreachable!("the text above begins with CREATE"),
        }
    }
}
