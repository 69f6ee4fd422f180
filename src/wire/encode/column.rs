//! One column of a batch, resolved once so that each value costs one branch.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array,
    Decimal256Array, FixedSizeBinaryArray, Float32Array, Float64Array, GenericListArray,
    Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, LargeBinaryArray,
    LargeStringArray, MapArray, StringArray, StringViewArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, cast::AsArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, DurationMicrosecondType, Float32Type, Float64Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType,
    TimeUnit, TimestampMicrosecondType,
};

use crate::wire::sqlstate::{Result, WireError};

/// A column ready to be written value by value.
pub struct Column {
    pub(super) array: ArrayRef,
    pub(super) values: Values,
}

pub(super) enum Values {
    Null,
    Bool(BooleanArray),
    Int16(Int16Array),
    Int32(Int32Array),
    Int64(Int64Array),
    Float32(Float32Array),
    Float64(Float64Array),
    Decimal(Decimal128Array, i8),
    BigDecimal(Decimal256Array, i8),
    Text(StringArray),
    LargeText(LargeStringArray),
    TextView(StringViewArray),
    Bytes(BinaryArray),
    LargeBytes(LargeBinaryArray),
    BytesView(BinaryViewArray),
    Fixed(FixedSizeBinaryArray),
    Uuid(FixedSizeBinaryArray),
    Date(Date32Array),
    Time(Time64MicrosecondArray),
    Timestamp(TimestampMicrosecondArray),
    TimestampTz(TimestampMicrosecondArray),
    Interval(IntervalMonthDayNanoArray),
    /// Microseconds.
    Duration(Int64Array),
    List(GenericListArray<i32>, Box<Column>),
    LargeList(GenericListArray<i64>, Box<Column>),
    Struct(Vec<(String, Column)>),
    Map(MapArray, Box<Column>, Box<Column>),
}

impl Column {
    /// Resolves an array. `0A000` for an Arrow type that has no Postgres counterpart.
    pub fn new(array: &ArrayRef) -> Result<Self> {
        use DataType as D;
        let array = canonical(array)?;
        let values = match array.data_type() {
            D::Null => Values::Null,
            D::Boolean => Values::Bool(array.as_boolean().clone()),
            D::Int16 => Values::Int16(array.as_primitive::<Int16Type>().clone()),
            D::Int32 => Values::Int32(array.as_primitive::<Int32Type>().clone()),
            D::Int64 => Values::Int64(array.as_primitive::<Int64Type>().clone()),
            D::Float32 => Values::Float32(array.as_primitive::<Float32Type>().clone()),
            D::Float64 => Values::Float64(array.as_primitive::<Float64Type>().clone()),
            D::Decimal128(_, scale) => {
                Values::Decimal(array.as_primitive::<Decimal128Type>().clone(), *scale)
            }
            D::Decimal256(_, scale) => {
                Values::BigDecimal(array.as_primitive::<Decimal256Type>().clone(), *scale)
            }
            D::Utf8 => Values::Text(array.as_string().clone()),
            D::LargeUtf8 => Values::LargeText(array.as_string().clone()),
            D::Utf8View => Values::TextView(array.as_string_view().clone()),
            D::Binary => Values::Bytes(array.as_binary().clone()),
            D::LargeBinary => Values::LargeBytes(array.as_binary().clone()),
            D::BinaryView => Values::BytesView(array.as_binary_view().clone()),
            D::FixedSizeBinary(16) => Values::Uuid(array.as_fixed_size_binary().clone()),
            D::FixedSizeBinary(_) => Values::Fixed(array.as_fixed_size_binary().clone()),
            D::Date32 => Values::Date(array.as_primitive().clone()),
            D::Time64(_) => Values::Time(array.as_primitive::<Time64MicrosecondType>().clone()),
            D::Timestamp(_, None) => {
                Values::Timestamp(array.as_primitive::<TimestampMicrosecondType>().clone())
            }
            D::Timestamp(_, Some(_)) => {
                Values::TimestampTz(array.as_primitive::<TimestampMicrosecondType>().clone())
            }
            D::Interval(_) => {
                Values::Interval(array.as_primitive::<IntervalMonthDayNanoType>().clone())
            }
            D::Duration(_) => Values::Duration(
                array
                    .as_primitive::<DurationMicrosecondType>()
                    .reinterpret_cast::<Int64Type>(),
            ),
            D::List(_) => {
                let list: &GenericListArray<i32> = array.as_list();
                Values::List(list.clone(), Box::new(Self::new(list.values())?))
            }
            D::LargeList(_) => {
                let list: &GenericListArray<i64> = array.as_list();
                Values::LargeList(list.clone(), Box::new(Self::new(list.values())?))
            }
            D::Struct(fields) => {
                let group = array.as_struct();
                let children = fields
                    .iter()
                    .zip(group.columns())
                    .map(|(field, child)| Ok((field.name().clone(), Self::new(child)?)))
                    .collect::<Result<_>>()?;
                Values::Struct(children)
            }
            D::Map(_, _) => {
                let map = array.as_map();
                Values::Map(
                    map.clone(),
                    Box::new(Self::new(map.keys())?),
                    Box::new(Self::new(map.values())?),
                )
            }
            other => {
                return Err(WireError::unsupported(format!(
                    "a value of the type {other} can't be sent to a client"
                )));
            }
        };
        Ok(Self { array, values })
    }

