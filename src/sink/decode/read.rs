//! JSON values into column buffers. What a type takes:
//!
//! | column | JSON |
//! |---|---|
//! | boolean | `true`, `false` |
//! | int, long | a number that is whole and fits (`5`, `5.0`, `5e0`) |
//! | float, double | a number that doesn't overflow |
//! | decimal(p, s) | a number, or a string with one, of at most `s` digits behind the point |
//! | date, time, timestamp, timestamptz | see [`super::temporal`] |
//! | string | a string |
//! | uuid | 32 hex digits with or without hyphens |
//! | fixed(n) | 2n hex digits |
//! | binary | base64 (either alphabet, padded or not) |
//! | struct | an object; undeclared members go to `_extra` |
//! | list | an array |
//! | map | an object; keys other than strings stand in their text |
//!
//! Anything else is a failure: a value is never bent to fit.

use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::column::{Column, Values};
use super::extra::{Extra, Level};
use super::failure::{Failure, Result, shorten};
use super::fields::Fields;
use super::json::Reader;
use super::number;
use super::temporal::{self, NoTimestamp};

/// Reads the record's object into one row of `fields`, which had `row` rows before.
pub(super) fn row(fields: &mut Fields, row: usize, text: &str, extra: &mut Extra) -> Result<()> {
    let mut reader = Reader::new(text);
    let first = reader.peek()?;
    if first != b'{' {
        return Err(Failure::new(format!(
            "an object expected, found {}",
            kind(first)
        )));
    }
    object(fields, row, &mut reader, extra)?;
    reader.end()
}

fn object(
    fields: &mut Fields,
    row: usize,
    reader: &mut Reader<'_>,
    extra: &mut Extra,
) -> Result<()> {
    reader.open()?;
    let mut position = 0;
    while let Some(key) = reader.next_member(position == 0)? {
        let found = fields.find(reader.text_of(key)?, position);
        position += 1;
        let Some(at) = found else {
            let value = reader.skip()?;
            extra.keep(key.raw(), value);
            continue;
        };
        let field = &mut fields.fields[at];
        if field.column.len() != row {
            return Err(Failure::new("stands twice in one object").under_field(&field.name));
        }
        let level = || Level::Field(Arc::clone(&field.name));
        value(&mut field.column, field.required, reader, extra, level)
            .map_err(|failure| failure.under_field(&field.name))?;
    }
    for field in &mut fields.fields {
        if field.column.len() == row {
            if field.required {
                return Err(Failure::new("required, but missing").under_field(&field.name));
            }
            field.column.push_null();
        }
    }
    Ok(())
}

/// `level` names where undeclared members inside this value belong.
fn value(
    column: &mut Column,
    required: bool,
    reader: &mut Reader<'_>,
    extra: &mut Extra,
    level: impl FnOnce() -> Level,
) -> Result<()> {
    let first = reader.peek()?;
    if first == b'n' {
        reader.literal("null")?;
        if required {
            return Err(Failure::new("required, but null"));
        }
        column.push_null();
        return Ok(());
    }
    let row = column.len();
    match &mut column.values {
        Values::Struct(fields) => {
            expect(first, b'{', "an object")?;
            extra.enter(level());
            object(fields, row, reader, extra)?;
            extra.leave();
            column.count();
            Ok(())
        }
        Values::List {
            required, element, ..
        } => {
            expect(first, b'[', "an array")?;
            extra.enter(level());
            list(element, *required, reader, extra)?;
            extra.leave();
            column.end_list()
        }
        Values::Map {
            required,
            ends,
            key,
            value,
            ..
        } => {
            expect(first, b'{', "an object")?;
            extra.enter(level());
            let start = ends.last().map_or(0, |end| *end as usize);
            map(key, value, *required, start, reader, extra)?;
            extra.leave();
            column.end_list()
        }
        _ => scalar(column, first, reader),
    }
}

fn list(
    element: &mut Column,
    required: bool,
    reader: &mut Reader<'_>,
    extra: &mut Extra,
) -> Result<()> {
    reader.open()?;
    let mut index = 0;
    while reader.next_element(index == 0)? {
        value(element, required, reader, extra, || Level::Index(index))
            .map_err(|failure| failure.under_index(index))?;
        index += 1;
    }
    Ok(())
}

