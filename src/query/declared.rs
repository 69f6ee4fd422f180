//! What a table was declared to be beyond what Iceberg's schema says: Postgres's types, defaults,
//! sequences, keys, checks. One table property, moved with the schema in the same commit.
//! Other engines don't know it: what they write is not held to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{QueryError, QueryErrorKind};
use crate::lake::Table;

/// The table property; a table without it has nothing declared.
pub(super) const PROPERTY: &str = "frazil.declared";
const VERSION: u32 = 1;

/// A table's declarations. Persisted as JSON; an unknown version is refused, never guessed at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Declared {
    version: u32,
    /// By field id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<i32, DeclaredColumn>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Key>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DeclaredColumn {
    /// Where Iceberg's type says less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// An SQL expression without columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The next value of the column's own sequence (`serial`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// GENERATED ALWAYS: only its sequence gives values.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub always: bool,
}

/// A Postgres type that Iceberg has no name for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Smallint,
    /// Characters at most.
    Varchar(Option<u32>),
    Char(u32),
    Json,
    Jsonb,
}

/// Columns in which no two rows may agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    pub name: String,
    pub columns: Vec<i32>,
    pub primary: bool,
}

/// A condition that no row may fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Check {
    pub name: String,
    pub expression: String,
}

impl Default for Declared {
    fn default() -> Self {
        Self {
            version: VERSION,
            columns: BTreeMap::new(),
            keys: Vec::new(),
            checks: Vec::new(),
        }
    }
}

impl Kind {
    /// How a column of texts is marked for the wire.
    pub fn mark(&self) -> Option<&'static str> {
        Some(match self {
            Self::Smallint => return None,
            Self::Varchar(_) => "varchar",
            Self::Char(_) => "bpchar",
            Self::Json => super::postgres::types::JSON,
            Self::Jsonb => super::postgres::types::JSONB,
        })
    }
}

impl Declared {
    /// The declarations of a table. `Corrupt` when the property can't be read.
    pub fn of(table: &Table) -> Result<Self, QueryError> {
        let Some(text) = table.metadata().properties().get(PROPERTY) else {
            return Ok(Self::default());
        };
        let unreadable = |reason: String| {
            let message = format!("the property {PROPERTY} of {} {reason}", table.name());
            QueryError::new(QueryErrorKind::Corrupt, message)
        };
        let value: serde_json::Value = serde_json::from_str(text)
            .map_err(|error| unreadable(format!("can't be read: {error}")))?;
        let version = value.get("version").and_then(serde_json::Value::as_u64);
        if version != Some(u64::from(VERSION)) {
            return Err(unreadable(format!(
                "has version {version:?}, this program knows {VERSION}"
            )));
        }
        serde_json::from_value(value).map_err(|error| unreadable(format!("can't be read: {error}")))
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always serialise")
    }

    /// What was declared of a column; nothing for one that isn't known.
    pub fn column(&self, id: i32) -> DeclaredColumn {
        self.columns.get(&id).cloned().unwrap_or_default()
    }

    /// Forgets a column that is dropped, and keys that it was part of.
    pub fn forget(&mut self, id: i32) {
        self.columns.remove(&id);
        self.keys.retain(|key| !key.columns.contains(&id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the first release wrote must be read for ever.
    const GOLDEN: &str = r#"{"version":1,"columns":{"1":{"sequence":5},"2":{"kind":{"varchar":3},"default":"'x'"},"3":{"kind":"json","always":true}},"keys":[{"name":"t_pkey","columns":[1],"primary":true}],"checks":[{"name":"t_a_check","expression":"a > 0"}]}"#;

    #[test]
    fn what_was_persisted_is_read_and_written_as_it_was() {
        let declared: Declared = serde_json::from_str(GOLDEN).unwrap();
        assert_eq!(declared.column(2).kind, Some(Kind::Varchar(Some(3))));
        assert_eq!(declared.column(1).sequence, Some(5));
        assert_eq!(declared.column(9), DeclaredColumn::default());
        assert_eq!(declared.to_json(), GOLDEN);
    }

    #[test]
    fn a_dropped_column_takes_its_keys_with_it() {
        let mut declared: Declared = serde_json::from_str(GOLDEN).unwrap();
        declared.forget(1);
        assert!(declared.keys.is_empty());
        assert_eq!(declared.columns.len(), 2);
    }
}
