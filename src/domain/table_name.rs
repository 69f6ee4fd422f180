//! `namespace.table`, the name of an Iceberg table. One level of namespace.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of a table: one namespace and one name, neither empty, neither with a dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName {
    namespace: String,
    name: String,
}

/// Why a text is not a table name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a table name: write namespace.table, each of letters, digits and _ and at most 63 long"
)]
pub struct InvalidTableName {
    text: String,
}

impl TableName {
    /// Both parts: a letter or `_`, then letters, digits, `_`, `$`; at most 63 bytes
    /// (Postgres's limit of an identifier, so that every client can spell it).
    pub fn new(namespace: &str, name: &str) -> Result<Self, InvalidTableName> {
        if is_identifier(namespace) && is_identifier(name) {
            Ok(Self {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            })
        } else {
            Err(InvalidTableName {
                text: format!("{namespace}.{name}"),
            })
        }
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    text.len() <= 63
        && chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_' || c == '$')
}

impl FromStr for TableName {
    type Err = InvalidTableName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('.') {
            Some((namespace, name)) => Self::new(namespace, name),
            None => Err(InvalidTableName {
                text: text.to_owned(),
            }),
        }
    }
}

impl TryFrom<String> for TableName {
    type Error = InvalidTableName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TableName> for String {
    fn from(name: TableName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_shows() {
        let name: TableName = "shop.events".parse().expect("valid");
        assert_eq!((name.namespace(), name.name()), ("shop", "events"));
        assert_eq!(name.to_string(), "shop.events");
    }

    #[test]
    fn refuses_what_no_client_could_spell() {
        for text in [
            "events", "a.b.c", ".x", "x.", "a b.c", "1a.b", "a.b/../c", "a.\"b\"",
        ] {
            assert!(text.parse::<TableName>().is_err(), "{text} was taken");
        }
    }
}
