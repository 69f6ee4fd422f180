//! How `frazil serve` ends: what it waits for, what it answers meanwhile, and its exit code.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sqlx::{Connection as _, Executor as _};

use crate::demo::{command, summary};
use crate::faults::serve::Serve;

/// Long enough for a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(200);

/// A lakehouse as a demo leaves it, to be served.
struct House {
    parent: tempfile::TempDir,
}

impl House {
    /// `more` stands behind the demo's configuration, whose ports become free ones.
    fn new(more: &str) -> Self {
        let house = Self {
            parent: tempfile::tempdir().expect("a folder"),
        };
        let made = command(&house.folder(), &["--events", "300", "--exit"]).output();
        summary(&made.expect("it runs"), &house.folder());
        let text = fs::read_to_string(house.config()).expect("the configuration");
        let text = text
            .replace("127.0.0.1:9433", "127.0.0.1:0")
            .replace("127.0.0.1:5433", "127.0.0.1:0")
            .replace("interval = \"1m\"", "interval = \"1s\"");
        fs::write(house.config(), format!("{text}\n{more}")).expect("written");
        house
    }

    fn folder(&self) -> PathBuf {
        self.parent.path().join("demo")
    }

    fn config(&self) -> PathBuf {
        self.folder().join("frazil.toml")
    }

    fn serve(&self, roles: &'static str) -> Serve {
        Serve::start_roles(&self.config(), &self.parent.path().join("serve.log"), roles)
    }

    /// Moves the event table to a store that takes every question and answers none.
    async fn move_away(&self) {
        let url = format!("sqlite://{}", self.folder().join("catalog.db").display());
        let mut catalog = sqlx::SqliteConnection::connect(&url)
            .await
            .expect("it opens");
        let moved = "UPDATE iceberg_tables SET metadata_location = 's3://away/0.metadata.json' \
                     WHERE table_name = 'events'";
        let moved = catalog.execute(moved).await.expect("moved");
        assert_eq!(moved.rows_affected(), 1);
        catalog.close().await.expect("closed");
    }
}

/// Until something is seen.
fn wait<T>(what: &str, serve: &Serve, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        let log = serve.log_tail();
        assert!(started.elapsed() < PATIENCE, "no {what}:\n{log}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A process whose upkeep waits for a store's answer. The store, which is asked and says nothing,
/// lives as long as what is given with it.
async fn stuck() -> (House, Serve, TcpStream) {
    let store = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = store.local_addr().expect("its address");
    let house = House::new(&format!(
        "[lake.s3]\nendpoint = \"http://{address}\"\npath_style = true\n\
         access_key_id = \"x\"\nsecret_access_key = \"x\"\n"
    ));
    house.move_away().await;
    let serve = house.serve("upkeep");
    let (asked, _) = store.accept().expect("a question");
    (house, serve, asked)
}

#[tokio::test]
async fn what_does_not_stop_is_named_waited_for_and_cut_off() {
    let (_house, mut serve, _store) = stuck().await;
    serve.signal("TERM");
    // While it waits nobody may send it work, and whoever asks is told why.
    let answer = wait("answer", &serve, || {
        serve.ready().filter(|answer| answer.contains("stops, "))
    });
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("stops, waits for upkeep"), "{answer}");
    let status = serve.wait();
    let log = serve.log_tail();
    assert_eq!(status.code(), Some(4), "{log}");
    for said in [
        "SIGTERM",
        "stopping: waits for upkeep",
        "waited_s=3",
        "upkeep did not stop in its time and was cut off",
        "stopping: waits for ops",
    ] {
        assert!(log.contains(said), "{said} is not in\n{log}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let (_house, mut serve, _store) = stuck().await;
    serve.signal("INT");
    wait("drain", &serve, || {
        let log = serve.log_tail();
        log.contains("stopping: waits for upkeep").then_some(())
    });
    serve.signal("INT");
    let status = serve.wait();
    let log = serve.log_tail();
    assert_eq!(status.code(), Some(130), "{log}");
    assert!(log.contains("second signal, ending at once"), "{log}");
    assert!(!log.contains("was cut off"), "{log}");
}

/// With every role; and each line of the log is one JSON object, for programs to read.
#[test]
fn a_clean_stop_ends_with_0_and_logs_can_be_json() {
    let house = House::new("[telemetry]\nformat = \"json\"\n");
    let mut serve = house.serve("sink,jobs,upkeep,wire");
    let ready = wait("readiness", &serve, || {
        serve
            .ready()
            .filter(|answer| answer.starts_with("HTTP/1.1 200"))
    });
    for check in ["catalog", "store", "stream shop", "listener", "schedules"] {
        assert!(ready.contains(&format!("\"{check}\"")), "{check}: {ready}");
    }
    serve.signal("TERM");
    assert_eq!(serve.wait().code(), Some(0), "{}", serve.log_tail());
    let mut messages = Vec::new();
    for line in serve.log().lines() {
        let value: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for key in ["timestamp", "level", "target", "message"] {
            assert!(value[key].is_string(), "{key}: {line}");
        }
        messages.push(value["message"].as_str().expect("a text").to_owned());
    }
    for said in [
        "all services run",
        "stops in order",
        "stopping: waits for wire",
        "stopping: waits for jobs",
        "stopping: waits for sink shop",
        "stopping: waits for upkeep",
    ] {
        let found = messages.iter().any(|message| message.starts_with(said));
        assert!(found, "{said} is not in {messages:#?}");
    }
}

/// A model made through psql has its figures like one of a file.
#[tokio::test(flavor = "multi_thread")]
async fn models_made_through_psql_have_their_metrics() {
    let house = House::new("");
    let serve = house.serve("jobs,wire");
    let address = wait("wire", &serve, || {
        serve.address("the Postgres wire is served")
    });
    let passwords = fs::read_to_string(house.folder().join("passwords")).expect("passwords");
    let line = passwords
        .lines()
        .find_map(|line| line.strip_prefix("admin "));
    let (host, port) = address.rsplit_once(':').expect("an address");
    let mut config = tokio_postgres::Config::new();
    config.host(host).port(port.parse().expect("a port"));
    config
        .user("admin")
        .password(line.expect("a line"))
        .dbname("frazil");
    let (client, connection) = config
        .connect(tokio_postgres::NoTls)
        .await
        .expect("a login");
    tokio::spawn(connection);
    for sql in [
        "CREATE MATERIALIZED VIEW curated.mine AS SELECT count(*) AS n FROM shop.events",
        "REFRESH MATERIALIZED VIEW curated.mine",
    ] {
        client.batch_execute(sql).await.expect(sql);
    }
    for (figure, value) in [
        ("last_run_succeeded", "1"),
        ("last_success_age_seconds", ""),
    ] {
        let start = format!("frazil_jobs_{figure}{{model=\"curated.mine\"}} {value}");
        wait(&start, &serve, || {
            let metrics = serve.get("/metrics")?;
            metrics
                .lines()
                .any(|line| line.starts_with(&start))
                .then_some(())
        });
    }
}
