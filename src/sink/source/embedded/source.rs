//! The embedded log as a [`Source`]: one consumer that has all partitions.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::{EmbeddedLog, Read, Topic};
use crate::lake::{ErrorKind, Result};
use crate::sink::source::{Source, SourceEvent, SourceIdentity, Watermarks};

/// Bytes of payload and keys in one chunk, about: whole batches are read.
const CHUNK_BYTES: usize = 1 << 20;
/// How soon appends of another process are noticed; those of this one wake readers at once.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Reads one topic. It holds on to the topic that it was opened on: when that one is deleted and
/// made again, it delivers nothing of the new one, and [`Source::identity`] tells (I4).
#[derive(Debug)]
pub struct EmbeddedSource {
    log: EmbeddedLog,
    topic: Topic,
    group: String,
    appends: watch::Receiver<u64>,
    announced: bool,
    partitions: BTreeMap<i32, Partition>,
    /// The partition that was read last: the next one is another's turn.
    last: i32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Partition {
    /// None until it is sought.
    next: Option<i64>,
    paused: bool,
}

impl EmbeddedSource {
    /// `NotFound` when the log has no such topic.
    pub async fn open(log: EmbeddedLog, topic: &str, group: &str) -> Result<Self> {
        let topic = log.topic(topic).await?;
        Ok(Self {
            partitions: (0..topic.partitions)
                .map(|partition| (partition, Partition::default()))
                .collect(),
            appends: log.appends(),
            announced: false,
            last: topic.partitions - 1,
            group: group.to_owned(),
            topic,
            log,
        })
    }

    /// Partitions to read, the one after the last first.
    fn turns(&self) -> Vec<(i32, i64)> {
        let readable = |(partition, state): (&i32, &Partition)| {
            let next = state.next.filter(|_| !state.paused)?;
            Some((*partition, next))
        };
        let after = self.partitions.range(self.last + 1..);
        let before = self.partitions.range(..=self.last);
        after.chain(before).filter_map(readable).collect()
    }

    /// What there is without waiting. State changes only after the last await, so that a
    /// dropped call loses nothing.
    async fn ready(&mut self) -> Result<Option<SourceEvent>> {
        for (partition, next) in self.turns() {
            let read = self.log.read(&self.topic, partition, next, CHUNK_BYTES);
            match read.await {
                Ok(Read::End) => {}
                Ok(Read::Records(chunk)) => {
                    self.set_next(partition, Some(chunk.next_offset));
                    self.last = partition;
                    return Ok(Some(SourceEvent::Records(chunk)));
                }
                Ok(Read::OutOfRange(_)) => {
                    self.set_next(partition, None);
                    return Ok(Some(SourceEvent::OutOfRange {
                        partition,
                        wanted: next,
                    }));
                }
                Err(error) if is_passing(error.kind()) => {
                    return Ok(Some(SourceEvent::Trouble(error.to_string())));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn set_next(&mut self, partition: i32, next: Option<i64>) {
        self.partitions.entry(partition).or_default().next = next;
    }
}

/// A deleted topic may come again, and a locked or full disk get free.
fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unavailable | ErrorKind::NotFound)
}

#[async_trait]
impl Source for EmbeddedSource {
    async fn identity(&mut self) -> Result<SourceIdentity> {
        let topic = self.log.topic(&self.topic.name).await?;
        Ok(SourceIdentity {
            cluster_id: self.log.cluster_id().to_owned(),
            topic: topic.name,
            topic_id: topic.topic_id,
            partitions: topic.partitions,
        })
    }

    async fn poll(&mut self, wait: Duration) -> Result<SourceEvent> {
        if !self.announced {
            self.announced = true;
            return Ok(SourceEvent::Assigned(
                self.partitions.keys().copied().collect(),
            ));
        }
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            // Seen before looking, so that an append while looking is not slept over.
            self.appends.borrow_and_update();
            match self.ready().await? {
                Some(event @ SourceEvent::Trouble(_)) => {
                    // Nothing but time helps; the caller must not spin on it.
                    tokio::time::sleep_until(deadline).await;
                    return Ok(event);
                }
                Some(event) => return Ok(event),
                None => {}
            }
            let now = tokio::time::Instant::now();
            if now >= deadline {
                return Ok(SourceEvent::Idle);
            }
            let until = deadline.min(now + LOOK_AGAIN);
            // The sender lives in `log`, so only the time-out or an append ends this.
            let _ = tokio::time::timeout_at(until, self.appends.changed()).await;
        }
    }

    async fn seek(&mut self, partition: i32, offset: i64) -> Result<()> {
        self.set_next(partition, Some(offset));
        Ok(())
    }

    async fn pause(&mut self, partitions: &[i32]) -> Result<()> {
        for partition in partitions {
            self.partitions.entry(*partition).or_default().paused = true;
        }
        Ok(())
    }

    async fn resume(&mut self, partitions: &[i32]) -> Result<()> {
        for partition in partitions {
            self.partitions.entry(*partition).or_default().paused = false;
        }
        Ok(())
    }

    async fn release(&mut self, partitions: &[i32]) -> Result<()> {
        for partition in partitions {
            self.set_next(*partition, None);
        }
        Ok(())
    }

    async fn watermarks(&mut self, partition: i32) -> Result<Watermarks> {
        self.log.watermarks(&self.topic, partition).await
    }

    async fn offset_at(&mut self, partition: i32, timestamp_ms: i64) -> Result<i64> {
        self.log
            .offset_at(&self.topic, partition, timestamp_ms)
            .await
    }

    async fn publish(&mut self, next_offsets: &[(i32, i64)]) -> Result<()> {
        self.log
            .publish(&self.group, &self.topic, next_offsets)
            .await
    }

    async fn close(&mut self) -> Result<()> {
        self.partitions.clear();
        Ok(())
    }
}
