//! The process stands still for longer than its session, as in a long pause of the machine, and
//! goes on as if nothing had happened.

use std::time::Duration;

use super::house::House;
use super::serve::Serve;
use super::topics::Topic;
use crate::parts;

/// Beyond the session's time-out (3 s).
const FROZEN: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn a_frozen_process_that_wakes_up_commits_nothing_twice() {
    let topic = Topic::make(&parts::kafka(), 4).await;
    let house = House::new(&topic).await;
    let mut first = house.serve();
    let mut second = Serve::start(&house.file("frazil.toml"), &house.file("second.log"));
    let mut produced = 0;
    let mut produce = |rounds: i64| {
        for _ in 0..rounds {
            for partition in 0..4 {
                topic.produce(partition, produced..produced + 50);
            }
            produced += 50;
        }
        produced
    };
    for _ in 0..3 {
        // Frozen with records in hand: they come in while the signals are sent.
        produce(5);
        first.signal("STOP");
        let sent = produce(5);
        std::thread::sleep(FROZEN);
        house.wait_for_rows(&mut second, sent * 4);
        first.signal("CONT");
        second.signal("STOP");
        let sent = produce(5);
        std::thread::sleep(FROZEN);
        house.wait_for_rows(&mut first, sent * 4);
        second.signal("CONT");
    }
    house.assert_exactly_once(&[]);
    first.must_live();
    second.must_live();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn what_retention_takes_from_a_running_sink_is_named_too() {
    let topic = Topic::make(&parts::kafka(), 1).await;
    let house = House::new(&topic).await;
    let mut serve = house.serve();
    topic.produce(0, 0..100);
    house.wait_for_rows(&mut serve, 100);
    serve.signal("STOP");
    topic.produce(0, 100..200);
    topic.expire(0, 200).await;
    topic.produce(0, 200..210);
    std::thread::sleep(FROZEN);
    serve.signal("CONT");
    // What had been fetched before the freeze is rows; what was not is named.
    house.wait(&mut serve, "the last record", || {
        (house.numbers().last() == Some(&209)).then_some(())
    });
    let read = house.rows().expect("tables");
    if read < 210 {
        let lost = format!("LOST: offsets {} to 199 of {}[0]", read - 10, topic.name);
        house.wait_for(&mut serve, "reading", &lost);
    }
    let expected = (0..read - 10).chain(200..210).collect::<Vec<_>>();
    assert_eq!(house.numbers(), expected);
}

/// Lag tools ask the group, and nobody else knows: each offset of the group is where the rows end.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn the_groups_offsets_follow_the_rows() {
    let topic = Topic::make(&parts::kafka(), 4).await;
    let house = House::new(&topic).await;
    let mut first = house.serve();
    for partition in 0..3 {
        topic.produce(partition, 0..50);
    }
    house.wait_for_rows(&mut first, 150);
    house.wait_for_group(&mut first);

    // While partitions move to another process, and with nothing to read after that.
    let mut second = Serve::start(&house.file("frazil.toml"), &house.file("second.log"));
    for round in 0..10 {
        for partition in 0..3 {
            topic.produce(partition, 50 + round * 5..55 + round * 5);
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    house.wait_for_rows(&mut second, 300);
    house.wait_for_group(&mut second);
    first.kill();
    topic.produce(3, 0..50);
    house.wait_for_rows(&mut second, 350);
    house.wait_for_group(&mut second);

    // What is committed while a process ends in order is published too.
    second.kill();
    house.declare(&super::house::STREAM.replace("300ms", "1h"));
    second.restart();
    topic.produce(0, 100..120);
    house.wait_for_figure(&mut second, "sink_records_read_total", 20.0);
    second.signal("TERM");
    second.ends();
    assert_eq!(house.rows(), Some(370));
    let offsets = topic.group_offsets(&topic.name);
    assert_eq!(offsets, [120, 100, 100, 50].map(Some));
}

/// What was read and not yet committed when the stop is asked for is committed by the stop.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn a_stop_commits_what_was_read_and_ends_with_0() {
    let topic = Topic::make(&parts::kafka(), 2).await;
    let house = House::new(&topic).await;
    // No commit comes by itself while this test runs.
    house.declare(&super::house::STREAM.replace("300ms", "1h"));
    let mut serve = house.serve();
    for partition in 0..2 {
        topic.produce(partition, 0..500);
    }
    house.wait_for_figure(&mut serve, "sink_records_read_total", 1_000.0);
    assert!(
        house.rows().is_none_or(|rows| rows == 0),
        "nothing is committed so far"
    );
    serve.signal("TERM");
    let status = serve.wait();
    assert_eq!(status.code(), Some(0), "{}", serve.log_tail());
    assert_eq!(house.rows(), Some(1_000));
    house.assert_exactly_once(&[]);
    let said = serve.log();
    assert!(said.contains("stopping: waits for sink shop"), "{said}");
}
