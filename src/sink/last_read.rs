//! The last record that was read of a partition, remembered beside the ledger: a log that was cut
//! below the position and has grown past it again holds other records there, and only the leader
//! epoch under which it took them tells. Never moves an offset; where it isn't known, reading goes
//! on without.

use serde::{Deserialize, Serialize};

use crate::domain::{Position, SourcePartition};
use crate::lake::Table;
use crate::sink::source::LastRecord;

const PREFIX: &str = "frazil.last-read.";
const VERSION: u32 = 1;

/// What the event table's property holds. It counts only while the ledger stands at this very
/// position: whoever moves an offset need not know of it.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    version: u32,
    next: i64,
    epoch: i64,
    offset: i64,
    leader_epoch: i32,
}

/// The event table's property for this partition, and its text.
pub(crate) fn property(
    source: &SourcePartition,
    position: Position,
    last: LastRecord,
) -> (String, String) {
    let note = Note {
        version: VERSION,
        next: position.next,
        epoch: position.epoch,
        offset: last.offset,
        leader_epoch: last.leader_epoch,
    };
    let text = serde_json::to_string(&note).expect("numbers always serialise");
    (name(source), text)
}

fn name(source: &SourcePartition) -> String {
    format!(
        "{PREFIX}{}.{}.{}",
        source.cluster_id, source.topic_id, source.partition
    )
}

/// The record that was read last before this position, if the table remembers it.
pub(crate) fn before(
    events: &Table,
    source: &SourcePartition,
    position: Position,
) -> Option<LastRecord> {
    let text = events.metadata().properties().get(&name(source))?;
    parse(text, position)
}

fn parse(text: &str, position: Position) -> Option<LastRecord> {
    let note: Note = serde_json::from_str(text).ok()?;
    let same = note.version == VERSION
        && (note.next, note.epoch) == (position.next, position.epoch)
        && (0..note.next).contains(&note.offset);
    same.then_some(LastRecord {
        offset: note.offset,
        leader_epoch: note.leader_epoch,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden: what the first release wrote must hold for ever.
    #[test]
    fn it_counts_at_its_position_only() {
        let text = r#"{"version":1,"next":20,"epoch":1,"offset":18,"leader_epoch":4}"#;
        let last = LastRecord {
            offset: 18,
            leader_epoch: 4,
        };
        let at = |next, epoch| parse(text, Position { next, epoch });
        assert_eq!(at(20, 1), Some(last));
        assert_eq!(at(20, 2), None, "the operator has set the offset");
        assert_eq!(at(21, 1), None);
        let source = SourcePartition {
            cluster_id: "c".into(),
            topic_id: "t".into(),
            partition: 3,
        };
        let written = property(&source, Position { next: 20, epoch: 1 }, last);
        assert_eq!(
            written,
            ("frazil.last-read.c.t.3".to_owned(), text.to_owned())
        );
    }

    #[test]
    fn what_makes_no_sense_is_as_if_it_were_not_there() {
        let position = Position { next: 20, epoch: 1 };
        for text in [
            "",
            r#"{"version":2,"next":20,"epoch":1,"offset":18,"leader_epoch":4}"#,
            r#"{"version":1,"next":20,"epoch":1,"offset":20,"leader_epoch":4}"#,
            r#"{"version":1,"next":20,"epoch":1,"offset":-1,"leader_epoch":4}"#,
        ] {
            assert_eq!(parse(text, position), None, "{text}");
        }
    }
}
