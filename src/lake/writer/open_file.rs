//! One Parquet file being encoded in memory.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, Struct, TableMetadata,
};
use parquet::arrow::ArrowWriter;

use super::metrics;
use super::options::Options;
use crate::lake::{Error, ErrorKind, Result};

pub(super) struct OpenFile {
    partition: Struct,
    writer: ArrowWriter<Vec<u8>>,
    /// NaN values by field id, which Parquet doesn't count.
    nan_counts: BTreeMap<i32, u64>,
    rows: u64,
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
    pub fn new(schema: &SchemaRef, options: &Options, partition: Struct) -> Result<Self> {
        let properties = Some(options.parquet.clone());
        Ok(Self {
            partition,
            writer: ArrowWriter::try_new(Vec::new(), schema.clone(), properties).map_err(failed)?,
            nan_counts: BTreeMap::new(),
            rows: 0,
        })
    }

    pub fn partition(&self) -> &Struct {
        &self.partition
    }

    pub fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        metrics::count_nans(rows, &mut self.nan_counts);
        self.rows += rows.num_rows() as u64;
        self.writer.write(rows).map_err(failed)
    }

    /// About what the file will take.
    pub fn size_bytes(&self) -> usize {
        self.writer.bytes_written() + self.writer.in_progress_size()
    }

    pub fn memory_bytes(&self) -> usize {
        self.writer.inner().capacity() + self.writer.memory_size()
    }

    pub fn close(mut self, location: &str, metadata: &TableMetadata) -> Result<ClosedFile> {
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
            // Sorted within each batch only, so unsorted as a whole.
            .sort_order_id(0)
            .build()
            .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
        Ok(ClosedFile { bytes, file })
    }
}
