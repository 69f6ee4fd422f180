//! Casts: those that Postgres has, text read and written as its types do.

use arrow::datatypes::{DataType, TimeUnit};
use chrono_tz::Tz;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{Cast, ScalarFunction};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, cast};
use datafusion::optimizer::AnalyzerRule;
use std::sync::Arc;

use super::datetime_in::Context;
use super::operators::{Class, literal, zone_of};
use super::{text_in, text_out, types};
use crate::query::{QueryError, QueryErrorKind as Kind, rewrite};

/// Marks the type of a cast to `numeric` without digits.
pub const NUMERIC: &str = "numeric";

/// A cast as it was written, before type coercion adds its own.
pub fn spelled(inner: Cast, schema: &DFSchema, zone: Tz) -> Result<Transformed<Expr>> {
    let to = inner.field.data_type().clone();
    let open = types::mark_of(&inner.field) == Some(NUMERIC);
    if let Some(text) = literal(&inner.expr) {
        if open && let Some(value) = text_in::literal_decimal(text) {
            return Ok(Transformed::yes(Expr::Literal(value, None)));
        }
        if text_in::function(&to, zone).is_some() && fits_one_level(text, &to) {
            let context = Context {
                zone,
                ..Context::default()
            };
            let value = text_in::value_of(text, &to, &context)?;
            return Ok(Transformed::yes(Expr::Literal(value, None)));
        }
        return Ok(Transformed::no(Expr::Cast(inner)));
    }
    let Ok(from) = inner.expr.get_type(schema) else {
        return Ok(Transformed::no(Expr::Cast(inner)));
    };
    if !exists(&from, &to) {
        return Err(QueryError::new(
            Kind::State("42846"),
            format!(
                "cannot cast type {} to {}",
                types::name_of(&from),
                types::name_of(&to)
            ),
        )
        .into());
    }
    if open {
        return Ok(match &from {
            DataType::Decimal128(..) | DataType::Decimal256(..) => Transformed::yes(*inner.expr),
            from if from.is_integer() => {
                Transformed::yes(cast(*inner.expr, DataType::Decimal128(38, 0)))
            }
            _ => Transformed::no(Expr::Cast(inner)),
        });
    }
    Ok(Transformed::no(Expr::Cast(inner)))
}

/// An array's text has as many dimensions as its type: others are left to the cast itself.
fn fits_one_level(text: &str, to: &DataType) -> bool {
    let mut depth = 0;
    let mut kind = to;
    while let DataType::List(item) = kind {
        depth += 1;
        kind = item.data_type();
    }
    depth == 0 || super::array_in::dimensions(text) <= depth
}

/// Whether Postgres casts one to the other.
fn exists(from: &DataType, to: &DataType) -> bool {
    use Class as C;
    let int4 = matches!(from, DataType::Int32);
    match (Class::of(from), Class::of(to)) {
        (C::Unknown | C::Other | C::Text, _) | (_, C::Unknown | C::Other | C::Text) => true,
        (a, b) if a == b => true,
        (C::Number, C::Bool) => int4 || matches!(from, DataType::Int64),
        (C::Bool, C::Number) => matches!(to, DataType::Int32),
        (C::Date, C::Moment) | (C::Moment, C::Date | C::Time) => true,
        (C::Time, C::Interval) | (C::Interval, C::Time) => true,
        _ => false,
    }
}

/// See the module. Must come after type coercion, whose own casts it sees too.
#[derive(Debug)]
pub struct Casts;

impl AnalyzerRule for Casts {
    fn name(&self) -> &str {
        "casts_of_postgres"
    }

    fn analyze(&self, plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan> {
        let zone = zone_of(options);
        let plan = rewrite::expressions(plan, |expr, schema| {
            expr.transform_up(|expr| expression(expr, schema, zone))
        })?;
        // A text that was marked as more is none any longer: the schemas above say so too.
        plan.transform_up_with_subqueries(|node| Ok(Transformed::yes(node.recompute_schema()?)))
            .data()
    }
}

fn expression(expr: Expr, schema: &DFSchema, zone: Tz) -> Result<Transformed<Expr>> {
    let Expr::Cast(inner) = expr else {
        return Ok(Transformed::no(expr));
    };
    let to = inner.field.data_type().clone();
    let Ok(from) = inner.expr.get_type(schema) else {
        return Ok(Transformed::no(Expr::Cast(inner)));
    };
    if from.is_string()
        && let Some(function) = text_in::function(&to, zone)
    {
        let call = ScalarFunction::new_udf(Arc::new(function), vec![*inner.expr]);
        return Ok(Transformed::yes(Expr::ScalarFunction(call)));
    }
    let marked = inner
        .expr
        .to_field(schema)
        .is_ok_and(|(_, field)| types::mark_of(&field).is_some());
    if to.is_string() && (marked || text_out::is_ours(&from)) {
        let call = ScalarFunction::new_udf(Arc::new(text_out::function(zone)), vec![*inner.expr]);
        let text = Expr::ScalarFunction(call);
        return Ok(Transformed::yes(if to == DataType::Utf8 {
            text
        } else {
            cast(text, to)
        }));
    }
    if let (DataType::Time64(_), DataType::Interval(_)) = (&from, &to) {
        let call = ScalarFunction::new_udf(Arc::new(super::spans::of_time()), vec![*inner.expr]);
        return Ok(Transformed::yes(Expr::ScalarFunction(call)));
    }
    if let (DataType::Interval(_), DataType::Time64(TimeUnit::Nanosecond | TimeUnit::Microsecond)) =
        (&from, &to)
    {
        let call = ScalarFunction::new_udf(Arc::new(super::spans::time_of()), vec![*inner.expr]);
        return Ok(Transformed::yes(cast(Expr::ScalarFunction(call), to)));
    }
    Ok(Transformed::no(Expr::Cast(inner)))
}
