//! Execution: a plan runs on the engine's own runtime and hands its rows over through a bounded
//! channel. Dropping the receiving end aborts it, all its partitions' tasks with it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle};

use super::apply;
use super::engine::Engine;
use super::error_map::cancelled;
use super::guard::{self, StopFlag};
use super::log::QueryEntry;
use super::memory::{self, QueryMemory};
use super::{QueryError, QueryErrorKind};
use crate::seams::Clock;

/// Batches that wait for the client; with the one in each hand this bounds what a slow client
/// holds in memory.
const BATCHES_WAITING: usize = 2;
/// Rows of a batch in a plan that must need little memory.
const FRUGAL_BATCH_ROWS: usize = 1024;
/// For the tasks of a plan that ran out of memory to be dropped.
const LET_GO: Duration = Duration::from_secs(10);

/// Rows as they come: produced on the engine's own runtime, handed over through a bounded channel.
/// Dropping it aborts the query within a second, a blocking aggregate too.
pub struct RowStream {
    schema: SchemaRef,
    rows: mpsc::Receiver<Result<RecordBatch, QueryError>>,
    ended: bool,
    guard: Guard,
}

impl std::fmt::Debug for RowStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowStream")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// Ends the query when nobody wants its rows any more.
struct Guard {
    task: JoinHandle<()>,
    entry: Arc<QueryEntry>,
    clock: Arc<dyn Clock>,
    flag: StopFlag,
    // Keeps the runtime alive while the query runs.
    _engine: Arc<Engine>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.flag.stop();
        self.task.abort();
        self.entry.finish(Err(&cancelled()), self.clock.elapsed());
    }
}

impl RowStream {
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next rows; None once all were given. After an error there is nothing more.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, QueryError>> {
        if let Some(row) = self.rows.recv().await {
            return Some(row);
        }
        if self.ended {
            return None;
        }
        self.ended = true;
        // A task that panicked or was stopped closes the channel too: that is no end of rows.
        match (&mut self.guard.task).await {
            Ok(()) => None,
            Err(error) => {
                let error = how_it_ended(&error);
                self.guard
                    .entry
                    .finish(Err(&error), self.guard.clock.elapsed());
                Some(Err(error))
            }
        }
    }

    /// All rows at once: for results that are known to be small.
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>, QueryError> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }

    /// The number of this query in `system.queries`.
    pub fn query_id(&self) -> u64 {
        self.guard.entry.id
    }
}

pub(super) async fn start(
    engine: &Arc<Engine>,
    mut state: SessionState,
    plan: LogicalPlan,
    entry: Arc<QueryEntry>,
) -> Result<RowStream, QueryError> {
    let clock = Arc::clone(&engine.lake().clock);
    let (rows_in, rows) = mpsc::channel(BATCHES_WAITING);
    let (ready_in, ready) = oneshot::channel();
    let flag = StopFlag::default();
    let shared = Arc::clone(&engine.environment().memory_pool);
    let memory = Arc::new(QueryMemory::new(shared, Arc::clone(&entry)));
    state.add_analyzer_rule(Arc::new(memory::OfQuery(Arc::clone(&memory) as _)));
    let query = Query {
        environment: query_environment(engine, &memory)?,
        memory,
        state,
        plan,
        entry: Arc::clone(&entry),
        clock: Arc::clone(&clock),
        flag: flag.clone(),
    };
    let task = engine
        .runtime()
        .handle()
        .spawn(query.run(ready_in, rows_in));
    let mut guard = Guard {
        task,
        entry,
        clock,
        flag,
        _engine: Arc::clone(engine),
    };
    match ready.await {
        Ok(Ok(schema)) => Ok(RowStream {
            schema,
            rows,
            ended: false,
            guard,
        }),
        Ok(Err(error)) => Err(error),
        // The task ended without a word: it panicked, or the runtime is shutting down.
        Err(_) => {
            let error = match (&mut guard.task).await {
                Ok(()) => cancelled(),
                Err(error) => how_it_ended(&error),
            };
            guard.entry.finish(Err(&error), guard.clock.elapsed());
            Err(error)
        }
    }
}

fn how_it_ended(error: &JoinError) -> QueryError {
    if error.is_panic() {
        QueryError::new(
            QueryErrorKind::Internal,
            "the query failed within the engine: this is a fault of the program, please report it",
        )
    } else {
        cancelled()
    }
}

