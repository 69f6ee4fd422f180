//! A stream and its curated tables over a real REST catalog (SeaweedFS's): what upkeep compacts,
//! expires and sweeps in between changes no row that anybody reads, and no run is published twice,
//! whatever becomes of the catalog's answers.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use frazil::config::UpkeepConfig;
use frazil::declare::load_models;
use frazil::lake::commit::{Commit, FileChange, TableChange};
use frazil::lake::writer::TableWriter;
use frazil::lake::{Lake, Table};
use frazil::seams::{Clock, SystemClock};
use frazil::upkeep::{self, Options, TableReport};
use tokio_util::sync::CancellationToken;

use super::shipped::{compare, dead_letters_hold_the_bad, run_all};
use super::shop::{Shop, jobs};
use crate::database::proxy::{Mode, Proxy};
use crate::known::{self, EXPECTED};
use crate::parts;
use crate::simulation::rows;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
const MONTH: Duration = Duration::from_secs(30 * 24 * 3_600);

/// The time of a month from now: what a test has written is old.
#[derive(Debug, Default)]
struct InAMonth(SystemClock);

#[async_trait]
impl Clock for InAMonth {
    fn now_ms(&self) -> i64 {
        self.0.now_ms() + i64::try_from(MONTH.as_millis()).unwrap()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres and S3's Iceberg REST catalog: run ./test"]
async fn compaction_expiry_and_sweeps_change_no_row_over_a_rest_catalog() {
    let shop = Shop::on_rest(parts::rest_catalog()).await;
    let sql = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let models = load_models(&sql).unwrap();
    let records = known::records();
    let last = records.last().unwrap().run;
    for run in 0..=last {
        let wave = records.iter().filter(|record| record.run == run);
        let payloads: Vec<&str> = wave.map(|record| record.payload).collect();
        // In two commits, so that there are snapshots to expire.
        let (one, other) = payloads.split_at(payloads.len() / 2);
        shop.sink(one).await;
        shop.sink(other).await;
        let runner = jobs(shop.lake().await, models.clone(), "runner", |_| ());
        run_all(&runner, models.len()).await;
        keep_up(&shop, models.len() + 2).await;
    }
    // On what upkeep has left.
    let runner = jobs(shop.lake().await, models.clone(), "again", |_| ());
    run_all(&runner, models.len()).await;
    let lake = shop.lake().await;
    dead_letters_hold_the_bad(&lake, &records).await;
    compare(&lake).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres and S3's Iceberg REST catalog: run ./test"]
async fn no_run_is_published_twice_over_a_rest_catalog() {
    let mut rest = parts::rest_catalog();
    let (proxy, through) = Proxy::before(&rest.url).await;
    rest.url = through;
    let shop = Shop::on_rest(rest).await;
    let sql = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let models = load_models(&sql).unwrap();
    let records = known::records();
    let modes = [
        Mode::LoseChanges,
        Mode::RefuseChanges(503),
        Mode::RefuseChanges(409),
        Mode::Cut,
        Mode::LoseChanges,
    ];
    let waves = records.chunks(records.len().div_ceil(modes.len()));
    for (wave, mode) in waves.zip(modes) {
        let payloads: Vec<&str> = wave.iter().map(|record| record.payload).collect();
        shop.sink(&payloads).await;
        let runner = jobs(shop.lake().await, models.clone(), "runner", |_| ());
        proxy.set(mode);
        let mend = async {
            tokio::time::sleep(Duration::from_millis(700)).await;
            proxy.set(Mode::Forward);
        };
        tokio::join!(run_all(&runner, models.len()), mend);
    }
    let lake = shop.lake().await;
    dead_letters_hold_the_bad(&lake, &records).await;
    compare(&lake).await;
    for expected in EXPECTED {
        let name = format!("curated.{}", expected.model);
        let mut runs = BTreeSet::new();
        for snapshot in table(&lake, &name).await.metadata().snapshots() {
            let run = snapshot.summary().additional_properties["frazil.run-id"].clone();
            assert!(runs.insert(run), "{name}: {snapshot:?}");
        }
        assert!(runs.len() > 1, "{name}: {runs:?}");
    }
}

/// Compacts the events, lets a month pass, and does all that upkeep does.
async fn keep_up(shop: &Shop, tables: usize) {
    let lake = shop.lake().await;
    let events = table(&lake, "shop.events").await;
    let before = compact(&lake, &events).await;
    let location = events.metadata().location();
    let orphan = format!("{location}/data/orphan.parquet");
    let rows = Bytes::from_static(b"rows");
    lake.store.write(&orphan, rows).await.unwrap();
    let later = shop.lake_at(Arc::new(InAMonth::default())).await;
    let config = UpkeepConfig {
        interval: HOUR,
        keep_all: HOUR,
        keep_all_snapshots: 100,
        keep_hourly: DAY,
        keep_daily: DAY * 7,
        safety_age: DAY,
    };
    let options = Options::new(&config, "upkeep");
    let stop = CancellationToken::new();
    let reports = upkeep::pass(&later, &options, |_| true, &stop)
        .await
        .unwrap();
    assert_eq!(reports.len(), tables);
    for report in &reports {
        assert_clean(report);
        let name = report.table.to_string();
        let kept = table(&lake, &name).await;
        assert_eq!(kept.metadata().snapshots().len(), 1, "{name}");
    }
    let of_events = reports.iter().find(|report| report.table == *events.name());
    let of_events = of_events.unwrap();
    assert!(of_events.snapshots_expired > 0, "{of_events:?}");
    for file in before.iter().chain([&orphan]) {
        assert!(!lake.store.exists(file).await.unwrap(), "{file}");
    }
    // All that is left has been needed before, too.
    let again = upkeep::pass(&later, &options, |_| true, &stop)
        .await
        .unwrap();
    for report in &again {
        assert_clean(report);
        assert_eq!((report.snapshots_expired, report.files_deleted), (0, 0));
    }
}

fn assert_clean(report: &TableReport) {
    assert!(report.swept && report.skipped.is_none(), "{report:?}");
    assert_eq!(report.error, None, "{report:?}");
    assert_eq!(report.delete_failures, 0, "{report:?}");
}

async fn table(lake: &Lake, name: &str) -> Table {
    lake.table(&name.parse().unwrap()).await.unwrap()
}

/// The same rows in other files, as another engine's compaction does it. Gives the files that went.
async fn compact(lake: &Lake, table: &Table) -> Vec<String> {
    let mut writer = TableWriter::new(table).unwrap();
    let mut remove = Vec::new();
    for file in rows::live_files(table).await {
        for batch in rows::read(table, file.file_path()).await {
            let columns = batch.columns().to_vec();
            let batch = RecordBatch::try_new(writer.schema(), columns).unwrap();
            writer.write(batch).await.unwrap();
        }
        remove.push(file.file_path().to_owned());
    }
    let change = FileChange::Replace {
        remove: remove.clone(),
        add: writer.finish().await.unwrap(),
    };
    let commit = Commit {
        id: lake.entropy.uuid(),
        changes: vec![TableChange::new(table.name().clone(), change)],
        guards: Vec::new(),
    };
    lake.commit(&commit).await.unwrap();
    remove
}
