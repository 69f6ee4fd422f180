//! What a pass did: for logs, metrics and a dry run's reader.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use crate::domain::TableName;

/// Why nothing was done to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// Another process has the table's lease.
    Leased,
    /// The table's property `gc.enabled` is false: its owner wants nothing deleted.
    Forbidden,
}

/// One table's part of a pass. In a dry run: what would have been done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableReport {
    pub table: TableName,
    pub dry_run: bool,
    pub skipped: Option<Skipped>,
    pub snapshots_expired: u64,
    pub files_deleted: u64,
    /// Nothing reaches them, but they are younger than the safety age.
    pub files_too_young: u64,
    /// Nothing reaches them, and they don't look like an Iceberg writer's: left alone.
    pub files_foreign: u64,
    pub delete_failures: u64,
    /// Whether the whole folder was gone through.
    pub swept: bool,
    pub error: Option<String>,
}

impl TableReport {
    pub(super) fn new(table: TableName, dry_run: bool) -> Self {
        Self {
            table,
            dry_run,
            skipped: None,
            snapshots_expired: 0,
            files_deleted: 0,
            files_too_young: 0,
            files_foreign: 0,
            delete_failures: 0,
            swept: false,
            error: None,
        }
    }

    pub(super) fn log(&self) {
        let quiet = self.snapshots_expired == 0 && self.files_deleted == 0;
        if quiet && self.delete_failures == 0 {
            tracing::debug!(table = %self.table, skipped = ?self.skipped, "nothing to keep up");
            return;
        }
        tracing::info!(
            table = %self.table,
            dry_run = self.dry_run,
            snapshots_expired = self.snapshots_expired,
            files_deleted = self.files_deleted,
            files_too_young = self.files_too_young,
            files_foreign = self.files_foreign,
            delete_failures = self.delete_failures,
            "kept up"
        );
    }
}

/// Counters of a process, over all passes that changed something for real.
#[derive(Debug, Default)]
pub struct Totals {
    snapshots_expired: AtomicU64,
    files_deleted: AtomicU64,
    failures: AtomicU64,
    passes: AtomicU64,
    current: Mutex<Option<Current>>,
}

/// How far a pass is with one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    pub table: TableName,
    /// When it began with the table, by the clock's `elapsed`.
    pub since: Duration,
    /// Files of the table's folder that were gone through.
    pub files_listed: u64,
    pub files_deleted: u64,
}

impl Totals {
    /// What is being kept up now, if anything is.
    pub fn current(&self) -> Option<Current> {
        self.lock().clone()
    }

    pub(super) fn begin(&self, table: &TableName, since: Duration) {
        *self.lock() = Some(Current {
            table: table.clone(),
            since,
            files_listed: 0,
            files_deleted: 0,
        });
    }

    pub(super) fn end(&self) {
        *self.lock() = None;
    }

    pub(super) fn listed_one(&self) {
        if let Some(current) = self.lock().as_mut() {
            current.files_listed += 1;
        }
    }

    pub(super) fn deleted_one(&self) {
        if let Some(current) = self.lock().as_mut() {
            current.files_deleted += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().expect("no holder of this lock panics")
    }

    pub fn snapshots_expired(&self) -> u64 {
        self.snapshots_expired.load(Ordering::Relaxed)
    }

    pub fn files_deleted(&self) -> u64 {
        self.files_deleted.load(Ordering::Relaxed)
    }

    /// Tables' passes that failed, and files that could not be deleted.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Tables gone through.
    pub fn passes(&self) -> u64 {
        self.passes.load(Ordering::Relaxed)
    }

    pub(super) fn expired(&self, snapshots: u64) {
        self.snapshots_expired
            .fetch_add(snapshots, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add(&self, report: &TableReport) {
        self.passes.fetch_add(1, Ordering::Relaxed);
        if !report.dry_run {
            let add = |total: &AtomicU64, by| total.fetch_add(by, Ordering::Relaxed);
            add(&self.snapshots_expired, report.snapshots_expired);
            add(&self.files_deleted, report.files_deleted);
            add(&self.failures, report.delete_failures);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_table_is_can_be_seen_while_it_is_kept_up() {
        let totals = Totals::default();
        assert_eq!(totals.current(), None);
        totals.listed_one();
        let table: TableName = "shop.events".parse().unwrap();
        totals.begin(&table, Duration::from_secs(5));
        totals.listed_one();
        totals.listed_one();
        totals.deleted_one();
        let current = totals.current().unwrap();
        assert_eq!((&current.table, current.since.as_secs()), (&table, 5));
        assert_eq!((current.files_listed, current.files_deleted), (2, 1));
        totals.end();
        assert_eq!(totals.current(), None);
    }
}
