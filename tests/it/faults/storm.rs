//! Everything at once: several sinks on one table, catalog in Postgres, files on S3, plain and
//! transactional producers, and processes, servers and connections that fail at random. At the end
//! each readable record is there exactly once; a reader never saw less than before, nor half a
//! commit (I1 to I6).
//!
//! `FRAZIL_STORM_SEED` repeats the choice of faults, `FRAZIL_STORM_FAULTS` says how many,
//! `FRAZIL_STORM_EVENTS` how many records at least.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use super::house::House;
use super::serve::Serve;
use super::topics::{PATIENCE, Topic, event, send};
use crate::database::proxy::{Mode, Proxy};
use crate::parts::{self, OwnKafka, OwnPostgres, OwnS3};

const SINKS: usize = 3;
/// Of these the first two hold plain records, the others transactions.
const PARTITIONS: i32 = 4;
const PLAIN: i32 = 2;
/// Beyond the session's time-out (3 s).
const FROZEN: Duration = Duration::from_secs(5);

/// What goes wrong once.
#[derive(Clone, Copy, Debug)]
enum Fault {
    KillSink(usize),
    FreezeSink(usize),
    /// Another sink joins the group for a moment.
    Rebalance,
    KillKafka,
    KillPostgres,
    KillS3,
    /// Between one sink and the S3 server.
    Store(usize, Mode),
    /// Between one sink and Postgres.
    Catalog(usize, Mode),
}

impl Fault {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let sink = rng.random_range(0..SINKS);
        match rng.random_range(0..16) {
            0..=3 => Self::KillSink(sink),
            4 => Self::FreezeSink(sink),
            5 => Self::Rebalance,
            6 => Self::KillKafka,
            7 => Self::KillPostgres,
            8 => Self::KillS3,
            9 => Self::Store(sink, Mode::Cut),
            10 => Self::Store(sink, Mode::Stall),
            11 => Self::Store(sink, Mode::CutReplies),
            12 => Self::Store(sink, Mode::Answer([500, 503, 409][rng.random_range(0..3)])),
            13 => Self::Catalog(sink, Mode::Cut),
            14 => Self::Catalog(sink, Mode::LoseCommitReply),
            _ => Self::Catalog(sink, Mode::LoseCommit),
        }
    }
}

/// A sink and its own ways to catalog and store.
struct Sink {
    serve: Serve,
    catalog: Proxy,
    store: Proxy,
}

struct Servers {
    kafka: OwnKafka,
    postgres: OwnPostgres,
    s3: OwnS3,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs Kafka, Postgres and S3: run ./test"]
async fn what_fails_at_random_loses_and_doubles_nothing() {
    let seed = number("FRAZIL_STORM_SEED", i64::from(rand::random::<u32>()));
    let faults = number("FRAZIL_STORM_FAULTS", 16);
    let events = number("FRAZIL_STORM_EVENTS", 40_000);
    println!("FRAZIL_STORM_SEED={seed} FRAZIL_STORM_FAULTS={faults} FRAZIL_STORM_EVENTS={events}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed.cast_unsigned());

    let servers = Servers {
        kafka: OwnKafka::start(),
        postgres: OwnPostgres::start(),
        s3: OwnS3::start(),
    };
    let topic = Topic::make(servers.kafka.address(), PARTITIONS).await;
    let house = Arc::new(house(&servers, &topic));
    let mut sinks = Vec::new();
    for number in 0..SINKS {
        sinks.push(sink(&house, &servers, number).await);
    }
    let flowing = Flow::start(&topic, events);
    house.wait(&mut sinks[0].serve, "first rows", || {
        house.rows().filter(|n| *n > 0)
    });
    let reader = Reader::start(&house);

    for number in 0..faults {
        let fault = Fault::draw(&mut rng);
        println!("{number}: {fault:?}");
        let pause = Duration::from_millis(rng.random_range(100..3_000));
        strike(fault, pause, &house, &servers, &mut sinks).await;
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..2_000))).await;
    }
    flowing.end();

    let readable = readable(&topic);
    let total: usize = readable.values().map(BTreeSet::len).sum();
    println!(
        "{total} readable records, {} looks",
        reader.looks.load(Ordering::Relaxed)
    );
    assert!(total as i64 >= events, "{total}");
    house.wait(&mut sinks[0].serve, "all records", || {
        house.rows().filter(|n| *n >= total as i64)
    });
    for sink in &mut sinks {
        sink.serve.must_live();
    }
    assert!(reader.looks.load(Ordering::Relaxed) > 0, "nobody looked");
    reader.end();
    assert_eq!(house.positions(), readable, "seed {seed}");
    let lost = house.sql("SELECT message FROM system.streams WHERE message LIKE '%LOST%'");
    assert_eq!(lost, Vec::<String>::new(), "seed {seed}");
    house.wait_for(&mut sinks[0].serve, "reading", "");
    check_ledger(&house, &topic, &readable);
}

