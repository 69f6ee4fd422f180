//! COPY … TO STDOUT and FROM STDIN: options, and rows as text, csv or binary.

mod from;

pub(super) use from::CopyReader;

use bytes::{BufMut, BytesMut};
use datafusion::sql::sqlparser::ast::{CopyLegacyCsvOption, CopyLegacyOption, CopyOption};

use super::encode::{self, Column, Format, Style};
use super::sqlstate::{Result, WireError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Text,
    Csv,
    Binary,
}

/// How rows are laid out.
#[derive(Clone, Debug)]
pub struct CopyWriter {
    layout: Layout,
    delimiter: u8,
    null: String,
    header: bool,
    quote: u8,
    escape: u8,
    /// Columns always quoted in csv; `*` stands for all.
    force_quote: Vec<String>,
    forced: Vec<bool>,
}

/// The start of the binary format: signature, flags, no extension.
const BINARY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

impl CopyWriter {
    /// Reads the options of both syntaxes.
    pub fn new(options: &[CopyOption], legacy: &[CopyLegacyOption]) -> Result<Self> {
        let mut layout = Layout::Text;
        let (mut delimiter, mut null, mut header) = (None, None, false);
        let (mut quote, mut escape, mut force_quote) = (None, None, Vec::new());
        for option in options {
            match option {
                CopyOption::Format(name) => {
                    layout = match name.value.to_ascii_lowercase().as_str() {
                        "text" => Layout::Text,
                        "csv" => Layout::Csv,
                        "binary" => Layout::Binary,
                        other => {
                            return Err(WireError::new(
                                "22023",
                                format!("COPY format \"{other}\" not recognized"),
                            ));
                        }
                    }
                }
                CopyOption::Delimiter(character) => delimiter = Some(*character),
                CopyOption::Null(text) => null = Some(text.clone()),
                CopyOption::Header(on) => header = *on,
                CopyOption::Quote(character) => quote = Some(*character),
                CopyOption::Escape(character) => escape = Some(*character),
                CopyOption::ForceQuote(columns) => {
                    force_quote = columns.iter().map(|column| column.value.clone()).collect();
                }
                CopyOption::Encoding(name) if is_utf8(name) => {}
                CopyOption::Freeze(false) => {}
                other => {
                    return Err(WireError::unsupported(format!(
                        "the option {other} of COPY TO is not supported"
                    )));
                }
            }
        }
        for option in legacy {
            match option {
                CopyLegacyOption::Binary => layout = Layout::Binary,
                CopyLegacyOption::Delimiter(character) => delimiter = Some(*character),
                CopyLegacyOption::Null(text) => null = Some(text.clone()),
                CopyLegacyOption::Header => header = true,
                CopyLegacyOption::Csv(csv) => {
                    layout = Layout::Csv;
                    for option in csv {
                        match option {
                            CopyLegacyCsvOption::Header => header = true,
                            CopyLegacyCsvOption::Quote(character) => quote = Some(*character),
                            CopyLegacyCsvOption::Escape(character) => escape = Some(*character),
                            CopyLegacyCsvOption::ForceQuote(columns) => {
                                force_quote =
                                    columns.iter().map(|column| column.value.clone()).collect();
                            }
                            CopyLegacyCsvOption::ForceNotNull(_) => {
                                return Err(WireError::unsupported(
                                    "COPY force not null only available using COPY FROM",
                                ));
                            }
                        }
                    }
                }
                other => {
                    return Err(WireError::unsupported(format!(
                        "the option {other} of COPY TO is not supported"
                    )));
                }
            }
        }
        let csv = layout == Layout::Csv;
        if !csv && (quote.is_some() || escape.is_some() || !force_quote.is_empty()) {
            return Err(WireError::new(
                "0A000",
                "COPY quote, escape and force quote are only available in CSV mode",
            ));
        }
        if layout == Layout::Binary && (delimiter.is_some() || null.is_some() || header) {
            return Err(WireError::syntax(
                "cannot specify DELIMITER, NULL or HEADER in BINARY mode",
            ));
        }
        let quote = single_byte("quote", quote.unwrap_or('"'))?;
        Ok(Self {
            layout,
            delimiter: single_byte(
                "delimiter",
                delimiter.unwrap_or(if csv { ',' } else { '\t' }),
            )?,
            null: null.unwrap_or_else(|| if csv { String::new() } else { "\\N".to_owned() }),
            header,
            quote,
            escape: escape.map_or(Ok(quote), |escape| single_byte("escape", escape))?,
            force_quote,
            forced: Vec::new(),
        })
    }

