//! The producer: the history as fast as it goes, then live, and after a restart where it stopped.
//!
//! Where it stopped is read from the topic's ends and from nothing else: the history's records and
//! their partitions follow from the plan, each partition holds a prefix of its share, so the first
//! `end` records of a partition are skipped and the rest is sent. No repeat, no gap, and nothing
//! to keep in step with the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::bail;
use tokio_util::sync::CancellationToken;

use super::outlet::{Batch, Outgoing, Outlet};
use super::plan::Plan;
use crate::generate::{Generator, Pace, partition_of};
use crate::seams::Clock;

/// How the producer goes on behind the history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Then {
    /// In real time, about so many events a second.
    Live { per_second: f64 },
    /// As fast as it goes until the topic holds so many records, then it is done.
    UpTo(u64),
}

/// How far the producer is, for progress and for those who wait.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Records in the topic.
    pub events: AtomicU64,
    /// Whether the topic has been asked for its ends: before, `events` says nothing.
    pub is_known: AtomicBool,
    /// Records that the sink has committed, as last seen; the producer stays near.
    pub committed: AtomicU64,
    /// Whether the folder has grown to its limit.
    pub is_paused: AtomicBool,
}

impl Figures {
    pub(super) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }
}

/// Records that the producer may be ahead of the sink: the log's retention must hold them all.
pub(super) const LARGEST_LEAD: u64 = 150_000;

/// Records of one append while history is made.
const BATCH: usize = 2_000;

/// Live records are appended this often.
const LIVE_BEAT: Duration = Duration::from_millis(200);

pub(super) struct Producer<O> {
    pub plan: Plan,
    pub then: Then,
    pub outlet: O,
    pub clock: Arc<dyn Clock>,
    pub figures: Arc<Figures>,
}

impl<O: Outlet> Producer<O> {
    /// Runs until it is done or `stop` is cancelled.
    pub(super) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let ends = self.outlet.ends().await?;
        let sent = total(&ends)?;
        self.figures.events.store(sent, Ordering::Relaxed);
        self.figures.is_known.store(true, Ordering::Release);
        let (history, wanted) = match self.then {
            Then::Live { .. } => (self.plan.history, self.plan.history),
            Then::UpTo(wanted) => (self.plan.history.min(wanted), wanted),
        };
        if sent < history && !self.history(&ends, history, &stop).await? {
            return Ok(());
        }
        match self.then {
            Then::Live { per_second } => self.live(per_second, &ends, &stop).await,
            Then::UpTo(_) => self.more(wanted, &ends, &stop).await,
        }
    }

    /// Sends what the topic lacks of the first `records` of the history; false when stopped.
    async fn history(
        &mut self,
        ends: &[i64],
        records: u64,
        stop: &CancellationToken,
    ) -> anyhow::Result<bool> {
        let pace = Pace::History {
            records: self.plan.history,
            end_ms: self.plan.end_ms,
        };
        let mut generator = Generator::new(self.plan.seed, pace);
        let mut skip = ends.to_vec();
        let mut batch = Batch::default();
        for _ in 0..records {
            let record = next(&mut generator, &mut batch, skip.len());
            let partition = usize::try_from(record.partition).expect("not negative");
            if skip[partition] > 0 {
                skip[partition] -= 1;
                batch.bytes.truncate(record.payload.start);
                continue;
            }
            batch.records.push(record);
            if batch.records.len() == BATCH && !self.send(&mut batch, stop).await? {
                return Ok(false);
            }
        }
        self.send(&mut batch, stop).await
    }

    /// Sends records beyond the history until the topic holds `wanted`.
    async fn more(
        &mut self,
        wanted: u64,
        ends: &[i64],
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut generator = self.live_generator(100.0);
        let mut batch = Batch::default();
        while self.figures.events() < wanted {
            let left = wanted - self.figures.events();
            for _ in 0..left.min(BATCH as u64) {
                let record = next(&mut generator, &mut batch, ends.len());
                batch.records.push(record);
            }
            if !self.send(&mut batch, stop).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Sends records when they happen, until stopped.
    async fn live(
        &mut self,
        per_second: f64,
        ends: &[i64],
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut generator = self.live_generator(per_second);
        let mut batch = Batch::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.clock.sleep(LIVE_BEAT) => {}
            }
            let now_ms = self.clock.now_ms();
            // A machine that slept doesn't make up for it: the shop had no visitors then.
            if now_ms - generator.next_ms() > 60_000 {
                generator = self.live_generator(per_second);
            }
            while generator.next_ms() <= now_ms && batch.records.len() < BATCH {
                let record = next(&mut generator, &mut batch, ends.len());
                batch.records.push(record);
            }
            if !self.send(&mut batch, stop).await? {
                return Ok(());
            }
        }
    }

    /// A stream of events from now on; another one at each place of the topic, so that a restart
    /// never makes an `event_id` again.
    fn live_generator(&self, per_second: f64) -> Generator {
        let seed = self.plan.seed.rotate_left(32) ^ (self.figures.events() + 1);
        let pace = Pace::Live {
            start_ms: self.clock.now_ms(),
            per_second,
            known_users: 12 + self.plan.history / 40,
        };
        Generator::new(seed, pace)
    }

    /// Appends and empties the batch, once the sink is near enough; false when stopped.
    async fn send(&mut self, batch: &mut Batch, stop: &CancellationToken) -> anyhow::Result<bool> {
        let lead = || {
            let committed = self.figures.committed.load(Ordering::Relaxed);
            self.figures.events().saturating_sub(committed)
        };
        while lead() >= LARGEST_LEAD || self.figures.is_paused.load(Ordering::Relaxed) {
            tokio::select! {
                () = stop.cancelled() => return Ok(false),
                () = self.clock.sleep(Duration::from_millis(100)) => {}
            }
        }
        if stop.is_cancelled() {
            return Ok(false);
        }
        if !batch.records.is_empty() {
            self.outlet.append(batch).await?;
            let count = u64::try_from(batch.records.len()).expect("a small number");
            self.figures.events.fetch_add(count, Ordering::Relaxed);
        }
        batch.clear();
        Ok(true)
    }
}

/// Makes one record at the end of the batch's bytes, not yet in its list.
fn next(generator: &mut Generator, batch: &mut Batch, partitions: usize) -> Outgoing {
    let start = batch.bytes.len();
    let record = generator.next_record(&mut batch.bytes);
    let end = batch.bytes.len();
    record.key(&mut batch.bytes);
    let key = end..batch.bytes.len();
    let partitions = i32::try_from(partitions).expect("partitions are few");
    Outgoing {
        partition: partition_of(&batch.bytes[key.clone()], partitions),
        timestamp_ms: record.sent_ms,
        key,
        payload: start..end,
    }
}

/// How many records a topic with these ends has got.
pub(super) fn total(ends: &[i64]) -> anyhow::Result<u64> {
    let mut sum = 0_u64;
    for end in ends {
        match u64::try_from(*end) {
            Ok(end) => sum += end,
            Err(_) => bail!("the topic says that a partition ends at offset {end}"),
        }
    }
    if ends.is_empty() {
        bail!("the topic has no partitions");
    }
    Ok(sum)
}

#[cfg(test)]
mod tests;
