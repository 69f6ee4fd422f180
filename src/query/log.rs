//! What runs and what ran lately, for `system.queries`: a bounded ring, in this process only.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{QueryError, QueryErrorKind};

/// Ended queries that are remembered.
const KEPT: usize = 500;
/// Characters of a query's text that are kept.
const KEPT_TEXT: usize = 10_000;

/// Where a query stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum QueryState {
    Running,
    Succeeded,
    Cancelled,
    Failed(String),
}

/// One query.
#[derive(Debug)]
pub(super) struct QueryEntry {
    pub(super) id: u64,
    pub(super) user: String,
    pub(super) application: Option<String>,
    pub(super) text: String,
    pub(super) started_at_ms: i64,
    pub(super) started: Duration,
    pub(super) rows: AtomicU64,
    pub(super) memory_bytes: AtomicUsize,
    pub(super) memory_peak_bytes: AtomicUsize,
    end: Mutex<(QueryState, Option<Duration>)>,
}

impl QueryEntry {
    pub(super) fn end(&self) -> (QueryState, Option<Duration>) {
        self.end
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The first end counts: a stream that was read to its end is dropped afterwards.
    pub(super) fn finish(&self, outcome: Result<(), &QueryError>, now: Duration) {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if end.1.is_some() {
            return;
        }
        let state = match outcome {
            Ok(()) => QueryState::Succeeded,
            Err(error) if error.kind == QueryErrorKind::Cancelled => QueryState::Cancelled,
            Err(error) => QueryState::Failed(error.message.clone()),
        };
        *end = (state, Some(now));
    }
}

/// What the queries of a process come to, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryFigures {
    pub started: u64,
    pub running: usize,
    pub memory_bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct QueryLog {
    next: AtomicU64,
    entries: Mutex<VecDeque<Arc<QueryEntry>>>,
}

impl QueryLog {
    pub(super) fn start(
        &self,
        user: &str,
        application: Option<String>,
        text: &str,
        started_at_ms: i64,
        started: Duration,
    ) -> Arc<QueryEntry> {
        let entry = Arc::new(QueryEntry {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            user: user.to_owned(),
            application,
            text: text.chars().take(KEPT_TEXT).collect(),
            started_at_ms,
            started,
            rows: AtomicU64::new(0),
            memory_bytes: AtomicUsize::new(0),
            memory_peak_bytes: AtomicUsize::new(0),
            end: Mutex::new((QueryState::Running, None)),
        });
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push_back(Arc::clone(&entry));
        while entries.len() > KEPT {
            // Running ones stay, however many came since.
            match entries.iter().position(|e| e.end().1.is_some()) {
                Some(oldest) => entries.remove(oldest),
                None => break,
            };
        }
        entry
    }

    /// Queries started so far, and those that run now with what they hold in memory.
    pub(super) fn figures(&self) -> QueryFigures {
        let mut figures = QueryFigures {
            started: self.next.load(Ordering::Relaxed),
            ..QueryFigures::default()
        };
        for entry in self.entries() {
            if entry.end().1.is_none() {
                figures.running += 1;
                figures.memory_bytes += entry.memory_bytes.load(Ordering::Relaxed);
            }
        }
        figures
    }

    pub(super) fn entries(&self) -> Vec<Arc<QueryEntry>> {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}
