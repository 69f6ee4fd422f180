//! A query's view of the engine's memory: the shared pool decides, this counts who takes what.

use std::fmt::{Debug, Display, Formatter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, resources_err};
use datafusion::config::ConfigOptions;
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use datafusion::logical_expr::{AggregateUDF, Expr, LogicalPlan, WindowFunctionDefinition};
use datafusion::optimizer::AnalyzerRule;
use tokio::sync::Notify;

use super::gather::Gather;
use super::log::QueryEntry;

/// The consumer that merges a sort's spilled runs: it takes as many runs at a time as the pool
/// gives memory for, and gives nothing back. With fewer it merges in more rounds.
const GREEDY: &str = "ExternalSorterMerge";
/// So many such merges fit beside each other: both sides of a join, in two partitions.
const MERGES_SIDE_BY_SIDE: usize = 4;

/// Passes everything on to the shared pool and keeps the query's own sum and peak.
#[derive(Debug)]
pub(super) struct QueryMemory {
    shared: Arc<dyn MemoryPool>,
    entry: Arc<QueryEntry>,
    merges_share: AtomicBool,
    /// Told when the query has given back all that it had.
    emptied: Notify,
}

impl QueryMemory {
    pub(super) fn new(shared: Arc<dyn MemoryPool>, entry: Arc<QueryEntry>) -> Self {
        Self {
            shared,
            entry,
            merges_share: AtomicBool::new(false),
            emptied: Notify::new(),
        }
    }

    /// Whether each merge of a sort's spilled runs is held to a share of the memory, so that
    /// several run side by side; or may take all, as one that is alone may need.
    pub(super) fn share_among_merges(&self, share: bool) {
        self.merges_share.store(share, Ordering::Relaxed);
    }

    /// Returns when the query holds no memory: tasks of a plan that was given up are dropped when
    /// they next yield, and hold theirs until then.
    pub(super) async fn empty(&self) {
        loop {
            // Made before looking, so that what is given back while looking is not missed.
            let emptied = self.emptied.notified();
            if self.entry.memory_bytes.load(Ordering::Acquire) == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn most_for_merging(&self) -> usize {
        match self.shared.memory_limit() {
            MemoryLimit::Finite(bytes) => bytes / MERGES_SIDE_BY_SIDE,
            MemoryLimit::Infinite | MemoryLimit::Unknown => usize::MAX,
        }
    }

    fn grown(&self, additional: usize) {
        let before = self
            .entry
            .memory_bytes
            .fetch_add(additional, Ordering::Relaxed);
        self.entry
            .memory_peak_bytes
            .fetch_max(before + additional, Ordering::Relaxed);
    }
}

impl Display for QueryMemory {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.shared)
    }
}

impl MemoryPool for QueryMemory {
    fn name(&self) -> &str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.shared.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.shared.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.shared.grow(reservation, additional);
        self.grown(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.shared.shrink(reservation, shrink);
        let before = self.entry.memory_bytes.fetch_sub(shrink, Ordering::AcqRel);
        if before == shrink {
            self.emptied.notify_waiters();
        }
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        if self.merges_share.load(Ordering::Relaxed)
            && reservation.consumer().name().starts_with(GREEDY)
            && reservation.size() + additional > self.most_for_merging()
        {
            return resources_err!("a merge of spilled runs has its share of the memory");
        }
        self.shared.try_grow(reservation, additional)?;
        self.grown(additional);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.shared.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.shared.memory_limit()
    }
}

/// Makes what a query's aggregates hold count as that query's: planned with the engine's pool, they
/// would be missing in what the query is said to hold.
pub(super) struct OfQuery(pub Arc<dyn MemoryPool>);

impl Debug for OfQuery {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("OfQuery")
    }
}

impl AnalyzerRule for OfQuery {
    fn name(&self) -> &str {
        "aggregates_count_as_the_querys"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            plan.map_expressions(|expr| expr.transform_up(|expr| Ok(self.counted(expr))))
        })
        .data()
    }
}

impl OfQuery {
    fn counted(&self, mut expr: Expr) -> Transformed<Expr> {
        let function = match &mut expr {
            Expr::AggregateFunction(call) => Some(&mut call.func),
            Expr::WindowFunction(call) => match &mut call.fun {
                WindowFunctionDefinition::AggregateUDF(function) => Some(function),
                WindowFunctionDefinition::WindowUDF(_) => None,
            },
            _ => None,
        };
        if let Some(function) = function
            && let Some(gather) = function.inner().downcast_ref::<Gather>()
        {
            *function = Arc::new(AggregateUDF::from(gather.counted_by(&self.0)));
            return Transformed::yes(expr);
        }
        Transformed::no(expr)
    }
}