    pub fn is_null(&self, row: usize) -> bool {
        matches!(self.values, Values::Null) || self.array.is_null(row)
    }

    /// Elements `[from, to)` of the list at `row`, with the column they lie in.
    pub(super) fn elements(&self, row: usize) -> Option<(&Column, usize, usize)> {
        match &self.values {
            Values::List(list, child) => {
                let offsets = list.value_offsets();
                Some((child, offsets[row] as usize, offsets[row + 1] as usize))
            }
            Values::LargeList(list, child) => {
                let offsets = list.value_offsets();
                Some((child, offsets[row] as usize, offsets[row + 1] as usize))
            }
            _ => None,
        }
    }
}

/// Reduces the many Arrow types to the few that are written, without loss.
fn canonical(array: &ArrayRef) -> Result<ArrayRef> {
    use DataType as D;
    let micros = TimeUnit::Microsecond;
    let target = match array.data_type() {
        D::Int8 | D::UInt8 => D::Int16,
        D::UInt16 => D::Int32,
        D::UInt32 => D::Int64,
        D::UInt64 => D::Decimal128(20, 0),
        D::Float16 => D::Float32,
        D::Decimal32(precision, scale) | D::Decimal64(precision, scale) => {
            D::Decimal128(*precision, *scale)
        }
        D::Date64 => D::Timestamp(micros, None),
        D::Time32(_) | D::Time64(TimeUnit::Nanosecond) => D::Time64(micros),
        D::Timestamp(unit, zone) if *unit != micros => D::Timestamp(micros, zone.clone()),
        D::Duration(unit) if *unit != micros => D::Duration(micros),
        D::Interval(unit) if *unit != IntervalUnit::MonthDayNano => {
            D::Interval(IntervalUnit::MonthDayNano)
        }
        D::FixedSizeList(item, _) | D::ListView(item) => D::List(item.clone()),
        D::LargeListView(item) => D::LargeList(item.clone()),
        D::Dictionary(_, values) => values.as_ref().clone(),
        D::RunEndEncoded(_, values) => values.data_type().clone(),
        _ => return Ok(Arc::clone(array)),
    };
    let array = cast(array, &target).map_err(|error| {
        WireError::new("XX000", format!("a result column can't be shown: {error}"))
    })?;
    // A dictionary's values may be of a type that is reduced in turn.
    canonical(&array)
}
