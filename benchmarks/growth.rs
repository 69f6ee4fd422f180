//! Does the ten-thousandth commit cost more than the tenth? Appends as the sink makes them (a
//! Parquet file, a move of the ledger) to one table, on local files and an SQLite catalog. For the
//! lake a second passes from commit to commit, and upkeep with its default policy thins each minute
//! and makes a pass every ten; the machine does it all as fast as it can. Nothing is old enough to
//! be deleted, as in a table's first day.
//!
//!     cargo run --release -p frazil-benchmarks --bin growth -- [--commits N] [--rows N] [--pace MS] [--no-upkeep]
//!
//! `--pace`: so many milliseconds between commits, unmeasured. A file system that is made to create
//! and delete thousands of files a second works on the ones just deleted, which no stream does to it.
//!
//! One line for each step: wall and CPU time of a commit, over all commits since the step before
//! (the first two: over the first commits of many tables), what upkeep took since then, spread over
//! those commits, what a reader finds, and how long a count over the whole table takes.

mod cpu;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use frazil::config::Config;
use frazil::domain::{OffsetRange, Position, SourcePartition, TableName};
use frazil::lake::commit::{Commit, FileChange, LedgerMove, NewTable, TableChange};
use frazil::lake::writer::TableWriter;
use frazil::lake::{Lake, Table};
use frazil::runtime::{Lakehouse, open_lake};
use frazil::seams::{Clock, ManualClock, SystemClock};
use frazil::upkeep;
use iceberg::spec::{
    NestedField, PrimitiveType, Schema, SortOrder, Transform, Type, UnboundPartitionSpec,
};
use tokio_util::sync::CancellationToken;

use self::cpu::cpu;

/// The default intervals of upkeep at a commit a second.
const COMMITS_BETWEEN_PASSES: u64 = 600;
const COMMITS_BETWEEN_THINNINGS: u64 = 60;
const DAY_US: i64 = 86_400_000_000;
/// Room for the longest run, at a second a commit.
const LOOK_BACK_MS: i64 = 25_000_000;

struct Arguments {
    commits: u64,
    rows: i64,
    pace: Duration,
    upkeep: bool,
}

fn main() {
    let arguments = arguments();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(measure(arguments));
}

fn arguments() -> Arguments {
    let given: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: u64| {
        let at = given.iter().position(|argument| argument == name);
        at.map_or(default, |at| {
            let text = given.get(at + 1).map_or("", String::as_str);
            text.parse()
                .unwrap_or_else(|_| panic!("{name} takes a number"))
        })
    };
    Arguments {
        commits: number("--commits", 10_000),
        rows: number("--rows", 100).cast_signed(),
        pace: Duration::from_millis(number("--pace", 0)),
        upkeep: !given.iter().any(|argument| argument == "--no-upkeep"),
    }
}

/// Where a line is printed.
const STEPS: [u64; 7] = [10, 100, 1_000, 2_000, 5_000, 10_000, 20_000];
/// So many commits at least are a measure.
const WINDOW: u64 = 200;

async fn measure(arguments: Arguments) {
    println!(
        "commits\twall_ms\tcpu_ms\tuser_ms\tupkeep_cpu_ms\tmetadata_kB\tsnapshots\tmanifests\t\
         metadata_files\tcount_ms"
    );
    for step in [STEPS[0], STEPS[1]] {
        young(&arguments, step).await;
    }
    let house = House::new().await;
    let name: TableName = "shop.events".parse().expect("a name");
    create(&house.lake, &name).await;
    let options = options(&house);
    let steps = STEPS.into_iter().filter(|step| *step <= arguments.commits);
    let mut done = 0;
    for step in steps.skip(2) {
        let (mut commits, mut upkeep) = (Spent::default(), Spent::default());
        while done < step {
            let started = Instantly::now();
            append(&house.lake, &name, done.cast_signed(), arguments.rows).await;
            commits.add(started);
            tokio::time::sleep(arguments.pace).await;
            done += 1;
            house.clock.advance(Duration::from_secs(1));
            if arguments.upkeep && done.is_multiple_of(COMMITS_BETWEEN_THINNINGS) {
                let started = Instantly::now();
                keep_up(&house.lake, &options, done).await;
                upkeep.add(started);
            }
        }
        upkeep.times = commits.times;
        house.print(step, &name, &commits, &upkeep).await;
    }
    house.check(&name, done, arguments.rows).await;
}

