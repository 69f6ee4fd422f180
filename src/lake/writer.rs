//! Arrow batches into Parquet data files of a table: partitioned, bounded in memory, with bounds
//! that hold (shared trap: inexact row-group bounds must never become a file's bounds).

use arrow::record_batch::RecordBatch;
use iceberg::spec::DataFile;

use super::{Result, Table};

/// Writes one batch of work into data files of one table; dropped without [`Self::finish`], its
/// files are orphans that upkeep removes.
#[derive(Debug)]
pub struct TableWriter {
    _todo: (),
}

impl TableWriter {
    /// Writes with the table's current schema, default partition spec and sort order.
    pub fn new(_table: &Table) -> Result<Self> {
        todo!("the lake helper writes this")
    }

    /// The Arrow schema that [`Self::write`] wants: the table's, with field ids in the metadata.
    pub fn schema(&self) -> arrow::datatypes::SchemaRef {
        todo!("the lake helper writes this")
    }

    /// Takes rows, splits them by partition, and writes files as they fill.
    pub async fn write(&mut self, _batch: RecordBatch) -> Result<()> {
        todo!("the lake helper writes this")
    }

    /// Bytes held in memory now.
    pub fn memory_bytes(&self) -> usize {
        todo!("the lake helper writes this")
    }

    /// Closes all files, durably, and names them for a commit.
    pub async fn finish(self) -> Result<Vec<DataFile>> {
        todo!("the lake helper writes this")
    }
}
