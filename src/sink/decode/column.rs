//! Column buffers: what Arrow's builders are, with [`Column::truncate`], so that a record that
//! fails half-way leaves nothing behind.
//!
//! Their shape is the table's Arrow schema; the contract's Iceberg types say what Arrow can't
//! (uuid or fixed) and which nested fields are declared.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, BooleanBufferBuilder, Date32Array, Decimal128Array,
    FixedSizeBinaryArray, Float32Array, Float64Array, Int32Array, Int64Array, LargeBinaryArray,
    ListArray, MapArray, NullBufferBuilder, StringArray, StructArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, FieldRef, Fields as ArrowFields};
use arrow::error::ArrowError;

use super::failure::{Failure, Result};
use super::fields::Fields;

/// One column's buffer.
#[derive(Debug)]
pub(super) struct Column {
    valid: NullBufferBuilder,
    pub(super) values: Values,
}

/// The values, by what the text is read as.
#[derive(Debug)]
pub(super) enum Values {
    Boolean(BooleanBufferBuilder),
    Int(Vec<i32>),
    Long(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Decimal {
        precision: u8,
        scale: i8,
        values: Vec<i128>,
    },
    Date(Vec<i32>),
    Time(Vec<i64>),
    Timestamp {
        zone: Option<Arc<str>>,
        values: Vec<i64>,
    },
    Text(Bytes),
    /// `large`: Arrow's LargeBinary, else Binary.
    Binary {
        large: bool,
        values: Bytes,
    },
    /// Values of `width` bytes; a uuid is one of 16.
    Fixed {
        width: usize,
        uuid: bool,
        values: Vec<u8>,
    },
    Struct(Fields),
    /// `required`: a null element is a failure.
    List {
        field: FieldRef,
        required: bool,
        ends: Vec<i32>,
        element: Box<Column>,
    },
    /// `required`: a null value is a failure (a null key always is).
    Map {
        entries: FieldRef,
        required: bool,
        ends: Vec<i32>,
        key: Box<Column>,
        value: Box<Column>,
    },
}

/// Values of any length, end to end.
#[derive(Debug, Default)]
pub(super) struct Bytes {
    ends: Vec<i64>,
    bytes: Vec<u8>,
}

/// Arrow's offsets of Utf8, Binary, List and Map are 32 bits.
const MOST: usize = i32::MAX as usize;

impl Bytes {
    fn start(&self) -> usize {
        self.ends.last().map_or(0, |end| *end as usize)
    }

    fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.ends.push(self.bytes.len() as i64);
    }

    fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows);
        let start = self.start();
        self.bytes.truncate(start);
    }

    fn get(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start as usize..self.ends[row] as usize]
    }

    fn take<O: arrow::array::OffsetSizeTrait>(&mut self) -> (OffsetBuffer<O>, Buffer) {
        let taken = std::mem::take(self);
        let offsets = std::iter::once(0)
            .chain(taken.ends)
            .map(|end| O::from_usize(end as usize).expect("kept below the type's limit by push"))
            .collect::<Vec<_>>();
        (
            OffsetBuffer::new(ScalarBuffer::from(offsets)),
            Buffer::from_vec(taken.bytes),
        )
    }
}

