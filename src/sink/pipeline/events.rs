//! What the source says: records, and partitions that come and go.

use super::batch::Batch;
use super::task::Pipeline;
use crate::sink::halt::Halt;
use crate::sink::positions::source_partition;
use crate::sink::source::{Chunk, SourceEvent};
use crate::sink::status::StreamState;

impl Pipeline<'_> {
    pub(super) async fn on_event(&mut self, event: SourceEvent) -> Result<(), Halt> {
        match event {
            SourceEvent::Idle => Ok(()),
            SourceEvent::Records(chunk) => self.on_chunk(chunk).await,
            SourceEvent::Assigned(partitions) => self.on_assigned(&partitions).await,
            SourceEvent::Revoked(partitions) => self.on_revoked(&partitions).await,
            SourceEvent::Lost(partitions) => {
                self.on_lost(&partitions).await;
                Ok(())
            }
            SourceEvent::OutOfRange { partition, wanted } => {
                self.on_out_of_range(partition, wanted).await
            }
            SourceEvent::Trouble(reason) => {
                tracing::warn!(stream = self.context.stream.name, %reason, "the source is in trouble");
                self.report_now(StreamState::Waiting, Some(reason));
                Ok(())
            }
        }
    }

    async fn on_chunk(&mut self, chunk: Chunk) -> Result<(), Halt> {
        let Some(Some(reading)) = self.partitions.get(&chunk.partition).copied() else {
            return Ok(());
        };
        if self.paused {
            // A source that delivers in spite of the pause is sent back, so that memory stays
            // bounded and nothing is lost (I7).
            return Ok(self.source.seek(chunk.partition, reading.read).await?);
        }
        let first = chunk.records.first().map(|record| record.offset);
        if first.is_some_and(|first| first < reading.read) {
            let reason = format!(
                "the source delivered offset {} of partition {} again",
                first.unwrap_or_default(),
                chunk.partition
            );
            self.discard(&reason).await;
            return Ok(());
        }
        let last = chunk.records.last().map(|record| record.offset + 1);
        let next = chunk.next_offset.max(last.unwrap_or(reading.read));
        let (Some(identity), Some(tables)) = (&self.identity, &self.tables) else {
            // Never passed over: the source has moved on, so what it brought must be sought again.
            self.discard("records came before the tables were looked at")
                .await;
            return Ok(());
        };
        if !chunk.records.is_empty() {
            let context = self.context;
            let (batch, _) = match &mut self.batch {
                Some(batch) => batch,
                empty => empty.insert((
                    Batch::new(&context.lake, &context.stream, tables)?,
                    tables.clone(),
                )),
            };
            let (records, bytes) = (chunk.records.len() as u64, chunk.bytes.len() as u64);
            if let Err(error) = batch.push(&context.lake, identity, &chunk).await {
                return self.files_failed(error).await;
            }
            context.metrics.add_read(records, bytes);
        }
        if let Some(Some(reading)) = self.partitions.get_mut(&chunk.partition) {
            reading.read = reading.read.max(next);
            reading.last = chunk.last.or(reading.last);
        }
        Ok(())
    }

    async fn on_assigned(&mut self, partitions: &[i32]) -> Result<(), Halt> {
        if partitions.iter().any(|p| self.has_unlanded(*p)) {
            self.discard("partitions were assigned again without having been revoked")
                .await;
        }
        for partition in partitions {
            self.partitions.insert(*partition, None);
        }
        self.sync_due = self.now();
        Ok(())
    }

    /// Flushes what was read of them in bounded time, else drops the batch and rewinds the kept
    /// ones (I7).
    async fn on_revoked(&mut self, partitions: &[i32]) -> Result<(), Halt> {
        let flushed = !partitions.iter().any(|p| self.has_unlanded(*p))
            || self.flush(self.context.settings.revoke_timeout).await?;
        for partition in partitions {
            self.partitions.remove(partition);
        }
        if !flushed {
            self.discard("revoked partitions could not be flushed in time")
                .await;
        }
        Ok(self.source.release(partitions).await?)
    }

    /// They may be another's already: what was read of them is dropped, and with it the batch.
    async fn on_lost(&mut self, partitions: &[i32]) {
        let unlanded = partitions.iter().any(|p| self.has_unlanded(*p));
        for partition in partitions {
            self.partitions.remove(partition);
        }
        if unlanded {
            self.discard("the session was lost").await;
        }
    }

    /// The sync that follows finds out whether retention took it or the log was truncated.
    async fn on_out_of_range(&mut self, partition: i32, wanted: i64) -> Result<(), Halt> {
        tracing::warn!(
            stream = self.context.stream.name,
            partition,
            wanted,
            "out of range"
        );
        if self.has_unlanded(partition) && !self.flush(self.context.settings.revoke_timeout).await?
        {
            self.discard("out of range, and what was read before could not be flushed")
                .await;
        }
        if let Some(identity) = &self.identity {
            let source = source_partition(identity, partition);
            self.memory.out_of_range.entry(source).or_default();
        }
        if let Some(reading) = self.partitions.get_mut(&partition) {
            *reading = None;
            self.sync_due = self.now();
        }
        Ok(())
    }

    /// Whether something of it was read and is not known to be committed.
    fn has_unlanded(&self, partition: i32) -> bool {
        let reading = self.partitions.get(&partition).copied().flatten();
        reading.is_some_and(|reading| reading.read > reading.committed)
    }
}
