//! Which snapshot was current at a time, on tables whose history has been thinned.
//!
//! Iceberg's snapshot log loses everything before a removed snapshot, although older ones were
//! kept (an hour's or a day's newest). For times before the log begins those kept ones answer:
//! the newest made at or before the time, which is at most as much older as upkeep's thinning.

use std::collections::BTreeSet;

use iceberg::spec::{MAIN_BRANCH, SnapshotRetention, TableMetadata};

use super::Table;

/// The snapshot that a reader as of this time gets; None when all are younger.
pub fn as_of(table: &Table, time_ms: i64) -> Option<i64> {
    let metadata = table.metadata();
    let logged = metadata.history();
    if let Some(entry) = logged.iter().rfind(|e| e.timestamp_ms() <= time_ms) {
        return Some(entry.snapshot_id);
    }
    let in_log: BTreeSet<i64> = logged.iter().map(|entry| entry.snapshot_id).collect();
    let elsewhere = of_other_branches(table);
    let kept = metadata
        .snapshots()
        .filter(|snapshot| snapshot.timestamp_ms() <= time_ms)
        .filter(|snapshot| {
            let id = snapshot.snapshot_id();
            // One in the log became current later than it was made.
            !in_log.contains(&id) && !elsewhere.contains(&id)
        })
        .max_by_key(|snapshot| (snapshot.timestamp_ms(), snapshot.sequence_number()));
    kept.map(|snapshot| snapshot.snapshot_id())
}

/// Snapshots that only branches other than main have made, as far as their parents are there.
fn of_other_branches(table: &Table) -> BTreeSet<i64> {
    let metadata = table.metadata();
    let mains: BTreeSet<i64> = metadata
        .current_snapshot_id()
        .map(|head| ancestors(metadata, head))
        .unwrap_or_default()
        .into_iter()
        .collect();
    let mut others = BTreeSet::new();
    for (name, reference) in table.refs().iter() {
        let is_branch = matches!(reference.retention, SnapshotRetention::Branch { .. });
        if name != MAIN_BRANCH && is_branch {
            let line = ancestors(metadata, reference.snapshot_id).into_iter();
            others.extend(line.take_while(|id| !mains.contains(id)));
        }
    }
    others
}

/// This snapshot and those before it, newest first, as far as they are still there.
pub fn ancestors(metadata: &TableMetadata, head: i64) -> Vec<i64> {
    let mut line = Vec::new();
    let mut at = Some(head);
    while let Some(snapshot) = at.and_then(|id| metadata.snapshot_by_id(id)) {
        line.push(snapshot.snapshot_id());
        at = snapshot.parent_snapshot_id();
        // A cycle can't be, and must not hang us if somebody made one.
        if line.len() > metadata.snapshots().len() {
            break;
        }
    }
    line
}

/// Whether the current snapshot came from one that somebody remembers by id, by sequence number or
/// by both: false once the table was rolled back behind it, or replaced.
///
/// Snapshots between the two may have been expired, and the remembered one too. Then the line of
/// parents ends early: at an id that is not there any more, or at a snapshot without a parent, as
/// pyiceberg (0.12) leaves it when it expires the parent. What was seen up to there must all be
/// younger than the remembered one. A line that ends without a parent while the remembered
/// snapshot is still there is another line's (`CREATE OR REPLACE`).
pub fn goes_on_from(metadata: &TableMetadata, id: Option<i64>, sequence: Option<i64>) -> bool {
    let known = id.and_then(|id| metadata.snapshot_by_id(id));
    let sequence = sequence.or_else(|| known.map(|snapshot| snapshot.sequence_number()));
    let Some(head) = metadata.current_snapshot_id() else {
        return false;
    };
    for at in ancestors(metadata, head) {
        if Some(at) == id {
            return true;
        }
        let snapshot = metadata.snapshot_by_id(at);
        let number = snapshot.map(|snapshot| snapshot.sequence_number());
        if number
            .zip(sequence)
            .is_some_and(|(at, wanted)| at <= wanted)
        {
            return id.is_none() && number == sequence;
        }
        if snapshot.is_some_and(|snapshot| snapshot.parent_snapshot_id().is_none()) {
            return known.is_none() && sequence.is_some();
        }
    }
    // The last one's parent has expired.
    true
}
