//! A lakehouse with one stream, in a folder of its own, its catalog in a Postgres database of its
//! own; and the questions that tests ask it with `frazil sql` and pyiceberg.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::serve::Serve;
use super::topics::{PATIENCE, Topic};
use crate::parts;

/// The stream is called `shop`, its tables `shop.events` and `shop.dead_letters`.
pub const STREAM: &str = r#"
table = "shop.events"
dead_letters = "shop.dead_letters"
format = "json"
largest_record = "64 KiB"
[commit]
interval = "300ms"
[[columns]]
name = "n"
type = "long"
required = true
[[columns]]
name = "text"
type = "string"
"#;

pub struct House {
    folder: tempfile::TempDir,
    /// The catalog's database, reached directly.
    pub catalog: String,
    pub topic: Topic,
    warehouse: String,
}

impl House {
    pub async fn new(topic: &Topic) -> Self {
        let catalog = parts::postgres_database().await;
        Self::on(topic, catalog, "warehouse", None)
    }

    /// Under a prefix of its own in the tests' bucket.
    pub async fn on_s3(topic: &Topic) -> Self {
        let warehouse = format!("s3://{}/{}", parts::s3().bucket, topic.name);
        let catalog = parts::postgres_database().await;
        Self::on(topic, catalog, &warehouse, Some(parts::s3().endpoint))
    }

