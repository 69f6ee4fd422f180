//! A stream whose tables a REST catalog keeps: changes whose answers are lost, changes that are
//! refused, a catalog that is away. The control store, in Postgres, is there all along.

use std::time::Duration;

use rdkafka::producer::Producer as _;

use super::house::House;
use super::outage::flow_for;
use super::topics::{PATIENCE, Topic, send};
use crate::database::proxy::{Mode, Proxy};
use crate::parts;

/// What stands between the quotes of `catalog = "…"`, and behind them.
fn catalog(rest: &parts::Rest, url: &str, control: &str) -> String {
    format!(
        "rest+{}\"\ncontrol = \"{control}\"\nrest.warehouse = \"{}\"\nrest.credential = \"{}",
        url.trim_end_matches('/'),
        rest.warehouse,
        rest.credential
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs Kafka, Postgres and S3's Iceberg REST catalog: run ./test"]
async fn a_stream_over_a_rest_catalog_is_exact_whatever_is_lost() {
    let topic = Topic::make(&parts::kafka(), 2).await;
    let rest = parts::rest_catalog();
    let (proxy, through) = Proxy::before(&rest.url).await;
    let control = parts::postgres_database().await;
    let endpoint = parts::s3().endpoint;
    let direct = catalog(&rest, &rest.url, &control);
    let house = House::on(&topic, direct, &rest.warehouse, Some(endpoint.clone()));
    let proxied = catalog(&rest, &through, &control);
    house.configure("through.toml", &proxied, Some(&endpoint));
    let mut serve = house.serve_with("through.toml");
    topic.produce(0, 0..10);
    topic.produce(1, 0..10);
    house.wait_for_rows(&mut serve, 20);
    let (mut next, mut dead) = (10, 0);
    let producer = topic.producer();
    for mode in [
        Mode::LoseChanges,
        Mode::RefuseChanges(503),
        Mode::RefuseChanges(409),
        Mode::LoseChanges,
        Mode::RefuseChanges(500),
        Mode::Cut,
    ] {
        proxy.set(mode);
        // What can't be decoded goes to dead letters, in the commit of the others.
        send(&producer, &topic, 0, b"not JSON");
        producer.flush(PATIENCE).expect("delivered");
        next = flow_for(&topic, next, Duration::from_secs(3));
        proxy.set(Mode::Forward);
        dead += 1;
        house.wait_for_rows(&mut serve, next * 2 + dead);
    }
    house.assert_exactly_once(&[]);
    let found = house.sql("SELECT count(*) FROM shop.dead_letters");
    assert_eq!(found, [dead.to_string()]);
    house.wait_for(&mut serve, "reading", "");
    // Another process goes on from the ledger.
    serve.kill();
    serve.restart();
    topic.produce(0, next..next + 10);
    house.wait_for_rows(&mut serve, next * 2 + dead + 10);
    house.assert_exactly_once(&[]);
}
