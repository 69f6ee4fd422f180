//! SQL has no way out of the lake, not even for those who may write: over the wire, through the
//! library and through `frazil sql`. Whatever is answered, a file with a secret stays unread and no
//! file is made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use frazil::Lakehouse;
use frazil::query::QueryErrorKind;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::wire::fixture::{WRITER, Wire, code, wire_over};

#[path = "../known/refused.rs"]
mod list;

use list::{ALWAYS, WRITES, filled};

const SECRET: &str = "the-secret-of-this-machine";

/// A lakehouse, a file with a secret, and a place for files beside them.
struct House {
    folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let house = Self { folder };
        fs::create_dir(house.lake()).expect("made");
        fs::create_dir(house.outside()).expect("made");
        // An empty file is an empty SQLite database.
        fs::write(house.lake().join("catalog.db"), "").expect("written");
        fs::write(house.secret(), format!("a\n{SECRET}\n")).expect("written");
        house
    }

    fn lake(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    fn secret(&self) -> PathBuf {
        self.outside().join("secret.csv")
    }

    fn list(&self, list: &[&str]) -> Vec<String> {
        let out = self.outside().join("leak.csv");
        filled(list, text(&self.secret()), text(&out))
    }

    async fn open(&self) -> Lakehouse {
        Lakehouse::open(text(&self.lake())).await.expect("it opens")
    }

    /// The lakehouse behind a server, with a table that a writer made. Who keeps the lakehouse keeps
    /// those who carry out statements about models.
    async fn serve(&self) -> (Wire, Lakehouse, Client) {
        let lakehouse = self.open().await;
        let wire = wire_over(lakehouse.engine().clone(), |_| {}).await;
        let writer = wire.client_of(WRITER).await;
        let table = "create schema shop; create table shop.events (a text); \
                     insert into shop.events values ('x')";
        writer.batch_execute(table).await.expect("made");
        (wire, lakehouse, writer)
    }

    /// Nothing was made outside, and the secret is in no file of the lake.
    fn assert_tight(&self) {
        let outside: Vec<PathBuf> = files(&self.outside());
        assert_eq!(outside, [self.secret()]);
        for file in files(&self.lake()) {
            let bytes = fs::read(&file).expect("read");
            let leaked = bytes.windows(SECRET.len()).any(|w| w == SECRET.as_bytes());
            assert!(!leaked, "{} holds the secret", file.display());
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Wrong or not allowed, and never the server's own trouble.
fn is_refusal(code: &str) -> bool {
    matches!(
        code,
        // Not allowed, not supported, no such syntax.
        "42501" | "0A000" | "42601"
        // There is no such relation, function, setting, schema, column, language, option.
        | "42P01" | "42883" | "42704" | "3F000" | "42703" | "22023" | "42602" | "26000"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_on_the_wire_does_not_leave_the_lake() {
    let house = House::new();
    let (wire, _lakehouse, writer) = house.serve().await;
    for sql in house.list(ALWAYS).iter().chain(&house.list(WRITES)) {
        match writer.simple_query(sql).await {
            Ok(answer) => panic!("{sql} was answered with {answer:?}"),
            Err(error) => {
                let code = code(&error);
                assert!(is_refusal(&code), "{sql}: {code} {error:?}");
                assert!(!format!("{error:?}").contains(SECRET), "{sql}: {error:?}");
            }
        }
        // What the extended protocol prepares is held to the same.
        let prepared = match writer.prepare(sql).await {
            Ok(statement) => writer.query(&statement, &[]).await.map(drop),
            Err(error) => Err(error),
        };
        assert!(prepared.is_err(), "{sql} ran once prepared");
    }
    let rows = count(&wire.client().await, "select count(*) from shop.events").await;
    assert_eq!(rows, "1", "the table is as it was");
    let columns = "select count(*) from information_schema.columns where table_schema = 'shop'";
    assert_eq!(
        count(&writer, columns).await,
        "1",
        "nothing came into being"
    );
    house.assert_tight();
}

/// A setting with a dot in its name is the client's own: Postgres keeps it and nobody reads it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_the_engine_below_are_out_of_reach() {
    let house = House::new();
    let (_wire, _lakehouse, writer) = house.serve().await;
    let folder = house.outside();
    for (name, value) in [
        ("datafusion.catalog.location", text(&folder)),
        ("datafusion.catalog.format", "csv"),
        ("datafusion.catalog.has_header", "true"),
        ("datafusion.runtime.temp_directory", text(&folder)),
        ("datafusion.runtime.memory_limit", "1000G"),
        ("datafusion.sql_parser.dialect", "duckdb"),
        ("datafusion.execution.time_zone", "Mars"),
        ("datafusion.execution.batch_size", "0"),
    ] {
        // Kept or refused, either is fine.
        let _ = writer
            .simple_query(&format!("set {name} = '{value}'"))
            .await;
    }
    let sum = "select sum(value) from generate_series(1, 1000) s(value)";
    assert_eq!(count(&writer, sum).await, "500500");
    for sql in house.list(&[
        "SELECT * FROM \"@in\"",
        "SELECT * FROM secret",
        "SELECT * FROM '@in'",
    ]) {
        assert!(writer.simple_query(&sql).await.is_err(), "{sql}");
    }
    house.assert_tight();
}

async fn count(client: &Client, sql: &str) -> String {
    let messages = client.simple_query(sql).await.expect(sql);
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    row.expect("a row").to_owned()
}

/// `Lakehouse` opens its sessions with write access.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_library_does_not_leave_the_lake() {
    let house = House::new();
    drop(house.serve().await);
    let lakehouse = house.open().await;
    for sql in house.list(ALWAYS).iter().chain(&house.list(WRITES)) {
        for outcome in [
            lakehouse.sql(sql).await.map(drop),
            lakehouse.stream(sql).await.map(drop),
        ] {
            let error = outcome.expect_err(sql);
            assert!(
                !matches!(error.kind, QueryErrorKind::Internal),
                "{sql}: {error:?}"
            );
            assert!(!format!("{error:?}").contains(SECRET), "{sql}: {error:?}");
        }
    }
    let batches = lakehouse.sql("SELECT a FROM shop.events").await;
    assert_eq!(batches.expect("rows")[0].num_rows(), 1, "as it was");
    house.assert_tight();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frazil_sql_does_not_leave_the_lake() {
    let house = House::new();
    drop(house.serve().await);
    // One process for each costs a second in a debug build: one of each kind.
    for sql in house.list(&[
        "COPY (SELECT 1) TO '@out'",
        "COPY shop.events FROM PROGRAM 'cat @in'",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '@in'",
        "SELECT * FROM '@in'",
        "SELECT * FROM \"@in\"",
        "SELECT * FROM read_csv('@in')",
        "SELECT pg_read_file('@in')",
        "CREATE TABLE shop.t AS SELECT * FROM \"@in\"",
        "INSERT INTO shop.events SELECT * FROM \"@in\"",
        "LOAD '@in'",
        "SET datafusion.catalog.location = '@in'",
        "CREATE MATERIALIZED VIEW shop.m AS SELECT * FROM \"@in\"",
    ]) {
        let output = Command::new(env!("CARGO_BIN_EXE_frazil"))
            .args(["sql", "--config", text(&house.lake()), &sql])
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{sql}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.starts_with("ERROR:  "), "{sql}: {said}");
        assert!(output.stdout.is_empty(), "{sql}");
        assert!(!said.contains(SECRET), "{sql}: {said}");
    }
    house.assert_tight();
}
