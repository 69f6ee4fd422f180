//! A producer for the demo: idempotent, in order for each partition, bounded in memory.
//! The sink never produces.

use std::collections::BTreeMap;
use std::fmt;

use futures::future::try_join_all;
use rdkafka::error::KafkaError;
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::util::Timeout;

use super::config;
use crate::lake::{Error, Result};
use crate::sink::source::embedded::NewRecord;

/// What waits to be sent, at most.
const QUEUE_KIB: &str = "32768";
/// For one question about the topic.
const ENDS_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(20);
/// While the queue is full.
const FULL_PAUSE: std::time::Duration = std::time::Duration::from_millis(5);

/// Writes records to one topic.
#[derive(Clone)]
pub struct KafkaProducer {
    producer: FutureProducer,
    brokers: String,
    topic: String,
}

impl fmt::Debug for KafkaProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaProducer")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

impl KafkaProducer {
    /// Connects when it first sends. `settings` are librdkafka's.
    pub fn open(brokers: &str, settings: &BTreeMap<String, String>, topic: &str) -> Result<Self> {
        let mut config = config::client(brokers, settings)?;
        config
            .set("enable.idempotence", "true")
            .set("queue.buffering.max.kbytes", QUEUE_KIB)
            .set("linger.ms", "20")
            .set("compression.type", "zstd")
            .set("message.timeout.ms", "60000");
        let producer = config
            .create()
            .map_err(|error| Error::invalid(format!("Kafka at {brokers}: no producer: {error}")))?;
        Ok(Self {
            producer,
            brokers: brokers.to_owned(),
            topic: topic.to_owned(),
        })
    }

    /// Writes all records and waits until the broker has them; gives their offsets in the same
    /// order. On an error some of them may have been written, and retrying writes them twice.
    pub async fn append(&self, records: &[NewRecord<'_>]) -> Result<Vec<i64>> {
        let mut sent = Vec::with_capacity(records.len());
        for record in records {
            sent.push(self.enqueue(record).await?);
        }
        let delivered = sent.into_iter().map(|delivery| async move {
            match delivery.await {
                Ok(Ok(delivery)) => Ok(delivery.offset),
                Ok(Err((error, _))) => Err(self.failed(&error)),
                Err(_) => Err(self.failed(&KafkaError::Canceled)),
            }
        });
        try_join_all(delivered).await
    }

    /// Waits while librdkafka's queue is full: that is the bound.
    async fn enqueue(&self, record: &NewRecord<'_>) -> Result<DeliveryFuture> {
        loop {
            let mut message: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(&self.topic)
                .partition(record.partition)
                .timestamp(record.timestamp_ms);
            message.key = record.key.as_deref();
            message.payload = record.payload.as_deref();
            match self.producer.send_result(message) {
                Ok(delivery) => return Ok(delivery),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    tokio::time::sleep(FULL_PAUSE).await;
                }
                Err((error, _)) => return Err(self.failed(&error)),
            }
        }
    }

    fn failed(&self, error: &KafkaError) -> Error {
        Error::unavailable(format!(
            "Kafka at {}: a record can't be written to {}: {error}",
            self.brokers, self.topic
        ))
    }

    /// Where each partition of the topic ends now.
    pub async fn ends(&self) -> Result<Vec<i64>> {
        let (producer, topic) = (self.producer.clone(), self.topic.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let client = producer.client();
            let metadata = client.fetch_metadata(Some(&topic), ENDS_TIMEOUT)?;
            let found = metadata.topics().first();
            let partitions = found.map_or(&[][..], |topic| topic.partitions());
            let mut ends: Vec<(i32, i64)> = Vec::new();
            for partition in partitions {
                let id = partition.id();
                ends.push((id, client.fetch_watermarks(&topic, id, ENDS_TIMEOUT)?.1));
            }
            ends.sort_unstable();
            Ok(ends.into_iter().map(|(_, end)| end).collect())
        });
        match asked.await {
            Ok(Ok(ends)) => Ok(ends),
            Ok(Err(error)) => Err(Error::unavailable(format!(
                "Kafka at {}: the ends of {} are not known: {error}",
                self.brokers,
                self.topic,
                error = KafkaError::to_string(&error)
            ))),
            Err(error) => Err(super::panicked(&error)),
        }
    }

    /// Waits until everything is sent.
    pub async fn close(self) -> Result<()> {
        let producer = self.producer.clone();
        let flushed = tokio::task::spawn_blocking(move || {
            producer.flush(Timeout::After(std::time::Duration::from_secs(30)))
        });
        match flushed.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(error) => Err(super::panicked(&error)),
        }
    }
}