    /// On this catalog, this folder or S3 URL, and the endpoint of the latter.
    pub fn on(topic: &Topic, catalog: String, warehouse: &str, endpoint: Option<String>) -> Self {
        let house = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            catalog,
            topic: topic.clone(),
            warehouse: warehouse.to_owned(),
        };
        let folder = house.folder.path();
        for name in ["catalog", "sql"] {
            fs::create_dir(folder.join(name)).expect("a folder");
        }
        house.declare(STREAM);
        house.configure("frazil.toml", &house.catalog, endpoint.as_deref());
        house
    }

    /// Writes the stream's contract; a sink reads it when it starts.
    pub fn declare(&self, contract: &str) {
        let topic = &self.topic.name;
        let stream = format!("topic = \"{topic}\"\ngroup_id = \"{topic}\"\n{contract}");
        fs::write(self.file("catalog/shop.toml"), stream).expect("the stream");
    }

    /// Another way to the same lakehouse: through a proxy.
    pub fn configure(&self, name: &str, catalog: &str, endpoint: Option<&str>) {
        let mut config = format!(
            "version = 1\n[lake]\nwarehouse = \"{}\"\ncatalog = \"{catalog}\"\n",
            self.warehouse
        );
        if let Some(endpoint) = endpoint {
            let s3 = parts::s3();
            let _ = write!(
                config,
                "[lake.s3]\nendpoint = \"{}\"\npath_style = true\naccess_key_id = \"{}\"\n\
                 secret_access_key = \"{}\"\n",
                endpoint.trim_end_matches('/'),
                s3.access_key,
                s3.secret_key
            );
        }
        let _ = write!(
            config,
            "[source]\nkind = \"kafka\"\nbrokers = \"{}\"\n\
             [source.kafka]\n\"session.timeout.ms\" = \"3000\"\n\
             \"heartbeat.interval.ms\" = \"500\"\n[ops]\nlisten = \"127.0.0.1:0\"\n",
            self.topic.brokers
        );
        fs::write(self.file(name), config).expect("the configuration");
    }

    /// The folder or URL of all tables.
    pub fn warehouse(&self) -> &str {
        &self.warehouse
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn serve(&self) -> Serve {
        self.serve_with("frazil.toml")
    }

    /// `frazil serve --roles sink` from this configuration.
    pub fn serve_with(&self, config: &str) -> Serve {
        Serve::start(&self.file(config), &self.file("serve.log"))
    }

    /// `frazil stream ACTION… --config FILE`.
    pub fn stream(&self, action: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_frazil"))
            .arg("stream")
            .args(action)
            .arg("--config")
            .arg(self.file("frazil.toml"))
            .output()
            .expect("frazil stream runs")
    }

    /// The same, and it must be done; what it printed.
    pub fn must_stream(&self, action: &[&str]) -> String {
        let output = self.stream(action);
        assert!(output.status.success(), "{action:?}: {}", texts(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Rows of a query as CSV lines, without the header.
    pub fn sql(&self, query: &str) -> Vec<String> {
        let output = self.try_sql(query);
        assert!(output.status.success(), "{query}: {}", texts(&output));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().skip(1).map(str::to_owned).collect()
    }

    fn try_sql(&self, query: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_frazil"))
            .args(["sql", "--format", "csv", "--config"])
            .arg(self.file("frazil.toml"))
            .arg(query)
            .output()
            .expect("frazil sql runs")
    }

    /// What `system.streams` says of the stream as a whole: `state,message`.
    pub fn says(&self) -> String {
        let query = "SELECT state, message FROM system.streams \
                     WHERE stream = 'shop' AND partition = -1";
        self.sql(query).join("\n")
    }

    /// What `system.streams` says of one partition: `state,message`.
    pub fn says_of(&self, partition: i32) -> String {
        self.sql(&format!(
            "SELECT state, message FROM system.streams \
             WHERE stream = 'shop' AND partition = {partition}"
        ))
        .join("\n")
    }

    /// Until the stream is in this state and says this.
    pub fn wait_for(&self, serve: &mut Serve, state: &str, message: &str) {
        self.wait(serve, &format!("{state}: {message}"), || {
            let said = self.says();
            (said.starts_with(&format!("{state},")) && said.contains(message)).then_some(())
        });
    }

    /// Until both tables have this many rows together.
    pub fn wait_for_rows(&self, serve: &mut Serve, rows: i64) {
        self.wait(serve, &format!("{rows} rows"), || {
            (self.rows()? >= rows).then_some(())
        });
        assert_eq!(self.rows(), Some(rows));
    }

    /// Rows of both tables; None while one is missing.
    pub fn rows(&self) -> Option<i64> {
        let query = "SELECT (SELECT count(*) FROM shop.events) + \
                     (SELECT count(*) FROM shop.dead_letters) AS n";
        let output = self.try_sql(query);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().nth(1)?.parse().ok()
    }

    /// Asks again and again, with generous patience, while the process must live.
    pub fn wait<T>(&self, serve: &mut Serve, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            serve.must_live();
            assert!(
                started.elapsed() < PATIENCE,
                "no {what} after {PATIENCE:?}; the stream says {}; {:?} rows; the log's end:\n{}",
                self.says(),
                self.rows(),
                serve.log_tail()
            );
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Over both tables, each partition of the topic as it is now has each offset of `[low, high)`
    /// once, where `lows` says from where (all from 0 if there are none).
    pub fn assert_exactly_once(&self, lows: &[i64]) {
        let query = "SELECT _partition, count(*) AS n, count(DISTINCT _offset) AS d, \
             min(_offset) AS lo, max(_offset) AS hi \
             FROM (SELECT _partition, _offset FROM shop.events UNION ALL \
                   SELECT _partition, _offset FROM shop.dead_letters) AS everything \
             GROUP BY _partition ORDER BY _partition";
        let ends = self.topic.ends();
        let expected: Vec<String> = (0..)
            .zip(ends)
            .filter(|(_, (_, high))| *high > 0)
            .map(|(partition, (_, high))| {
                let low = lows.get(partition).copied().unwrap_or(0);
                let n = high - low;
                format!("{partition},{n},{n},{low},{}", high - 1)
            })
            .collect();
        assert_eq!(
            self.sql(query),
            expected,
            "partition, rows, distinct offsets, first, last"
        );
    }

    /// Until the process says this figure of the stream in `/metrics`.
    pub fn wait_for_figure(&self, serve: &mut Serve, name: &str, value: f64) {
        let started = Instant::now();
        loop {
            let said = serve.figure(name);
            if said.is_some_and(|said| (said - value).abs() < 0.5) {
                return;
            }
            serve.must_live();
            assert!(started.elapsed() < PATIENCE, "{name} is {said:?}");
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Until lag tools see the group at the ends of the topic: its offsets are published after the
    /// commit of the rows.
    pub fn wait_for_group(&self, serve: &mut Serve) {
        let ends = self.topic.ends().into_iter().map(|(_, high)| Some(high));
        let ends: Vec<_> = ends.collect();
        self.wait(serve, &format!("group offsets {ends:?}"), || {
            (self.topic.group_offsets(&self.topic.name) == ends).then_some(())
        });
    }

    /// Each partition's offsets over both tables; a panic when one is there twice.
    pub fn positions(&self) -> BTreeMap<i32, BTreeSet<i64>> {
        let query = "SELECT _partition, _offset FROM shop.events UNION ALL \
                     SELECT _partition, _offset FROM shop.dead_letters";
        let mut found: BTreeMap<i32, BTreeSet<i64>> = BTreeMap::new();
        for row in self.sql(query) {
            let (partition, offset) = row.split_once(',').expect("two columns");
            let partition = partition.parse().expect("a number");
            let offset = offset.parse().expect("a number");
            assert!(
                found.entry(partition).or_default().insert(offset),
                "{row} is there twice"
            );
        }
        found
    }

    /// `partition, rows, distinct offsets, last offset` over both tables in one statement; None
    /// while it can't be had.
    pub fn look(&self) -> Option<Vec<String>> {
        let query = "SELECT _partition, count(*), count(DISTINCT _offset), max(_offset) \
             FROM (SELECT _partition, _offset FROM shop.events UNION ALL \
                   SELECT _partition, _offset FROM shop.dead_letters) AS everything \
             GROUP BY _partition ORDER BY _partition";
        let output = self.try_sql(query);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let rows = || text.lines().skip(1).map(str::to_owned).collect();
        output.status.success().then(rows)
    }

    /// The numbers in the event table, in order.
    pub fn numbers(&self) -> Vec<i64> {
        let rows = self.sql("SELECT n FROM shop.events ORDER BY n");
        rows.iter()
            .map(|row| row.parse().expect("a number"))
            .collect()
    }

    /// A script of `tests/readers` on this lakehouse's catalog; what it printed.
    pub fn python(&self, script: &str, arguments: &[&str]) -> String {
        let uri = self
            .catalog
            .replacen("postgres://", "postgresql+psycopg2://", 1);
        let output = parts::python()
            .arg(parts::tests_file(&format!("readers/{script}")))
            .arg(uri)
            .args(arguments)
            .output()
            .expect("Python runs");
        assert!(
            output.status.success(),
            "{script} {arguments:?}: {}",
            texts(&output)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A statement in the catalog's database.
    pub async fn in_catalog(&self, statement: &str) -> Vec<String> {
        use sqlx::{Connection as _, Row as _};
        let mut connection = sqlx::PgConnection::connect(&self.catalog)
            .await
            .expect("the tests' Postgres answers");
        let rows = sqlx::query(statement)
            .fetch_all(&mut connection)
            .await
            .expect(statement);
        rows.iter().map(|row| row.get(0)).collect()
    }
}

pub fn texts(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
