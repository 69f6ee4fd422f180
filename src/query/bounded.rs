//! Functions that make much out of little (`repeat('x', 2000000000)`), held to a size before they
//! run: no memory limit sees what a function takes at once, and what can't be had ends the process.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature,
};

use super::{QueryError, QueryErrorKind};

/// What one call over one batch of rows may make.
pub(super) const MOST_BYTES: f64 = (128_u32 << 20) as f64;

/// How much a call makes, from its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Makes {
    /// The first argument's length times the second.
    Repeated,
    /// The second argument's number of characters.
    Padded,
    /// As many numbers as lie between the first (or 0) and the second by the third (or 1).
    Series,
    /// The second argument's number of values, each as large as the first.
    Values,
}

const HELD: [(&str, Makes); 7] = [
    ("repeat", Makes::Repeated),
    ("lpad", Makes::Padded),
    ("rpad", Makes::Padded),
    ("range", Makes::Series),
    ("generate_series", Makes::Series),
    ("array_repeat", Makes::Values),
    ("array_resize", Makes::Values),
];

/// Puts the held functions in the place of DataFusion's own, under all their names.
pub(super) fn hold(state: &mut SessionState) -> Result<(), QueryError> {
    for (name, makes) in HELD {
        if let Ok(inner) = state.udf(name) {
            let held = ScalarUDF::new_from_impl(Held {
                inner: inner.as_ref().clone(),
                makes,
            });
            state.register_udf(Arc::new(held))?;
        }
    }
    Ok(())
}

/// The error for a call that would make more than it may.
pub(super) fn too_much(name: &str) -> QueryError {
    let most = (MOST_BYTES / 1_048_576.0).round();
    let message = format!("{name} would make more than {most} MiB at once");
    QueryError::new(QueryErrorKind::OutOfMemory, message)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Held {
    inner: ScalarUDF,
    makes: Makes,
}

impl ScalarUDFImpl for Held {
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
        Some(ScalarUDF::new_from_impl(Self {
            inner,
            makes: self.makes,
        }))
    }

    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Original(args))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.makes.bytes(&args.args, args.number_rows)? > MOST_BYTES {
            return Err(too_much(self.name()).into());
        }
        self.inner.invoke_with_args(args)
    }
}

impl Makes {
    /// An estimate, never far below what is made. Arguments it can't read count as nothing: the
    /// function itself says what is wrong with them.
    fn bytes(self, args: &[ColumnarValue], rows: usize) -> Result<f64> {
        let number = |index: usize| Numbers::of(args.get(index));
        let sum = |of: &dyn Fn(usize) -> f64| (0..rows).map(of).map(|v| v.max(0.0)).sum::<f64>();
        Ok(match self {
            Self::Repeated => {
                let (length, times) = (Lengths::of(args.first()), number(1));
                sum(&|row| length.at(row) * times.at(row, 0.0))
            }
            Self::Padded => {
                let length = number(1);
                sum(&|row| length.at(row, 0.0) * 4.0)
            }
            Self::Series if args.len() == 1 => {
                let stop = number(0);
                sum(&|row| stop.at(row, 0.0) * 8.0)
            }
            Self::Series => {
                let (start, stop, step) = (number(0), number(1), number(2));
                sum(&|row| {
                    let step = step.at(row, 1.0);
                    let distance = stop.at(row, 0.0) - start.at(row, 0.0);
                    if step == 0.0 {
                        0.0
                    } else {
                        distance / step * 8.0
                    }
                })
            }
            Self::Values => {
                let (length, times) = (Lengths::of(args.first()), number(1));
                sum(&|row| (length.at(row) + 8.0) * times.at(row, 0.0))
            }
        })
    }
}

/// An argument as numbers: times count in their own units, spans of time in nanoseconds.
enum Numbers {
    None,
    One(Option<f64>),
    Many(arrow::array::ArrayRef),
}

impl Numbers {
    fn of(arg: Option<&ColumnarValue>) -> Self {
        let array = match arg {
            None => return Self::None,
            Some(ColumnarValue::Array(array)) => Arc::clone(array),
            Some(ColumnarValue::Scalar(value)) => match value.to_array() {
                Ok(array) => array,
                Err(_) => return Self::None,
            },
        };
        let single = matches!(arg, Some(ColumnarValue::Scalar(_)));
        let Some(array) = as_float(&array) else {
            return Self::None;
        };
        if single {
            let values = array.as_primitive::<Float64Type>();
            return Self::One(values.is_valid(0).then(|| values.value(0)));
        }
        Self::Many(array)
    }

    fn at(&self, row: usize, otherwise: f64) -> f64 {
        match self {
            Self::None => otherwise,
            Self::One(value) => value.unwrap_or(otherwise),
            Self::Many(array) => {
                let values = array.as_primitive::<Float64Type>();
                if row < values.len() && values.is_valid(row) {
                    values.value(row)
                } else {
                    otherwise
                }
            }
        }
    }
}

/// Days, times and spans become nanoseconds, so that their quotient counts steps.
fn as_float(array: &arrow::array::ArrayRef) -> Option<arrow::array::ArrayRef> {
    use arrow::datatypes::{IntervalMonthDayNanoType, TimeUnit};
    if let DataType::Interval(_) = array.data_type() {
        let spans = array.as_primitive_opt::<IntervalMonthDayNanoType>()?;
        const DAY: f64 = 86_400e9;
        let nanos = spans.iter().map(|span| {
            span.map(|s| {
                f64::from(s.months) * 30.0 * DAY + f64::from(s.days) * DAY + s.nanoseconds as f64
            })
        });
        return Some(Arc::new(nanos.collect::<arrow::array::Float64Array>()));
    }
    match array.data_type() {
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => {
            // Beyond what nanoseconds hold a cast would give null: seconds always fit.
            let seconds = cast(array, &DataType::Timestamp(TimeUnit::Second, None)).ok()?;
            let seconds = cast(&seconds, &DataType::Int64).ok()?;
            let seconds = seconds.as_primitive::<Int64Type>();
            let scaled = seconds.iter().map(|s| s.map(|s| s as f64 * 1e9));
            Some(Arc::new(scaled.collect::<arrow::array::Float64Array>()))
        }
        _ => cast(array, &DataType::Float64).ok(),
    }
}

/// An argument's lengths in bytes.
enum Lengths {
    One(f64),
    Many(Vec<f64>),
}

impl Lengths {
    fn of(arg: Option<&ColumnarValue>) -> Self {
        match arg {
            None => Self::One(0.0),
            Some(ColumnarValue::Scalar(value)) => Self::One(scalar_bytes(value)),
            Some(ColumnarValue::Array(array)) => match array.data_type() {
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                    let Ok(texts) = cast(array, &DataType::LargeUtf8) else {
                        return Self::One(0.0);
                    };
                    let texts = texts.as_string::<i64>();
                    Self::Many(
                        texts
                            .iter()
                            .map(|t| t.map_or(0.0, |t| t.len() as f64))
                            .collect(),
                    )
                }
                _ => Self::One(array.get_array_memory_size() as f64 / array.len().max(1) as f64),
            },
        }
    }

    fn at(&self, row: usize) -> f64 {
        match self {
            Self::One(length) => *length,
            Self::Many(lengths) => lengths.get(row).copied().unwrap_or(0.0),
        }
    }
}

fn scalar_bytes(value: &ScalarValue) -> f64 {
    match value.try_as_str() {
        Some(Some(text)) => text.len() as f64,
        Some(None) => 0.0,
        None => value.size() as f64,
    }
}
