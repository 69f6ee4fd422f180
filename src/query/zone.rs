//! The session's time zone in what depends on it: the day that an instant falls into, the hour it
//! has, the wall clock it shows. Columns hold instants in UTC; Arrow computes in the zone of a
//! value's type, so it is brought into the session's zone first, and back after.
//! Comparisons and sums of instants are left alone: they don't depend on a zone.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Days, MappedLocalTime, Offset, TimeZone as _};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{Cast, ScalarFunction};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::sql::sqlparser::ast;

use super::rewrite;
use super::{QueryError, QueryErrorKind};

/// Functions whose answer depends on the zone of their argument.
const ZONED: [&str; 3] = ["date_trunc", "date_part", "to_char"];

/// Must come after type coercion.
#[derive(Debug)]
pub(super) struct InZone;

impl AnalyzerRule for InZone {
    fn name(&self) -> &str {
        "times_in_the_sessions_zone"
    }

    fn analyze(&self, plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan> {
        match options.execution.time_zone.as_deref() {
            None | Some("UTC") => Ok(plan),
            Some(zone) => rewrite::expressions(plan, |expr, schema| {
                expr.transform_up(|expr| Ok(expression(expr, schema, zone)))
            }),
        }
    }
}

fn expression(expr: Expr, schema: &DFSchema, zone: &str) -> Transformed<Expr> {
    let in_zone = |unit: &TimeUnit| DataType::Timestamp(*unit, Some(zone.into()));
    match expr {
        Expr::ScalarFunction(call) if ZONED.contains(&call.name()) => {
            let mut changed = None;
            let args = call.args.into_iter().map(|arg| match arg.get_type(schema) {
                Ok(DataType::Timestamp(unit, Some(own))) if own.as_ref() != zone => {
                    changed = Some(DataType::Timestamp(unit, Some(own)));
                    to(arg, in_zone(&unit))
                }
                _ => arg,
            });
            let args = args.collect();
            let truncates = call.func.name() == "date_trunc";
            let call = Expr::ScalarFunction(ScalarFunction::new_udf(call.func, args));
            match changed {
                Some(before) if truncates => Transformed::yes(to(call, before)),
                changed => Transformed::new_transformed(call, changed.is_some()),
            }
        }
        Expr::Cast(Cast { expr, field }) => {
            let from = expr.get_type(schema);
            let target = field.data_type();
            let instant = |kind: &DataType| matches!(kind, DataType::Timestamp(_, Some(_)));
            let time = matches!(target, DataType::Time32(_) | DataType::Time64(_));
            let local = from.as_ref().is_ok_and(|from| {
                instant(from) && (time || is_wall_clock(target))
                    // Coercion's own casts name the zone of the other side, not the session's.
                    || is_wall_clock(from) && instant(target)
            });
            if !local {
                return Transformed::no(Expr::Cast(Cast { expr, field }));
            }
            let timezone = Arc::new(ScalarUDF::new_from_impl(TimeZone::default()));
            let time = match from {
                Ok(DataType::Date32 | DataType::Date64) => {
                    to(*expr, DataType::Timestamp(TimeUnit::Microsecond, None))
                }
                _ => *expr,
            };
            let zone = Expr::Literal(ScalarValue::from(zone), None);
            let call = ScalarFunction::new_udf(timezone, vec![zone, time]);
            let expr = Box::new(Expr::ScalarFunction(call));
            Transformed::yes(Expr::Cast(Cast { expr, field }))
        }
        other => Transformed::no(other),
    }
}

fn to(expr: Expr, kind: DataType) -> Expr {
    Expr::Cast(Cast::new(Box::new(expr), kind))
}

fn is_wall_clock(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64
    )
}

/// `x AT TIME ZONE z` is `timezone(z, x)`, as Postgres has it; DataFusion would only rename the
/// zone of `x`.
pub(super) fn as_function(expr: &mut ast::Expr) {
    let ast::Expr::AtTimeZone {
        timestamp,
        time_zone,
    } = expr
    else {
        return;
    };
    let call = "timezone(a, b)";
    let parsed = super::statement::parse(&format!("SELECT {call}"));
    let Ok(Some(super::statement::Statement::Sql(statement))) = parsed.map(|mut all| all.pop())
    else {
        return;
    };
    let ast::Statement::Query(query) = *statement else {
        return;
    };
    let Some(ast::SelectItem::UnnamedExpr(ast::Expr::Function(mut function))) = query
        .body
        .as_select()
        .and_then(|select| select.projection.first().cloned())
    else {
        return;
    };
    let nothing = || Box::new(ast::Expr::value(ast::Value::Null));
    let values = [
        std::mem::replace(time_zone, nothing()),
        std::mem::replace(timestamp, nothing()),
    ];
    if let ast::FunctionArguments::List(list) = &mut function.args {
        list.args = values
            .into_iter()
            .map(|value| ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(*value)))
            .collect();
    }
    *expr = ast::Expr::Function(function);
}

/// `timezone(zone, time)`: an instant as that zone's wall clock, or a wall clock as an instant.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TimeZone {
    signature: Signature,
}

