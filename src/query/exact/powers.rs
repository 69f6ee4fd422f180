//! `power` and `factorial`, which fail as in Postgres where a result has no value or no room:
//! DataFusion gives infinity, 0 or NaN, or an error of another kind.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Float64Type, Int64Type};
use datafusion::common::Result;
use datafusion::config::ConfigOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature,
};

use crate::query::{QueryError, QueryErrorKind};

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Rule {
    Power,
    Factorial,
}

/// The largest number whose factorial a bigint holds.
const LARGEST_FACTORIAL: i64 = 20;

/// Puts the functions that look in the place of DataFusion's own.
pub(super) fn install(state: &mut SessionState) -> Result<()> {
    for (name, rule) in [("power", Rule::Power), ("factorial", Rule::Factorial)] {
        if let Ok(inner) = state.udf(name) {
            let inner = inner.as_ref().clone();
            let watched = ScalarUDF::new_from_impl(Watched { inner, rule });
            state.register_udf(Arc::new(watched))?;
        }
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Watched {
    inner: ScalarUDF,
    rule: Rule,
}

impl ScalarUDFImpl for Watched {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let inner = self.inner.inner().with_updated_config(config)?;
        let rule = self.rule;
        Some(ScalarUDF::new_from_impl(Self { inner, rule }))
    }

    /// Its rules know the function by its type, which is another one here.
    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Original(args))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (given, rows) = (args.args.clone(), args.number_rows);
        match self.rule {
            Rule::Factorial => {
                check_factorial(&given, rows)?;
                self.inner.invoke_with_args(args)
            }
            Rule::Power => {
                check_bases(&given, rows)?;
                let result = self.inner.invoke_with_args(args)?;
                check_powers(&given, &result, rows)?;
                Ok(result)
            }
        }
    }
}

fn out_of_range(message: &str) -> QueryError {
    QueryError::new(QueryErrorKind::NumericOutOfRange, message)
}

fn check_factorial(args: &[ColumnarValue], rows: usize) -> Result<()> {
    let [number] = args else { return Ok(()) };
    let numbers = cast(&number.to_array(rows)?, &DataType::Int64)?;
    for number in numbers.as_primitive::<Int64Type>().iter().flatten() {
        if number < 0 {
            return Err(out_of_range("factorial of a negative number is undefined").into());
        }
        if number > LARGEST_FACTORIAL {
            let message = format!("bigint out of range: factorial({number})");
            return Err(out_of_range(&message).into());
        }
    }
    Ok(())
}

/// Both arguments as doubles; None where the function computes with other numbers.
fn doubles(args: &[ColumnarValue], rows: usize) -> Result<Option<(ArrayRef, ArrayRef)>> {
    let [base, exponent] = args else {
        return Ok(None);
    };
    let double = |value: &ColumnarValue| cast(&value.to_array(rows)?, &DataType::Float64);
    Ok(Some((double(base)?, double(exponent)?)))
}

fn check_bases(args: &[ColumnarValue], rows: usize) -> Result<()> {
    let Some((bases, exponents)) = doubles(args, rows)? else {
        return Ok(());
    };
    let bases = bases.as_primitive::<Float64Type>();
    let exponents = exponents.as_primitive::<Float64Type>();
    for (base, exponent) in bases.iter().zip(exponents) {
        let (Some(base), Some(exponent)) = (base, exponent) else {
            continue;
        };
        let message = if base == 0.0 && exponent < 0.0 {
            "zero raised to a negative power is undefined"
        } else if base < 0.0 && base.is_finite() && exponent.is_finite() && exponent.fract() != 0.0
        {
            "a negative number raised to a non-integer power yields a complex result"
        } else {
            continue;
        };
        return Err(QueryError::new(QueryErrorKind::InvalidPower, message).into());
    }
    Ok(())
}

/// Infinity or 0 out of finite numbers is an overflow or an underflow.
fn check_powers(args: &[ColumnarValue], result: &ColumnarValue, rows: usize) -> Result<()> {
    if result.data_type() != DataType::Float64 {
        return Ok(());
    }
    let results = result.to_array(rows)?;
    let results = results.as_primitive::<Float64Type>();
    if !results.values().iter().any(|v| !v.is_finite() || *v == 0.0) {
        return Ok(());
    }
    let Some((bases, exponents)) = doubles(args, rows)? else {
        return Ok(());
    };
    let bases = bases.as_primitive::<Float64Type>();
    let exponents = exponents.as_primitive::<Float64Type>();
    for row in (0..results.len()).filter(|row| results.is_valid(*row)) {
        let (base, result) = (bases.value(row), results.value(row));
        if !base.is_finite() || !exponents.value(row).is_finite() {
            continue;
        }
        if result.is_infinite() {
            return Err(out_of_range("value out of range: overflow").into());
        }
        if result == 0.0 && base != 0.0 {
            return Err(out_of_range("value out of range: underflow").into());
        }
    }
    Ok(())
}
