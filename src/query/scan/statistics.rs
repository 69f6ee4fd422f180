//! What manifests know of a file's columns, as DataFusion's statistics.
//! Exact only where a bound is the value itself: fixed-width types. A text's bound may be cut, a
//! float's leaves out NaN.

use arrow::datatypes::Schema;
use datafusion::common::stats::Precision;
use datafusion::common::{ScalarValue, Statistics};
use iceberg::spec::{
    DataFile, PartitionSpec, PrimitiveType, Schema as IcebergSchema, Transform, Type,
};

use super::schema::field_id;
use super::value::Value;

pub(super) fn of_file(file: &DataFile, schema: &Schema, iceberg: &IcebergSchema) -> Statistics {
    let mut statistics = Statistics::new_unknown(schema);
    statistics.num_rows = Precision::Exact(count(file.record_count()));
    statistics.total_byte_size = Precision::Inexact(count(file.file_size_in_bytes()));
    for (field, column) in schema
        .fields()
        .iter()
        .zip(&mut statistics.column_statistics)
    {
        let Some(id) = field_id(field) else { continue };
        let kind = match iceberg.field_by_id(id).map(|f| f.field_type.as_ref()) {
            Some(Type::Primitive(kind)) => kind,
            _ => continue,
        };
        if let Some(nulls) = file.null_value_counts().get(&id) {
            column.null_count = Precision::Exact(count(*nulls));
        }
        let bound = |datum: Option<&iceberg::spec::Datum>| {
            // Not of floats: NaN is in no bound, yet it is the greatest of values for MAX.
            match Value::from_datum(datum?, kind)? {
                Value::Float(_) | Value::Bytes(_) => None,
                value => value.to_scalar(field.data_type()),
            }
        };
        let precision: fn(ScalarValue) -> Precision<ScalarValue> = if is_exact(kind) {
            Precision::Exact
        } else {
            Precision::Inexact
        };
        if let Some(low) = bound(file.lower_bounds().get(&id)) {
            column.min_value = precision(low);
        }
        if let Some(high) = bound(file.upper_bounds().get(&id)) {
            column.max_value = precision(high);
        }
    }
    statistics
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn is_exact(kind: &PrimitiveType) -> bool {
    matches!(
        kind,
        PrimitiveType::Boolean
            | PrimitiveType::Int
            | PrimitiveType::Long
            | PrimitiveType::Date
            | PrimitiveType::Time
            | PrimitiveType::Timestamp
            | PrimitiveType::Timestamptz
            | PrimitiveType::Decimal { .. }
    )
}

/// The value that each row of a file has in a column which is not in the file: its partition has
/// it. Another engine's `add_files` brings such files in, whose columns were in the names of their
/// directories. DataFusion takes a column whose least and greatest value are the same for that value.
pub(super) fn add_partition_values(
    statistics: &mut Statistics,
    file: &DataFile,
    spec: &PartitionSpec,
    schema: &Schema,
    iceberg: &IcebergSchema,
) {
    for (part, literal) in spec.fields().iter().zip(file.partition().iter()) {
        let id = part.source_id;
        let is_there = file.column_sizes().contains_key(&id)
            || file.value_counts().contains_key(&id)
            || file.null_value_counts().contains_key(&id);
        if is_there || part.transform != Transform::Identity {
            continue;
        }
        let place = schema.fields().iter().position(|f| field_id(f) == Some(id));
        let kind = iceberg.field_by_id(id).map(|f| f.field_type.as_ref());
        let (Some(place), Some(Type::Primitive(kind))) = (place, kind) else {
            continue;
        };
        let column = &mut statistics.column_statistics[place];
        let Some(literal) = literal.and_then(|literal| literal.as_primitive_literal()) else {
            statistics.num_rows = Precision::Exact(count(file.record_count()));
            column.null_count = statistics.num_rows;
            continue;
        };
        let value = Value::from_literal(&literal, kind);
        let data_type = schema.field(place).data_type();
        if let Some(value) = value.and_then(|value| value.to_scalar(data_type)) {
            column.null_count = Precision::Exact(0);
            column.min_value = Precision::Exact(value.clone());
            column.max_value = Precision::Exact(value);
        }
    }
}
