//! Values as text.

use std::fmt::Write;

use arrow::array::Array;
use bytes::{BufMut, BytesMut};

use super::column::{Column, Values};
use super::{Style, array, datetime, json, numeric};
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
            Values::Decimal(a, scale) => numeric::text(&a.value(row).to_string(), *scale, out),
            Values::BigDecimal(a, scale) => numeric::text(&a.value(row).to_string(), *scale, out),
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
                datetime::interval(
                    value.months,
                    value.days,
                    value.nanoseconds.div_euclid(1000),
                    out,
                );
            }
            Values::Duration(a) => datetime::interval(0, 0, a.value(row), out),
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

/// Writes an integer in decimal.
pub fn integer(value: i64, out: &mut BytesMut) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.put_u8(b'-');
    }
    out.put_slice(&digits[at..]);
}

/// The shortest text that reads back as the same float4.
pub fn float4(value: f32, out: &mut BytesMut) {
    if !special(f64::from(value), out) {
        shortest(&format!("{value:e}"), 6, out);
    }
}

/// The shortest text that reads back as the same float8.
pub fn float8(value: f64, out: &mut BytesMut) {
    if !special(value, out) {
        shortest(&format!("{value:e}"), 15, out);
    }
}

fn special(value: f64, out: &mut BytesMut) -> bool {
    if value.is_nan() {
        out.put_slice(b"NaN");
    } else if value.is_infinite() {
        out.put_slice(if value > 0.0 {
            b"Infinity"
        } else {
            b"-Infinity"
        });
    } else {
        return false;
    }
    true
}

/// Lays out shortest digits (`-1.25e-7`) as Postgres does: an exponent below −4 or from `limit` on.
fn shortest(scientific: &str, limit: i32, out: &mut BytesMut) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    out.put_slice(sign.as_bytes());
    if exponent < -4 || exponent >= limit {
        out.put_slice(mantissa.as_bytes());
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(out, "e{sign}{:02}", exponent.abs()).expect("a BytesMut grows");
        return;
    }
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if exponent < 0 {
        out.put_slice(b"0.");
        out.put_bytes(b'0', exponent.unsigned_abs() as usize - 1);
        out.put_slice(digits.as_bytes());
        return;
    }
    let whole = exponent.unsigned_abs() as usize + 1;
    if digits.len() <= whole {
        out.put_slice(digits.as_bytes());
        out.put_bytes(b'0', whole - digits.len());
    } else {
        out.put_slice(&digits.as_bytes()[..whole]);
        out.put_u8(b'.');
        out.put_slice(&digits.as_bytes()[whole..]);
    }
}

/// `\x` and hexadecimal digits.
pub fn bytea(bytes: &[u8], out: &mut BytesMut) {
    out.put_slice(b"\\x");
    hex(bytes, out);
}

pub fn uuid(bytes: &[u8], out: &mut BytesMut) {
    for (index, part) in [(0, 4), (4, 6), (6, 8), (8, 10), (10, 16)]
        .iter()
        .enumerate()
    {
        if index > 0 {
            out.put_u8(b'-');
        }
        hex(&bytes[part.0..part.1], out);
    }
}

fn hex(bytes: &[u8], out: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.put_u8(DIGITS[usize::from(byte >> 4)]);
        out.put_u8(DIGITS[usize::from(byte & 15)]);
    }
}