fn number(variable: &str, default: i64) -> i64 {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => default,
    }
}

/// Reached directly, by readers.
fn house(servers: &Servers, topic: &Topic) -> House {
    let warehouse = format!("s3://{}/{}", parts::s3().bucket, topic.name);
    let endpoint = servers.s3.endpoint().to_owned();
    let catalog = servers.postgres.url().to_owned();
    House::on(topic, catalog, &warehouse, Some(endpoint))
}

async fn sink(house: &House, servers: &Servers, number: usize) -> Sink {
    let (catalog, catalog_url) = Proxy::before(servers.postgres.url()).await;
    let (store, endpoint) = Proxy::before(servers.s3.endpoint()).await;
    let config = format!("sink-{number}.toml");
    house.configure(&config, &catalog_url, Some(&endpoint));
    let log = house.file(&format!("sink-{number}.log"));
    Sink {
        serve: Serve::start(&house.file(&config), &log),
        catalog,
        store,
    }
}

async fn strike(
    fault: Fault,
    pause: Duration,
    house: &House,
    servers: &Servers,
    sinks: &mut [Sink],
) {
    let wait = || tokio::time::sleep(pause);
    match fault {
        Fault::KillSink(sink) => {
            sinks[sink].serve.kill();
            wait().await;
            sinks[sink].serve.restart();
        }
        Fault::FreezeSink(sink) => {
            sinks[sink].serve.signal("STOP");
            tokio::time::sleep(FROZEN).await;
            sinks[sink].serve.signal("CONT");
        }
        Fault::Rebalance => {
            for _ in 0..3 {
                let log = house.file("guest.log");
                let mut guest = Serve::start(&house.file("frazil.toml"), &log);
                wait().await;
                guest.kill();
            }
        }
        Fault::KillKafka => {
            servers.kafka.kill();
            wait().await;
            servers.kafka.restart();
        }
        Fault::KillPostgres => {
            servers.postgres.kill();
            wait().await;
            servers.postgres.restart();
        }
        Fault::KillS3 => {
            servers.s3.kill();
            wait().await;
            servers.s3.restart();
        }
        Fault::Store(sink, mode) => through(&sinks[sink].store, mode, pause).await,
        Fault::Catalog(sink, mode) => through(&sinks[sink].catalog, mode, pause).await,
    }
}

async fn through(proxy: &Proxy, mode: Mode, pause: Duration) {
    proxy.set(mode);
    tokio::time::sleep(pause * 2).await;
    // What hangs is let go.
    proxy.set(Mode::Cut);
    tokio::time::sleep(Duration::from_millis(50)).await;
    proxy.set(Mode::Forward);
}

/// Producers, until told to end and their share is sent.
struct Flow {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Flow {
    fn start(topic: &Topic, events: i64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let run = |work: fn(&Topic, &AtomicBool, i64)| {
            let (topic, stop) = (topic.clone(), Arc::clone(&stop));
            std::thread::spawn(move || work(&topic, &stop, events))
        };
        let threads = vec![run(plain), run(transactions)];
        Self { stop, threads }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("the producer ends well");
        }
    }
}

