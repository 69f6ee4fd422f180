//! Casts that lose something, rounded as Postgres rounds, 22003 where the value doesn't fit.
//!
//! They are functions also so that the optimiser leaves them alone: it takes every cast between
//! numbers or times for one that can be undone, and makes `amount::int = 5` into `amount = 5.00`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::util::display::FormatOptions;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::out_of_range;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Convert {
    to: DataType,
    signature: Signature,
}

impl Convert {
    /// The function for a cast; None where the cast itself is right.
    pub fn function(from: &DataType, to: &DataType) -> Option<ScalarUDF> {
        loses(from, to).then(|| {
            ScalarUDF::new_from_impl(Self {
                to: to.clone(),
                signature: Signature::any(1, Volatility::Immutable),
            })
        })
    }
}

fn loses(from: &DataType, to: &DataType) -> bool {
    use DataType::{Decimal128, Decimal256, Timestamp};
    match (from, to) {
        (Decimal128(_, scale) | Decimal256(_, scale), to) if to.is_integer() => *scale > 0,
        (from, to) if from.is_floating() && to.is_integer() => true,
        (
            Decimal128(precision, scale) | Decimal256(precision, scale),
            Decimal128(new_precision, new_scale) | Decimal256(new_precision, new_scale),
        ) => {
            let whole = i16::from(*precision) - i16::from(*scale);
            let new_whole = i16::from(*new_precision) - i16::from(*new_scale);
            new_scale < scale || new_whole < whole
        }
        (DataType::List(item), DataType::List(new_item)) => {
            loses(item.data_type(), new_item.data_type())
        }
        (Timestamp(unit, zone), Timestamp(new_unit, new_zone)) => {
            // Between a zone's wall clock and instants lies more than the unit.
            let moves = match (zone, new_zone) {
                (Some(zone), None) | (None, Some(zone)) => zone.as_ref() != "UTC",
                _ => false,
            };
            moves || new_unit < unit
        }
        _ => false,
    }
}

impl ScalarUDFImpl for Convert {
    fn name(&self) -> &str {
        "convert"
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
        match args.args.as_slice() {
            [ColumnarValue::Array(array)] => Ok(ColumnarValue::Array(convert(array, &self.to)?)),
            [ColumnarValue::Scalar(value)] => {
                let array = convert(&value.to_array()?, &self.to)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                    &array, 0,
                )?))
            }
            other => internal_err!("convert with {} arguments", other.len()),
        }
    }
}

fn convert(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if let (DataType::List(_), DataType::List(item)) = (array.data_type(), to) {
        let lists = array.as_list::<i32>();
        let values = convert(lists.values(), item.data_type())?;
        let (offsets, nulls) = (lists.offsets().clone(), lists.nulls().cloned());
        let lists = ListArray::try_new(Arc::clone(item), offsets, values, nulls)?;
        return Ok(Arc::new(lists));
    }
    let strict = CastOptions {
        safe: false,
        format_options: FormatOptions::default(),
    };
    let rounded = round(array, to, &strict)?;
    cast_with_options(&rounded, to, &strict).map_err(|error| match error {
        ArrowError::CastError(_) | ArrowError::InvalidArgumentError(_) if to.is_numeric() => {
            out_of_range(to).into()
        }
        other => other.into(),
    })
}

/// To whole numbers: decimals half away from zero (as Arrow does between decimals), floats half to
/// even. Arrow alone would cut off.
fn round(array: &ArrayRef, to: &DataType, strict: &CastOptions) -> Result<ArrayRef> {
    if !to.is_integer() {
        return Ok(Arc::clone(array));
    }
    Ok(match array.data_type() {
        DataType::Decimal128(precision, _) => {
            cast_with_options(array, &DataType::Decimal128(*precision, 0), strict)?
        }
        DataType::Decimal256(precision, _) => {
            cast_with_options(array, &DataType::Decimal256(*precision, 0), strict)?
        }
        DataType::Float32 => {
            let floats = array.as_primitive::<Float32Type>();
            Arc::new(floats.unary::<_, Float32Type>(f32::round_ties_even))
        }
        DataType::Float64 => {
            let floats = array.as_primitive::<Float64Type>();
            Arc::new(floats.unary::<_, Float64Type>(f64::round_ties_even))
        }
        _ => Arc::clone(array),
    })
}