    /// Learns the columns; writes what comes before the rows.
    pub fn begin(&mut self, names: &[String], out: &mut BytesMut) {
        self.forced = names
            .iter()
            .map(|name| {
                self.force_quote
                    .iter()
                    .any(|forced| forced == "*" || forced == name)
            })
            .collect();
        if self.layout == Layout::Binary {
            message(out, |out| out.put_slice(BINARY_HEADER));
        } else if self.header {
            message(out, |out| {
                for (index, name) in names.iter().enumerate() {
                    if index > 0 {
                        out.put_u8(self.delimiter);
                    }
                    let start = out.len();
                    out.put_slice(name.as_bytes());
                    self.dress(start, false, names.len() == 1, out);
                }
                out.put_u8(b'\n');
            });
        }
    }

    /// Writes what comes after the rows.
    pub fn end(&self, out: &mut BytesMut) {
        if self.layout == Layout::Binary {
            message(out, |out| out.put_i16(-1));
        }
    }

    pub fn format(&self) -> Format {
        match self.layout {
            Layout::Binary => Format::Binary,
            Layout::Text | Layout::Csv => Format::Text,
        }
    }

    /// Writes one row as a CopyData message.
    pub fn row(
        &self,
        columns: &[Column],
        row: usize,
        style: &Style,
        out: &mut BytesMut,
    ) -> Result<()> {
        let start = out.len();
        let mut written = Ok(());
        message(out, |out| {
            written = match self.layout {
                Layout::Binary => binary_row(columns, row, style, out),
                Layout::Text | Layout::Csv => self.text_row(columns, row, style, out),
            };
        });
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    fn text_row(
        &self,
        columns: &[Column],
        row: usize,
        style: &Style,
        out: &mut BytesMut,
    ) -> Result<()> {
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                out.put_u8(self.delimiter);
            }
            if column.is_null(row) {
                out.put_slice(self.null.as_bytes());
                continue;
            }
            let start = out.len();
            column.text(row, style, out)?;
            let forced = self.forced.get(index).copied().unwrap_or(false);
            self.dress(start, forced, columns.len() == 1, out);
        }
        out.put_u8(b'\n');
        Ok(())
    }

    /// Escapes or quotes what was written from `start` on.
    fn dress(&self, start: usize, forced: bool, alone: bool, out: &mut BytesMut) {
        match self.layout {
            Layout::Csv => self.quote(start, forced, alone, out),
            Layout::Text | Layout::Binary => self.escape(start, out),
        }
    }

    fn quote(&self, start: usize, forced: bool, alone: bool, out: &mut BytesMut) {
        let value = &out[start..];
        let special = |byte: &u8| {
            *byte == self.delimiter || *byte == self.quote || matches!(byte, b'\n' | b'\r')
        };
        let needed = forced
            || value == self.null.as_bytes()
            || (alone && value == b"\\.")
            || value.iter().any(special);
        if !needed {
            return;
        }
        let value = out.split_off(start);
        out.put_u8(self.quote);
        for byte in &value {
            if *byte == self.quote || *byte == self.escape {
                out.put_u8(self.escape);
            }
            out.put_u8(*byte);
        }
        out.put_u8(self.quote);
    }

    fn escape(&self, start: usize, out: &mut BytesMut) {
        let letter = |byte: u8| match byte {
            b'\\' => Some(b'\\'),
            0x08 => Some(b'b'),
            0x0c => Some(b'f'),
            b'\n' => Some(b'n'),
            b'\r' => Some(b'r'),
            b'\t' => Some(b't'),
            0x0b => Some(b'v'),
            _ if byte == self.delimiter => Some(byte),
            _ => None,
        };
        if out[start..].iter().all(|byte| letter(*byte).is_none()) {
            return;
        }
        let value = out.split_off(start);
        for byte in &value {
            match letter(*byte) {
                Some(letter) => out.put_slice(&[b'\\', letter]),
                None => out.put_u8(*byte),
            }
        }
    }
}

