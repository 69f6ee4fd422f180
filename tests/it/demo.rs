//! The demo as a newcomer runs it: figures that add up, kills and restarts, ports, a clean stop.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Long enough for a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(400);

pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frazil"));
    command
        .args(["demo", "--port", "0", "--ops-port", "0", "--dir"])
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null());
    command
}

pub fn log(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join("frazil.log")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Rows of a query, without the header.
pub fn sql(folder: &Path, query: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_frazil"))
        .args(["sql", "--format", "csv", "--config"])
        .arg(folder)
        .arg(query)
        .output()
        .expect("frazil sql runs");
    assert!(output.status.success(), "{query}: {}", text(&output.stderr));
    text(&output.stdout)
        .lines()
        .skip(1)
        .map(str::to_owned)
        .collect()
}

/// `events=… committed=… dead_letters=… snapshots=… runs=…`
pub fn summary(output: &Output, folder: &Path) -> Vec<u64> {
    let stdout = text(&output.stdout);
    assert!(
        output.status.success(),
        "{stdout}\n{}\n{}",
        text(&output.stderr),
        log(folder)
    );
    let last = stdout.lines().last().expect("a last line");
    let names = ["events", "committed", "dead_letters", "snapshots", "runs"];
    let parts: Vec<(&str, &str)> = last
        .split(' ')
        .filter_map(|part| part.split_once('='))
        .collect();
    assert_eq!(
        parts.iter().map(|part| part.0).collect::<Vec<_>>(),
        names,
        "{last}"
    );
    parts
        .iter()
        .map(|part| part.1.parse().expect("a number"))
        .collect()
}

/// Each partition's positions run from 0 to their end, each once; their number.
pub fn each_position_once(folder: &Path) -> u64 {
    let rows = sql(
        folder,
        "SELECT _partition, count(*), count(DISTINCT _offset), min(_offset), max(_offset) + 1 \
         FROM (SELECT _partition, _offset FROM shop.events UNION ALL \
               SELECT _partition, _offset FROM shop.dead_letters) AS everything \
         GROUP BY _partition ORDER BY _partition",
    );
    let mut sum = 0;
    for row in &rows {
        let numbers: Vec<u64> = row
            .split(',')
            .map(|n| n.parse().expect("a number"))
            .collect();
        let [_, rows, distinct, first, end] = numbers[..] else {
            panic!("five columns: {row}")
        };
        assert_eq!(
            (rows, distinct, first),
            (end, end, 0),
            "partition, rows, distinct, first, end: {row}"
        );
        sum += rows;
    }
    sum
}

#[test]
fn produces_commits_models_and_ends_with_figures_that_add_up() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("demo");
    let arguments = ["--events", "5000", "--exit"];
    let output = command(&folder, &arguments).output().expect("it runs");
    let figures = summary(&output, &folder);
    let [events, committed, dead_letters, snapshots, runs] = figures[..] else {
        panic!("five figures")
    };
    assert_eq!(events, 5000);
    assert_eq!(committed + dead_letters, events);
    // One malformed in each block of a thousand: all of them, and nothing else, are dead letters.
    assert!((4..=5).contains(&dead_letters), "{dead_letters}");
    assert!(snapshots > 0);
    assert!(runs >= 8, "{runs}");
    assert_eq!(each_position_once(&folder), 5000);

    // Sent twice, counted once.
    let counts = sql(
        &folder,
        "SELECT count(*), count(DISTINCT event_id) FROM shop.events",
    );
    let (rows, distinct) = counts[0].split_once(',').expect("two columns");
    let repeats =
        rows.parse::<u64>().expect("a number") - distinct.parse::<u64>().expect("a number");
    assert!((9..=10).contains(&repeats), "{repeats}");
    for (curated, column) in [
        ("daily_active_users_by_region", "users"),
        ("revenue_by_category", "orders"),
        ("purchase_funnel", "users"),
        ("hourly_page_views", "page_views"),
        ("sessions", "events"),
        ("product_popularity", "views"),
        ("weekly_cohorts", "users"),
        ("hourly_unique_visitors", "visitors"),
    ] {
        let sum = sql(
            &folder,
            &format!("SELECT sum({column}) FROM curated.{curated}"),
        );
        assert!(sum[0].parse::<u64>().expect("a number") > 0, "{curated}");
    }
    let sessions = sql(&folder, "SELECT sum(events) FROM curated.sessions");
    assert_eq!(sessions[0], distinct, "sessions hold each event once");

    // The same lakehouse with no server and no process of its own.
    let place = folder.to_str().expect("UTF-8").to_owned();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let batches = runtime.block_on(async {
        let lakehouse = frazil::Lakehouse::open(place).await.expect("it opens");
        let refused = lakehouse
            .sql("COPY shop.events TO '/tmp/frazil-leak.csv'")
            .await;
        assert!(refused.is_err(), "files can't be written from SQL");
        lakehouse
            .sql("SELECT count(*) AS n FROM shop.events")
            .await
            .expect("rows")
    });
    let counted = arrow::util::pretty::pretty_format_batches(&batches)
        .expect("shown")
        .to_string();
    assert!(counted.contains(&committed.to_string()), "{counted}");

    // Started again there is nothing left to do, and the figures stay.
    let again = command(&folder, &arguments).output().expect("it runs");
    assert_eq!(summary(&again, &folder)[..3], figures[..3]);
}

