//! `frazil serve --roles jobs` twice on one Postgres catalog.

use std::time::{Duration, Instant};

use frazil::lake::control::{RunRecord, RunState};

use super::leases::assert_one_at_a_time;
use super::shop::{PATIENCE, Shop};
use crate::faults::serve::Serve;

/// Slow enough that two processes would meet in it, and asks the clock: each tick is a run.
const SLOW: &str = "CREATE MATERIALIZED VIEW curated.slow
WITH (schedule = 'every 1s', kind = 'full')
AS SELECT count(*) AS pairs, now() AS at
   FROM generate_series(1, 1500) AS a(x), generate_series(1, 1500) AS b(y)
   WHERE (a.x * b.y) % 7 = (SELECT count(*) FROM shop.events);
";
const EVENT: &str = r#"{"event_id":"1","type":"page_view","timestamp":"2026-01-05T12:00:00Z","user_id":"anna","properties":{}}"#;

fn start(shop: &Shop, name: &str) -> Serve {
    let config = format!(
        "version = 1\n[lake]\nwarehouse = \"{}\"\ncatalog = \"{}\"\n\
         [source]\nkind = \"embedded\"\npath = \"{name}.log.db\"\n\
         [ops]\nlisten = \"127.0.0.1:0\"\n",
        shop.warehouse(),
        shop.catalog
    );
    let file = shop.file(&format!("{name}.toml"));
    std::fs::write(&file, config).unwrap();
    Serve::start_roles(&file, &shop.file(&format!("{name}.log")), "jobs")
}

/// Until the runs on record are as wanted; both processes must live meanwhile.
async fn wait(
    shop: &Shop,
    serves: &mut [&mut Serve],
    what: &str,
    holds: impl Fn(&[RunRecord]) -> bool,
) -> Vec<RunRecord> {
    let control = shop.lake().await.control;
    let started = Instant::now();
    loop {
        let runs = control.runs(None, 1_000).await.unwrap();
        if holds(&runs) {
            return runs;
        }
        for serve in serves.iter_mut() {
            serve.must_live();
        }
        assert!(started.elapsed() < PATIENCE, "no {what}: {runs:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn succeeded(runs: &[RunRecord]) -> usize {
    let state = |run: &&RunRecord| run.state == RunState::Succeeded;
    runs.iter().filter(state).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: run ./test"]
async fn two_processes_take_turns_and_one_takes_over_from_the_dead() {
    let shop = Shop::on_postgres().await;
    shop.sink(&[EVENT]).await;
    for folder in ["catalog", "sql"] {
        std::fs::create_dir(shop.file(folder)).unwrap();
    }
    std::fs::write(shop.file("sql/slow.sql"), SLOW).unwrap();
    let (mut one, mut two) = (start(&shop, "one"), start(&shop, "two"));
    let both = &mut [&mut one, &mut two];
    let runs = wait(&shop, both, "ten runs", |runs| succeeded(runs) >= 10).await;
    assert_turns(&runs);

    // The next that runs is killed in the midst of it: the other goes on once the lease is over.
    let holder_of = |run: &RunRecord| run.holder.split('/').next().unwrap_or("").to_owned();
    let running = |runs: &[RunRecord]| {
        let mut all = runs.iter();
        all.find(|run| run.state == RunState::Running).cloned()
    };
    let both = &mut [&mut one, &mut two];
    let runs = wait(&shop, both, "run", |runs| running(runs).is_some()).await;
    let held = running(&runs).unwrap();
    // A holder's name has its process' id in it: frazil-PID-….
    let of_one = holder_of(&held).starts_with(&format!("frazil-{}-", one.id()));
    let (dead, alive) = if of_one {
        (&mut one, &mut two)
    } else {
        (&mut two, &mut one)
    };
    dead.kill();
    let dead_holder = holder_of(&held);
    let runs = wait(&shop, &mut [alive], "run of the other", |runs| {
        let after = |run: &&RunRecord| {
            run.state == RunState::Succeeded
                && run.started_at_ms > held.started_at_ms
                && holder_of(run) != dead_holder
        };
        runs.iter().any(|run| after(&run))
    })
    .await;
    assert_turns(&runs);
    let left = runs.iter().find(|run| run.run_id == held.run_id).unwrap();
    assert_ne!(left.state, RunState::Running, "the next one settled it");
}

/// One at a time, and no tick twice.
fn assert_turns(runs: &[RunRecord]) {
    let ended: Vec<RunRecord> = runs
        .iter()
        .filter(|run| run.state == RunState::Succeeded)
        .cloned()
        .collect();
    assert_one_at_a_time(&ended);
    let mut ticks: Vec<i64> = ended.iter().filter_map(|run| run.scheduled_at_ms).collect();
    assert_eq!(ticks.len(), ended.len());
    ticks.sort_unstable();
    ticks.dedup();
    assert_eq!(ticks.len(), ended.len(), "a tick was run twice: {ended:?}");
    for run in runs {
        let fine = matches!(
            run.state,
            RunState::Succeeded | RunState::Running | RunState::Abandoned
        );
        assert!(fine, "{run:?}");
    }
}
