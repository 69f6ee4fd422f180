//! People take the event table away, or back to what it was.

use rdkafka::producer::Producer;

use super::house::{House, texts};
use super::serve::Serve;
use super::topics::{PATIENCE, Topic};
use crate::parts;

async fn filled(rows: i64) -> (Topic, House, Serve) {
    let topic = Topic::make(&parts::kafka(), 2).await;
    let house = House::new(&topic).await;
    let mut serve = house.serve();
    for partition in 0..2 {
        topic.produce(partition, 0..rows / 2);
    }
    house.wait_for_rows(&mut serve, rows);
    (topic, house, serve)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn a_dropped_table_is_not_made_again_until_the_operator_says_so() {
    let (topic, house, mut serve) = filled(100).await;
    house.python("maintain.py", &["drop", "shop.events"]);
    topic.produce(0, 50..60);
    house.wait_for(&mut serve, "stopped", "frazil stream accept-table shop");
    // A process that never saw it misses it too.
    serve.kill();
    house
        .in_catalog("DELETE FROM frazil_stream_status RETURNING stream")
        .await;
    serve.restart();
    house.wait_for(&mut serve, "stopped", "was dropped, renamed or replaced");
    let tables = house
        .in_catalog("SELECT table_name FROM iceberg_tables")
        .await;
    assert_eq!(tables, ["dead_letters"]);

    house.must_stream(&["accept-table", "shop"]);
    house.wait_for_rows(&mut serve, 110);
    house.assert_exactly_once(&[]);
    house.wait_for(&mut serve, "reading", "");
    let again = house.stream(&["accept-table", "shop"]);
    assert!(
        texts(&again).contains("nothing to accept"),
        "{}",
        texts(&again)
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn both_tables_dropped_while_no_sink_runs_are_not_made_again_in_silence() {
    let (topic, house, mut serve) = filled(100).await;
    serve.kill();
    for table in ["shop.events", "shop.dead_letters"] {
        house.python("maintain.py", &["drop", table]);
    }
    topic.produce(0, 50..60);
    serve.restart();
    house.wait_for(&mut serve, "stopped", "was dropped, renamed or replaced");
    house.wait_for(&mut serve, "stopped", "frazil stream accept-table shop");
    let tables = house
        .in_catalog("SELECT table_name FROM iceberg_tables")
        .await;
    assert!(tables.is_empty(), "{tables:?}");

    house.must_stream(&["accept-table", "shop"]);
    let again = house.stream(&["accept-table", "shop"]);
    assert!(
        texts(&again).contains("nothing to accept"),
        "{}",
        texts(&again)
    );
    house.wait_for_rows(&mut serve, 110);
    house.assert_exactly_once(&[]);
    house.wait_for(&mut serve, "reading", "");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn a_rolled_back_table_stops_the_stream_until_it_is_accepted() {
    let (topic, house, mut serve) = filled(100).await;
    let first = house.python("maintain.py", &["current", "shop.events"]);
    topic.produce(0, 50..70);
    house.wait_for_rows(&mut serve, 120);
    topic.produce(1, 50..80);
    house.wait_for_rows(&mut serve, 150);

    // While it runs.
    house.python("maintain.py", &["rollback", "shop.events", &first]);
    topic.produce(0, 70..80);
    house.wait_for(&mut serve, "stopped", "rolled the table back");
    house.wait_for(&mut serve, "stopped", "frazil stream accept-rollback shop");
    assert_eq!(house.rows(), Some(100));
    let said = house.must_stream(&["accept-rollback", "shop"]);
    assert!(
        said.contains("partition 0 is read again from offset 50"),
        "{said}"
    );
    house.wait_for_rows(&mut serve, 160);
    house.assert_exactly_once(&[]);

    // While it stands still; and this time what was rolled off stays out.
    serve.kill();
    house.python("maintain.py", &["rollback", "shop.events", &first]);
    topic.produce(0, 80..90);
    serve.restart();
    house.wait_for(&mut serve, "stopped", "rolled the table back");
    house.must_stream(&["accept-rollback", "shop", "--leave-out"]);
    house.wait_for_rows(&mut serve, 110);
    let left = house.sql("SELECT count(DISTINCT (_partition, _offset)) AS d FROM shop.events");
    assert_eq!(left, ["110"]);
}

/// The pointer of the catalog set back by hand: the older file has the older ledger in it, so what
/// came after is read again, once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn an_older_metadata_file_is_gone_on_from_where_it_stands() {
    let (topic, house, mut serve) = filled(100).await;
    let pointer = "SELECT metadata_location FROM iceberg_tables WHERE table_name = 'events'";
    let older = house.in_catalog(pointer).await.remove(0);
    topic.produce(0, 50..90);
    house.wait_for_rows(&mut serve, 140);

    let set_back = format!(
        "UPDATE iceberg_tables SET metadata_location = '{older}' \
         WHERE table_name = 'events' RETURNING table_name"
    );
    house.in_catalog(&set_back).await;
    topic.produce(1, 50..60);
    house.wait_for_rows(&mut serve, 150);
    serve.kill();
    house.in_catalog(&set_back).await;
    serve.restart();
    house.wait(&mut serve, "150 rows again", || {
        house.rows().filter(|n| *n == 150)
    });
    house.assert_exactly_once(&[]);
    house.wait_for(&mut serve, "reading", "");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn what_was_taken_away_by_mistake_and_put_back_is_gone_on_with() {
    let (topic, house, mut serve) = filled(100).await;
    house.python("maintain.py", &["rename", "shop.events", "shop.other"]);
    topic.produce(0, 50..60);
    house.wait_for(&mut serve, "stopped", "there is no such table any more");
    house.python("maintain.py", &["rename", "shop.other", "shop.events"]);
    house.wait_for_rows(&mut serve, 110);

    let property = "frazil.ledger";
    let ledger = house.python("maintain.py", &["get-property", "shop.events", property]);
    house.python("maintain.py", &["remove-property", "shop.events", property]);
    topic.produce(0, 60..70);
    house.wait_for(
        &mut serve,
        "stopped",
        "its ledger (the property frazil.ledger) is gone",
    );
    house.python(
        "maintain.py",
        &["property", "shop.events", property, &ledger],
    );
    house.wait_for_rows(&mut serve, 120);
    house.assert_exactly_once(&[]);
    house.wait_for(&mut serve, "reading", "");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn dead_letters_that_were_dropped_are_made_anew() {
    let (topic, house, mut serve) = filled(100).await;
    house.python("maintain.py", &["drop", "shop.dead_letters"]);
    let producer = topic.producer();
    super::topics::send(&producer, &topic, 0, b"poison");
    producer.flush(PATIENCE).expect("delivered");
    house.wait_for_rows(&mut serve, 101);
    house.assert_exactly_once(&[]);
    // And they know their event table again.
    house.python("maintain.py", &["drop", "shop.events"]);
    house.wait_for(&mut serve, "stopped", "frazil stream accept-table shop");
}

/// On a stream that runs and has nothing to read: the operator's word needs no new record.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn an_offset_set_on_a_quiet_stream_is_followed() {
    let (_, house, mut serve) = filled(100).await;
    let said = house.must_stream(&["set-offset", "shop", "1", "40"]);
    assert!(
        said.contains("partition 1 is read from offset 40"),
        "{said}"
    );
    house.wait_for_rows(&mut serve, 110);
    let twice = "SELECT count(*) AS n FROM (SELECT _offset FROM shop.events WHERE _partition = 1 \
                 GROUP BY _offset HAVING count(*) = 2) AS twice";
    assert_eq!(
        house.sql(twice),
        ["10"],
        "read a second time, as was asked for"
    );
}
