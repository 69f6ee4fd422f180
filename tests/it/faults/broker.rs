//! The broker dies and comes back, or comes back with less than it had.

use std::time::Duration;

use rdkafka::producer::{DefaultProducerContext, Producer, ThreadedProducer};

use super::house::House;
use super::topics::{PATIENCE, Topic, event, send};
use crate::parts::OwnKafka;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn a_broker_killed_while_events_flow_loses_and_doubles_nothing() {
    const EVENTS: i64 = 30_000;
    let kafka = OwnKafka::start();
    let topic = Topic::make(kafka.address(), 3).await;
    let house = House::new(&topic).await;
    let mut serve = house.serve();
    let flowing = topic.clone();
    let producer = std::thread::spawn(move || {
        let producer = flowing.producer();
        for n in 0..EVENTS {
            let partition = i32::try_from(n % 3).expect("0 to 2");
            send(&producer, &flowing, partition, event(n).as_bytes());
            if n % 500 == 0 {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        producer.flush(PATIENCE).expect("all delivered");
    });
    house.wait(&mut serve, "first rows", || house.rows().filter(|n| *n > 0));

    kafka.kill();
    // Long enough to be noticed: what can't be reached is said, with the address to look at.
    house.wait_for(&mut serve, "waiting", kafka.address());
    kafka.restart();
    let before = house.rows().expect("tables");
    house.wait(&mut serve, "more rows", || {
        house.rows().filter(|n| *n > before)
    });
    kafka.kill();
    kafka.restart();

    producer.join().expect("the producer ends well");
    house.wait_for_rows(&mut serve, EVENTS);
    house.assert_exactly_once(&[]);
    house.wait_for(&mut serve, "reading", "");
}

/// What an unclean leader election or a restored broker leaves: half of the log. Returns where it
/// ends now.
fn cut_log(kafka: &OwnKafka, topic: &Topic, partition: i32) -> i64 {
    kafka.kill();
    let log = kafka.log_file(&topic.name, partition);
    let bytes = std::fs::metadata(&log).expect("the segment").len();
    let file = std::fs::OpenOptions::new().write(true).open(&log);
    file.and_then(|file| file.set_len(bytes / 2)).expect("cut");
    kafka.restart();
    let (low, end) = topic.ends()[usize::try_from(partition).expect("0 or more")];
    assert!(low == 0 && (1..200).contains(&end), "{low} to {end}");
    end
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn a_truncated_log_stops_the_stream_through_restarts_until_an_offset_is_set() {
    let kafka = OwnKafka::start();
    let topic = Topic::make(kafka.address(), 2).await;
    let house = House::new(&topic).await;
    let mut serve = house.serve();
    // In many batches, so that half of the file is half of the records.
    for n in 0..20 {
        topic.produce(0, n * 10..n * 10 + 10);
        topic.produce(1, n * 10..n * 10 + 10);
    }
    house.wait_for_rows(&mut serve, 400);

    // Found at the start of a process.
    serve.kill();
    let end = cut_log(&kafka, &topic, 0);
    serve.restart();
    house.wait_for(&mut serve, "stopped", "was truncated");

    // The log grows past the position with other records, and another process starts.
    serve.kill();
    let stops = || serve_log(&house).matches("stream stopped").count();
    let before = stops();
    topic.produce(0, 1_000..1_200);
    assert_eq!(topic.ends()[0].1, end + 200);
    serve.restart();
    let said = house.wait(&mut serve, "a stop by the new process", || {
        (stops() > before).then(|| house.says())
    });
    assert!(said.starts_with("stopped,"), "{said}");
    assert!(
        said.contains("frazil stream set-offset shop 0 OFFSET"),
        "{said}"
    );
    assert_eq!(house.rows(), Some(400));
    let shown = house.must_stream(&["show", "shop"]);
    assert!(shown.contains("[0] next 200 epoch 0"), "{shown}");

    let refused = house.stream(&["set-offset", "shop", "0", "100000"]);
    assert_eq!(refused.status.code(), Some(1));
    house.must_stream(&["set-offset", "shop", "0", &end.to_string()]);
    house.wait_for_rows(&mut serve, 600);
    let numbers = house.numbers();
    let new: Vec<i64> = numbers.into_iter().filter(|n| *n >= 1_000).collect();
    assert_eq!(new, (1_000..1_200).collect::<Vec<_>>());
    house.wait_for(&mut serve, "reading", "");

    // Found by a running process; this time the operator leaves the table as it is.
    cut_log(&kafka, &topic, 1);
    house.wait_for(&mut serve, "stopped", "set-offset shop 1 OFFSET");
    topic.produce(1, 2_000..2_200);
    house.must_stream(&["set-offset", "shop", "1", "200"]);
    let end = topic.ends()[1].1;
    house.wait_for_rows(&mut serve, 600 + end - 200);
}

/// Two transactions, the second one given up: behind the last record lie markers.
fn produce_in_transaction(topic: &Topic, partition: i32, numbers: std::ops::Range<i64>) {
    let producer: ThreadedProducer<DefaultProducerContext> = topic
        .config()
        .set("transactional.id", &topic.name)
        .create()
        .expect("a producer");
    producer.init_transactions(PATIENCE).expect("a coordinator");
    for aborted in [false, true] {
        producer.begin_transaction().expect("begun");
        for n in numbers.clone() {
            send(&producer, topic, partition, event(n).as_bytes());
        }
        producer.flush(PATIENCE).expect("all delivered");
        let ended = match aborted {
            true => producer.abort_transaction(PATIENCE),
            false => producer.commit_transaction(PATIENCE),
        };
        ended.expect("ended");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn a_log_cut_and_grown_again_while_no_sink_ran_stops_the_stream() {
    let kafka = OwnKafka::start();
    let topic = Topic::make(kafka.address(), 3).await;
    let house = House::new(&topic).await;
    let mut serve = house.serve();
    for n in 0..20 {
        topic.produce(0, n * 10..n * 10 + 10);
        topic.produce(1, n * 10..n * 10 + 10);
    }
    produce_in_transaction(&topic, 2, 0..100);
    house.wait_for_rows(&mut serve, 500);
    serve.kill();

    // A new leader alone, with more records, is no reason to stop; nor are markers of its epoch.
    kafka.kill();
    kafka.restart();
    produce_in_transaction(&topic, 2, 100..150);
    topic.produce(1, 200..250);
    serve.restart();
    house.wait_for_rows(&mut serve, 600);
    house.wait_for(&mut serve, "reading", "");
    serve.kill();
    kafka.kill();
    kafka.restart();
    serve.restart();
    topic.produce(1, 250..300);
    house.wait_for_rows(&mut serve, 650);
    house.wait_for(&mut serve, "reading", "");
    serve.kill();

    // Cut below the position and grown past it: offsets alone would look as if nothing had been.
    let end = cut_log(&kafka, &topic, 0);
    topic.produce(0, 1_000..1_300);
    assert!(topic.ends()[0].1 > 200, "it has grown past the position");
    serve.restart();
    house.wait_for(&mut serve, "stopped", "was truncated");
    let said = house.says();
    assert!(
        said.contains("frazil stream set-offset shop 0 OFFSET"),
        "{said}"
    );
    assert_eq!(house.rows(), Some(650), "nothing of what replaced the old");
    serve.kill();
    let before = serve_log(&house).matches("stream stopped").count();
    serve.restart();
    house.wait(&mut serve, "a stop by the next process", || {
        (serve_log(&house).matches("stream stopped").count() > before).then_some(())
    });

    house.must_stream(&["set-offset", "shop", "0", &end.to_string()]);
    house.wait_for_rows(&mut serve, 950);
    let numbers = house.numbers();
    let new: Vec<i64> = numbers.into_iter().filter(|n| *n >= 1_000).collect();
    assert_eq!(new, (1_000..1_300).collect::<Vec<_>>());
    house.wait_for(&mut serve, "reading", "");
}

fn serve_log(house: &House) -> String {
    std::fs::read_to_string(house.file("serve.log")).unwrap_or_default()
}
