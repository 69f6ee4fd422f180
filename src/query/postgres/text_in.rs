//! Casts from text, by the input rules of Postgres's types.

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, IntervalUnit, TimeUnit, i256};
use chrono_tz::Tz;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::datetime_in::{self, Context};
use super::{interval_in, types};
use crate::query::{QueryError, QueryErrorKind as Kind};

/// The function that a cast from text to this type becomes; None where the cast does.
pub fn function(to: &DataType, zone: Tz) -> Option<ScalarUDF> {
    is_ours(to).then(|| {
        ScalarUDF::new_from_impl(TextIn {
            to: to.clone(),
            zone,
            signature: Signature::any(1, Volatility::Stable),
        })
    })
}

fn is_ours(to: &DataType) -> bool {
    use DataType as D;
    match to {
        D::Boolean | D::Int16 | D::Int32 | D::Int64 | D::Float32 | D::Float64 => true,
        D::Decimal128(..) | D::Decimal256(..) => true,
        D::Date32 | D::Time64(_) | D::Timestamp(..) => true,
        D::Interval(IntervalUnit::MonthDayNano) | D::Binary | D::FixedSizeBinary(16) => true,
        D::List(item) => is_ours(item.data_type()) || item.data_type().is_string(),
        _ => false,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TextIn {
    to: DataType,
    zone: Tz,
    signature: Signature,
}

impl ScalarUDFImpl for TextIn {
    fn name(&self) -> &str {
        "text_in"
    }

    /// A cast bears the name of what is cast.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let names: Vec<String> = args.iter().map(|a| a.schema_name().to_string()).collect();
        Ok(names.join(","))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let context = Context {
            zone: self.zone,
            ..Context::default()
        };
        match args.args.as_slice() {
            [ColumnarValue::Scalar(value)] => {
                let value = match value.try_as_str().flatten() {
                    Some(text) => value_of(text, &self.to, &context)?,
                    None => ScalarValue::try_from(&self.to)?,
                };
                Ok(ColumnarValue::Scalar(value))
            }
            [ColumnarValue::Array(array)] => {
                Ok(ColumnarValue::Array(values_of(array, &self.to, &context)?))
            }
            other => internal_err!("text_in with {} arguments", other.len()),
        }
    }
}

fn values_of(array: &ArrayRef, to: &DataType, context: &Context) -> Result<ArrayRef> {
    let texts = cast(array, &DataType::Utf8)?;
    let null = ScalarValue::try_from(to)?;
    let values = texts
        .as_string::<i32>()
        .iter()
        .map(|text| match text {
            Some(text) => value_of(text, to, context),
            None => Ok(null.clone()),
        })
        .collect::<Result<Vec<_>>>()?;
    if values.is_empty() {
        return Ok(arrow::array::new_empty_array(to));
    }
    ScalarValue::iter_to_array(values)
}

fn invalid(kind: &str, text: &str) -> QueryError {
    QueryError::new(
        Kind::InvalidText,
        format!("invalid input syntax for type {kind}: \"{text}\""),
    )
}

fn too_large(kind: &str, text: &str) -> QueryError {
    QueryError::new(
        Kind::NumericOutOfRange,
        format!("value \"{text}\" is out of range for type {kind}"),
    )
}

/// What a text stands for in a type.
pub fn value_of(text: &str, to: &DataType, context: &Context) -> Result<ScalarValue> {
    use DataType as D;
    Ok(match to {
        D::Boolean => ScalarValue::Boolean(Some(boolean(text)?)),
        D::Int16 => ScalarValue::Int16(Some(integer(text, "smallint")?)),
        D::Int32 => ScalarValue::Int32(Some(integer(text, "integer")?)),
        D::Int64 => ScalarValue::Int64(Some(integer(text, "bigint")?)),
        D::Float32 => ScalarValue::Float32(Some(real(text)?)),
        D::Float64 => ScalarValue::Float64(Some(double(text)?)),
        D::Decimal128(precision, scale) => {
            let value = decimal(text, *precision, *scale)?;
            let value = value.to_i128().ok_or_else(overflow)?;
            ScalarValue::Decimal128(Some(value), *precision, *scale)
        }
        D::Decimal256(precision, scale) => {
            ScalarValue::Decimal256(Some(decimal(text, *precision, *scale)?), *precision, *scale)
        }
        D::Date32 => ScalarValue::Date32(Some(datetime_in::date(text, context)?)),
        D::Time64(unit) => {
            let micros = datetime_in::time(text, context)?;
            match unit {
                TimeUnit::Nanosecond => ScalarValue::Time64Nanosecond(Some(micros * 1000)),
                _ => ScalarValue::Time64Microsecond(Some(micros)),
            }
        }
        D::Timestamp(unit, zone) => {
            let micros = match zone {
                Some(_) => datetime_in::timestamptz(text, context)?,
                None => datetime_in::timestamp(text, context)?,
            };
            let value = ScalarValue::TimestampMicrosecond(Some(micros), zone.clone());
            match unit {
                TimeUnit::Microsecond => value,
                _ => value.cast_to(to)?,
            }
        }
        D::Interval(_) => {
            let value = interval_in::interval(text, None)?;
            ScalarValue::IntervalMonthDayNano(Some(types::interval(value)?))
        }
        D::Binary => ScalarValue::Binary(Some(bytea(text)?)),
        D::FixedSizeBinary(16) => ScalarValue::FixedSizeBinary(16, Some(uuid(text)?.to_vec())),
        D::List(item) => {
            let tree = super::array_in::parse(text)?;
            super::array_in::list_of(tree, item, context)?
        }
        D::Utf8 => ScalarValue::Utf8(Some(text.to_owned())),
        D::Utf8View => ScalarValue::Utf8View(Some(text.to_owned())),
        D::LargeUtf8 => ScalarValue::LargeUtf8(Some(text.to_owned())),
        other => return internal_err!("no input for {other}"),
    })
}

/// Space around a value is not looked at; what Postgres takes for space.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b')
}

