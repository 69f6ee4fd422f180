//! What a model's table says of the run that wrote it: a table property, moved in the very commit
//! that publishes the rows (I8), and so true whatever became of the process.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::declare::model::Model;
use crate::domain::TableName;
use crate::lake::{Table, history};

/// The table property; a table without it is no model's.
pub const STATE_PROPERTY: &str = "frazil.model";
/// In a snapshot's summary: the run that made it.
pub const RUN_ID_SUMMARY: &str = "frazil.run-id";
/// In a snapshot's summary: JSON object, source table → snapshot id that was read.
pub const SOURCES_SUMMARY: &str = "frazil.source-snapshots";

const VERSION: u32 = 1;

/// The last published run, as the property says it. Persisted as JSON; `version` is raised when
/// the layout changes, and an unknown version is refused, never guessed at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedState {
    pub version: u32,
    pub model: TableName,
    pub run_id: String,
    /// Fingerprint of the definition that was run.
    pub definition: String,
    /// Source table → snapshot that was read; null for a table that had none.
    pub sources: BTreeMap<TableName, Option<i64>>,
    /// Sequence number of the snapshot that published.
    pub sequence_number: i64,
    /// How far an incremental reader has come.
    pub cursor: Option<Cursor>,
}

/// Where an incremental reader stands in its source (I8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The table that was read: one dropped and made again is another.
    pub table_uuid: uuid::Uuid,
    /// Data sequence number up to which all files were read.
    pub sequence_number: i64,
    /// Files up to that number, and rows in them. When a later snapshot holds fewer, rows that
    /// were read are gone or were written anew, and the cursor is broken.
    pub files: u64,
    pub records: u64,
}

impl PublishedState {
    pub fn new(model: &Model, run_id: &str) -> Self {
        Self {
            version: VERSION,
            model: model.name.clone(),
            run_id: run_id.to_owned(),
            definition: definition(model),
            sources: BTreeMap::new(),
            sequence_number: 0,
            cursor: None,
        }
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always serialise")
    }

    /// The state in a table's properties; None when the table is no model's. An error is a reason
    /// for people.
    pub fn of(table: &Table) -> Result<Option<Self>, String> {
        let Some(text) = table.metadata().properties().get(STATE_PROPERTY) else {
            return Ok(None);
        };
        let unreadable =
            |reason: String| format!("the property {STATE_PROPERTY} of {} {reason}", table.name());
        let value: serde_json::Value = serde_json::from_str(text)
            .map_err(|error| unreadable(format!("can't be read: {error}")))?;
        let version = value.get("version").and_then(serde_json::Value::as_u64);
        if version != Some(u64::from(VERSION)) {
            let found = version.map_or("none".to_owned(), |version| version.to_string());
            return Err(unreadable(format!(
                "has version {found}, this program knows {VERSION}"
            )));
        }
        serde_json::from_value(value)
            .map(Some)
            .map_err(|error| unreadable(format!("can't be read: {error}")))
    }

    /// Whether what this run published is still what the table's history goes on from: others may
    /// have added to it, and must not have rolled it back.
    pub fn still_stands(&self, table: &Table) -> bool {
        let metadata = table.metadata();
        let ours = metadata
            .snapshots()
            .find(|snapshot| run_of(snapshot) == Some(self.run_id.as_str()));
        let id = ours.map(|snapshot| snapshot.snapshot_id());
        history::goes_on_from(metadata, id, Some(self.sequence_number))
    }

    /// Whether nobody has changed the table's rows since.
    pub fn is_last(&self, table: &Table) -> bool {
        let current = table.metadata().current_snapshot();
        current.is_some_and(|snapshot| run_of(snapshot) == Some(self.run_id.as_str()))
    }
}

/// The run that made a snapshot.
pub fn run_of(snapshot: &iceberg::spec::Snapshot) -> Option<&str> {
    let summary = &snapshot.summary().additional_properties;
    summary.get(RUN_ID_SUMMARY).map(String::as_str)
}

/// Changes when what a run computes or how it is laid out changes; a schedule changes neither.
pub fn definition(model: &Model) -> String {
    let mut hash = Sha256::new();
    for part in [
        model.kind.as_str(),
        &model.partition_by.join(","),
        &model.query,
    ] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden: what the first release wrote must be read for ever.
    #[test]
    fn opens_what_the_first_release_wrote() {
        let text = r#"{"version":1,"model":"a.m","run_id":"r","definition":"d","sources":{"s.e":7,"s.f":null},"sequence_number":3,"cursor":{"table_uuid":"00000000-0000-0000-0000-000000000001","sequence_number":2,"files":4,"records":50}}"#;
        let state: PublishedState = serde_json::from_str(text).unwrap();
        assert_eq!(state.sources[&"s.e".parse().unwrap()], Some(7));
        assert_eq!(state.to_json(), text);
    }
}
