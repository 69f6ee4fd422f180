//! What a function's body sees: one row's arguments, and the values that it gives back.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, Decimal256Type, FieldRef, Float64Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, i256,
};
use datafusion::common::{Result, ScalarValue};

use super::datetime_in::Context;
use super::interval_in::Interval;
use super::kind::T;
use super::types;
use crate::query::{QueryError, QueryErrorKind as Kind};

/// The longest value that a function here makes.
pub const MOST_TEXT_BYTES: usize = 64 << 20;

/// One argument's values, in the type that the body reads.
pub(super) struct Cells {
    array: ArrayRef,
    one_for_all: bool,
    /// The type as it came, for what shows values of any type.
    kind: DataType,
    mark: Option<String>,
}

impl Cells {
    pub(super) fn new(
        array: &ArrayRef,
        kind: T,
        one_for_all: bool,
        field: &FieldRef,
        context: &Context,
    ) -> Result<Self> {
        let to = match kind {
            T::Bool => DataType::Boolean,
            T::Int4 | T::Int8 => DataType::Int64,
            T::Float8 => DataType::Float64,
            T::Numeric(_) => match array.data_type() {
                DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => {
                    DataType::Decimal256(76, *scale)
                }
                _ => DataType::Decimal256(76, 16),
            },
            T::Text | T::Json | T::Jsonb => DataType::Utf8,
            T::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            T::Shown => {
                let mark = types::mark_of(field).map(str::to_owned);
                let shown = super::text_out::shown(array, mark.as_deref(), context.zone)?;
                return Ok(Self {
                    array: shown,
                    one_for_all,
                    kind: array.data_type().clone(),
                    mark,
                });
            }
            other => other.arrow(),
        };
        let strict = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        Ok(Self {
            array: if *array.data_type() == to {
                Arc::clone(array)
            } else {
                cast_with_options(array, &to, &strict)?
            },
            one_for_all,
            kind: array.data_type().clone(),
            mark: types::mark_of(field).map(str::to_owned),
        })
    }
}

/// One row's arguments.
pub struct Row<'a> {
    pub(super) columns: &'a [Cells],
    pub(super) at: usize,
    pub context: &'a Context,
}

impl<'a> Row<'a> {
    fn cell(&self, index: usize) -> (&'a ArrayRef, usize) {
        let cells = &self.columns[index];
        (&cells.array, if cells.one_for_all { 0 } else { self.at })
    }

    pub fn len(&self) -> usize {
        self.columns.len()
    }

    pub fn is_null(&self, index: usize) -> bool {
        let (array, at) = self.cell(index);
        array.is_null(at) || array.data_type().is_null()
    }

    /// The Arrow type as the argument came, for [`T::Shown`].
    pub fn kind(&self, index: usize) -> &'a DataType {
        &self.columns[index].kind
    }

    pub fn mark(&self, index: usize) -> Option<&'a str> {
        self.columns[index].mark.as_deref()
    }

    pub fn text(&self, index: usize) -> &'a str {
        let (array, at) = self.cell(index);
        array.as_string::<i32>().value(at)
    }

    pub fn int(&self, index: usize) -> i64 {
        let (array, at) = self.cell(index);
        array.as_primitive::<Int64Type>().value(at)
    }

    pub fn float(&self, index: usize) -> f64 {
        let (array, at) = self.cell(index);
        array.as_primitive::<Float64Type>().value(at)
    }

    pub fn bool(&self, index: usize) -> bool {
        let (array, at) = self.cell(index);
        array.as_boolean().value(at)
    }

    pub fn bytes(&self, index: usize) -> &'a [u8] {
        let (array, at) = self.cell(index);
        array.as_binary::<i32>().value(at)
    }

    pub fn date(&self, index: usize) -> i32 {
        let (array, at) = self.cell(index);
        array.as_primitive::<Date32Type>().value(at)
    }

    pub fn time(&self, index: usize) -> i64 {
        let (array, at) = self.cell(index);
        array.as_primitive::<Time64MicrosecondType>().value(at)
    }

    /// Microseconds of a timestamp, with a zone or without.
    pub fn micros(&self, index: usize) -> i64 {
        let (array, at) = self.cell(index);
        array.as_primitive::<TimestampMicrosecondType>().value(at)
    }

    pub fn interval(&self, index: usize) -> Interval {
        let (array, at) = self.cell(index);
        let value = array.as_primitive::<IntervalMonthDayNanoType>().value(at);
        Interval {
            months: i64::from(value.months),
            days: i64::from(value.days),
            micros: value.nanoseconds.div_euclid(1000),
        }
    }

    /// The digits and the scale of a numeric.
    pub fn numeric(&self, index: usize) -> (i256, i8) {
        let (array, at) = self.cell(index);
        let scale = match array.data_type() {
            DataType::Decimal256(_, scale) => *scale,
            _ => 0,
        };
        (array.as_primitive::<Decimal256Type>().value(at), scale)
    }

    pub fn texts(&self, index: usize) -> Vec<Option<String>> {
        let (array, at) = self.cell(index);
        let list = array.as_list::<i32>().value(at);
        let texts = list.as_string::<i32>();
        texts.iter().map(|text| text.map(str::to_owned)).collect()
    }

    pub fn ints(&self, index: usize) -> Vec<Option<i64>> {
        let (array, at) = self.cell(index);
        let list = array.as_list::<i32>().value(at);
        match cast_with_options(&list, &DataType::Int64, &CastOptions::default()) {
            Ok(list) => list.as_primitive::<Int64Type>().iter().collect(),
            Err(_) => Vec::new(),
        }
    }
}

pub fn text(value: impl Into<String>) -> Result<ScalarValue> {
    let value = value.into();
    if value.len() > MOST_TEXT_BYTES {
        return Err(QueryError::new(Kind::State("54000"), "requested length too large").into());
    }
    Ok(ScalarValue::Utf8(Some(value)))
}

pub fn int4(value: i64) -> Result<ScalarValue> {
    match i32::try_from(value) {
        Ok(value) => Ok(ScalarValue::Int32(Some(value))),
        Err(_) => Err(QueryError::new(Kind::NumericOutOfRange, "integer out of range").into()),
    }
}

pub fn int8(value: i64) -> Result<ScalarValue> {
    Ok(ScalarValue::Int64(Some(value)))
}

pub fn float8(value: f64) -> Result<ScalarValue> {
    Ok(ScalarValue::Float64(Some(value)))
}

pub fn boolean(value: bool) -> Result<ScalarValue> {
    Ok(ScalarValue::Boolean(Some(value)))
}

pub fn null() -> Result<ScalarValue> {
    Ok(ScalarValue::Null)
}

pub fn timestamp(micros: i64) -> Result<ScalarValue> {
    Ok(ScalarValue::TimestampMicrosecond(Some(micros), None))
}

pub fn timestamptz(micros: i64) -> Result<ScalarValue> {
    Ok(ScalarValue::TimestampMicrosecond(
        Some(micros),
        Some("UTC".into()),
    ))
}

pub fn interval(value: Interval) -> Result<ScalarValue> {
    types::interval(value).map(|value| ScalarValue::IntervalMonthDayNano(Some(value)))
}

pub fn texts(values: impl IntoIterator<Item = Option<String>>) -> Result<ScalarValue> {
    let values: Vec<_> = values.into_iter().map(ScalarValue::Utf8).collect();
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(
        &values,
        &DataType::Utf8,
    )))
}

pub fn refuse<X>(kind: Kind, message: impl Into<String>) -> Result<X> {
    Err(QueryError::new(kind, message).into())
}