pub fn boolean(text: &str) -> Result<bool, QueryError> {
    let word = bare(text).to_ascii_lowercase();
    let begins = |whole: &str, least: usize| word.len() >= least && whole.starts_with(&word);
    if begins("true", 1) || begins("yes", 1) || word == "on" || word == "1" {
        return Ok(true);
    }
    if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0" {
        return Ok(false);
    }
    Err(invalid("boolean", text))
}

fn integer<N: TryFrom<i128>>(text: &str, kind: &str) -> Result<N, QueryError> {
    let digits = bare(text);
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid(kind, text));
    }
    let value: i128 = digits.parse().map_err(|_| too_large(kind, text))?;
    N::try_from(value).map_err(|_| too_large(kind, text))
}

fn float_text(text: &str, kind: &str) -> Result<String, QueryError> {
    let word = bare(text).to_ascii_lowercase();
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(&word);
    let special = ["nan", "inf", "infinity"].contains(&unsigned);
    let plain = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned
            .bytes()
            .all(|b| b.is_ascii_digit() || b"+-.e".contains(&b));
    if special || plain {
        Ok(word)
    } else {
        Err(invalid(kind, text))
    }
}

pub fn double(text: &str) -> Result<f64, QueryError> {
    let kind = "double precision";
    let word = float_text(text, kind)?;
    let value: f64 = word.parse().map_err(|_| invalid(kind, text))?;
    let named = word.contains("inf");
    let vanished = value == 0.0 && has_digits(&word);
    if (value.is_infinite() && !named) || vanished {
        return Err(QueryError::new(
            Kind::NumericOutOfRange,
            format!("\"{}\" is out of range for type {kind}", bare(text)),
        ));
    }
    Ok(value)
}

/// Whether a number that became zero was written with other digits.
fn has_digits(word: &str) -> bool {
    let mantissa = word.split('e').next().unwrap_or(word);
    mantissa.bytes().any(|b| (b'1'..=b'9').contains(&b))
}

fn real(text: &str) -> Result<f32, QueryError> {
    let kind = "real";
    let word = float_text(text, kind)?;
    let value: f32 = word.parse().map_err(|_| invalid(kind, text))?;
    if (value.is_infinite() && !word.contains("inf")) || (value == 0.0 && has_digits(&word)) {
        return Err(QueryError::new(
            Kind::NumericOutOfRange,
            format!("\"{}\" is out of range for type {kind}", bare(text)),
        ));
    }
    Ok(value)
}

fn overflow() -> QueryError {
    QueryError::new(Kind::NumericOutOfRange, "numeric field overflow")
}

/// The digits before and behind the point, with sign, of a decimal number in any notation.
pub fn decimal_parts(text: &str) -> Option<(bool, String, i64)> {
    let word = bare(text).to_ascii_lowercase();
    let negative = word.starts_with('-');
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(&word);
    let (mantissa, exponent) = match unsigned.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let scale = i64::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    Some((negative, digits, scale))
}

