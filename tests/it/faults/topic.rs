//! The topic is made again, or loses what nobody has read yet.

use super::house::{House, texts};
use super::topics::Topic;
use crate::parts;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn a_topic_made_again_waits_for_the_operators_word() {
    let topic = Topic::make(&parts::kafka(), 2).await;
    let house = House::new(&topic).await;
    let mut serve = house.serve();
    for partition in 0..2 {
        topic.produce(partition, 0..50);
    }
    house.wait_for_rows(&mut serve, 100);

    topic.delete().await;
    topic.create().await;
    // More than the old one had: offsets alone would look as if nothing had happened.
    for partition in 0..2 {
        topic.produce(partition, 100..180);
    }
    house.wait_for(&mut serve, "stopped", "frazil stream accept-topic shop");
    assert_eq!(house.rows(), Some(100), "nothing of the new topic");
    let shown = house.must_stream(&["show", "shop"]);
    assert!(shown.contains("that topic is gone"), "{shown}");
    let early = house.stream(&["set-offset", "shop", "0", "10"]);
    assert!(texts(&early).contains("accept-topic"), "{}", texts(&early));

    house.must_stream(&["accept-topic", "shop"]);
    house.wait_for_rows(&mut serve, 260);
    let query = "SELECT min(n) AS a, max(n) AS b, count(*) AS c, count(DISTINCT _offset) AS d, \
                 min(_offset) AS e FROM shop.events GROUP BY _topic_id, _partition ORDER BY a";
    assert_eq!(
        house.sql(query),
        [
            "0,49,50,50,0",
            "0,49,50,50,0",
            "100,179,80,80,0",
            "100,179,80,80,0"
        ],
        "each topic's records once, from their beginning"
    );
    house.wait_for(&mut serve, "reading", "");
    let again = house.stream(&["accept-topic", "shop"]);
    assert_eq!(again.status.code(), Some(1), "{}", texts(&again));

    // Deleted for good: it is said since when, by a process that never saw it too.
    topic.delete().await;
    let gone = format!("topic {} is gone", topic.name);
    house.wait_for(&mut serve, "stopped", &gone);
    house.wait_for(
        &mut serve,
        "stopped",
        "all that it was seen to hold is committed",
    );
    let said = house.says();
    assert!(said.contains("It was last seen at 20"), "{said}");
    serve.kill();
    let before = stops(&house);
    serve.restart();
    house.wait(&mut serve, "a stop by the new process", || {
        (stops(&house) > before).then_some(())
    });
    house.wait_for(&mut serve, "stopped", &gone);
    assert_eq!(seen(&house.says()), seen(&said), "it is not seen since");
    assert_eq!(house.rows(), Some(260));
}

/// How often the stream was said to have stopped.
fn stops(house: &House) -> usize {
    let log = std::fs::read_to_string(house.file("serve.log")).unwrap_or_default();
    log.matches("stream stopped").count()
}

/// When the topic was last seen.
fn seen(said: &str) -> String {
    let (_, behind) = said.split_once("last seen at ").expect("a time");
    behind.chars().take(20).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn a_topic_deleted_while_nobody_read_it_is_said_to_be_gone_with_what_was_unread() {
    let topic = Topic::make(&parts::kafka(), 2).await;
    let house = House::new(&topic).await;
    let mut serve = house.serve();
    topic.produce(0, 0..50);
    house.wait_for_rows(&mut serve, 50);
    // A sink that sees records and dies before it commits them, without waiting for that moment.
    serve.signal("STOP");
    topic.produce(0, 50..80);
    house
        .in_catalog(
            "UPDATE frazil_stream_status SET high_watermark = 80 \
             WHERE partition_number = 0 RETURNING stream",
        )
        .await;
    topic.delete().await;
    serve.kill();
    serve.restart();
    house.wait_for(
        &mut serve,
        "stopped",
        "went with it if it was deleted: [0] 50 to 79.",
    );
    house.wait_for(&mut serve, "stopped", "frazil stream accept-topic shop");

    // Made again, it asks for the word that a topic made again needs.
    topic.create().await;
    house.wait_for(&mut serve, "stopped", "is not the one that was read so far");
    house.must_stream(&["accept-topic", "shop"]);
    topic.produce(0, 100..110);
    house.wait_for_rows(&mut serve, 60);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn what_retention_took_is_named_and_the_stream_goes_on() {
    let topic = Topic::make(&parts::kafka(), 2).await;
    let house = House::new(&topic).await;
    let mut serve = house.serve();
    for partition in 0..2 {
        topic.produce(partition, 0..100);
    }
    house.wait_for_rows(&mut serve, 200);
    serve.kill();
    for partition in 0..2 {
        topic.produce(partition, 100..200);
    }
    topic.expire(0, 150).await;

    serve.restart();
    house.wait_for_rows(&mut serve, 350);
    let lost = format!("LOST: offsets 100 to 149 of {}[0]", topic.name);
    house.wait_for(&mut serve, "reading", &lost);
    topic.produce(0, 200..210);
    house.wait_for_rows(&mut serve, 360);
    // The table itself names the range, for ever and for every engine.
    let summaries = house.python("maintain.py", &["summaries", "shop.events"]);
    let named: Vec<&str> = summaries
        .lines()
        .filter(|line| line.contains("frazil.lost"))
        .collect();
    assert_eq!(named.len(), 1, "{summaries}");
    assert!(named[0].contains("[[0,100,150]]"), "{}", named[0]);
    let expected: Vec<String> = vec!["0,160,160,0,209".into(), "1,200,200,0,199".into()];
    let query = "SELECT _partition, count(*) AS n, count(DISTINCT _offset) AS d, \
                 min(_offset) AS lo, max(_offset) AS hi FROM shop.events \
                 GROUP BY _partition ORDER BY _partition";
    assert_eq!(house.sql(query), expected);
}
