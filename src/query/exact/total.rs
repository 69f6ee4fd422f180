//! Sums in 128 bits, for one group, for many, and of distinct values.

use std::collections::HashSet;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Int64Array};
use arrow::array::{ArrowPrimitiveType, PrimitiveArray, downcast_integer};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Decimal128Type};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::out_of_range;

/// Calls a generic function for the type of an array of integers or decimals.
macro_rules! with_primitive {
    ($array:expr, $call:ident) => {{
        macro_rules! typed {
            ($kind:ty) => {
                $call!($array.as_primitive::<$kind>())
            };
        }
        downcast_integer! {
            $array.data_type() => (typed),
            DataType::Decimal128(..) => $call!($array.as_primitive::<Decimal128Type>()),
            other => return internal_err!("a sum of {other}"),
        }
    }};
}

/// The sum as a value of its type.
fn value(sum: Option<i128>, kind: &DataType) -> Result<ScalarValue> {
    Ok(match kind {
        DataType::Decimal128(precision, scale) => ScalarValue::Decimal128(sum, *precision, *scale),
        _ => ScalarValue::Int64(sum.map(|sum| narrow(sum, kind)).transpose()?),
    })
}

fn narrow(sum: i128, kind: &DataType) -> Result<i64> {
    i64::try_from(sum).map_err(|_| out_of_range(kind).into())
}

/// Adds an array up. Integers can't fill 128 bits, decimals can.
fn add_up<T>(values: &PrimitiveArray<T>, to: i128) -> Option<i128>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i128>,
{
    let fits = size_of::<T::Native>() <= 8;
    if fits && values.null_count() == 0 {
        let sum: i128 = values.values().iter().map(|value| (*value).into()).sum();
        return to.checked_add(sum);
    }
    let mut sum = to;
    for value in values.iter().flatten() {
        sum = sum.checked_add(value.into())?;
    }
    Some(sum)
}

/// The sum of one group, also of a window that slides.
#[derive(Debug)]
pub(super) struct Total {
    sum: i128,
    count: usize,
    state: DataType,
    result: DataType,
}

impl Total {
    pub fn new(state: DataType, result: DataType) -> Self {
        Self {
            sum: 0,
            count: 0,
            state,
            result,
        }
    }

    fn sum(&self) -> Option<i128> {
        (self.count > 0).then_some(self.sum)
    }
}

impl Accumulator for Total {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = &values[0];
        macro_rules! add {
            ($typed:expr) => {
                add_up($typed, self.sum)
            };
        }
        let sum = with_primitive!(values, add);
        self.sum = sum.ok_or_else(|| out_of_range(&self.result))?;
        self.count += values.len() - values.null_count();
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = &values[0];
        macro_rules! add {
            ($typed:expr) => {
                add_up($typed, 0)
            };
        }
        let gone = with_primitive!(values, add);
        let sum = gone.and_then(|gone| self.sum.checked_sub(gone));
        self.sum = sum.ok_or_else(|| out_of_range(&self.result))?;
        self.count -= values.len() - values.null_count();
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        value(self.sum(), &self.result)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![value(self.sum(), &self.state)?])
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

/// The sum of the distinct values of one group.
#[derive(Debug)]
pub(super) struct DistinctTotal {
    seen: HashSet<i128>,
    state: DataType,
    result: DataType,
}

impl DistinctTotal {
    pub fn new(state: DataType, result: DataType) -> Self {
        Self {
            seen: HashSet::new(),
            state,
            result,
        }
    }
}

impl Accumulator for DistinctTotal {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        macro_rules! insert {
            ($typed:expr) => {
                self.seen
                    .extend($typed.iter().flatten().map(|value| i128::from(value)))
            };
        }
        with_primitive!(&values[0], insert);
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for list in states[0].as_list::<i32>().iter().flatten() {
            self.update_batch(&[list])?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.seen.is_empty() {
            return value(None, &self.result);
        }
        let sum = self
            .seen
            .iter()
            .try_fold(0i128, |sum, v| sum.checked_add(*v));
        value(
            Some(sum.ok_or_else(|| out_of_range(&self.result))?),
            &self.result,
        )
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self
            .seen
            .iter()
            .map(|seen| value(Some(*seen), &self.state))
            .collect::<Result<Vec<_>>>()?;
        let list = ScalarValue::new_list_nullable(&values, &self.state);
        Ok(vec![ScalarValue::List(list)])
    }