/// The first commits of as many tables as give a window.
async fn young(arguments: &Arguments, step: u64) {
    let house = House::new().await;
    let tables = (WINDOW / step).max(1);
    let mut commits = Spent::default();
    let mut last = None;
    for table in 0..=tables {
        let name: TableName = format!("shop.events{table}").parse().expect("a name");
        create(&house.lake, &name).await;
        for number in 0..step {
            let started = Instantly::now();
            append(&house.lake, &name, number.cast_signed(), arguments.rows).await;
            // The first table warms the process up.
            if table > 0 {
                commits.add(started);
            }
            tokio::time::sleep(arguments.pace).await;
        }
        last = Some(name);
    }
    let name = last.expect("one table at least");
    house.print(step, &name, &commits, &Spent::default()).await;
    house.check(&name, step, arguments.rows).await;
}

struct House {
    folder: tempfile::TempDir,
    lakehouse: Lakehouse,
    lake: Lake,
    clock: Arc<ManualClock>,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("frazil.toml");
        std::fs::write(&file, "version = 1\n[lake]\nwarehouse = \".\"\n").expect("a file");
        let config = Config::load(&file).expect("a configuration");
        open_lake(&config).await.expect("a new lake");
        let lakehouse = Lakehouse::open_config(config).await.expect("opens");
        // As if the commits had been made in the hours up to now. A table that is ahead of the
        // machine's clock costs more: iceberg's builder has to be led around it.
        let now_ms = SystemClock::default().now_ms() - LOOK_BACK_MS;
        let clock = Arc::new(ManualClock::at(now_ms));
        let mut lake = lakehouse.lake().clone();
        lake.clock = clock.clone();
        Self {
            folder,
            lakehouse,
            lake,
            clock,
        }
    }

    async fn print(&self, step: u64, name: &TableName, commits: &Spent, passes: &Spent) {
        let [wall, cpu, user] = commits.each_ms();
        let [_, upkeep, _] = passes.each_ms();
        let seen = look(&self.lakehouse, name, self.folder.path()).await;
        println!("{step}\t{wall:.2}\t{cpu:.2}\t{user:.2}\t{upkeep:.2}\t{seen}");
    }

    /// No row lost, none twice.
    async fn check(&self, name: &TableName, commits: u64, rows: i64) {
        let query = format!("SELECT count(*) AS rows FROM {name}");
        let found = self.lakehouse.sql(&query).await.expect("a count");
        let found = found[0].column(0).as_any().downcast_ref::<Int64Array>();
        let expected = commits.cast_signed() * rows;
        assert_eq!(found.expect("a number").value(0), expected);
    }
}

async fn create(lake: &Lake, name: &TableName) {
    let column =
        |id, name: &str, kind| Arc::new(NestedField::optional(id, name, Type::Primitive(kind)));
    let schema = Schema::builder()
        .with_fields(vec![
            column(1, "id", PrimitiveType::Long),
            column(2, "at", PrimitiveType::Timestamp),
            column(3, "page", PrimitiveType::String),
        ])
        .build()
        .expect("a schema");
    let partition = UnboundPartitionSpec::builder()
        .add_partition_field(2, "at_day", Transform::Day)
        .expect("a field")
        .build();
    let mut change = TableChange::new(name.clone(), FileChange::Nothing);
    change.create = Some(NewTable {
        schema,
        partition,
        sort_order: SortOrder::unsorted_order(),
        properties: BTreeMap::new(),
    });
    commit(lake, change).await;
}

async fn commit(lake: &Lake, change: TableChange) -> Table {
    let commit = Commit {
        id: lake.entropy.uuid(),
        changes: vec![change],
        guards: Vec::new(),
    };
    let committed = lake.commit(&commit).await.expect("commits");
    committed.tables.into_iter().next().expect("one table")
}

async fn append(lake: &Lake, name: &TableName, number: i64, rows: i64) {
    let table = lake.table(name).await.expect("the table");
    let mut writer = TableWriter::new(&table).expect("a writer");
    let ids = number * rows..(number + 1) * rows;
    // A day has a thousand commits.
    let at = ids.clone().map(|id| DAY_US * (number / 1_000) + id);
    let pages = ids.clone().map(|id| format!("/product/{}", id % 997));
    let columns: Vec<arrow::array::ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(ids)),
        Arc::new(TimestampMicrosecondArray::from_iter_values(at)),
        Arc::new(StringArray::from_iter_values(pages)),
    ];
    let batch = RecordBatch::try_new(writer.schema(), columns).expect("fits");
    writer.write(batch).await.expect("writes");
    let files = writer.finish().await.expect("closes");
    let mut change = TableChange::new(name.clone(), FileChange::Append(files));
    change.ledger = vec![moved(number, rows)];
    commit(lake, change).await;
}

