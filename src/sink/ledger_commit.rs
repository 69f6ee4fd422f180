//! Commits to an event table that bring no rows: moves of its ledger, and notes in its properties.

use crate::lake::commit::{Commit, CommitError, FileChange, LedgerMove, TableChange};
use crate::lake::{Lake, Table};
use crate::sink::halt::Halt;

/// One commit of these moves, with a snapshot of its own for the ledger to name; the event table as
/// it is then.
pub(crate) async fn commit_moves(
    lake: &Lake,
    events: &Table,
    moves: Vec<LedgerMove>,
) -> Result<Table, Halt> {
    let change = TableChange {
        ledger: moves,
        expected_uuid: Some(events.metadata().uuid()),
        ..TableChange::new(events.name().clone(), FileChange::Append(Vec::new()))
    };
    commit_change(lake, change).await
}

/// One commit of one change. Everything but success is looked up by whoever comes next: `Again`
/// (I5).
pub(crate) async fn commit_change(lake: &Lake, change: TableChange) -> Result<Table, Halt> {
    let table = change.table.clone();
    let commit = Commit {
        id: lake.entropy.uuid(),
        changes: vec![change],
        guards: Vec::new(),
    };
    match lake.commit(&commit).await {
        Ok(committed) => {
            let table = committed.tables.into_iter().next().ok_or(table);
            table.map_err(|table| Halt::Again(format!("the commit to {table} named no table")))
        }
        Err(CommitError::Failed(error)) => Err(error.into()),
        Err(error) => Err(Halt::Again(error.to_string())),
    }
}