/// Ends its process when a test ends early.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A demo that runs, and what it says.
pub struct Running {
    child: Killed,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::of(&mut command(folder, arguments))
    }

    pub fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it runs");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self {
            child: Killed(child),
            lines,
        }
    }

    /// What `wanted` takes from the first line that it takes something from.
    pub fn wait_for<T>(&mut self, wanted: impl Fn(&str) -> Option<T>) -> T {
        for line in self.lines.by_ref() {
            if let Some(found) = wanted(&line.expect("UTF-8")) {
                return found;
            }
        }
        panic!("the demo ended: {:?}", self.child.0.wait());
    }

    pub fn wait_for_commits(&mut self, least: u64) {
        self.wait_for(|line| {
            let (_, rest) = line.split_once("committed ")?;
            let number = rest.split(' ').next()?.replace(',', "");
            (number.parse::<u64>().ok()? >= least).then_some(())
        });
    }

    fn kill(mut self) {
        // SIGKILL: nothing is flushed, nobody is told.
        self.child.0.kill().expect("killed");
        self.child.0.wait().expect("reaped");
    }

    /// All that it says on stderr until it ends, where that is piped.
    pub fn errors(&mut self) -> std::thread::JoinHandle<String> {
        let mut stderr = self.child.0.stderr.take().expect("piped");
        std::thread::spawn(move || {
            let mut said = String::new();
            let _ = std::io::Read::read_to_string(&mut stderr, &mut said);
            said
        })
    }

    /// Sends the signal and gives the exit code.
    pub fn stop(self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.end().0
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.child.0.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(sent.success());
    }

    /// Waits until it has ended: the exit code, and the lines that it said meanwhile.
    pub fn end(self) -> (Option<i32>, Vec<String>) {
        let Self { mut child, lines } = self;
        // What it still says must not fill the pipe.
        let said = std::thread::spawn(move || lines.map_while(Result::ok).collect());
        let started = Instant::now();
        loop {
            if let Some(status) = child.0.try_wait().expect("its state") {
                return (status.code(), said.join().expect("lines"));
            }
            assert!(started.elapsed() < PATIENCE, "it did not end");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn killed_at_any_moment_it_goes_on_with_no_record_twice_and_none_lost() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("demo");
    // While history is made, while live events flow, and in the middle of the wait for all.
    let arguments = ["--events", "12000", "--rate", "500"];
    for least in [1, 6_000, 12_500] {
        let mut demo = Running::start(&folder, &arguments);
        demo.wait_for_commits(least);
        demo.kill();
    }
    let output = command(&folder, &["--events", "14000", "--exit"])
        .output()
        .expect("it runs");
    let figures = summary(&output, &folder);
    assert!(figures[0] >= 14_000);
    assert_eq!(figures[1] + figures[2], figures[0]);
    assert_eq!(each_position_once(&folder), figures[0]);
    // The producer did not repeat itself either: an event is sent twice at most, on purpose.
    let most = sql(
        &folder,
        "SELECT max(n) FROM (SELECT count(*) AS n FROM shop.events GROUP BY event_id) AS counted",
    );
    assert_eq!(most[0], "2");
}

#[test]
fn stops_on_ctrl_c_answers_before_and_goes_on_after() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("demo");
    let mut demo = Running::start(&folder, &["--events", "3000", "--rate", "200"]);
    let ops = demo.wait_for(|line| {
        let (_, rest) = line.split_once("http://")?;
        rest.split_once("/health")
            .map(|(address, _)| address.to_owned())
    });
    let psql = demo.wait_for(|line| line.contains("PGPASSWORD=").then(|| line.trim().to_owned()));
    demo.wait_for_commits(3_000);

    for (path, wanted) in [
        ("/health", "\"health\":true"),
        ("/ready", "\"ready\":true"),
        ("/metrics", "frazil_sink_rows_committed_total{stream="),
    ] {
        let answer = http_get(&ops, path);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        assert!(answer.contains(wanted), "{path}: {answer}");
    }
    assert!(count_over_the_wire(&psql, "SELECT count(*) FROM shop.events") > 0);

    let taken = command(&folder, &[]).output().expect("it runs");
    assert_eq!(taken.status.code(), Some(1), "two demos in one folder");
    assert!(
        text(&taken.stderr).contains("another demo"),
        "{}",
        text(&taken.stderr)
    );

    demo.signal("-INT");
    let (code, said) = demo.end();
    assert_eq!(code, Some(0), "{}", log(&folder));
    let waits: Vec<&str> = said
        .iter()
        .filter_map(|line| line.strip_prefix("stopping: waits for "))
        .collect();
    for service in ["producer", "wire", "jobs", "sink shop", "upkeep", "ops"] {
        assert!(
            waits.iter().any(|names| names.contains(service)),
            "{said:?}"
        );
    }
    let before = each_position_once(&folder);
    assert!(before >= 3_000);
    let mut demo = Running::start(&folder, &["--events", "3000", "--rate", "200"]);
    demo.wait_for_commits(before + 100);
    assert_eq!(demo.stop("-TERM"), Some(0), "{}", log(&folder));
    assert!(each_position_once(&folder) > before);
}

