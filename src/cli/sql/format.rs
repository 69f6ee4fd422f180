//! Rows as text: a table for people, CSV, or JSON. Memory stays flat: batches are written as they
//! come, a table's widths follow from its first rows.

use std::collections::BTreeSet;
use std::io::{self, Write};

use arrow::array::Array;
use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderOptions, NullableEncoder, make_encoder};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::Format;

/// Writes the rows of one result.
pub(super) struct Rows {
    format: Format,
    schema: SchemaRef,
    /// Of the columns; as JSON's keys no two are the same.
    names: Vec<String>,
    widths: Vec<usize>,
    rows: u64,
}

/// Widest column of a table; longer values push the rest to the right.
const WIDEST: usize = 80;

impl Rows {
    pub(super) fn new(format: Format, schema: &SchemaRef, names: Vec<String>) -> Self {
        Self {
            format,
            schema: SchemaRef::clone(schema),
            names: match format {
                Format::Json => distinct(names),
                _ => names,
            },
            widths: Vec::new(),
            rows: 0,
        }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch, out: &mut impl Write) -> io::Result<()> {
        let schema = SchemaRef::clone(&self.schema);
        let mut columns = batch
            .columns()
            .iter()
            .zip(schema.fields())
            .map(|(array, field)| Column::new(array.as_ref(), field, self.format))
            .collect::<Result<Vec<_>, ArrowError>>()
            .map_err(io::Error::other)?;
        let mut cells: Vec<Vec<String>> = Vec::new();
        if self.rows == 0 && self.format == Format::Table {
            // The whole first batch sets the widths.
            for row in 0..batch.num_rows() {
                cells.push(columns.iter_mut().map(|column| column.text(row)).collect());
            }
        }
        if self.rows == 0 {
            self.begin(&cells, out)?;
        }
        let mut line = Vec::new();
        for row in 0..batch.num_rows() {
            line.clear();
            match self.format {
                Format::Table => {
                    let texts = match cells.get_mut(row) {
                        Some(texts) => std::mem::take(texts),
                        None => columns.iter_mut().map(|column| column.text(row)).collect(),
                    };
                    self.table_row(&texts, &columns, &mut line);
                }
                Format::Csv => csv_row(columns.iter_mut().map(|c| c.text(row)), &mut line),
                Format::Json => self.json_row(&mut columns, row, &mut line),
            }
            out.write_all(&line)?;
            self.rows += 1;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.rows == 0 {
            self.begin(&[], out)?;
        }
        match self.format {
            Format::Table if self.rows == 1 => writeln!(out, "(1 row)\n"),
            Format::Table => writeln!(out, "({} rows)\n", self.rows),
            Format::Csv => Ok(()),
            Format::Json if self.rows == 0 => writeln!(out, "]"),
            Format::Json => writeln!(out, "\n]"),
        }
    }

    fn begin(&mut self, cells: &[Vec<String>], out: &mut impl Write) -> io::Result<()> {
        let names = &self.names;
        match self.format {
            Format::Json => write!(out, "["),
            Format::Csv => {
                let mut line = Vec::new();
                csv_row(names.iter().cloned(), &mut line);
                out.write_all(&line)
            }
            Format::Table => {
                self.widths = (0..names.len())
                    .map(|column| {
                        let values = cells.iter().map(|row| row[column].chars().count());
                        let widest = values.max().unwrap_or(0).min(WIDEST);
                        widest.max(names[column].chars().count())
                    })
                    .collect();
                let mut line = String::new();
                let mut rule = String::new();
                for (index, (name, width)) in names.iter().zip(&self.widths).enumerate() {
                    if index > 0 {
                        line.push('|');
                        rule.push('+');
                    }
                    line += &format!(" {name:^width$} ");
                    rule += &"-".repeat(width + 2);
                }
                writeln!(out, "{}\n{rule}", line.trim_end())
            }
        }
    }

    fn table_row(&self, texts: &[String], columns: &[Column<'_>], line: &mut Vec<u8>) {
        let mut shown = String::new();
        for (index, text) in texts.iter().enumerate() {
            let width = self.widths.get(index).copied().unwrap_or(0);
            if index > 0 {
                shown.push('|');
            }
            if columns[index].is_number {
                shown += &format!(" {text:>width$} ");
            } else {
                shown += &format!(" {text:<width$} ");
            }
        }
        line.extend_from_slice(shown.trim_end().as_bytes());
        line.push(b'\n');
    }

    fn json_row(&self, columns: &mut [Column<'_>], row: usize, line: &mut Vec<u8>) {
        line.extend_from_slice(if self.rows == 0 { b"\n{" } else { b",\n{" });
        for (index, (column, name)) in columns.iter_mut().zip(&self.names).enumerate() {
            if index > 0 {
                line.push(b',');
            }
            let name = serde_json::to_string(name).expect("a text always serialises");
            line.extend_from_slice(name.as_bytes());
            line.push(b':');
            column.json(row, line);
        }
        line.push(b'}');
    }
}

/// `count, count` as `count, count_2`.
fn distinct(names: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let unique = |name: String| {
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let mut all = std::iter::once(name.clone()).chain(numbered);
        all.find(|name| seen.insert(name.clone())).unwrap_or(name)
    };
    names.into_iter().map(unique).collect()
}

/// One column of a batch, ready to be shown.
struct Column<'a> {
    array: &'a dyn Array,
    show: Show<'a>,
    is_number: bool,
}

enum Show<'a> {
    /// As a plain text; null is empty.
    Text(ArrayFormatter<'a>),
    /// As JSON, what is nested in the other formats too.
    Json(NullableEncoder<'a>),
}

const TEXT: FormatOptions<'static> = FormatOptions::new();

impl<'a> Column<'a> {
    fn new(array: &'a dyn Array, field: &'a FieldRef, format: Format) -> Result<Self, ArrowError> {
        let as_json =
            (format == Format::Json && !is_plain_json_text(field)) || field.data_type().is_nested();
        let show = if as_json {
            Show::Json(make_encoder(field, array, encoder_options())?)
        } else {
            Show::Text(ArrayFormatter::try_new(array, &TEXT)?)
        };
        Ok(Self {
            array,
            show,
            is_number: field.data_type().is_numeric(),
        })
    }

    fn text(&mut self, row: usize) -> String {
        if self.array.is_null(row) {
            return String::new();
        }
        match &mut self.show {
            Show::Text(formatter) => formatter.value(row).to_string(),
            Show::Json(_) => {
                let mut bytes = Vec::new();
                self.json(row, &mut bytes);
                String::from_utf8_lossy(&bytes).into_owned()
            }
        }
    }

    fn json(&mut self, row: usize, out: &mut Vec<u8>) {
        if self.array.is_null(row) {
            out.extend_from_slice(b"null");
            return;
        }
        match &mut self.show {
            Show::Json(encoder) => encoder.encode(row, out),
            Show::Text(formatter) => {
                let text = formatter.value(row).to_string();
                if self.is_number {
                    // A decimal: digits are a JSON number as they are, and stay exact.
                    out.extend_from_slice(text.as_bytes());
                } else {
                    let quoted = serde_json::to_string(&text).expect("a text always serialises");
                    out.extend_from_slice(quoted.as_bytes());
                }
            }
        }
    }
}

/// Types whose plain text is better JSON than arrow's: decimals as numbers, intervals as words.
fn is_plain_json_text(field: &Field) -> bool {
    matches!(
        field.data_type(),
        DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..)
            | DataType::Interval(_)
            | DataType::Duration(_)
    )
}

fn encoder_options() -> &'static EncoderOptions {
    static OPTIONS: std::sync::LazyLock<EncoderOptions> =
        std::sync::LazyLock::new(|| EncoderOptions::default().with_explicit_nulls(true));
    &OPTIONS
}

fn csv_row(cells: impl Iterator<Item = String>, line: &mut Vec<u8>) {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            line.push(b',');
        }
        if cell.contains([',', '"', '\n', '\r']) {
            line.push(b'"');
            line.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            line.push(b'"');
        } else {
            line.extend_from_slice(cell.as_bytes());
        }
    }
    line.push(b'\n');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, Decimal128Array, Int64Array, StringArray, StructArray, TimestampMicrosecondArray,
    };

    use super::*;

    fn batch() -> RecordBatch {
        let amount = Decimal128Array::from(vec![Some(1230), None])
            .with_precision_and_scale(12, 2)
            .unwrap();
        let city: ArrayRef = Arc::new(StringArray::from(vec![Some("Köln"), None]));
        let nested = StructArray::from(vec![(
            Arc::new(Field::new("city", DataType::Utf8, true)),
            city,
        )]);
        let time = TimestampMicrosecondArray::from(vec![Some(1_793_491_200_000_000), None])
            .with_timezone("UTC");
        RecordBatch::try_from_iter_with_nullable(vec![
            (
                "n",
                Arc::new(Int64Array::from(vec![Some(1), Some(-20)])) as ArrayRef,
                true,
            ),
            (
                "text",
                Arc::new(StringArray::from(vec![Some("a,\"b\""), None])) as _,
                true,
            ),
            ("amount", Arc::new(amount) as _, true),
            ("place", Arc::new(nested) as _, true),
            ("at", Arc::new(time) as _, true),
        ])
        .unwrap()
    }

    fn shown(format: Format, batches: &[RecordBatch]) -> String {
        let schema = batch().schema();
        let names = schema.fields().iter().map(|field| field.name().clone());
        let mut rows = Rows::new(format, &schema, names.collect());
        let mut out = Vec::new();
        for batch in batches {
            rows.write(batch, &mut out).unwrap();
        }
        rows.finish(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        assert_eq!(
            shown(Format::Csv, &[batch()]),
            "n,text,amount,place,at\n\
             1,\"a,\"\"b\"\"\",12.30,\"{\"\"city\"\":\"\"Köln\"\"}\",2026-11-01T00:00:00Z\n\
             -20,,,\"{\"\"city\"\":null}\",\n"
        );
    }

    #[test]
    fn json_is_one_array() {
        let text = shown(Format::Json, &[batch(), batch()]);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[0]["n"], 1);
        assert_eq!(rows[0]["amount"].to_string(), "12.3");
        assert!(text.contains("\"amount\":12.30"), "{text}");
        assert_eq!(rows[2]["place"]["city"], "Köln");
        assert!(rows[3]["at"].is_null() && rows[3]["text"].is_null());
        assert_eq!(shown(Format::Json, &[]), "[]\n");
    }

    #[test]
    fn tables_align() {
        let text = shown(Format::Table, &[batch()]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("  n  |"), "{text}");
        assert!(lines[2].starts_with("   1 | a,\"b\" |  12.30 |"), "{text}");
        assert_eq!(lines[4], "(2 rows)");
        assert!(shown(Format::Table, &[]).contains("(0 rows)"));
    }
}
