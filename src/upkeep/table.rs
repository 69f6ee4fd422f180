//! One table's upkeep: under its lease, expire snapshots, delete what only they needed, and now
//! and then go through the folder for orphans.

use std::collections::BTreeMap;

use iceberg::spec::SnapshotRef;
use tokio_util::sync::CancellationToken;

use super::delete::Deleter;
use super::reach::{self, Reach};
use super::report::{Skipped, TableReport};
use super::{Error, LEASE_MS, Options, policy, sweep};
use crate::domain::TableName;
use crate::lake::catalog::Guard;
use crate::lake::commit::{Commit, CommitError, FileChange, TableChange};
use crate::lake::control::Lease;
use crate::lake::{ErrorKind, Lake, Table};

/// Iceberg's property for "delete nothing of this table".
const GC_ENABLED: &str = "gc.enabled";

/// One table's part of a pass.
pub(super) struct Task<'a> {
    pub lake: &'a Lake,
    pub options: &'a Options,
    pub stop: &'a CancellationToken,
    pub table: &'a TableName,
    pub sweep: bool,
    pub neighbours: Neighbours,
}

/// Other tables of the catalog whose files could be taken for this one's.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// Another name has the same folder: nothing of it may be deleted.
    pub shared: bool,
    /// Folders of others within this one's, each with a slash at its end.
    pub within: Vec<String>,
}

impl Neighbours {
    /// `locations` are normalised.
    pub fn of(table: &TableName, locations: &BTreeMap<TableName, String>) -> Self {
        let mut neighbours = Self::default();
        let Some(own) = locations.get(table) else {
            return neighbours;
        };
        let folder = |location: &str| format!("{}/", location.trim_end_matches('/'));
        let own = folder(own);
        for (other, location) in locations {
            let location = folder(location);
            if other == table {
                continue;
            }
            // Ours within theirs means that we are told apart by their own pass.
            if location == own {
                neighbours.shared = true;
            } else if location.starts_with(&own) {
                neighbours.within.push(location);
            }
        }
        neighbours
    }
}

impl Task<'_> {
    async fn acquire(&self) -> Result<Option<Lease>, Error> {
        let name = format!("upkeep/{}", self.table);
        let control = &self.lake.control;
        Ok(control
            .acquire(&name, &self.options.holder, LEASE_MS)
            .await?)
    }

    /// The snapshots that the policy no longer keeps.
    fn doomed(&self, table: &Table) -> Vec<i64> {
        let now_ms = self.lake.clock.now_ms();
        policy::doomed(table.metadata(), table.refs(), &self.options.policy, now_ms)
    }

    /// Renews the lease; a process that slept must not go on deleting beside another.
    pub async fn still_ours(&self, lease: &Lease) -> Result<(), Error> {
        if self.lake.control.renew(lease, LEASE_MS).await? {
            Ok(())
        } else {
            Err(Error::Displaced(lease.name.clone()))
        }
    }

    /// The table as it is now.
    pub async fn fresh(&self) -> Result<Table, Error> {
        Ok(self.lake.table(self.table).await?)
    }
}

/// Fewer snapshots than these are left to the next pass.
const THIN_LEAST: usize = 20;

/// Removes snapshots, where there are enough to be worth a commit.
pub(super) async fn thin(task: &Task<'_>) -> Result<(), Error> {
    let table = match task.fresh().await {
        // Dropped since it was listed.
        Err(Error::Lake(error)) if error.kind() == ErrorKind::NotFound => return Ok(()),
        table => table?,
    };
    let is_due = task.doomed(&table).len() >= THIN_LEAST;
    if !is_due || keeps_all(&table) {
        return Ok(());
    }
    let Some(lease) = task.acquire().await? else {
        return Ok(());
    };
    let done = async {
        let table = task.fresh().await?;
        let doomed = task.doomed(&table);
        if !doomed.is_empty() && !keeps_all(&table) {
            let expired = expire(task, &lease, &table, doomed).await?;
            let count = expired.removed.len() as u64;
            task.options.totals.expired(count);
            tracing::debug!(table = %task.table, snapshots_expired = count, "thinned");
            task.options.expired.add(task.table, expired.removed);
        }
        Ok::<_, Error>(())
    };
    let done = done.await;
    // When this fails the lease runs out by itself.
    let released = task.lake.control.release(&lease).await;
    done?;
    Ok(released?)
}

