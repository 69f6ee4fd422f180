//! The loop of one connection, and the commit at its side.
//! Rows in hand always belong to partitions that are being read: a partition leaves the map, or
//! is sought anew, only after its rows were committed or the batch was dropped.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;

use super::batch::{Batch, Figures};
use super::publish::{Outcome, Work};
use super::report::Reporter;
use super::retention::Asked;
use super::{Context, Memory};
use crate::domain::Position;
use crate::lake::catalog::Pointer;
use crate::lake::{self, ErrorKind};
use crate::sink::gone;
use crate::sink::halt::Halt;
use crate::sink::source::{LastRecord, Source, SourceEvent, SourceIdentity};
use crate::sink::status::{PartitionView, StreamState};
use crate::sink::tables::Tables;

/// The group's offsets are published anew this often, moved or not.
const PUBLISH_INTERVAL: Duration = Duration::from_secs(30);

/// A partition that is being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// Next offset to commit, as far as commits are known to have taken place.
    pub committed: i64,
    /// Where the ledger stands once the commit under way has landed: where the batch starts.
    pub expected: Position,
    /// The reader's position (I3).
    pub read: i64,
    /// The last record before it, where the source tells.
    pub last: Option<LastRecord>,
}

/// The commit under way; one at a time.
#[expect(
    clippy::large_enum_variant,
    reason = "one per stream, and moved once a commit"
)]
pub(super) enum CommitState {
    Idle,
    /// To be tried, or tried again, at this time of the monotonic clock.
    Waiting {
        work: Work,
        due: Duration,
        failures: u32,
    },
    Running {
        future: BoxFuture<'static, (Work, Outcome)>,
        memory_bytes: usize,
        failures: u32,
        since: Duration,
    },
}

#[expect(
    clippy::large_enum_variant,
    reason = "lives on the stack for one turn of the loop"
)]
enum Next {
    Cancelled,
    Attempted(Work, Outcome),
    Event(lake::Result<SourceEvent>),
}

/// One connection's work.
pub(super) struct Pipeline<'a> {
    pub(super) context: &'a Context,
    pub(super) memory: &'a mut Memory,
    pub(super) reporter: &'a mut Reporter,
    pub(super) source: Box<dyn Source>,
    /// Both None until the first sync.
    pub(super) identity: Option<SourceIdentity>,
    pub(super) tables: Option<Tables>,
    /// Partitions assigned; None for one that must be sought first.
    pub(super) partitions: BTreeMap<i32, Option<Reading>>,
    pub(super) batch: Option<(Batch, Tables)>,
    pub(super) commit: CommitState,
    pub(super) sync_due: Duration,
    pub(super) sync_failures: u32,
    /// Batches dropped in a row because their files could not be written.
    pub(super) file_failures: u32,
    pub(super) paused: bool,
    pub(super) last_landed: Duration,
    /// The event table's metadata file that was last found to be as this sink left it.
    pub(super) looked_at: Option<Pointer>,
    pub(super) asked: Asked,
    report_due: Duration,
    publish_due: Duration,
}

impl<'a> Pipeline<'a> {
    pub fn new(
        context: &'a Context,
        memory: &'a mut Memory,
        reporter: &'a mut Reporter,
        source: Box<dyn Source>,
    ) -> Self {
        let now = context.lake.clock.elapsed();
        Self {
            context,
            memory,
            reporter,
            source,
            identity: None,
            tables: None,
            partitions: BTreeMap::new(),
            batch: None,
            commit: CommitState::Idle,
            sync_due: now,
            sync_failures: 0,
            file_failures: 0,
            paused: false,
            last_landed: now,
            looked_at: None,
            asked: Asked::default(),
            report_due: now,
            publish_due: now,
        }
    }

    /// Runs until cancelled (Ok) or until it can't go on with this connection.
    pub async fn run(&mut self) -> Result<(), Halt> {
        while !self.context.cancel.is_cancelled() {
            self.sync_if_due().await?;
            self.cut_if_due();
            self.launch_if_due().await?;
            self.pause_or_resume().await;
            self.report_if_due().await?;
            match self.next().await {
                Next::Cancelled => break,
                Next::Attempted(work, outcome) => self.on_attempt(work, outcome).await?,
                Next::Event(event) => self.on_event(event?).await?,
            }
        }
        self.flush(self.context.settings.shutdown_timeout).await?;
        Ok(())
    }

