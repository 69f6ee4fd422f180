//! Sync: from the tables and their ledger to partitions that are sought at the right offset.
//! The only place where reading starts, after an assignment as after any doubt.

use std::collections::BTreeSet;

use super::Context;
use super::task::Pipeline;
use super::task::Reading;
use crate::declare::stream::Start;
use crate::domain::{Ledger, OffsetRange, Position, SourcePartition};
use crate::lake::Table;
use crate::lake::commit::LedgerMove;
use crate::sink::gone;
use crate::sink::halt::Halt;
use crate::sink::last_read;
use crate::sink::ledger_commit::commit_moves;
use crate::sink::positions::{
    check_identity, knows_topic, source_partition, start_moves, trusted_ledger,
};
use crate::sink::source::{LastRecord, SourceIdentity};
use crate::sink::status::StreamState;
use crate::sink::tables::{self, Tables};
use crate::sink::truncation;

impl Pipeline<'_> {
    /// Whether some partition must be sought, or the tables were never looked at.
    pub(super) fn wants_sync(&self) -> bool {
        self.tables.is_none() || self.partitions.values().any(Option::is_none)
    }

    pub(super) async fn sync_if_due(&mut self) -> Result<(), Halt> {
        if !self.wants_sync() || self.now() < self.sync_due {
            return Ok(());
        }
        let context = self.context;
        let clock = context.lake.clock.clone();
        let synced = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Ok(()),
            synced = self.sync() => synced,
            () = clock.sleep(context.settings.commit_timeout) => {
                Err(Halt::Again("looking at the ledger took too long".to_owned()))
            }
        };
        match synced {
            Ok(()) => {
                self.sync_failures = 0;
                if self.file_failures == 0 {
                    self.report_now(StreamState::Reading, None);
                }
                Ok(())
            }
            Err(Halt::Again(reason)) => {
                self.sync_failures += 1;
                let pause = context
                    .settings
                    .pause(self.sync_failures, context.lake.entropy.as_ref());
                self.sync_due = self.now() + pause;
                tracing::warn!(stream = context.stream.name, %reason, "sync waits");
                self.report_now(StreamState::Waiting, Some(reason));
                Ok(())
            }
            Err(stopped) => Err(stopped),
        }
    }

    async fn sync(&mut self) -> Result<(), Halt> {
        let context = self.context;
        let mut tables = tables::open(&context.lake, &context.stream).await?;
        let identity = match self.source.identity().await {
            Ok(identity) => identity,
            Err(error) => return Err(gone::halt(&context.lake, &context.stream, error).await),
        };
        let mut ledger = trusted_ledger(&context.stream, &tables.events)?;
        check_identity(&context.stream, &ledger, &identity)?;
        let wanted: Vec<i32> = self
            .partitions
            .iter()
            .filter(|(_, reading)| reading.is_none())
            .map(|(partition, _)| *partition)
            .collect();
        self.record_starts(&identity, &wanted, &mut tables, &mut ledger)
            .await?;
        self.name_lost_ranges(&identity, &wanted, &mut tables, &mut ledger)
            .await?;
        let events = tables.events.clone();
        // Before the first seek: should a later one fail, what the first bring can be taken.
        self.identity = Some(identity.clone());
        self.tables = Some(tables);
        for partition in wanted {
            let Some(position) = ledger.get(&source_partition(&identity, partition)) else {
                return Err(Halt::Again(format!(
                    "the ledger does not know partition {partition} yet"
                )));
            };
            let last = self
                .last_read(&events, &identity, partition, position)
                .await?;
            match last {
                Some(last) => {
                    let next = position.next;
                    self.source.seek_after(partition, next, last).await?;
                }
                None => self.source.seek(partition, position.next).await?,
            }
            match self.paused {
                true => self.source.pause(&[partition]).await?,
                false => self.source.resume(&[partition]).await?,
            }
            let reading = Reading {
                committed: position.next,
                expected: position,
                read: position.next,
                last,
            };
            self.partitions.insert(partition, Some(reading));
        }
        Ok(())
    }

    /// The record before this position, if it is known and retention hasn't taken what lies behind
    /// it: the log is looked at from there.
    async fn last_read(
        &mut self,
        events: &Table,
        identity: &SourceIdentity,
        partition: i32,
        position: Position,
    ) -> Result<Option<LastRecord>, Halt> {
        let source = source_partition(identity, partition);
        let Some(last) = last_read::before(events, &source, position) else {
            return Ok(None);
        };
        if last.offset + 1 == position.next {
            return Ok(Some(last));
        }
        let low = self.source.watermarks(partition).await?.low;
        Ok((last.offset + 1 >= low).then_some(last))
    }

    /// Where unknown partitions start, recorded before anything of them is read (I6).
    ///
    /// The first to look at a topic records the starts of all its partitions as the contract says;
    /// one that appears later is new, so it is read from its beginning.
    async fn record_starts(
        &mut self,
        identity: &SourceIdentity,
        wanted: &[i32],
        tables: &mut Tables,
        ledger: &mut Ledger,
    ) -> Result<(), Halt> {
        let first = !knows_topic(ledger, identity);
        let mut unknown: BTreeSet<i32> = wanted.iter().copied().collect();
        if first && !wanted.is_empty() {
            unknown.extend(0..identity.partitions);
        }
        unknown.retain(|p| ledger.get(&source_partition(identity, *p)).is_none());
        if unknown.is_empty() {
            return Ok(());
        }
        let start = match first {
            true => self.context.stream.start,
            false => Start::Earliest,
        };
        let moves = start_moves(self.source.as_mut(), identity, ledger, &unknown, start).await?;
        let context = self.context;
        tables.events = commit_moves(&context.lake, &tables.events, moves).await?;
        *ledger = trusted_ledger(&context.stream, &tables.events)?;
        Ok(())
    }

    /// What retention took before it was read is committed as a named lost range (I6); a log that
    /// was truncated below a position stops the stream.
    ///
    /// Below the end of the log is for the source to judge: a leader that lags behind shows an end
    /// before the position too, and still has what was committed.
    async fn name_lost_ranges(
        &mut self,
        identity: &SourceIdentity,
        wanted: &[i32],
        tables: &mut Tables,
        ledger: &mut Ledger,
    ) -> Result<(), Halt> {
        let mut moves = Vec::new();
        for partition in wanted {
            let source = source_partition(identity, *partition);
            let Some(position) = ledger.get(&source) else {
                continue;
            };
            let low = self.source.watermarks(*partition).await?.low;
            if position.next >= low {
                self.refuse_truncated(&tables.events, source, position)
                    .await?;
                continue;
            }
            self.memory.out_of_range.remove(&source);
            moves.push(LedgerMove {
                topic: identity.topic.clone(),
                expected: Some(position),
                to: Position {
                    next: low,
                    epoch: position.epoch,
                },
                read: None,
                lost: Some(OffsetRange {
                    from: position.next,
                    to: low,
                }),
                source,
            });
        }
        if moves.is_empty() {
            return Ok(());
        }
        let context = self.context;
        tables.events = commit_moves(&context.lake, &tables.events, moves.clone()).await?;
        *ledger = trusted_ledger(&context.stream, &tables.events)?;
        for lost in moves {
            let Some(range) = lost.lost else { continue };
            let text = format!(
                "LOST: offsets {} to {} of {}[{}] were removed by retention before they were read; they are named in the table's snapshot {}",
                range.from,
                range.to - 1,
                lost.topic,
                lost.source.partition,
                ledger.snapshot_id.unwrap_or_default()
            );
            tracing::error!(stream = context.stream.name, "{text}");
            let offsets = u64::try_from(range.to - range.from).unwrap_or(0);
            context.metrics.add_lost(offsets);
            self.reporter.lost(text);
        }
        Ok(())
    }

    /// The source did not have a position that retention has not taken: its log was truncated.
    /// That is noted in the table first, for the log grows past the position again and a process
    /// that starts later would see nothing wrong.
    async fn refuse_truncated(
        &mut self,
        events: &Table,
        source: SourcePartition,
        position: Position,
    ) -> Result<(), Halt> {
        let Context { lake, stream, .. } = self.context;
        let noted = truncation::is_noted(events, &source, position);
        let refused = match self.memory.out_of_range.get_mut(&source) {
            // Someone has moved the offset since.
            Some(Some(known)) if *known != position => false,
            Some(known) => {
                *known = Some(position);
                true
            }
            None => false,
        };
        if refused && !noted {
            truncation::note(lake, events, &source, position).await?;
        }
        self.memory.out_of_range.remove(&source);
        if !refused && !noted {
            return Ok(());
        }
        let topic = &stream.topic;
        Err(truncation::halt(&stream.name, topic, &source, position))
    }
}
