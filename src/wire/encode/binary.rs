//! Values in Postgres's binary formats.

use bytes::{BufMut, BytesMut};

use super::column::{Column, Values};
use super::{Style, array, json, numeric};
use crate::query::output::datetime::{EPOCH_DAYS, EPOCH_MICROS};
use crate::wire::sqlstate::Result;

impl Column {
    /// Writes the value at `row`, which must not be NULL.
    pub fn binary(&self, row: usize, style: &Style, out: &mut BytesMut) -> Result<()> {
        match &self.values {
            Values::Null => {}
            Values::Bool(a) => out.put_u8(u8::from(a.value(row))),
            Values::Int16(a) => out.put_i16(a.value(row)),
            Values::Int32(a) => out.put_i32(a.value(row)),
            Values::Int64(a) => out.put_i64(a.value(row)),
            Values::Float32(a) => out.put_f32(a.value(row)),
            Values::Float64(a) => out.put_f64(a.value(row)),
            Values::Decimal(a, scale) => numeric::binary(&a.value(row).to_string(), *scale, out),
            Values::BigDecimal(a, scale) => {
                numeric::binary(&a.value(row).to_string(), *scale, out);
            }
            Values::Text(a) => out.put_slice(a.value(row).as_bytes()),
            Values::LargeText(a) => out.put_slice(a.value(row).as_bytes()),
            Values::TextView(a) => out.put_slice(a.value(row).as_bytes()),
            Values::Bytes(a) => out.put_slice(a.value(row)),
            Values::LargeBytes(a) => out.put_slice(a.value(row)),
            Values::BytesView(a) => out.put_slice(a.value(row)),
            Values::Fixed(a) | Values::Uuid(a) => out.put_slice(a.value(row)),
            Values::Date(a) => out.put_i32(match a.value(row) {
                infinite @ (i32::MAX | i32::MIN) => infinite,
                days => days.saturating_sub(EPOCH_DAYS),
            }),
            Values::Time(a) => out.put_i64(a.value(row)),
            Values::Timestamp(a) | Values::TimestampTz(a) => out.put_i64(match a.value(row) {
                infinite @ (i64::MAX | i64::MIN) => infinite,
                micros => micros.saturating_sub(EPOCH_MICROS),
            }),
            Values::Interval(a) => {
                let value = a.value(row);
                out.put_i64(value.nanoseconds.div_euclid(1000));
                out.put_i32(value.days);
                out.put_i32(value.months);
            }
            Values::Duration(a) => {
                out.put_i64(a.value(row));
                out.put_i32(0);
                out.put_i32(0);
            }
            Values::List(..) | Values::LargeList(..) => array::binary(self, row, style, out)?,
            Values::Struct(..) | Values::Map(..) => json::write(self, row, style, out)?,
        }
        Ok(())
    }
}
