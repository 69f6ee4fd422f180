//! One partition that this consumer has: where it is read, and how it is moved.
//!
//! A seek is applied when librdkafka can take it: right after an assignment, or when its fetcher
//! stopped at an offset that doesn't exist, it can't yet. Nothing is delivered before.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::outbox::{Item, Outbox, Signal};
use super::raw::{self, Consumer, EventError, EventKind, Queue};
use crate::sink::source::{Chunk, LastRecord, RecordSpan};

/// Bytes of keys and payloads in a chunk, at which it is handed over.
const CHUNK_BYTES: usize = 1 << 20;
const CHUNK_RECORDS: usize = 16_384;
/// For the reply of librdkafka's own thread; no broker is asked.
const SEEK_TIMEOUT: Duration = Duration::from_secs(1);
/// A seek refused for so long is made by assigning the partition anew.
const SEEK_PATIENCE: Duration = Duration::from_secs(2);
/// After an error of one partition it is read again, from where it stood, this much later.
const ERROR_PAUSE: Duration = Duration::from_secs(1);

/// The state of one partition. Its queue holds what librdkafka fetched ahead.
pub(super) struct Partition {
    number: i32,
    queue: Queue,
    /// Of the seek that holds now; None while one is wanted or was never made.
    generation: Option<u64>,
    /// The reader's position: all records below were delivered.
    next: i64,
    /// Offsets before the last seek's that librdkafka reads again, to see whether the log is
    /// still the one that was read: no record may lie there.
    overlap: Range<i64>,
    wanted: Option<Seek>,
    pub paused: bool,
    /// About to be taken away: nothing is read any more.
    pub revoked: bool,
    /// librdkafka's fetcher gave up (out of range); only a new assignment starts it again.
    stopped: bool,
    /// It was assigned paused (see [`unread`]) and has not been sought yet.
    held: bool,
}

struct Seek {
    offset: i64,
    /// To be looked at first: whether the log still has this record before the offset.
    last: Option<LastRecord>,
    generation: u64,
    /// When it was first refused.
    refused: Option<Instant>,
    not_before: Option<Instant>,
}

impl Partition {
    pub(super) fn new(number: i32, queue: Queue) -> Self {
        Self {
            number,
            queue,
            generation: None,
            next: 0,
            overlap: 0..0,
            wanted: None,
            paused: false,
            revoked: false,
            stopped: false,
            held: true,
        }
    }

    /// Lets the queue wake the thread. After the queue has taken the place of an older handle,
    /// see [`Queue::raise`].
    pub(super) fn raise(&mut self, signal: &Arc<Signal>) {
        self.queue.raise(signal);
    }

    pub(super) fn want(&mut self, offset: i64, last: Option<LastRecord>, generation: u64) {
        self.generation = None;
        self.wanted = Some(Seek {
            offset,
            last,
            generation,
            refused: None,
            not_before: None,
        });
    }

    pub(super) fn has_wanted_seek(&self) -> bool {
        self.wanted.is_some() && !self.revoked
    }

    /// Tries the wanted seek. `reassign` says whether the partition may be unassigned and
    /// assigned again now: not while a revocation waits, for librdkafka would take the
    /// unassignment for its answer.
    pub(super) fn try_seek(&mut self, consumer: &Arc<Consumer>, topic: &str, reassign: bool) {
        let Some(seek) = &mut self.wanted else {
            return;
        };
        if seek.not_before.is_some_and(|at| Instant::now() < at) {
            return;
        }
        if self.stopped && !reassign {
            return;
        }
        // What is queued was read for an earlier position. librdkafka drops outdated records by
        // itself, but not an outdated "out of range".
        while self.queue.poll(Duration::ZERO).is_some() {}
        // Behind the last record the log may have gone on with markers of another epoch, so the
        // epoch is asked for where the record ends and not where the position is.
        let from = seek.last.map_or(seek.offset, |last| last.offset + 1);
        let list = place(topic, self.number, from);
        let reassigned = self.stopped;
        let moved = if reassigned {
            consumer
                .incremental_unassign(&list)
                .and_then(|()| consumer.incremental_assign(&list))
        } else {
            if let Some(last) = seek.last {
                raw::set_leader_epoch(&list, last.leader_epoch);
            }
            consumer
                .seek_partitions(list, SEEK_TIMEOUT)
                .and_then(|list| list.elements().iter().try_for_each(|place| place.error()))
        };
        let moved = moved.and_then(|()| match self.held {
            true => consumer.resume(&place(topic, self.number, from)),
            false => Ok(()),
        });
        match moved {
            // librdkafka looks at epochs when it seeks, not when it is assigned.
            Ok(()) if reassigned && seek.last.is_some() => {
                self.held = false;
                self.stopped = false;
            }
            Ok(()) => {
                self.held = false;
                self.stopped = false;
                self.next = seek.offset;
                self.overlap = from..seek.offset;
                self.generation = Some(seek.generation);
                self.wanted = None;
            }
            Err(error) => {
                let refused = *seek.refused.get_or_insert_with(Instant::now);
                self.stopped |= refused.elapsed() > SEEK_PATIENCE;
                tracing::debug!(topic, partition = self.number, %error, "seek not yet possible");
            }
        }
    }

