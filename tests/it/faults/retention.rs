//! The alarm before retention takes records that nobody has committed: raised while they are all
//! there still, in `system.streams`, `/metrics` and the log.

use frazil::seams::{Clock as _, SystemClock};

use super::house::{House, STREAM};
use super::topics::{Topic, event};
use crate::parts;

const HOUR_MS: i64 = 3_600_000;
const ALARM: &str = "retention is about to take unread records";
const FIGURE: &str = "sink_partitions_at_risk";

fn now_ms() -> i64 {
    SystemClock::default().now_ms()
}

/// The stream that reads and, for a day, does not commit.
fn slow() -> String {
    STREAM.replace("300ms", "24h")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn an_alarm_by_age_before_the_first_record_goes() {
    let topic = Topic::named(&parts::kafka(), 2);
    // A day; what is 22 hours old has two to live, however slow the test is.
    let day = [("retention.ms", "86400000")];
    topic.create_with(&day).await;
    let house = House::new(&topic).await;
    house.declare(&slow());
    topic.produce_at(0, 0..20, now_ms() - 22 * HOUR_MS);
    topic.produce_at(1, 0..20, now_ms() - HOUR_MS);
    let mut serve = house.serve();
    house.wait_for(&mut serve, "at_risk", ALARM);
    let why = "of offsets 0 to 19, which are not committed, the first is older than 80 % \
               of the topic's retention.ms of 86400000";
    let said = house.says_of(0);
    assert!(said.starts_with("at_risk,") && said.contains(why), "{said}");
    assert!(house.says().contains("partition 0: "), "{}", house.says());
    assert!(
        house.says_of(1).starts_with("reading,"),
        "{}",
        house.says_of(1)
    );
    house.wait_for_figure(&mut serve, FIGURE, 1.0);
    let log = std::fs::read_to_string(house.file("serve.log")).expect("a log");
    assert!(log.contains(why), "{}", serve.log_tail());
    assert_eq!(topic.ends(), [(0, 20), (0, 20)], "nothing is gone yet");

    // A stream that has stopped loses records too.
    serve.kill();
    house.declare(&slow().replace("\"string\"", "\"long\""));
    serve.restart();
    house.wait_for(
        &mut serve,
        "stopped",
        "text is string and can't become long",
    );
    house.wait_for(&mut serve, "stopped", ALARM);
    let said = house.says_of(0);
    assert!(
        said.starts_with("stopped,") && said.contains(ALARM),
        "{said}"
    );
    house.wait_for_figure(&mut serve, FIGURE, 1.0);

    // All is well once the records are committed.
    serve.kill();
    house.declare(STREAM);
    serve.restart();
    house.wait_for_rows(&mut serve, 40);
    house.wait(&mut serve, "the end of the alarm", || {
        let said = house.says();
        (said.starts_with("reading,") && !said.contains(ALARM)).then_some(())
    });
    house.wait_for_figure(&mut serve, FIGURE, 0.0);
    house.assert_exactly_once(&[]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn an_alarm_by_size_before_the_first_record_goes() {
    let topic = Topic::named(&parts::kafka(), 1);
    let numbers = 100_000..101_000;
    let bytes = event(numbers.start).len() * numbers.clone().count();
    // All of it is a tenth less than what is kept, and no segment is full before.
    let kept = (bytes * 10 / 9).to_string();
    topic
        .create_with(&[("retention.ms", "-1"), ("retention.bytes", &kept)])
        .await;
    let house = House::new(&topic).await;
    house.declare(&slow());
    topic.produce(0, numbers);
    let mut serve = house.serve();
    house.wait_for(&mut serve, "at_risk", "of the topic's retention.bytes of");
    house.wait_for_figure(&mut serve, FIGURE, 1.0);
    assert_eq!(topic.ends(), [(0, 1_000)], "nothing is gone yet");
}
