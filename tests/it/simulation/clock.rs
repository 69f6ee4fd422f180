//! The simulation's clock: tokio's, which is paused and jumps to whatever is due next.

use std::time::Duration;

use async_trait::async_trait;
use frazil::seams::Clock;
use tokio::time::Instant;

/// 2026-01-01T00:00:00Z.
const START_MS: i64 = 1_767_225_600_000;

#[derive(Debug)]
pub struct SimClock {
    started: Instant,
}

impl SimClock {
    /// Inside a runtime whose time is paused.
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now_ms(&self) -> i64 {
        START_MS + i64::try_from(self.elapsed().as_millis()).unwrap()
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
