//! Functions in FROM: the session's own, with constant arguments.

use std::sync::Arc;

use arrow::datatypes::DataType;
use chrono::{DateTime, Utc};
use datafusion::catalog::TableFunctionArgs;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, TableSource};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use super::{QueryError, QueryErrorKind, exact};

pub(super) fn table_function(
    state: &SessionState,
    name: &str,
    args: Vec<Expr>,
) -> Result<Arc<dyn TableSource>> {
    let function = state.table_functions().get(name).ok_or_else(|| {
        QueryError::new(
            QueryErrorKind::UndefinedFunction,
            format!("there is no function {name} that gives a table"),
        )
    })?;
    let args = args
        .into_iter()
        .map(|arg| constant(state, arg))
        .collect::<Result<Vec<_>>>()?;
    check_series(name, &args)?;
    let provider =
        function.create_table_provider_with_args(TableFunctionArgs::new(&args, state))?;
    Ok(provider_as_source(provider))
}

/// A series counts on past its last number: where that doesn't fit it would begin anew, for ever.
fn check_series(name: &str, args: &[Expr]) -> Result<()> {
    let integer = |index: usize| match args.get(index) {
        Some(Expr::Literal(value, _)) => match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(value)) => value,
            _ => None,
        },
        _ => None,
    };
    if !matches!(name, "generate_series" | "range") {
        return Ok(());
    }
    let last = if args.len() == 1 { 0 } else { 1 };
    let step = integer(2).unwrap_or(1);
    match integer(last) {
        Some(last) if last.checked_add(step).is_none() => Err(QueryError::new(
            QueryErrorKind::NumericOutOfRange,
            format!("bigint out of range: the series ends at {last} and counts by {step}"),
        )
        .into()),
        _ => Ok(()),
    }
}

fn constant(state: &SessionState, expr: Expr) -> Result<Expr> {
    let now = state.execution_props().query_execution_start_time;
    constant_in(Arc::clone(state.config_options()), now, expr)
}

/// Folds an expression without columns: `1 + 1`, or `now() - interval '1 day'` when `now` is given.
pub(super) fn constant_in(
    options: Arc<ConfigOptions>,
    now: Option<DateTime<Utc>>,
    expr: Expr,
) -> Result<Expr> {
    let context = SimplifyContext::builder()
        .with_config_options(options)
        .with_query_execution_start_time(now)
        .build();
    let simplifier = ExprSimplifier::new(context);
    let expr = simplifier.coerce(expr, &DFSchema::empty())?;
    let expr = exact::expression(expr, &DFSchema::empty())?.data;
    simplifier.simplify(expr)
}
