//! `frazil serve` as a process of its own: its memory while a slow client reads millions of rows,
//! statements that would take all memory, its metrics.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::fixture::code;

const PASSWORD: &str = "reads a lot";
/// What queries of this process may hold.
const MEMORY: &str = "48 MiB";
const MIB: u64 = 1 << 20;

/// A server that is ended with the test.
struct Served {
    child: Child,
    address: String,
    ops: String,
    _folder: tempfile::TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    fn start() -> Self {
        Self::over(tempfile::tempdir().unwrap(), "warehouse = \"warehouse\"")
    }

    /// Over the tables of a demo.
    fn over_events() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let demo = folder.path().join("demo");
        let made = crate::demo::command(&demo, &["--events", "4000", "--exit"]).output();
        crate::demo::summary(&made.unwrap(), &demo);
        let lake = "warehouse = \"demo/warehouse\"\ncatalog = \"sqlite:demo/catalog.db\"";
        Self::over(folder, lake)
    }

    fn over(folder: tempfile::TempDir, lake: &str) -> Self {
        for name in ["catalog", "sql"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let verifier = frazil::wire::scram::make_verifier(PASSWORD, b"salt of the tests", 4096);
        let config = format!(
            "version = 1\n[lake]\n{lake}\n\
             [query]\nmemory = \"{MEMORY}\"\n\
             [ops]\nlisten = \"127.0.0.1:0\"\n\
             [wire]\nlisten = \"127.0.0.1:0\"\n\
             [[wire.users]]\nname = \"ann\"\nverifier = \"{verifier}\"\naccess = \"write\"\n"
        );
        let path = folder.path().join("frazil.toml");
        std::fs::write(&path, config).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_frazil"))
            .args(["serve", "--roles", "wire", "--config"])
            .arg(&path)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (mut address, mut ops) = (None, None);
        for line in lines.by_ref() {
            let line = line.unwrap();
            if let Some(found) = address_in(&line) {
                if line.contains("Postgres wire") {
                    address = Some(found);
                } else {
                    ops = Some(found);
                }
            }
            if address.is_some() && ops.is_some() {
                break;
            }
        }
        // What it still says must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address: address.expect("it says where it serves the wire"),
            ops: ops.expect("it says where it serves metrics"),
            _folder: folder,
        }
    }

    async fn client(&self) -> Client {
        let (host, port) = self.address.rsplit_once(':').unwrap();
        let url = format!("host={host} port={port} user=ann password='{PASSWORD}' dbname=frazil");
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// A line of /proc/<pid>/status, in bytes.
    fn memory(&self, what: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with(what)).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }

    fn metrics(&self) -> String {
        let mut socket = TcpStream::connect(&self.ops).unwrap();
        write!(socket, "GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        text
    }
}

/// `127.0.0.1:5433` within a line of the log, colours or not.
fn address_in(line: &str) -> Option<String> {
    let start = line.find("127.0.0.1:")?;
    let digits = line[start + 10..].chars().take_while(char::is_ascii_digit);
    let port: String = digits.collect();
    (port != "0").then(|| format!("127.0.0.1:{port}"))
}

const ROWS: i64 = 3_000_000;

fn many_rows() -> String {
    format!("select value, md5(value::text) from generate_series(1, {ROWS}) as s(value)")
}

/// Reads all rows and stops now and then, so that the server runs ahead as far as it is let.
struct SlowReader(i64);