    fn size(&self) -> usize {
        // A slot and its control byte.
        size_of::<Self>() + self.seen.capacity() * (size_of::<i128>() + 1) * 8 / 7
    }
}

/// The sums of many groups.
#[derive(Debug)]
pub(super) struct GroupTotals {
    sums: Vec<i128>,
    /// Whether a group has any value; one without has no sum.
    seen: Vec<bool>,
    state: DataType,
    result: DataType,
}

impl GroupTotals {
    pub fn new(state: DataType, result: DataType) -> Self {
        Self {
            sums: Vec::new(),
            seen: Vec::new(),
            state,
            result,
        }
    }

    /// True when a sum did not fit.
    fn add<T>(
        &mut self,
        values: &PrimitiveArray<T>,
        groups: &[usize],
        valid: Option<&NullBuffer>,
    ) -> bool
    where
        T: ArrowPrimitiveType,
        T::Native: Into<i128>,
    {
        let mut full = false;
        let mut add = |group: usize, value: T::Native| {
            let (sum, overflowed) = self.sums[group].overflowing_add(value.into());
            self.sums[group] = sum;
            self.seen[group] = true;
            full |= overflowed;
        };
        match valid {
            None => {
                for (group, value) in groups.iter().zip(values.values()) {
                    add(*group, *value);
                }
            }
            Some(valid) => {
                for row in valid.valid_indices() {
                    add(groups[row], values.value(row));
                }
            }
        }
        full
    }

    fn take(&mut self, emit: EmitTo) -> (Vec<i128>, NullBuffer) {
        let sums = emit.take_needed(&mut self.sums);
        let seen = emit.take_needed(&mut self.seen);
        (sums, NullBuffer::from(seen))
    }
}

/// The rows that count: valid, and let through by the filter.
fn counted(values: &dyn Array, filter: Option<&BooleanArray>) -> Option<NullBuffer> {
    let passed = filter.map(|filter| match filter.nulls() {
        Some(nulls) => NullBuffer::new(filter.values() & nulls.inner()),
        None => NullBuffer::new(filter.values().clone()),
    });
    NullBuffer::union(values.nulls(), passed.as_ref())
}

impl GroupsAccumulator for GroupTotals {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total_groups: usize,
    ) -> Result<()> {
        self.sums.resize(total_groups, 0);
        self.seen.resize(total_groups, false);
        let valid = counted(&values[0], filter);
        macro_rules! add {
            ($typed:expr) => {
                self.add($typed, groups, valid.as_ref())
            };
        }
        if with_primitive!(&values[0], add) {
            return Err(out_of_range(&self.state).into());
        }
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total_groups: usize,
    ) -> Result<()> {
        self.update_batch(values, groups, filter, total_groups)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let (sums, seen) = self.take(emit);
        if let DataType::Decimal128(..) = self.result {
            let sums = Decimal128Array::new(sums.into(), Some(seen));
            return Ok(Arc::new(sums.with_data_type(self.result.clone())));
        }
        let sums = sums
            .into_iter()
            .map(|sum| narrow(sum, &self.result))
            .collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(Int64Array::new(sums.into(), Some(seen))))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let (sums, seen) = self.take(emit);
        let sums = Decimal128Array::new(sums.into(), Some(seen));
        Ok(vec![Arc::new(sums.with_data_type(self.state.clone()))])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let valid = counted(&values[0], filter);
        macro_rules! widen {
            ($typed:expr) => {
                $typed
                    .values()
                    .iter()
                    .map(|value| i128::from(*value))
                    .collect::<Vec<_>>()
            };
        }
        let sums = with_primitive!(&values[0], widen);
        let sums = Decimal128Array::new(sums.into(), valid);
        Ok(vec![Arc::new(sums.with_data_type(self.state.clone()))])
    }

    fn supports_convert_to_state(&self) -> bool {
        true
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>() + self.seen.capacity()
    }
}
