//! Trouble on the way: replies that get lost, runs that take too long.

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;

use super::*;
use crate::lake::catalog::{Catalog, Pointer, Swap, SwapOutcome};
use crate::lake::{Error, catalog::Guard};

const COUNTS: &str =
    "CREATE MATERIALIZED VIEW c.counts AS SELECT kind, count(*) AS n FROM s.e GROUP BY kind";

/// A catalog that carries out one swap, loses the reply, and is away for some calls after.
#[derive(Debug)]
struct Forgetful {
    inner: Arc<dyn Catalog>,
    replies_to_lose: AtomicU32,
    loads_to_fail: AtomicU32,
    away_for: u32,
}

fn count_down(counter: &AtomicU32) -> bool {
    counter
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        })
        .is_ok()
}

#[async_trait]
impl Catalog for Forgetful {
    async fn load_all(&self, tables: &[TableName]) -> crate::lake::Result<Vec<Option<Pointer>>> {
        if count_down(&self.loads_to_fail) {
            return Err(Error::unavailable("away"));
        }
        self.inner.load_all(tables).await
    }

    async fn list(&self) -> crate::lake::Result<Vec<TableName>> {
        self.inner.list().await
    }

    async fn namespaces(&self) -> crate::lake::Result<Vec<String>> {
        self.inner.namespaces().await
    }

    async fn create_namespace(&self, namespace: &str) -> crate::lake::Result<()> {
        self.inner.create_namespace(namespace).await
    }

    async fn swap(&self, swaps: &[Swap], guards: &[Guard]) -> crate::lake::Result<SwapOutcome> {
        let outcome = self.inner.swap(swaps, guards).await?;
        if count_down(&self.replies_to_lose) {
            self.loads_to_fail.store(self.away_for, Ordering::SeqCst);
            return Err(Error::unavailable("the reply was lost"));
        }
        Ok(outcome)
    }
}

/// The world over a catalog that loses the reply to the next swap.
fn forgetful(world: &World, away_for: u32) -> World {
    let lake = Lake {
        catalog: Arc::new(Forgetful {
            inner: Arc::clone(&world.lake.catalog),
            replies_to_lose: AtomicU32::new(1),
            loads_to_fail: AtomicU32::new(0),
            away_for,
        }),
        ..world.lake.clone()
    };
    let options = EngineOptions {
        memory_bytes: 64 << 20,
        threads: 1,
        ..EngineOptions::default()
    };
    World {
        engine: Engine::new(lake.clone(), options).unwrap(),
        lake,
        lease_clock: Arc::clone(&world.lease_clock),
    }
}

#[tokio::test]
async fn a_lost_reply_is_looked_up_and_nothing_is_published_twice() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    // Away for so long that the commit itself gives up, and the first look after it too.
    let world = forgetful(&world, 7);
    let jobs = Jobs::new(
        Arc::clone(&world.engine),
        vec![model(COUNTS)],
        JobsOptions {
            attempts: 4,
            ..options("p1")
        },
    );
    let record = jobs.once("c.counts").await;
    assert_eq!(
        (record.state, record.rows),
        (RunState::Succeeded, Some(1)),
        "{record:?}"
    );
    let table = world.lake.table(&name("c.counts")).await.unwrap();
    assert_eq!(table.metadata().snapshots().count(), 1);
}

#[tokio::test]
async fn what_nobody_knew_is_settled_by_the_next_run() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    let forgetful = forgetful(&world, 7);
    let jobs = Jobs::new(
        Arc::clone(&forgetful.engine),
        vec![model(COUNTS)],
        JobsOptions {
            attempts: 1,
            ..options("p1")
        },
    );
    let unknown = jobs.once("c.counts").await;
    assert_eq!(unknown.state, RunState::Running, "{unknown:?}");
    let next = world.jobs(&[COUNTS]).once("c.counts").await;
    assert_eq!(
        (next.state, next.rows),
        (RunState::Succeeded, None),
        "it is there already"
    );
    let runs = world.runs("c.counts").await;
    let first = runs
        .iter()
        .find(|run| run.run_id == unknown.run_id)
        .unwrap();
    assert_eq!(first.state, RunState::Succeeded);
    assert_eq!(first.target_snapshot, next.target_snapshot);
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_cancelled() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    let jobs = Jobs::new(
        Arc::clone(&world.engine),
        vec![model(COUNTS)],
        JobsOptions {
            timeout: Duration::ZERO,
            ..options("p1")
        },
    );
    let record = jobs.once("c.counts").await;
    assert_eq!(record.state, RunState::Failed);
    assert!(record.error.unwrap().contains("took longer"));
    assert!(world.lake.table(&name("c.counts")).await.is_err());
}
