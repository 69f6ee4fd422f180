//! A durable event log in one SQLite file, in Kafka's place: topics with partitions, dense
//! offsets, watermarks, retention. It must never give one offset to two records, nor acknowledge
//! what a power cut could undo.

mod batch;
mod database;
mod read;
mod retention;
mod source;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sqlx::{Row, Sqlite, Transaction};
use tokio::sync::watch;

use self::batch::{Batch, BatchBuilder, LARGEST_RECORD_BYTES};
use self::database::Database;
use crate::lake::{Error, Result};
use crate::seams::Entropy;

pub use read::Read;
pub use retention::Retention;
pub use source::EmbeddedSource;

/// The most partitions of one topic.
pub const MOST_PARTITIONS: i32 = 1_024;

/// An opened log: cheap to clone; all clones of a process wake each other's readers.
#[derive(Clone, Debug)]
pub struct EmbeddedLog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    entropy: Arc<dyn Entropy>,
    /// Names the file in errors.
    place: String,
    cluster_id: String,
    /// Counts appends; readers wait on it.
    appends: watch::Sender<u64>,
}

/// One record to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord<'a> {
    pub partition: i32,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    pub key: Option<Cow<'a, [u8]>>,
    pub payload: Option<Cow<'a, [u8]>>,
}

/// A topic as it is now. One that is deleted and made again has another `topic_id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub name: String,
    pub topic_id: String,
    pub partitions: i32,
    /// The row; never used again after a deletion.
    id: i64,
}

impl EmbeddedLog {
    /// Opens the log in this file, which is made when it isn't there (its folder must be).
    /// `Invalid` when the file is something else or of a newer version.
    pub async fn open(path: &Path, entropy: Arc<dyn Entropy>) -> Result<Self> {
        let new_cluster_id = entropy.uuid().to_string();
        let database = Database::open(path, &new_cluster_id).await?;
        let place = format!("the event log {}", path.display());
        let cluster_id = sqlx::query_scalar("SELECT cluster_id FROM log")
            .fetch_one(&database.read)
            .await
            .map_err(|error| database::failure(&place, error))?;
        Ok(Self {
            inner: Arc::new(Inner {
                database,
                entropy,
                place,
                cluster_id,
                appends: watch::Sender::new(0),
            }),
        })
    }

    pub fn cluster_id(&self) -> &str {
        &self.inner.cluster_id
    }

    fn failure(&self, error: sqlx::Error) -> Error {
        database::failure(&self.inner.place, error)
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        let write = &self.inner.database.write;
        let begun = write.begin_with("BEGIN IMMEDIATE").await;
        begun.map_err(|error| self.failure(error))
    }

    /// Makes a topic, or gives the one that is there; that one keeps its partitions.
    pub async fn create_topic(&self, name: &str, partitions: i32) -> Result<Topic> {
        if !(1..=MOST_PARTITIONS).contains(&partitions) {
            return Err(Error::invalid(format!(
                "a topic has 1 to {MOST_PARTITIONS} partitions, not {partitions}"
            )));
        }
        let mut transaction = self.begin().await?;
        if let Some(topic) = topic(&mut transaction, name)
            .await
            .map_err(|e| self.failure(e))?
        {
            return Ok(topic);
        }
        let topic_id = self.inner.entropy.uuid().to_string();
        let made = async {
            let id: i64 = sqlx::query_scalar(
                "INSERT INTO topics (name, topic_id) VALUES (?, ?) RETURNING id",
            )
            .bind(name)
            .bind(&topic_id)
            .fetch_one(&mut *transaction)
            .await?;
            for partition in 0..partitions {
                sqlx::query(
                    "INSERT INTO partitions (topic, partition, low, high) VALUES (?, ?, 0, 0)",
                )
                .bind(id)
                .bind(partition)
                .execute(&mut *transaction)
                .await?;
            }
            transaction.commit().await?;
            Ok(id)
        };
        let id = made.await.map_err(|error| self.failure(error))?;
        Ok(Topic {
            name: name.to_owned(),
            topic_id,
            partitions,
            id,
        })
    }

    /// Removes a topic with all its records.
    pub async fn delete_topic(&self, name: &str) -> Result<()> {
        let deleted = sqlx::query("DELETE FROM topics WHERE name = ?")
            .bind(name)
            .execute(&self.inner.database.write)
            .await
            .map_err(|error| self.failure(error))?;
        if deleted.rows_affected() == 0 {
            return Err(self.no_topic(name));
        }
        self.wake();
        Ok(())
    }

    /// The topic as it is now, read afresh. `NotFound`.
    pub async fn topic(&self, name: &str) -> Result<Topic> {
        let mut connection = self.reader().await?;
        let found = topic(&mut connection, name).await;
        found
            .map_err(|error| self.failure(error))?
            .ok_or_else(|| self.no_topic(name))
    }

    async fn reader(&self) -> Result<sqlx::pool::PoolConnection<Sqlite>> {
        let acquired = self.inner.database.read.acquire().await;
        acquired.map_err(|error| self.failure(error))
    }

    fn no_topic(&self, name: &str) -> Error {
        Error::not_found(format!("{} has no topic {name}", self.inner.place))
    }

