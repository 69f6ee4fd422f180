//! Types by Postgres's names, and the marks by which columns of texts are told to be more.

use arrow::array::types::IntervalMonthDayNano;
use arrow::datatypes::{DataType, Field, IntervalMonthDayNanoType};
use datafusion::common::Result;

use super::interval_in::Interval;
use crate::query::{QueryError, QueryErrorKind as Kind};

/// Metadata key of a column whose texts are of this Postgres type.
pub const PG_TYPE: &str = "frazil.pg_type";
pub const JSON: &str = "json";
pub const JSONB: &str = "jsonb";

pub fn marked(field: Field, mark: &str) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(PG_TYPE.to_owned(), mark.to_owned());
    field.with_metadata(metadata)
}

pub fn mark_of(field: &Field) -> Option<&str> {
    field.metadata().get(PG_TYPE).map(String::as_str)
}

/// Postgres's name of a type, as its errors and `pg_typeof` have it.
pub fn name_of(kind: &DataType) -> String {
    use DataType as D;
    match kind {
        D::Null => "unknown",
        D::Boolean => "boolean",
        D::Int8 | D::UInt8 | D::Int16 => "smallint",
        D::Int32 | D::UInt16 => "integer",
        D::Int64 | D::UInt32 => "bigint",
        D::Float16 | D::Float32 => "real",
        D::Float64 => "double precision",
        D::UInt64 | D::Decimal32(..) | D::Decimal64(..) | D::Decimal128(..) | D::Decimal256(..) => {
            "numeric"
        }
        D::Utf8 | D::LargeUtf8 | D::Utf8View => "text",
        D::Binary | D::LargeBinary | D::BinaryView => "bytea",
        D::FixedSizeBinary(16) => "uuid",
        D::FixedSizeBinary(_) => "bytea",
        D::Date32 => "date",
        D::Time32(_) | D::Time64(_) => "time without time zone",
        D::Date64 | D::Timestamp(_, None) => "timestamp without time zone",
        D::Timestamp(_, Some(_)) => "timestamp with time zone",
        D::Interval(_) | D::Duration(_) => "interval",
        D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _) => {
            let element = name_of(item.data_type());
            let element = element.trim_end_matches("[]");
            return format!("{element}[]");
        }
        D::Struct(_) => "record",
        _ => "json",
    }
    .to_owned()
}

/// An interval as Arrow holds it; what doesn't fit is an error.
pub fn interval(value: Interval) -> Result<IntervalMonthDayNano> {
    let months = i32::try_from(value.months);
    let days = i32::try_from(value.days);
    match (months, days, value.micros.checked_mul(1000)) {
        (Ok(months), Ok(days), Some(nanoseconds)) => Ok(IntervalMonthDayNanoType::make_value(
            months,
            days,
            nanoseconds,
        )),
        _ => Err(QueryError::new(Kind::State("22008"), "interval out of range").into()),
    }
}

/// Postgres's full name of a mark's type.
pub fn mark_name(mark: &str) -> &str {
    match mark {
        "varchar" => "character varying",
        "bpchar" => "character",
        "char" => "\"char\"",
        other => other,
    }
}
