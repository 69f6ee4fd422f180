//! What a commit tells of a data file: sizes, counts and bounds by field id, from the Parquet
//! footer. Fields inside lists and maps have a size and nothing else, as with Iceberg's writers.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type};
use arrow::record_batch::RecordBatch;
use iceberg::spec::{Datum, Schema};
use parquet::file::metadata::ParquetMetaData;

use super::bounds::Bounds;
use super::conform::field_id;
use crate::lake::{Error, ErrorKind, Result};

#[derive(Debug, Default)]
pub(super) struct Measured {
    pub column_sizes: HashMap<i32, u64>,
    pub value_counts: HashMap<i32, u64>,
    pub null_counts: HashMap<i32, u64>,
    pub nan_counts: HashMap<i32, u64>,
    pub lower_bounds: HashMap<i32, Datum>,
    pub upper_bounds: HashMap<i32, Datum>,
    pub split_offsets: Vec<i64>,
}

#[derive(Default)]
struct Column {
    values: u64,
    /// None: a row group did not tell.
    nulls: Option<u64>,
    bounds: Bounds,
}

/// Reads the footer of a file just written. `nan_counts` has every float column that counts.
pub(super) fn measure(
    parquet: &ParquetMetaData,
    schema: &Schema,
    nan_counts: BTreeMap<i32, u64>,
) -> Result<Measured> {
    let mut measured = Measured::default();
    let mut columns: BTreeMap<i32, Column> = BTreeMap::new();
    for group in parquet.row_groups() {
        if let Some(first) = group.columns().first() {
            let start = first
                .dictionary_page_offset()
                .unwrap_or_else(|| first.data_page_offset());
            measured.split_offsets.push(start);
        }
        for chunk in group.columns() {
            let descriptor = chunk.column_descr();
            let info = descriptor.self_type().get_basic_info();
            let field = info
                .has_id()
                .then(|| info.id())
                .and_then(|id| schema.field_by_id(id));
            let Some(field) = field else {
                return Err(Error::new(
                    ErrorKind::Internal,
                    format!("the Parquet column {} has no field id", descriptor.path()),
                ));
            };
            let size = u64::try_from(chunk.compressed_size()).unwrap_or(0);
            *measured.column_sizes.entry(field.id).or_default() += size;
            let Some(kind) = field.field_type.as_primitive_type() else {
                continue;
            };
            if descriptor.max_rep_level() > 0 {
                continue;
            }
            let column = columns.entry(field.id).or_insert_with(|| Column {
                nulls: Some(0),
                ..Column::default()
            });
            let values = u64::try_from(chunk.num_values()).unwrap_or(0);
            let nulls = chunk.statistics().and_then(|s| s.null_count_opt());
            column.values += values;
            column.nulls = column.nulls.zip(nulls).map(|(sum, more)| sum + more);
            let has_values = nulls != Some(values);
            column.bounds.gather(chunk.statistics(), kind, has_values);
        }
    }
    for (id, column) in columns {
        measured.value_counts.insert(id, column.values);
        if let Some(nulls) = column.nulls {
            measured.null_counts.insert(id, nulls);
        }
        let (lower, upper) = column.bounds.finish();
        measured.lower_bounds.extend(lower.map(|datum| (id, datum)));
        measured.upper_bounds.extend(upper.map(|datum| (id, datum)));
    }
    measured.nan_counts.extend(nan_counts);
    Ok(measured)
}

/// Adds the NaNs of a batch, for each float column outside lists and maps.
pub(super) fn count_nans(rows: &RecordBatch, counts: &mut BTreeMap<i32, u64>) {
    for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
        count(field, column, None, counts);
    }
}

fn count(
    field: &Field,
    array: &ArrayRef,
    above: Option<&NullBuffer>,
    counts: &mut BTreeMap<i32, u64>,
) {
    let nulls = NullBuffer::union(above, array.nulls());
    let alive = |index: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(index));
    let nans = match field.data_type() {
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>().values();
            let nans = values.iter().enumerate();
            nans.filter(|(i, value)| value.is_nan() && alive(*i))
                .count()
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().values();
            let nans = values.iter().enumerate();
            nans.filter(|(i, value)| value.is_nan() && alive(*i))
                .count()
        }
        DataType::Struct(fields) => {
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                count(field, column, nulls.as_ref(), counts);
            }
            return;
        }
        _ => return,
    };
    if let Some(id) = field_id(field) {
        *counts.entry(id).or_default() += nans as u64;
    }
}
