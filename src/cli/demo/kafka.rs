//! Kafka as the producer's outlet: idempotent, in order, every record acknowledged.

use std::collections::BTreeMap;

use anyhow::Context;
use async_trait::async_trait;

use super::outlet::{Batch, Outlet};
use crate::sink::source::kafka::{KafkaProducer, create_topic};

pub(super) struct KafkaOutlet {
    producer: KafkaProducer,
}

impl KafkaOutlet {
    /// Makes the topic when it isn't there; one that is there keeps its partitions.
    pub(super) async fn open(
        brokers: &str,
        settings: &BTreeMap<String, String>,
        topic: &str,
        partitions: i32,
    ) -> anyhow::Result<Self> {
        create_topic(brokers, settings, topic, partitions)
            .await
            .context("is Kafka running there?")?;
        Ok(Self {
            producer: KafkaProducer::open(brokers, settings, topic)?,
        })
    }
}

#[async_trait]
impl Outlet for KafkaOutlet {
    async fn ends(&mut self) -> anyhow::Result<Vec<i64>> {
        Ok(self.producer.ends().await?)
    }

    async fn append(&mut self, batch: &Batch) -> anyhow::Result<()> {
        self.producer.append(&batch.new_records()).await?;
        Ok(())
    }
}
