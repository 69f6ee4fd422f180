//! Exactly once over real processes: two sinks of one consumer group on one table, each killed with
//! SIGKILL at random moments while events flow from Apache Kafka (I1, I3, I5).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};

use crate::parts;

const PARTITIONS: i32 = 6;
/// Long enough for a debug build on a loaded machine; the test ends when all is committed.
const PATIENCE: Duration = Duration::from_secs(600);

#[test]
#[ignore = "needs Kafka and Postgres: run ./test"]
fn two_sinks_killed_again_and_again_lose_and_double_nothing() {
    let events = from_environment("FRAZIL_KILL_EVENTS", 300_000);
    let kills_each = from_environment("FRAZIL_KILL_TIMES", 10);
    let seed = from_environment("FRAZIL_KILL_SEED", rand::random::<u32>() as usize) as u64;
    println!("FRAZIL_KILL_SEED={seed} FRAZIL_KILL_EVENTS={events} FRAZIL_KILL_TIMES={kills_each}");

    let topic = format!("kill-{seed}-{}", std::process::id());
    let folder = tempfile::tempdir().expect("a temporary folder");
    create_topic(&topic);
    write_lakehouse(folder.path(), &topic);

    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut sinks = [Sink::start(folder.path(), 0), Sink::start(folder.path(), 1)];
    let pace = Arc::new(Pace::default());
    let producer = {
        let (topic, pace) = (topic.clone(), Arc::clone(&pace));
        std::thread::spawn(move || produce(&topic, events, seed, &pace))
    };
    let kills = 2 * kills_each;
    let mut before = 0;
    for kill in 0..kills {
        pace.hurry_to(events * (kill + 1) / (kills + 2));
        std::thread::sleep(Duration::from_millis(rng.random_range(200..4_000)));
        let victim = &mut sinks[kill % 2];
        pace.wait_for_more_than(before);
        victim.kill();
        before = pace.sent.load(SeqCst);
        std::thread::sleep(Duration::from_millis(rng.random_range(0..500)));
        victim.restart(folder.path());
    }
    assert!(pace.sent.load(SeqCst) < events, "they flow past the last");
    pace.hurry_to(events);
    producer.join().expect("the producer ends well");

    let ends = end_offsets(&topic);
    assert_eq!(ends.values().sum::<i64>(), events as i64);
    wait_until_committed(folder.path(), &mut sinks, events as i64);
    for sink in &mut sinks {
        sink.kill();
    }

    // Exactly once over both tables: as many rows as records, as many distinct positions, and each
    // partition's positions run from 0 to its end without a gap.
    let rows = sql(
        folder.path(),
        "SELECT _partition, count(*) AS n, count(DISTINCT _offset) AS d, min(_offset) AS lo, max(_offset) AS hi \
         FROM (SELECT _partition, _offset FROM kill.events UNION ALL \
               SELECT _partition, _offset FROM kill.dead_letters) AS everything \
         GROUP BY _partition ORDER BY _partition",
    );
    let expected: Vec<String> = ends
        .iter()
        .map(|(partition, end)| format!("{partition},{end},{end},0,{}", end - 1))
        .collect();
    assert_eq!(
        rows, expected,
        "partition, rows, distinct offsets, first, last; seed {seed}"
    );
}

fn from_environment(variable: &str, default: usize) -> usize {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => default,
    }
}

fn create_topic(topic: &str) {
    let admin: AdminClient<_> = ClientConfig::new()
        .set("bootstrap.servers", parts::kafka())
        .create()
        .expect("an admin client");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let results = runtime
        .block_on(admin.create_topics(
            &[NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1))],
            &AdminOptions::new(),
        ))
        .expect("Kafka answers");
    results[0].as_ref().expect("the topic is made");
}

/// The shipped stream with a topic, tables and rhythm of this test's own.
fn write_lakehouse(folder: &Path, topic: &str) {
    let shipped =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog/shop.toml"))
            .expect("the shipped stream");
    let stream: String = shipped
        .lines()
        .map(|line| {
            let key = line.split('=').next().unwrap_or("").trim();
            let line = match key {
                "topic" => format!("topic = \"{topic}\""),
                "table" => "table = \"kill.events\"".to_owned(),
                "dead_letters" => "dead_letters = \"kill.dead_letters\"".to_owned(),
                "group_id" => format!("group_id = \"{topic}\""),
                _ => line.to_owned(),
            };
            line + "\n"
        })
        .collect();
    fs::create_dir(folder.join("catalog")).expect("catalog/");
    fs::create_dir(folder.join("sql")).expect("sql/");
    fs::write(folder.join("catalog/kill.toml"), stream).expect("the stream");
    let database = format!("kill_{}", topic.replace('-', "_"));
    let postgres = parts::postgres();
    let made = Command::new("psql")
        .args([
            "-q",
            &postgres,
            "-c",
            &format!("CREATE DATABASE {database}"),
        ])
        .status()
        .expect("psql runs");
    assert!(made.success());
    let url = postgres
        .rsplit_once('/')
        .map(|(server, _)| format!("{server}/{database}"));
    let config = format!(
        "version = 1\n\
         [lake]\nwarehouse = \"warehouse\"\ncatalog = \"{}\"\n\
         [source]\nkind = \"kafka\"\nbrokers = \"{}\"\n\
         [source.kafka]\n\"session.timeout.ms\" = \"3000\"\n\"heartbeat.interval.ms\" = \"500\"\n\
         [streams]\ncommit_interval = \"500ms\"\n\
         [ops]\nlisten = \"127.0.0.1:0\"\n",
        url.expect("a URL with a database"),
        parts::kafka()
    );
    fs::write(folder.join("frazil.toml"), config).expect("the configuration");
}

