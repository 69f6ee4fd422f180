//! Which snapshots stay: all of the last while, then the newest of each hour, then of each day
//! (I10). Of the last while, too, only so many stay whole where a table was only added to: every
//! commit writes them all into its metadata file, and a stream may commit each second. Whatever
//! could be read in the last while stays readable so, by the snapshot itself or by one that has all
//! of its files. Decides only; must never touch a table.
//!
//! What counts is how long ago a snapshot stopped being current, not how old it is: somebody may
//! have begun to read a month-old snapshot the moment before its successor came.

use std::collections::{BTreeMap, BTreeSet};

use iceberg::spec::{MAIN_BRANCH, Operation, SnapshotRetention, TableMetadata};

use crate::lake::history::ancestors;
use crate::lake::refs::Refs;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Other engines' floor, honoured; their ages are not, since ours are declared.
const MIN_SNAPSHOTS: &str = "history.expire.min-snapshots-to-keep";

/// How long snapshots stay, counted from when they stopped being current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Up to this, all of them, or beyond the newest [`Self::keep_all_most`] the newest of each
    /// minute and those to which the next one did more than add.
    pub keep_all_ms: i64,
    pub keep_all_most: usize,
    /// Up to this, the newest of each hour.
    pub keep_hourly_ms: i64,
    /// Up to this, the newest of each day; then none.
    pub keep_daily_ms: i64,
}

/// A snapshot in its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    id: i64,
    created_ms: i64,
    sequence_number: i64,
    /// The next in the line has all files of this one.
    only_added_to: bool,
}

/// The snapshots that may go, oldest first. Those that a branch or tag points to never do.
pub(super) fn doomed(
    metadata: &TableMetadata,
    refs: &Refs,
    policy: &Policy,
    now_ms: i64,
) -> Vec<i64> {
    let heads: BTreeSet<i64> = refs.values().map(|r| r.snapshot_id).collect();
    let kept = asked_for(metadata, refs, now_ms);
    let mut doomed = Vec::new();
    for line in lines(metadata, refs) {
        doomed.extend(thin(&line, &heads, policy, now_ms));
    }
    doomed.retain(|id| !kept.contains(id));
    doomed
}

/// `line` in order of time. Buckets are hours and days of UTC, so that the choice stays the same
/// however often it is made.
fn thin(line: &[Moment], heads: &BTreeSet<i64>, policy: &Policy, now_ms: i64) -> Vec<i64> {
    let mut doomed = Vec::new();
    for (index, moment) in line.iter().enumerate() {
        if heads.contains(&moment.id) {
            continue;
        }
        let next = line.get(index + 1);
        let ended_ms = next.map_or(moment.created_ms, |next| next.created_ms);
        let age_ms = now_ms.saturating_sub(ended_ms);
        let newest_of = |bucket_ms: i64| {
            next.is_none_or(|next| {
                next.created_ms.div_euclid(bucket_ms) != moment.created_ms.div_euclid(bucket_ms)
            })
        };
        let among_newest = line.len() - index <= policy.keep_all_most;
        let is_whole = among_newest || !moment.only_added_to;
        let stays = (age_ms < policy.keep_all_ms && (is_whole || newest_of(MINUTE_MS)))
            || (age_ms < policy.keep_hourly_ms && newest_of(HOUR_MS))
            || (age_ms < policy.keep_daily_ms && newest_of(DAY_MS));
        if !stays {
            doomed.push(moment.id);
        }
    }
    doomed
}

/// One line for each branch, of what only it has; all else is main's: after a thinning parents
/// are gone, and nobody can tell any more whose ancestor an old snapshot was.
fn lines(metadata: &TableMetadata, refs: &Refs) -> Vec<Vec<Moment>> {
    let mains: BTreeSet<i64> = refs
        .get(MAIN_BRANCH)
        .into_iter()
        .flat_map(|main| ancestors(metadata, main.snapshot_id))
        .collect();
    let mut claimed: BTreeMap<i64, usize> = BTreeMap::new();
    let mut lines: Vec<Vec<Moment>> = vec![Vec::new()];
    for (name, branch) in refs {
        let is_branch = matches!(branch.retention, SnapshotRetention::Branch { .. });
        if !is_branch || name == MAIN_BRANCH {
            continue;
        }
        lines.push(Vec::new());
        for id in ancestors(metadata, branch.snapshot_id) {
            if mains.contains(&id) {
                break;
            }
            claimed.entry(id).or_insert(lines.len() - 1);
        }
    }
    for snapshot in metadata.snapshots() {
        let id = snapshot.snapshot_id();
        lines[claimed.get(&id).copied().unwrap_or(0)].push(Moment {
            id,
            created_ms: snapshot.timestamp_ms(),
            sequence_number: snapshot.sequence_number(),
            only_added_to: false,
        });
    }
    for line in &mut lines {
        line.sort_by_key(|moment| (moment.created_ms, moment.sequence_number, moment.id));
        for at in 1..line.len() {
            line[at - 1].only_added_to = adds_to(metadata, line[at].id, line[at - 1].id);
        }
    }
    lines
}

/// Whether `id` came right after `base` and only added files. Once one between the two has gone,
/// nobody can tell.
fn adds_to(metadata: &TableMetadata, id: i64, base: i64) -> bool {
    metadata.snapshot_by_id(id).is_some_and(|snapshot| {
        snapshot.summary().operation == Operation::Append
            && snapshot.parent_snapshot_id() == Some(base)
    })
}

