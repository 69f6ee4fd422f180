//! Parameters: from the client's bytes, text or binary, to values of the plan.
//! Must never guess: a value that is not of its type is an error, 22P02 or 22P03.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray, types::IntervalMonthDayNano};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use bytes::{Buf, Bytes};
use datafusion::common::ScalarValue;

use super::encode::{Format, of_type, oid, to_arrow};
use super::sqlstate::{Result, WireError};
use crate::query::time_text::with_seconds;

/// A format code, `08P01` for one that doesn't exist.
pub fn format(code: i16) -> Result<Format> {
    match code {
        0 => Ok(Format::Text),
        1 => Ok(Format::Binary),
        other => Err(WireError::new(
            "22023",
            format!("unsupported format code: {other}"),
        )),
    }
}

/// Spreads the codes of a Bind over `count` values: none means text, one holds for all.
pub fn formats(codes: &[i16], count: usize, what: &str) -> Result<Vec<Format>> {
    match codes {
        [] => Ok(vec![Format::Text; count]),
        [one] => Ok(vec![format(*one)?; count]),
        many if many.len() == count => many.iter().map(|code| format(*code)).collect(),
        many => Err(WireError::new(
            "08P01",
            format!(
                "bind message has {} {what} formats but there are {count}",
                many.len()
            ),
        )),
    }
}

/// Decodes one parameter. `zone` is the session's, for times without one of their own.
pub fn decode(
    value: Option<&Bytes>,
    format: Format,
    type_oid: u32,
    zone: &str,
) -> Result<ScalarValue> {
    let data_type = to_arrow(type_oid).ok_or_else(|| {
        WireError::unsupported(format!(
            "parameters of the type with OID {type_oid} are not supported"
        ))
    })?;
    let Some(bytes) = value else {
        return null(&data_type);
    };
    match format {
        Format::Text => {
            let text = std::str::from_utf8(bytes).map_err(|_| {
                WireError::new("22021", "invalid byte sequence for encoding \"UTF8\"")
            })?;
            from_text(text, type_oid, &data_type, zone)
        }
        Format::Binary => from_binary(bytes.clone(), type_oid, &data_type),
    }
}

/// A NULL of a type.
pub fn null(data_type: &DataType) -> Result<ScalarValue> {
    ScalarValue::try_from(data_type)
        .map_err(|error| WireError::unsupported(format!("a parameter can't be bound: {error}")))
}

fn invalid_text(type_oid: u32, text: &str) -> WireError {
    let shown: String = text.chars().take(100).collect();
    WireError::new(
        match type_oid {
            oid::DATE | oid::TIME | oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::INTERVAL => "22007",
            _ => "22P02",
        },
        format!(
            "invalid input syntax for type {}: \"{shown}\"",
            type_name(type_oid)
        ),
    )
}

fn from_text(text: &str, type_oid: u32, data_type: &DataType, zone: &str) -> Result<ScalarValue> {
    let invalid = || invalid_text(type_oid, text);
    let trimmed = text.trim();
    Ok(match data_type {
        DataType::Utf8 => ScalarValue::Utf8(Some(text.to_owned())),
        DataType::Boolean => match trimmed.to_ascii_lowercase().as_str() {
            "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => true.into(),
            "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => false.into(),
            _ => return Err(invalid()),
        },
        DataType::Int16 => integer::<i16>(trimmed, type_oid)?.into(),
        DataType::Int32 => integer::<i32>(trimmed, type_oid)?.into(),
        DataType::Int64 => integer::<i64>(trimmed, type_oid)?.into(),
        DataType::Float32 => trimmed.parse::<f32>().map_err(|_| invalid())?.into(),
        DataType::Float64 => trimmed.parse::<f64>().map_err(|_| invalid())?.into(),
        DataType::Decimal128(..) => decimal(trimmed).ok_or_else(invalid)?,
        DataType::Binary => ScalarValue::Binary(Some(bytea(text).ok_or_else(invalid)?)),
        DataType::FixedSizeBinary(_) => {
            let id = uuid::Uuid::parse_str(trimmed).map_err(|_| invalid())?;
            ScalarValue::FixedSizeBinary(16, Some(id.as_bytes().to_vec()))
        }
        DataType::List(item) => {
            let element = of_type(item.data_type()).oid;
            let values = split_array(trimmed)
                .ok_or_else(|| {
                    WireError::new("22P02", format!("malformed array literal: \"{text}\""))
                })?
                .into_iter()
                .map(|value| match value {
                    None => null(item.data_type()),
                    Some(value) => from_text(&value, element, item.data_type(), zone),
                })
                .collect::<Result<Vec<_>>>()?;
            list(values, item.data_type())
        }
        DataType::Timestamp(unit, Some(utc)) => {
            // A text without an offset is of the session's zone.
            let local = DataType::Timestamp(*unit, Some(zone.into()));
            match parse(&with_seconds(trimmed), &local).ok_or_else(invalid)? {
                ScalarValue::TimestampMicrosecond(value, _) => {
                    ScalarValue::TimestampMicrosecond(value, Some(Arc::clone(utc)))
                }
                _ => return Err(invalid()),
            }
        }
        DataType::Timestamp(_, None) => {
            parse(&with_seconds(trimmed), data_type).ok_or_else(invalid)?
        }
        other => parse(trimmed, other).ok_or_else(invalid)?,
    })
}

