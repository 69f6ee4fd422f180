//! Several runners on one Postgres catalog: one run of a model at a time, and nothing from one
//! that slept past its lease (I8).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use frazil::domain::TableName;
use frazil::lake::Result;
use frazil::lake::catalog::{Catalog, Guard, Pointer, Swap, SwapOutcome};
use frazil::lake::control::{
    Control, FilledTable, Lease, RunRecord, RunState, StoredModel, StreamStatus,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::shop::{PATIENCE, Shop, engine, jobs, model, query};

const COUNT: &str = "CREATE MATERIALIZED VIEW curated.counts
    WITH (schedule = 'every 1h', kind = 'full')
    AS SELECT count(*) AS events FROM shop.events";
const ONE: &str = r#"{"event_id":"1","type":"page_view","timestamp":"2026-01-05T12:00:00Z","user_id":"anna","properties":{}}"#;
const TWO: &str = r#"{"event_id":"2","type":"page_view","timestamp":"2026-01-05T12:00:01Z","user_id":"anna","properties":{}}"#;

/// Holds every guarded swap until it is opened: the process sleeps with its run all but published.
#[derive(Debug)]
struct Gate {
    inner: Arc<dyn Catalog>,
    reached: Semaphore,
    open: Semaphore,
}

impl Gate {
    fn new(inner: Arc<dyn Catalog>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            reached: Semaphore::new(0),
            open: Semaphore::new(0),
        })
    }
}

#[async_trait]
impl Catalog for Gate {
    async fn load_all(&self, tables: &[TableName]) -> Result<Vec<Option<Pointer>>> {
        self.inner.load_all(tables).await
    }

    async fn list(&self) -> Result<Vec<TableName>> {
        self.inner.list().await
    }

    async fn namespaces(&self) -> Result<Vec<String>> {
        self.inner.namespaces().await
    }

    async fn create_namespace(&self, namespace: &str) -> Result<()> {
        self.inner.create_namespace(namespace).await
    }

    async fn swap(&self, swaps: &[Swap], guards: &[Guard]) -> Result<SwapOutcome> {
        if !guards.is_empty() {
            self.reached.add_permits(1);
            let _open = self.open.acquire().await.expect("it is never closed");
            return self.inner.swap(swaps, guards).await;
        }
        self.inner.swap(swaps, guards).await
    }
}

/// A process that renews nothing: it sleeps, or its way to the database is cut.
#[derive(Debug)]
struct Asleep(Arc<dyn Control>);

#[async_trait]
impl Control for Asleep {
    async fn acquire(&self, name: &str, holder: &str, ttl_ms: i64) -> Result<Option<Lease>> {
        self.0.acquire(name, holder, ttl_ms).await
    }

    async fn renew(&self, _: &Lease, _: i64) -> Result<bool> {
        std::future::pending().await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.0.release(lease).await
    }

    async fn put_run(&self, run: &RunRecord) -> Result<()> {
        self.0.put_run(run).await
    }

    async fn runs(&self, model: Option<&str>, limit: usize) -> Result<Vec<RunRecord>> {
        self.0.runs(model, limit).await
    }

    async fn prune_runs(&self, keep: usize) -> Result<()> {
        self.0.prune_runs(keep).await
    }

    async fn put_model(&self, model: &StoredModel) -> Result<()> {
        self.0.put_model(model).await
    }

    async fn drop_model(&self, name: &str) -> Result<bool> {
        self.0.drop_model(name).await
    }

    async fn models(&self) -> Result<Vec<StoredModel>> {
        self.0.models().await
    }

    async fn put_stream_status(&self, status: &[StreamStatus]) -> Result<()> {
        self.0.put_stream_status(status).await
    }

    async fn stream_status(&self) -> Result<Vec<StreamStatus>> {
        self.0.stream_status().await
    }

    async fn put_filled_table(&self, filled: &FilledTable) -> Result<()> {
        self.0.put_filled_table(filled).await
    }

    async fn filled_table(&self, table: &str) -> Result<Option<FilledTable>> {
        self.0.filled_table(table).await
    }

    async fn forget_filled_table(&self, table: &str) -> Result<()> {
        self.0.forget_filled_table(table).await
    }
}

