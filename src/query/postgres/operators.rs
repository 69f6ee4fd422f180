//! Operators on the types that Postgres has them for, and no others; texts whose type is not known
//! yet take the one that their operator asks for.
//! Must come before type coercion, which would find a meaning for nearly everything.

use std::sync::Arc;

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use chrono_tz::Tz;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, cast, lit};
use datafusion::optimizer::AnalyzerRule;

use super::datetime_in::{self, Context};
use super::{regexp, spans, text_in, types};
use crate::query::{QueryError, QueryErrorKind as Kind, exact, rewrite};

/// See the module.
#[derive(Debug)]
pub struct Operators;

impl AnalyzerRule for Operators {
    fn name(&self) -> &str {
        "operators_of_postgres"
    }

    fn analyze(&self, plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan> {
        let zone = zone_of(options);
        rewrite::expressions(plan, |expr, schema| {
            expr.transform_up(|expr| expression(expr, schema, zone))
        })
    }
}

pub fn zone_of(options: &ConfigOptions) -> Tz {
    let name = options.execution.time_zone.as_deref().unwrap_or("UTC");
    datetime_in::zone_named(name).unwrap_or(Tz::UTC)
}

fn expression(expr: Expr, schema: &DFSchema, zone: Tz) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_regex(op) => {
            let pattern = match literal(&right) {
                Some(pattern) => {
                    let pattern = regexp::translated(pattern)?;
                    regexp::checked(&pattern)?;
                    // Simple patterns stay what the engine makes fast.
                    let plain = pattern
                        .strip_prefix("(?s)")
                        .filter(|rest| !rest.contains('.'));
                    lit(plain.unwrap_or(&pattern).to_owned())
                }
                None => *right,
            };
            let whole = Expr::BinaryExpr(BinaryExpr::new(left, op, Box::new(pattern)));
            Ok(Transformed::yes(whole))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => binary(*left, op, *right, schema, zone),
        Expr::Cast(inner) => super::casts::spelled(inner, schema, zone),
        Expr::InList(mut list) => {
            let mut all = vec![list.expr.as_mut()];
            all.extend(list.list.iter_mut());
            let changed = alike(all, schema, zone)?;
            Ok(Transformed::new_transformed(Expr::InList(list), changed))
        }
        Expr::Between(mut between) => {
            let all = vec![
                between.expr.as_mut(),
                between.low.as_mut(),
                between.high.as_mut(),
            ];
            let changed = alike(all, schema, zone)?;
            Ok(Transformed::new_transformed(
                Expr::Between(between),
                changed,
            ))
        }
        Expr::ScalarFunction(mut call) if OF_ONE_TYPE.contains(&call.name()) => {
            let changed = alike(call.args.iter_mut().collect(), schema, zone)?;
            Ok(Transformed::new_transformed(
                Expr::ScalarFunction(call),
                changed,
            ))
        }
        Expr::Case(mut case) => {
            for (when, _) in &case.when_then_expr {
                let kind = when.get_type(schema);
                if let (None, Ok(kind)) = (&case.expr, kind)
                    && !matches!(
                        Class::of(&kind),
                        Class::Bool | Class::Unknown | Class::Other
                    )
                    && literal(when).is_none()
                {
                    let name = types::name_of(&kind);
                    return Err(QueryError::new(
                        Kind::DatatypeMismatch,
                        format!("argument of CASE/WHEN must be type boolean, not type {name}"),
                    )
                    .into());
                }
            }
            let mut results: Vec<&mut Expr> = case
                .when_then_expr
                .iter_mut()
                .map(|(_, then)| then.as_mut())
                .collect();
            results.extend(case.else_expr.as_deref_mut());
            let changed = alike(results, schema, zone)?;
            Ok(Transformed::new_transformed(Expr::Case(case), changed))
        }
        Expr::Negative(inner) => {
            let kind = inner.get_type(schema);
            match kind.as_ref().map(Class::of) {
                Ok(Class::Bool | Class::Text | Class::Date | Class::Moment) => {
                    Err(QueryError::new(
                        Kind::UndefinedFunction,
                        format!(
                            "operator does not exist: - {}",
                            kind.map(|k| types::name_of(&k))?
                        ),
                    )
                    .into())
                }
                Ok(Class::Interval) => {
                    let minus =
                        Expr::Literal(datafusion::common::ScalarValue::Float64(Some(-1.0)), None);
                    let call = call(spans::scaled(), vec![*inner, minus]);
                    Ok(Transformed::yes(call))
                }
                _ => Ok(Transformed::no(Expr::Negative(inner))),
            }
        }
        other => Ok(Transformed::no(other)),
    }
}

