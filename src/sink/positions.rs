//! Where a stream stands: reads the ledger, judges whether it can be trusted, and records where
//! unknown partitions start. Keeps I1 (a missing or rolled back ledger stops the stream), I4 (a
//! topic made again stops it), I6 (starts are recorded before reading).

use std::collections::BTreeSet;

use super::halt::Halt;
use crate::declare::stream::{Start, Stream};
use crate::domain::{Ledger, Position, SourcePartition};
use crate::lake::commit::LedgerMove;
use crate::lake::{ErrorKind, Table};
use crate::sink::source::{Source, SourceIdentity};

/// The ledger of an event table, if going on from it can neither lose nor double records.
/// [`Table::ledger`] refuses one that is unreadable, or behind which the table was rolled back.
pub(crate) fn trusted_ledger(stream: &Stream, events: &Table) -> Result<Ledger, Halt> {
    let metadata = events.metadata();
    let ledger = match events.ledger() {
        Ok(ledger) => ledger,
        Err(error) if error.kind() == ErrorKind::Invalid && is_kept(events) => {
            return Err(Halt::Stopped(format!(
                "{error}: `frazil stream accept-rollback {}`",
                stream.name
            )));
        }
        Err(error) => return Err(error.into()),
    };
    let name = events.name();
    if !metadata.properties().contains_key(Ledger::PROPERTY) && has_rows(events) {
        return Err(Halt::Stopped(format!(
            "table {name} has rows but no ledger (the property {} is gone), so nobody knows which records it holds; restore the property from an older metadata file, or name a new table in the contract",
            Ledger::PROPERTY
        )));
    }
    Ok(ledger)
}

/// Whether there is a ledger at all.
fn is_kept(events: &Table) -> bool {
    let ledger = events.stored_ledger();
    ledger.is_ok_and(|ledger| ledger.snapshot_id.is_some())
}

fn has_rows(table: &Table) -> bool {
    table.metadata().current_snapshot().is_some_and(|snapshot| {
        let total = snapshot
            .summary()
            .additional_properties
            .get("total-records");
        total.is_none_or(|total| total != "0")
    })
}

/// The partition as the ledger names it.
pub(crate) fn source_partition(identity: &SourceIdentity, partition: i32) -> SourcePartition {
    SourcePartition {
        cluster_id: identity.cluster_id.clone(),
        topic_id: identity.topic_id.clone(),
        partition,
    }
}

fn is_of(source: &SourcePartition, identity: &SourceIdentity) -> bool {
    source.cluster_id == identity.cluster_id && source.topic_id == identity.topic_id
}

/// A topic of this name that the ledger knows under another identity only was deleted and made
/// again (or lies on another cluster): its offsets mean other records (I4).
pub(crate) fn check_identity(
    stream: &Stream,
    ledger: &Ledger,
    identity: &SourceIdentity,
) -> Result<(), Halt> {
    let mut foreign = None;
    for entry in ledger.entries().filter(|e| e.topic == identity.topic) {
        if is_of(&entry.source, identity) {
            return Ok(());
        }
        foreign = Some(entry.source);
    }
    match foreign {
        None => Ok(()),
        Some(known) => Err(Halt::Stopped(format!(
            "topic {} is not the one that was read so far: the ledger knows topic id {} on cluster {}, now there is topic id {} on cluster {}; it was made again, or the connection leads elsewhere. Put the connection right, or accept the new topic with `frazil stream accept-topic {}`: it is then read in a new epoch, and rows of both stay",
            identity.topic,
            known.topic_id,
            known.cluster_id,
            identity.topic_id,
            identity.cluster_id,
            stream.name
        ))),
    }
}

/// Whether the ledger has a position of this very topic.
pub(crate) fn knows_topic(ledger: &Ledger, identity: &SourceIdentity) -> bool {
    ledger.entries().any(|entry| is_of(&entry.source, identity))
}

