//! Does the ten-thousandth commit cost more than the first? Appends as the sink makes them (a
//! Parquet file, a move of the ledger) to one table, with upkeep running beside them, on local
//! files and an SQLite catalog.
//!
//!     cargo run --release -p frazil-benchmarks --bin growth -- [--commits N] [--rows N] [--no-upkeep]
//!
//! One line for each tenth: wall and CPU time of a commit, what it wrote of metadata, what a reader
//! finds, and how long a count over the whole table takes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use frazil::config::{Config, UpkeepConfig};
use frazil::domain::{OffsetRange, Position, SourcePartition, TableName};
use frazil::lake::commit::{Commit, FileChange, LedgerMove, NewTable, TableChange};
use frazil::lake::writer::TableWriter;
use frazil::lake::{Lake, Table};
use frazil::runtime::{Lakehouse, open_lake};
use frazil::upkeep;
use iceberg::spec::{
    NestedField, PrimitiveType, Schema, SortOrder, Transform, Type, UnboundPartitionSpec,
};
use tokio_util::sync::CancellationToken;

/// The default interval of upkeep at a commit a second.
const COMMITS_BETWEEN_UPKEEP: u64 = 600;
const DAY_US: i64 = 86_400_000_000;

struct Arguments {
    commits: u64,
    rows: i64,
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
        upkeep: !given.iter().any(|argument| argument == "--no-upkeep"),
    }
}

async fn measure(arguments: Arguments) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("frazil.toml");
    std::fs::write(&file, "version = 1\n[lake]\nwarehouse = \".\"\n").expect("a file");
    let config = Config::load(&file).expect("a configuration");
    open_lake(&config).await.expect("a new lake");
    let lakehouse = Lakehouse::open_config(config).await.expect("opens");
    let lake = lakehouse.lake().clone();
    let name: TableName = "shop.events".parse().expect("a name");
    create(&lake, &name).await;
    println!(
        "commits\twall_ms\tcpu_ms\tmetadata_kB\tsnapshots\tmanifests\tmetadata_files\tcount_ms"
    );
    let tenth = (arguments.commits / 10).max(1);
    let mut stint = Stint::start();
    let mut passes = Vec::new();
    for number in 0..arguments.commits {
        append(&lake, &name, number.cast_signed(), arguments.rows).await;
        if arguments.upkeep && number % COMMITS_BETWEEN_UPKEEP == COMMITS_BETWEEN_UPKEEP - 1 {
            passes.push(tokio::spawn(keep_up(lake.clone())));
        }
        if (number + 1) % tenth == 0 {
            let (wall_ms, cpu_ms) = stint.per_commit(tenth);
            let seen = look(&lakehouse, &name, folder.path()).await;
            println!("{}\t{wall_ms:.2}\t{cpu_ms:.2}\t{seen}", number + 1);
            stint = Stint::start();
        }
    }
    for pass in passes {
        pass.await.expect("a pass of upkeep ends");
    }
    let rows = lakehouse
        .sql("SELECT count(*) AS rows FROM shop.events")
        .await;
    let rows = rows.expect("a count");
    let rows = rows[0].column(0).as_any().downcast_ref::<Int64Array>();
    let expected = arguments.commits.cast_signed() * arguments.rows;
    assert_eq!(
        rows.expect("a number").value(0),
        expected,
        "no row lost, none twice"
    );
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

/// One pass with the default policy; nothing is too young to be deleted, so that all the work is
/// done that a day brings.
async fn keep_up(lake: Lake) {
    const HOUR: Duration = Duration::from_secs(3_600);
    let config = UpkeepConfig {
        interval: HOUR,
        keep_all: HOUR,
        keep_all_snapshots: 500,
        keep_hourly: HOUR * 24,
        keep_daily: HOUR * 24 * 30,
        safety_age: HOUR,
    };
    let options = upkeep::Options::new(&config, "growth");
    upkeep::pass(&lake, &options, |_| false, &CancellationToken::new())
        .await
        .expect("the tables are listed");
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
        .sql("SELECT count(*), max(id) FROM shop.events WHERE page <> ''")
        .await;
    count.expect("a count");
    format!(
        "{:.1}\t{}\t{}\t{}\t{:.1}",
        size.expect("a size").unwrap_or(0) as f64 / 1e3,
        metadata.snapshots().count(),
        manifests.entries().len(),
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

struct Stint {
    wall: Instant,
    cpu_ms: f64,
}

impl Stint {
    fn start() -> Self {
        Self {
            wall: Instant::now(),
            cpu_ms: cpu_ms(),
        }
    }

    fn per_commit(&self, commits: u64) -> (f64, f64) {
        let wall_ms = self.wall.elapsed().as_secs_f64() * 1e3;
        let commits = commits as f64;
        (wall_ms / commits, (cpu_ms() - self.cpu_ms) / commits)
    }
}

/// User and system time of this process, all threads (proc(5), fields 14 and 15, in hundredths).
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = stat.rsplit(") ").next().expect("fields");
    let fields: Vec<&str> = after_name.split(' ').collect();
    let ticks = |field: usize| fields[field].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) * 10.0
}
