//! Arrow batches into Parquet data files of a table: partitioned, bounded in memory, with bounds
//! that hold (inexact row-group bounds must never become a file's bounds).
//!
//! Encoding is plain synchronous work inside [`TableWriter::write`], which yields between pieces:
//! nothing needs another thread, so a simulation on one thread sees the same order each time. A
//! caller whose runtime must stay quick runs its writer on a runtime of its own.

mod bounds;
mod conform;
mod metrics;
mod open_file;
mod options;
mod sort;
mod split;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use iceberg::spec::DataFile;

use self::open_file::{ClosedFile, OpenFile};
use self::options::Options;
use self::sort::Sorter;
use self::split::Splitter;
use super::store::Store;
use super::{Error, ErrorKind, Result, Table};
use crate::seams::{Entropy, OsEntropy};

/// Rows encoded before others get their turn.
const ROWS_AT_ONCE: usize = 8192;
const UPLOADS_AT_ONCE: usize = 4;

/// Writes one batch of work into data files of one table; dropped without [`Self::finish`], its
/// files are orphans that upkeep removes.
pub struct TableWriter {
    table: Table,
    schema: SchemaRef,
    options: Options,
    splitter: Splitter,
    sorter: Option<Arc<Sorter>>,
    entropy: Arc<dyn Entropy>,
    /// By partition; the order is that of the values, so that runs repeat.
    open: BTreeMap<Vec<u8>, OpenFile>,
    done: Vec<DataFile>,
    rows: u64,
}

impl fmt::Debug for TableWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableWriter")
            .field("table", &self.table.name())
            .field("open", &self.open.len())
            .field("done", &self.done.len())
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl TableWriter {
    /// Writes with the table's current schema, default partition spec and sort order.
    pub fn new(table: &Table) -> Result<Self> {
        let metadata = table.metadata();
        let iceberg = metadata.current_schema();
        let schema = conform::arrow_schema(iceberg)
            .map_err(|error| error.about(&format!("table {}", table.name())))?;
        Ok(Self {
            schema,
            options: Options::of(metadata)?,
            splitter: Splitter::new(metadata)?,
            sorter: Sorter::new(metadata)?.map(Arc::new),
            entropy: Arc::new(OsEntropy),
            open: BTreeMap::new(),
            done: Vec::new(),
            rows: 0,
            table: table.clone(),
        })
    }

    /// Takes the names of files from here: for simulations, which must repeat.
    pub fn with_entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// The Arrow schema that [`Self::write`] wants: the table's, with field ids in the metadata.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Takes rows, splits them by partition, and writes files as they fill. Columns are found by
    /// name; one that is missing is null where the table allows it. `Invalid` where rows don't fit
    /// the table, and then none of this batch is usable.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let about = format!("table {}", self.table.name());
        let batch = conform::batch(&batch, &self.schema).map_err(|error| error.about(&about))?;
        self.rows += batch.num_rows() as u64;
        for piece in self.splitter.split(&batch)? {
            let mut from = 0;
            while from < piece.rows.num_rows() {
                let count = ROWS_AT_ONCE.min(piece.rows.num_rows() - from);
                let rows = piece.rows.slice(from, count);
                from += count;
                self.add(&piece.key, &piece.partition, &rows).await?;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn add(
        &mut self,
        key: &[u8],
        partition: &iceberg::spec::Struct,
        rows: &RecordBatch,
    ) -> Result<()> {
        if !self.open.contains_key(key) {
            if self.open.len() >= self.options.max_open_files {
                self.close_largest().await?;
            }
            let sorter = self.sorter.clone();
            let file = OpenFile::new(&self.schema, &self.options, partition.clone(), sorter)?;
            self.open.insert(key.to_owned(), file);
        }
        let file = self.open.get_mut(key).expect("it was just put there");
        file.write(rows)?;
        if file.size_bytes() >= self.options.target_file_bytes {
            self.close(key.to_owned()).await?;
        }
        while self.memory_bytes() > self.options.max_open_bytes && !self.open.is_empty() {
            self.close_largest().await?;
        }
        Ok(())
    }

    /// Bytes held in memory now.
    pub fn memory_bytes(&self) -> usize {
        self.open.values().map(OpenFile::memory_bytes).sum()
    }

    async fn close_largest(&mut self) -> Result<()> {
        let largest = self.open.iter().max_by_key(|(_, file)| file.memory_bytes());
        match largest.map(|(key, _)| key.clone()) {
            Some(key) => self.close(key).await,
            None => Ok(()),
        }
    }

    async fn close(&mut self, key: Vec<u8>) -> Result<()> {
        if let Some(file) = self.open.remove(&key) {
            let (location, closed) = self.encode(file).await?;
            let store = self.table.store().clone();
            self.done.push(upload(store, location, closed).await?);
        }
        Ok(())
    }

    // Not `&self`: Parquet's encoders are not to be shared between threads.
    async fn encode(&mut self, file: OpenFile) -> Result<(String, ClosedFile)> {
        let metadata = self.table.metadata();
        let location = self
            .splitter
            .location(metadata, file.partition(), self.entropy.uuid());
        let closed = file.close(&location, metadata).await?;
        Ok((location, closed))
    }

    /// Closes all files, durably, and names them for a commit.
    pub async fn finish(mut self) -> Result<Vec<DataFile>> {
        let mut uploads = Vec::new();
        for file in std::mem::take(&mut self.open).into_values() {
            let (location, closed) = self.encode(file).await?;
            uploads.push(upload(self.table.store().clone(), location, closed));
            tokio::task::yield_now().await;
        }
        let written: Vec<DataFile> = futures::stream::iter(uploads)
            .buffered(UPLOADS_AT_ONCE)
            .try_collect()
            .await?;
        self.done.extend(written);
        let told: u64 = self.done.iter().map(DataFile::record_count).sum();
        if told != self.rows {
            return Err(Error::new(
                ErrorKind::Internal,
                format!(
                    "table {}: {} rows were given and {told} written",
                    self.table.name(),
                    self.rows
                ),
            ));
        }
        Ok(self.done)
    }
}

async fn upload(store: Store, location: String, closed: ClosedFile) -> Result<DataFile> {
    store.write(&location, Bytes::from(closed.bytes)).await?;
    Ok(closed.file)
}