/// `published_before`: whether the late publish would make the table or replace its rows.
async fn a_late_publish_is_refused(published_before: bool) {
    let shop = Shop::on_postgres().await;
    let stop = CancellationToken::new();
    let quick = jobs(shop.lake().await, vec![model(COUNT)], "quick", |_| ());
    shop.sink(&[ONE]).await;
    if published_before {
        quick.run_all_once(&stop).await.unwrap();
        shop.sink(&[TWO]).await;
    }

    let mut lake = shop.lake().await;
    let gate = Gate::new(lake.catalog);
    lake.catalog = gate.clone();
    lake.control = Arc::new(Asleep(lake.control));
    let slept = jobs(lake, vec![model(COUNT)], "slept", |options| {
        options.lease_ttl = Duration::from_secs(1);
    });
    let late = tokio::spawn({
        let stop = stop.clone();
        async move { slept.run_all_once(&stop).await.unwrap().remove(0) }
    });
    let reached = tokio::time::timeout(PATIENCE, gate.reached.acquire());
    reached
        .await
        .expect("it is about to publish")
        .unwrap()
        .forget();

    // Another waits for the lease to run out by the database's clock, and publishes more.
    shop.sink(&[ONE]).await;
    let record = quick.run_all_once(&stop).await.unwrap().remove(0);
    assert_eq!(record.state, RunState::Succeeded, "{record:?}");
    gate.open.add_permits(100);
    let late = late.await.unwrap();
    assert_eq!(late.state, RunState::Abandoned, "{late:?}");

    let lake = shop.lake().await;
    let table = lake.table(&"curated.counts".parse().unwrap()).await;
    let current = table.unwrap().metadata().current_snapshot_id();
    assert_eq!(current, record.target_snapshot);
    let events = if published_before { "3" } else { "2" };
    let sql = "SELECT events FROM curated.counts";
    assert_eq!(query(&engine(lake.clone()), sql).await.1, [events]);
    let stored = lake.control.runs(Some("curated.counts"), 10).await.unwrap();
    let of = |id: &str| stored.iter().find(|run| run.run_id == id).unwrap().state;
    assert_eq!(of(&late.run_id), RunState::Abandoned);
    assert_eq!(of(&record.run_id), RunState::Succeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: run ./test"]
async fn a_runner_that_slept_past_its_lease_makes_no_table() {
    a_late_publish_is_refused(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: run ./test"]
async fn a_runner_that_slept_past_its_lease_replaces_nothing() {
    a_late_publish_is_refused(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs Postgres: run ./test"]
async fn four_runners_never_run_one_model_at_once() {
    const ROUNDS: usize = 5;
    let shop = Shop::on_postgres().await;
    shop.sink(&[ONE, TWO]).await;
    let mut runners = Vec::new();
    for holder in ["a", "b", "c", "d"] {
        // Asks the clock, so that no run is left out as unchanged.
        let statement = COUNT.replace("count(*) AS events", "count(*) AS events, now() AS at");
        runners.push(jobs(
            shop.lake().await,
            vec![model(&statement)],
            holder,
            |_| (),
        ));
    }
    let stop = CancellationToken::new();
    for _ in 0..ROUNDS {
        let runs: Vec<_> = runners
            .iter()
            .map(|jobs| {
                let (jobs, stop) = (Arc::clone(jobs), stop.clone());
                tokio::spawn(async move { jobs.run_all_once(&stop).await.unwrap() })
            })
            .collect();
        for run in runs {
            let run = run.await.unwrap().remove(0);
            assert_eq!(run.state, RunState::Succeeded, "{run:?}");
        }
    }
    let lake = shop.lake().await;
    let runs = lake.control.runs(None, 1_000).await.unwrap();
    assert_eq!(runs.len(), ROUNDS * runners.len());
    assert_one_at_a_time(&runs);
    // Each published a snapshot of its own, none over another's back.
    let table = lake.table(&"curated.counts".parse().unwrap()).await;
    let table = table.unwrap();
    let numbers = |id: i64| {
        table
            .metadata()
            .snapshot_by_id(id)
            .map(|s| s.sequence_number())
    };
    let mut published: Vec<i64> = runs
        .iter()
        .map(|run| numbers(run.target_snapshot.unwrap()).unwrap())
        .collect();
    published.sort_unstable();
    published.dedup();
    assert_eq!(published.len(), runs.len());
}

/// No run of a model began before the one before it had ended, by the clock that all share here.
pub fn assert_one_at_a_time(runs: &[RunRecord]) {
    let mut runs: Vec<&RunRecord> = runs.iter().collect();
    runs.sort_by_key(|run| (run.model.clone(), run.started_at_ms, run.ended_at_ms));
    for pair in runs.windows(2) {
        let [first, second] = pair else { continue };
        let ended = first.ended_at_ms.unwrap_or(i64::MAX);
        assert!(
            first.model != second.model || ended <= second.started_at_ms,
            "two at once: {first:?} and {second:?}"
        );
    }
}
