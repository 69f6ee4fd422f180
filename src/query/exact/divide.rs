//! Division of decimals, with the digits behind the point that Postgres gives: at least sixteen
//! significant ones.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal256Type, i256};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::out_of_range;
use crate::query::{QueryError, QueryErrorKind};

/// Significant digits that a quotient has at least.
const SIGNIFICANT_DIGITS: i32 = 16;
/// Digits behind the point at most: what is left of 38 must hold the whole.
const MOST_SCALE: i32 = 28;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Divide {
    scale: i8,
    signature: Signature,
}

impl Divide {
    /// The division of two expressions. Of constants the digits are Postgres's own; of columns
    /// they are those of a quotient between 1 and 9999, since a column here has one scale.
    pub fn function(left: &Expr, right: &Expr, scales: (i8, i8)) -> ScalarUDF {
        let scale = match (constant(left), constant(right)) {
            (Some(left), Some(right)) => scale_of(&left, &right),
            _ => SIGNIFICANT_DIGITS,
        };
        let least = i32::from(scales.0.max(scales.1));
        let scale = scale.max(least).clamp(0, MOST_SCALE);
        ScalarUDF::new_from_impl(Self {
            scale: i8::try_from(scale).unwrap_or(16),
            signature: Signature::any(2, Volatility::Immutable),
        })
    }
}

/// A constant's digits and scale.
struct Constant {
    digits: String,
    scale: i32,
}

fn constant(expr: &Expr) -> Option<Constant> {
    match expr {
        Expr::Literal(value, _) => {
            let (digits, scale) = match value {
                ScalarValue::Decimal128(Some(value), _, scale) => {
                    (value.unsigned_abs().to_string(), *scale)
                }
                ScalarValue::Int16(Some(value)) => (value.unsigned_abs().to_string(), 0),
                ScalarValue::Int32(Some(value)) => (value.unsigned_abs().to_string(), 0),
                ScalarValue::Int64(Some(value)) => (value.unsigned_abs().to_string(), 0),
                _ => return None,
            };
            Some(Constant {
                digits,
                scale: i32::from(scale),
            })
        }
        Expr::Cast(Cast { expr, .. }) => constant(expr),
        _ => None,
    }
}

/// The first group of four digits and its place, as Postgres's numeric holds them.
fn first_group(value: &Constant) -> (i32, u32) {
    let digits = value.digits.trim_start_matches('0');
    if digits.is_empty() {
        return (0, 0);
    }
    let length = i32::try_from(digits.len()).unwrap_or(0);
    let highest = length - value.scale - 1;
    let weight = highest.div_euclid(4);
    let shown = usize::try_from(highest.rem_euclid(4) + 1).unwrap_or(1);
    let padded = format!("{digits:0<shown$}");
    (weight, padded[..shown].parse().unwrap_or(0))
}

fn scale_of(left: &Constant, right: &Constant) -> i32 {
    let ((weight1, first1), (weight2, first2)) = (first_group(left), first_group(right));
    let weight = weight1 - weight2 - i32::from(first1 <= first2);
    let scale = SIGNIFICANT_DIGITS - weight * 4;
    scale.max(left.scale).max(right.scale).max(0)
}

impl ScalarUDFImpl for Divide {
    fn name(&self) -> &str {
        "numeric_div"
    }

    /// As the operator was called, so that columns keep their names.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let names: Vec<String> = args.iter().map(|a| a.schema_name().to_string()).collect();
        Ok(names.join(" / "))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(38, self.scale))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return internal_err!("numeric_div with {} arguments", args.args.len());
        };
        let single = matches!(
            (left, right),
            (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_))
        );
        let rows = if single { 1 } else { args.number_rows };
        let quotients = divide(&left.to_array(rows)?, &right.to_array(rows)?, self.scale)?;
        if single {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &quotients, 0,
            )?));
        }
        Ok(ColumnarValue::Array(quotients))
    }
}

fn wide(array: &ArrayRef) -> Result<(ArrayRef, i8)> {
    let scale = match array.data_type() {
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale,
        _ => 0,
    };
    Ok((cast(array, &DataType::Decimal256(76, scale))?, scale))
}

fn divide(left: &ArrayRef, right: &ArrayRef, scale: i8) -> Result<ArrayRef> {
    let ((left, left_scale), (right, right_scale)) = (wide(left)?, wide(right)?);
    let shift = i32::from(scale) - i32::from(left_scale) + i32::from(right_scale);
    let power = i256::from(10).checked_pow(shift.unsigned_abs());
    let overflow = || out_of_range(&DataType::Decimal128(38, scale));
    let power = power.ok_or_else(overflow)?;
    let (left, right) = (
        left.as_primitive::<Decimal256Type>(),
        right.as_primitive::<Decimal256Type>(),
    );
    let quotients = left.iter().zip(right).map(|pair| match pair {
        (Some(left), Some(right)) => {
            if right == i256::ZERO {
                return Err(QueryError::new(
                    QueryErrorKind::DivisionByZero,
                    "division by zero",
                ));
            }
            let (above, below) = if shift >= 0 {
                (left.checked_mul(power).ok_or_else(overflow)?, right)
            } else {
                (left, right.checked_mul(power).ok_or_else(overflow)?)
            };
            rounded(above, below)
                .to_i128()
                .ok_or_else(overflow)
                .map(Some)
        }
        _ => Ok(None),
    });
    let quotients = quotients.collect::<std::result::Result<Vec<Option<i128>>, QueryError>>()?;
    let array = Decimal128Array::from(quotients).with_precision_and_scale(38, scale)?;
    array
        .validate_decimal_precision(38)
        .map_err(|_| overflow())?;
    Ok(Arc::new(array))
}

/// Half away from zero.
fn rounded(above: i256, below: i256) -> i256 {
    let quotient = above.wrapping_div(below);
    let rest = above.wrapping_rem(below);
    let twice = rest.wrapping_abs().wrapping_mul(i256::from(2));
    if twice < below.wrapping_abs() {
        return quotient;
    }
    let negative = (above < i256::ZERO) != (below < i256::ZERO);
    if negative {
        quotient.wrapping_sub(i256::ONE)
    } else {
        quotient.wrapping_add(i256::ONE)
    }
}
