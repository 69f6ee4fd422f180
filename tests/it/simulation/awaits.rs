//! Not by chance but one after the other: a sink's process dies at each of its awaits, and each of
//! its calls of store and catalog fails, before and after it was carried out. Whatever it was, the
//! next process finds a lake on which each record ends exactly once.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::faults::Strike;
use super::mutant::Mutant;
use super::oracle::id_of;
use super::process::{Fate, Mortal, Trap};
use super::world::{Shape, World, contract};

/// Each after five seconds; then all must have been committed.
const LOOKS: usize = 24;

fn world(seed: u64) -> Arc<World> {
    let shape = Shape {
        session: Duration::from_secs(3),
        crashes: true,
        ..Shape::quiet()
    };
    let world = World::of(contract(), seed, shape, Mutant::None);
    world.weather.make_restless();
    world
}

/// In each partition an event and a dead letter.
fn produce(world: &World) {
    for partition in 0..world.broker.partitions() {
        let offset = world.broker.with_log(partition, |log| log.entries.len());
        let id = id_of(partition as i32, offset as i64);
        let now_ms = world.clock.now_ms();
        let event = format!(r#"{{"id":{id}}}"#).into_bytes();
        world.broker.produce(partition, Some(event), now_ms);
        let none = Some(b"[not an event".to_vec());
        world.broker.produce(partition, none, now_ms);
    }
}

/// The life of one process: tables are made, two intervals are committed, and at its end what is
/// left. Whether it came to its end.
async fn live(world: &Arc<World>, process: &str, fate: Fate) -> bool {
    let stop = CancellationToken::new();
    let trap = Trap::of(fate);
    let sink = world.sink(process, trap.clone(), stop.clone());
    let sink = Mortal::new(sink, fate, trap, || {});
    let events = async {
        for _ in 0..3 {
            produce(world);
            tokio::time::sleep(Duration::from_millis(2_500)).await;
        }
        produce(world);
        tokio::time::sleep(Duration::from_millis(700)).await;
        stop.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        ended = sink => ended.is_some(),
        () = events => unreachable!("it waits for ever"),
    }
}

/// What another process makes of what the first has left, judged before and after.
async fn is_well_afterwards(world: &Arc<World>, what: &str) {
    let mut wrong = world.judge().await;
    world.history.note("the next process".to_owned());
    produce(world);
    let stop = CancellationToken::new();
    let (next, stopped) = (world.clone(), stop.clone());
    let sink = tokio::spawn(async move { next.sink("next", Arc::default(), stopped).await });
    for _ in 0..LOOKS {
        tokio::time::sleep(Duration::from_secs(5)).await;
        if world.behind().await.is_empty() {
            break;
        }
    }
    stop.cancel();
    sink.await.expect("it ends in order");
    wrong.extend(world.judge().await);
    wrong.extend(world.behind().await);
    if !wrong.is_empty() {
        let status = world.clear_lake().control.stream_status().await;
        let history = world.history.lines().join("\n  ");
        panic!("{what}: {wrong:#?}\n{status:#?}\n  {history}");
    }
}

fn in_simulated_time<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(test)
}

#[test]
fn a_process_dies_at_each_of_its_awaits() {
    let survives = |after_polls: &u64| {
        let after_polls = *after_polls;
        in_simulated_time(async {
            let world = world(1);
            let survived = live(&world, "first", Fate::Crashes { after_polls }).await;
            let what = format!("died after {after_polls} polls");
            is_well_afterwards(&world, &what).await;
            survived
        })
    };
    let deaths = (0..).find(survives).expect("it survives in the end");
    println!("{deaths} awaits");
    assert!(deaths > 100, "{deaths} awaits are few for three commits");
}

#[test]
fn each_call_fails_before_and_after_it_is_carried_out() {
    let calls = in_simulated_time(async {
        let world = world(1);
        assert!(live(&world, "first", Fate::Lives).await);
        let calls = world.weather.calls();
        is_well_afterwards(&world, "no fault").await;
        calls
    });
    println!("{calls} calls");
    assert!(calls > 40, "{calls} calls are few for three commits");
    for call in 0..calls {
        for strike in [Strike::Before, Strike::After] {
            in_simulated_time(async {
                let world = world(1);
                world.weather.strike_at(call, strike);
                assert!(live(&world, "first", Fate::Lives).await);
                let what = format!("call {call} failed: {strike:?}");
                is_well_afterwards(&world, &what).await;
            });
        }
    }
}
