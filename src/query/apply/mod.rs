//! Queries within queries that DataFusion can't turn into joins: a correlated one with LIMIT, with
//! another comparison than `=`, in a list or under LATERAL. They are asked once for each set of
//! outer values, as Postgres does; what can be a join stays one.
//! Must never answer for less rows than were asked: what can't be taken apart fails.

mod find;
mod function;
mod graft;
mod rewrite;
mod substitute;

use datafusion::common::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;

/// The optimized plan, where a query within it needs looking after; None for any other.
pub(super) fn optimized(state: &SessionState, plan: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    if !find::needs_care(plan)? {
        return Ok(None);
    }
    let refused = match state.optimize(plan) {
        Ok(joined) if !find::is_left(&joined)? => return Ok(Some(joined)),
        Ok(_) => None,
        Err(error) => Some(error),
    };
    let rewritten = rewrite::row_by_row(state, plan.clone())?;
    match refused {
        Some(error) if !rewritten.transformed => Err(error),
        _ => state.optimize(&rewritten.data).map(Some),
    }
}
