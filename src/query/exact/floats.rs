//! Arithmetic of doubles that says so where a result doesn't fit (22003) or nothing can be divided
//! by (22012), as Postgres does, where IEEE's would go on with infinities.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::kernels::numeric::{add, div, mul, sub};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::query::{QueryError, QueryErrorKind};

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Floats {
    op: Operator,
    signature: Signature,
}

impl Floats {
    /// The function for an operator; None where the engine's own is right.
    pub fn function(op: Operator, kind: &DataType) -> Option<ScalarUDF> {
        use Operator::{Divide, Minus, Multiply, Plus};
        let ours = matches!(op, Plus | Minus | Multiply | Divide)
            && matches!(kind, DataType::Float32 | DataType::Float64);
        ours.then(|| {
            ScalarUDF::new_from_impl(Self {
                op,
                signature: Signature::any(2, Volatility::Immutable),
            })
        })
    }
}

impl ScalarUDFImpl for Floats {
    fn name(&self) -> &str {
        match self.op {
            Operator::Plus => "float_add",
            Operator::Minus => "float_subtract",
            Operator::Multiply => "float_multiply",
            _ => "float_divide",
        }
    }

    /// As the operator was called, so that columns keep their names.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let names: Vec<String> = args.iter().map(|a| a.schema_name().to_string()).collect();
        Ok(names.join(&format!(" {} ", self.op)))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, kinds: &[DataType]) -> Result<DataType> {
        match kinds {
            [left, right] if left == right => Ok(left.clone()),
            _ => internal_err!("{} of {kinds:?}: types are coerced before", self.name()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return internal_err!("{} with {} arguments", self.name(), args.args.len());
        };
        let single = matches!(
            (left, right),
            (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_))
        );
        let rows = if single { 1 } else { args.number_rows };
        let (left, right) = (left.to_array(rows)?, right.to_array(rows)?);
        let kernel = match self.op {
            Operator::Plus => add,
            Operator::Minus => sub,
            Operator::Multiply => mul,
            _ => div,
        };
        let result = kernel(&left.as_ref(), &right.as_ref())?;
        check(self.op, &left, &right, &result)?;
        if single {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &result, 0,
            )?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// Looks closer only where a result is not finite.
fn check(op: Operator, left: &ArrayRef, right: &ArrayRef, result: &ArrayRef) -> Result<()> {
    for row in 0..result.len() {
        let value = at(result, row);
        if value.is_finite() || result.is_null(row) {
            continue;
        }
        let (left, right) = (at(left, row), at(right, row));
        if op == Operator::Divide && right == 0.0 && !left.is_nan() {
            return Err(QueryError::new(QueryErrorKind::DivisionByZero, "division by zero").into());
        }
        if left.is_finite() && right.is_finite() {
            return Err(QueryError::new(
                QueryErrorKind::NumericOutOfRange,
                "value out of range: overflow",
            )
            .into());
        }
    }
    Ok(())
}

fn at(array: &ArrayRef, row: usize) -> f64 {
    match array.data_type() {
        DataType::Float32 => f64::from(array.as_primitive::<Float32Type>().value(row)),
        _ => array.as_primitive::<Float64Type>().value(row),
    }
}