/// What branches and the table ask to be kept beyond the policy.
fn asked_for(metadata: &TableMetadata, refs: &Refs, now_ms: i64) -> BTreeSet<i64> {
    let floor = metadata
        .properties()
        .get(MIN_SNAPSHOTS)
        .and_then(|text| text.parse::<usize>().ok())
        .unwrap_or(1);
    let mut kept = BTreeSet::new();
    for branch in refs.values() {
        let SnapshotRetention::Branch {
            min_snapshots_to_keep,
            max_snapshot_age_ms,
            ..
        } = branch.retention
        else {
            continue;
        };
        let line = ancestors(metadata, branch.snapshot_id);
        let least = min_snapshots_to_keep.and_then(|count| usize::try_from(count).ok());
        kept.extend(line.iter().take(least.unwrap_or(0).max(floor)));
        if let Some(max_age_ms) = max_snapshot_age_ms {
            kept.extend(line.iter().filter(|id| {
                metadata.snapshot_by_id(**id).is_some_and(|snapshot| {
                    now_ms.saturating_sub(snapshot.timestamp_ms()) < max_age_ms
                })
            }));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        keep_all_ms: HOUR_MS,
        keep_all_most: 500,
        keep_hourly_ms: DAY_MS,
        keep_daily_ms: 30 * DAY_MS,
    };
    /// The start of a day.
    const START_MS: i64 = 20_000 * DAY_MS;

    fn line(created: impl IntoIterator<Item = i64>) -> Vec<Moment> {
        let moment = |(index, created_ms)| Moment {
            id: index,
            created_ms,
            sequence_number: index,
            only_added_to: true,
        };
        (0..).zip(created).map(moment).collect()
    }

    /// The times that stay, as minutes since the start; the last is the head.
    fn stays(line: &[Moment], now_ms: i64) -> Vec<i64> {
        let heads = line.last().map(|head| head.id).into_iter().collect();
        let doomed = thin(line, &heads, &POLICY, now_ms);
        line.iter()
            .filter(|moment| !doomed.contains(&moment.id))
            .map(|moment| (moment.created_ms - START_MS) / MINUTE_MS)
            .collect()
    }

    #[test]
    fn the_last_hour_stays_whole_then_hours_then_days() {
        // Every ten minutes for three days.
        let line = line((0..3 * 144).map(|ten| START_MS + ten * 10 * MINUTE_MS));
        let now_ms = START_MS + 3 * DAY_MS;
        let kept = stays(&line, now_ms);
        let day = 24 * 60;
        let expected: Vec<i64> = [day - 10, 2 * day - 10]
            .into_iter()
            .chain((0..24).map(|hour| 2 * day + hour * 60 + 50))
            .chain([
                3 * day - 60,
                3 * day - 50,
                3 * day - 40,
                3 * day - 30,
                3 * day - 20,
            ])
            .collect::<BTreeSet<i64>>()
            .into_iter()
            .collect();
        assert_eq!(kept, expected);
    }

    #[test]
    fn of_a_commit_each_second_only_so_many_stay_whole() {
        let all = line((0..7_200).map(|second| START_MS + second * 1_000));
        let now_ms = START_MS + 7_200_000;
        let kept = stays(&all, now_ms);
        // The newest 500; the last of each minute of the rest of the hour; the last of the hour
        // before.
        assert_eq!(kept.len(), 500 + 51 + 1, "{kept:?}");
        assert!(
            kept[..53].windows(2).all(|pair| pair[1] - pair[0] <= 1),
            "{kept:?}"
        );
    }

    #[test]
    fn what_was_replaced_in_the_last_while_stays() {
        let mut all = line((0..1_200).map(|second| START_MS + second * 1_000));
        for moment in &mut all[..300] {
            moment.only_added_to = false;
        }
        let kept = stays(&all, START_MS + 1_200_000);
        // Those 300, the newest 500, and the last of each of the 6 minutes between.
        assert_eq!(kept.len(), 300 + 500 + 6, "{kept:?}");
    }

    #[test]
    fn what_was_current_a_moment_ago_stays_however_old() {
        let line = line([START_MS, START_MS + 90 * DAY_MS]);
        let just_superseded = START_MS + 90 * DAY_MS + MINUTE_MS;
        assert_eq!(stays(&line, just_superseded).len(), 2);
        // It was the state of each of these days, so it stays as long as the last of them.
        assert_eq!(stays(&line, START_MS + 119 * DAY_MS).len(), 2);
        assert_eq!(stays(&line, START_MS + 121 * DAY_MS).len(), 1);
    }

    #[test]
    fn thinning_often_keeps_what_thinning_once_keeps() {
        let all = line((0..2_000).map(|step| START_MS + step * 7 * MINUTE_MS));
        let now_ms = START_MS + 2_000 * 7 * MINUTE_MS;
        let once = stays(&all, now_ms);
        let mut often: Vec<Moment> = Vec::new();
        for moment in &all {
            often.push(*moment);
            let heads = [moment.id].into();
            let doomed = thin(&often, &heads, &POLICY, moment.created_ms);
            often.retain(|moment| !doomed.contains(&moment.id));
        }
        let often = stays(&often, now_ms);
        assert!(once.iter().all(|minute| often.contains(minute)));
        // A neighbour that went makes one count as current for longer: one in each tier.
        assert!(often.len() <= once.len() + 2, "{often:?}");
    }

    #[test]
    fn a_fast_clocks_snapshot_stays() {
        let line = line([START_MS + DAY_MS, START_MS + 2 * DAY_MS]);
        assert_eq!(stays(&line, START_MS).len(), 2);
    }
}
