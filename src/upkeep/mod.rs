//! Upkeep: snapshots thinned and expired, files that nothing reaches deleted, for every table of
//! the catalog, again and again (I9, I10).
//!
//! The one change of metadata, the removal of snapshots, goes through the lake's commit path
//! under a lease of the table, so that two processes don't do the work at once. Deleting follows
//! what the table reaches at that moment, never what an earlier look said.
//!
//! Every commit writes all snapshots into its metadata file, so they are thinned each minute, which
//! costs one small commit; what only they needed is deleted by a pass, which must look at all that
//! the table reaches.

mod delete;
mod expired;
mod policy;
mod reach;
mod report;
mod sweep;
mod table;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use expired::Expired;
pub use policy::Policy;
pub use report::{Current, Skipped, TableReport, Totals};

use crate::config::UpkeepConfig;
use crate::domain::TableName;
use crate::lake::commit::CommitError;
use crate::lake::store::normalise;
use crate::lake::{self, Lake};

/// How long a table's lease lasts without being renewed.
const LEASE_MS: i64 = 300_000;

/// The first pass comes this soon, so that a process that is often restarted does its work too.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// Between passes, snapshots are thinned this often.
const THIN_INTERVAL: Duration = Duration::from_secs(60);

/// A table whose upkeep takes long is said so often.
const PROGRESS_BEAT: Duration = Duration::from_secs(15);

/// What upkeep does, and how often.
#[derive(Clone, Debug)]
pub struct Options {
    pub interval: Duration,
    pub policy: Policy,
    /// A file younger than this is never deleted (I9).
    pub safety_age: Duration,
    /// Each table's folder is listed for orphans this often.
    pub sweep_interval: Duration,
    /// Says what would be done, changes nothing.
    pub dry_run: bool,
    /// This process's name in leases.
    pub holder: String,
    /// Counted up by every pass; keep a clone for metrics.
    pub totals: Arc<Totals>,
    /// What [`thin`] leaves for the next [`pass`].
    pub expired: Arc<Expired>,
}

