//! Casts to text, as Postgres's types write themselves.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, DurationMicrosecondType, Float32Type, Float64Type,
    Int64Type, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType,
};
use bytes::{BufMut, BytesMut};
use chrono_tz::Tz;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::types;
use crate::query::output::{self, datetime};

/// The function that a cast to text becomes.
pub fn function(zone: Tz) -> ScalarUDF {
    ScalarUDF::new_from_impl(TextOut {
        zone,
        signature: Signature::any(1, Volatility::Stable),
    })
}

/// Whether a value of this type is written in another way than the engine's cast does.
pub fn is_ours(from: &DataType) -> bool {
    use DataType as D;
    matches!(
        from,
        D::Float32
            | D::Float64
            | D::Timestamp(..)
            | D::Interval(_)
            | D::Duration(_)
            | D::Time64(_)
            | D::Time32(_)
            | D::Date32
            | D::Binary
            | D::BinaryView
            | D::LargeBinary
            | D::List(_)
            | D::LargeList(_)
            | D::Struct(_)
            | D::FixedSizeBinary(16)
            | D::Decimal128(..)
            | D::Decimal256(..)
    )
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TextOut {
    zone: Tz,
    signature: Signature,
}

impl ScalarUDFImpl for TextOut {
    fn name(&self) -> &str {
        "text_out"
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
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mark = args
            .arg_fields
            .first()
            .and_then(|field| types::mark_of(field));
        match args.args.as_slice() {
            [ColumnarValue::Array(array)] => {
                Ok(ColumnarValue::Array(shown(array, mark, self.zone)?))
            }
            [ColumnarValue::Scalar(value)] => {
                let texts = shown(&value.to_array()?, mark, self.zone)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                    &texts, 0,
                )?))
            }
            other => internal_err!("text_out with {} arguments", other.len()),
        }
    }
}

/// Every value as its type's output: true is `t`.
pub fn shown(array: &ArrayRef, mark: Option<&str>, zone: Tz) -> Result<ArrayRef> {
    if *array.data_type() == DataType::Utf8 {
        if mark == Some("bpchar") {
            let texts = array.as_string::<i32>().iter();
            let cut = texts.map(|text| text.map(|text| text.trim_end_matches(' ')));
            return Ok(Arc::new(cut.collect::<StringArray>()));
        }
        return Ok(Arc::clone(array));
    }
    let writer = Writer::new(array, zone)?;
    let mut out = BytesMut::new();
    let texts = (0..array.len()).map(|row| {
        if writer.is_null(row) {
            return None;
        }
        out.clear();
        writer.write(row, &mut out);
        Some(String::from_utf8_lossy(&out).into_owned())
    });
    Ok(Arc::new(texts.collect::<StringArray>()))
}

/// A column ready to be written as text.
pub struct Writer {
    array: ArrayRef,
    zone: Tz,
    children: Vec<(String, Writer)>,
}

impl Writer {
    pub fn new(array: &ArrayRef, zone: Tz) -> Result<Self> {
        use DataType as D;
        let micros = TimeUnit::Microsecond;
        let target = match array.data_type() {
            D::Int8 | D::Int16 | D::Int32 | D::UInt8 | D::UInt16 | D::UInt32 => Some(D::Int64),
            D::UInt64 => Some(D::Decimal128(20, 0)),
            D::Float16 => Some(D::Float32),
            D::Time32(_) | D::Time64(TimeUnit::Nanosecond) => Some(D::Time64(micros)),
            D::Date64 => Some(D::Timestamp(micros, None)),
            D::Timestamp(unit, zone) if *unit != micros => Some(D::Timestamp(micros, zone.clone())),
            D::Interval(unit) if *unit != IntervalUnit::MonthDayNano => {
                Some(D::Interval(IntervalUnit::MonthDayNano))
            }
            D::Duration(unit) if *unit != micros => Some(D::Duration(micros)),
            D::LargeUtf8 | D::Utf8View => Some(D::Utf8),
            D::LargeBinary | D::BinaryView => Some(D::Binary),
            D::FixedSizeList(item, _) | D::LargeList(item) => Some(D::List(Arc::clone(item))),
            D::Decimal32(p, s) | D::Decimal64(p, s) => Some(D::Decimal128(*p, *s)),
            _ => None,
        };
        let array = match target {
            Some(target) => cast(array, &target)?,
            None => Arc::clone(array),
        };
        let children = match array.data_type() {
            D::List(_) => vec![(
                String::new(),
                Self::new(array.as_list::<i32>().values(), zone)?,
            )],
            D::Struct(fields) => fields
                .iter()
                .zip(array.as_struct().columns())
                .map(|(field, child)| Ok((field.name().clone(), Self::new(child, zone)?)))
                .collect::<Result<_>>()?,
            _ => Vec::new(),
        };
        Ok(Self {
            array,
            zone,
            children,
        })
    }

