//! Clusters that ask who one is, or speak TLS: read with the right settings, and with wrong ones
//! the operator reads what is wrong.

use super::house::{House, STREAM};
use super::topics::Topic;
use crate::parts::OwnKafka;

/// The stream with these settings of librdkafka.
fn with(settings: &[(&str, &str)]) -> String {
    let lines = settings.iter();
    let lines = lines.map(|(name, value)| format!("\"{name}\" = \"{value}\"\n"));
    format!("{STREAM}[kafka]\n{}", lines.collect::<String>())
}

/// A lakehouse that reaches the broker by this listener; the test itself by the plain one.
async fn house_at(kafka: &OwnKafka, protocol: &str) -> (Topic, House) {
    let topic = Topic::make(kafka.address(), 2).await;
    let mut house = House::new(&Topic {
        brokers: kafka.address_for(protocol),
        ..topic.clone()
    })
    .await;
    house.topic = topic.clone();
    (topic, house)
}

const SASL: [(&str, &str); 2] = [
    ("security.protocol", "sasl_plaintext"),
    ("sasl.username", "shop"),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn a_stream_is_read_with_a_password_and_a_wrong_one_is_named() {
    let kafka = OwnKafka::start_secure();
    let (topic, house) = house_at(&kafka, "sasl").await;
    let sasl = |mechanism: &str, password: &str| {
        let own = [("sasl.mechanism", mechanism), ("sasl.password", password)];
        with(&[&SASL[..], &own[..]].concat())
    };
    house.declare(&sasl("SCRAM-SHA-256", "wr0ng-pa55"));
    topic.produce(0, 0..50);
    let mut serve = house.serve();
    house.wait_for(&mut serve, "waiting", "invalid credentials");
    let said = house.says();
    assert!(said.contains(&kafka.address_for("sasl")), "{said}");
    assert!(said.contains("SCRAM-SHA-256"), "{said}");

    let mut rows = 50;
    for mechanism in ["SCRAM-SHA-256", "PLAIN"] {
        serve.kill();
        house.declare(&sasl(mechanism, "right"));
        serve.restart();
        house.wait_for_rows(&mut serve, rows);
        topic.produce(1, rows..rows + 20);
        rows += 20;
        house.wait_for_rows(&mut serve, rows);
    }
    house.assert_exactly_once(&[]);
    house.wait_for(&mut serve, "reading", "");
    let log = std::fs::read_to_string(house.file("serve.log")).expect("a log");
    assert!(!log.contains("wr0ng-pa55"), "a secret is never logged");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn a_stream_is_read_over_tls_and_an_unknown_authority_is_named() {
    let kafka = OwnKafka::start_secure();
    let (topic, house) = house_at(&kafka, "ssl").await;
    house.declare(&with(&[("security.protocol", "ssl")]));
    topic.produce(0, 0..50);
    let mut serve = house.serve();
    house.wait_for(&mut serve, "waiting", "certificate verify failed");
    house.wait_for(&mut serve, "waiting", "ssl.ca.location");
    serve.kill();

    let authority = kafka.file("ca.pem");
    let authority = authority.to_str().expect("a path in words");
    house.declare(&with(&[
        ("security.protocol", "ssl"),
        ("ssl.ca.location", authority),
    ]));
    serve.restart();
    house.wait_for_rows(&mut serve, 50);
    topic.produce(1, 50..70);
    house.wait_for_rows(&mut serve, 70);
    house.assert_exactly_once(&[]);
    house.wait_for(&mut serve, "reading", "");
}