/// How far the producer is, and how far it may hurry. The kills drive it: so events flow while each
/// of them comes and after the last, however fast or slow the machine is.
#[derive(Default)]
struct Pace {
    sent: AtomicUsize,
    hurry_until: AtomicUsize,
}

impl Pace {
    fn hurry_to(&self, sent: usize) {
        self.hurry_until.store(sent, SeqCst);
    }

    /// At first at some 10,000 a second, then at a trickle; the last event waits for
    /// `hurry_to(events)`.
    fn pass(&self, events: usize) {
        let sent = self.sent.fetch_add(1, SeqCst) + 1;
        if sent.is_multiple_of(1_000) {
            std::thread::sleep(Duration::from_millis(100));
        }
        if sent >= self.hurry_until.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(10));
        }
        while sent + 1 >= events && self.hurry_until.load(SeqCst) < events {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn wait_for_more_than(&self, sent: usize) {
        let started = Instant::now();
        while self.sent.load(SeqCst) <= sent {
            assert!(
                started.elapsed() < PATIENCE,
                "no event after {sent} is sent"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// All that `frazil generate` prints, keyed as the demo keys it.
fn produce(topic: &str, events: usize, seed: u64, pace: &Pace) {
    let lines = Command::new(env!("CARGO_BIN_EXE_frazil"))
        .args([
            "generate",
            "--events",
            &events.to_string(),
            "--seed",
            &seed.to_string(),
        ])
        .output()
        .expect("frazil generate runs")
        .stdout;
    let producer: ThreadedProducer<_> = ClientConfig::new()
        .set("bootstrap.servers", parts::kafka())
        .set("enable.idempotence", "true")
        .set("linger.ms", "20")
        .create()
        .expect("a producer");
    let mut sent = 0;
    for line in lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let key = (sent % 1_000).to_string();
        let mut record = BaseRecord::to(topic).key(&key).payload(line);
        while let Err((error, returned)) = producer.send(record) {
            assert!(error.to_string().contains("QueueFull"), "{error}");
            std::thread::sleep(Duration::from_millis(10));
            record = returned;
        }
        sent += 1;
        pace.pass(events);
    }
    assert_eq!(sent, events, "frazil generate prints one record a line");
    producer
        .flush(Duration::from_secs(60))
        .expect("all delivered");
}

fn end_offsets(topic: &str) -> BTreeMap<i32, i64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", parts::kafka())
        .create()
        .expect("a consumer");
    (0..PARTITIONS)
        .map(|partition| {
            let (low, high) = consumer
                .fetch_watermarks(topic, partition, Duration::from_secs(30))
                .expect("watermarks");
            assert_eq!(low, 0);
            (partition, high)
        })
        .collect()
}

fn wait_until_committed(folder: &Path, sinks: &mut [Sink; 2], events: i64) {
    let started = Instant::now();
    loop {
        let counted = sql(
            folder,
            "SELECT (SELECT count(*) FROM kill.events) + (SELECT count(*) FROM kill.dead_letters) AS n",
        );
        let committed: i64 = counted[0].parse().expect("a number");
        if committed >= events {
            return;
        }
        for sink in sinks.iter_mut() {
            sink.must_live();
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{committed} of {events} committed after {PATIENCE:?}; logs:\n{}\n{}",
            sinks[0].log_tail(),
            sinks[1].log_tail()
        );
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Rows of a query as CSV lines, without the header.
fn sql(folder: &Path, query: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_frazil"))
        .args(["sql", "--format", "csv", "--config"])
        .arg(folder.join("frazil.toml"))
        .arg(query)
        .output()
        .expect("frazil sql runs");
    assert!(
        output.status.success(),
        "{query}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .skip(1)
        .map(str::to_owned)
        .collect()
}

/// One `frazil serve --roles sink`, killed and started again.
struct Sink {
    number: usize,
    child: Child,
    log: std::path::PathBuf,
}

impl Sink {
    fn start(folder: &Path, number: usize) -> Self {
        let log = folder.join(format!("sink-{number}.log"));
        let child = Self::spawn(folder, &log);
        Self { number, child, log }
    }

    fn spawn(folder: &Path, log: &Path) -> Child {
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log");
        Command::new(env!("CARGO_BIN_EXE_frazil"))
            .args(["serve", "--roles", "sink", "--config"])
            .arg(folder.join("frazil.toml"))
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("one more handle"))
            .stderr(file)
            .spawn()
            .expect("frazil serve starts")
    }

    /// `Child::kill` is SIGKILL. A process that ended by itself before is a failure.
    fn kill(&mut self) {
        self.must_live();
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("reaped");
    }

    fn restart(&mut self, folder: &Path) {
        self.child = Self::spawn(folder, &self.log);
    }

    fn must_live(&mut self) {
        if let Some(status) = self.child.try_wait().expect("the child's state") {
            panic!(
                "sink {} ended by itself with {status}:\n{}",
                self.number,
                self.log_tail()
            );
        }
    }

    fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
