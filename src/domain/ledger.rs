//! The ledger: where a stream stands, kept in its event table's properties (invariant I1).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One partition of one topic of one cluster, by identity and not by name: a topic that was
/// deleted and made again has another `topic_id` and so other partitions (invariant I4).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourcePartition {
    pub cluster_id: String,
    pub topic_id: String,
    pub partition: i32,
}

impl fmt::Display for SourcePartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}[{}]",
            self.cluster_id, self.topic_id, self.partition
        )
    }
}

/// Where the ledger stands for one partition.
///
/// `epoch` rises whenever someone moves offsets on purpose (seek, reset, replay, a topic accepted
/// anew), so that a writer from before the move can't commit after it (I3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Offset of the next record to read.
    pub next: i64,
    pub epoch: i64,
}

/// Offsets `[from, to)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OffsetRange {
    pub from: i64,
    pub to: i64,
}

/// One line of the ledger; `topic` is the name as last seen, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    #[serde(flatten)]
    pub source: SourcePartition,
    pub topic: String,
    #[serde(flatten)]
    pub position: Position,
}

/// All positions of an event table, and the snapshot whose commit wrote them last.
///
/// Persisted as JSON in the table property [`Ledger::PROPERTY`]; `version` is raised when the
/// layout changes, and an unknown version is refused, never guessed at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The snapshot that wrote this ledger; it must be an ancestor of the current one (I1).
    pub snapshot_id: Option<i64>,
    /// That snapshot's sequence number, which tells a rollback from an expiry once the snapshot
    /// itself is gone.
    pub sequence_number: Option<i64>,
    entries: BTreeMap<SourcePartition, (String, Position)>,
}

#[derive(Serialize, Deserialize)]
struct LedgerDocument {
    version: u32,
    snapshot_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sequence_number: Option<i64>,
    entries: Vec<LedgerEntry>,
}

impl Ledger {
    /// The table property that holds the ledger.
    pub const PROPERTY: &'static str = "frazil.ledger";
    const VERSION: u32 = 1;

    pub fn get(&self, source: &SourcePartition) -> Option<Position> {
        self.entries.get(source).map(|(_, position)| *position)
    }

    pub fn set(&mut self, source: SourcePartition, topic: &str, position: Position) {
        self.entries.insert(source, (topic.to_owned(), position));
    }

    pub fn entries(&self) -> impl Iterator<Item = LedgerEntry> + '_ {
        self.entries
            .iter()
            .map(|(source, (topic, position))| LedgerEntry {
                source: source.clone(),
                topic: topic.clone(),
                position: *position,
            })
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The JSON of the property.
    pub fn to_json(&self) -> String {
        let document = LedgerDocument {
            version: Self::VERSION,
            snapshot_id: self.snapshot_id,
            sequence_number: self.sequence_number,
            entries: self.entries().collect(),
        };
        serde_json::to_string(&document).expect("strings and numbers always serialise")
    }

    /// Reads the property. An error is a reason for people: the text is corrupt or of a newer
    /// version; neither may be taken for "no ledger" (I1).
    pub fn from_json(text: &str) -> Result<Self, String> {
        let document: LedgerDocument = serde_json::from_str(text)
            .map_err(|error| format!("the property {} can't be read: {error}", Self::PROPERTY))?;
        if document.version != Self::VERSION {
            return Err(format!(
                "the property {} has version {}, this program knows version {}",
                Self::PROPERTY,
                document.version,
                Self::VERSION
            ));
        }
        let mut ledger = Self {
            snapshot_id: document.snapshot_id,
            sequence_number: document.sequence_number,
            ..Self::default()
        };
        for entry in document.entries {
            ledger.set(entry.source, &entry.topic, entry.position);
        }
        Ok(ledger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(partition: i32) -> SourcePartition {
        SourcePartition {
            cluster_id: "c".into(),
            topic_id: "t".into(),
            partition,
        }
    }

    #[test]
    fn survives_its_json() {
        let mut ledger = Ledger {
            snapshot_id: Some(7),
            sequence_number: Some(3),
            ..Ledger::default()
        };
        ledger.set(source(0), "shop", Position { next: 5, epoch: 1 });
        ledger.set(source(1), "shop", Position { next: 9, epoch: 0 });
        assert_eq!(Ledger::from_json(&ledger.to_json()), Ok(ledger));
    }

    #[test]
    fn a_newer_version_is_refused() {
        let text = r#"{"version":2,"snapshot_id":null,"entries":[]}"#;
        assert!(
            Ledger::from_json(text)
                .expect_err("newer")
                .contains("version 2")
        );
    }

    /// Golden: what the first release wrote must open for ever.
    #[test]
    fn opens_what_the_first_release_wrote() {
        let text = r#"{"version":1,"snapshot_id":7,"entries":[{"cluster_id":"c","topic_id":"t","partition":0,"topic":"shop","next":5,"epoch":1}]}"#;
        let ledger = Ledger::from_json(text).expect("version 1");
        assert_eq!(ledger.get(&source(0)), Some(Position { next: 5, epoch: 1 }));
        assert_eq!(ledger.to_json(), text);
    }
}
