//! Integer arithmetic that fails where it would wrap.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Datum, PrimitiveArray};
use arrow::compute::kernels::numeric::{add, mul, sub};
use arrow::datatypes::{ArrowNativeTypeOp, DataType, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow::error::ArrowError;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::out_of_range;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Op {
    Add,
    Subtract,
    Multiply,
    Negate,
    Abs,
}

/// One operation on integers of one type.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Checked {
    op: Op,
    signature: Signature,
}

impl Checked {
    pub fn function(op: Op) -> ScalarUDF {
        let arity = match op {
            Op::Add | Op::Subtract | Op::Multiply => 2,
            Op::Negate | Op::Abs => 1,
        };
        ScalarUDF::new_from_impl(Self {
            op,
            signature: Signature::any(arity, Volatility::Immutable),
        })
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        match self.op {
            Op::Add => "checked_add",
            Op::Subtract => "checked_subtract",
            Op::Multiply => "checked_multiply",
            Op::Negate => "checked_negate",
            Op::Abs => "checked_abs",
        }
    }

    /// As the operator was called, so that columns keep their names.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let names: Vec<String> = args.iter().map(|a| a.schema_name().to_string()).collect();
        Ok(match (self.op, names.as_slice()) {
            (Op::Add, [left, right]) => format!("{left} + {right}"),
            (Op::Subtract, [left, right]) => format!("{left} - {right}"),
            (Op::Multiply, [left, right]) => format!("{left} * {right}"),
            (Op::Negate, [inner]) => format!("(- {inner})"),
            _ => format!("abs({})", names.join(",")),
        })
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [one] => Ok(one.clone()),
            [left, right] if left == right => Ok(left.clone()),
            _ => internal_err!("{} of {types:?}: types are coerced before", self.name()),
        }
    }

    fn output_ordering(&self, args: &[ExprProperties]) -> Result<SortProperties> {
        // It never wraps, so that sums and negations keep the order.
        Ok(match (self.op, args) {
            (Op::Add, [left, right]) => left.sort_properties.add(&right.sort_properties),
            (Op::Subtract, [left, right]) => left.sort_properties.sub(&right.sort_properties),
            (Op::Negate, [inner]) => -inner.sort_properties,
            _ => SortProperties::Unordered,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let kind = args.return_field.data_type().clone();
        let done = match (self.op, args.args.as_slice()) {
            (Op::Add, [left, right]) => binary(left, right, add),
            (Op::Subtract, [left, right]) => binary(left, right, sub),
            (Op::Multiply, [left, right]) => binary(left, right, mul),
            (op, [ColumnarValue::Array(array)]) => unary(op, array).map(ColumnarValue::Array),
            (op, [ColumnarValue::Scalar(value)]) => {
                let array = unary(op, &value.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                    &array, 0,
                )?))
            }
            _ => return internal_err!("{} with {} arguments", self.name(), args.args.len()),
        };
        done.map_err(|error| match error.find_root() {
            datafusion::error::DataFusionError::ArrowError(inner, _)
                if matches!(**inner, ArrowError::ArithmeticOverflow(_)) =>
            {
                out_of_range(&kind).into()
            }
            _ => error,
        })
    }
}

type Kernel = fn(&dyn Datum, &dyn Datum) -> Result<ArrayRef, ArrowError>;

fn binary(left: &ColumnarValue, right: &ColumnarValue, kernel: Kernel) -> Result<ColumnarValue> {
    use ColumnarValue::{Array, Scalar};
    Ok(match (left, right) {
        (Array(left), Array(right)) => Array(kernel(&left.as_ref(), &right.as_ref())?),
        (Array(left), Scalar(right)) => Array(kernel(&left.as_ref(), &right.to_scalar()?)?),
        (Scalar(left), Array(right)) => Array(kernel(&left.to_scalar()?, &right.as_ref())?),
        (Scalar(left), Scalar(right)) => {
            let both = kernel(&left.to_scalar()?, &right.to_scalar()?)?;
            Scalar(ScalarValue::try_from_array(&both, 0)?)
        }
    })
}

fn unary(op: Op, array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Int8 => one::<Int8Type>(op, array),
        DataType::Int16 => one::<Int16Type>(op, array),
        DataType::Int32 => one::<Int32Type>(op, array),
        DataType::Int64 => one::<Int64Type>(op, array),
        // Without a sign: each is its own absolute value, and no other than 0 has a negative.
        _ if op == Op::Abs => Ok(Arc::clone(array)),
        other => internal_err!("{op:?} of {other}"),
    }
}

fn one<T: ArrowPrimitiveType>(op: Op, array: &ArrayRef) -> Result<ArrayRef>
where
    T::Native: ArrowNativeTypeOp + PartialOrd + Default,
{
    let zero = T::Native::default();
    let done: PrimitiveArray<T> = array.as_primitive::<T>().try_unary(|value| {
        if op == Op::Abs && value >= zero {
            Ok(value)
        } else {
            value.neg_checked()
        }
    })?;
    Ok(Arc::new(done))
}
