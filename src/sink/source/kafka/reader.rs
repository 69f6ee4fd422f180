//! The thread that polls librdkafka: it answers rebalances, moves records into the outbox while
//! there is room, and goes on polling whatever is paused or full, so that the group never takes
//! a slow consumer for a dead one (I7).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaResult;

use super::outbox::{Item, Outbox, Signal};
use super::partition::{Partition, describe, unread};
use super::raw::{Consumer, Event, EventKind, Queue};
use crate::sink::source::LastRecord;

/// How long the thread sleeps when nothing happens; events and commands wake it.
const NAP: Duration = Duration::from_millis(250);
/// The same while a seek waits for librdkafka.
const SHORT_NAP: Duration = Duration::from_millis(5);
/// Events of the group served in one go, so that records get their turn.
const EVENTS_IN_A_ROW: usize = 64;

/// What the async side asks for.
#[derive(Debug)]
pub(super) enum Command {
    Seek {
        partition: i32,
        offset: i64,
        last: Option<LastRecord>,
        generation: u64,
    },
    Pause(Vec<i32>),
    Resume(Vec<i32>),
    Release(Vec<i32>),
}

/// The thread's state. Dropping it closes the consumer, which leaves the group.
pub(super) struct Reader {
    // Queues are dropped before the consumer: they hold it, and its last holder closes it.
    group: Queue,
    partitions: BTreeMap<i32, Partition>,
    revocation: Option<Revocation>,
    commands: Receiver<Command>,
    outbox: Arc<Outbox>,
    signal: Arc<Signal>,
    topic: String,
    release_within: Duration,
    consumer: Arc<Consumer>,
}

/// Partitions that the group wants back.
struct Revocation {
    all: Vec<i32>,
    unanswered: BTreeSet<i32>,
    deadline: Instant,
}

impl Reader {
    pub(super) fn new(
        consumer: Arc<Consumer>,
        topic: &str,
        release_within: Duration,
        commands: Receiver<Command>,
        outbox: Arc<Outbox>,
        signal: Arc<Signal>,
    ) -> Option<Self> {
        let mut group = Queue::of_group(&consumer)?;
        group.raise(&signal);
        Some(Self {
            group,
            partitions: BTreeMap::new(),
            revocation: None,
            commands,
            outbox,
            signal,
            topic: topic.to_owned(),
            release_within,
            consumer,
        })
    }

    /// Runs until the async side is gone.
    pub(super) fn run(mut self) {
        while self.take_commands() {
            let mut busy = self.serve_group();
            self.force_release();
            let may_reassign = self.revocation.is_none();
            for partition in self.partitions.values_mut() {
                if partition.has_wanted_seek() {
                    partition.try_seek(&self.consumer, &self.topic, may_reassign);
                }
                busy |= partition.read(&self.topic, &self.outbox);
            }
            if !busy {
                let seeking = self.partitions.values().any(Partition::has_wanted_seek);
                self.signal.wait(if seeking { SHORT_NAP } else { NAP });
            }
        }
    }

    fn take_commands(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Seek {
                    partition,
                    offset,
                    last,
                    generation,
                }) => {
                    if let Some(partition) = self.partitions.get_mut(&partition) {
                        partition.want(offset, last, generation);
                    }
                }
                Ok(Command::Pause(partitions)) => self.set_paused(&partitions, true),
                Ok(Command::Resume(partitions)) => self.set_paused(&partitions, false),
                Ok(Command::Release(partitions)) => self.release(&partitions),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn set_paused(&mut self, partitions: &[i32], paused: bool) {
        for partition in partitions {
            if let Some(partition) = self.partitions.get_mut(partition) {
                partition.paused = paused;
            }
        }
    }

    fn serve_group(&mut self) -> bool {
        for served in 0..EVENTS_IN_A_ROW {
            let Some(mut event) = self.group.poll(Duration::ZERO) else {
                return served > 0;
            };
            match event.kind() {
                EventKind::Assign(partitions) => {
                    drop(event);
                    self.assign(&partitions);
                }
                EventKind::Revoke(partitions) => {
                    drop(event);
                    self.revoke(partitions);
                }
                EventKind::Error(error) if error.fatal => {
                    let text = format!("{} ({:?})", error.text, error.code);
                    self.outbox.push(Item::Fatal(text));
                }
                EventKind::Error(error) => {
                    let text = format!("{} ({:?})", error.text, error.code);
                    self.outbox.push(Item::Trouble(text));
                }
                EventKind::Fetch => {
                    let partitions = strays(&mut event);
                    drop(event);
                    self.reconnect(&partitions);
                }
                EventKind::Log {
                    level,
                    facility,
                    text,
                } => self.consumer.context().say(level, &facility, &text),
                EventKind::Other => {}
            }
        }
        true
    }

