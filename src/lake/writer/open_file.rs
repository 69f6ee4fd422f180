//! One Parquet file being encoded in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::Array;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, Struct, TableMetadata,
};
use parquet::arrow::ArrowWriter;

use super::options::Options;
use super::sort::Sorter;
use super::{ROWS_AT_ONCE, metrics};
use crate::lake::{Error, ErrorKind, Result};

/// What sorting takes for each row, beside the rows: its place, its index, and as much again meanwhile.
const SORT_BYTES_PER_ROW: usize = 32;

pub(super) struct OpenFile {
    partition: Struct,
    writer: ArrowWriter<Vec<u8>>,
    /// NaN values by field id, which Parquet doesn't count.
    nan_counts: BTreeMap<i32, u64>,
    rows: u64,
    /// Of a table with a sort order: rows that wait to be sorted when the file closes.
    gathered: Option<Gathered>,
}

struct Gathered {
    sorter: Arc<Sorter>,
    batches: Vec<RecordBatch>,
    bytes: usize,
}

/// A file's bytes, and what a commit must know of it.
pub(super) struct ClosedFile {
    pub bytes: Vec<u8>,
    pub file: DataFile,
}

fn failed(error: parquet::errors::ParquetError) -> Error {
    Error::new(ErrorKind::Internal, format!("encoding Parquet: {error}")).with_source(error)
}

impl OpenFile {
    pub fn new(
        schema: &SchemaRef,
        options: &Options,
        partition: Struct,
        sorter: Option<Arc<Sorter>>,
    ) -> Result<Self> {
        let properties = Some(options.parquet.clone());
        Ok(Self {
            partition,
            writer: ArrowWriter::try_new(Vec::new(), schema.clone(), properties).map_err(failed)?,
            nan_counts: BTreeMap::new(),
            rows: 0,
            gathered: sorter.map(|sorter| Gathered {
                sorter,
                batches: Vec::new(),
                bytes: 0,
            }),
        })
    }

    pub fn partition(&self) -> &Struct {
        &self.partition
    }

    pub fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        metrics::count_nans(rows, &mut self.nan_counts);
        self.rows += rows.num_rows() as u64;
        match &mut self.gathered {
            Some(gathered) => {
                gathered.bytes += bytes_of(rows)?;
                gathered.batches.push(rows.clone());
                Ok(())
            }
            None => self.writer.write(rows).map_err(failed),
        }
    }

    /// About what the file will take; at most, where its rows are to be sorted.
    pub fn size_bytes(&self) -> usize {
        let gathered = self.gathered.as_ref().map_or(0, |gathered| gathered.bytes);
        self.writer.bytes_written() + self.writer.in_progress_size() + gathered
    }

    pub fn memory_bytes(&self) -> usize {
        let rows = usize::try_from(self.rows).unwrap_or(usize::MAX);
        let gathered = self.gathered.as_ref().map_or(0, |gathered| {
            gathered.bytes + rows.saturating_mul(SORT_BYTES_PER_ROW)
        });
        self.writer.inner().capacity() + self.writer.memory_size() + gathered
    }

    /// Encodes what was gathered, in its order.
    async fn encode_gathered(&mut self) -> Result<i64> {
        let Some(gathered) = self.gathered.take() else {
            return Ok(0);
        };
        let sorted = gathered.sorter.sort(gathered.batches)?;
        for piece in sorted.pieces(ROWS_AT_ONCE) {
            self.writer.write(&piece?).map_err(failed)?;
            tokio::task::yield_now().await;
        }
        Ok(gathered.sorter.order_id)
    }

    pub async fn close(mut self, location: &str, metadata: &TableMetadata) -> Result<ClosedFile> {
        let sort_order_id = self.encode_gathered().await?;
        let sort_order_id = i32::try_from(sort_order_id).unwrap_or(0);
        let parquet = self.writer.finish().map_err(failed)?;
        let bytes = std::mem::take(self.writer.inner_mut());
        let schema = metadata.current_schema();
        let measured = metrics::measure(&parquet, schema, self.nan_counts)?;
        let file = DataFileBuilder::default()
            .content(DataContentType::Data)
            .file_path(location.to_owned())
            .file_format(DataFileFormat::Parquet)
            .partition(self.partition)
            .partition_spec_id(metadata.default_partition_spec_id())
            .record_count(self.rows)
            .file_size_in_bytes(bytes.len() as u64)
            .column_sizes(measured.column_sizes)
            .value_counts(measured.value_counts)
            .null_value_counts(measured.null_counts)
            .nan_value_counts(measured.nan_counts)
            .lower_bounds(measured.lower_bounds)
            .upper_bounds(measured.upper_bounds)
            .split_offsets(Some(measured.split_offsets))
            .sort_order_id(sort_order_id)
            .build()
            .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
        Ok(ClosedFile { bytes, file })
    }
}

/// What the rows take themselves, be they a slice of more.
fn bytes_of(rows: &RecordBatch) -> Result<usize> {
    let mut bytes = 0;
    for column in rows.columns() {
        let own = column.to_data().get_slice_memory_size();
        bytes += own.map_err(|error| {
            Error::new(ErrorKind::Internal, format!("measuring rows: {error}")).with_source(error)
        })?;
    }
    Ok(bytes)
}
