//! The ledger in a commit: checked on the fresh base (I1, I2, I3), moved, and its ranges told in
//! the snapshot's summary. Must never take a missing or rolled back ledger for an empty one.

use std::collections::{BTreeMap, BTreeSet};

use iceberg::spec::{Snapshot, TableMetadata};
use serde::Deserialize;
use serde_json::json;

use super::{CommitError, LedgerMove, TableChange};
use crate::domain::{Ledger, OffsetRange, SourcePartition};
use crate::lake::{Error, Result, Table, history};

/// Summary property: the ranges of offsets that a snapshot committed. JSON,
/// `{"version":1,"sources":[{"cluster_id":…,"topic_id":…,"topic":…,"ranges":[[partition,from,to],…]}]}`.
pub const OFFSETS_SUMMARY: &str = "frazil.offsets";
/// Summary property: the ranges that the source no longer had (I6). JSON as above.
pub const LOST_SUMMARY: &str = "frazil.lost";
const SUMMARY_VERSION: u32 = 1;

/// Says why a ledger can't be trusted on this metadata, if so.
pub(in crate::lake) fn verify(metadata: &TableMetadata, ledger: &Ledger) -> Result<(), String> {
    let Some(wanted) = ledger.snapshot_id else {
        return verify_absent(metadata, ledger);
    };
    if history::goes_on_from(metadata, Some(wanted), ledger.sequence_number) {
        Ok(())
    } else {
        Err(rolled_back(metadata, wanted))
    }
}

fn verify_absent(metadata: &TableMetadata, ledger: &Ledger) -> Result<(), String> {
    if !ledger.is_empty() {
        return Err("its ledger names no snapshot; somebody has edited it by hand".to_owned());
    }
    let witness = metadata.snapshots().find(|snapshot| {
        let summary = &snapshot.summary().additional_properties;
        summary.contains_key(OFFSETS_SUMMARY)
    });
    match witness {
        None => Ok(()),
        Some(snapshot) => Err(format!(
            "its ledger (the property {}) is gone, although snapshot {} committed offsets; put the \
             property back from an older metadata file",
            Ledger::PROPERTY,
            snapshot.snapshot_id()
        )),
    }
}

fn rolled_back(metadata: &TableMetadata, wanted: i64) -> String {
    let current = match metadata.current_snapshot_id() {
        Some(id) => format!("snapshot {id}"),
        None => "no snapshot".to_owned(),
    };
    format!(
        "its ledger was written by snapshot {wanted}, which the current one ({current}) does not \
         follow: somebody rolled the table back. Roll it forward again, or accept the \
         rollback"
    )
}

/// The base's ledger with the moves made, for the snapshot that is being built. None when the
/// change has no moves: the base's own stays, whatever it is.
pub(super) fn advance(
    base: &Table,
    change: &TableChange,
    snapshot_id: i64,
    sequence_number: i64,
) -> Result<Option<Ledger>, CommitError> {
    if change.ledger.is_empty() {
        return Ok(None);
    }
    let mut ledger = if change.accept_rollback {
        base.stored_ledger()?
    } else {
        base.ledger()?
    };
    let mut moved = BTreeSet::new();
    for step in &change.ledger {
        if !moved.insert(&step.source) {
            return Err(Error::invalid(format!(
                "{}: one commit moves {} twice",
                change.table, step.source
            ))
            .into());
        }
        let found = ledger.get(&step.source);
        if found != step.expected {
            return Err(CommitError::Fenced {
                table: change.table.clone(),
                source_partition: Box::new(step.source.clone()),
                expected: step.expected,
                found,
            });
        }
        ledger.set(step.source.clone(), &step.topic, step.to);
    }
    ledger.snapshot_id = Some(snapshot_id);
    ledger.sequence_number = Some(sequence_number);
    Ok(Some(ledger))
}

/// The summary properties of these moves.
pub(super) fn summarise(moves: &[LedgerMove], summary: &mut BTreeMap<String, String>) {
    let mut put = |name: &str, range: fn(&LedgerMove) -> Option<OffsetRange>| {
        if let Some(text) = ranges(moves, range) {
            summary.insert(name.to_owned(), text);
        }
    };
    put(OFFSETS_SUMMARY, |step| step.read);
    put(LOST_SUMMARY, |step| step.lost);
}

fn ranges(moves: &[LedgerMove], range: fn(&LedgerMove) -> Option<OffsetRange>) -> Option<String> {
    let mut sources: BTreeMap<_, Vec<(i32, i64, i64)>> = BTreeMap::new();
    for step in moves {
        if let Some(OffsetRange { from, to }) = range(step) {
            let source = &step.source;
            sources
                .entry((&*source.cluster_id, &*source.topic_id, &*step.topic))
                .or_default()
                .push((source.partition, from, to));
        }
    }
    if sources.is_empty() {
        return None;
    }
    let sources: Vec<_> = sources
        .into_iter()
        .map(|((cluster_id, topic_id, topic), mut ranges)| {
            ranges.sort_unstable();
            json!({"cluster_id": cluster_id, "topic_id": topic_id, "topic": topic, "ranges": ranges})
        })
        .collect();
    Some(json!({"version": SUMMARY_VERSION, "sources": sources}).to_string())
}

/// The document in a summary property.
#[derive(Deserialize)]
struct Told {
    version: u32,
    sources: Vec<ToldSource>,
}

#[derive(Deserialize)]
struct ToldSource {
    cluster_id: String,
    topic_id: String,
    ranges: Vec<(i32, i64, i64)>,
}

/// What a snapshot committed, lost ranges among it. `Corrupt` when its summary can't be read.
pub fn committed_ranges(snapshot: &Snapshot) -> Result<Vec<(SourcePartition, OffsetRange)>> {
    let summary = &snapshot.summary().additional_properties;
    let mut found = Vec::new();
    for property in [OFFSETS_SUMMARY, LOST_SUMMARY] {
        let Some(text) = summary.get(property) else {
            continue;
        };
        let told = serde_json::from_str::<Told>(text).ok();
        let told = told.filter(|told| told.version == SUMMARY_VERSION);
        let told = told.ok_or_else(|| {
            let id = snapshot.snapshot_id();
            Error::corrupt(format!("{property} of snapshot {id} can't be read: {text}"))
        })?;
        for source in told.sources {
            found.extend(source.ranges.iter().map(|(partition, from, to)| {
                let named = SourcePartition {
                    cluster_id: source.cluster_id.clone(),
                    topic_id: source.topic_id.clone(),
                    partition: *partition,
                };
                (
                    named,
                    OffsetRange {
                        from: *from,
                        to: *to,
                    },
                )
            }));
        }
    }
    Ok(found)
}
