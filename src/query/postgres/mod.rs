//! What Postgres has and the engine lacks or has otherwise: types as text, operators, functions.
//! Where something can't be had it is refused: never a wrong value to look alike.

mod array_in;
mod calls;
mod casts;
mod civil;
mod datetime_in;
mod encodings;
mod format;
mod from_char;
mod function;
pub mod gathered;
mod integers;
mod interval_in;
mod json;
mod json_edit;
mod json_tree;
mod kind;
pub(super) mod lists;
mod marked;
mod math;
mod number_format;
mod operators;
mod ordered_sets;
mod patterns;
mod planner;
mod quantified;
mod regexp;
mod row;
mod row_values;
mod spans;
mod strings;
pub(super) mod syntax;
mod text_in;
mod text_out;
mod time_parts;
mod times;
mod times_columns;
mod to_char;
pub mod types;

pub(super) use calls::table_factor;
pub(super) use casts::{Casts, NUMERIC};
pub(super) use integers::settle;
pub(super) use operators::Operators;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::registry::FunctionRegistry;

/// Puts Postgres's functions beside the engine's, and in the place of those of the same name.
pub(super) fn install(state: &mut SessionState) -> Result<()> {
    let all = [
        strings::all(),
        regexp::all(),
        times::all(),
        math::all(),
        json::all(),
    ];
    for function in all.into_iter().flatten() {
        // The engine's own goes with all its names: one left would bring it back with the others
        // when a session is made.
        let mut others = Vec::new();
        for name in function.names() {
            if let Some(old) = state.deregister_udf(name)? {
                others.push(old.name().to_owned());
                others.extend(old.aliases().iter().cloned());
            }
        }
        for name in &others {
            state.deregister_udf(name)?;
        }
        state.register_udf(Arc::new(function.also(others).build()))?;
    }
    if let Ok(series) = state.udf("generate_series") {
        let own = series.as_ref().clone().with_aliases(["frazil_series"]);
        state.register_udf(Arc::new(own))?;
    }
    state.register_expr_planner(Arc::new(planner::JsonOperators::new()))?;
    Ok(())
}

/// What a text stands for in a type, read in a zone.
pub(super) fn value_of_text(
    text: &str,
    kind: &arrow::datatypes::DataType,
    zone: &str,
) -> Result<datafusion::common::ScalarValue> {
    let context = datetime_in::Context {
        zone: datetime_in::zone_named(zone).unwrap_or(chrono_tz::Tz::UTC),
        ..datetime_in::Context::default()
    };
    text_in::value_of(text, kind, &context)
}

pub(super) fn uuid_of_text(text: &str) -> std::result::Result<[u8; 16], super::QueryError> {
    text_in::uuid(text)
}
