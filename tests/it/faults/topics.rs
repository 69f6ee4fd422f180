//! Topics of the tests' own, and what is done to them.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

pub const PATIENCE: Duration = Duration::from_secs(180);

/// One topic on one cluster.
#[derive(Clone, Debug)]
pub struct Topic {
    pub brokers: String,
    pub name: String,
    pub partitions: i32,
}

impl Topic {
    pub async fn make(brokers: &str, partitions: i32) -> Self {
        let topic = Self::named(brokers, partitions);
        topic.create().await;
        topic
    }

    /// Not made yet.
    pub fn named(brokers: &str, partitions: i32) -> Self {
        Self {
            brokers: brokers.to_owned(),
            name: format!("t_{}", uuid::Uuid::new_v4().simple()),
            partitions,
        }
    }

    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config().create().expect("an admin client")
    }

    pub async fn create(&self) {
        self.create_with(&[("retention.ms", "-1")]).await;
    }

    /// With these settings.
    pub async fn create_with(&self, settings: &[(&str, &str)]) {
        let new = NewTopic::new(&self.name, self.partitions, TopicReplication::Fixed(1))
            .set("max.message.bytes", "16777216");
        let set = settings.iter();
        let new = set.fold(new, |new, (name, value)| new.set(name, value));
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let made = self.admin().create_topics(&[new], &options).await;
        made.expect("Kafka answers")[0]
            .as_ref()
            .expect("the topic is made");
    }

    pub async fn delete(&self) {
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let deleted = self.admin().delete_topics(&[&self.name], &options).await;
        deleted.expect("Kafka answers")[0]
            .as_ref()
            .expect("the topic is deleted");
    }

    /// More partitions, up to this many.
    pub async fn grow(&mut self, partitions: i32) {
        let count = usize::try_from(partitions).expect("a count");
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let wanted = NewPartitions::new(&self.name, count);
        let made = self.admin().create_partitions([&wanted], &options).await;
        made.expect("Kafka answers")[0]
            .as_ref()
            .expect("the partitions are made");
        self.partitions = partitions;
    }

    /// What the group has committed of each partition, as lag tools see it; None for nothing.
    pub fn group_offsets(&self, group: &str) -> Vec<Option<i64>> {
        let tool: BaseConsumer = self
            .config()
            .set("group.id", group)
            .create()
            .expect("a consumer");
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(&self.name, 0, self.partitions - 1);
        let found = tool.committed_offsets(asked, PATIENCE).expect("offsets");
        let offset =
            |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element
                .offset()
            {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
        found.elements().iter().map(offset).collect()
    }

    /// What retention does: records of the partition below this offset go.
    pub async fn expire(&self, partition: i32, below: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, partition, Offset::Offset(below))
            .expect("an offset");
        // The client must live until the answer is there.
        let admin = self.admin();
        let expired = admin.delete_records(&list, &AdminOptions::new()).await;
        let expired = expired.expect("Kafka answers");
        expired.elements()[0].error().expect("records go");
    }

    /// A producer whose acknowledged records are there once.
    pub fn producer(&self) -> ThreadedProducer<DefaultProducerContext> {
        self.config()
            .set("enable.idempotence", "true")
            .set("message.max.bytes", "16777216")
            .set("reconnect.backoff.max.ms", "500")
            .create()
            .expect("a producer")
    }

    /// Records `{"n":…}` to one partition, acknowledged.
    pub fn produce(&self, partition: i32, numbers: std::ops::Range<i64>) {
        let producer = self.producer();
        for n in numbers {
            send(&producer, self, partition, event(n).as_bytes());
        }
        producer.flush(PATIENCE).expect("all delivered");
    }

    /// Records `{"n":…}` to one partition, of this time.
    pub fn produce_at(&self, partition: i32, numbers: std::ops::Range<i64>, timestamp_ms: i64) {
        let producer = self.producer();
        for n in numbers {
            let payload = event(n);
            let record = BaseRecord::<(), str>::to(&self.name)
                .partition(partition)
                .timestamp(timestamp_ms)
                .payload(payload.as_str());
            assert!(producer.send(record).is_ok(), "a short queue");
        }
        producer.flush(PATIENCE).expect("all delivered");
    }

    /// Low and high of each partition.
    pub fn ends(&self) -> Vec<(i64, i64)> {
        let consumer: BaseConsumer = self.config().create().expect("a consumer");
        let ends = (0..self.partitions).map(|partition| {
            consumer
                .fetch_watermarks(&self.name, partition, PATIENCE)
                .expect("watermarks")
        });
        ends.collect()
    }
}

/// What the tests' stream declares.
pub fn event(n: i64) -> String {
    format!(r#"{{"n":{n},"text":"number {n}"}}"#)
}

/// Waits while the producer's queue is full.
pub fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &Topic,
    partition: i32,
    payload: &[u8],
) {
    let mut record = BaseRecord::<(), [u8]>::to(&topic.name)
        .partition(partition)
        .payload(payload);
    while let Err((error, returned)) = producer.send(record) {
        assert!(error.to_string().contains("QueueFull"), "{error}");
        std::thread::sleep(Duration::from_millis(10));
        record = returned;
    }
}