    pub fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row) || self.array.data_type().is_null()
    }

    pub fn kind(&self) -> &DataType {
        self.array.data_type()
    }

    /// The column of a list's elements, and which are those of `row`.
    pub fn elements(&self, row: usize) -> Option<(&Self, std::ops::Range<usize>)> {
        match self.array.data_type() {
            DataType::List(_) => {
                let offsets = self.array.as_list::<i32>().value_offsets();
                let range =
                    usize::try_from(offsets[row]).ok()?..usize::try_from(offsets[row + 1]).ok()?;
                Some((&self.children.first()?.1, range))
            }
            _ => None,
        }
    }

    /// Writes the value at `row`, which must not be NULL.
    pub fn write(&self, row: usize, out: &mut BytesMut) {
        use DataType as D;
        let a = &self.array;
        match a.data_type() {
            D::Boolean => out.put_u8(if a.as_boolean().value(row) {
                b't'
            } else {
                b'f'
            }),
            D::Int64 => output::integer(a.as_primitive::<Int64Type>().value(row), out),
            D::Float32 => output::float4(a.as_primitive::<Float32Type>().value(row), out),
            D::Float64 => output::float8(a.as_primitive::<Float64Type>().value(row), out),
            D::Decimal128(_, scale) => {
                output::numeric(
                    &a.as_primitive::<Decimal128Type>().value(row).to_string(),
                    *scale,
                    out,
                );
            }
            D::Decimal256(_, scale) => {
                output::numeric(
                    &a.as_primitive::<Decimal256Type>().value(row).to_string(),
                    *scale,
                    out,
                );
            }
            D::Utf8 => out.put_slice(a.as_string::<i32>().value(row).as_bytes()),
            D::Binary => output::bytea(a.as_binary::<i32>().value(row), out),
            D::FixedSizeBinary(16) => output::uuid(a.as_fixed_size_binary().value(row), out),
            D::FixedSizeBinary(_) => output::bytea(a.as_fixed_size_binary().value(row), out),
            D::Date32 => datetime::date(
                a.as_primitive::<arrow::datatypes::Date32Type>().value(row),
                out,
            ),
            D::Time64(_) => {
                datetime::time(a.as_primitive::<Time64MicrosecondType>().value(row), out)
            }
            D::Timestamp(_, zone) => {
                let micros = a.as_primitive::<TimestampMicrosecondType>().value(row);
                match zone {
                    Some(_) => datetime::timestamptz(micros, self.zone, b' ', out),
                    None => datetime::timestamp(micros, b' ', out),
                }
            }
            D::Interval(_) => {
                let value = a.as_primitive::<IntervalMonthDayNanoType>().value(row);
                datetime::interval(
                    value.months,
                    value.days,
                    value.nanoseconds.div_euclid(1000),
                    out,
                );
            }
            D::Duration(_) => {
                datetime::interval(
                    0,
                    0,
                    a.as_primitive::<DurationMicrosecondType>().value(row),
                    out,
                );
            }
            D::List(_) => self.list(row, out),
            D::Struct(_) => self.record(row, out),
            other => {
                out.put_slice(format!("{other}").as_bytes());
            }
        }
    }

    fn list(&self, row: usize, out: &mut BytesMut) {
        let Some((child, range)) = self.elements(row) else {
            return;
        };
        out.put_u8(b'{');
        let first = range.start;
        for index in range {
            if index > first {
                out.put_u8(b',');
            }
            if child.is_null(index) {
                out.put_slice(b"NULL");
                continue;
            }
            let start = out.len();
            child.write(index, out);
            if !matches!(child.kind(), DataType::List(_)) {
                quote(start, out, |byte| matches!(byte, b'{' | b'}'), true);
            }
        }
        out.put_u8(b'}');
    }

    fn record(&self, row: usize, out: &mut BytesMut) {
        out.put_u8(b'(');
        for (index, (_, child)) in self.children.iter().enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            if !child.is_null(row) {
                let start = out.len();
                child.write(row, out);
                quote(start, out, |byte| matches!(byte, b'(' | b')'), false);
            }
        }
        out.put_u8(b')');
    }
}

/// Quotes what was written from `start` on where an array's or a record's syntax wants it.
fn quote(start: usize, out: &mut BytesMut, brackets: impl Fn(u8) -> bool, in_array: bool) {
    let value = &out[start..];
    let needed = value.is_empty()
        || (in_array && value.eq_ignore_ascii_case(b"null"))
        || value.iter().any(|byte| {
            brackets(*byte)
                || matches!(byte, b',' | b'"' | b'\\')
                || byte.is_ascii_whitespace()
                || *byte == 0x0b
        });
    if !needed {
        return;
    }
    let value = out.split_off(start);
    out.put_u8(b'"');
    for byte in &value {
        match byte {
            b'"' | b'\\' if in_array => {
                out.put_u8(b'\\');
                out.put_u8(*byte);
            }
            b'"' | b'\\' => {
                out.put_u8(*byte);
                out.put_u8(*byte);
            }
            byte => out.put_u8(*byte),
        }
    }
    out.put_u8(b'"');
}