fn moved(number: i64, rows: i64) -> LedgerMove {
    let (from, to) = (number * rows, (number + 1) * rows);
    LedgerMove {
        source: SourcePartition {
            cluster_id: "growth".to_owned(),
            topic_id: "1".to_owned(),
            partition: 0,
        },
        topic: "shop".to_owned(),
        expected: (number > 0).then_some(Position {
            next: from,
            epoch: 0,
        }),
        to: Position { next: to, epoch: 0 },
        read: Some(OffsetRange { from, to }),
        lost: None,
    }
}

fn options(house: &House) -> upkeep::Options {
    let file = house.folder.path().join("frazil.toml");
    let config = Config::load(&file).expect("a configuration");
    upkeep::Options::new(&config.upkeep, "growth")
}

/// What upkeep does after so many commits.
async fn keep_up(lake: &Lake, options: &upkeep::Options, done: u64) {
    let stop = CancellationToken::new();
    if done.is_multiple_of(COMMITS_BETWEEN_PASSES) {
        let pass = upkeep::pass(lake, options, |_| false, &stop);
        let reports = pass.await.expect("the tables are listed");
        assert!(reports.iter().all(|report| report.error.is_none()));
    } else {
        let thinned = upkeep::thin(lake, options, &stop).await;
        thinned.expect("the tables are listed");
    }
    assert_eq!(options.totals.failures(), 0);
}

/// What a reader finds, as columns of the output.
async fn look(lakehouse: &Lakehouse, name: &TableName, folder: &Path) -> String {
    let table = lakehouse.lake().table(name).await.expect("the table");
    let metadata = table.metadata();
    let snapshot = metadata.current_snapshot().expect("a snapshot");
    let manifests = table.manifest_list(snapshot).await.expect("its manifests");
    let size = lakehouse.lake().store.size(table.metadata_location()).await;
    let counted = Instant::now();
    let count = lakehouse
        .sql(&format!(
            "SELECT count(*), max(id) FROM {name} WHERE page <> ''"
        ))
        .await;
    count.expect("a count");
    format!(
        "{:.1}\t{}\t{}\t{}\t{:.1}",
        size.expect("a size").unwrap_or(0) as f64 / 1e3,
        metadata.snapshots().count(),
        manifests.len(),
        metadata_files(folder),
        counted.elapsed().as_secs_f64() * 1e3,
    )
}

/// Files in folders named `metadata`, of all kinds.
fn metadata_files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let inside = folder.file_name().is_some_and(|name| name == "metadata");
    entries
        .flatten()
        .map(|entry| match entry.path() {
            path if path.is_dir() => metadata_files(&path),
            _ => usize::from(inside),
        })
        .sum()
}

/// A moment, in wall time, in this process's CPU time, and the part of it outside the kernel.
struct Instantly {
    wall: Instant,
    cpu: Duration,
    user: Duration,
}

impl Instantly {
    fn now() -> Self {
        Self {
            wall: Instant::now(),
            cpu: cpu(),
            user: user(),
        }
    }
}

/// Time spent on so many of a thing.
#[derive(Default)]
struct Spent {
    times: u32,
    wall: Duration,
    cpu: Duration,
    user: Duration,
}

impl Spent {
    fn add(&mut self, since: Instantly) {
        self.times += 1;
        self.wall += since.wall.elapsed();
        self.cpu += cpu().saturating_sub(since.cpu);
        self.user += user().saturating_sub(since.user);
    }

    fn each_ms(&self) -> [f64; 3] {
        let each = |spent: Duration| spent.as_secs_f64() * 1e3 / f64::from(self.times.max(1));
        [each(self.wall), each(self.cpu), each(self.user)]
    }
}

/// User time of this process (proc(5), stat, in hundredths of a second: good over many commits).
fn user() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = text.rsplit(") ").next().expect("a name in brackets");
    let ticks = after_name.split(' ').nth(11).and_then(|t| t.parse().ok());
    Duration::from_millis(10 * ticks.unwrap_or(0_u64))
}
