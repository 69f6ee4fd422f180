//! A model's lease: one run at a time, among all processes.

use std::time::Duration;

use crate::domain::TableName;
use crate::lake::control::Lease;
use crate::lake::{Lake, Result};

/// A lease that is held; dropped without [`Held::release`], it runs out by itself.
#[derive(Debug)]
pub(super) struct Held {
    lake: Lake,
    lease: Lease,
    ttl: Duration,
}

fn name_of(model: &TableName) -> String {
    format!("model/{model}")
}

fn millis(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)
}

impl Held {
    /// None while another run has it. `holder` must be another one for each run, so that two runs
    /// of one process exclude each other too.
    pub async fn acquire(
        lake: &Lake,
        model: &TableName,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<Self>> {
        let lease = lake
            .control
            .acquire(&name_of(model), holder, millis(ttl))
            .await?;
        Ok(lease.map(|lease| Self {
            lake: lake.clone(),
            lease,
            ttl,
        }))
    }

    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Renews for as long as it is polled; comes back only when the lease is lost. While the
    /// control store is away it tries on: whether somebody took over is asked when publishing.
    pub async fn keep(&self) {
        loop {
            self.lake.clock.sleep(self.ttl / 3).await;
            match self.lake.control.renew(&self.lease, millis(self.ttl)).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(lease = self.lease.name, %error, "a lease could not be renewed");
                }
            }
        }
    }

    /// Gives it back. A failure only makes the next run wait until it runs out.
    pub async fn release(self) {
        if let Err(error) = self.lake.control.release(&self.lease).await {
            tracing::warn!(lease = self.lease.name, %error, "a lease could not be given back");
        }
    }
}
