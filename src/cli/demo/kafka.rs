//! Kafka as the producer's outlet: idempotent, in order, every record acknowledged.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::outlet::{Batch, Outlet};
use crate::sink::source::embedded::NewRecord;
use crate::sink::source::kafka::{KafkaProducer, create_topic};

/// How long Kafka may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct KafkaOutlet {
    brokers: String,
    settings: BTreeMap<String, String>,
    topic: String,
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
            brokers: brokers.to_owned(),
            settings: settings.clone(),
            topic: topic.to_owned(),
            producer: KafkaProducer::open(brokers, settings, topic)?,
        })
    }
}

#[async_trait]
impl Outlet for KafkaOutlet {
    async fn ends(&mut self) -> anyhow::Result<Vec<i64>> {
        let mut config = ClientConfig::new();
        config.extend(self.settings.clone());
        config.set("bootstrap.servers", &self.brokers);
        let topic = self.topic.clone();
        tokio::task::spawn_blocking(move || ends(&config, &topic)).await?
    }

    async fn append(&mut self, batch: &Batch) -> anyhow::Result<()> {
        let records: Vec<NewRecord<'_>> = batch
            .records
            .iter()
            .map(|record| NewRecord {
                partition: record.partition,
                timestamp_ms: record.timestamp_ms,
                key: Some(Cow::Borrowed(&batch.bytes[record.key.clone()])),
                payload: Some(Cow::Borrowed(&batch.bytes[record.payload.clone()])),
            })
            .collect();
        self.producer.append(&records).await?;
        Ok(())
    }
}

fn ends(config: &ClientConfig, topic: &str) -> anyhow::Result<Vec<i64>> {
    let consumer: BaseConsumer = config.create()?;
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let partitions = metadata
        .topics()
        .first()
        .map_or(0, |t| t.partitions().len());
    (0..partitions)
        .map(|partition| {
            let partition = i32::try_from(partition).expect("partitions are few");
            let (_, high) = consumer.fetch_watermarks(topic, partition, PATIENCE)?;
            Ok(high)
        })
        .collect()
}