fn decimal(text: &str, precision: u8, scale: i8) -> Result<i256, QueryError> {
    let word = bare(text).to_ascii_lowercase();
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(&word);
    if ["nan", "inf", "infinity"].contains(&unsigned) {
        return Err(QueryError::new(
            Kind::FeatureNotSupported,
            format!("numeric has no {} here", bare(text)),
        )
        .with_hint("Use double precision."));
    }
    let (negative, digits, own_scale) =
        decimal_parts(text).ok_or_else(|| invalid("numeric", text))?;
    if own_scale.abs() > 10_000 || digits.len() > 10_000 {
        return Err(QueryError::new(
            Kind::NumericOutOfRange,
            "value overflows numeric format",
        ));
    }
    let shift = i64::from(scale) - own_scale;
    let (mut kept, mut up) = (digits, false);
    if shift >= 0 {
        kept.push_str(&"0".repeat(usize::try_from(shift).unwrap_or(0)));
    } else {
        let cut = usize::try_from(-shift).unwrap_or(usize::MAX);
        if cut > kept.len() {
            kept = "0".to_owned();
        } else {
            let dropped = kept.split_off(kept.len() - cut);
            up = dropped.as_bytes().first().is_some_and(|d| *d >= b'5');
        }
    }
    let kept = kept.trim_start_matches('0');
    if kept.len() > usize::from(precision) {
        return Err(overflow());
    }
    let mut value = if kept.is_empty() {
        i256::ZERO
    } else {
        i256::from_string(kept).ok_or_else(overflow)?
    };
    if up {
        value = value.wrapping_add(i256::ONE);
        if value.to_string().len() > usize::from(precision) {
            return Err(overflow());
        }
    }
    Ok(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

/// The numeric that a literal stands for, with the digits it is written with; None where it has
/// too many.
pub fn literal_decimal(text: &str) -> Option<ScalarValue> {
    let (_, digits, scale) = decimal_parts(text)?;
    let scale = scale.max(0);
    let whole = digits.trim_start_matches('0').len() as i64;
    let precision = whole.max(scale).max(1);
    if scale > 38 || precision > 38 {
        return None;
    }
    // A positive exponent adds digits before the point.
    let value = decimal(text, 38, scale as i8).ok()?.to_i128()?;
    let needed = value.unsigned_abs().to_string().len() as i64;
    let precision = needed.max(scale).max(1) as u8;
    Some(ScalarValue::Decimal128(Some(value), precision, scale as i8))
}

pub fn bytea(text: &str) -> Result<Vec<u8>, QueryError> {
    let trimmed = text;
    if let Some(hex) = trimmed.strip_prefix("\\x") {
        return hex_bytes(hex);
    }
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        if bytes.get(at + 1) == Some(&b'\\') {
            out.push(b'\\');
            at += 2;
            continue;
        }
        let octal = bytes.get(at + 1..at + 4).filter(|digits| {
            (b'0'..=b'3').contains(&digits[0])
                && digits[1..].iter().all(|d| (b'0'..=b'7').contains(d))
        });
        let Some(octal) = octal else {
            return Err(invalid("bytea", text));
        };
        out.push((octal[0] - b'0') * 64 + (octal[1] - b'0') * 8 + (octal[2] - b'0'));
        at += 4;
    }
    Ok(out)
}

/// Hexadecimal digits in pairs, space between pairs.
pub fn hex_bytes(hex: &str) -> Result<Vec<u8>, QueryError> {
    let mut out = Vec::with_capacity(hex.len() / 2);
    let mut half = None;
    for c in hex.chars() {
        if c.is_ascii_whitespace() && half.is_none() {
            continue;
        }
        let Some(digit) = c.to_digit(16) else {
            return Err(QueryError::new(
                Kind::InvalidParameter,
                format!("invalid hexadecimal digit: \"{c}\""),
            ));
        };
        match half.take() {
            None => half = Some(digit as u8),
            Some(high) => out.push(high * 16 + digit as u8),
        }
    }
    if half.is_some() {
        return Err(QueryError::new(
            Kind::InvalidParameter,
            "invalid hexadecimal data: odd number of digits",
        ));
    }
    Ok(out)
}

/// Groups of four digits may be parted by hyphens, the whole may stand in braces.
pub fn uuid(text: &str) -> Result<[u8; 16], QueryError> {
    let wrong = || invalid("uuid", text);
    let inner = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(wrong)?,
        None => text,
    };
    let (mut digits, mut after_hyphen) = (String::with_capacity(32), true);
    for c in inner.chars() {
        match c {
            '-' if !after_hyphen && digits.len() % 4 == 0 => after_hyphen = true,
            c if c.is_ascii_hexdigit() => {
                digits.push(c);
                after_hyphen = false;
            }
            _ => return Err(wrong()),
        }
    }
    if digits.len() != 32 || after_hyphen {
        return Err(wrong());
    }
    let bytes = hex_bytes(&digits).map_err(|_| wrong())?;
    bytes.try_into().map_err(|_| wrong())
}
