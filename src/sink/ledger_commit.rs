//! Commits that move a stream's offsets and nothing else, and the acceptance of a topic that was
//! made again.

use crate::declare::stream::{Start, Stream};
use crate::domain::Position;
use crate::lake::commit::{Commit, CommitError, FileChange, LedgerMove, TableChange};
use crate::lake::{Error, Lake, Result, Table};
use crate::sink::halt::Halt;
use crate::sink::positions::{
    knows_topic, next_epoch, source_partition, start_moves, trusted_ledger,
};
use crate::sink::source::{Source, SourceIdentity};

/// One commit of these moves, with a snapshot of its own for the ledger to name; the event table as
/// it is then. Everything but success is looked up
/// by whoever comes next: `Again` (I5).
pub(crate) async fn commit_moves(
    lake: &Lake,
    events: &Table,
    moves: Vec<LedgerMove>,
) -> std::result::Result<Table, Halt> {
    let change = TableChange {
        ledger: moves,
        expected_uuid: Some(events.metadata().uuid()),
        ..TableChange::new(events.name().clone(), FileChange::Append(Vec::new()))
    };
    let commit = Commit {
        id: lake.entropy.uuid(),
        changes: vec![change],
        guards: Vec::new(),
    };
    match lake.commit(&commit).await {
        Ok(committed) => {
            committed.tables.into_iter().next().ok_or_else(|| {
                Halt::Again(format!("the commit to {} named no table", events.name()))
            })
        }
        Err(CommitError::Failed(error)) => Err(error.into()),
        Err(error) => Err(Halt::Again(error.to_string())),
    }
}

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
    let ledger = trusted_ledger(&events).map_err(to_error)?;
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

/// Sets where partitions of the stream's topic are read from, on purpose: the epoch rises, so
/// that whoever read before is fenced (I3). `next_offsets`: partition and next offset to read.
///
/// Rows already in the table stay; setting an offset back reads records a second time.
pub async fn set_offsets(
    lake: &Lake,
    stream: &Stream,
    identity: &SourceIdentity,
    next_offsets: &[(i32, i64)],
) -> Result<()> {
    let events = lake.table(&stream.table).await?;
    let ledger = events.ledger()?;
    let mut moves = Vec::new();
    for (partition, next) in next_offsets {
        let source = source_partition(identity, *partition);
        let expected = ledger.get(&source);
        let epoch = expected.map_or_else(
            || next_epoch(&ledger, &identity.topic),
            |known| known.epoch + 1,
        );
        moves.push(LedgerMove {
            source,
            topic: identity.topic.clone(),
            expected,
            to: Position { next: *next, epoch },
            read: None,
            lost: None,
        });
    }
    commit_moves(lake, &events, moves)
        .await
        .map(|_| ())
        .map_err(to_error)
}

fn to_error(halt: Halt) -> Error {
    match halt {
        Halt::Again(text) => Error::conflict(text),
        Halt::Stopped(text) => Error::invalid(text),
    }
}
