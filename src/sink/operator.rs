//! What a person says on purpose when a stream has stopped: which topic, from which offset, what
//! of a rollback, and that a table is made anew. Each is one commit that raises the epoch where
//! offsets move, so that whoever read before is fenced (I3).

use std::collections::BTreeMap;

use crate::declare::stream::{Start, Stream};
use crate::domain::{Ledger, OffsetRange, Position, SourcePartition};
use crate::lake::commit::{FileChange, LedgerMove, TableChange, committed_ranges};
use crate::lake::{Error, ErrorKind, Lake, Result, Table, history};
use crate::sink::halt::Halt;
use crate::sink::ledger_commit::{commit_change, commit_moves};
use crate::sink::positions::{
    check_identity, knows_topic, next_epoch, source_partition, start_moves, trusted_ledger,
};
use crate::sink::source::{Source, SourceIdentity};
use crate::sink::{tables, truncation};

/// Accepts the topic that now bears the stream's name in place of the one that the ledger knows:
/// all its partitions are read from `start` in a new epoch, so that a writer of the old topic
/// can't commit any more (I3, I4). Rows of both stay in the table, told apart by `_topic_id`.
///
/// `Invalid` when the ledger knows the topic already; `Conflict` when someone else moved the
/// ledger meanwhile: look again.
pub async fn accept_topic(
    lake: &Lake,
    stream: &Stream,
    source: &mut dyn Source,
    start: Start,
) -> Result<SourceIdentity> {
    let events = lake.table(&stream.table).await?;
    let ledger = trusted_ledger(stream, &events).map_err(to_error)?;
    let identity = source.identity().await?;
    if knows_topic(&ledger, &identity) {
        return Err(Error::invalid(format!(
            "topic {} (topic id {}) is being read already: there is nothing to accept",
            identity.topic, identity.topic_id
        )));
    }
    let epoch = next_epoch(&ledger, &identity.topic);
    let partitions = (0..identity.partitions).collect();
    let mut moves = start_moves(source, &identity, &ledger, &partitions, start)
        .await
        .map_err(to_error)?;
    for step in &mut moves {
        step.to.epoch = epoch;
    }
    commit_moves(lake, &events, moves).await.map_err(to_error)?;
    Ok(identity)
}

/// Sets where partitions of the stream's topic are read from. `next_offsets`: partition and next
/// offset to read.
///
/// Rows already in the table stay; setting an offset back reads records a second time.
pub async fn set_offsets(
    lake: &Lake,
    stream: &Stream,
    identity: &SourceIdentity,
    next_offsets: &[(i32, i64)],
) -> Result<()> {
    let events = lake.table(&stream.table).await?;
    let ledger = trusted_ledger(stream, &events).map_err(to_error)?;
    // Else one partition set by hand would pass for the whole topic being known.
    check_identity(stream, &ledger, identity).map_err(to_error)?;
    let mut change = TableChange {
        expected_uuid: Some(events.metadata().uuid()),
        ..TableChange::new(events.name().clone(), FileChange::Append(Vec::new()))
    };
    for (partition, next) in next_offsets {
        let source = source_partition(identity, *partition);
        let expected = ledger.get(&source);
        let epoch = expected.map_or_else(
            || next_epoch(&ledger, &identity.topic),
            |known| known.epoch + 1,
        );
        change.remove_properties.push(truncation::property(&source));
        change.ledger.push(LedgerMove {
            source,
            topic: identity.topic.clone(),
            expected,
            to: Position { next: *next, epoch },
            read: None,
            lost: None,
        });
    }
    commit_change(lake, change)
        .await
        .map(drop)
        .map_err(to_error)
}

/// What becomes of the records whose rows a rollback took out of the event table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// They are read from the source again.
    ReadAgain,
    /// They stay out: reading goes on where it stood.
    LeaveOut,
}

