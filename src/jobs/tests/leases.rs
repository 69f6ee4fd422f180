//! One run at a time, and nothing from one that slept (I8).

use std::sync::atomic::AtomicUsize;

use super::*;
use crate::jobs::error::RunError;
use crate::jobs::lease::Held;
use crate::jobs::materialise;

const COUNTS: &str =
    "CREATE MATERIALIZED VIEW c.counts AS SELECT kind, count(*) AS n FROM s.e GROUP BY kind";
const TTL: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_run_that_slept_past_its_lease_can_not_publish() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    let model = model(COUNTS);
    let slept = Held::acquire(&world.lake, &model.name, "slept", TTL)
        .await
        .unwrap()
        .unwrap();
    let ready = materialise::compute(&world.engine, &model, &AtomicUsize::new(0))
        .await
        .unwrap();

    world.lease_clock.advance(TTL + Duration::from_secs(1));
    let other = Held::acquire(&world.lake, &model.name, "other", TTL)
        .await
        .unwrap();
    let other = other.expect("it ran out");
    let refused = materialise::publish(&world.lake, &model, "r", slept.lease(), ready).await;
    assert!(matches!(refused, Err(RunError::Displaced)), "{refused:?}");
    assert!(
        world.lake.table(&model.name).await.is_err(),
        "nothing was published"
    );

    // Nor after the other is gone again.
    other.release().await;
    let ready = materialise::compute(&world.engine, &model, &AtomicUsize::new(0))
        .await
        .unwrap();
    let refused = materialise::publish(&world.lake, &model, "r", slept.lease(), ready).await;
    assert!(matches!(refused, Err(RunError::Displaced)), "{refused:?}");
}

#[tokio::test]
async fn a_late_run_that_nobody_displaced_may_publish() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    let model = model(COUNTS);
    let late = Held::acquire(&world.lake, &model.name, "late", TTL)
        .await
        .unwrap()
        .unwrap();
    let ready = materialise::compute(&world.engine, &model, &AtomicUsize::new(0))
        .await
        .unwrap();
    world.lease_clock.advance(TTL * 10);
    let outcome = materialise::publish(&world.lake, &model, "r", late.lease(), ready).await;
    assert_eq!(outcome.unwrap().rows, Some(1));
}

#[tokio::test]
async fn two_at_once_are_one_run() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    let one = world.jobs(&[COUNTS]);
    let two = Jobs::new(
        Arc::clone(&world.engine),
        vec![model(COUNTS)],
        options("p2"),
    );
    let model = model(COUNTS);
    let stop = CancellationToken::new();
    for tick in [60_000, 120_000, 180_000] {
        let (first, second) = tokio::join!(
            one.run_model(&model, Some(tick), &stop),
            two.run_model(&model, Some(tick), &stop),
        );
        let ran = [first.unwrap(), second.unwrap()]
            .into_iter()
            .filter(|end| matches!(end, RunEnd::Ran(..)))
            .count();
        assert_eq!(ran, 1);
        let again = two.run_model(&model, Some(tick), &stop).await.unwrap();
        assert!(matches!(again, RunEnd::TickIsDone), "{again:?}");
    }
    assert_eq!(world.runs("c.counts").await.len(), 3);
}

#[tokio::test]
async fn what_a_dead_process_left_running_is_settled_by_the_next() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    let jobs = world.jobs(&[COUNTS]);
    let mut published = jobs.once("c.counts").await;
    // Its process died between the commit and the record of it.
    published.state = RunState::Running;
    published.ended_at_ms = None;
    let target_snapshot = published.target_snapshot.take();
    world.lake.control.put_run(&published).await.unwrap();
    let dead = RunRecord {
        run_id: "dead".into(),
        scheduled_at_ms: Some(5),
        ..published.clone()
    };
    world.lake.control.put_run(&dead).await.unwrap();

    jobs.once("c.counts").await;
    let runs = world.runs("c.counts").await;
    let of = |id: &str| runs.iter().find(|run| run.run_id == id).unwrap();
    assert_eq!(of("dead").state, RunState::Abandoned);
    assert!(of("dead").ended_at_ms.is_some());
    assert_eq!(of(&published.run_id).state, RunState::Succeeded);
    assert_eq!(of(&published.run_id).target_snapshot, target_snapshot);
}

#[tokio::test]
async fn a_stop_ends_a_run_as_abandoned() {
    let world = world();
    let jobs = world.jobs(&["CREATE MATERIALIZED VIEW c.x AS SELECT id FROM s.none"]);
    let model = jobs.models().await.unwrap().remove(0);
    let stop = CancellationToken::new();
    stop.cancel();
    let RunEnd::Ran(record, _) = jobs.run_model(&model, Some(7), &stop).await.unwrap() else {
        panic!("it ran");
    };
    assert_eq!(record.state, RunState::Abandoned, "{record:?}");
    assert_eq!(
        super::runs::last_tick(&[*record]),
        None,
        "its tick is run after the start"
    );
}
