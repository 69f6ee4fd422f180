//! The JSON of Iceberg's REST catalog, as far as it is asked for here.

use std::collections::BTreeMap;

use iceberg::{TableRequirement, TableUpdate};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Answer of `GET /v1/config`.
#[derive(Debug, Default, Deserialize)]
pub struct Config {
    #[serde(default)]
    pub defaults: BTreeMap<String, Option<String>>,
    #[serde(default)]
    pub overrides: BTreeMap<String, Option<String>>,
    /// `POST /v1/{prefix}/transactions/commit` and the like.
    pub endpoints: Option<Vec<String>>,
}

/// Can't be printed.
#[derive(Deserialize)]
pub struct Token {
    pub access_token: String,
    pub expires_in: Option<u64>,
}

/// Answer to a table's load and to a commit of one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoadedTable {
    pub metadata_location: Option<String>,
    pub metadata: Box<RawValue>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Identifier {
    pub namespace: Vec<String>,
    pub name: String,
}

/// A page of a listing.
pub trait Page: DeserializeOwned {
    type Item;

    /// What is on it, and the token of the next one.
    fn parts(self) -> (Vec<Self::Item>, Option<String>);
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tables {
    #[serde(default)]
    pub identifiers: Vec<Identifier>,
    pub next_page_token: Option<String>,
}

impl Page for Tables {
    type Item = Identifier;

    fn parts(self) -> (Vec<Identifier>, Option<String>) {
        (self.identifiers, self.next_page_token)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Namespaces {
    #[serde(default)]
    pub namespaces: Vec<Vec<String>>,
    pub next_page_token: Option<String>,
}

impl Page for Namespaces {
    type Item = Vec<String>;

    fn parts(self) -> (Vec<Vec<String>>, Option<String>) {
        (self.namespaces, self.next_page_token)
    }
}

#[derive(Debug, Serialize)]
pub struct NewNamespace<'a> {
    pub namespace: [&'a str; 1],
    pub properties: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
pub struct TableCommit<'a> {
    pub identifier: Identifier,
    pub requirements: &'a [TableRequirement],
    pub updates: &'a [TableUpdate],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Transaction<'a> {
    pub table_changes: Vec<TableCommit<'a>>,
}

#[derive(Debug, Serialize)]
pub struct Rename {
    pub source: Identifier,
    pub destination: Identifier,
}

/// What an answer of 4xx or 5xx says.
#[derive(Debug, Deserialize)]
pub struct Problem {
    pub error: ProblemText,
}

#[derive(Debug, Deserialize)]
pub struct ProblemText {
    #[serde(default)]
    pub message: String,
    #[serde(default, rename = "type")]
    pub kind: String,
}