/// Goes on after somebody rolled the event table back behind its ledger; every partition gets a
/// new epoch. Returns where each was and is. Dead letters are another table: those of records that
/// are read again come again.
///
/// `Invalid` when the table was not rolled back, or when the snapshots that tell what to read
/// again have expired.
pub async fn accept_rollback(
    lake: &Lake,
    stream: &Stream,
    removed: Removed,
) -> Result<Vec<(SourcePartition, Position, Position)>> {
    let events = lake.table(&stream.table).await?;
    match events.ledger() {
        Err(error) if error.kind() == ErrorKind::Invalid => {}
        Err(error) => return Err(error),
        Ok(_) => {
            return Err(Error::invalid(format!(
                "table {} follows its ledger: there is no rollback to accept",
                stream.table
            )));
        }
    }
    let ledger = events.stored_ledger()?;
    let from = match (removed, ledger.snapshot_id) {
        // Another trouble than a rollback, which says for itself what to do.
        (_, None) => return Err(events.ledger().expect_err("looked at above")),
        (Removed::LeaveOut, _) => BTreeMap::new(),
        (Removed::ReadAgain, Some(last)) => taken_out(&events, last)?,
    };
    let moved: Vec<_> = ledger
        .entries()
        .map(|entry| {
            let next = from.get(&entry.source).copied();
            let to = Position {
                next: next.unwrap_or(entry.position.next),
                epoch: entry.position.epoch + 1,
            };
            (entry, to)
        })
        .collect();
    let change = TableChange {
        accept_rollback: true,
        expected_uuid: Some(events.metadata().uuid()),
        expected_snapshot: Some(events.metadata().current_snapshot_id()),
        ledger: moved
            .iter()
            .map(|(entry, to)| LedgerMove {
                source: entry.source.clone(),
                topic: entry.topic.clone(),
                expected: Some(entry.position),
                to: *to,
                read: None,
                lost: None,
            })
            .collect(),
        ..TableChange::new(events.name().clone(), FileChange::Append(Vec::new()))
    };
    commit_change(lake, change).await.map_err(to_error)?;
    let moved = moved.into_iter();
    Ok(moved.map(|(e, to)| (e.source, e.position, to)).collect())
}

/// The first offset of each partition that the snapshots rolled off had committed.
fn taken_out(events: &Table, last: i64) -> Result<BTreeMap<SourcePartition, i64>> {
    let metadata = events.metadata();
    let current = metadata.current_snapshot_id();
    let kept = current.map_or_else(Vec::new, |id| history::ancestors(metadata, id));
    let mut first = BTreeMap::new();
    let mut at = Some(last);
    while let Some(id) = at.filter(|id| !kept.contains(id)) {
        let snapshot = metadata.snapshot_by_id(id).ok_or_else(|| {
            Error::invalid(format!(
                "table {}: snapshot {id}, which was rolled off, has expired, so nobody can tell which records it held; accept with --leave-out, and set offsets where records must be read again",
                events.name()
            ))
        })?;
        for (source, OffsetRange { from, .. }) in committed_ranges(snapshot)? {
            let known = first.entry(source).or_insert(from);
            *known = from.min(*known);
        }
        at = snapshot.parent_snapshot_id();
    }
    Ok(first)
}

/// Forgets the event table that the stream filled so far, so that a new one is made and filled
/// from the contract's start. `Invalid` when that table is still there.
pub async fn accept_table(lake: &Lake, stream: &Stream) -> Result<()> {
    let dead_letters = lake.find(&stream.dead_letters).await?;
    let events = lake.find(&stream.table).await?;
    let known = tables::known(lake, stream, dead_letters.as_ref()).await?;
    if tables::check_known(stream, events.as_ref(), known.as_deref()).is_ok() {
        let what = match events {
            Some(_) => format!(
                "table {} is the one that stream {} fills",
                stream.table, stream.name
            ),
            None => format!("stream {} has filled no table yet", stream.name),
        };
        return Err(Error::invalid(format!(
            "{what}: there is nothing to accept"
        )));
    }
    // Both must forget it; until the second has, the stream waits for this word still.
    let table = stream.table.to_string();
    lake.control.forget_filled_table(&table).await?;
    let property = tables::event_table_property(&stream.table);
    let Some(dead_letters) =
        dead_letters.filter(|table| table.metadata().properties().contains_key(&property))
    else {
        return Ok(());
    };
    let change = TableChange {
        remove_properties: vec![property],
        expected_uuid: Some(dead_letters.metadata().uuid()),
        ..TableChange::new(stream.dead_letters.clone(), FileChange::Nothing)
    };
    commit_change(lake, change)
        .await
        .map(drop)
        .map_err(to_error)
}

/// The ledger as it stands, trusted or not: for people.
pub async fn ledger(lake: &Lake, stream: &Stream) -> Result<Ledger> {
    lake.table(&stream.table).await?.stored_ledger()
}

fn to_error(halt: Halt) -> Error {
    match halt {
        Halt::Again(text) => Error::conflict(text),
        Halt::Stopped(text) => Error::invalid(text),
    }
}
