//! What a stream's sink has done, as plain counters that others export.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Counters of one stream in this process; all start at 0 and only `lag_records` can fall.
#[derive(Debug, Default)]
pub struct SinkMetrics {
    records_read: AtomicU64,
    bytes_read: AtomicU64,
    rows_committed: AtomicU64,
    dead_letters_committed: AtomicU64,
    commits: AtomicU64,
    commit_micros: AtomicU64,
    commit_failures: AtomicU64,
    unknown_outcomes: AtomicU64,
    fenced: AtomicU64,
    batches_discarded: AtomicU64,
    records_lost: AtomicU64,
    lag_records: AtomicI64,
    partitions_at_risk: AtomicU64,
}

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        $($(#[$doc])* pub fn $name(&self) -> u64 { self.$name.load(Ordering::Relaxed) })*
    };
}

impl SinkMetrics {
    getters! {
        /// Records read, those read again after a discarded batch included.
        records_read,
        /// Payload and key bytes read.
        bytes_read,
        /// Rows made visible in the event table.
        rows_committed,
        /// Rows made visible in the dead letters.
        dead_letters_committed,
        commits,
        /// Attempts at a commit of which it is known that nothing took place.
        commit_failures,
        /// Attempts whose outcome had to be looked up in the ledger (I5).
        unknown_outcomes,
        /// Batches dropped because another writer had moved the ledger (I3).
        fenced,
        /// Batches dropped and read again, for whatever reason.
        batches_discarded,
        /// Offsets that the source no longer had, committed as named lost ranges (I6).
        records_lost,
        /// Partitions about to lose unread records to retention.
        partitions_at_risk,
    }

    /// Time spent in commits that took place, files included.
    pub fn commit_seconds(&self) -> f64 {
        Duration::from_micros(self.commit_micros.load(Ordering::Relaxed)).as_secs_f64()
    }

    /// Offsets between the committed positions and the ends of the partitions held, as last seen.
    pub fn lag_records(&self) -> i64 {
        self.lag_records.load(Ordering::Relaxed)
    }

    pub(crate) fn add_read(&self, records: u64, bytes: u64) {
        self.records_read.fetch_add(records, Ordering::Relaxed);
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add_commit(&self, rows: u64, dead_letters: u64, took: Duration) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.rows_committed.fetch_add(rows, Ordering::Relaxed);
        self.dead_letters_committed
            .fetch_add(dead_letters, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.commit_micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn add_commit_failure(&self) {
        self.commit_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_unknown_outcome(&self) {
        self.unknown_outcomes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_fenced(&self) {
        self.fenced.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_discarded(&self) {
        self.batches_discarded.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_lost(&self, offsets: u64) {
        self.records_lost.fetch_add(offsets, Ordering::Relaxed);
    }

    pub(crate) fn set_lag(&self, lag_records: i64, partitions_at_risk: u64) {
        self.lag_records.store(lag_records, Ordering::Relaxed);
        self.partitions_at_risk
            .store(partitions_at_risk, Ordering::Relaxed);
    }
}