pub(super) async fn keep_up(task: &Task<'_>, report: &mut TableReport) -> Result<(), Error> {
    let Some(lease) = task.acquire().await? else {
        report.skipped = Some(Skipped::Leased);
        return Ok(());
    };
    let done = under_lease(task, &lease, report).await;
    // When this fails the lease runs out by itself.
    let released = task.lake.control.release(&lease).await;
    done?;
    Ok(released?)
}

fn keeps_all(table: &Table) -> bool {
    let gc = table.metadata().properties().get(GC_ENABLED);
    gc.is_some_and(|text| text.eq_ignore_ascii_case("false"))
}

async fn under_lease(
    task: &Task<'_>,
    lease: &Lease,
    report: &mut TableReport,
) -> Result<(), Error> {
    let table = task.fresh().await?;
    if keeps_all(&table) {
        report.skipped = Some(Skipped::Forbidden);
        return Ok(());
    }
    let (doomed, dead) = remove(task, lease, &table, report).await?;
    let mut deleter = Deleter::new(task, lease, report);
    deleter.without(doomed);
    if !dead.is_empty() {
        deleter.delete_unlisted(dead).await?;
    }
    if task.sweep && !task.stop.is_cancelled() {
        sweep::sweep(task, &table, &mut deleter).await?;
    }
    Ok(())
}

/// Removes the snapshots that the policy no longer keeps. Gives the ids of those that are still in
/// the metadata (in a dry run), and the files that only the removed ones needed, now and since the
/// last pass.
async fn remove(
    task: &Task<'_>,
    lease: &Lease,
    table: &Table,
    report: &mut TableReport,
) -> Result<(Vec<i64>, Vec<String>), Error> {
    let doomed = task.doomed(table);
    if task.options.dry_run {
        let removed = snapshots(table, &doomed);
        report.snapshots_expired = removed.len() as u64;
        let reach = reach::reachable(table, &doomed).await?;
        let dead = dead_files(table, &removed, &reach).await;
        return Ok((doomed, dead));
    }
    let mut expired = Expired {
        removed: Vec::new(),
        after: table.clone(),
    };
    if !doomed.is_empty() {
        expired = expire(task, lease, table, doomed).await?;
        report.snapshots_expired = expired.removed.len() as u64;
    }
    expired
        .removed
        .extend(task.options.expired.take(task.table));
    if expired.removed.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let reach = reach::reachable(&expired.after, &[]).await?;
    let dead = dead_files(&expired.after, &expired.removed, &reach).await;
    Ok((Vec::new(), dead))
}

fn snapshots(table: &Table, ids: &[i64]) -> Vec<SnapshotRef> {
    let found = ids.iter().map(|id| table.metadata().snapshot_by_id(*id));
    found.flatten().cloned().collect()
}

/// What a commit removed, and the table without it.
struct Expired {
    removed: Vec<SnapshotRef>,
    after: Table,
}

async fn expire(
    task: &Task<'_>,
    lease: &Lease,
    table: &Table,
    doomed: Vec<i64>,
) -> Result<Expired, Error> {
    let removed = snapshots(table, &doomed);
    let mut change = TableChange::new(task.table.clone(), FileChange::Nothing);
    change.remove_snapshots = doomed;
    change.expected_uuid = Some(table.metadata().uuid());
    let commit = Commit {
        id: task.lake.entropy.uuid(),
        changes: vec![change],
        guards: vec![Guard::Lease(lease.clone())],
    };
    match task.lake.commit(&commit).await {
        Ok(committed) => Ok(Expired {
            removed,
            after: committed.tables.into_iter().next().unwrap_or(table.clone()),
        }),
        // Something was tagged or dropped meanwhile: the next pass plans on that.
        Err(CommitError::Stale { reason, .. }) => {
            tracing::debug!(table = %task.table, reason, "the expiry is planned again");
            Ok(Expired {
                removed: Vec::new(),
                after: table.clone(),
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// What only the removed snapshots needed. When that can't be read any more, the files are found
/// by the next sweep.
async fn dead_files(table: &Table, removed: &[SnapshotRef], reach: &Reach) -> Vec<String> {
    match reach::unreached(table, removed, reach).await {
        Ok(dead) => dead,
        Err(error) => {
            tracing::warn!(
                table = %table.name(), %error,
                "the files of expired snapshots are left to the search for orphans"
            );
            Vec::new()
        }
    }
}
