//! Between the reading thread and the async side: what was read, bounded in bytes, and who waits
//! for whom.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;

use crate::sink::source::Chunk;

/// Bytes of chunks waiting to be polled, all partitions together.
pub(super) const OUTBOX_BYTES: usize = 16 << 20;
/// Chunks of one partition, so that one that is paused leaves room for others.
const CHUNKS_OF_PARTITION: usize = 2;
/// Messages of trouble that wait; more say nothing new.
const MOST_TROUBLES: usize = 8;

/// What the thread has for the async side.
#[derive(Debug)]
pub(super) enum Item {
    Assigned(Vec<i32>),
    Revoked(Vec<i32>),
    Lost(Vec<i32>),
    /// `generation`: of the seek that it was read after.
    Chunk {
        generation: u64,
        chunk: Chunk,
    },
    OutOfRange {
        generation: u64,
        partition: i32,
        wanted: i64,
    },
    Trouble(String),
    /// The consumer can't go on.
    Fatal(String),
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    bytes: usize,
    chunks: HashMap<i32, usize>,
}

/// Shared by the thread and the async side.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    /// Told when an item comes.
    pub ready: Notify,
}

impl Outbox {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no holder of this lock panics")
    }

    /// Whether another chunk of this partition may be read.
    pub(super) fn has_room(&self, partition: i32) -> bool {
        let waiting = self.waiting();
        let chunks = waiting.chunks.get(&partition).copied().unwrap_or(0);
        waiting.bytes < OUTBOX_BYTES && chunks < CHUNKS_OF_PARTITION
    }

    pub(super) fn push(&self, item: Item) {
        let mut waiting = self.waiting();
        match &item {
            Item::Chunk { chunk, .. } => {
                waiting.bytes += chunk.bytes.len();
                *waiting.chunks.entry(chunk.partition).or_default() += 1;
            }
            Item::Trouble(text) => {
                let troubles = waiting.items.iter().filter_map(|item| match item {
                    Item::Trouble(text) => Some(text),
                    _ => None,
                });
                let troubles: Vec<_> = troubles.collect();
                if troubles.len() >= MOST_TROUBLES || troubles.contains(&text) {
                    return;
                }
            }
            _ => {}
        }
        waiting.items.push_back(item);
        drop(waiting);
        self.ready.notify_one();
    }

    /// The first item that `wanted` wants; those it doesn't keep their place.
    pub(super) fn pop(&self, wanted: impl Fn(&Item) -> bool) -> Option<Item> {
        let mut waiting = self.waiting();
        let at = waiting.items.iter().position(wanted)?;
        let item = waiting.items.remove(at)?;
        if let Item::Chunk { chunk, .. } = &item {
            waiting.bytes -= chunk.bytes.len();
            if let Some(chunks) = waiting.chunks.get_mut(&chunk.partition) {
                *chunks -= 1;
            }
        }
        Some(item)
    }
}

/// Wakes the reading thread.
#[derive(Debug, Default)]
pub(super) struct Signal {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    pub(super) fn raise(&self) {
        *self.raised.lock().expect("no holder of this lock panics") = true;
        self.changed.notify_one();
    }

    /// Waits until it is raised, or the time is over, and lowers it.
    pub(super) fn wait(&self, timeout: Duration) {
        let raised = self.raised.lock().expect("no holder of this lock panics");
        let (mut raised, _) = self
            .changed
            .wait_timeout_while(raised, timeout, |raised| !*raised)
            .expect("no holder of this lock panics");
        *raised = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(partition: i32, bytes: usize) -> Item {
        Item::Chunk {
            generation: 1,
            chunk: Chunk {
                partition,
                bytes: vec![0; bytes],
                ..Chunk::default()
            },
        }
    }

    #[test]
    fn room_is_bounded_for_all_and_for_each() {
        let outbox = Outbox::default();
        outbox.push(chunk(0, 10));
        assert!(outbox.has_room(0));
        outbox.push(chunk(0, 10));
        assert!(!outbox.has_room(0) && outbox.has_room(1));
        outbox.push(chunk(1, OUTBOX_BYTES));
        assert!(!outbox.has_room(2));
        // Partition 0 is paused: its chunks stay, the others come.
        let wanted =
            |item: &Item| !matches!(item, Item::Chunk { chunk, .. } if chunk.partition == 0);
        assert!(
            matches!(outbox.pop(wanted), Some(Item::Chunk { chunk, .. }) if chunk.partition == 1)
        );
        assert!(outbox.pop(wanted).is_none());
        assert!(outbox.has_room(2) && !outbox.has_room(0));
    }

    #[test]
    fn troubles_do_not_pile_up() {
        let outbox = Outbox::default();
        for n in 0..100 {
            outbox.push(Item::Trouble("the same".into()));
            outbox.push(Item::Trouble(n.to_string()));
        }
        let mut found = 0;
        while outbox.pop(|_| true).is_some() {
            found += 1;
        }
        assert_eq!(found, MOST_TROUBLES);
    }

    #[test]
    fn a_signal_raised_before_the_wait_is_not_lost() {
        let signal = Signal::default();
        signal.raise();
        let started = std::time::Instant::now();
        signal.wait(Duration::from_secs(60));
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
