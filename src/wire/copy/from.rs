//! COPY … FROM STDIN: a client's bytes into batches, whatever pieces they come in.
//! Must never hold more than a batch and the row that is being read.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bytes::{Buf, Bytes, BytesMut};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{CopyLegacyCsvOption, CopyLegacyOption, CopyOption};

use super::{BINARY_HEADER, CopyWriter, Layout};
use crate::query::QueryError;
use crate::query::write::CopyColumn;
use crate::wire::encode::{self, Format};
use crate::wire::params;
use crate::wire::sqlstate::{Result, WireError};

const ROWS_OF_A_BATCH: usize = 8192;
const BYTES_OF_A_BATCH: usize = 4 << 20;
/// A row may be as long as this.
const MOST_ROW_BYTES: usize = 128 << 20;

/// Takes a COPY's data apart.
pub(in crate::wire) struct CopyReader {
    layout: Layout,
    delimiter: u8,
    null: String,
    quote: u8,
    escape: u8,
    /// Columns in which the text of NULL is a text.
    not_null: Vec<bool>,
    /// Columns in which the text of NULL is one even in quotes.
    force_null: Vec<bool>,
    /// The first line is still to be passed over.
    header: bool,
    columns: Vec<CopyColumn>,
    zone: String,
    buffer: BytesMut,
    /// Bytes of the buffer in which no row ends.
    searched: Search,
    rows: Cells,
    line: u64,
    ended: bool,
}

/// Where the search for the end of a row stands.
#[derive(Clone, Copy, Debug, Default)]
struct Search {
    at: usize,
    quoted: bool,
    escaped: bool,
}

/// The values of the batch that is being made.
struct Cells {
    texts: Vec<StringBuilder>,
    values: Vec<Vec<ScalarValue>>,
    count: usize,
    bytes: usize,
}

impl CopyReader {
    /// Reads the options of both syntaxes.
    pub fn new(
        options: &[CopyOption],
        legacy: &[CopyLegacyOption],
        columns: Vec<CopyColumn>,
        zone: &str,
    ) -> Result<Self> {
        let (mut not_null, mut force_null) = (Vec::new(), Vec::new());
        let mut shared = Vec::new();
        for option in options {
            match option {
                CopyOption::ForceNotNull(names) => {
                    not_null.extend(names.iter().map(|name| name.value.clone()));
                }
                CopyOption::ForceNull(names) => {
                    force_null.extend(names.iter().map(|name| name.value.clone()));
                }
                CopyOption::ForceQuote(_) => {
                    return Err(WireError::unsupported(
                        "COPY force quote only available using COPY TO",
                    ));
                }
                other => shared.push(other.clone()),
            }
        }
        let mut old = Vec::new();
        for option in legacy {
            let CopyLegacyOption::Csv(csv) = option else {
                old.push(option.clone());
                continue;
            };
            let mut kept = Vec::new();
            for option in csv {
                match option {
                    CopyLegacyCsvOption::ForceNotNull(names) => {
                        not_null.extend(names.iter().map(|name| name.value.clone()));
                    }
                    other => kept.push(other.clone()),
                }
            }
            old.push(CopyLegacyOption::Csv(kept));
        }
        let format = CopyWriter::new(&shared, &old)?;
        let flags = |names: &[String]| {
            let flag = |column: &CopyColumn| names.iter().any(|n| n == "*" || *n == column.name);
            columns.iter().map(flag).collect()
        };
        Ok(Self {
            layout: format.layout,
            delimiter: format.delimiter,
            null: format.null,
            quote: format.quote,
            escape: format.escape,
            not_null: flags(&not_null),
            force_null: flags(&force_null),
            header: format.header || format.layout == Layout::Binary,
            rows: Cells::new(&columns),
            columns,
            zone: zone.to_owned(),
            buffer: BytesMut::new(),
            searched: Search::default(),
            line: 0,
            ended: false,
        })
    }

    pub fn format(&self) -> Format {
        match self.layout {
            Layout::Binary => Format::Binary,
            Layout::Text | Layout::Csv => Format::Text,
        }
    }

