//! `frazil sql` as people and scripts use it: over a bare warehouse folder, every format, SQL from
//! the command line and from stdin.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use frazil::Lakehouse;

use crate::wire::fixture::{WRITER, wire_over};

/// A warehouse's folder with its catalog in it and no configuration.
struct Warehouse {
    folder: tempfile::TempDir,
}

impl Warehouse {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // An empty file is an empty SQLite database.
        std::fs::write(folder.path().join("catalog.db"), "").expect("written");
        let warehouse = Self { folder };
        let lakehouse = Lakehouse::open(warehouse.place()).await.expect("it opens");
        let wire = wire_over(lakehouse.engine().clone(), |_| {}).await;
        let writer = wire.client_of(WRITER).await;
        let table = "create schema s; \
             create table s.t (n bigint, name text, price numeric(10, 2), at timestamptz, ok bool); \
             insert into s.t values \
             (1, 'a \"b\", c', 1.50, '2026-03-01 12:00:00+00', true), (2, null, null, null, null)";
        writer.batch_execute(table).await.expect("made");
        warehouse
    }

    fn place(&self) -> &str {
        self.folder.path().to_str().expect("UTF-8")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_frazil"));
        command
            .args(["sql", "--config", self.place()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// What it prints; it must be done.
    fn shows(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("it runs");
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            errors(&output)
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn with_stdin(&self, arguments: &[&str], text: &str) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(text.as_bytes()).expect("taken");
        drop(stdin);
        child.wait_with_output().expect("it ends")
    }
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const QUERY: &str = "SELECT n, name, price, at, ok FROM s.t ORDER BY n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bare_warehouse_folder_is_read_in_every_format() {
    let warehouse = Warehouse::new().await;
    let json = warehouse.shows(&["--format", "json", QUERY]);
    let rows: serde_json::Value = serde_json::from_str(&json).expect(&json);
    let rows = rows.as_array().expect("one array of objects");
    assert_eq!(rows.len(), 2, "{json}");
    assert_eq!(rows[0]["n"], 1);
    assert_eq!(rows[0]["name"], "a \"b\", c");
    assert_eq!(rows[0]["ok"], true);
    assert!(json.contains("\"price\":1.50,"), "{json}");
    assert!(rows[0]["at"].to_string().contains("2026-03-01"), "{json}");
    for key in ["name", "price", "at", "ok"] {
        assert!(
            rows[1].get(key).is_none_or(serde_json::Value::is_null),
            "{json}"
        );
    }

    let csv = warehouse.shows(&["--format", "csv", QUERY]);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "n,name,price,at,ok");
    assert!(
        lines[1].starts_with("1,\"a \"\"b\"\", c\",1.50,2026-03-01"),
        "{csv}"
    );
    assert_eq!(lines[2], "2,,,,");

    // What nobody asks for is for people: aligned, with a header, each row a line.
    for arguments in [&[QUERY][..], &["--format", "table", QUERY]] {
        let table = warehouse.shows(arguments);
        let lines: Vec<&str> = table.lines().collect();
        let cells = |line: &str| -> Vec<String> {
            line.split('|').map(|cell| cell.trim().to_owned()).collect()
        };
        let bars = |line: &str| -> Vec<usize> { line.match_indices('|').map(|at| at.0).collect() };
        assert_eq!(
            cells(lines[0]),
            ["n", "name", "price", "at", "ok"],
            "{table}"
        );
        assert_eq!(cells(lines[2])[..3], ["1", "a \"b\", c", "1.50"], "{table}");
        assert_eq!(bars(lines[0]), bars(lines[2]), "{table}");
        assert_eq!(lines[4], "(2 rows)");
    }
}

/// Columns are called as on the wire; as keys of JSON no two alike.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_are_called_as_postgres_calls_them() {
    let warehouse = Warehouse::new().await;
    let query = "SELECT count(*), count(name), max(n) + 1, max(Name) AS Most FROM s.t";
    let csv = warehouse.shows(&["--format", "csv", query]);
    assert_eq!(csv.lines().next(), Some("count,count,?column?,most"));
    let json = warehouse.shows(&["--format", "json", query]);
    assert!(
        json.contains("{\"count\":2,\"count_2\":1,\"?column?\":3,"),
        "{json}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stdin_is_read_where_no_sql_is_given() {
    let warehouse = Warehouse::new().await;
    let text = "-- Two statements, over lines.\nSELECT count(*) AS all_rows\nFROM s.t;\n\
                SELECT max(n) AS most FROM s.t\n";
    let output = warehouse.with_stdin(&["--format", "csv"], text);
    assert!(output.status.success(), "{}", errors(&output));
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(shown, "all_rows\n2\nmost\n2\n");

    // The first error ends it, with what came before, its place, and its own exit code.
    let output = warehouse.with_stdin(
        &["--format", "csv"],
        "SELECT 1 AS a;\nSELECT x\nFROM s.t;\nSELECT 2",
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a\n1\n");
    let said = errors(&output);
    assert!(
        said.starts_with("ERROR:  ") && said.contains("LINE 2: SELECT x"),
        "{said}"
    );

    // Nothing to do is done.
    let output = warehouse.with_stdin(&[], " \n-- nothing\n");
    assert!(output.status.success(), "{}", errors(&output));
    assert!(output.stdout.is_empty());
}

#[test]
fn a_place_that_is_no_lakehouse_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().to_str().expect("UTF-8");
    for (config, said) in [
        (place, "it is not a lakehouse"),
        ("/nowhere/at/all", "does not exist"),
        ("s3://bucket/lake", "lake.catalog is missing"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_frazil"))
            .args(["sql", "--config", config, "SELECT 1"])
            .env_remove("FRAZIL__LAKE__CATALOG")
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{config}");
        assert!(
            errors(&output).contains(said),
            "{config}: {}",
            errors(&output)
        );
        assert_eq!(std::fs::read_dir(place).expect("read").count(), 0);
    }
}
