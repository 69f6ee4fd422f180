//! Reading: records from an offset on, watermarks, offsets by time. Must never change anything.

use sqlx::{Row, Sqlite, Transaction};

use super::batch::StoredBatch;
use super::{EmbeddedLog, Topic};
use crate::lake::{Error, Result};
use crate::sink::source::{Chunk, Watermarks};

/// What a read brought.
#[derive(Clone, Debug)]
pub enum Read {
    /// At least one record, and `next_offset` behind the last.
    Records(Chunk),
    /// The offset is the high watermark: nothing yet.
    End,
    OutOfRange(Watermarks),
}

impl EmbeddedLog {
    /// Records from `offset` on: whole batches until `max_bytes` are passed, at least one record
    /// where there is one.
    pub async fn read(
        &self,
        topic: &Topic,
        partition: i32,
        offset: i64,
        max_bytes: usize,
    ) -> Result<Read> {
        // One read transaction: a deletion between the watermarks and the batches would look
        // like a gap.
        let mut snapshot = self.begin_read().await?;
        let marks = watermarks(&mut snapshot, topic, partition)
            .await
            .map_err(|error| self.failure(error))?
            .ok_or_else(|| self.no_partition(topic, partition))?;
        if offset < marks.low || offset > marks.high {
            return Ok(Read::OutOfRange(marks));
        }
        let mut chunk = Chunk {
            partition,
            next_offset: offset,
            ..Chunk::default()
        };
        while chunk.next_offset < marks.high && chunk.bytes.len() < max_bytes {
            let batch = batch_at(&mut snapshot, topic, partition, chunk.next_offset)
                .await
                .map_err(|error| self.failure(error))?;
            let place = format!("{}, {}[{partition}]", self.inner.place, topic.name);
            let Some(batch) = batch.filter(|batch| chunk.next_offset < batch.end()) else {
                return Err(Error::corrupt(format!(
                    "{place}: no batch holds offset {}",
                    chunk.next_offset
                )));
            };
            batch.read_into(chunk.next_offset, &mut chunk, &place)?;
            chunk.next_offset = batch.end();
        }
        Ok(match chunk.records.is_empty() {
            true => Read::End,
            false => Read::Records(chunk),
        })
    }

    async fn begin_read(&self) -> Result<Transaction<'static, Sqlite>> {
        let begun = self.inner.database.read.begin().await;
        begun.map_err(|error| self.failure(error))
    }

    fn no_partition(&self, topic: &Topic, partition: i32) -> Error {
        Error::not_found(format!(
            "{}: topic {} ({}) has no partition {partition} any more",
            self.inner.place, topic.name, topic.topic_id
        ))
    }

    /// Offsets that exist now. `NotFound` when the topic was deleted.
    pub async fn watermarks(&self, topic: &Topic, partition: i32) -> Result<Watermarks> {
        let mut connection = self.reader().await?;
        let found = watermarks(&mut connection, topic, partition).await;
        found
            .map_err(|error| self.failure(error))?
            .ok_or_else(|| self.no_partition(topic, partition))
    }

    /// The first offset whose record is of this time or later; the high watermark when none is.
    pub async fn offset_at(&self, topic: &Topic, partition: i32, timestamp_ms: i64) -> Result<i64> {
        let mut snapshot = self.begin_read().await?;
        let marks = watermarks(&mut snapshot, topic, partition)
            .await
            .map_err(|error| self.failure(error))?
            .ok_or_else(|| self.no_partition(topic, partition))?;
        let row = sqlx::query(
            "SELECT base_offset, records, raw_bytes, blob FROM batches \
             WHERE topic = ? AND partition = ? AND max_timestamp_ms >= ? \
             ORDER BY base_offset LIMIT 1",
        )
        .bind(topic.id)
        .bind(partition)
        .bind(timestamp_ms)
        .fetch_optional(&mut *snapshot)
        .await
        .map_err(|error| self.failure(error))?;
        let Some(row) = row else {
            return Ok(marks.high);
        };
        let batch = stored(&row).map_err(|error| self.failure(error))?;
        let mut chunk = Chunk::default();
        let place = format!("{}, {}[{partition}]", self.inner.place, topic.name);
        batch.read_into(batch.base_offset, &mut chunk, &place)?;
        let found = chunk
            .records
            .iter()
            .find(|record| record.timestamp_ms.is_some_and(|at| at >= timestamp_ms));
        Ok(found.map_or(marks.high, |record| record.offset))
    }
}

async fn watermarks(
    connection: &mut sqlx::SqliteConnection,
    topic: &Topic,
    partition: i32,
) -> std::result::Result<Option<Watermarks>, sqlx::Error> {
    let row: Option<(i64, i64)> =
        sqlx::query_as("SELECT low, high FROM partitions WHERE topic = ? AND partition = ?")
            .bind(topic.id)
            .bind(partition)
            .fetch_optional(connection)
            .await?;
    Ok(row.map(|(low, high)| Watermarks { low, high }))
}

/// The batch that begins at or before the offset.
async fn batch_at(
    connection: &mut sqlx::SqliteConnection,
    topic: &Topic,
    partition: i32,
    offset: i64,
) -> std::result::Result<Option<StoredBatch>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT base_offset, records, raw_bytes, blob FROM batches \
         WHERE topic = ? AND partition = ? AND base_offset <= ? \
         ORDER BY base_offset DESC LIMIT 1",
    )
    .bind(topic.id)
    .bind(partition)
    .bind(offset)
    .fetch_optional(connection)
    .await?;
    row.map(|row| stored(&row)).transpose()
}

fn stored(row: &sqlx::sqlite::SqliteRow) -> std::result::Result<StoredBatch, sqlx::Error> {
    Ok(StoredBatch {
        base_offset: row.try_get("base_offset")?,
        records: row.try_get("records")?,
        raw_bytes: row.try_get("raw_bytes")?,
        blob: row.try_get("blob")?,
    })
}
