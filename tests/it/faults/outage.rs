//! Catalog and store are away for longer than one commit's own retries.

use std::time::{Duration, Instant};

use super::house::House;
use super::topics::Topic;
use crate::database::proxy::{Mode, Proxy};
use crate::parts;

/// A minute: far beyond the retries of one commit (six silences of at most 2 s) and of one call to S3.
const AWAY: Duration = Duration::from_secs(60);

/// Produces on while the part is away, and for as long.
fn flow(topic: &Topic, from: i64) -> i64 {
    flow_for(topic, from, AWAY)
}

pub(super) fn flow_for(topic: &Topic, from: i64, time: Duration) -> i64 {
    let started = Instant::now();
    let mut next = from;
    while started.elapsed() < time {
        for partition in 0..2 {
            topic.produce(partition, next..next + 10);
        }
        next += 10;
        std::thread::sleep(Duration::from_millis(200));
    }
    next
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn a_catalog_that_is_away_is_waited_for() {
    let topic = Topic::make(&parts::kafka(), 2).await;
    let house = House::new(&topic).await;
    let (proxy, through) = Proxy::before(&house.catalog).await;
    house.configure("through.toml", &through, None);
    let mut serve = house.serve_with("through.toml");
    let next = flow(&topic, 0);
    house.wait_for_rows(&mut serve, next * 2);

    proxy.set(Mode::Cut);
    let next = flow(&topic, next);
    // Its own database is away too, so this is where an operator looks.
    let ready = serve.ready().expect("it answers");
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(ready.contains("catalog"), "{ready}");
    proxy.set(Mode::Forward);
    house.wait_for_rows(&mut serve, next * 2);

    // A server that hangs: nothing is answered, nothing refused.
    proxy.set(Mode::Stall);
    let next = flow(&topic, next);
    proxy.set(Mode::Cut);
    proxy.set(Mode::Forward);
    house.wait_for_rows(&mut serve, next * 2);
    house.assert_exactly_once(&[]);
    house.wait_for(&mut serve, "reading", "");
}

/// Whether a COMMIT took place is not known: what is there is looked up, nothing sent blindly (I5).
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn a_commit_whose_answer_got_lost_is_looked_up() {
    let topic = Topic::make(&parts::kafka(), 2).await;
    let house = House::new(&topic).await;
    let (proxy, through) = Proxy::before(&house.catalog).await;
    house.configure("through.toml", &through, None);
    let mut serve = house.serve_with("through.toml");
    topic.produce(0, 0..10);
    topic.produce(1, 0..10);
    house.wait_for_rows(&mut serve, 20);
    let mut next = 10;
    for mode in [Mode::LoseCommitReply, Mode::LoseCommit].repeat(3) {
        proxy.set(mode);
        next = flow_for(&topic, next, Duration::from_secs(3));
        proxy.set(Mode::Cut);
        proxy.set(Mode::Forward);
        house.wait_for_rows(&mut serve, next * 2);
    }
    house.assert_exactly_once(&[]);
    house.wait_for(&mut serve, "reading", "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs Kafka, Postgres and S3: run ./test"]
async fn a_store_that_is_away_is_waited_for() {
    let topic = Topic::make(&parts::kafka(), 2).await;
    let house = House::on_s3(&topic).await;
    let (proxy, through) = Proxy::before(&parts::s3().endpoint).await;
    house.configure("through.toml", &house.catalog, Some(&through));
    let mut serve = house.serve_with("through.toml");
    topic.produce(0, 0..100);
    house.wait_for_rows(&mut serve, 100);

    proxy.set(Mode::Cut);
    let next = flow(&topic, 100);
    house.wait_for(&mut serve, "waiting", "s3://");
    let ready = serve.ready().expect("it answers");
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(ready.contains("store"), "{ready}");
    proxy.set(Mode::Forward);
    house.wait_for_rows(&mut serve, 100 + (next - 100) * 2);

    // One that hangs answers nothing, and refuses nothing.
    proxy.set(Mode::Stall);
    let next = flow(&topic, next);
    house.wait_for(&mut serve, "waiting", "a commit has been under way");
    proxy.set(Mode::Cut);
    proxy.set(Mode::Forward);
    house.wait_for_rows(&mut serve, 100 + (next - 100) * 2);
    house.assert_exactly_once(&[]);
    house.wait_for(&mut serve, "reading", "");
}
