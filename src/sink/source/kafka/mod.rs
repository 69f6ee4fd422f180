//! Apache Kafka as a [`Source`]: one consumer of one topic in a group.
//!
//! The group protocol is the cooperative one: partitions that stay are not taken away and given
//! back (librdkafka only holds them up until the revocation is answered). A revocation is answered
//! when the pipeline has flushed, or after half of `max.poll.interval.ms` by force.
//! Each partition has its own queue, so that pausing is not reading: nothing fetched is thrown
//! away, and polling for the group goes on.

mod admin;
mod answers;
mod config;
mod context;
mod outbox;
mod partition;
mod producer;
mod raw;
mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::Instant;

use self::answers::{identity, not_described, offset_at, retention};
use self::context::Context;
use self::outbox::{Item, Outbox, Signal};
use self::raw::Consumer;
use self::reader::{Command, Reader};
use super::{LastRecord, Retention, Source, SourceEvent, SourceIdentity, Watermarks};
use crate::declare::stream::Stream;
use crate::lake::{Error, ErrorKind, Result};

pub use admin::create_topic;
pub use config::wrong_settings;
pub use producer::KafkaProducer;

/// For one question to the cluster.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);
/// For the consumer to leave its group.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(15);

/// A consumer of one topic of Apache Kafka.
#[derive(Debug)]
pub struct KafkaSource {
    topic: String,
    brokers: String,
    /// None once closed.
    running: Option<Running>,
    outbox: Arc<Outbox>,
    signal: Arc<Signal>,
    /// Partitions and the generation of their last seek; only chunks of it are delivered.
    generations: BTreeMap<i32, u64>,
    last_generation: u64,
    paused: BTreeSet<i32>,
}

struct Running {
    // Dropped first: the thread ends when nobody can command it any more.
    commands: Sender<Command>,
    consumer: Arc<Consumer>,
    thread: JoinHandle<()>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

impl KafkaSource {
    /// Joins the stream's group. `settings` are librdkafka's, of all streams; the stream's own
    /// come on top. `Invalid` for a setting that guards an invariant, `NotFound` when there is no
    /// such topic, `Unavailable` when no broker answers.
    pub async fn open(
        brokers: &str,
        settings: &BTreeMap<String, String>,
        stream: &Stream,
    ) -> Result<Self> {
        let mut settings = settings.clone();
        settings.extend(stream.kafka.clone());
        let topic = stream.topic.clone();
        let (owned_brokers, group) = (brokers.to_owned(), stream.group_id.clone());
        let opened = tokio::task::spawn_blocking(move || {
            connect(&owned_brokers, &settings, &topic, &group).map(|parts| (parts, topic))
        });
        let ((running, outbox, signal), topic) =
            opened.await.map_err(|error| panicked(&error))??;
        Ok(Self {
            topic,
            brokers: brokers.to_owned(),
            running: Some(running),
            outbox,
            signal,
            generations: BTreeMap::new(),
            last_generation: 0,
            paused: BTreeSet::new(),
        })
    }

    fn running(&self) -> Result<&Running> {
        self.running
            .as_ref()
            .ok_or_else(|| Error::invalid(format!("the consumer of {} is closed", self.topic)))
    }

    fn command(&self, command: Command) -> Result<()> {
        let sent = self.running()?.commands.send(command);
        sent.map_err(|_| {
            let what = "the thread that reads it has ended";
            Error::new(ErrorKind::Internal, format!("topic {}: {what}", self.topic))
        })?;
        self.signal.raise();
        Ok(())
    }

    /// Runs a call that blocks, beside the async side.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Arc<Consumer>, &str) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let consumer = Arc::clone(&self.running()?.consumer);
        let topic = self.topic.clone();
        let asked = tokio::task::spawn_blocking(move || question(&consumer, &topic));
        asked.await.map_err(|error| panicked(&error))?
    }

    fn unavailable(&self, error: &KafkaError, what: &str) -> Error {
        let text = partition::describe(error);
        Error::unavailable(format!(
            "Kafka at {}, topic {}: {what}: {text}",
            self.brokers, self.topic
        ))
    }

    /// The next event that may be delivered. Chunks of an earlier seek are dropped here: this is
    /// where "read before, never delivered after" is kept.
    fn next_event(&mut self) -> Option<Result<SourceEvent>> {
        loop {
            let paused = &self.paused;
            let item = self.outbox.pop(|item| match item {
                Item::Chunk { chunk, .. } => !paused.contains(&chunk.partition),
                _ => true,
            })?;
            if matches!(item, Item::Chunk { .. }) {
                // There may be room again.
                self.signal.raise();
            }
            if let Some(event) = self.event(item) {
                return Some(event);
            }
        }
    }

