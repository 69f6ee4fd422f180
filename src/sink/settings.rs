//! What a sink may use and how long it waits. Plain values: the configuration fills them in.

use std::time::Duration;

use crate::seams::Entropy;

/// Bounds of one stream's sink (I7).
#[derive(Clone, Debug)]
pub struct SinkSettings {
    /// Names this process in the stream's status.
    pub holder: String,
    /// Bytes of rows held in memory, of the batch being filled and of the one being committed
    /// together; reading pauses when they are reached.
    pub memory_bytes: usize,
    /// Longest wait for the source in one poll.
    pub poll_wait: Duration,
    /// One attempt at a commit, files included; what takes longer is an unknown outcome.
    pub commit_timeout: Duration,
    /// A commit that takes longer is said to be slow.
    pub slow_commit: Duration,
    /// What is left to flush when partitions are revoked; stay below the source's own time-out.
    pub revoke_timeout: Duration,
    /// What is left to flush at shutdown.
    pub shutdown_timeout: Duration,
    /// A batch older than this is dropped and read again: half the safety age of upkeep, which
    /// may remove its files as orphans (I9).
    pub oldest_batch: Duration,
    /// Pauses after failures double from the first to the longest.
    pub retry_first: Duration,
    pub retry_longest: Duration,
    /// A stopped stream looks this often whether someone has put things right.
    pub stopped_retry: Duration,
    /// Watermarks are asked and the status is published this often.
    pub status_interval: Duration,
    /// A position that moved over control records only is committed at most this often.
    pub idle_advance: Duration,
}

impl Default for SinkSettings {
    fn default() -> Self {
        Self {
            holder: "frazil".to_owned(),
            memory_bytes: 128 << 20,
            poll_wait: Duration::from_millis(500),
            commit_timeout: Duration::from_secs(300),
            slow_commit: Duration::from_secs(20),
            revoke_timeout: Duration::from_secs(20),
            shutdown_timeout: Duration::from_secs(30),
            oldest_batch: Duration::from_secs(36 * 3600),
            retry_first: Duration::from_millis(100),
            retry_longest: Duration::from_secs(15),
            stopped_retry: Duration::from_secs(30),
            status_interval: Duration::from_secs(5),
            idle_advance: Duration::from_secs(60),
        }
    }
}

impl SinkSettings {
    /// The pause after this many failures in a row (1 or more): doubled each time, at most
    /// `retry_longest`, of which a random half is left off so that processes spread.
    pub(crate) fn pause(&self, failures: u32, entropy: &dyn Entropy) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let full = self
            .retry_first
            .saturating_mul(1 << doublings)
            .min(self.retry_longest);
        let thousandths = u32::try_from(entropy.next_u64() % 501).unwrap_or(0);
        full.saturating_mul(500 + thousandths) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::SeededEntropy;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let settings = SinkSettings::default();
        let entropy = SeededEntropy::new(1);
        for failures in 1..200 {
            let pause = settings.pause(failures, &entropy);
            assert!(pause >= settings.retry_first / 2);
            assert!(pause <= settings.retry_longest);
        }
        assert!(settings.pause(100, &entropy) >= settings.retry_longest / 2);
    }
}