    /// Moves what is queued into the outbox, at most one chunk; whether there was anything.
    pub(super) fn read(&mut self, topic: &str, outbox: &Outbox) -> bool {
        let Some(generation) = self.generation else {
            return false;
        };
        if self.paused || self.revoked || !outbox.has_room(self.number) {
            return false;
        }
        let mut chunk = Chunk {
            partition: self.number,
            next_offset: self.next,
            ..Chunk::default()
        };
        let (mut stop, mut regrown) = (None, None);
        while chunk.bytes.len() < CHUNK_BYTES && chunk.records.len() < CHUNK_RECORDS {
            let Some(mut event) = self.queue.poll(Duration::ZERO) else {
                break;
            };
            match event.kind() {
                EventKind::Fetch => {
                    while let Some(message) = event.next_message() {
                        if self.overlap.contains(&message.offset) {
                            regrown.get_or_insert(message.offset);
                        }
                        push(&mut chunk, &message);
                    }
                    if regrown.is_some() {
                        break;
                    }
                }
                EventKind::Error(error) if is_end(&error) => {
                    // Why this is sound: librdkafka queues the event when its fetch position has
                    // reached the last stable offset, behind all records below in the same queue
                    // and under the same version; so whatever lies between the last record and
                    // here are markers, aborted records and gaps.
                    let end = error.place.map_or(0, |(_, offset)| offset);
                    chunk.next_offset = chunk.next_offset.max(end);
                }
                EventKind::Error(error) => {
                    stop = Some(error);
                    break;
                }
                _ => {}
            }
        }
        if let Some(offset) = regrown {
            self.regrown(topic, generation, offset, outbox);
            return true;
        }
        let moved = chunk.next_offset > self.next;
        self.next = chunk.next_offset;
        if moved {
            outbox.push(Item::Chunk { generation, chunk });
        }
        match stop {
            None => moved,
            Some(error) => {
                self.failed(topic, generation, &error, outbox);
                true
            }
        }
    }

    /// A record where there was none: the log was cut there and has grown again.
    fn regrown(&mut self, topic: &str, generation: u64, offset: i64, outbox: &Outbox) {
        self.generation = None;
        let (partition, wanted) = (self.number, self.next);
        tracing::warn!(topic, partition, wanted, offset, "a record where none was");
        outbox.push(Item::OutOfRange {
            generation,
            partition,
            wanted,
        });
    }

    /// An error of the partition. But for "out of range" it is read again from where it stood:
    /// librdkafka passes over a batch that it can't read, and we must not (I6).
    fn failed(&mut self, topic: &str, generation: u64, error: &EventError, outbox: &Outbox) {
        self.generation = None;
        if error.code == RDKafkaErrorCode::AutoOffsetReset {
            self.stopped = true;
            let (partition, wanted) = (self.number, self.next);
            tracing::warn!(topic, partition, wanted, why = error.text, "out of range");
            outbox.push(Item::OutOfRange {
                generation,
                partition: self.number,
                wanted: self.next,
            });
            return;
        }
        outbox.push(Item::Trouble(format!(
            "partition {} of topic {topic} can't be read at offset {}: {} ({:?}); trying again",
            self.number, self.next, error.text, error.code
        )));
        self.wanted = Some(Seek {
            offset: self.next,
            last: None,
            generation,
            refused: None,
            not_before: Some(Instant::now() + ERROR_PAUSE),
        });
    }

    /// Records came past the partition's own queue (librdkafka made the partition anew): takes
    /// another queue and reads again from where it stood.
    pub(super) fn reconnect(&mut self, queue: Queue) {
        self.queue = queue;
        if let Some(generation) = self.generation {
            let next = self.next;
            self.want(next, None, generation);
        }
    }
}

fn is_end(error: &EventError) -> bool {
    error.code == RDKafkaErrorCode::PartitionEOF
}

fn push(chunk: &mut Chunk, message: &super::raw::Message<'_>) {
    if message.offset < chunk.next_offset {
        return;
    }
    let mut copy = |bytes: Option<&[u8]>| {
        bytes.map(|bytes| {
            let start = chunk.bytes.len();
            chunk.bytes.extend_from_slice(bytes);
            start..chunk.bytes.len()
        })
    };
    let key = copy(message.key);
    let payload = copy(message.payload);
    chunk.records.push(RecordSpan {
        offset: message.offset,
        timestamp_ms: message.timestamp_ms,
        key,
        payload,
    });
    chunk.next_offset = message.offset + 1;
    chunk.last = message.leader_epoch.map(|leader_epoch| LastRecord {
        offset: message.offset,
        leader_epoch,
    });
}

fn place(topic: &str, partition: i32, offset: i64) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(1);
    // An offset that librdkafka can't write is one that it has another meaning for: negative.
    let offset = Offset::Offset(offset.max(0));
    list.add_partition_offset(topic, partition, offset)
        .expect("an offset of 0 or more can be written");
    list
}

/// The list of these partitions, to be assigned paused, so that nothing is fetched before the
/// first seek. The offset is one that librdkafka needn't ask for: a look-up of "the end" that is
/// retried (a new topic has no leader for a moment) overtakes a seek made meanwhile, and records
/// between would never be read.
pub(super) fn unread(topic: &str, partitions: &[i32]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition_offset(topic, *partition, Offset::Offset(0))
            .expect("an offset of 0 can be written");
    }
    list
}

/// The error as a person reads it, with the broker's part of it.
pub(super) fn describe(error: &KafkaError) -> String {
    match error.rdkafka_error_code() {
        Some(code) => format!("{error} ({code:?})"),
        None => error.to_string(),
    }
}