    fn event(&mut self, item: Item) -> Option<Result<SourceEvent>> {
        Some(Ok(match item {
            Item::Assigned(partitions) => {
                self.forget(&partitions);
                SourceEvent::Assigned(partitions)
            }
            Item::Revoked(partitions) => {
                self.forget(&partitions);
                SourceEvent::Revoked(partitions)
            }
            Item::Lost(partitions) => {
                self.forget(&partitions);
                SourceEvent::Lost(partitions)
            }
            Item::Chunk { generation, chunk } => {
                if self.generations.get(&chunk.partition) != Some(&generation) {
                    return None;
                }
                SourceEvent::Records(chunk)
            }
            Item::OutOfRange {
                generation,
                partition,
                wanted,
            } => {
                if self.generations.get(&partition) != Some(&generation) {
                    return None;
                }
                SourceEvent::OutOfRange { partition, wanted }
            }
            Item::Trouble(text) => {
                SourceEvent::Trouble(format!("Kafka at {}: {text}", self.brokers))
            }
            Item::Fatal(text) => {
                return Some(Err(Error::new(
                    ErrorKind::Internal,
                    format!(
                        "Kafka at {}, topic {}: the consumer can't go on: {text}",
                        self.brokers, self.topic
                    ),
                )));
            }
        }))
    }

    fn move_to(&mut self, partition: i32, offset: i64, last: Option<LastRecord>) -> Result<()> {
        if offset < 0 {
            return Err(Error::invalid(format!(
                "topic {}: partition {partition} can't be read from offset {offset}",
                self.topic
            )));
        }
        self.last_generation += 1;
        let generation = self.last_generation;
        self.generations.insert(partition, generation);
        self.command(Command::Seek {
            partition,
            offset,
            last,
            generation,
        })
    }

    /// A new assignment begins unpaused and unsought.
    fn forget(&mut self, partitions: &[i32]) {
        for partition in partitions {
            self.generations.remove(partition);
            self.paused.remove(partition);
        }
    }
}

type Parts = (Running, Arc<Outbox>, Arc<Signal>);

fn connect(
    brokers: &str,
    settings: &BTreeMap<String, String>,
    topic: &str,
    group: &str,
) -> Result<Parts> {
    if topic.starts_with('^') {
        return Err(Error::invalid(format!(
            "topic {topic}: a stream reads one topic, not a pattern"
        )));
    }
    let failed = |error: KafkaError| {
        let text = partition::describe(&error);
        Error::invalid(format!("Kafka at {brokers}, topic {topic}: {text}"))
    };
    let context = || Context {
        topic: topic.to_owned(),
    };
    // The number of partitions is a share in the settings, so it is asked first.
    let config = config::client(brokers, settings)?;
    let asker = Consumer::from_config_and_context(&config, context()).map_err(failed)?;
    let asker = Arc::new(asker);
    let found = raw::describe(&asker, topic, ASK_TIMEOUT).map_err(|mut error| {
        if let Some(complaint) = raw::complaint(&asker) {
            error.text = format!("{}: {complaint}", error.text);
        }
        not_described(brokers, topic, &error)
    })?;
    let config = config::consumer(brokers, settings, group, found.partitions)?;
    let release_within = config
        .get("max.poll.interval.ms")
        .and_then(|text| text.parse().ok())
        .map_or(Duration::from_secs(60), Duration::from_millis)
        / 2;
    let consumer = Consumer::from_config_and_context(&config, context()).map_err(failed)?;
    let consumer = Arc::new(consumer);
    let (commands, receiver) = channel();
    let (outbox, signal) = (Arc::new(Outbox::default()), Arc::new(Signal::default()));
    let reader = Reader::new(
        Arc::clone(&consumer),
        topic,
        release_within,
        receiver,
        Arc::clone(&outbox),
        Arc::clone(&signal),
    )
    .ok_or_else(|| Error::new(ErrorKind::Internal, "librdkafka gave no queue of the group"))?;
    consumer.subscribe(&[topic]).map_err(failed)?;
    let thread = std::thread::Builder::new()
        .name(format!("kafka {topic}"))
        .spawn(move || reader.run())
        .map_err(|error| {
            let message = format!("no thread to read topic {topic}: {error}");
            Error::unavailable(message).with_source(error)
        })?;
    let running = Running {
        commands,
        consumer,
        thread,
    };
    Ok((running, outbox, signal))
}

fn panicked(error: &tokio::task::JoinError) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("a call of librdkafka did not end as it should: {error}"),
    )
}

#[async_trait]
impl Source for KafkaSource {
    async fn identity(&mut self) -> Result<SourceIdentity> {
        let brokers = self.brokers.clone();
        self.ask(move |consumer, topic| identity(&brokers, topic, consumer))
            .await
    }