/// `start`: the first entry of this map in `key` and `values`.
fn map(
    key: &mut Column,
    values: &mut Column,
    required: bool,
    start: usize,
    reader: &mut Reader<'_>,
    extra: &mut Extra,
) -> Result<()> {
    reader.open()?;
    let mut seen = HashSet::new();
    while let Some(quoted) = reader.next_member(key.len() == start)? {
        let name = reader.text_of(quoted)?.to_owned();
        map_key(key, &name).map_err(|failure| failure.under_key(&name))?;
        if !seen.insert(key.key_bytes(key.len() - 1)) {
            return Err(Failure::new("this key stands twice").under_key(&name));
        }
        let level = || Level::Key(name.clone());
        value(values, required, reader, extra, level)
            .map_err(|failure| failure.under_key(&name))?;
    }
    Ok(())
}

/// A key of an object as a map's key: numbers and booleans stand in their text.
fn map_key(key: &mut Column, name: &str) -> Result<()> {
    match &mut key.values {
        Values::Boolean(values) => {
            values.append(match name {
                "true" => true,
                "false" => false,
                _ => return Err(Failure::new("true or false expected as the key")),
            });
            key.count();
            Ok(())
        }
        Values::Int(_)
        | Values::Long(_)
        | Values::Float(_)
        | Values::Double(_)
        | Values::Decimal { .. } => {
            if !number::is_number(name) {
                return Err(Failure::new("a number expected as the key"));
            }
            from_number(key, name)
        }
        _ => from_text(key, name),
    }
}

fn scalar(column: &mut Column, first: u8, reader: &mut Reader<'_>) -> Result<()> {
    match first {
        b'"' => {
            let quoted = reader.string()?;
            from_text(column, reader.text_of(quoted)?)
        }
        b'-' | b'0'..=b'9' => {
            let text = reader.number()?;
            from_number(column, text)
        }
        b't' | b'f' => {
            let value = first == b't';
            reader.literal(if value { "true" } else { "false" })?;
            let Values::Boolean(values) = &mut column.values else {
                return Err(unexpected(column, "a boolean"));
            };
            values.append(value);
            column.count();
            Ok(())
        }
        _ => {
            // Either the wrong kind of value, or no JSON at all: checking it tells which.
            reader.skip()?;
            Err(unexpected(column, kind(first)))
        }
    }
}

fn from_number(column: &mut Column, text: &str) -> Result<()> {
    let out_of_range = |what: &str| Failure::new(format!("{} does not fit {what}", shorten(text)));
    match &mut column.values {
        Values::Long(_) => {
            let value = whole(text)?.and_then(|value| i64::try_from(value).ok());
            column.push_long(value.ok_or_else(|| out_of_range("a long"))?);
        }
        Values::Int(_) => {
            let value = whole(text)?.and_then(|value| i32::try_from(value).ok());
            column.push_int(value.ok_or_else(|| out_of_range("an int"))?);
        }
        Values::Float(values) => {
            let value: Option<f32> = text.parse().ok().filter(|value: &f32| value.is_finite());
            values.push(value.ok_or_else(|| out_of_range("a float"))?);
            column.count();
        }
        Values::Double(values) => {
            let value: Option<f64> = text.parse().ok().filter(|value: &f64| value.is_finite());
            values.push(value.ok_or_else(|| out_of_range("a double"))?);
            column.count();
        }
        Values::Decimal {
            precision,
            scale,
            values,
        } => {
            values.push(decimal(text, *precision, *scale)?);
            column.count();
        }
        Values::Date(_) => {
            let value = whole(text)?.and_then(|value| i32::try_from(value).ok());
            column.push_int(value.ok_or_else(|| out_of_range("a date"))?);
        }
        Values::Timestamp { .. } => {
            let value = temporal::epoch(text);
            column.push_long(value.ok_or_else(|| out_of_range("a timestamp"))?);
        }
        _ => return Err(unexpected(column, "a number")),
    }
    Ok(())
}

/// A whole number; None when it doesn't fit 128 bits.
fn whole(text: &str) -> Result<Option<i128>> {
    if let Ok(value) = text.parse::<i64>() {
        return Ok(Some(value.into()));
    }
    match number::scaled(text, 0) {
        Some(scaled) if !scaled.exact => {
            Err(Failure::new(format!("{} is not whole", shorten(text))))
        }
        scaled => Ok(scaled.map(|scaled| scaled.value)),
    }
}