    fn assign(&mut self, partitions: &[i32]) {
        for partition in partitions {
            let Some(queue) = Queue::of_partition(&self.consumer, &self.topic, *partition) else {
                return self.fatal("librdkafka gave no queue for a partition");
            };
            let partition = self
                .partitions
                .entry(*partition)
                .insert_entry(Partition::new(*partition, queue));
            partition.into_mut().raise(&self.signal);
        }
        let list = unread(&self.topic, partitions);
        let held = match partitions.is_empty() {
            true => Ok(()),
            // Their own queues exist by now, so librdkafka knows the partitions.
            false => self.consumer.pause(&list),
        };
        let assigned = held.and_then(|()| self.consumer.incremental_assign(&list));
        if let Err(error) = assigned {
            return self.fatal(&format!(
                "partitions {partitions:?} of topic {} can't be assigned: {}",
                self.topic,
                describe(&error)
            ));
        }
        if !partitions.is_empty() {
            self.outbox.push(Item::Assigned(partitions.to_vec()));
        }
    }

    fn fatal(&self, text: &str) {
        self.outbox.push(Item::Fatal(text.to_owned()));
    }

    fn revoke(&mut self, partitions: Vec<i32>) {
        let lost = self.consumer.assignment_lost();
        if lost || partitions.is_empty() {
            self.revocation = None;
            for partition in &partitions {
                self.partitions.remove(partition);
            }
            self.unassign(&partitions);
            if !partitions.is_empty() {
                self.outbox.push(Item::Lost(partitions));
            }
            return;
        }
        for partition in &partitions {
            if let Some(partition) = self.partitions.get_mut(partition) {
                partition.revoked = true;
            }
        }
        self.revocation = Some(Revocation {
            unanswered: partitions.iter().copied().collect(),
            all: partitions.clone(),
            deadline: Instant::now() + self.release_within,
        });
        self.outbox.push(Item::Revoked(partitions));
    }

    fn unassign(&self, partitions: &[i32]) {
        let unassigned: KafkaResult<()> = self
            .consumer
            .incremental_unassign(&unread(&self.topic, partitions));
        if let Err(error) = unassigned {
            self.outbox.push(Item::Trouble(format!(
                "partitions {partitions:?} of topic {} can't be given back: {}",
                self.topic,
                describe(&error)
            )));
        }
    }

    fn release(&mut self, partitions: &[i32]) {
        let Some(revocation) = &mut self.revocation else {
            return;
        };
        for partition in partitions {
            revocation.unanswered.remove(partition);
        }
        if revocation.unanswered.is_empty() {
            self.give_back();
        }
    }

    /// Gives back what was not released in time: the group waits no longer.
    fn force_release(&mut self) {
        let Some(revocation) = &self.revocation else {
            return;
        };
        if Instant::now() < revocation.deadline {
            return;
        }
        let unanswered = revocation.unanswered.iter().copied().collect();
        self.outbox.push(Item::Lost(unanswered));
        self.give_back();
    }

    fn give_back(&mut self) {
        if let Some(revocation) = self.revocation.take() {
            for partition in &revocation.all {
                self.partitions.remove(partition);
            }
            self.unassign(&revocation.all);
        }
    }

    fn reconnect(&mut self, partitions: &BTreeSet<i32>) {
        for number in partitions {
            let queue = Queue::of_partition(&self.consumer, &self.topic, *number);
            if let (Some(queue), Some(partition)) = (queue, self.partitions.get_mut(number)) {
                partition.reconnect(queue);
                partition.raise(&self.signal);
            }
        }
    }
}

fn strays(event: &mut Event<'_>) -> BTreeSet<i32> {
    let mut partitions = BTreeSet::new();
    while let Some(message) = event.next_message() {
        partitions.insert(message.partition);
    }
    partitions
}
