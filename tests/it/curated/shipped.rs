//! The shipped models from record to published table, beside rows worked out by hand.

use std::path::Path;

use frazil::declare::load_models;
use frazil::jobs::Jobs;
use frazil::jobs::state::PublishedState;
use frazil::lake::Lake;
use frazil::lake::control::RunState;
use tokio_util::sync::CancellationToken;

use super::shop::{Shop, engine, jobs, query};
use crate::known::{self, EXPECTED, Known};
use crate::parts;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shipped_models_publish_what_was_worked_out_by_hand_on_sqlite() {
    publish_and_compare(Shop::on_sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: run ./test"]
async fn shipped_models_publish_what_was_worked_out_by_hand_on_postgres() {
    publish_and_compare(Shop::on_postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres and S3's Iceberg REST catalog: run ./test"]
async fn shipped_models_publish_what_was_worked_out_by_hand_over_a_rest_catalog() {
    publish_and_compare(Shop::on_rest(parts::rest_catalog()).await).await;
}

/// Late records and repeats come behind a run, so that the second has to mend what the first
/// published.
async fn publish_and_compare(shop: Shop) {
    let sql = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let models = load_models(&sql).unwrap();
    assert_eq!(models.len(), EXPECTED.len());
    let records = known::records();
    let last = records.last().unwrap().run;
    for run in 0..=last {
        let wave = records.iter().filter(|record| record.run == run);
        let payloads: Vec<&str> = wave.map(|record| record.payload).collect();
        shop.sink(&payloads).await;
        // A process of its own each time, as after a restart.
        let runner = jobs(shop.lake().await, models.clone(), "runner", |_| ());
        run_all(&runner, models.len()).await;
    }

    let lake = shop.lake().await;
    dead_letters_hold_the_bad(&lake, &records).await;
    compare(&lake).await;

    // With nothing new nothing is published again.
    let before = snapshots(&lake).await;
    let runner = jobs(shop.lake().await, models.clone(), "again", |_| ());
    run_all(&runner, models.len()).await;
    assert_eq!(snapshots(&lake).await, before);
}

pub async fn run_all(jobs: &std::sync::Arc<Jobs>, models: usize) {
    let runs = jobs.run_all_once(&CancellationToken::new()).await.unwrap();
    assert_eq!(runs.len(), models);
    for run in runs {
        assert_eq!(run.state, RunState::Succeeded, "{run:?}");
    }
}

/// Every published table against its expected rows, and what it says that it read.
pub async fn compare(lake: &Lake) {
    let engine = engine(lake.clone());
    let events = lake.table(&"shop.events".parse().unwrap()).await.unwrap();
    let read = events.metadata().current_snapshot_id();
    for expected in EXPECTED {
        let name = format!("curated.{}", expected.model);
        let (columns, rows) = query(&engine, &format!("SELECT * FROM {name}")).await;
        assert_eq!(columns, expected.columns, "{name}");
        assert_eq!(rows, expected.rows, "{name}");
        let table = lake.table(&name.parse().unwrap()).await.unwrap();
        let state = PublishedState::of(&table).unwrap().unwrap();
        assert_eq!(state.sources[events.name()], read, "{name}");
    }
}

pub async fn dead_letters_hold_the_bad(lake: &Lake, records: &[Known]) {
    let bad = records.iter().enumerate().filter(|(_, r)| !r.is_event);
    let mut offsets: Vec<String> = bad.map(|(offset, _)| offset.to_string()).collect();
    offsets.sort();
    let sql = "SELECT _offset FROM shop.dead_letters";
    assert_eq!(query(&engine(lake.clone()), sql).await.1, offsets);
}

async fn snapshots(lake: &Lake) -> Vec<Option<i64>> {
    let mut snapshots = Vec::new();
    for expected in EXPECTED {
        let name = format!("curated.{}", expected.model).parse().unwrap();
        let table = lake.table(&name).await.unwrap();
        snapshots.push(table.metadata().current_snapshot_id());
    }
    snapshots
}
