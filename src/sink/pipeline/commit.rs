//! The commit at the side of the loop: cut, attempt, and what its outcome means.
//! Only two outcomes keep what was read: it took place, or nothing at all took place. Every other
//! ends in [`Pipeline::discard`].

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;

use super::batch::{Began, Finished};
use super::publish::{Files, Outcome, Work, attempt};
use super::task::{CommitState, Pipeline};
use crate::domain::{OffsetRange, Position};
use crate::lake::commit::{CommitError, Committed, LedgerMove};
use crate::lake::{self, ErrorKind};
use crate::sink::gone;
use crate::sink::halt::Halt;
use crate::sink::last_read;
use crate::sink::positions::source_partition;
use crate::sink::status::StreamState;

impl Pipeline<'_> {
    pub(super) fn cut_if_due(&mut self) {
        if !matches!(self.commit, CommitState::Idle) {
            return;
        }
        let stream = &self.context.stream;
        let due = match self.batch.as_ref().and_then(|(batch, _)| batch.began()) {
            Some(began) => {
                began.age(self.context.lake.clock.as_ref()) >= stream.commit_interval
                    || self.figures().payload_bytes >= stream.commit_bytes
                    || self.batch_bytes() >= self.context.settings.memory_bytes / 2
            }
            None => {
                self.now().saturating_sub(self.last_landed) >= self.context.settings.idle_advance
                    && self.has_moved()
            }
        };
        if due {
            self.cut();
        }
    }

    fn has_moved(&self) -> bool {
        let mut reading = self.partitions.values().flatten();
        reading.any(|reading| reading.read > reading.expected.next)
    }

    /// Ends the batch: its ranges are `[expected, read)` of every partition that moved (I3).
    fn cut(&mut self) {
        let (Some(identity), Some(current)) = (&self.identity, &self.tables) else {
            return;
        };
        let mut moves = Vec::new();
        let mut last_read = BTreeMap::new();
        for (partition, reading) in &mut self.partitions {
            let Some(reading) = reading else { continue };
            if reading.read <= reading.expected.next {
                continue;
            }
            let to = Position {
                next: reading.read,
                epoch: reading.expected.epoch,
            };
            let source = source_partition(identity, *partition);
            last_read.extend(
                reading
                    .last
                    .map(|last| last_read::property(&source, to, last)),
            );
            moves.push(LedgerMove {
                source,
                topic: identity.topic.clone(),
                expected: Some(reading.expected),
                to,
                read: Some(OffsetRange {
                    from: reading.expected.next,
                    to: reading.read,
                }),
                lost: None,
            });
            reading.expected = to;
        }
        let clock = self.context.lake.clock.as_ref();
        let (files, tables, began) = match self.batch.take() {
            Some((batch, tables)) => {
                let began = batch.began().unwrap_or_else(|| Began::now(clock));
                (Files::Open(Box::new(batch)), tables, began)
            }
            None => (
                Files::Finished(Finished::default()),
                current.clone(),
                Began::now(clock),
            ),
        };
        let now = clock.elapsed();
        self.commit = CommitState::Waiting {
            work: Work {
                files,
                moves,
                last_read,
                tables,
                began,
                cut: now,
            },
            due: now,
            failures: 0,
        };
    }

    /// Starts the attempt that is due, after asking who the source is: all its records were read
    /// before, so they are of the topic that is named now (I4).
    pub(super) async fn launch_if_due(&mut self) -> Result<(), Halt> {
        let now = self.now();
        match &self.commit {
            CommitState::Waiting { due, .. } if *due <= now => {}
            _ => return Ok(()),
        }
        let CommitState::Waiting { work, failures, .. } =
            std::mem::replace(&mut self.commit, CommitState::Idle)
        else {
            return Ok(());
        };
        if work.began.oldest_age(self.context.lake.clock.as_ref())
            >= self.context.settings.oldest_batch
        {
            self.discard("the batch got too old to be committed").await;
            return Ok(());
        }
        let found = match self.source.identity().await {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                self.try_later(work, failures, &error.to_string());
                return Ok(());
            }
            Err(error) => {
                let context = self.context;
                return Err(gone::halt(&context.lake, &context.stream, error).await);
            }
        };
        if self
            .identity
            .as_ref()
            .is_none_or(|known| !known.is_same_topic(&found))
        {
            self.discard("the topic is another one now").await;
            return Ok(());
        }
        let memory_bytes = work.memory_bytes();
        let context = self.context;
        self.commit = CommitState::Running {
            future: attempt(
                context.lake.clone(),
                context.stream.clone(),
                work,
                context.settings.commit_timeout,
            )
            .boxed(),
            memory_bytes,
            failures,
            since: now,
        };
        Ok(())
    }

    /// A store that hangs refuses nothing: without this the stream would say for minutes that it
    /// reads.
    pub(super) fn say_if_slow(&mut self, now: Duration) {
        let CommitState::Running { since, .. } = &self.commit else {
            return;
        };
        let under_way = now.saturating_sub(*since);
        if under_way >= self.context.settings.slow_commit {
            let text = format!(
                "a commit has been under way for {} s: the object store or the catalog is slow, or away",
                under_way.as_secs()
            );
            self.reporter.set(StreamState::Waiting, Some(text));
        }
    }

    fn try_later(&mut self, work: Work, failures: u32, reason: &str) {
        let failures = failures + 1;
        let context = self.context;
        context.metrics.add_commit_failure();
        let pause = context
            .settings
            .pause(failures, context.lake.entropy.as_ref());
        tracing::warn!(stream = context.stream.name, %reason, failures, "commit waits");
        self.report_now(StreamState::Waiting, Some(reason.to_owned()));
        self.commit = CommitState::Waiting {
            work,
            due: self.now() + pause,
            failures,
        };
    }

    /// What an attempt came to. Only two outcomes keep what was read: it took place, or nothing
    /// at all took place.
    pub(super) async fn on_attempt(&mut self, work: Work, outcome: Outcome) -> Result<(), Halt> {
        let failures = match std::mem::replace(&mut self.commit, CommitState::Idle) {
            CommitState::Running { failures, .. } => failures,
            _ => 0,
        };
        let metrics = &self.context.metrics;
        match outcome {
            Outcome::Committed(committed) => self.landed(work, committed).await,
            Outcome::Failed(CommitError::Failed(error)) => match error.kind() {
                ErrorKind::Unavailable | ErrorKind::Conflict => {
                    self.try_later(work, failures, &error.to_string());
                }
                // The table may be gone: the sync finds out and says so.
                ErrorKind::NotFound => self.discard(&error.to_string()).await,
                _ => return Err(error.into()),
            },
            Outcome::Failed(error) => {
                match &error {
                    CommitError::Fenced { .. } => metrics.add_fenced(),
                    CommitError::Unknown { .. } => metrics.add_unknown_outcome(),
                    _ => {}
                }
                self.discard(&error.to_string()).await;
            }
            Outcome::TimedOut(limit) => {
                metrics.add_unknown_outcome();
                let reason = format!("a commit took longer than {limit:?}");
                self.discard(&reason).await;
            }
            Outcome::NoFiles(error) => {
                metrics.add_commit_failure();
                self.files_failed(error).await?;
            }
        }
        Ok(())
    }

    /// Files could not be written: what was read is dropped and read again after a pause.
    pub(super) async fn files_failed(&mut self, error: lake::Error) -> Result<(), Halt> {
        match Halt::from(error) {
            stopped @ Halt::Stopped(_) => Err(stopped),
            Halt::Again(reason) => {
                self.file_failures += 1;
                self.discard(&reason).await;
                let context = self.context;
                let pause = context
                    .settings
                    .pause(self.file_failures, context.lake.entropy.as_ref());
                self.sync_due = self.now() + pause;
                Ok(())
            }
        }
    }

    async fn landed(&mut self, work: Work, committed: Committed) {
        let context = self.context;
        let now = self.now();
        let figures = work.figures();
        context.metrics.add_commit(
            figures.rows,
            figures.dead_letters,
            now.saturating_sub(work.cut),
        );
        self.last_landed = now;
        self.file_failures = 0;
        self.reporter.set(StreamState::Reading, None);
        let mut published = Vec::new();
        for step in &work.moves {
            let partition = step.source.partition;
            if let Some(Some(reading)) = self.partitions.get_mut(&partition) {
                reading.committed = step.to.next;
                published.push((partition, step.to.next));
            }
        }
        let mut tables = work.tables.clone();
        for table in committed.tables {
            if table.name() == &context.stream.table {
                tables.events = table;
            } else {
                tables.dead_letters = table;
            }
        }
        let evolved = tables.events.metadata().current_schema_id()
            != work.tables.events.metadata().current_schema_id();
        let agrees = self.agrees(&tables.events);
        self.tables = Some(tables);
        if let Err(error) = self.source.publish(&published).await {
            tracing::warn!(stream = context.stream.name, %error, "the group's offsets were not published");
        }
        if evolved {
            self.discard("the table's schema was changed by others")
                .await;
        } else if !agrees {
            self.discard("offsets of other partitions were moved").await;
        }
    }

    /// Drops whatever is in hand; every partition must be sought again, from the ledger.
    pub(super) async fn discard(&mut self, reason: &str) {
        tracing::warn!(stream = self.context.stream.name, %reason, "what was read is dropped and read again");
        self.context.metrics.add_discarded();
        self.batch = None;
        self.commit = CommitState::Idle;
        for reading in self.partitions.values_mut() {
            *reading = None;
        }
        self.sync_due = self.now();
        self.report_now(StreamState::Waiting, Some(reason.to_owned()));
        let all: Vec<i32> = self.partitions.keys().copied().collect();
        // Best effort: what comes before the seek is not looked at anyway.
        if let Err(error) = self.source.pause(&all).await {
            tracing::debug!(%error, "partitions could not be paused");
        }
    }

    /// Commits all rows in hand. False when the time was over first; what is in hand then is of
    /// unknown outcome and must be discarded.
    pub(super) async fn flush(&mut self, limit: Duration) -> Result<bool, Halt> {
        let clock = self.context.lake.clock.clone();
        let until = clock.elapsed() + limit;
        loop {
            if matches!(self.commit, CommitState::Idle) {
                if self.figures().records == 0 {
                    return Ok(true);
                }
                self.cut();
            }
            let left = until.saturating_sub(clock.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            self.launch_if_due().await?;
            match &mut self.commit {
                CommitState::Idle => {}
                CommitState::Waiting { due, .. } => {
                    let pause = due.saturating_sub(clock.elapsed()).min(left);
                    clock.sleep(pause).await;
                }
                CommitState::Running { future, .. } => {
                    let attempted = tokio::select! {
                        biased;
                        attempted = future => attempted,
                        () = clock.sleep(left) => return Ok(false),
                    };
                    self.on_attempt(attempted.0, attempted.1).await?;
                }
            }
        }
    }
}