/// Functions that bring their arguments to one type.
const OF_ONE_TYPE: [&str; 4] = ["coalesce", "nullif", "greatest", "least"];

/// Bare texts take the type of the first among them that has one other than text.
fn alike(mut all: Vec<&mut Expr>, schema: &DFSchema, zone: Tz) -> Result<bool> {
    let kinds = all.iter().filter(|expr| literal(expr).is_none());
    let mut kinds = kinds
        .filter_map(|expr| expr.get_type(schema).ok())
        .filter(|kind| !kind.is_null());
    let Some(kind) = kinds.next() else {
        return Ok(false);
    };
    drop(kinds);
    if matches!(
        Class::of(&kind),
        Class::Text | Class::Unknown | Class::Other
    ) {
        return Ok(false);
    }
    let mut changed = false;
    for expr in &mut all {
        changed |= take_type(expr, &kind, Operator::Eq, zone)?;
    }
    Ok(changed)
}

/// What kind of thing a value is, as far as operators care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Unknown,
    Number,
    Text,
    Bool,
    Date,
    Time,
    Moment,
    Interval,
    Uuid,
    Bytes,
    List,
    Other,
}

impl Class {
    pub fn of(kind: &DataType) -> Self {
        use DataType as D;
        match kind {
            D::Null => Self::Unknown,
            D::Boolean => Self::Bool,
            D::Date32 => Self::Date,
            D::Time32(_) | D::Time64(_) => Self::Time,
            D::Date64 | D::Timestamp(..) => Self::Moment,
            D::Interval(_) | D::Duration(_) => Self::Interval,
            D::FixedSizeBinary(16) => Self::Uuid,
            D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => Self::Bytes,
            D::List(_) | D::LargeList(_) | D::FixedSizeList(..) => Self::List,
            kind if kind.is_string() => Self::Text,
            kind if kind.is_numeric() => Self::Number,
            _ => Self::Other,
        }
    }
}

fn call(function: datafusion::logical_expr::ScalarUDF, args: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function), args))
}

/// A text that is written as such: its type is what its place asks for.
pub fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

fn is_regex(op: Operator) -> bool {
    use Operator::{RegexIMatch, RegexMatch, RegexNotIMatch, RegexNotMatch};
    matches!(
        op,
        RegexMatch | RegexIMatch | RegexNotMatch | RegexNotIMatch
    )
}

fn is_arithmetic(op: Operator) -> bool {
    use Operator::{Divide, Minus, Modulo, Multiply, Plus};
    matches!(op, Plus | Minus | Multiply | Divide | Modulo)
}

fn is_comparison(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(
        op,
        Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom
    )
}

fn no_operator(
    left: &DataType,
    op: Operator,
    right: &DataType,
    unknown: (bool, bool),
) -> QueryError {
    let name = |kind: &DataType, unknown| {
        if unknown {
            "unknown".to_owned()
        } else {
            types::name_of(kind)
        }
    };
    let op = if op == Operator::NotEq {
        "<>".to_owned()
    } else {
        op.to_string()
    };
    QueryError::new(
        Kind::UndefinedFunction,
        format!(
            "operator does not exist: {} {op} {}",
            name(left, unknown.0),
            name(right, unknown.1)
        ),
    )
    .with_hint(
        "No operator matches the given name and argument types. You might need to add explicit \
         type casts.",
    )
}