fn integer<T: std::str::FromStr<Err = std::num::ParseIntError>>(
    text: &str,
    type_oid: u32,
) -> Result<T> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    text.parse()
        .map_err(|error: std::num::ParseIntError| match error.kind() {
            PosOverflow | NegOverflow => WireError::new(
                "22003",
                format!(
                    "value \"{text}\" is out of range for type {}",
                    type_name(type_oid)
                ),
            ),
            _ => invalid_text(type_oid, text),
        })
}

/// Arrow's own reading of a text.
fn parse(text: &str, data_type: &DataType) -> Option<ScalarValue> {
    let array: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let parsed = cast_with_options(&array, data_type, &strict).ok()?;
    if parsed.is_null(0) {
        return None;
    }
    ScalarValue::try_from_array(&parsed, 0).ok()
}

/// A decimal with just the precision and scale that its text needs; exact or refused.
fn decimal(text: &str) -> Option<ScalarValue> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (sign, digits) = match mantissa.as_bytes().first()? {
        b'-' => ("-", &mantissa[1..]),
        b'+' => ("", &mantissa[1..]),
        _ => ("", mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let mut unscaled = format!("{whole}{fraction}");
    let mut scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    if scale < 0 {
        if scale < -100 {
            return None;
        }
        unscaled.extend(std::iter::repeat_n('0', scale.unsigned_abs() as usize));
        scale = 0;
    }
    let digits = unscaled.trim_start_matches('0');
    let precision = digits.len().max(usize::try_from(scale).ok()?).max(1);
    let scale = i8::try_from(scale).ok()?;
    let text = format!("{sign}{}", if digits.is_empty() { "0" } else { digits });
    match precision {
        1..=38 => Some(ScalarValue::Decimal128(
            Some(text.parse().ok()?),
            precision as u8,
            scale,
        )),
        39..=76 => Some(ScalarValue::Decimal256(
            Some(arrow::datatypes::i256::from_string(&text)?),
            precision as u8,
            scale,
        )),
        _ => None,
    }
}

/// `\x` and hexadecimal digits, or the older form with octal escapes.
fn bytea(text: &str) -> Option<Vec<u8>> {
    if let Some(hex) = text.strip_prefix("\\x") {
        let digits: Vec<u8> = hex
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        if !digits.len().is_multiple_of(2) {
            return None;
        }
        return digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
    }
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            bytes.push(*byte);
        } else if rest.first() == Some(&b'\\') {
            bytes.push(b'\\');
            rest = &rest[1..];
        } else {
            let octal = std::str::from_utf8(rest.get(..3)?).ok()?;
            bytes.push(u8::from_str_radix(octal, 8).ok()?);
            rest = &rest[3..];
        }
    }
    Some(bytes)
}

/// Splits an array literal of one dimension.
fn split_array(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut values = Vec::new();
    let mut characters = inner.chars().peekable();
    if inner.trim().is_empty() {
        return Some(values);
    }
    loop {
        while characters.next_if(|c| c.is_whitespace()).is_some() {}
        let mut value = String::new();
        let quoted = characters.next_if_eq(&'"').is_some();
        loop {
            match characters.next() {
                Some('\\') => value.push(characters.next()?),
                Some('"') if quoted => break,
                Some('"' | '{' | '}') if !quoted => return None,
                Some(',') if !quoted => {
                    values.push(unquoted(&value)?);
                    break;
                }
                Some(character) => value.push(character),
                None if quoted => return None,
                None => {
                    values.push(unquoted(&value)?);
                    return Some(values);
                }
            }
        }
        if quoted {
            values.push(Some(value));
            while characters.next_if(|c| c.is_whitespace()).is_some() {}
            match characters.next() {
                None => return Some(values),
                Some(',') => {}
                Some(_) => return None,
            }
        }
    }
}