    /// The columns of the batches: texts, but for binary values that need no reading.
    pub fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().enumerate().map(|(at, column)| {
            let kind = match self.layout {
                Layout::Binary => binary_kind(column),
                Layout::Text | Layout::Csv => DataType::Utf8,
            };
            Field::new(format!("c{at}"), kind, true)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// Takes more of the data; the batches that are full by it.
    pub fn feed(&mut self, data: &[u8]) -> Result<Vec<RecordBatch>> {
        self.buffer.extend_from_slice(data);
        let mut full = Vec::new();
        while !self.ended && self.take_row()? {
            if self.rows.count >= ROWS_OF_A_BATCH || self.rows.bytes >= BYTES_OF_A_BATCH {
                full.push(self.batch()?);
            }
        }
        if self.ended {
            self.buffer.clear();
        }
        if self.buffer.len() > MOST_ROW_BYTES {
            return Err(self.wrong("54000", "a row is too long"));
        }
        Ok(full)
    }

    /// The end of the data; what is left.
    pub fn finish(&mut self) -> Result<Option<RecordBatch>> {
        if !self.ended && !self.buffer.is_empty() {
            if self.layout == Layout::Binary {
                return Err(self.wrong("22P04", "unexpected EOF in COPY data"));
            }
            if self.searched.quoted {
                return Err(self.wrong("22P04", "unterminated CSV quoted field"));
            }
            let row = self.buffer.split().freeze();
            self.text_row(strip_end(&row))?;
        }
        if self.rows.count == 0 {
            return Ok(None);
        }
        self.batch().map(Some)
    }

    fn wrong(&self, sqlstate: &'static str, message: &str) -> WireError {
        WireError::new(sqlstate, format!("{message} (COPY, line {})", self.line))
    }

    fn batch(&mut self) -> Result<RecordBatch> {
        let cells = std::mem::replace(&mut self.rows, Cells::new(&self.columns));
        let schema = self.schema();
        let count = cells.count;
        let arrays: Vec<ArrayRef> = match self.layout {
            Layout::Binary => cells
                .values
                .into_iter()
                .map(ScalarValue::iter_to_array)
                .collect::<std::result::Result<_, _>>()
                .map_err(|error| WireError::from(QueryError::from(error)))?,
            Layout::Text | Layout::Csv => {
                let texts = cells.texts.into_iter();
                texts
                    .map(|mut text| Arc::new(text.finish()) as ArrayRef)
                    .collect()
            }
        };
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(schema, arrays, &options)
            .map_err(|error| WireError::new("22P04", format!("COPY data: {error}")))
    }

    /// Reads the next row, if all of it is there.
    fn take_row(&mut self) -> Result<bool> {
        if self.layout == Layout::Binary {
            return self.take_tuple();
        }
        let Some(end) = self.row_end() else {
            return Ok(false);
        };
        let row = self.buffer.split_to(end).freeze();
        self.searched = Search::default();
        self.text_row(strip_end(&row))?;
        Ok(true)
    }

    /// Where the row at the buffer's start ends, its line feed included.
    fn row_end(&mut self) -> Option<usize> {
        let csv = self.layout == Layout::Csv;
        let mut search = self.searched;
        while search.at < self.buffer.len() {
            let byte = self.buffer[search.at];
            search.at += 1;
            if search.escaped {
                search.escaped = false;
            } else if csv {
                if search.quoted && byte == self.escape && self.escape != self.quote {
                    search.escaped = true;
                } else if byte == self.quote {
                    search.quoted = !search.quoted;
                } else if byte == b'\n' && !search.quoted {
                    return Some(search.at);
                }
            } else if byte == b'\\' {
                search.escaped = true;
            } else if byte == b'\n' {
                return Some(search.at);
            }
        }
        self.searched = search;
        None
    }

    fn text_row(&mut self, row: &[u8]) -> Result<()> {
        self.line += 1;
        if std::mem::take(&mut self.header) {
            return Ok(());
        }
        if row == b"\\." {
            self.ended = true;
            return Ok(());
        }
        let fields = match self.layout {
            Layout::Csv => self.csv_fields(row)?,
            _ => self.text_fields(row)?,
        };
        if fields.len() > self.columns.len() {
            return Err(self.wrong("22P04", "extra data after last expected column"));
        }
        if let Some(missing) = self.columns.get(fields.len()) {
            let message = format!("missing data for column \"{}\"", missing.name);
            return Err(self.wrong("22P04", &message));
        }
        self.rows.bytes += row.len();
        self.rows.count += 1;
        for (builder, field) in self.rows.texts.iter_mut().zip(fields) {
            builder.append_option(field);
        }
        Ok(())
    }

    fn text(&self, bytes: Vec<u8>) -> Result<String> {
        String::from_utf8(bytes)
            .ok()
            .filter(|text| !text.contains('\0'))
            .ok_or_else(|| self.wrong("22021", "invalid byte sequence for encoding \"UTF8\""))
    }

    fn text_fields(&self, row: &[u8]) -> Result<Vec<Option<String>>> {
        let mut fields = Vec::with_capacity(self.columns.len());
        if self.columns.is_empty() && row.is_empty() {
            return Ok(fields);
        }
        let mut at = 0;
        loop {
            let start = at;
            let mut value = Vec::new();
            while at < row.len() && row[at] != self.delimiter {
                if row[at] == b'\\' && at + 1 < row.len() {
                    at = unescape(row, at + 1, &mut value);
                } else {
                    value.push(row[at]);
                    at += 1;
                }
            }
            let is_null = &row[start..at] == self.null.as_bytes();
            fields.push(if is_null {
                None
            } else {
                Some(self.text(value)?)
            });
            if at >= row.len() {
                return Ok(fields);
            }
            at += 1;
        }
    }

    fn csv_fields(&self, row: &[u8]) -> Result<Vec<Option<String>>> {
        let mut fields = Vec::with_capacity(self.columns.len());
        let mut at = 0;
        loop {
            let (mut value, mut inside, mut quoted) = (Vec::new(), false, false);
            while at < row.len() && (inside || row[at] != self.delimiter) {
                let byte = row[at];
                let next = row.get(at + 1).copied();
                let escapes = next.is_some_and(|next| next == self.quote || next == self.escape);
                if inside && byte == self.escape && escapes {
                    value.extend(next);
                    at += 2;
                } else if byte == self.quote {
                    (inside, quoted) = (!inside, true);
                    at += 1;
                } else {
                    value.push(byte);
                    at += 1;
                }
            }
            let index = fields.len();
            let flag = |flags: &[bool]| flags.get(index).copied().unwrap_or(false);
            let may_be_null =
                (!quoted && !flag(&self.not_null)) || (quoted && flag(&self.force_null));
            let is_null = may_be_null && value == self.null.as_bytes();
            fields.push(if is_null {
                None
            } else {
                Some(self.text(value)?)
            });
            if at >= row.len() {
                return Ok(fields);
            }
            at += 1;
        }
    }

    /// One tuple of the binary format, or what stands around them.
    fn take_tuple(&mut self) -> Result<bool> {
        if self.header {
            // CopyData's own frame is not part of the header.
            let signature = &BINARY_HEADER[..11];
            if self.buffer.len() < 19 {
                return Ok(false);
            }
            if &self.buffer[..11] != signature {
                return Err(self.wrong("22P04", "COPY file signature not recognized"));
            }
            let extension = u32::from_be_bytes([15, 16, 17, 18].map(|at| self.buffer[at])) as usize;
            if self.buffer.len() < 19 + extension {
                return Ok(false);
            }
            self.buffer.advance(19 + extension);
            self.header = false;
        }
        let Some(tuple) = tuple(&self.buffer) else {
            return Ok(false);
        };
        self.line += 1;
        let Tuple::Fields { fields, length } = tuple else {
            self.ended = true;
            return Ok(false);
        };
        if fields.len() != self.columns.len() {
            let message = format!(
                "row field count is {}, expected {}",
                fields.len(),
                self.columns.len()
            );
            return Err(self.wrong("22P04", &message));
        }
        let data = self.buffer.split_to(length).freeze();
        for (at, (field, column)) in fields.into_iter().zip(&self.columns).enumerate() {
            let bytes: Option<Bytes> = field.map(|(from, to)| data.slice(from..to));
            let oid = encode::of_type(&column.kind).oid;
            let value = params::decode(bytes.as_ref(), Format::Binary, oid, &self.zone)?;
            let value = match binary_kind(column) {
                DataType::Utf8 if !value.data_type().is_string() => as_text(&value)?,
                _ => value,
            };
            self.rows.values[at].push(value);
        }
        self.rows.bytes += length;
        self.rows.count += 1;
        Ok(true)
    }
}

impl Cells {
    fn new(columns: &[CopyColumn]) -> Self {
        Self {
            texts: columns.iter().map(|_| StringBuilder::new()).collect(),
            values: columns.iter().map(|_| Vec::new()).collect(),
            count: 0,
            bytes: 0,
        }
    }
}

fn as_text(value: &ScalarValue) -> Result<ScalarValue> {
    let text = value.cast_to(&DataType::Utf8);
    text.map_err(|error| WireError::from(QueryError::from(error)))
}

/// Numerics bring their own digits each, so they go as texts.
fn binary_kind(column: &CopyColumn) -> DataType {
    let kind = encode::to_arrow(encode::of_type(&column.kind).oid);
    match kind {
        Some(kind) if !kind.is_decimal() => kind,
        _ => DataType::Utf8,
    }
}

enum Tuple {
    End,
    /// Places of the fields in the buffer, and the tuple's length.
    Fields {
        fields: Vec<Option<(usize, usize)>>,
        length: usize,
    },
}

/// The tuple at the start, if it is whole.
fn tuple(buffer: &[u8]) -> Option<Tuple> {
    let count = i16::from_be_bytes(buffer.get(..2)?.try_into().ok()?);
    let Ok(count) = usize::try_from(count) else {
        return Some(Tuple::End);
    };
    let mut at = 2;
    let mut fields = Vec::with_capacity(count.min(2000));
    for _ in 0..count {
        let length = i32::from_be_bytes(buffer.get(at..at + 4)?.try_into().ok()?);
        at += 4;
        match usize::try_from(length) {
            Err(_) => fields.push(None),
            Ok(length) => {
                let end = at.checked_add(length)?;
                if end > buffer.len() {
                    return None;
                }
                fields.push(Some((at, end)));
                at = end;
            }
        }
    }
    Some(Tuple::Fields { fields, length: at })
}

/// A row without its line feed, and the carriage return before it.
fn strip_end(row: &[u8]) -> &[u8] {
    let row = row.strip_suffix(b"\n").unwrap_or(row);
    row.strip_suffix(b"\r").unwrap_or(row)
}

/// What stands behind a backslash; where to go on.
fn unescape(row: &[u8], at: usize, value: &mut Vec<u8>) -> usize {
    let digits = |base: u32, most: usize, from: usize| {
        let digits = row[from..].iter().take(most);
        digits
            .take_while(|byte| (**byte as char).is_digit(base))
            .count()
    };
    let number = |base: u32, from: usize, count: usize| {
        let text = std::str::from_utf8(&row[from..from + count]).unwrap_or_default();
        u32::from_str_radix(text, base).unwrap_or_default() as u8
    };
    match row[at] {
        b'b' => value.push(0x08),
        b'f' => value.push(0x0c),
        b'n' => value.push(b'\n'),
        b'r' => value.push(b'\r'),
        b't' => value.push(b'\t'),
        b'v' => value.push(0x0b),
        b'0'..=b'7' => {
            let count = digits(8, 3, at);
            value.push(number(8, at, count));
            return at + count;
        }
        b'x' if digits(16, 2, at + 1) > 0 => {
            let count = digits(16, 2, at + 1);
            value.push(number(16, at + 1, count));
            return at + 1 + count;
        }
        other => value.push(other),
    }
    at + 1
}

#[cfg(test)]
mod tests;