pub fn binary(
    mut left: Expr,
    op: Operator,
    mut right: Expr,
    schema: &DFSchema,
    zone: Tz,
) -> Result<Transformed<Expr>> {
    let whole = |left: Expr, right: Expr| {
        Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
    };
    if !is_arithmetic(op) && !is_comparison(op) {
        return Ok(Transformed::no(whole(left, right)));
    }
    let (Ok(left_kind), Ok(right_kind)) = (left.get_type(schema), right.get_type(schema)) else {
        return Ok(Transformed::no(whole(left, right)));
    };
    let unknown = (literal(&left).is_some(), literal(&right).is_some());
    let class = |kind: &DataType, unknown: bool| {
        if unknown {
            Class::Unknown
        } else {
            Class::of(kind)
        }
    };
    let classes = (class(&left_kind, unknown.0), class(&right_kind, unknown.1));
    // Whichever is written as a bare text takes the type of the other, or what the operator asks.
    let mut changed = false;
    match (classes, unknown) {
        ((Class::Unknown, other), (true, false)) if other != Class::Unknown => {
            changed = take_type(&mut left, &right_kind, op, zone)?;
        }
        ((other, Class::Unknown), (false, true)) if other != Class::Unknown => {
            changed = take_type(&mut right, &left_kind, op, zone)?;
        }
        ((Class::Unknown, Class::Unknown), (true, true)) if is_arithmetic(op) => {
            return Err(QueryError::new(
                Kind::State("42725"),
                format!("operator is not unique: unknown {op} unknown"),
            )
            .into());
        }
        _ => {}
    }
    let (Ok(left_kind), Ok(right_kind)) = (left.get_type(schema), right.get_type(schema)) else {
        return Ok(Transformed::new_transformed(whole(left, right), changed));
    };
    let settled = (Class::of(&left_kind), Class::of(&right_kind));
    if is_comparison(op) {
        // Catalogs have columns of looser types than Postgres's: two columns are left alone.
        let columns = matches!((&left, &right), (Expr::Column(_), Expr::Column(_)));
        if !comparable(settled) && !columns {
            return Err(no_operator(&left_kind, op, &right_kind, unknown).into());
        }
        if settled == (Class::Interval, Class::Interval) {
            let key = |expr| call(spans::key(), vec![expr]);
            return Ok(Transformed::yes(whole(key(left), key(right))));
        }
        return Ok(Transformed::new_transformed(whole(left, right), changed));
    }
    arithmetic(left, op, right, (&left_kind, &right_kind), unknown).map(|expr| match expr {
        (expr, true) => Transformed::yes(expr),
        (expr, false) => Transformed::new_transformed(expr, changed),
    })
}

fn comparable((left, right): (Class, Class)) -> bool {
    use Class as C;
    matches!(left, C::Unknown | C::Other)
        || matches!(right, C::Unknown | C::Other)
        || left == right
        || matches!((left, right), (C::Date, C::Moment) | (C::Moment, C::Date))
}