fn binary_row(columns: &[Column], row: usize, style: &Style, out: &mut BytesMut) -> Result<()> {
    out.put_i16(columns.len() as i16);
    for column in columns {
        encode::field(column, Format::Binary, row, style, out)?;
    }
    Ok(())
}

/// Wraps what `write` writes in a CopyData message.
fn message(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u8(b'd');
    out.put_i32(0);
    write(out);
    let length = (out.len() - start - 1) as i32;
    out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
}

fn single_byte(what: &str, character: char) -> Result<u8> {
    match u8::try_from(character) {
        Ok(byte) if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Ok(byte),
        _ => Err(WireError::new(
            "0A000",
            format!("COPY {what} must be a single one-byte character"),
        )),
    }
}

fn is_utf8(name: &str) -> bool {
    ["utf8", "utf-8", "unicode"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, StringArray};

    use super::*;

    fn rows(writer: &mut CopyWriter, values: &[Option<&str>]) -> String {
        let texts: ArrayRef = Arc::new(values.iter().copied().collect::<StringArray>());
        let numbers: ArrayRef = Arc::new((0..values.len() as i32).collect::<Int32Array>());
        let columns = [Column::new(&numbers).unwrap(), Column::new(&texts).unwrap()];
        let mut out = BytesMut::new();
        writer.begin(&["n".into(), "text".into()], &mut out);
        for row in 0..values.len() {
            writer
                .row(&columns, row, &Style::default(), &mut out)
                .unwrap();
        }
        writer.end(&mut out);
        let mut text = String::new();
        while !out.is_empty() {
            assert_eq!(out[0], b'd');
            let length = u32::from_be_bytes(out[1..5].try_into().unwrap()) as usize;
            text.push_str(&String::from_utf8_lossy(&out.split_to(length + 1)[5..]));
        }
        text
    }

    #[test]
    fn text_escapes() {
        let mut writer = CopyWriter::new(&[], &[]).unwrap();
        assert_eq!(
            rows(&mut writer, &[Some("a\tb\\c\nd"), None, Some("")]),
            "0\ta\\tb\\\\c\\nd\n1\t\\N\n2\t\n"
        );
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        let options = [
            CopyOption::Format("csv".into()),
            CopyOption::Header(true),
            CopyOption::Delimiter(';'),
        ];
        let mut writer = CopyWriter::new(&options, &[]).unwrap();
        assert_eq!(
            rows(
                &mut writer,
                &[Some("a;b"), None, Some(""), Some("q\"q"), Some("a,b")]
            ),
            "n;text\n0;\"a;b\"\n1;\n2;\"\"\n3;\"q\"\"q\"\n4;a,b\n"
        );
        let options = [
            CopyOption::Format("csv".into()),
            CopyOption::ForceQuote(vec!["text".into()]),
            CopyOption::Null("-".into()),
        ];
        let mut writer = CopyWriter::new(&options, &[]).unwrap();
        assert_eq!(rows(&mut writer, &[Some("x"), None]), "0,\"x\"\n1,-\n");
    }

    #[test]
    fn binary_has_its_header_and_trailer_without_rows_too() {
        let mut writer = CopyWriter::new(&[CopyOption::Format("binary".into())], &[]).unwrap();
        let mut out = BytesMut::new();
        writer.begin(&["n".into()], &mut out);
        writer.end(&mut out);
        assert_eq!(&out[5..24], BINARY_HEADER);
        assert_eq!(&out[24..], b"d\0\0\0\x06\xff\xff");
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        for options in [
            vec![CopyOption::Format("xml".into())],
            vec![CopyOption::Quote('\'')],
            vec![
                CopyOption::Format("binary".into()),
                CopyOption::Header(true),
            ],
            vec![CopyOption::Delimiter('ß')],
            vec![CopyOption::Freeze(true)],
        ] {
            assert!(CopyWriter::new(&options, &[]).is_err(), "{options:?}");
        }
    }
}
