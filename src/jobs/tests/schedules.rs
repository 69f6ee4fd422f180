//! The loop: what falls due is run, once, and a model that fails stops no other.

use super::*;

const HOURLY: &str =
    "CREATE MATERIALIZED VIEW c.hourly WITH (schedule = 'every 1h') AS SELECT id FROM s.e";
const HOUR_MS: i64 = 3_600_000;

async fn with_loop<F: Future<Output = ()>>(jobs: &[&Arc<Jobs>], test: F) {
    let stop = CancellationToken::new();
    let loops: Vec<_> = jobs
        .iter()
        .map(|jobs| tokio::spawn(Arc::clone(jobs).run(stop.clone())))
        .collect();
    test.await;
    stop.cancel();
    for ended in loops {
        ended.await.unwrap();
    }
}

#[tokio::test]
async fn a_missed_schedule_runs_once_after_a_restart() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    let jobs = world.jobs(&[HOURLY]);
    let mut old = jobs.once("c.hourly").await;
    let now_ms = world.lake.clock.now_ms();
    old.scheduled_at_ms = Some(now_ms - 100 * HOUR_MS);
    world.lake.control.put_run(&old).await.unwrap();
    with_loop(&[&jobs], async {
        until("the run", || async {
            world.runs("c.hourly").await.len() > 1
        })
        .await;
        // Time for a second one, which must not come.
        tokio::time::sleep(Duration::from_millis(300)).await;
    })
    .await;
    let runs = world.runs("c.hourly").await;
    // An hour may have ended while the test ran.
    let ticks: Vec<i64> = runs.iter().filter_map(|run| run.scheduled_at_ms).collect();
    let hours = (world.lake.clock.now_ms() / HOUR_MS) - (now_ms / HOUR_MS);
    assert_eq!(ticks.len() as i64, 2 + hours, "{ticks:?}");
    assert!(
        ticks
            .iter()
            .all(|tick| *tick == now_ms - 100 * HOUR_MS || tick % HOUR_MS == 0)
    );
}

#[tokio::test]
async fn two_schedulers_run_a_tick_once() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    let one = world.jobs(&[HOURLY]);
    let two = Jobs::new(
        Arc::clone(&world.engine),
        vec![model(HOURLY)],
        options("p2"),
    );
    with_loop(&[&one, &two], async {
        until("a run", || async {
            let runs = world.runs("c.hourly").await;
            runs.iter().any(|run| run.state == RunState::Succeeded)
        })
        .await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    })
    .await;
    let runs = world.runs("c.hourly").await;
    let mut ticks: Vec<Option<i64>> = runs.iter().map(|run| run.scheduled_at_ms).collect();
    ticks.sort_unstable();
    ticks.dedup();
    assert_eq!(ticks.len(), runs.len(), "a tick was run twice: {runs:?}");
}

#[tokio::test]
async fn a_failing_model_stops_no_other() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    let jobs = world.jobs(&[
        "CREATE MATERIALIZED VIEW c.bad WITH (schedule = 'every 1s') AS SELECT CAST(kind AS int) AS x FROM s.e",
        "CREATE MATERIALIZED VIEW c.good WITH (schedule = 'every 1s') AS SELECT id FROM s.e",
        "CREATE MATERIALIZED VIEW c.behind WITH (schedule = 'every 1s') AS SELECT x FROM c.bad",
    ]);
    let ended = |model: &'static str, state: RunState| {
        let world = &world;
        move || async move {
            let runs = world.runs(model).await;
            runs.iter().filter(|run| run.state == state).count() >= 2
        }
    };
    with_loop(&[&jobs], async {
        until("two good runs", ended("c.good", RunState::Succeeded)).await;
        until("two bad runs", ended("c.bad", RunState::Failed)).await;
        until("two runs behind it", ended("c.behind", RunState::Failed)).await;
    })
    .await;
    assert_eq!(world.rows("SELECT * FROM c.good").await.unwrap(), ["1"]);
}

#[tokio::test]
async fn the_system_table_tells_of_each_model() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    let jobs = world.jobs(&[HOURLY]);
    assert_eq!(
        world
            .rows("SELECT name, kind, origin, sources, last_state FROM system.models")
            .await
            .unwrap(),
        ["c.hourly full psql s.e -"]
    );
    let model = jobs.models().await.unwrap().remove(0);
    jobs.run_model(&model, Some(HOUR_MS), &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(
        world
            .rows("SELECT last_state, next_run_at FROM system.models")
            .await
            .unwrap(),
        ["succeeded 1970-01-01T02:00:00Z"]
    );
    assert_eq!(
        world
            .rows("SELECT model, state, rows FROM system.runs")
            .await
            .unwrap(),
        ["c.hourly succeeded 1"]
    );
}
