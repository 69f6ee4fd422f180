//! A clock that only moves when told, for tests.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::Clock;

/// Stands still until [`Self::advance`]; a sleep advances it by its own length and returns, so
/// that a test with one task never waits.
#[derive(Debug)]
pub struct ManualClock {
    start_ms: i64,
    now_ms: AtomicI64,
}

impl ManualClock {
    /// Stands at this time, milliseconds since 1970 UTC.
    pub fn at(now_ms: i64) -> Self {
        Self {
            start_ms: now_ms,
            now_ms: AtomicI64::new(now_ms),
        }
    }

    pub fn advance(&self, duration: Duration) {
        let by_ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        self.now_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn elapsed(&self) -> Duration {
        let since_ms = self.now_ms() - self.start_ms;
        Duration::from_millis(u64::try_from(since_ms).unwrap_or(0))
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
        tokio::task::yield_now().await;
    }
}