impl Column {
    pub(super) fn new(values: Values) -> Self {
        Self {
            valid: NullBufferBuilder::new(0),
            values,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.valid.len()
    }

    /// Counts the value that was just put into `values`.
    pub(super) fn count(&mut self) {
        self.valid.append_non_null();
    }

    pub(super) fn push_int(&mut self, value: i32) {
        match &mut self.values {
            Values::Int(values) | Values::Date(values) => values.push(value),
            _ => unreachable!("only asked of columns made as Int or Date"),
        }
        self.count();
    }

    pub(super) fn push_long(&mut self, value: i64) {
        match &mut self.values {
            Values::Long(values) | Values::Time(values) | Values::Timestamp { values, .. } => {
                values.push(value);
            }
            _ => unreachable!("only asked of columns made as Long, Time or Timestamp"),
        }
        self.count();
    }

    /// Text or bytes. Fails when the batch has got too big for Arrow's 32-bit offsets.
    pub(super) fn push_bytes(&mut self, value: &[u8]) -> Result<()> {
        match &mut self.values {
            Values::Text(values)
            | Values::Binary {
                large: false,
                values,
            } => {
                if values.bytes.len() + value.len() > MOST {
                    return Err(full());
                }
                values.push(value);
            }
            Values::Binary { values, .. } => values.push(value),
            Values::Fixed { values, .. } => values.extend_from_slice(value),
            _ => unreachable!("only asked of columns made as Text, Binary or Fixed"),
        }
        self.count();
        Ok(())
    }

    pub(super) fn push_null(&mut self) {
        match &mut self.values {
            Values::Boolean(values) => values.append(false),
            Values::Int(values) | Values::Date(values) => values.push(0),
            Values::Long(values) | Values::Time(values) | Values::Timestamp { values, .. } => {
                values.push(0);
            }
            Values::Float(values) => values.push(0.0),
            Values::Double(values) => values.push(0.0),
            Values::Decimal { values, .. } => values.push(0),
            Values::Text(values) | Values::Binary { values, .. } => values.push(&[]),
            Values::Fixed { width, values, .. } => values.resize(values.len() + *width, 0),
            Values::Struct(fields) => fields.push_null(),
            Values::List { ends, element, .. } => ends.push(element.len() as i32),
            Values::Map { ends, key, .. } => ends.push(key.len() as i32),
        }
        self.valid.append_null();
    }

    /// Ends a list's or map's value: everything pushed into the child since the last one.
    pub(super) fn end_list(&mut self) -> Result<()> {
        let (ends, child) = match &mut self.values {
            Values::List { ends, element, .. } => (ends, element),
            Values::Map { ends, key, .. } => (ends, key),
            _ => unreachable!("only asked of columns made as List or Map"),
        };
        ends.push(i32::try_from(child.len()).map_err(|_| full())?);
        self.count();
        Ok(())
    }

    /// Forgets all rows from `rows` on, and whatever a half-read value left behind them.
    pub(super) fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::Boolean(values) => values.truncate(rows),
            Values::Int(values) | Values::Date(values) => values.truncate(rows),
            Values::Long(values) | Values::Time(values) | Values::Timestamp { values, .. } => {
                values.truncate(rows);
            }
            Values::Float(values) => values.truncate(rows),
            Values::Double(values) => values.truncate(rows),
            Values::Decimal { values, .. } => values.truncate(rows),
            Values::Text(values) | Values::Binary { values, .. } => values.truncate(rows),
            Values::Fixed { width, values, .. } => values.truncate(rows * *width),
            Values::Struct(fields) => fields.truncate(rows),
            Values::List { ends, element, .. } => {
                ends.truncate(rows);
                element.truncate(ends.last().map_or(0, |end| *end as usize));
            }
            Values::Map {
                ends, key, value, ..
            } => {
                ends.truncate(rows);
                let entries = ends.last().map_or(0, |end| *end as usize);
                key.truncate(entries);
                value.truncate(entries);
            }
        }
        self.valid.truncate(rows);
    }

    /// Bytes in use.
    pub(super) fn memory_bytes(&self) -> usize {
        let values = match &self.values {
            Values::Boolean(values) => values.len() / 8,
            Values::Int(values) | Values::Date(values) => size_of_val(values.as_slice()),
            Values::Long(values) | Values::Time(values) | Values::Timestamp { values, .. } => {
                size_of_val(values.as_slice())
            }
            Values::Float(values) => size_of_val(values.as_slice()),
            Values::Double(values) => size_of_val(values.as_slice()),
            Values::Decimal { values, .. } => size_of_val(values.as_slice()),
            Values::Text(values) | Values::Binary { values, .. } => {
                values.bytes.len() + size_of_val(values.ends.as_slice())
            }
            Values::Fixed { values, .. } => values.len(),
            Values::Struct(fields) => fields.memory_bytes(),
            Values::List { ends, element, .. } => {
                size_of_val(ends.as_slice()) + element.memory_bytes()
            }
            Values::Map {
                ends, key, value, ..
            } => size_of_val(ends.as_slice()) + key.memory_bytes() + value.memory_bytes(),
        };
        values + self.valid.len() / 8
    }

    /// What a key of a map is compared by: equal bytes are equal keys.
    pub(super) fn key_bytes(&self, row: usize) -> Vec<u8> {
        match &self.values {
            Values::Boolean(values) => vec![u8::from(values.get_bit(row))],
            Values::Int(values) | Values::Date(values) => values[row].to_le_bytes().to_vec(),
            Values::Long(values) | Values::Time(values) | Values::Timestamp { values, .. } => {
                values[row].to_le_bytes().to_vec()
            }
            Values::Float(values) => (values[row] + 0.0).to_le_bytes().to_vec(),
            Values::Double(values) => (values[row] + 0.0).to_le_bytes().to_vec(),
            Values::Decimal { values, .. } => values[row].to_le_bytes().to_vec(),
            Values::Text(values) | Values::Binary { values, .. } => values.get(row).to_vec(),
            Values::Fixed { width, values, .. } => values[row * width..][..*width].to_vec(),
            Values::Struct(_) | Values::List { .. } | Values::Map { .. } => {
                unreachable!("Decoder::new refuses nested keys of maps")
            }
        }
    }

    /// The rows as an Arrow array; the buffer is empty then.
    pub(super) fn finish(&mut self) -> std::result::Result<ArrayRef, ArrowError> {
        let rows = self.len();
        let nulls: Option<NullBuffer> = self.valid.finish();
        Ok(match &mut self.values {
            Values::Boolean(values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Int(values) => Arc::new(Int32Array::try_new(take(values), nulls)?),
            Values::Date(values) => Arc::new(Date32Array::try_new(take(values), nulls)?),
            Values::Long(values) => Arc::new(Int64Array::try_new(take(values), nulls)?),
            Values::Time(values) => Arc::new(Time64MicrosecondArray::try_new(take(values), nulls)?),
            Values::Timestamp { zone, values } => Arc::new(
                TimestampMicrosecondArray::try_new(take(values), nulls)?
                    .with_timezone_opt(zone.clone()),
            ),
            Values::Float(values) => Arc::new(Float32Array::try_new(take(values), nulls)?),
            Values::Double(values) => Arc::new(Float64Array::try_new(take(values), nulls)?),
            Values::Decimal {
                precision,
                scale,
                values,
            } => Arc::new(
                Decimal128Array::try_new(take(values), nulls)?
                    .with_precision_and_scale(*precision, *scale)?,
            ),
            Values::Text(values) => {
                let (offsets, bytes) = values.take::<i32>();
                Arc::new(StringArray::try_new(offsets, bytes, nulls)?)
            }
            Values::Binary {
                large: true,
                values,
            } => {
                let (offsets, bytes) = values.take::<i64>();
                Arc::new(LargeBinaryArray::try_new(offsets, bytes, nulls)?)
            }
            Values::Binary { values, .. } => {
                let (offsets, bytes) = values.take::<i32>();
                Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?)
            }
            Values::Fixed { width, values, .. } => Arc::new(FixedSizeBinaryArray::try_new(
                *width as i32,
                Buffer::from_vec(std::mem::take(values)),
                nulls,
            )?),
            Values::Struct(fields) => Arc::new(fields.finish_struct(rows, nulls)?),
            Values::List {
                field,
                ends,
                element,
                ..
            } => Arc::new(ListArray::try_new(
                field.clone(),
                offsets(ends),
                element.finish()?,
                nulls,
            )?),
            Values::Map {
                entries,
                ends,
                key,
                value,
                ..
            } => {
                let children: Vec<ArrayRef> = vec![key.finish()?, value.finish()?];
                let pairs = StructArray::try_new(struct_fields(entries), children, None)?;
                Arc::new(MapArray::try_new(
                    entries.clone(),
                    offsets(ends),
                    pairs,
                    nulls,
                    false,
                )?)
            }
        })
    }
}

fn full() -> Failure {
    Failure::new("the batch has got too big for this record: lower the stream's commit size")
}

fn take<T: arrow::datatypes::ArrowNativeType>(values: &mut Vec<T>) -> ScalarBuffer<T> {
    ScalarBuffer::from(std::mem::take(values))
}

fn offsets(ends: &mut Vec<i32>) -> OffsetBuffer<i32> {
    let offsets: Vec<i32> = std::iter::once(0).chain(std::mem::take(ends)).collect();
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

fn struct_fields(entries: &FieldRef) -> ArrowFields {
    match entries.data_type() {
        DataType::Struct(fields) => fields.clone(),
        _ => unreachable!("shape::column checked that a map's entries are a struct"),
    }
}