#[test]
fn a_busy_port_is_told_with_the_flag_that_chooses_another() {
    let parent = tempfile::tempdir().expect("a folder");
    let busy = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = busy.local_addr().expect("its address").port().to_string();
    for (flag, other) in [("--port", "--ops-port"), ("--ops-port", "--port")] {
        let output = Command::new(env!("CARGO_BIN_EXE_frazil"))
            .args(["demo", "--dir"])
            .arg(parent.path().join("demo"))
            .args([flag, &port, other, "0"])
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        let errors = text(&output.stderr);
        assert!(
            errors.contains(&port) && errors.contains(flag),
            "{flag}: {errors}"
        );
    }
}

pub fn http_get(address: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Logs in with what the demo printed: `PGPASSWORD=… psql -h … -p … -U … frazil`.
fn count_over_the_wire(psql: &str, query: &str) -> i64 {
    let words: Vec<&str> = psql.split_whitespace().collect();
    let after = |flag: &str| {
        let at = words.iter().position(|word| *word == flag).expect(flag);
        words[at + 1]
    };
    let mut config = tokio_postgres::Config::new();
    config
        .password(words[0].trim_start_matches("PGPASSWORD="))
        .host(after("-h"))
        .port(after("-p").parse().expect("a port"))
        .user(after("-U"))
        .dbname("frazil");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let (client, connection) = config
            .connect(tokio_postgres::NoTls)
            .await
            .expect("logged in");
        tokio::spawn(connection);
        client
            .query_one(query, &[])
            .await
            .expect("an answer")
            .get(0)
    })
}

#[test]
#[ignore = "needs Kafka: run ./test"]
fn on_kafka_too_each_record_is_committed_once() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("demo");
    let kafka = crate::parts::kafka();
    let mut demo = Running::start(&folder, &["--kafka", &kafka, "--events", "6000"]);
    demo.wait_for_commits(1);
    demo.kill();
    let output = command(&folder, &["--kafka", &kafka, "--events", "6000", "--exit"])
        .output()
        .expect("it runs");
    let figures = summary(&output, &folder);
    assert!(figures[0] >= 6_000);
    assert_eq!(figures[1] + figures[2], figures[0]);
    assert_eq!(each_position_once(&folder), figures[0]);
}
