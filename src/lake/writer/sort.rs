//! Rows in a table's sort order (Iceberg's specification, "Sorting"). Arrow's order of floats is the
//! specification's: -NaN, -∞, …, -0, +0, …, ∞, NaN.

use std::fmt;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::{
    SortColumn, SortOptions, concat, interleave_record_batch, lexsort_to_indices,
};
use arrow::record_batch::RecordBatch;
use iceberg::arrow::record_batch_projector::RecordBatchProjector;
use iceberg::spec::{NullOrder, SortDirection, TableMetadata};
use iceberg::transform::{BoxedTransformFunction, create_transform_function};

use crate::lake::{Error, ErrorKind, Result};

pub(super) struct Sorter {
    /// Of the table's metadata; 0 is unsorted.
    pub order_id: i64,
    sources: RecordBatchProjector,
    columns: Vec<(BoxedTransformFunction, SortOptions)>,
}

impl fmt::Debug for Sorter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sorter")
            .field("order_id", &self.order_id)
            .finish_non_exhaustive()
    }
}

fn failed(what: &str, error: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Invalid, format!("{what}: {error}"))
}

/// Batches and the order of all their rows.
pub(super) struct Sorted {
    batches: Vec<RecordBatch>,
    /// Batch and row within it.
    places: Vec<(u32, u32)>,
}

impl Sorter {
    /// For the table's default sort order; None where it has none.
    pub fn new(metadata: &TableMetadata) -> Result<Option<Self>> {
        let order = metadata.default_sort_order();
        if order.is_unsorted() {
            return Ok(None);
        }
        let told = |error: iceberg::Error| failed("the table's sort order", error);
        let ids: Vec<i32> = order.fields.iter().map(|field| field.source_id).collect();
        let schema = metadata.current_schema().clone();
        let mut columns = Vec::new();
        for field in &order.fields {
            let transform = create_transform_function(&field.transform).map_err(told)?;
            let options = SortOptions {
                descending: field.direction == SortDirection::Descending,
                nulls_first: field.null_order == NullOrder::First,
            };
            columns.push((transform, options));
        }
        Ok(Some(Self {
            order_id: order.order_id,
            sources: RecordBatchProjector::from_iceberg_schema(schema, &ids).map_err(told)?,
            columns,
        }))
    }

    /// What a batch is sorted by.
    fn keys(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let sources = self.sources.project_column(batch.columns());
        let sources = sources.map_err(|error| failed("sorting rows", error))?;
        let keys = sources.into_iter().zip(&self.columns);
        keys.map(|(source, (transform, _))| transform.transform(source))
            .collect::<iceberg::Result<_>>()
            .map_err(|error| failed("sorting rows", error))
    }

    /// The rows of all batches in one order; copies only what they are sorted by.
    pub fn sort(&self, batches: Vec<RecordBatch>) -> Result<Sorted> {
        let told = |error: arrow::error::ArrowError| failed("sorting rows", error);
        let mut places = Vec::new();
        let mut keys: Vec<Vec<ArrayRef>> = vec![Vec::new(); self.columns.len()];
        for (number, batch) in (0..).zip(&batches) {
            let rows = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
            places.extend((0..rows).map(|row| (number, row)));
            for (column, key) in keys.iter_mut().zip(self.keys(batch)?) {
                column.push(key);
            }
        }
        let mut columns = Vec::with_capacity(keys.len());
        for (parts, (_, options)) in keys.iter().zip(&self.columns) {
            let parts: Vec<_> = parts.iter().map(AsRef::as_ref).collect();
            columns.push(SortColumn {
                values: concat(&parts).map_err(told)?,
                options: Some(*options),
            });
        }
        let order: UInt32Array = lexsort_to_indices(&columns, None).map_err(told)?;
        Ok(Sorted {
            places: order
                .values()
                .iter()
                .map(|at| places[*at as usize])
                .collect(),
            batches,
        })
    }
}

impl Sorted {
    /// The rows in order, `count` at a time.
    pub fn pieces(&self, count: usize) -> impl Iterator<Item = Result<RecordBatch>> + '_ {
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        self.places.chunks(count.max(1)).map(move |places| {
            let places: Vec<_> = places
                .iter()
                .map(|(batch, row)| (*batch as usize, *row as usize))
                .collect();
            interleave_record_batch(&batches, &places)
                .map_err(|error| failed("sorting rows", error))
        })
    }
}
