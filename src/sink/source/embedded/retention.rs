//! Retention: the oldest records go when the log has got too big; the low watermark rises, and
//! the file gives the space back. Must never take a batch that is still wanted (see `keep_for`).

use sqlx::{Sqlite, Transaction};

use super::{EmbeddedLog, Topic};
use crate::lake::Result;

/// How much of a topic is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Stored bytes of all partitions together.
    pub bytes: u64,
    /// A group whose unread records are kept whatever the size; a partition for which it never
    /// published an offset is kept whole.
    pub keep_for: Option<String>,
}

/// Pages given back to the file system in one call.
const VACUUM_PAGES: u32 = 4_096;
/// Batches removed in one transaction, so that appends never wait long.
const STEP: i64 = 256;

impl EmbeddedLog {
    /// Stored bytes of a topic's records.
    pub async fn size_bytes(&self, topic: &Topic) -> Result<u64> {
        let bytes: i64 = sqlx::query_scalar(
            "SELECT coalesce(sum(stored_bytes), 0) FROM batches WHERE topic = ?",
        )
        .bind(topic.id)
        .fetch_one(&self.inner.database.read)
        .await
        .map_err(|error| self.failure(error))?;
        Ok(bytes.unsigned_abs())
    }

    /// Applies the retention now; gives the number of batches that went. Call it now and then:
    /// appends don't.
    pub async fn retain(&self, topic: &Topic, retention: &Retention) -> Result<u64> {
        let mut gone = 0;
        loop {
            let mut transaction = self.begin().await?;
            let step = step(&mut transaction, topic, retention)
                .await
                .map_err(|error| self.failure(error))?;
            transaction
                .commit()
                .await
                .map_err(|error| self.failure(error))?;
            gone += step;
            if step < STEP as u64 {
                break;
            }
        }
        if gone > 0 {
            // Every row is fetched: the pragma works page by page as it is stepped.
            sqlx::query(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))
                .fetch_all(&self.inner.database.write)
                .await
                .map_err(|error| self.failure(error))?;
        }
        Ok(gone)
    }
}

/// Removes the oldest batches that may go, in the order they were appended.
async fn step(
    transaction: &mut Transaction<'static, Sqlite>,
    topic: &Topic,
    retention: &Retention,
) -> std::result::Result<u64, sqlx::Error> {
    let limit = i64::try_from(retention.bytes).unwrap_or(i64::MAX);
    // `newer` is what stands from this batch on: a batch goes when all that is as new as it is
    // more than the limit. The last batch of a partition may go too: `partitions` keeps its place.
    let batches: Vec<(i64, i32, i64)> = sqlx::query_as(
        "SELECT b.id, b.partition, b.base_offset + b.records FROM ( \
           SELECT id, partition, base_offset, records, \
                  sum(stored_bytes) OVER (ORDER BY id DESC) AS newer \
           FROM batches WHERE topic = ?1) b \
         LEFT JOIN group_offsets g ON g.group_id = ?2 AND g.topic = ?1 \
              AND g.partition = b.partition \
         WHERE b.newer > ?3 AND (?2 IS NULL OR b.base_offset + b.records <= g.next_offset) \
         ORDER BY b.id LIMIT ?4",
    )
    .bind(topic.id)
    .bind(&retention.keep_for)
    .bind(limit)
    .bind(STEP)
    .fetch_all(&mut **transaction)
    .await?;
    for (id, partition, end) in &batches {
        sqlx::query("DELETE FROM batches WHERE id = ?")
            .bind(id)
            .execute(&mut **transaction)
            .await?;
        sqlx::query("UPDATE partitions SET low = max(low, ?) WHERE topic = ? AND partition = ?")
            .bind(end)
            .bind(topic.id)
            .bind(partition)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(batches.len() as u64)
}
