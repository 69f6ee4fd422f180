//! Structs and maps as JSON text, the way `row_to_json` lays it out.

use bytes::{BufMut, BytesMut};

use super::Style;
use super::column::{Column, Values};
use crate::query::output::datetime;
use crate::wire::sqlstate::Result;

/// Writes the value at `row` as JSON; NULL is `null`.
pub fn write(column: &Column, row: usize, style: &Style, out: &mut BytesMut) -> Result<()> {
    if column.is_null(row) {
        out.put_slice(b"null");
        return Ok(());
    }
    match &column.values {
        Values::Bool(a) => out.put_slice(if a.value(row) { b"true" } else { b"false" }),
        Values::Int16(_)
        | Values::Int32(_)
        | Values::Int64(_)
        | Values::Decimal(..)
        | Values::BigDecimal(..) => column.text(row, style, out)?,
        Values::Float32(a) if a.value(row).is_finite() => column.text(row, style, out)?,
        Values::Float64(a) if a.value(row).is_finite() => column.text(row, style, out)?,
        Values::Timestamp(a) => quoted(out, |out| datetime::timestamp(a.value(row), b'T', out)),
        Values::TimestampTz(a) => quoted(out, |out| {
            datetime::timestamptz(a.value(row), style.zone, b'T', out);
        }),
        Values::List(..) | Values::LargeList(..) => {
            let (child, from, to) = column.elements(row).expect("a list has elements");
            out.put_u8(b'[');
            for index in from..to {
                if index > from {
                    out.put_u8(b',');
                }
                write(child, index, style, out)?;
            }
            out.put_u8(b']');
        }
        Values::Struct(children) => {
            out.put_u8(b'{');
            for (index, (name, child)) in children.iter().enumerate() {
                if index > 0 {
                    out.put_u8(b',');
                }
                string(name.as_bytes(), out);
                out.put_u8(b':');
                write(child, row, style, out)?;
            }
            out.put_u8(b'}');
        }
        Values::Map(map, keys, values) => {
            let offsets = map.value_offsets();
            let (from, to) = (offsets[row] as usize, offsets[row + 1] as usize);
            out.put_u8(b'{');
            for index in from..to {
                if index > from {
                    out.put_u8(b',');
                }
                let start = out.len();
                keys.text(index, style, out)?;
                let key = out.split_off(start);
                string(&key, out);
                out.put_u8(b':');
                write(values, index, style, out)?;
            }
            out.put_u8(b'}');
        }
        _ => {
            let start = out.len();
            column.text(row, style, out)?;
            let value = out.split_off(start);
            string(&value, out);
        }
    }
    Ok(())
}

fn quoted(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    out.put_u8(b'"');
    write(out);
    out.put_u8(b'"');
}

fn string(value: &[u8], out: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(value.len() + 2);
    out.put_u8(b'"');
    for byte in value {
        match byte {
            b'"' => out.put_slice(b"\\\""),
            b'\\' => out.put_slice(b"\\\\"),
            b'\n' => out.put_slice(b"\\n"),
            b'\r' => out.put_slice(b"\\r"),
            b'\t' => out.put_slice(b"\\t"),
            0x08 => out.put_slice(b"\\b"),
            0x0c => out.put_slice(b"\\f"),
            0..0x20 => {
                out.put_slice(b"\\u00");
                out.put_u8(DIGITS[usize::from(byte >> 4)]);
                out.put_u8(DIGITS[usize::from(byte & 15)]);
            }
            _ => out.put_u8(*byte),
        }
    }
    out.put_u8(b'"');
}