impl SlowReader {
    async fn row(&mut self) {
        self.0 += 1;
        if self.0 % (ROWS / 6) == 0 {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}

/// Measured: 10 MiB above an idle server; all rows at once would be 150 MiB and more.
const MOST_GROWTH: u64 = 64 * MIB;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_stream_with_flat_memory() {
    for how in ["simple", "extended", "extended with a row limit"] {
        let served = Served::start();
        let mut client = served.client().await;
        // What every first statement makes and keeps is not what is measured.
        client.simple_query("select md5('x')").await.unwrap();
        let before = served.memory("VmRSS");
        let mut reader = SlowReader(0);
        match how {
            "simple" => {
                let rows = client.simple_query_raw(&many_rows()).await.unwrap();
                let mut rows = std::pin::pin!(rows);
                while let Some(message) = rows.next().await {
                    if let SimpleQueryMessage::Row(_) = message.unwrap() {
                        reader.row().await;
                    }
                }
            }
            "extended" => {
                let rows = client.query_raw(&many_rows(), Vec::<i32>::new()).await;
                let mut rows = std::pin::pin!(rows.unwrap());
                while let Some(row) = rows.next().await {
                    row.unwrap();
                    reader.row().await;
                }
            }
            _ => {
                let transaction = client.transaction().await.unwrap();
                let portal = transaction.bind(&many_rows(), &[]).await.unwrap();
                loop {
                    let rows = transaction.query_portal(&portal, 50_000).await.unwrap();
                    if rows.is_empty() {
                        break;
                    }
                    for _ in rows {
                        reader.row().await;
                    }
                }
            }
        }
        assert_eq!(reader.0, ROWS, "{how}");
        let growth = served.memory("VmHWM").saturating_sub(before);
        println!("{how}: {} MiB above the idle server", growth / MIB);
        assert!(growth < MOST_GROWTH, "{how}: {} MiB", growth / MIB);
    }
}

const TABLE_ROWS: usize = 1_000_000;

/// What is larger than the limit is read, copied and sorted from an Iceberg table.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_copied_with_flat_memory_and_sorted_through_the_disk() {
    let served = Served::start();
    let client = served.client().await;
    let made = format!(
        "create schema big; create table big.lines as select value, md5(value::text) as text \
         from generate_series(1, {TABLE_ROWS}) as s(value)"
    );
    client.batch_execute(&made).await.unwrap();
    let before = served.memory("VmRSS");
    let copied = client.copy_out("copy big.lines to stdout").await.unwrap();
    let mut copied = std::pin::pin!(copied);
    let mut lines = 0;
    while let Some(bytes) = copied.next().await {
        let bytes = bytes.unwrap();
        lines += bytes.iter().filter(|byte| **byte == b'\n').count();
        if lines % (TABLE_ROWS / 6) == 0 {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
    assert_eq!(lines, TABLE_ROWS);
    let growth = served.memory("VmHWM").saturating_sub(before);
    println!("COPY: {} MiB above the server before", growth / MIB);
    assert!(growth < MOST_GROWTH, "{} MiB", growth / MIB);

    let sorted = "select text, value from big.lines order by text";
    let rows = client.query_raw(sorted, Vec::<i32>::new()).await.unwrap();
    let mut rows = std::pin::pin!(rows);
    let (mut count, mut last) = (0, String::new());
    while let Some(row) = rows.next().await {
        let text: String = row.unwrap().get(0);
        assert!(last < text, "{last} before {text}");
        (count, last) = (count + 1, text);
    }
    assert_eq!(count, TABLE_ROWS);
    let explained = client
        .simple_query(&format!("explain analyze {sorted}"))
        .await;
    let plan: String = explained
        .unwrap()
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(|line| format!("{line}\n")),
            _ => None,
        })
        .collect();
    let spilled = plan.split("spill_count=").skip(1);
    assert!(
        spilled.into_iter().any(|rest| !rest.starts_with('0')),
        "{plan}"
    );
}

/// The limit is 48 MiB; on top come batches on their way, second attempts, and what the allocator
/// keeps. Without a limit some of the statements take 70 GiB and more.
const MOST_OVER: u64 = 512 * MIB;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_takes_more_than_the_limit_or_the_process_down() {
    let served = Served::start();
    let client = served.client().await;
    client.simple_query("select md5('x')").await.unwrap();
    let before = served.memory("VmRSS");
    let rows = "(select md5(value::text) || md5((-value)::text) as v, value % 10 as g, value \
                 from generate_series(1, 1000000) as s(value)) t";
    for sql in [
        "select array_agg(v) from {rows}",
        "select g, array_agg(v) from {rows} group by g",
        "select array_agg(v order by value desc) from {rows}",
        "select array_agg(distinct v) from {rows}",
        "select string_agg(v, ',') from {rows}",
        "select g, string_agg(v, ',') from {rows} group by g",
        "select string_agg(v, ',' order by value desc) from {rows}",
        "select count(distinct v), count(distinct value) from {rows}",
        "select sum(distinct value), count(distinct v) from {rows}",
        "select array_agg(value) over () from generate_series(1, 100000) as s(value)",
        "select array_agg(value) over (order by value) from generate_series(1, 100000) as s(value)",
        "select string_agg(value::text, ',') over () from generate_series(1, 100000) as s(value)",
        "select string_agg(v, ',') over (partition by g) from {rows}",
        "select max(repeat(v, 100)) over () from {rows}",
        "select last_value(v) over (order by v rows between unbounded preceding and unbounded \
         following) from {rows}",
    ] {
        let sql = sql.replace("{rows}", rows);
        let Err(error) = client.simple_query(&sql).await else {
            panic!("there is room for {sql}");
        };
        assert_eq!(code(&error), "53200", "{sql}: {error:?}");
        let peak = served.memory("VmHWM").saturating_sub(before);
        println!("{} MiB after {sql}", peak / MIB);
        assert!(peak < MOST_OVER, "{sql}: {} MiB", peak / MIB);
    }
    let row = client.query_one("select 1", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 1);
    let small =
        "select array_agg(value) over (order by value) from generate_series(1, 100) s(value)";
    assert_eq!(client.query(small, &[]).await.unwrap().len(), 100);
    let distinct = "select count(distinct value) over () from generate_series(1, 9) s(value)";
    let error = client.simple_query(distinct).await.unwrap_err();
    assert_eq!(code(&error), "0A000");
}

/// What is promised of a statement that runs.
const PROMPT: Duration = Duration::from_secs(1);
/// A busy machine may be late now and then, and not each time.
const TRIES: usize = 6;

/// How late a cancel and a time-out end the statement.
async fn lateness(client: &Client, sql: &str) -> [Duration; 2] {
    let cancel = client.cancel_token();
    let asked = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let asked = Instant::now();
        cancel.cancel_query(NoTls).await.unwrap();
        asked
    };
    let (result, asked) = tokio::join!(client.simple_query(sql), asked);
    let after_cancel = asked.elapsed();
    assert_eq!(code(&result.unwrap_err()), "57014", "{sql}");
    let set = "set statement_timeout = '500ms'";
    client.simple_query(set).await.unwrap();
    let started = Instant::now();
    let error = client.simple_query(sql).await.unwrap_err();
    let over_time = started.elapsed().saturating_sub(Duration::from_millis(500));
    assert_eq!(code(&error), "57014", "{sql}");
    let reset = "reset statement_timeout";
    client.simple_query(reset).await.unwrap();
    [after_cancel, over_time]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_and_timeout_end_hours_of_computing() {
    let served = Served::over_events();
    let client = served.client().await;
    for sql in [
        "select sum(value * 2) from generate_series(1, 1000000000000) as s(value)",
        "select value % 10, count(*) from generate_series(1, 1000000000000) as s(value) group by 1",
        "select count(*) from generate_series(1, 3000000) as a(x) \
         join generate_series(1, 3000000) as b(y) on x + y < 0",
        "select max(v) from (select md5(value::text) as v \
         from generate_series(1, 1000000000000) as s(value))",
        // Over an Iceberg table: 10^10 pairs and more.
        "select count(*), max(a.event_id) from shop.events a, shop.events b, shop.events c \
         where a.timestamp < b.timestamp and b.timestamp < c.timestamp",
        "select a.type, max(length(b.event_id || c.event_id)) \
         from shop.events a, shop.events b, shop.events c group by 1",
    ] {
        let mut best = [Duration::MAX; 2];
        for _ in 0..TRIES {
            let late = lateness(&client, sql).await;
            best = [best[0].min(late[0]), best[1].min(late[1])];
            if best.iter().all(|late| *late < PROMPT) {
                break;
            }
        }
        println!("cancel {:?}, time-out {:?} late: {sql}", best[0], best[1]);
        assert!(best.iter().all(|late| *late < PROMPT), "{best:?}: {sql}");
    }
    // Nothing goes on in the background: the process comes to rest.
    let sql = "select count(*) from system.queries where state = 'running'";
    let mut running = 0;
    for _ in 0..100 {
        running = client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
        if running <= 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{running} queries still run");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_of_sessions_statements_and_rows() {
    let served = Served::start();
    let client = served.client().await;
    let rows = client
        .query(
            "select value from generate_series(1, 1000) as s(value)",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(rows.len(), 1000);
    client.simple_query("select 1/0").await.unwrap_err();
    client.simple_query("selec").await.unwrap_err();
    client.simple_query("begin; rollback").await.unwrap();
    let url = format!(
        "host=127.0.0.1 port={} user=ann password=wrong dbname=frazil",
        served.address.rsplit_once(':').unwrap().1
    );
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
    let text = served.metrics();
    for line in [
        "frazil_wire_connections 1",
        "frazil_wire_sessions_total 1",
        "frazil_wire_sessions_refused_total{sqlstate=\"28P01\"} 1",
        "frazil_wire_statements_total{kind=\"select\",class=\"00\"} 1",
        "frazil_wire_statements_total{kind=\"select\",class=\"22\"} 1",
        "frazil_wire_statements_total{kind=\"unparsed\",class=\"42\"} 1",
        "frazil_wire_statements_total{kind=\"transaction\",class=\"00\"} 2",
        "frazil_wire_rows_sent_total 1000",
        "frazil_wire_statement_seconds_bucket{le=\"+Inf\"} 5",
        "frazil_wire_statement_seconds_count 5",
    ] {
        assert!(
            text.lines().any(|found| found.starts_with(line)),
            "{line}:\n{text}"
        );
    }
    let bytes = text
        .lines()
        .find_map(|line| line.strip_prefix("frazil_wire_bytes_sent_total "));
    let bytes: f64 = bytes.expect("bytes sent").parse().unwrap();
    assert!(bytes > 10_000.0, "{bytes}");
}
