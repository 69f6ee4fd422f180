//! The embedded log as the producer's outlet.

use async_trait::async_trait;

use super::outlet::{Batch, Outlet};
use crate::sink::source::embedded::{EmbeddedLog, Topic};

/// Appends of one batch are one transaction.
#[derive(Debug)]
pub(super) struct EmbeddedOutlet {
    log: EmbeddedLog,
    topic: Topic,
}

impl EmbeddedOutlet {
    /// Makes the topic when it isn't there.
    pub(super) async fn open(
        log: EmbeddedLog,
        topic: &str,
        partitions: i32,
    ) -> anyhow::Result<Self> {
        let topic = log.create_topic(topic, partitions).await?;
        Ok(Self { log, topic })
    }
}

#[async_trait]
impl Outlet for EmbeddedOutlet {
    async fn ends(&mut self) -> anyhow::Result<Vec<i64>> {
        let mut ends = Vec::new();
        for partition in 0..self.topic.partitions {
            ends.push(self.log.watermarks(&self.topic, partition).await?.high);
        }
        Ok(ends)
    }

    async fn append(&mut self, batch: &Batch) -> anyhow::Result<()> {
        self.log
            .append(&self.topic.name, &batch.new_records())
            .await?;
        Ok(())
    }
}
