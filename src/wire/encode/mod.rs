//! Arrow values as Postgres shows them, straight into the connection's buffer.
//! No value passes through another type on its way: decimals of 38 digits and more stay exact.
//! Must never buffer rows: one row is written at a time, from columns resolved once a batch.

mod array;
mod binary;
mod column;
mod json;
mod numeric;
#[cfg(test)]
mod tests;
mod text;
mod types;

pub use column::Column;
pub use numeric::from_binary as numeric_from_binary;
pub use types::{OID_ALIAS, PgType, array_of, element_of, of_field, of_type, oid, to_arrow};

use bytes::{BufMut, BytesMut};
use chrono_tz::Tz;

use super::sqlstate::Result;
use crate::query::output::interval_style::IntervalStyle;

/// How values are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Binary,
}

impl Format {
    pub fn code(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }
}

/// What the session's settings say about output.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// The zone in which `timestamptz` is shown.
    pub zone: Tz,
    pub interval: IntervalStyle,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            zone: Tz::UTC,
            interval: IntervalStyle::default(),
        }
    }
}

/// Writes one DataRow message. `formats` has one entry a column.
pub fn data_row(
    columns: &[Column],
    formats: &[Format],
    row: usize,
    style: &Style,
    out: &mut BytesMut,
) -> Result<()> {
    let start = out.len();
    out.put_u8(b'D');
    out.put_i32(0);
    out.put_i16(columns.len() as i16);
    for (column, format) in columns.iter().zip(formats) {
        if let Err(error) = field(column, *format, row, style, out) {
            // Half a row must not reach the client.
            out.truncate(start);
            return Err(error);
        }
    }
    let length = (out.len() - start - 1) as i32;
    out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// Writes one value behind its length; −1 for NULL.
pub fn field(
    column: &Column,
    format: Format,
    row: usize,
    style: &Style,
    out: &mut BytesMut,
) -> Result<()> {
    if column.is_null(row) {
        out.put_i32(-1);
        return Ok(());
    }
    let start = out.len();
    out.put_i32(0);
    match format {
        Format::Text => column.text(row, style, out)?,
        Format::Binary => column.binary(row, style, out)?,
    }
    let length = (out.len() - start - 4) as i32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}
