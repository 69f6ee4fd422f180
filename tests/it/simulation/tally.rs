//! What went wrong on purpose, counted where it is done: an injection that is never carried out
//! proves nothing, and nothing else would show it.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Of one world.
#[derive(Debug, Default)]
pub struct Tally {
    /// Store calls that failed before they were carried out, and after.
    pub store_before: Count,
    pub store_after: Count,
    pub catalog_before: Count,
    /// Swaps that took place and whose reply was lost.
    pub lost_replies: Count,
    /// Swaps that took place after their caller was told that there is no reply.
    pub late_swaps: Count,
    /// Swaps that were refused as if another had been first.
    pub false_conflicts: Count,
    /// Calls refused because store or catalog was down as a whole.
    pub outages: Count,
    /// Calls of the source that failed, and troubles that it told of.
    pub source_errors: Count,
    pub source_troubles: Count,
    /// Partitions taken from a living member.
    pub revocations: Count,
    /// Members put out by the group.
    pub sessions_lost: Count,
    /// Times that the time of day was set.
    pub clock_jumps: Count,
    /// Transactions of SQL that took place, that didn't, and whose writer was not told.
    pub sql_done: Count,
    pub sql_refused: Count,
    pub sql_unknown: Count,
}