/// The new expression and whether it is another one.
fn arithmetic(
    left: Expr,
    op: Operator,
    right: Expr,
    kinds: (&DataType, &DataType),
    unknown: (bool, bool),
) -> Result<(Expr, bool)> {
    use Class as C;
    use Operator::{Divide, Minus, Modulo, Multiply, Plus};
    let whole = |left: Expr, right: Expr| {
        Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
    };
    let moment = |expr: Expr| cast(expr, DataType::Timestamp(TimeUnit::Microsecond, None));
    let span = |expr: Expr| call(spans::of_time(), vec![expr]);
    let classes = (Class::of(kinds.0), Class::of(kinds.1));
    Ok(match (classes, op) {
        ((C::Unknown | C::Other, _) | (_, C::Unknown | C::Other), _) => (whole(left, right), false),
        ((C::Number, C::Number), Modulo) if kinds.0.is_floating() || kinds.1.is_floating() => {
            return Err(no_operator(kinds.0, op, kinds.1, unknown).into());
        }
        ((C::Number, C::Number), Divide) => match exact::quotient(&left, &right, kinds) {
            Some(quotient) => (quotient, true),
            None => (whole(left, right), false),
        },
        ((C::Number, C::Number), _) => (whole(left, right), false),
        ((C::Date, C::Date), Minus) => (cast(whole(left, right), DataType::Int32), true),
        ((C::Date, C::Number), Plus | Minus) if kinds.1.is_integer() => (
            call(spans::date_shift(op == Minus), vec![left, right]),
            true,
        ),
        ((C::Number, C::Date), Plus) if kinds.0.is_integer() => {
            (call(spans::date_shift(false), vec![right, left]), true)
        }
        ((C::Date, C::Interval), Plus | Minus) => (whole(moment(left), right), true),
        ((C::Interval, C::Date), Plus) => (whole(moment(right), left), true),
        ((C::Date, C::Time), Plus) => (whole(moment(left), span(right)), true),
        ((C::Time, C::Date), Plus) => (whole(moment(right), span(left)), true),
        ((C::Moment, C::Time), Plus | Minus) => (whole(left, span(right)), true),
        ((C::Moment, C::Interval), Plus | Minus) => (whole(left, right), false),
        ((C::Interval, C::Moment), Plus) => (whole(right, left), true),
        ((C::Moment | C::Date, C::Moment | C::Date), Minus) => {
            (call(spans::difference(), vec![left, right]), true)
        }
        ((C::Interval, C::Interval), Plus | Minus) => {
            (call(spans::sum(op == Minus), vec![left, right]), true)
        }
        ((C::Interval, C::Number), Multiply) => (
            call(spans::scaled(), vec![left, cast(right, DataType::Float64)]),
            true,
        ),
        ((C::Number, C::Interval), Multiply) => (
            call(spans::scaled(), vec![right, cast(left, DataType::Float64)]),
            true,
        ),
        ((C::Interval, C::Number), Divide) => (
            call(spans::divided(), vec![left, cast(right, DataType::Float64)]),
            true,
        ),
        ((C::Time, C::Interval), Plus | Minus) => (
            call(spans::time_shift(op == Minus), vec![left, right]),
            true,
        ),
        ((C::Interval, C::Time), Plus) => (call(spans::time_shift(false), vec![right, left]), true),
        ((C::Time, C::Time), Minus) => (call(spans::time_difference(), vec![left, right]), true),
        // A list beside its elements, JSON and the like: other rules know them.
        ((C::List, _) | (_, C::List), _) => (whole(left, right), false),
        _ => return Err(no_operator(kinds.0, op, kinds.1, unknown).into()),
    })
}

/// Reads a bare text as what stands beside it.
fn take_type(expr: &mut Expr, beside: &DataType, op: Operator, zone: Tz) -> Result<bool> {
    use DataType as D;
    let Some(text) = literal(expr) else {
        return Ok(false);
    };
    let span = D::Interval(IntervalUnit::MonthDayNano);
    let minus = op == Operator::Minus;
    let kind = match Class::of(beside) {
        Class::Number if is_arithmetic(op) && beside.is_decimal() => {
            match text_in::literal_decimal(text) {
                Some(value) => {
                    *expr = Expr::Literal(value, None);
                    return Ok(true);
                }
                None => D::Decimal128(38, 10),
            }
        }
        Class::Number if beside.is_decimal() => match text_in::literal_decimal(text) {
            Some(value) => {
                *expr = Expr::Literal(value, None);
                return Ok(true);
            }
            None => beside.clone(),
        },
        Class::Number => match beside {
            D::UInt8 | D::UInt16 | D::UInt32 | D::UInt64 | D::Int8 => D::Int64,
            beside => beside.clone(),
        },
        Class::Date | Class::Moment | Class::Time if is_arithmetic(op) && !minus => span,
        Class::Interval if op == Operator::Multiply || op == Operator::Divide => D::Float64,
        Class::Date
        | Class::Moment
        | Class::Time
        | Class::Interval
        | Class::Uuid
        | Class::Bool
        | Class::Bytes => beside.clone(),
        Class::List => beside.clone(),
        _ => return Ok(false),
    };
    let context = Context {
        zone,
        ..Context::default()
    };
    let kind = match kind {
        D::BinaryView | D::LargeBinary => D::Binary,
        D::Duration(_) => D::Interval(IntervalUnit::MonthDayNano),
        kind => kind,
    };
    if !matches!(kind, D::List(_)) || text.trim_start().starts_with('{') {
        *expr = Expr::Literal(text_in::value_of(text, &kind, &context)?, None);
        return Ok(true);
    }
    Ok(false)
}