/// The shared limits, seen through this query's own count of memory.
fn query_environment(
    engine: &Engine,
    memory: &Arc<QueryMemory>,
) -> Result<Arc<RuntimeEnv>, QueryError> {
    Ok(RuntimeEnvBuilder::from_runtime_env(engine.environment())
        .with_memory_pool(Arc::clone(memory) as _)
        .build_arc()?)
}

struct Query {
    environment: Arc<RuntimeEnv>,
    memory: Arc<QueryMemory>,
    state: SessionState,
    plan: LogicalPlan,
    entry: Arc<QueryEntry>,
    clock: Arc<dyn Clock>,
    flag: StopFlag,
}

type Ready = oneshot::Sender<Result<SchemaRef, QueryError>>;
type Rows = mpsc::Sender<Result<RecordBatch, QueryError>>;

impl Query {
    async fn run(mut self, ready: Ready, rows: Rows) {
        let physical = match self.physical_plan().await {
            Ok(physical) => physical,
            Err(error) => {
                let error = QueryError::from(error);
                self.entry.finish(Err(&error), self.clock.elapsed());
                let _ = ready.send(Err(error));
                return;
            }
        };
        if ready.send(Ok(physical.schema())).is_err() {
            return;
        }
        let outcome = self.run_or_replan(physical, &rows).await;
        self.entry
            .finish(outcome.as_ref().map(|_| ()), self.clock.elapsed());
        if let Err(error) = outcome {
            let _ = rows.send(Err(error)).await;
        }
    }

    /// A query that ran out of memory before its first row went out runs again with plans that
    /// need less: hash joins can't spill, sort-merge joins can; and of several sorts side by side
    /// the first to merge its spilled runs takes what the others need for theirs.
    async fn run_or_replan(
        &mut self,
        physical: Arc<dyn ExecutionPlan>,
        rows: &Rows,
    ) -> Result<(), QueryError> {
        let schema = physical.schema();
        let joins = has_hash_join(&physical);
        let mut stopped = match self.send_all(physical, rows).await {
            Ok(()) => return Ok(()),
            Err(stopped) => stopped,
        };
        for share_among_merges in [joins, !joins] {
            if stopped.sent || !is_exhausted(&stopped.error) {
                break;
            }
            tracing::info!(
                query = self.entry.id,
                error = %stopped.error,
                "runs again with a plan that needs less memory"
            );
            // What the plan before still holds would be missing to the next one.
            let _ = tokio::time::timeout(LET_GO, self.memory.empty()).await;
            self.be_frugal(joins, share_among_merges);
            let physical = self.physical_plan().await?;
            if physical.schema() != schema {
                break;
            }
            match self.send_all(physical, rows).await {
                Ok(()) => return Ok(()),
                Err(again) => stopped = again,
            }
        }
        Err(stopped.error.into())
    }

    fn be_frugal(&mut self, joins: bool, share_among_merges: bool) {
        self.memory.share_among_merges(share_among_merges);
        let options = self.state.config_mut().options_mut();
        options.optimizer.prefer_hash_join = false;
        // With one partition DataFusion knows no joins but hash joins.
        options.execution.target_partitions = if joins { 2 } else { 1 };
        options.execution.batch_size = options.execution.batch_size.min(FRUGAL_BATCH_ROWS);
    }

    async fn physical_plan(&self) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let plan = match apply::optimized(&self.state, &self.plan)? {
            Some(plan) => {
                let planner = Arc::clone(self.state.query_planner());
                planner.create_physical_plan(&plan, &self.state).await?
            }
            None => self.state.create_physical_plan(&self.plan).await?,
        };
        let pool: Arc<dyn MemoryPool> = Arc::clone(&self.memory) as _;
        guard::guard(plan, &self.flag, &pool)
    }

    async fn send_all(&self, physical: Arc<dyn ExecutionPlan>, rows: &Rows) -> Result<(), Stopped> {
        let mut sent = false;
        let context = TaskContext::from(&self.state).with_runtime(Arc::clone(&self.environment));
        let mut stream =
            execute_stream(physical, Arc::new(context)).map_err(|error| Stopped { error, sent })?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(|error| Stopped { error, sent })?;
            if batch.num_rows() == 0 {
                continue;
            }
            let count = batch.num_rows() as u64;
            if rows.send(Ok(batch)).await.is_err() {
                return Ok(());
            }
            sent = true;
            self.entry.rows.fetch_add(count, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Why a stream ended early, and whether a row had gone out.
struct Stopped {
    error: DataFusionError,
    sent: bool,
}

fn is_exhausted(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}

fn has_hash_join(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref::<HashJoinExec>().is_some() || plan.children().into_iter().any(has_hash_join)
}