/// The moves that record where these partitions, unknown to the ledger, start.
pub(crate) async fn start_moves(
    source: &mut dyn Source,
    identity: &SourceIdentity,
    ledger: &Ledger,
    partitions: &BTreeSet<i32>,
    start: Start,
) -> Result<Vec<LedgerMove>, Halt> {
    let epoch = epoch_of(ledger, identity);
    let mut moves = Vec::new();
    for partition in partitions {
        let next = match start {
            Start::Earliest => source.watermarks(*partition).await?.low,
            Start::Latest => source.watermarks(*partition).await?.high,
            Start::At(timestamp_ms) => source.offset_at(*partition, timestamp_ms).await?,
        };
        moves.push(LedgerMove {
            source: source_partition(identity, *partition),
            topic: identity.topic.clone(),
            expected: None,
            to: Position { next, epoch },
            read: None,
            lost: None,
        });
    }
    Ok(moves)
}

/// The epoch that partitions new to the ledger get: that of their topic, 0 for a first topic.
fn epoch_of(ledger: &Ledger, identity: &SourceIdentity) -> i64 {
    ledger
        .entries()
        .filter(|entry| is_of(&entry.source, identity))
        .map(|entry| entry.position.epoch)
        .max()
        .unwrap_or(0)
}

/// The epoch in which a topic that was made again is accepted: above all of its name.
pub(crate) fn next_epoch(ledger: &Ledger, topic: &str) -> i64 {
    ledger
        .entries()
        .filter(|entry| entry.topic == topic)
        .map(|entry| entry.position.epoch + 1)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream {
            name: "shop".into(),
            topic: "shop".into(),
            table: "shop.events".parse().unwrap(),
            dead_letters: "shop.dead_letters".parse().unwrap(),
            schema: iceberg::spec::Schema::builder().build().unwrap(),
            partition: iceberg::spec::UnboundPartitionSpec::default(),
            sort_order: iceberg::spec::SortOrder::unsorted_order(),
            renames: std::collections::BTreeMap::new(),
            commit_interval: std::time::Duration::from_secs(1),
            commit_bytes: 1,
            start: Start::Earliest,
            largest_record_bytes: 1,
            group_id: "g".into(),
            kafka: std::collections::BTreeMap::new(),
            places: Default::default(),
        }
    }

    fn identity(topic_id: &str) -> SourceIdentity {
        SourceIdentity {
            cluster_id: "c".to_owned(),
            topic: "shop".to_owned(),
            topic_id: topic_id.to_owned(),
            partitions: 2,
        }
    }

    fn ledger(entries: &[(&str, i32, i64)]) -> Ledger {
        let mut ledger = Ledger::default();
        for (topic_id, partition, epoch) in entries {
            let position = Position {
                next: 10,
                epoch: *epoch,
            };
            ledger.set(
                source_partition(&identity(topic_id), *partition),
                "shop",
                position,
            );
        }
        ledger
    }

    #[test]
    fn a_topic_that_the_ledger_knows_or_that_is_the_first_is_read() {
        assert!(check_identity(&stream(), &ledger(&[]), &identity("new")).is_ok());
        let both = ledger(&[("old", 0, 0), ("new", 0, 1)]);
        assert!(check_identity(&stream(), &both, &identity("new")).is_ok());
        // Accepted or not, the old one is known too: its own epoch fences what it may still hold.
        assert!(check_identity(&stream(), &both, &identity("old")).is_ok());
    }

    #[test]
    fn a_topic_made_again_stops_the_stream_and_names_both() {
        let Err(Halt::Stopped(text)) =
            check_identity(&stream(), &ledger(&[("old", 0, 0)]), &identity("new"))
        else {
            panic!("it was read");
        };
        assert!(
            text.contains("topic id old") && text.contains("topic id new"),
            "{text}"
        );
        assert!(text.contains("frazil stream accept-topic shop"), "{text}");
    }

    #[test]
    fn epochs_rise_with_acceptance_and_are_those_of_the_topic_else() {
        let both = ledger(&[("old", 0, 4), ("new", 0, 5)]);
        assert_eq!(epoch_of(&both, &identity("new")), 5);
        assert_eq!(epoch_of(&both, &identity("third")), 0);
        assert_eq!(next_epoch(&both, "shop"), 6);
        assert_eq!(next_epoch(&ledger(&[]), "shop"), 0);
    }
}