    async fn poll(&mut self, wait: Duration) -> Result<SourceEvent> {
        let deadline = Instant::now() + wait;
        let outbox = Arc::clone(&self.outbox);
        loop {
            // Made before looking, so that an item that comes while looking is not slept over.
            let ready = outbox.ready.notified();
            if let Some(event) = self.next_event() {
                return event;
            }
            if self.running()?.thread.is_finished() {
                return Err(Error::new(
                    ErrorKind::Internal,
                    format!("the thread that reads topic {} has ended", self.topic),
                ));
            }
            if tokio::time::timeout_at(deadline, ready).await.is_err() {
                return Ok(SourceEvent::Idle);
            }
        }
    }

    async fn seek(&mut self, partition: i32, offset: i64) -> Result<()> {
        self.move_to(partition, offset, None)
    }

    async fn seek_after(&mut self, partition: i32, offset: i64, last: LastRecord) -> Result<()> {
        self.move_to(partition, offset, Some(last))
    }

    async fn pause(&mut self, partitions: &[i32]) -> Result<()> {
        self.paused.extend(partitions);
        self.command(Command::Pause(partitions.to_vec()))
    }

    async fn resume(&mut self, partitions: &[i32]) -> Result<()> {
        for partition in partitions {
            self.paused.remove(partition);
        }
        self.command(Command::Resume(partitions.to_vec()))
    }

    async fn release(&mut self, partitions: &[i32]) -> Result<()> {
        self.command(Command::Release(partitions.to_vec()))
    }

    async fn watermarks(&mut self, partition: i32) -> Result<Watermarks> {
        let brokers = self.brokers.clone();
        self.ask(move |consumer, topic| {
            let found = consumer.fetch_watermarks(topic, partition, ASK_TIMEOUT);
            let (low, high) = found.map_err(|error| {
                let text = partition::describe(&error);
                Error::unavailable(format!(
                    "Kafka at {brokers}: no watermarks of {topic}[{partition}]: {text}"
                ))
            })?;
            Ok(Watermarks { low, high })
        })
        .await
    }

    async fn offset_at(&mut self, partition: i32, timestamp_ms: i64) -> Result<i64> {
        let brokers = self.brokers.clone();
        let found = self
            .ask(move |consumer, topic| {
                offset_at(consumer, topic, partition, timestamp_ms).map_err(|error| {
                    let text = partition::describe(&error);
                    Error::unavailable(format!(
                        "Kafka at {brokers}: no offset by time of {topic}[{partition}]: {text}"
                    ))
                })
            })
            .await?;
        match found {
            Some(offset) => Ok(offset),
            None => Ok(self.watermarks(partition).await?.high),
        }
    }

    async fn retention(&mut self) -> Result<Retention> {
        let brokers = self.brokers.clone();
        let settings = self
            .ask(move |consumer, topic| {
                raw::topic_settings(consumer, topic, ASK_TIMEOUT).map_err(|error| {
                    Error::unavailable(format!(
                        "Kafka at {brokers}: the settings of topic {topic} can't be read: {} ({:?})",
                        error.text, error.code
                    ))
                })
            })
            .await?;
        Ok(retention(&settings))
    }

    async fn publish(&mut self, next_offsets: &[(i32, i64)]) -> Result<()> {
        let mut list = TopicPartitionList::with_capacity(next_offsets.len());
        for (partition, next) in next_offsets {
            list.add_partition_offset(&self.topic, *partition, Offset::Offset(*next))
                .map_err(|error| self.unavailable(&error, "offsets can't be published"))?;
        }
        let running = self.running()?;
        running
            .consumer
            .commit(&list, CommitMode::Async)
            .map_err(|error| self.unavailable(&error, "offsets can't be published"))
    }

    async fn close(&mut self) -> Result<()> {
        let Some(running) = self.running.take() else {
            return Ok(());
        };
        let Running {
            commands,
            consumer,
            thread,
        } = running;
        // In this order the thread is the last to hold the consumer, and closes it.
        drop(consumer);
        drop(commands);
        self.signal.raise();
        let joined = tokio::task::spawn_blocking(move || thread.join().is_ok());
        match tokio::time::timeout(CLOSE_TIMEOUT, joined).await {
            Ok(Ok(true)) => Ok(()),
            Ok(_) => Err(Error::new(
                ErrorKind::Internal,
                format!("the thread that read topic {} has panicked", self.topic),
            )),
            Err(_) => Err(Error::unavailable(format!(
                "Kafka at {}: the group of topic {} could not be left within {CLOSE_TIMEOUT:?}; \
                 the broker will notice by itself",
                self.brokers, self.topic
            ))),
        }
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            // The thread closes the consumer: that may take a while, and not here.
            drop(running.consumer);
            drop(running.commands);
            self.signal.raise();
        }
    }
}