impl Default for TimeZone {
    fn default() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for TimeZone {
    fn name(&self) -> &str {
        "timezone"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [_, time] = types else {
            return plan_err!(
                "No function matches timezone with {} arguments",
                types.len()
            );
        };
        let time = match time {
            DataType::Timestamp(unit, zone) => DataType::Timestamp(*unit, zone.clone()),
            DataType::Date32 | DataType::Date64 => DataType::Timestamp(TimeUnit::Microsecond, None),
            // A literal of unknown type is an instant in Postgres.
            DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            other => return plan_err!("No function matches timezone(text, {other})"),
        };
        Ok(vec![DataType::Utf8, time])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match self.coerce_types(types)?.pop() {
            Some(DataType::Timestamp(unit, None)) => DataType::Timestamp(unit, Some("UTC".into())),
            Some(DataType::Timestamp(unit, Some(_))) => DataType::Timestamp(unit, None),
            _ => DataType::Null,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = args.return_field.data_type();
        let [zone, time] = args.args.as_slice() else {
            return plan_err!("No function matches timezone");
        };
        let zone = match zone {
            ColumnarValue::Scalar(value) => value.try_as_str().flatten(),
            ColumnarValue::Array(_) => {
                return Err(QueryError::new(
                    QueryErrorKind::FeatureNotSupported,
                    "a time zone must be a constant",
                )
                .into());
            }
        };
        let Some(zone) = zone else {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from(result)?));
        };
        let array = time.to_array(args.number_rows)?;
        let moved = match array.data_type() {
            DataType::Timestamp(_, None) => instants(&array, zone)?,
            _ => wall_clock(&array, zone)?,
        };
        let moved = cast(&moved, result)?;
        Ok(match time {
            ColumnarValue::Array(_) => ColumnarValue::Array(moved),
            ColumnarValue::Scalar(_) => {
                ColumnarValue::Scalar(ScalarValue::try_from_array(&moved, 0)?)
            }
        })
    }
}

/// The zone of a name; refuses one that doesn't exist.
pub(super) fn named(zone: &str) -> Result<Tz, QueryError> {
    zone.parse().map_err(|_| {
        QueryError::new(
            QueryErrorKind::InvalidParameter,
            format!("time zone \"{zone}\" not recognized"),
        )
    })
}

/// What a zone's clock shows at instants.
fn wall_clock(instants: &ArrayRef, zone: &str) -> Result<ArrayRef> {
    let zone = named(zone)?;
    let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let instants = cast(instants, &micros)?;
    let clock = instants
        .as_primitive::<TimestampMicrosecondType>()
        .unary_opt::<_, TimestampMicrosecondType>(|micros| {
            let utc = DateTime::from_timestamp_micros(micros)?.naive_utc();
            let local = utc.checked_add_offset(zone.offset_from_utc_datetime(&utc).fix())?;
            Some(local.and_utc().timestamp_micros())
        });
    Ok(Arc::new(clock))
}

/// The instants, in UTC, at which a zone's clock shows these times. As in Postgres, of an hour that
/// it shows twice the second, and one that it leaves out as if it had not been put forward.
pub(super) fn instants(clock: &ArrayRef, zone: &str) -> Result<ArrayRef> {
    let zone = named(zone)?;
    let clock = cast(clock, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    let instants = clock
        .as_primitive::<TimestampMicrosecondType>()
        .unary_opt::<_, TimestampMicrosecondType>(|micros| {
            let local = DateTime::from_timestamp_micros(micros)?.naive_utc();
            let offset = match zone.offset_from_local_datetime(&local) {
                MappedLocalTime::Single(offset) => offset,
                MappedLocalTime::Ambiguous(_, second) => second,
                MappedLocalTime::None => {
                    zone.offset_from_utc_datetime(&local.checked_sub_days(Days::new(1))?)
                }
            };
            let utc = local.checked_sub_offset(offset.fix())?;
            Some(utc.and_utc().timestamp_micros())
        });
    Ok(Arc::new(instants.with_timezone("UTC")))
}

/// What SQL's names of types mean where DataFusion's own answer is not Postgres's.
#[derive(Debug)]
pub(super) struct Types {
    pub zone: Arc<str>,
}

impl datafusion::logical_expr::planner::TypePlanner for Types {
    fn plan_type_field(&self, kind: &ast::DataType) -> Result<Option<arrow::datatypes::FieldRef>> {
        let kind = match kind {
            ast::DataType::Uuid => super::literals::UUID,
            // Without digits it takes any: what it becomes is told by what is cast.
            ast::DataType::Numeric(ast::ExactNumberInfo::None)
            | ast::DataType::Decimal(ast::ExactNumberInfo::None)
            | ast::DataType::Dec(ast::ExactNumberInfo::None) => {
                let field = arrow::datatypes::Field::new("", DataType::Decimal128(38, 10), true);
                let field = super::postgres::types::marked(field, super::postgres::NUMERIC);
                return Ok(Some(Arc::new(field)));
            }
            ast::DataType::Float(precision) => match precision {
                ast::ExactNumberInfo::Precision(1..=24) => DataType::Float32,
                _ => DataType::Float64,
            },
            ast::DataType::Interval { .. } => {
                DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano)
            }
            // Microseconds, as in Postgres and Iceberg: nanoseconds end in 2262.
            ast::DataType::Timestamp(precision, info) => {
                let unit = match precision {
                    Some(0) => TimeUnit::Second,
                    Some(3) => TimeUnit::Millisecond,
                    _ => TimeUnit::Microsecond,
                };
                let zoned = matches!(
                    info,
                    ast::TimezoneInfo::Tz | ast::TimezoneInfo::WithTimeZone
                );
                DataType::Timestamp(unit, zoned.then(|| Arc::clone(&self.zone)))
            }
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(arrow::datatypes::Field::new("", kind, true))))
    }
}
