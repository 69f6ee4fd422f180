//! Where a stream starts to read: the latest record, a time, the beginning of a partition that
//! appears later; and that a start once recorded holds, whatever happens before the first commit.

use rdkafka::producer::Producer;

use super::house::{House, STREAM};
use super::serve::Serve;
use super::topics::{PATIENCE, Topic, event};
use crate::parts;

fn starting_at(start: &str) -> String {
    format!("start = \"{start}\"\n{STREAM}")
}

/// Until the ledger knows where each partition starts: nothing produced from then on may be missed.
fn wait_for_starts(house: &House, serve: &mut Serve, partitions: usize) {
    house.wait(serve, "recorded starts", || {
        let shown = house.stream(&["show", "shop"]);
        let text = String::from_utf8_lossy(&shown.stdout).into_owned();
        (text.matches(" epoch ").count() >= partitions).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn latest_skips_what_was_there_and_nothing_after_the_first_start() {
    let topic = Topic::make(&parts::kafka(), 2).await;
    for partition in 0..2 {
        topic.produce(partition, 0..50);
    }
    let house = House::new(&topic).await;
    // Long, so that the process dies before the first commit of rows.
    let slow = starting_at("latest").replace("300ms", "1h");
    house.declare(&slow);
    let mut serve = house.serve();
    wait_for_starts(&house, &mut serve, 2);
    topic.produce(0, 100..110);
    serve.kill();
    assert_eq!(house.rows(), Some(0), "it died before its first commit");
    topic.produce(0, 110..120);
    topic.produce(1, 200..210);

    house.declare(&starting_at("latest"));
    serve.restart();
    house.wait_for_rows(&mut serve, 30);
    house.assert_exactly_once(&[50, 50]);
    let expected: Vec<i64> = (100..120).chain(200..210).collect();
    assert_eq!(house.numbers(), expected);
}

/// A record that lies in an open transaction at the start is committed after it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn latest_waits_for_a_transaction_that_is_open_at_the_start() {
    let topic = Topic::make(&parts::kafka(), 1).await;
    topic.produce(0, 0..50);
    let producer: rdkafka::producer::ThreadedProducer<_> = topic
        .config()
        .set("transactional.id", &topic.name)
        .create()
        .expect("a producer");
    producer.init_transactions(PATIENCE).expect("transactions");
    producer.begin_transaction().expect("one begins");
    super::topics::send(&producer, &topic, 0, event(60).as_bytes());
    producer.flush(PATIENCE).expect("delivered");

    let house = House::new(&topic).await;
    house.declare(&starting_at("latest"));
    let mut serve = house.serve();
    wait_for_starts(&house, &mut serve, 1);
    producer.commit_transaction(PATIENCE).expect("committed");
    house.wait_for_rows(&mut serve, 1);
    assert_eq!(house.numbers(), [60]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn a_time_starts_at_the_first_record_from_then_on() {
    let topic = Topic::make(&parts::kafka(), 2).await;
    let minute_ms = 60_000;
    // 2026-01-31T00:00:00Z and each minute after; the second partition ends before the time.
    let begin_ms = 1_769_817_600_000_i64;
    for (partition, count) in [(0, 60), (1, 20)] {
        for n in 0..count {
            topic.produce_at(partition, n..n + 1, begin_ms + n * minute_ms);
        }
    }
    let house = House::new(&topic).await;
    // Between two records.
    house.declare(&starting_at("2026-01-31T00:29:30Z"));
    let mut serve = house.serve();
    house.wait_for_rows(&mut serve, 30);
    assert_eq!(house.numbers(), (30..60).collect::<Vec<_>>());
    topic.produce(1, 90..95);
    house.wait_for_rows(&mut serve, 35);
    house.assert_exactly_once(&[30, 20]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn a_partition_that_appears_later_is_read_from_its_beginning() {
    let mut topic = Topic::make(&parts::kafka(), 1).await;
    topic.produce(0, 0..50);
    let mut house = House::new(&topic).await;
    // Even where the contract says latest: of the new partition nothing was there at the start.
    let contract = format!(
        "{}[kafka]\n\"topic.metadata.refresh.interval.ms\" = \"1000\"\n",
        starting_at("latest")
    );
    house.declare(&contract);
    let mut serve = house.serve();
    wait_for_starts(&house, &mut serve, 1);
    topic.grow(2).await;
    house.topic = topic.clone();
    topic.produce(1, 100..150);
    house.wait_for_rows(&mut serve, 50);
    assert_eq!(house.numbers(), (100..150).collect::<Vec<_>>());

    // And one that appeared and was filled while no sink ran.
    serve.kill();
    topic.grow(3).await;
    house.topic = topic.clone();
    topic.produce(2, 200..250);
    topic.produce(0, 300..310);
    serve.restart();
    house.wait_for_rows(&mut serve, 110);
    house.assert_exactly_once(&[50]);
}