/// None inside for NULL; None outside for a value that is missing.
fn unquoted(value: &str) -> Option<Option<String>> {
    let value = value.trim();
    if value.is_empty() {
        None
    } else if value.eq_ignore_ascii_case("null") {
        Some(None)
    } else {
        Some(Some(value.to_owned()))
    }
}

fn list(values: Vec<ScalarValue>, item: &DataType) -> ScalarValue {
    ScalarValue::List(ScalarValue::new_list_nullable(&values, item))
}

fn from_binary(bytes: Bytes, type_oid: u32, data_type: &DataType) -> Result<ScalarValue> {
    binary(bytes, data_type).ok_or_else(|| {
        WireError::new(
            "22P03",
            format!(
                "incorrect binary data format in a parameter of type {}",
                type_name(type_oid)
            ),
        )
    })
}

fn binary(mut bytes: Bytes, data_type: &DataType) -> Option<ScalarValue> {
    /// 1970 to 2000.
    const EPOCH_MICROS: i64 = 946_684_800_000_000;
    let exactly = |length: usize| (bytes.len() == length).then_some(());
    Some(match data_type {
        DataType::Boolean => {
            exactly(1)?;
            (bytes[0] != 0).into()
        }
        DataType::Int16 => {
            exactly(2)?;
            bytes.get_i16().into()
        }
        DataType::Int32 => {
            exactly(4)?;
            bytes.get_i32().into()
        }
        DataType::Int64 => {
            exactly(8)?;
            bytes.get_i64().into()
        }
        DataType::Float32 => {
            exactly(4)?;
            bytes.get_f32().into()
        }
        DataType::Float64 => {
            exactly(8)?;
            bytes.get_f64().into()
        }
        DataType::Utf8 => ScalarValue::Utf8(Some(String::from_utf8(bytes.into()).ok()?)),
        DataType::Binary => ScalarValue::Binary(Some(bytes.into())),
        DataType::FixedSizeBinary(16) => {
            exactly(16)?;
            ScalarValue::FixedSizeBinary(16, Some(bytes.into()))
        }
        DataType::Decimal128(..) => decimal(&super::encode::numeric_from_binary(&bytes)?)?,
        DataType::Date32 => {
            exactly(4)?;
            ScalarValue::Date32(Some(bytes.get_i32().checked_add(10_957)?))
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            exactly(8)?;
            ScalarValue::Time64Microsecond(Some(bytes.get_i64()))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            exactly(8)?;
            let micros = bytes.get_i64().checked_add(EPOCH_MICROS)?;
            ScalarValue::TimestampMicrosecond(Some(micros), zone.clone())
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            exactly(16)?;
            let nanos = bytes.get_i64().checked_mul(1000)?;
            let days = bytes.get_i32();
            ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(
                bytes.get_i32(),
                days,
                nanos,
            )))
        }
        DataType::List(item) => binary_list(bytes, item.data_type())?,
        _ => return None,
    })
}

fn binary_list(mut bytes: Bytes, item: &DataType) -> Option<ScalarValue> {
    let dimensions = bytes.try_get_i32().ok()?;
    let _has_nulls = bytes.try_get_i32().ok()?;
    let _element = bytes.try_get_i32().ok()?;
    if dimensions == 0 {
        return Some(list(Vec::new(), item));
    }
    if dimensions != 1 {
        return None;
    }
    let count = usize::try_from(bytes.try_get_i32().ok()?).ok()?;
    let _lower_bound = bytes.try_get_i32().ok()?;
    if count * 4 > bytes.len() {
        return None;
    }
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        values.push(match bytes.try_get_i32().ok()? {
            -1 => ScalarValue::try_from(item).ok()?,
            length => {
                let length = usize::try_from(length).ok()?;
                if length > bytes.len() {
                    return None;
                }
                binary(bytes.split_to(length), item)?
            }
        });
    }
    bytes.is_empty().then(|| list(values, item))
}