fn decimal(text: &str, precision: u8, scale: i8) -> Result<i128> {
    let does_not_fit = || {
        Failure::new(format!(
            "{} does not fit decimal({precision}, {scale})",
            shorten(text)
        ))
    };
    let scale = u32::try_from(scale).map_err(|_| does_not_fit())?;
    let scaled = number::scaled(text, scale).ok_or_else(does_not_fit)?;
    if !scaled.exact {
        return Err(Failure::new(format!(
            "{} has more than {scale} digits behind the point",
            shorten(text)
        )));
    }
    let limit = 10_u128.checked_pow(precision.into());
    if limit.is_none_or(|limit| scaled.value.unsigned_abs() < limit) {
        Ok(scaled.value)
    } else {
        Err(does_not_fit())
    }
}

fn from_text(column: &mut Column, text: &str) -> Result<()> {
    let malformed =
        |what: &str| Failure::new(format!("{what} expected, found {:?}", shorten(text)));
    match &mut column.values {
        Values::Text(_) => column.push_bytes(text.as_bytes()),
        Values::Timestamp { zone, .. } => {
            let zone = zone.is_some();
            let value = temporal::timestamp(text, zone).map_err(|why| match why {
                NoTimestamp::Malformed => malformed("a timestamp as in RFC 3339"),
                NoTimestamp::NoOffset => malformed("a timestamp with its offset from UTC"),
                NoTimestamp::Offset => malformed("a timestamp without an offset"),
            })?;
            column.push_long(value);
            Ok(())
        }
        Values::Date(_) => {
            let value = temporal::date(text);
            column.push_int(value.ok_or_else(|| malformed("a date YYYY-MM-DD"))?);
            Ok(())
        }
        Values::Time(_) => {
            let value = temporal::time(text);
            column.push_long(value.ok_or_else(|| malformed("a time HH:MM:SS"))?);
            Ok(())
        }
        Values::Decimal {
            precision,
            scale,
            values,
        } => {
            if !number::is_number(text) {
                return Err(malformed("a number"));
            }
            values.push(decimal(text, *precision, *scale)?);
            column.count();
            Ok(())
        }
        Values::Fixed { uuid: true, .. } => {
            let value = uuid(text).ok_or_else(|| malformed("a uuid"))?;
            column.push_bytes(&value)
        }
        Values::Fixed { width, .. } => {
            let value = hex(text).filter(|value| value.len() == *width);
            let value = value.ok_or_else(|| malformed(&format!("{} hex digits", *width * 2)))?;
            column.push_bytes(&value)
        }
        Values::Binary { .. } => {
            let value = base64(text).ok_or_else(|| malformed("base64"))?;
            column.push_bytes(&value)
        }
        _ => Err(unexpected(column, "a string")),
    }
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    // The crate takes braces and urn: too, which are other spellings than the ones promised.
    match text.len() {
        32 | 36 => uuid::Uuid::try_parse(text).ok().map(uuid::Uuid::into_bytes),
        _ => None,
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    rest.is_empty().then(|| bytes.collect()).flatten()
}

fn base64(text: &str) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);
    let engine = if text.contains(['-', '_']) {
        URL_SAFE
    } else {
        STANDARD
    };
    engine.decode(text).ok()
}

fn expect(found: u8, wanted: u8, what: &str) -> Result<()> {
    if found == wanted {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "{what} expected, found {}",
            kind(found)
        )))
    }
}

fn unexpected(column: &Column, found: &str) -> Failure {
    let wanted = match &column.values {
        Values::Boolean(_) => "a boolean",
        Values::Int(_) | Values::Long(_) => "a whole number",
        Values::Float(_) | Values::Double(_) => "a number",
        Values::Decimal { .. } => "a decimal number",
        Values::Date(_) => "a date",
        Values::Time(_) => "a time",
        Values::Timestamp { .. } => "a timestamp",
        Values::Text(_) => "a string",
        Values::Binary { .. } => "base64 in a string",
        Values::Fixed { uuid: true, .. } => "a uuid in a string",
        Values::Fixed { .. } => "hex in a string",
        Values::Struct(_) | Values::Map { .. } => "an object",
        Values::List { .. } => "an array",
    };
    Failure::new(format!("{wanted} expected, found {found}"))
}

/// What a value is, by its first byte.
fn kind(first: u8) -> &'static str {
    match first {
        b'{' => "an object",
        b'[' => "an array",
        b'"' => "a string",
        b'-' | b'0'..=b'9' => "a number",
        b't' | b'f' => "a boolean",
        b'n' => "null",
        _ => "no JSON",
    }
}
