//! Records that are no rows: aborted, poisoned, too long.

use rdkafka::producer::{BaseRecord, Producer};

use super::house::House;
use super::topics::{PATIENCE, Topic, event, send};
use crate::parts;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn aborted_records_are_nowhere() {
    let topic = Topic::make(&parts::kafka(), 1).await;
    let house = House::new(&topic).await;
    let mut serve = house.serve();
    let producer: rdkafka::producer::ThreadedProducer<_> = topic
        .config()
        .set("transactional.id", &topic.name)
        .create()
        .expect("a producer");
    producer.init_transactions(PATIENCE).expect("transactions");
    let mut committed = Vec::new();
    for round in 0..6 {
        producer.begin_transaction().expect("one begins");
        let numbers = round * 10..round * 10 + 10;
        for n in numbers.clone() {
            send(&producer, &topic, 0, event(n).as_bytes());
        }
        producer.flush(PATIENCE).expect("delivered");
        if round % 2 == 0 {
            producer.abort_transaction(PATIENCE).expect("aborted");
        } else {
            producer.commit_transaction(PATIENCE).expect("committed");
            committed.extend(numbers);
        }
    }
    // Left open: it holds up all behind it, and nothing of it may be seen.
    producer.begin_transaction().expect("one begins");
    send(&producer, &topic, 0, event(99).as_bytes());
    producer.flush(PATIENCE).expect("delivered");
    house.wait_for_rows(&mut serve, 30);
    serve.kill();
    serve.restart();
    producer.abort_transaction(PATIENCE).expect("aborted");
    producer.begin_transaction().expect("one begins");
    send(&producer, &topic, 0, event(100).as_bytes());
    producer.commit_transaction(PATIENCE).expect("committed");
    committed.push(100);

    house.wait_for_rows(&mut serve, 31);
    assert_eq!(house.numbers(), committed);
    assert_eq!(house.sql("SELECT * FROM shop.dead_letters").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn poison_and_giants_are_dead_letters_with_bytes_and_reason() {
    let topic = Topic::make(&parts::kafka(), 1).await;
    let house = House::new(&topic).await;
    let mut serve = house.serve();
    let producer = topic.producer();
    // Longer than the contract allows, and than what one fetch of a partition asks for.
    let giant = format!(r#"{{"n":5,"text":"{}"}}"#, "x".repeat(3 << 20));
    let (good, also_good) = (event(0), event(7));
    let payloads: [&[u8]; 8] = [
        good.as_bytes(),
        b"{\"n\": 1, ",
        b"{\"n\": \"one\"}",
        b"{\"text\": \"no n\"}",
        &[0xff, 0xfe, 0x00],
        giant.as_bytes(),
        b"[]",
        also_good.as_bytes(),
    ];
    for payload in payloads {
        send(&producer, &topic, 0, payload);
    }
    // A tombstone, with a key that can't be a text.
    let tombstone = BaseRecord::<[u8], [u8]>::to(&topic.name)
        .partition(0)
        .key(&[0xff_u8, 0x01][..]);
    assert!(producer.send(tombstone).is_ok());
    producer.flush(PATIENCE).expect("delivered");
    topic.produce(0, 9..10);

    house.wait_for_rows(&mut serve, 10);
    assert_eq!(house.numbers(), [0, 7, 9], "the stream goes on");
    house.assert_exactly_once(&[]);
    let rows = house.python("read_table.py", &["shop.dead_letters"]);
    let letters: Vec<serde_json::Value> = rows
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let letter = |offset: i64| {
        let found = letters.iter().find(|letter| letter["_offset"] == offset);
        found.unwrap_or_else(|| panic!("no dead letter of offset {offset}: {rows}"))
    };
    for (offset, reason) in [
        (1, "JSON"),
        (2, "n"),
        (3, "n"),
        (4, "UTF-8"),
        (5, "65536"),
        (6, "object"),
        (8, "tombstone"),
    ] {
        let found = letter(offset);
        println!("{offset}: {}", found["reason"]);
        assert!(
            found["reason"]
                .as_str()
                .is_some_and(|text| text.contains(reason)),
            "{offset}: {found}"
        );
        assert_eq!(found["_topic"], topic.name);
        assert_eq!(found["_partition"], 0);
        assert_eq!(found["stream"], "shop");
    }
    let bytes = |offset| {
        use base64::Engine as _;
        let text = letter(offset)["payload"].as_str().unwrap_or_default();
        base64::prelude::BASE64_STANDARD
            .decode(text)
            .expect("base64")
    };
    assert_eq!(bytes(1), payloads[1], "the very bytes");
    assert_eq!(bytes(4), payloads[4]);
    let first = bytes(5);
    assert!(
        !first.is_empty() && first.len() <= 64 << 10,
        "{}",
        first.len()
    );
    assert!(giant.as_bytes().starts_with(&first), "its first bytes");
    assert!(letter(8)["payload"].is_null());
    assert_eq!(letter(8)["_key"], "/wE=");
}
