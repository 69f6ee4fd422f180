//! What the wire counts for `/metrics`. Labels are few and bounded: kinds of statements and classes
//! of SQLSTATEs, never texts or names of users.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use datafusion::sql::sqlparser::ast;

use crate::query::statement::Statement;

/// Upper bounds of the histogram of durations, in seconds.
pub const DURATION_BOUNDS: [f64; 10] =
    [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0, 1800.0];

/// The counters of a listener.
#[derive(Debug, Default)]
pub struct WireMetrics {
    /// Sessions that are logged in.
    pub(super) live: AtomicUsize,
    sessions: AtomicU64,
    rows: AtomicU64,
    bytes: AtomicU64,
    refused: Mutex<BTreeMap<&'static str, u64>>,
    statements: Mutex<Statements>,
}

#[derive(Debug, Default)]
struct Statements {
    /// By kind and class; `00` is success.
    counts: BTreeMap<(&'static str, &'static str), u64>,
    /// One for each bound, and one beyond the last.
    durations: [u64; DURATION_BOUNDS.len() + 1],
    seconds: f64,
}

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WireFigures {
    pub connections: usize,
    pub sessions: u64,
    /// By SQLSTATE: `28P01` is a failed authentication, `53300` no place left.
    pub refused: Vec<(&'static str, u64)>,
    /// By kind and by class of SQLSTATE, `00` for success.
    pub statements: Vec<((&'static str, &'static str), u64)>,
    pub rows: u64,
    pub bytes: u64,
    /// How many took up to each bound (not more than the bound before), the last without bound.
    pub durations: Vec<(f64, u64)>,
    pub duration_seconds: f64,
}

impl WireMetrics {
    pub fn figures(&self) -> WireFigures {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = refused
            .iter()
            .map(|(state, count)| (*state, *count))
            .collect();
        let statements = self
            .statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let bounds = DURATION_BOUNDS.into_iter().chain([f64::MAX]);
        WireFigures {
            connections: self.live.load(Ordering::Relaxed),
            sessions: self.sessions.load(Ordering::Relaxed),
            refused,
            statements: statements.counts.iter().map(|(k, v)| (*k, *v)).collect(),
            rows: self.rows.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            durations: bounds.zip(statements.durations).collect(),
            duration_seconds: statements.seconds,
        }
    }

    pub(super) fn session(&self) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, sqlstate: &'static str) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.entry(sqlstate).or_default() += 1;
    }

    pub(super) fn rows(&self, count: u64) {
        self.rows.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self, count: usize) {
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// A statement has ended; `sqlstate` is `00000` when it went well.
    pub(super) fn statement(&self, kind: &'static str, sqlstate: &'static str, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = DURATION_BOUNDS.iter().take_while(|b| seconds > **b).count();
        let mut statements = self
            .statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let class = sqlstate.get(..2).unwrap_or("XX");
        *statements.counts.entry((kind, class)).or_default() += 1;
        statements.durations[bucket] += 1;
        statements.seconds += seconds;
    }
}

/// What did not parse.
pub(super) const UNPARSED: &str = "unparsed";

/// The kind of a statement, one of a few.
pub(super) fn kind(statement: Option<&Statement>) -> &'static str {
    use ast::Statement as S;
    let sql = match statement {
        None => return "empty",
        Some(Statement::Model(_)) => return "model",
        Some(Statement::Sql(sql)) => sql.as_ref(),
    };
    match sql {
        S::Query(_) => "select",
        S::Copy { .. } => "copy",
        S::Insert(_) | S::Update(_) | S::Delete(_) | S::Merge(_) | S::Truncate(_) => "write",
        S::CreateTable(_)
        | S::CreateSchema { .. }
        | S::AlterTable(_)
        | S::Drop { .. }
        | S::Comment { .. } => "ddl",
        S::Explain { .. } | S::ExplainTable { .. } => "explain",
        S::ShowVariable { .. } | S::ShowTables { .. } | S::ShowColumns { .. } => "show",
        S::Set(_) | S::Reset(_) | S::Discard { .. } => "set",
        S::StartTransaction { .. }
        | S::Commit { .. }
        | S::Rollback { .. }
        | S::Savepoint { .. }
        | S::ReleaseSavepoint { .. } => "transaction",
        S::Prepare { .. } | S::Execute { .. } | S::Deallocate { .. } => "prepared",
        S::Declare { .. } | S::Fetch { .. } | S::Close { .. } => "cursor",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_counted_by_kind_class_and_duration() {
        let metrics = WireMetrics::default();
        metrics.statement("select", "00000", Duration::from_millis(3));
        metrics.statement("select", "22012", Duration::from_secs(9999));
        metrics.refused("28P01");
        let figures = metrics.figures();
        assert_eq!(
            figures.statements,
            [(("select", "00"), 1), (("select", "22"), 1)]
        );
        assert_eq!(figures.refused, [("28P01", 1)]);
        assert_eq!(figures.durations[1], (0.005, 1));
        assert_eq!(figures.durations[10].1, 1);
        assert_eq!(figures.durations.iter().map(|(_, n)| n).sum::<u64>(), 2);
    }
}
