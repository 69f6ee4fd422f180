//! What manifests know of a file's columns, as DataFusion's statistics.
//! Exact only where a bound is the value itself: fixed-width types. A text's bound may be cut, a
//! float's leaves out NaN.

use arrow::datatypes::{DataType, Schema};
use datafusion::common::stats::Precision;
use datafusion::common::{ScalarValue, Statistics};
use iceberg::spec::{DataFile, PrimitiveType, Schema as IcebergSchema, Type};

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
            let value = Value::from_datum(datum?, kind)?;
            to_scalar(&value, field.data_type())
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

/// The value in the column's Arrow type. Floats are left out: NaN is in no bound, yet it is the
/// greatest of values for MAX.
fn to_scalar(value: &Value, kind: &DataType) -> Option<ScalarValue> {
    Some(match (value, kind) {
        (Value::Bool(v), DataType::Boolean) => ScalarValue::Boolean(Some(*v)),
        (Value::Int(v), DataType::Int32) => ScalarValue::Int32(Some(i32::try_from(*v).ok()?)),
        (Value::Int(v), DataType::Int64) => ScalarValue::Int64(Some(*v)),
        (Value::Int(v), DataType::Date32) => ScalarValue::Date32(Some(i32::try_from(*v).ok()?)),
        (Value::Int(v), DataType::Time64(_)) => ScalarValue::Time64Microsecond(Some(*v)),
        (Value::Int(v), DataType::Timestamp(_, zone)) => {
            ScalarValue::TimestampMicrosecond(Some(*v), zone.clone())
        }
        (Value::Decimal(v), DataType::Decimal128(precision, scale)) => {
            ScalarValue::Decimal128(Some(*v), *precision, *scale)
        }
        (Value::Text(v), DataType::Utf8View) => ScalarValue::Utf8View(Some(v.clone())),
        _ => return None,
    })
}
