//! Values as text.

use arrow::array::Array;
use bytes::{BufMut, BytesMut};

use super::column::{Column, Values};
use super::{Style, array, json};
use crate::query::output::{bytea, datetime, float4, float8, integer, numeric, uuid};
use crate::wire::sqlstate::Result;

impl Column {
    /// Writes the value at `row`, which must not be NULL.
    pub fn text(&self, row: usize, style: &Style, out: &mut BytesMut) -> Result<()> {
        match &self.values {
            Values::Null => {}
            Values::Bool(a) => out.put_u8(if a.value(row) { b't' } else { b'f' }),
            Values::Int16(a) => integer(i64::from(a.value(row)), out),
            Values::Int32(a) => integer(i64::from(a.value(row)), out),
            Values::Int64(a) => integer(a.value(row), out),
            Values::Float32(a) => float4(a.value(row), out),
            Values::Float64(a) => float8(a.value(row), out),
            Values::Decimal(a, scale) => numeric(&a.value(row).to_string(), *scale, out),
            Values::BigDecimal(a, scale) => numeric(&a.value(row).to_string(), *scale, out),
            Values::Text(a) => out.put_slice(a.value(row).as_bytes()),
            Values::LargeText(a) => out.put_slice(a.value(row).as_bytes()),
            Values::TextView(a) => out.put_slice(a.value(row).as_bytes()),
            Values::Bytes(a) => bytea(a.value(row), out),
            Values::LargeBytes(a) => bytea(a.value(row), out),
            Values::BytesView(a) => bytea(a.value(row), out),
            Values::Fixed(a) => bytea(a.value(row), out),
            Values::Uuid(a) => uuid(a.value(row), out),
            Values::Date(a) => datetime::date(a.value(row), out),
            Values::Time(a) => datetime::time(a.value(row), out),
            Values::Timestamp(a) => datetime::timestamp(a.value(row), b' ', out),
            Values::TimestampTz(a) => datetime::timestamptz(a.value(row), style.zone, b' ', out),
            Values::Interval(a) => {
                let value = a.value(row);
                style.interval.write(
                    value.months,
                    value.days,
                    value.nanoseconds.div_euclid(1000),
                    out,
                );
            }
            Values::Duration(a) => style.interval.write(0, 0, a.value(row), out),
            Values::List(..) | Values::LargeList(..) => array::text(self, row, style, out)?,
            Values::Struct(..) | Values::Map(..) => json::write(self, row, style, out)?,
        }
        Ok(())
    }

    /// True when the text of a value needs no quotes in an array whatever it is.
    pub(super) fn is_plain_in_arrays(&self) -> bool {
        matches!(
            self.values,
            Values::Bool(_)
                | Values::Int16(_)
                | Values::Int32(_)
                | Values::Int64(_)
                | Values::Float32(_)
                | Values::Float64(_)
                | Values::Decimal(..)
                | Values::BigDecimal(..)
                | Values::Uuid(_)
                | Values::Date(_)
                | Values::Time(_)
        )
    }

    /// Whether the list's element at `row` of its child is NULL.
    pub(super) fn child_is_null(&self, row: usize) -> bool {
        matches!(self.values, Values::Null) || self.array.is_null(row)
    }
}
