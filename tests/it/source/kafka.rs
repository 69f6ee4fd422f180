//! Apache Kafka as a source: the suite of all sources, and what only Kafka has.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use frazil::declare::stream::{Start, Stream};
use frazil::lake::ErrorKind;
use frazil::sink::source::embedded::NewRecord;
use frazil::sink::source::kafka::{KafkaProducer, KafkaSource, create_topic};
use frazil::sink::source::{Source, SourceEvent, Watermarks};
use iceberg::spec::{Schema, SortOrder, UnboundPartitionSpec};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::conformance::{self, Fixture, PARTITIONS, PATIENCE, fill, read_to, wait_assigned};
use crate::parts;

/// A topic of its own in the Kafka that all tests share.
struct Kafka {
    brokers: String,
    topic: String,
    producer: KafkaProducer,
    settings: BTreeMap<String, String>,
}

impl Kafka {
    async fn new() -> Self {
        let brokers = parts::kafka();
        let topic = format!("t_{}", uuid::Uuid::new_v4().simple());
        let none = BTreeMap::new();
        create_topic(&brokers, &none, &topic, PARTITIONS)
            .await
            .unwrap();
        // Once more: it is there, and stays.
        create_topic(&brokers, &none, &topic, 1).await.unwrap();
        Self {
            producer: KafkaProducer::open(&brokers, &none, &topic).unwrap(),
            settings: none,
            brokers,
            topic,
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    fn stream(&self, group: &str) -> Stream {
        Stream {
            name: "shop".into(),
            topic: self.topic.clone(),
            table: "shop.events".parse().unwrap(),
            dead_letters: "shop.dead_letters".parse().unwrap(),
            schema: Schema::builder().build().unwrap(),
            partition: UnboundPartitionSpec::builder().build(),
            sort_order: SortOrder::unsorted_order(),
            renames: BTreeMap::new(),
            commit_interval: Duration::from_secs(1),
            commit_bytes: 1,
            start: Start::Earliest,
            largest_record_bytes: 1 << 20,
            group_id: group.to_owned(),
            kafka: BTreeMap::new(),
            places: Default::default(),
        }
    }

    async fn member(&self, group: &str) -> KafkaSource {
        KafkaSource::open(&self.brokers, &self.settings, &self.stream(group))
            .await
            .unwrap()
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config().create().unwrap()
    }
}

#[async_trait]
impl Fixture for Kafka {
    async fn append(&self, records: &[NewRecord<'_>]) -> Vec<i64> {
        self.producer.append(records).await.unwrap()
    }

    async fn source(&self) -> Box<dyn Source> {
        let group = uuid::Uuid::new_v4().to_string();
        Box::new(self.member(&group).await)
    }

    async fn recreate(&self) {
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let deleted = self.admin().delete_topics(&[&self.topic], &options).await;
        deleted.unwrap()[0].clone().unwrap();
        create_topic(&self.brokers, &self.settings, &self.topic, PARTITIONS)
            .await
            .unwrap();
    }

    async fn expire(&self, partition: i32, below: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(below))
            .unwrap();
        // The client must live until the answer is there.
        let admin = self.admin();
        let deleted = admin.delete_records(&list, &AdminOptions::new());
        deleted.await.unwrap().elements()[0].error().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: run ./test"]
async fn keeps_the_promises_of_a_source() {
    conformance::all(Kafka::new).await;
}

/// Writes one transaction to partition 0; the producer stays for the next one.
async fn transaction(producer: &FutureProducer, topic: &str, texts: &[&str]) {
    producer.begin_transaction().unwrap();
    for text in texts {
        let record: FutureRecord<'_, (), str> = FutureRecord::to(topic).partition(0).payload(text);
        producer.send(record, PATIENCE).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: run ./test"]
async fn aborted_records_and_markers_are_passed_in_silence() {
    let kafka = Kafka::new().await;
    let producer: FutureProducer = kafka
        .config()
        .set("transactional.id", &kafka.topic)
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    let mut source = conformance::assigned(&kafka).await;
    source.seek(0, 0).await.unwrap();

    // Offsets 0-2 and an abort marker at 3, 4-5 and a commit marker at 6.
    transaction(&producer, &kafka.topic, &["a", "b", "c"]).await;
    producer.abort_transaction(PATIENCE).unwrap();
    transaction(&producer, &kafka.topic, &["d", "e"]).await;
    producer.commit_transaction(PATIENCE).unwrap();
    let found = read_to(source.as_mut(), 0, 7).await;
    assert_eq!(found, [(4, "d".to_owned()), (5, "e".to_owned())]);

    // While a transaction is open, the readable end stays before it.
    transaction(&producer, &kafka.topic, &["f", "g"]).await;
    let event = source.poll(Duration::from_secs(2)).await.unwrap();
    assert!(matches!(event, SourceEvent::Idle), "{event:?}");
    assert_eq!(
        source.watermarks(0).await.unwrap(),
        Watermarks { low: 0, high: 7 }
    );
    producer.abort_transaction(PATIENCE).unwrap();
    assert_eq!(read_to(source.as_mut(), 0, 10).await, []);
    assert_eq!(
        source.watermarks(0).await.unwrap(),
        Watermarks { low: 0, high: 10 }
    );

    // From the middle of what was aborted, and from behind it all.
    source.seek(0, 2).await.unwrap();
    assert_eq!(read_to(source.as_mut(), 0, 10).await.len(), 2);
    source.seek(0, 8).await.unwrap();
    assert_eq!(read_to(source.as_mut(), 0, 10).await, []);
    transaction(&producer, &kafka.topic, &["h"]).await;
    producer.commit_transaction(PATIENCE).unwrap();
    assert_eq!(
        read_to(source.as_mut(), 0, 12).await,
        [(10, "h".to_owned())]
    );
    source.close().await.unwrap();
}

/// Polls both until the predicate says that it is enough.
async fn until(
    members: &mut [KafkaSource],
    mut seen: impl AsyncFnMut(usize, &mut KafkaSource, SourceEvent) -> bool,
) {
    let started = Instant::now();
    loop {
        for (at, member) in members.iter_mut().enumerate() {
            let event = member.poll(Duration::from_millis(50)).await.unwrap();
            if seen(at, member, event).await {
                return;
            }
        }
        assert!(started.elapsed() < PATIENCE, "it did not happen");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: run ./test"]
async fn a_rebalance_waits_for_the_release_and_moves_no_more_than_it_must() {
    let kafka = Kafka::new().await;
    for partition in 0..PARTITIONS {
        fill(&kafka, partition, 0, 100).await;
    }
    let mut first = kafka.member("pair").await;
    wait_assigned(&mut first, PARTITIONS as usize).await;
    for partition in 0..PARTITIONS {
        first.seek(partition, 0).await.unwrap();
        assert_eq!(read_to(&mut first, partition, 100).await.len(), 100);
    }
    let second = kafka.member("pair").await;
    let mut members = [first, second];

    let mut revoked = Vec::new();
    until(&mut members, async |at, _, event| match event {
        SourceEvent::Revoked(partitions) => {
            assert_eq!(at, 0);
            revoked = partitions;
            true
        }
        SourceEvent::Assigned(partitions) => panic!("{partitions:?} before the release"),
        _ => false,
    })
    .await;
    assert!(
        !revoked.is_empty() && revoked.len() < PARTITIONS as usize,
        "{revoked:?}"
    );
    // A revoked one can't be read any more, and the other has not got it yet.
    members[0].seek(revoked[0], 0).await.unwrap();
    for member in &mut members {
        let event = member.poll(Duration::from_secs(1)).await.unwrap();
        assert!(matches!(event, SourceEvent::Idle), "{event:?}");
    }
    members[0].release(&revoked).await.unwrap();
    until(&mut members, async |at, member, event| match event {
        SourceEvent::Assigned(partitions) if !partitions.is_empty() => {
            assert_eq!((at, &partitions), (1, &revoked));
            member.seek(partitions[0], 50).await.unwrap();
            assert_eq!(read_to(member, partitions[0], 100).await.len(), 50);
            true
        }
        _ => false,
    })
    .await;

    // What stayed goes on where it stood, without a seek.
    for kept in (0..PARTITIONS).filter(|partition| !revoked.contains(partition)) {
        fill(&kafka, kept, 100, 50).await;
        let found = read_to(&mut members[0], kept, 150).await;
        assert_eq!((found.len(), found[0].0), (50, 100));
    }
    // One leaves: the other gets all of it.
    let [mut first, mut second] = members;
    second.close().await.unwrap();
    let mut members = [first];
    until(&mut members, async |_, _, event| {
        matches!(event, SourceEvent::Assigned(partitions) if partitions == revoked)
    })
    .await;
    [first] = members;
    first.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: run ./test"]
async fn a_revocation_without_an_answer_is_lost_in_bounded_time() {
    let kafka = Kafka::new().await;
    let kafka = kafka
        .with("max.poll.interval.ms", "6000")
        .with("session.timeout.ms", "6000");
    let mut first = kafka.member("slow").await;
    wait_assigned(&mut first, PARTITIONS as usize).await;
    let second = kafka.member("slow").await;
    let mut members = [first, second];
    let (mut revoked, mut lost, mut taken) = (Vec::new(), Vec::new(), Vec::new());
    // Both are polled in turn, so the other may hear of it first.
    until(&mut members, async |at, _, event| {
        match (at, event) {
            (0, SourceEvent::Revoked(partitions)) => revoked = partitions,
            (0, SourceEvent::Lost(partitions)) => lost = partitions,
            (1, SourceEvent::Assigned(partitions)) => taken = partitions,
            _ => {}
        }
        !lost.is_empty() && !taken.is_empty()
    })
    .await;
    assert_eq!((&lost, &taken), (&revoked, &revoked));
    // An answer that comes too late hurts nobody.
    members[0].release(&revoked).await.unwrap();
    for member in &mut members {
        let event = member.poll(Duration::from_millis(500)).await.unwrap();
        assert!(matches!(event, SourceEvent::Idle), "{event:?}");
        member.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: run ./test"]
async fn a_paused_consumer_that_nobody_polls_stays_in_its_group() {
    let kafka = Kafka::new().await;
    let kafka = kafka
        .with("max.poll.interval.ms", "6000")
        .with("session.timeout.ms", "6000");
    fill(&kafka, 0, 0, 2_000).await;
    let mut source = conformance::assigned(&kafka).await;
    source.seek(0, 0).await.unwrap();
    let first = conformance::poll_chunk(source.as_mut()).await;
    source.pause(&[0, 1, 2]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(9)).await;
    let event = source.poll(Duration::from_secs(1)).await.unwrap();
    assert!(matches!(event, SourceEvent::Idle), "{event:?}");
    source.resume(&[0, 1, 2]).await.unwrap();
    let mut next = first.next_offset;
    while next < 2_000 {
        let chunk = conformance::poll_chunk(source.as_mut()).await;
        assert_eq!(chunk.records[0].offset, next);
        next = chunk.next_offset;
    }
    source.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: run ./test"]
async fn published_offsets_are_the_groups() {
    let kafka = Kafka::new().await;
    fill(&kafka, 1, 0, 10).await;
    let mut source = kafka.member("lag").await;
    wait_assigned(&mut source, PARTITIONS as usize).await;
    source.publish(&[(1, 7)]).await.unwrap();
    let tool: BaseConsumer = kafka.config().set("group.id", "lag").create().unwrap();
    let mut asked = TopicPartitionList::new();
    asked.add_partition(&kafka.topic, 1);
    let started = Instant::now();
    loop {
        let found = tool.committed_offsets(asked.clone(), PATIENCE).unwrap();
        if found.elements()[0].offset() == Offset::Offset(7) {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{found:?}");
        let event = source.poll(Duration::from_millis(100)).await.unwrap();
        assert!(matches!(event, SourceEvent::Idle), "{event:?}");
    }
    source.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: run ./test"]
async fn what_can_not_be_is_said() {
    let kafka = Kafka::new().await;
    let mut stream = kafka.stream("g");
    stream.topic = format!("{}_missing", kafka.topic);
    let none = BTreeMap::new();
    let error = KafkaSource::open(&kafka.brokers, &none, &stream)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains(&stream.topic), "{error}");

    let mut stream = kafka.stream("g");
    stream
        .kafka
        .insert("isolation.level".into(), "read_uncommitted".into());
    let error = KafkaSource::open(&kafka.brokers, &none, &stream)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.to_string().contains("isolation.level"), "{error}");

    // Nobody listens there.
    let stream = kafka.stream("g");
    let error = KafkaSource::open("127.0.0.1:1", &none, &stream)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");

    let mut source = kafka.member("g").await;
    assert!(source.seek(0, -1).await.is_err());
    source.close().await.unwrap();
    assert!(source.seek(0, 0).await.is_err());
    assert!(source.poll(Duration::from_millis(10)).await.is_err());
}