    async fn next(&mut self) -> Next {
        let wait = self.next_wait();
        let commit = &mut self.commit;
        let attempted = async {
            match commit {
                CommitState::Running { future, .. } => future.await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.context.cancel.cancelled() => Next::Cancelled,
            (work, outcome) = attempted => Next::Attempted(work, outcome),
            event = self.source.poll(wait) => Next::Event(event),
        }
    }

    /// Until whatever is due next, at most one poll's wait.
    fn next_wait(&self) -> Duration {
        let now = self.now();
        let mut wait = self.context.settings.poll_wait;
        let mut until = |due: Duration| wait = wait.min(due.saturating_sub(now));
        if self.wants_sync() {
            until(self.sync_due);
        }
        match &self.commit {
            CommitState::Waiting { due, .. } => until(*due),
            CommitState::Idle => {
                if let Some(began) = self.batch.as_ref().and_then(|(batch, _)| batch.began()) {
                    let age = began.age(self.context.lake.clock.as_ref());
                    until(now + self.context.stream.commit_interval.saturating_sub(age));
                }
            }
            CommitState::Running { .. } => {}
        }
        wait.max(Duration::from_millis(1))
    }

    pub(super) fn now(&self) -> Duration {
        self.context.lake.clock.elapsed()
    }

    pub(super) fn figures(&self) -> Figures {
        self.batch
            .as_ref()
            .map(|(batch, _)| batch.figures())
            .unwrap_or_default()
    }

    /// Bytes of the batch being filled.
    pub(super) fn batch_bytes(&self) -> usize {
        self.batch
            .as_ref()
            .map_or(0, |(batch, _)| batch.memory_bytes())
    }

    /// Stops delivery while memory is full, and starts it again (I7).
    async fn pause_or_resume(&mut self) {
        let under_way = match &self.commit {
            CommitState::Idle => 0,
            CommitState::Waiting { work, .. } => work.memory_bytes(),
            CommitState::Running { memory_bytes, .. } => *memory_bytes,
        };
        let full = self.batch_bytes() + under_way >= self.context.settings.memory_bytes
            || self.overdue_behind_commit();
        if full == self.paused {
            return;
        }
        let reading: Vec<i32> = self.read_partitions();
        let done = match full {
            true => self.source.pause(&reading).await,
            false => self.source.resume(&reading).await,
        };
        match done {
            Ok(()) => self.paused = full,
            Err(error) => tracing::warn!(%error, full, "partitions could not be paused or resumed"),
        }
    }

    /// A batch that has its full size waits for the commit before it.
    fn overdue_behind_commit(&self) -> bool {
        !matches!(self.commit, CommitState::Idle)
            && self.figures().payload_bytes >= self.context.stream.commit_bytes
    }

    fn read_partitions(&self) -> Vec<i32> {
        let reading = self.partitions.iter().filter(|(_, r)| r.is_some());
        reading.map(|(partition, _)| *partition).collect()
    }

    /// Says it in the status at the next turn of the loop.
    pub(super) fn report_now(&mut self, state: StreamState, message: Option<String>) {
        self.reporter.set(state, message);
        self.report_due = self.now();
    }

    async fn report_if_due(&mut self) -> Result<(), Halt> {
        let now = self.now();
        if now < self.report_due {
            return Ok(());
        }
        self.report_due = now + self.context.settings.status_interval;
        self.look_at_table().await;
        self.say_if_slow(now);
        let mut views = Vec::new();
        let mut unseen = false;
        for (partition, reading) in &self.partitions {
            // While the lake is away nothing is sought; the log is cut all the same.
            let committed = reading.map(|reading| reading.committed);
            let committed = committed.or_else(|| self.reporter.committed(*partition));
            let Some(committed) = committed else { continue };
            match self.source.watermarks(*partition).await {
                Ok(watermarks) => views.push(PartitionView {
                    partition: *partition,
                    committed,
                    watermarks,
                    seen_at_ms: self.context.lake.clock.now_ms(),
                    risk: None,
                }),
                Err(error) => {
                    unseen = true;
                    tracing::debug!(%error, partition, "no watermarks");
                }
            }
        }
        self.look_at_retention(&mut views).await;
        if let Some(identity) = &self.identity
            && (!views.is_empty() || self.partitions.is_empty())
        {
            self.reporter.see(self.context, identity.clone(), views);
        }
        self.reporter.publish(self.context).await;
        self.publish_if_due(now).await;
        match unseen {
            true => self.look_for_topic().await,
            false => Ok(()),
        }
    }

    /// What was published while the group was being rebalanced is refused, and nobody says so: lag
    /// tools would see an idle stream as behind for ever.
    async fn publish_if_due(&mut self, now: Duration) {
        if now < self.publish_due {
            return;
        }
        self.publish_due = now + PUBLISH_INTERVAL;
        let reading = self.partitions.iter();
        let committed: Vec<(i32, i64)> = reading
            .filter_map(|(partition, reading)| Some((*partition, (*reading)?.committed)))
            .collect();
        if committed.is_empty() {
            return;
        }
        if let Err(error) = self.source.publish(&committed).await {
            tracing::debug!(stream = self.context.stream.name, %error, "the group's offsets were not published");
        }
    }

    /// A topic that was deleted shows to a consumer as trouble that may pass. Nobody who is away
    /// can be asked, so only an answer counts.
    async fn look_for_topic(&mut self) -> Result<(), Halt> {
        let context = self.context;
        let asked = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Ok(()),
            asked = self.source.identity() => asked,
        };
        match asked {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(gone::halt(&context.lake, &context.stream, error).await)
            }
            _ => Ok(()),
        }
    }

    /// Leaves the group in order, in bounded time.
    pub async fn close(&mut self) {
        let clock = self.context.lake.clock.clone();
        tokio::select! {
            biased;
            closed = self.source.close() => if let Err(error) = closed {
                tracing::warn!(stream = self.context.stream.name, %error, "the source did not close in order");
            },
            () = clock.sleep(self.context.settings.revoke_timeout) => {
                tracing::warn!(stream = self.context.stream.name, "the source took too long to close");
            }
        }
    }
}