impl Options {
    pub fn new(config: &UpkeepConfig, holder: impl Into<String>) -> Self {
        let six_hours = Duration::from_secs(6 * 3_600);
        Self {
            interval: config.interval,
            policy: Policy {
                keep_all_ms: ms(config.keep_all),
                keep_all_most: config.keep_all_snapshots,
                keep_hourly_ms: ms(config.keep_hourly),
                keep_daily_ms: ms(config.keep_daily),
            },
            safety_age: config.safety_age,
            // An orphan may stay a quarter longer than it must.
            sweep_interval: (config.safety_age / 4).min(six_hours).max(config.interval),
            dry_run: false,
            holder: holder.into(),
            totals: Arc::default(),
            expired: Arc::default(),
        }
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Why a table's upkeep stopped. What was done until then holds.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Lake(#[from] lake::Error),
    #[error("the expiry of snapshots was not committed: {0}")]
    Commit(#[from] CommitError),
    #[error("the lease {0} was lost to another process")]
    Displaced(String),
}

/// Runs passes, and thins between them, until `stop`. A table that fails is logged, counted and
/// tried again in the next pass; it never stops the others.
pub async fn run(lake: Lake, options: Options, stop: CancellationToken) {
    let mut swept: BTreeMap<TableName, Duration> = BTreeMap::new();
    let mut due = lake.clock.elapsed() + options.interval.min(FIRST_PAUSE);
    loop {
        let pause = due.saturating_sub(lake.clock.elapsed());
        tokio::select! {
            biased;
            () = lake.clock.sleep(pause.min(THIN_INTERVAL)) => {}
            () = stop.cancelled() => return,
        }
        if lake.clock.elapsed() < due {
            if let Err(error) = thin(&lake, &options, &stop).await {
                options.totals.failed();
                tracing::warn!(%error, "upkeep could not list the tables; it tries again");
            }
            continue;
        }
        due = lake.clock.elapsed() + options.interval;
        let unswept = |table: &TableName| {
            swept
                .get(table)
                .is_none_or(|at| lake.clock.elapsed().saturating_sub(*at) >= options.sweep_interval)
        };
        let reports = match pass(&lake, &options, unswept, &stop).await {
            Ok(reports) => reports,
            Err(error) => {
                options.totals.failed();
                tracing::warn!(%error, "upkeep could not list the tables; it tries again");
                continue;
            }
        };
        for report in &reports {
            if report.swept {
                swept.insert(report.table.clone(), lake.clock.elapsed());
            }
        }
        swept.retain(|table, _| reports.iter().any(|report| report.table == *table));
    }
}

/// Removes the snapshots that the policy no longer keeps, of tables that have many of them. Their
/// files are left to the next [`pass`].
pub async fn thin(lake: &Lake, options: &Options, stop: &CancellationToken) -> lake::Result<()> {
    for name in lake.catalog.list().await? {
        if stop.is_cancelled() {
            break;
        }
        let task = table::Task {
            lake,
            options,
            stop,
            table: &name,
            sweep: false,
            neighbours: table::Neighbours::default(),
        };
        if let Err(error) = table::thin(&task).await {
            options.totals.failed();
            tracing::warn!(table = %name, %error, "a table could not be thinned; it is tried again");
        }
    }
    Ok(())
}

/// Every table once; those for which `sweep` holds are listed for orphans too.
pub async fn pass(
    lake: &Lake,
    options: &Options,
    sweep: impl Fn(&TableName) -> bool,
    stop: &CancellationToken,
) -> lake::Result<Vec<TableReport>> {
    let names = lake.catalog.list().await?;
    options.expired.retain(&names);
    let (locations, unread) = locations(lake, &names).await;
    let mut reports = Vec::new();
    for name in names {
        if stop.is_cancelled() {
            break;
        }
        let task = table::Task {
            lake,
            options,
            stop,
            table: &name,
            // Whose folder is not known could be within this one.
            sweep: sweep(&name) && unread.is_empty(),
            neighbours: table::Neighbours::of(&name, &locations),
        };
        let mut report = TableReport::new(name.clone(), options.dry_run);
        options.totals.begin(&name, lake.clock.elapsed());
        let kept_up = tokio::select! {
            biased;
            kept_up = table::keep_up(&task, &mut report) => kept_up,
            never = say_on(lake, &options.totals) => match never {},
        };
        options.totals.end();
        if let Err(error) = kept_up {
            options.totals.failed();
            report.error = Some(error.to_string());
            tracing::warn!(table = %name, %error, "upkeep of a table failed; it is tried again");
        }
        options.totals.add(&report);
        report.log();
        reports.push(report);
    }
    Ok(reports)
}

/// Says now and then that a table takes long, and how far its upkeep is.
async fn say_on(lake: &Lake, totals: &Totals) -> Infallible {
    loop {
        lake.clock.sleep(PROGRESS_BEAT).await;
        if let Some(current) = totals.current() {
            tracing::info!(
                table = %current.table,
                seconds = lake.clock.elapsed().saturating_sub(current.since).as_secs(),
                files_listed = current.files_listed,
                files_deleted = current.files_deleted,
                "upkeep goes on"
            );
        }
    }
}

/// Where each table lies, and the tables of which that is not known.
async fn locations(
    lake: &Lake,
    names: &[TableName],
) -> (BTreeMap<TableName, String>, Vec<TableName>) {
    let (mut known, mut unread) = (BTreeMap::new(), Vec::new());
    for name in names {
        match lake.table(name).await {
            Ok(table) => {
                known.insert(name.clone(), normalise(table.metadata().location()));
            }
            // Dropped since it was listed.
            Err(error) if error.kind() == lake::ErrorKind::NotFound => {
                if lake.catalog.load(name).await.is_ok_and(|p| p.is_none()) {
                    continue;
                }
                unread.push(name.clone());
            }
            Err(_) => unread.push(name.clone()),
        }
    }
    (known, unread)
}
