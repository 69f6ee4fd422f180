//! Another engine's writes and maintenance between the sink's commits: nothing of the sink is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::house::House;
use super::topics::Topic;
use crate::parts;

/// Produces until told to stop; how many of each partition it were.
fn flow(topic: &Topic, stop: &Arc<AtomicBool>) -> std::thread::JoinHandle<i64> {
    let (topic, stop) = (topic.clone(), Arc::clone(stop));
    std::thread::spawn(move || {
        let mut next = 0;
        while !stop.load(Ordering::Relaxed) {
            for partition in 0..2 {
                topic.produce(partition, next..next + 20);
            }
            next += 20;
            // Slow enough for another engine to get a word in.
            std::thread::sleep(Duration::from_millis(1_500));
        }
        next
    })
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn pyiceberg_between_the_commits_loses_nothing_of_the_sink() {
    let topic = Topic::make(&parts::kafka(), 2).await;
    let house = House::new(&topic).await;
    let mut serve = house.serve();
    let stop = Arc::new(AtomicBool::new(false));
    let producer = flow(&topic, &stop);
    house.wait(&mut serve, "100 rows", || {
        house.rows().filter(|n| *n >= 100)
    });

    for round in ["1", "2", "3"] {
        house.python("maintain.py", &["append", "shop.events", round]);
        house.python("maintain.py", &["rewrite", "shop.events"]);
        house.python("maintain.py", &["expire", "shop.events"]);
        house.python("maintain.py", &["property", "shop.events", "owner", round]);
    }
    // The sink's rows 0 to 9 of each partition go, and stay gone.
    house.python(
        "maintain.py",
        &["delete", "shop.events", "n < 10 and _topic != 'foreign'"],
    );
    serve.kill();
    // The sink's last snapshot goes, and pyiceberg's own on top of it forgets its parent.
    house.python("maintain.py", &["append", "shop.events", "4"]);
    house.python("maintain.py", &["expire", "shop.events"]);
    serve.restart();
    stop.store(true, Ordering::Relaxed);
    let produced = producer.join().expect("the producer ends well");

    house.wait_for_rows(&mut serve, 2 * (produced - 10) + 4);
    let query = "SELECT _partition, count(*) AS n, count(DISTINCT _offset) AS d, \
                 min(_offset) AS lo, max(_offset) AS hi FROM shop.events \
                 WHERE _topic <> 'foreign' GROUP BY _partition ORDER BY _partition";
    let expected = |partition| format!("{partition},{0},{0},10,{1}", produced - 10, produced - 1);
    assert_eq!(house.sql(query), [expected(0), expected(1)]);
    let query = "SELECT n FROM shop.events WHERE _topic = 'foreign' ORDER BY n";
    assert_eq!(house.sql(query), ["1", "2", "3", "4"]);
    house.wait_for(&mut serve, "reading", "");
    assert_eq!(
        house.python("read_table.py", &["shop.events", "--count"]),
        (2 * (produced - 10) + 4).to_string()
    );
}