/// The name of a type in error messages.
pub fn type_name(type_oid: u32) -> &'static str {
    match type_oid {
        oid::BOOL => "boolean",
        oid::BYTEA => "bytea",
        oid::INT8 => "bigint",
        oid::INT2 => "smallint",
        oid::INT4 => "integer",
        oid::FLOAT4 => "real",
        oid::FLOAT8 => "double precision",
        oid::NUMERIC => "numeric",
        oid::DATE => "date",
        oid::TIME => "time without time zone",
        oid::TIMESTAMP => "timestamp without time zone",
        oid::TIMESTAMPTZ => "timestamp with time zone",
        oid::INTERVAL => "interval",
        oid::UUID => "uuid",
        oid::JSON => "json",
        oid::OID => "oid",
        _ => "text",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(value: &str, type_oid: u32) -> Result<ScalarValue> {
        let bytes = Bytes::copy_from_slice(value.as_bytes());
        decode(Some(&bytes), Format::Text, type_oid, "Europe/Berlin")
    }

    fn binary(value: &[u8], type_oid: u32) -> Result<ScalarValue> {
        let bytes = Bytes::copy_from_slice(value);
        decode(Some(&bytes), Format::Binary, type_oid, "UTC")
    }

    #[test]
    fn texts_are_read_as_their_type() {
        assert_eq!(text(" 12 ", oid::INT4).unwrap(), 12i32.into());
        assert_eq!(text("yes", oid::BOOL).unwrap(), true.into());
        assert_eq!(
            text("-12.340", oid::NUMERIC).unwrap(),
            ScalarValue::Decimal128(Some(-12_340), 5, 3)
        );
        assert_eq!(
            text("1e3", oid::NUMERIC).unwrap(),
            ScalarValue::Decimal128(Some(1000), 4, 0)
        );
        assert_eq!(
            text("2026-07-01 14:00", oid::TIMESTAMPTZ).unwrap(),
            text("2026-07-01 12:00:00Z", oid::TIMESTAMPTZ).unwrap()
        );
        assert_eq!(
            text("\\x00ff", oid::BYTEA).unwrap(),
            ScalarValue::Binary(Some(vec![0, 255]))
        );
        assert_eq!(
            text("2000-01-02", oid::DATE).unwrap(),
            ScalarValue::Date32(Some(10_958))
        );
        assert!(text("1 day 2 hours", oid::INTERVAL).is_ok());
    }

    #[test]
    fn what_is_not_of_the_type_is_an_error() {
        for (value, type_oid, code) in [
            ("x", oid::INT4, "22P02"),
            ("99999999999", oid::INT4, "22003"),
            ("2026-13-01", oid::DATE, "22007"),
            ("1.2.3", oid::NUMERIC, "22P02"),
            ("zz", oid::UUID, "22P02"),
            ("\\xabc", oid::BYTEA, "22P02"),
            ("1", 999_999, "0A000"),
        ] {
            assert_eq!(text(value, type_oid).unwrap_err().sqlstate, code, "{value}");
        }
        assert_eq!(binary(&[1, 2, 3], oid::INT4).unwrap_err().sqlstate, "22P03");
    }

    #[test]
    fn arrays_of_one_dimension() {
        let element = |value: Option<&str>| ScalarValue::Utf8(value.map(str::to_owned));
        assert_eq!(
            text(r#"{a, "b,c" ,NULL,"NULL","q\"x"}"#, 1009).unwrap(),
            list(
                ["a", "b,c", "", "NULL", "q\"x"]
                    .iter()
                    .map(|value| element((!value.is_empty()).then_some(*value)))
                    .collect(),
                &DataType::Utf8
            )
        );
        assert_eq!(
            text("{1,2}", 1007).unwrap(),
            binary(
                &[
                    &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 2, 0, 0, 0, 1][..],
                    &[0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 2],
                ]
                .concat(),
                1007
            )
            .unwrap()
        );
        for bad in ["{", "1,2", "{a,}", "{\"a}", "{a}b", "{{1}}"] {
            assert!(text(bad, 1009).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(data: Vec<u8>, type_oid in prop::sample::select(vec![
            oid::BOOL, oid::INT4, oid::NUMERIC, oid::TIMESTAMPTZ, oid::INTERVAL, oid::UUID, oid::BYTEA, 1007, 1009, 1231,
        ])) {
            let bytes = Bytes::from(data);
            let _ = decode(Some(&bytes), Format::Binary, type_oid, "UTC");
            let _ = decode(Some(&bytes), Format::Text, type_oid, "UTC");
        }
    }
}