    /// Appends all records or none, durably, and gives their offsets in the same order.
    pub async fn append(&self, topic_name: &str, records: &[NewRecord<'_>]) -> Result<Vec<i64>> {
        let mut transaction = self.begin().await?;
        let topic = topic(&mut transaction, topic_name)
            .await
            .map_err(|error| self.failure(error))?
            .ok_or_else(|| self.no_topic(topic_name))?;
        let mut by_partition: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
        for (at, record) in records.iter().enumerate() {
            check(&topic, record)?;
            by_partition.entry(record.partition).or_default().push(at);
        }
        let mut offsets = vec![0; records.len()];
        for (partition, members) in by_partition {
            let batches = encode(members.iter().map(|at| &records[*at]))?;
            let base = self
                .insert(&mut transaction, &topic, partition, batches)
                .await
                .map_err(|error| self.failure(error))?;
            for (offset, at) in (base..).zip(members) {
                offsets[at] = offset;
            }
        }
        transaction
            .commit()
            .await
            .map_err(|error| self.failure(error))?;
        self.wake();
        Ok(offsets)
    }

    async fn insert(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        topic: &Topic,
        partition: i32,
        batches: Vec<Batch>,
    ) -> std::result::Result<i64, sqlx::Error> {
        let count: i64 = batches.iter().map(|batch| batch.records).sum();
        let high: i64 = sqlx::query_scalar(
            "UPDATE partitions SET high = high + ? WHERE topic = ? AND partition = ? RETURNING high",
        )
        .bind(count)
        .bind(topic.id)
        .bind(partition)
        .fetch_one(&mut **transaction)
        .await?;
        let mut base_offset = high - count;
        for batch in batches {
            sqlx::query(
                "INSERT INTO batches (topic, partition, base_offset, records, max_timestamp_ms, \
                 raw_bytes, stored_bytes, blob) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(topic.id)
            .bind(partition)
            .bind(base_offset)
            .bind(batch.records)
            .bind(batch.max_timestamp_ms)
            .bind(batch.raw_bytes)
            .bind(batch.blob.len() as i64)
            .bind(batch.blob)
            .execute(&mut **transaction)
            .await?;
            base_offset += batch.records;
        }
        Ok(high - count)
    }

    /// Stores how far a group is; advisory, for lag tools and for [`Retention`].
    pub async fn publish(&self, group: &str, topic: &Topic, next: &[(i32, i64)]) -> Result<()> {
        let mut transaction = self.begin().await?;
        for (partition, next_offset) in next {
            sqlx::query(
                "INSERT INTO group_offsets (group_id, topic, partition, next_offset) \
                 VALUES (?, ?, ?, ?) ON CONFLICT (group_id, topic, partition) \
                 DO UPDATE SET next_offset = excluded.next_offset",
            )
            .bind(group)
            .bind(topic.id)
            .bind(partition)
            .bind(next_offset)
            .execute(&mut *transaction)
            .await
            .map_err(|error| self.failure(error))?;
        }
        transaction
            .commit()
            .await
            .map_err(|error| self.failure(error))
    }

    /// How far each partition's group is, where it ever published.
    pub async fn published(&self, group: &str, topic: &Topic) -> Result<BTreeMap<i32, i64>> {
        let rows: Vec<(i32, i64)> = sqlx::query_as(
            "SELECT partition, next_offset FROM group_offsets WHERE group_id = ? AND topic = ?",
        )
        .bind(group)
        .bind(topic.id)
        .fetch_all(&self.inner.database.read)
        .await
        .map_err(|error| self.failure(error))?;
        Ok(rows.into_iter().collect())
    }

    /// Told of each append and deletion of this process.
    fn appends(&self) -> watch::Receiver<u64> {
        self.inner.appends.subscribe()
    }

    fn wake(&self) {
        self.inner.appends.send_modify(|count| *count += 1);
    }

    /// Ends all connections; what was acknowledged is on disk already.
    pub async fn close(&self) {
        self.inner.database.close().await;
    }
}

fn check(topic: &Topic, record: &NewRecord<'_>) -> Result<()> {
    if !(0..topic.partitions).contains(&record.partition) {
        return Err(Error::invalid(format!(
            "topic {} has the partitions 0 to {}, a record names {}",
            topic.name,
            topic.partitions - 1,
            record.partition
        )));
    }
    for (what, bytes) in [("key", &record.key), ("payload", &record.payload)] {
        let length = bytes.as_ref().map_or(0, |bytes| bytes.len());
        if length > LARGEST_RECORD_BYTES {
            return Err(Error::invalid(format!(
                "a record's {what} has {length} bytes, the event log takes \
                 {LARGEST_RECORD_BYTES} at most"
            )));
        }
    }
    Ok(())
}

fn encode<'a>(records: impl Iterator<Item = &'a NewRecord<'a>>) -> Result<Vec<Batch>> {
    let mut batches = Vec::new();
    let mut builder = BatchBuilder::default();
    for record in records {
        builder.push(record);
        if builder.is_full() {
            batches.push(builder.finish()?);
        }
    }
    if builder.records > 0 {
        batches.push(builder.finish()?);
    }
    Ok(batches)
}

async fn topic(
    connection: &mut sqlx::SqliteConnection,
    name: &str,
) -> std::result::Result<Option<Topic>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT id, name, topic_id, \
         (SELECT count(*) FROM partitions WHERE topic = topics.id) AS partitions \
         FROM topics WHERE name = ?",
    )
    .bind(name)
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(Topic {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            topic_id: row.try_get("topic_id")?,
            partitions: row.try_get("partitions")?,
        })
    })
    .transpose()
}