/// Every fiftieth is no JSON.
fn plain(topic: &Topic, stop: &AtomicBool, events: i64) {
    let producer = topic.producer();
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) || n < events {
        for _ in 0..200 {
            let partition = i32::try_from(n % i64::from(PLAIN)).expect("small");
            if n % 50 == 49 {
                send(&producer, topic, partition, b"{broken");
            } else {
                send(&producer, topic, partition, event(n).as_bytes());
            }
            n += 1;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    producer.flush(PATIENCE).expect("all delivered");
}

/// Every fourth is aborted; one that fails with the broker is, too, and its producer is made anew.
fn transactions(topic: &Topic, stop: &AtomicBool, _: i64) {
    let mut producer = transactional(topic);
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let done = transaction(&producer, topic, n);
        if let Err(error) = done {
            let fatal = producer.client().fatal_error();
            println!("transaction {n}: {error}; {fatal:?}");
            if fatal.is_some() || producer.abort_transaction(PATIENCE).is_err() {
                producer = transactional(topic);
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

type Transactional = rdkafka::producer::ThreadedProducer<rdkafka::producer::DefaultProducerContext>;

fn transactional(topic: &Topic) -> Transactional {
    loop {
        let producer: Transactional = topic
            .config()
            .set("transactional.id", &topic.name)
            .set("reconnect.backoff.max.ms", "500")
            .set("transaction.timeout.ms", "10000")
            .create()
            .expect("a producer");
        match producer.init_transactions(Duration::from_secs(30)) {
            Ok(()) => return producer,
            Err(error) => println!("no transactions yet: {error}"),
        }
    }
}

fn transaction(producer: &Transactional, topic: &Topic, n: i64) -> KafkaResult<()> {
    producer.begin_transaction()?;
    for record in 0..40 {
        let partition = PLAIN + i32::try_from(record % 2).expect("small");
        let payload = event(n * 1_000 + record);
        // A transaction's records are far fewer than the queue holds.
        let record = BaseRecord::<(), [u8]>::to(&topic.name);
        let record = record.partition(partition).payload(payload.as_bytes());
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(Duration::from_secs(30))?;
    if n % 4 == 0 {
        producer.abort_transaction(Duration::from_secs(30))
    } else {
        producer.commit_transaction(Duration::from_secs(30))
    }
}

/// Offsets of each partition, as a consumer sees them that reads committed records only.
fn readable(topic: &Topic) -> BTreeMap<i32, BTreeSet<i64>> {
    let consumer: BaseConsumer = topic
        .config()
        .set("group.id", format!("{}-oracle", topic.name))
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in 0..topic.partitions {
        list.add_partition_offset(&topic.name, partition, Offset::Beginning)
            .expect("an offset");
    }
    consumer.assign(&list).expect("assigned");
    let mut found: BTreeMap<i32, BTreeSet<i64>> = BTreeMap::new();
    let mut ended = BTreeSet::new();
    while ended.len() < usize::try_from(topic.partitions).expect("small") {
        match consumer.poll(PATIENCE).expect("Kafka answers") {
            Ok(record) => {
                found
                    .entry(record.partition())
                    .or_default()
                    .insert(record.offset());
            }
            Err(KafkaError::PartitionEOF(partition)) => {
                ended.insert(partition);
            }
            Err(error) => println!("the oracle: {error}"),
        }
    }
    found
}

/// Counts again and again while things fail.
struct Reader {
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicI64>,
    thread: std::thread::JoinHandle<()>,
}

impl Reader {
    fn start(house: &Arc<House>) -> Self {
        let (stop, looks) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicI64::new(0)),
        );
        let (house, stopped, looked) = (Arc::clone(house), Arc::clone(&stop), Arc::clone(&looks));
        let thread = std::thread::spawn(move || {
            let mut before = BTreeMap::new();
            while !stopped.load(Ordering::Relaxed) {
                if let Some(rows) = house.look() {
                    check_look(&rows, &mut before);
                    looked.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(500));
            }
        });
        Self {
            stop,
            looks,
            thread,
        }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no reader saw a wrong state");
    }
}

/// `partition, rows, distinct offsets, last offset` of both tables together.
fn check_look(rows: &[String], before: &mut BTreeMap<i32, i64>) {
    for row in rows {
        let values: Vec<i64> = row
            .split(',')
            .map(|v| v.parse().expect("a number"))
            .collect();
        let [partition, n, distinct, last] = values[..] else {
            panic!("{row}");
        };
        let partition = i32::try_from(partition).expect("small");
        assert_eq!(n, distinct, "twice: {row}");
        if partition < PLAIN {
            // Events without the dead letters of their commit, or the other way, leave a gap.
            assert_eq!(n, last + 1, "half a commit: {row}");
        }
        let seen = before.insert(partition, n).unwrap_or(0);
        assert!(n >= seen, "{seen} rows before, now {row}");
    }
}

/// The ledger stands behind the last record that was read, and not beyond the log.
fn check_ledger(house: &House, topic: &Topic, readable: &BTreeMap<i32, BTreeSet<i64>>) {
    let shown = house.must_stream(&["show", "shop"]);
    for (partition, (_, high)) in (0..).zip(topic.ends()) {
        let marker = format!("[{partition}] next ");
        let (_, rest) = shown.split_once(&marker).expect(&shown);
        let next: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let next: i64 = next.parse().expect("a number");
        let last = readable.get(&partition).and_then(BTreeSet::last);
        let last = last.copied().unwrap_or(-1);
        assert!(last < next && next <= high, "{last} {next} {high}\n{shown}");
        if partition < PLAIN {
            assert_eq!(next, high, "{shown}");
        }
    }
}
