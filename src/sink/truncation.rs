//! A log that ends before what was committed from it, or ended there once and has grown again: the
//! stream stops, and stays stopped through restarts, until someone moves the offset. Time must not
//! heal it: the log grows past the position again, with other records.

use serde::{Deserialize, Serialize};

use crate::domain::{Position, SourcePartition};
use crate::lake::commit::{FileChange, TableChange};
use crate::lake::{Lake, Table};
use crate::sink::halt::Halt;
use crate::sink::ledger_commit::commit_change;

const PREFIX: &str = "frazil.truncated.";
const VERSION: u32 = 1;

/// What the event table's property holds: the position that the log fell short of. It counts only
/// while the ledger stands at this very position.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    version: u32,
    next: i64,
    epoch: i64,
}

/// The event table's property that remembers the truncation of this partition.
pub(crate) fn property(source: &SourcePartition) -> String {
    format!(
        "{PREFIX}{}.{}.{}",
        source.cluster_id, source.topic_id, source.partition
    )
}

/// Whether the table remembers that the log fell short of this position. A note that can't be read
/// is taken for one.
pub(crate) fn is_noted(events: &Table, source: &SourcePartition, position: Position) -> bool {
    let text = events.metadata().properties().get(&property(source));
    text.is_some_and(|text| is_about(text, position))
}

fn is_about(text: &str, position: Position) -> bool {
    match serde_json::from_str::<Note>(text) {
        Ok(note) if note.version == VERSION => {
            (note.next, note.epoch) == (position.next, position.epoch)
        }
        _ => true,
    }
}

/// Notes it in the table, before anybody is told.
pub(crate) async fn note(
    lake: &Lake,
    events: &Table,
    source: &SourcePartition,
    position: Position,
) -> Result<(), Halt> {
    let note = Note {
        version: VERSION,
        next: position.next,
        epoch: position.epoch,
    };
    let text = serde_json::to_string(&note).expect("numbers always serialise");
    let change = TableChange {
        set_properties: [(property(source), text)].into(),
        expected_uuid: Some(events.metadata().uuid()),
        ..TableChange::new(events.name().clone(), FileChange::Nothing)
    };
    commit_change(lake, change).await.map(drop)
}

/// What a person is told.
pub(crate) fn halt(
    stream: &str,
    topic: &str,
    source: &SourcePartition,
    position: Position,
) -> Halt {
    let (partition, next) = (source.partition, position.next);
    Halt::Stopped(format!(
        "the log of {topic}[{partition}] (topic id {}) ended before the committed position {next}: it was truncated (an unclean leader election, or a restored broker), and what it holds there now, if it has grown since, are other records than those in the table. Compare the two, then say where to go on: `frazil stream set-offset {stream} {partition} OFFSET` ({next} leaves the table as it is and skips what is new below)",
        source.topic_id
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden: what the first release wrote must hold for ever.
    #[test]
    fn a_note_counts_at_its_position_only() {
        let text = r#"{"version":1,"next":20,"epoch":0}"#;
        let at = |next, epoch| is_about(text, Position { next, epoch });
        assert!(at(20, 0));
        assert!(!at(20, 1), "the operator has set the offset, to the same");
        assert!(!at(21, 0));
        let newer = r#"{"version":2,"next":20,"epoch":0}"#;
        assert!(is_about(newer, Position { next: 5, epoch: 5 }));
    }

    #[test]
    fn the_property_names_the_partition_of_one_topic() {
        let source = SourcePartition {
            cluster_id: "c".into(),
            topic_id: "t".into(),
            partition: 3,
        };
        assert_eq!(property(&source), "frazil.truncated.c.t.3");
    }
}
