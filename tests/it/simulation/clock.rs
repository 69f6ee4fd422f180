//! The simulation's clock: tokio's, which is paused and jumps to whatever is due next. The time of
//! day may be set, forwards and back; what has passed since the start goes on.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use frazil::seams::Clock;
use tokio::time::Instant;

/// 2026-01-01T00:00:00Z.
const START_MS: i64 = 1_767_225_600_000;

#[derive(Debug)]
pub struct SimClock {
    started: Instant,
    /// By how much it was set.
    set_by_ms: AtomicI64,
}

impl SimClock {
    /// Inside a runtime whose time is paused.
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
            set_by_ms: AtomicI64::new(0),
        }
    }

    /// Sets the time of day so much off from what it would be.
    pub fn set_by(&self, offset_ms: i64) {
        self.set_by_ms.store(offset_ms, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now_ms(&self) -> i64 {
        let passed_ms = i64::try_from(self.elapsed().as_millis()).unwrap();
        START_MS + passed_ms + self.set_by_ms.load(Ordering::Relaxed)
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
