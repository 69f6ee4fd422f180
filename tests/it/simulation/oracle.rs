//! The judge. At any one moment: the event table and its dead letters together hold each readable
//! record below the ledger's position exactly once, save the lost ranges that are named; and the
//! ranges told by the snapshots cover exactly what the ledger says.

use std::collections::{BTreeMap, BTreeSet};

use frazil::domain::{Ledger, OffsetRange, SourcePartition};
use frazil::lake::Table;

use super::broker::{Entry, Log};
use super::history::Told;
use super::rows::{FOREIGN, Row, RowCache};

/// What is judged, all of one moment.
pub struct Evidence<'a> {
    pub events: &'a Table,
    pub dead_letters: &'a Table,
    pub logs: &'a [Log],
    pub topic_id: &'a str,
    pub told: &'a [Told],
}

/// All that is wrong, each in a sentence; empty when the promise holds.
pub async fn judge(evidence: &Evidence<'_>, cache: &RowCache) -> Vec<String> {
    let mut wrong = Vec::new();
    let ledger = match evidence.events.ledger() {
        Ok(ledger) => ledger,
        Err(error) => return vec![format!("the ledger can't be trusted: {error}")],
    };
    let events = cache.rows(evidence.events).await;
    let dead_letters = cache.rows(evidence.dead_letters).await;
    let found = count(&events, &dead_letters, &mut wrong);
    for (partition, log) in evidence.logs.iter().enumerate() {
        let source = SourcePartition {
            cluster_id: "sim".to_owned(),
            topic_id: evidence.topic_id.to_owned(),
            partition: i32::try_from(partition).unwrap(),
        };
        judge_partition(evidence, &ledger, &source, log, &found, &mut wrong);
    }
    let known = |(topic, partition, _): &(String, i32, i64)| {
        topic == evidence.topic_id && (0..evidence.logs.len() as i32).contains(partition)
    };
    for key in found.keys().filter(|key| !known(key)) {
        wrong.push(format!("a row of nowhere: {key:?}"));
    }
    wrong
}

/// Whether everything readable was committed.
pub fn behind(ledger: &Ledger, topic_id: &str, logs: &[Log]) -> Vec<String> {
    let mut behind = Vec::new();
    for (partition, log) in logs.iter().enumerate() {
        let source = SourcePartition {
            cluster_id: "sim".to_owned(),
            topic_id: topic_id.to_owned(),
            partition: i32::try_from(partition).unwrap(),
        };
        let next = ledger.get(&source).map(|position| position.next);
        let from = next.unwrap_or(log.low);
        let unread = (from..log.high()).find(|offset| log.entry(*offset).is_readable());
        if let Some(offset) = unread {
            behind.push(format!(
                "{source}: offset {offset} is not committed, the ledger says {next:?}"
            ));
        }
    }
    behind
}

type Found = BTreeMap<(String, i32, i64), Place>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Event,
    DeadLetter,
}

fn count(events: &[Row], dead_letters: &[Row], wrong: &mut Vec<String>) -> Found {
    let mut found = Found::new();
    let both = events
        .iter()
        .map(|row| (row, Place::Event))
        .chain(dead_letters.iter().map(|row| (row, Place::DeadLetter)));
    for ((topic, partition, offset, id), place) in both {
        if topic == FOREIGN {
            continue;
        }
        if let Some(id) = id
            && *id != id_of(*partition, *offset)
        {
            wrong.push(format!(
                "the row of {topic}[{partition}]@{offset} has id {id}"
            ));
        }
        let key = (topic.clone(), *partition, *offset);
        if let Some(other) = found.insert(key.clone(), place) {
            wrong.push(format!("{key:?} is there twice: {other:?} and {place:?}"));
        }
    }
    found
}

/// The `id` that the producer gave the record of an offset.
pub fn id_of(partition: i32, offset: i64) -> i64 {
    i64::from(partition) * 1_000_000 + offset
}

fn judge_partition(
    evidence: &Evidence<'_>,
    ledger: &Ledger,
    source: &SourcePartition,
    log: &Log,
    found: &Found,
    wrong: &mut Vec<String>,
) {
    let told: Vec<&Told> = evidence
        .told
        .iter()
        .filter(|told| &told.source == source)
        .collect();
    let next = ledger.get(source).map(|position| position.next);
    let start = match (told.first(), next) {
        (Some(first), _) => first.range.from,
        (None, Some(next)) => next,
        (None, None) => 0,
    };
    if !log.lows.contains(&start) {
        wrong.push(format!(
            "{source} started at {start}, which was never its low watermark"
        ));
    }
    let mut at = start;
    for step in &told {
        if step.range.from != at || step.range.to < step.range.from {
            wrong.push(format!(
                "{source}: snapshot {} tells {:?} after {at}",
                step.snapshot, step.range
            ));
        }
        if step.lost && step.range.to > log.low {
            wrong.push(format!(
                "{source}: {:?} was named lost, but the log starts at {}",
                step.range, log.low
            ));
        }
        at = step.range.to;
    }
    if at != next.unwrap_or(0) && !(told.is_empty() && next.is_none()) {
        wrong.push(format!(
            "{source}: the snapshots tell up to {at}, the ledger says {next:?}"
        ));
    }
    let lost: Vec<OffsetRange> = told.iter().filter(|t| t.lost).map(|t| t.range).collect();
    judge_rows(
        source,
        log,
        start..next.unwrap_or(start),
        &lost,
        found,
        wrong,
    );
}

fn judge_rows(
    source: &SourcePartition,
    log: &Log,
    covered: std::ops::Range<i64>,
    lost: &[OffsetRange],
    found: &Found,
    wrong: &mut Vec<String>,
) {
    let mut owed = BTreeSet::new();
    for offset in covered.clone() {
        let is_lost = lost.iter().any(|r| (r.from..r.to).contains(&offset));
        if offset >= log.high() {
            wrong.push(format!(
                "{source}: {offset} is committed and can't be read yet"
            ));
            break;
        }
        if is_lost {
            continue;
        }
        let Entry::Record {
            payload,
            readable: true,
            ..
        } = log.entry(offset)
        else {
            continue;
        };
        owed.insert(offset);
        let wanted = match payload.as_deref() {
            Some(payload) if payload.starts_with(b"{") => Place::Event,
            _ => Place::DeadLetter,
        };
        let key = (source.topic_id.clone(), source.partition, offset);
        match found.get(&key) {
            Some(place) if *place == wanted => {}
            Some(place) => wrong.push(format!("{source}@{offset} is in {place:?}")),
            None => wrong.push(format!("{source}@{offset} is missing")),
        }
    }
    let prefix = (source.topic_id.clone(), source.partition);
    for (topic, partition, offset) in found.keys() {
        if (topic.clone(), *partition) == prefix && !owed.contains(offset) {
            wrong.push(format!(
                "{source}@{offset} is there and shouldn't be (covered {covered:?})"
            ));
        }
    }
}
