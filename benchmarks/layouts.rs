//! Lakes with many files, for the benchmarks of planning and of small files.
//!
//!     layouts days FOLDER FILES
//!     layouts commits FROM FOLDER COMMITS
//!
//! `days` makes FOLDER's `shop.events` of FILES files of a few rows, ten to a day, 33 days to a
//! commit. `commits` writes the rows of FROM's `shop.events`, in the order of their timestamps, into
//! FOLDER's table of the same schema and partitions, in so many commits of as many rows each.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use frazil::Lakehouse;
use frazil::config::Config;
use frazil::domain::TableName;
use frazil::lake::Lake;
use frazil::lake::commit::{Commit, FileChange, NewTable, TableChange};
use frazil::lake::writer::TableWriter;
use frazil::runtime::open_lake;
use iceberg::spec::{
    DataFile, NestedField, PrimitiveType, Schema, SortOrder, Transform, Type, UnboundPartitionSpec,
};

const FILES_OF_A_DAY: i64 = 10;
const DAYS_OF_A_COMMIT: i64 = 33;
const ROWS_OF_A_FILE: i64 = 50;
const DAY_US: i64 = 86_400_000_000;
const TYPES: [&str; 4] = ["page_view", "product_view", "add_to_cart", "purchase"];

#[tokio::main]
async fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    match given.as_slice() {
        ["days", folder, files] => days(folder, number(files)).await,
        ["commits", from, folder, commits] => rewrite(from, folder, number(commits)).await,
        _ => {
            eprintln!("layouts days FOLDER FILES | commits FROM FOLDER COMMITS");
            std::process::exit(2);
        }
    }
}

fn number(text: &str) -> i64 {
    text.parse().expect("a number")
}

fn events() -> TableName {
    "shop.events".parse().expect("a name")
}

async fn new_lake(folder: &str) -> Lake {
    std::fs::create_dir_all(folder).expect("a folder");
    let file = Path::new(folder).join("frazil.toml");
    std::fs::write(&file, "version = 1\n[lake]\nwarehouse = \".\"\n").expect("a file");
    let config = Config::load(&file).expect("a configuration");
    open_lake(&config).await.expect("a new lake")
}

async fn commit(lake: &Lake, files: FileChange, create: Option<NewTable>) {
    let mut change = TableChange::new(events(), files);
    change.create = create;
    let commit = Commit {
        id: lake.entropy.uuid(),
        changes: vec![change],
        guards: Vec::new(),
    };
    lake.commit(&commit).await.expect("commits");
}

async fn days(folder: &str, files: i64) {
    let lake = new_lake(folder).await;
    commit(&lake, FileChange::Nothing, Some(small_table())).await;
    let days = files / FILES_OF_A_DAY;
    let mut first = 0;
    while first < days {
        let until = days.min(first + DAYS_OF_A_COMMIT);
        let mut written = Vec::new();
        for number in 0..FILES_OF_A_DAY {
            written.extend(a_file_each(&lake, first..until, number).await);
        }
        commit(&lake, FileChange::Append(written), None).await;
        first = until;
        eprintln!("  {} files", first * FILES_OF_A_DAY);
    }
}

fn small_table() -> NewTable {
    let column =
        |id, name: &str, kind| Arc::new(NestedField::optional(id, name, Type::Primitive(kind)));
    let schema = Schema::builder()
        .with_fields(vec![
            column(1, "id", PrimitiveType::Long),
            column(2, "timestamp", PrimitiveType::Timestamp),
            column(3, "type", PrimitiveType::String),
            column(4, "amount", PrimitiveType::Double),
        ])
        .build()
        .expect("a schema");
    let partition = UnboundPartitionSpec::builder()
        .add_partition_field(2, "timestamp_day", Transform::Day)
        .expect("a field")
        .build();
    NewTable {
        schema,
        partition,
        sort_order: SortOrder::unsorted_order(),
        properties: BTreeMap::new(),
    }
}

/// One file of each of these days.
async fn a_file_each(lake: &Lake, days: std::ops::Range<i64>, number: i64) -> Vec<DataFile> {
    let table = lake.table(&events()).await.expect("the table");
    let mut writer = TableWriter::new(&table).expect("a writer");
    for day in days {
        let ids =
            (0..ROWS_OF_A_FILE).map(|row| (day * FILES_OF_A_DAY + number) * ROWS_OF_A_FILE + row);
        let within = DAY_US / ROWS_OF_A_FILE;
        let at = (0..ROWS_OF_A_FILE).map(|row| day * DAY_US + row * within + number);
        let types = ids
            .clone()
            .map(|id| TYPES[usize::try_from(id).expect("positive") % 4]);
        let amounts = ids.clone().map(|id| (id % 1_000) as f64 / 8.0);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(ids.clone())),
            Arc::new(TimestampMicrosecondArray::from_iter_values(at)),
            Arc::new(StringArray::from_iter_values(types)),
            Arc::new(Float64Array::from_iter_values(amounts)),
        ];
        let batch = RecordBatch::try_new(writer.schema(), columns).expect("fits");
        writer.write(batch).await.expect("writes");
    }
    writer.finish().await.expect("closes")
}

async fn rewrite(from: &str, folder: &str, commits: i64) {
    let source = Lakehouse::open(from).await.expect("a lakehouse");
    let lake = new_lake(folder).await;
    commit(&lake, FileChange::Nothing, Some(like(&source).await)).await;
    let rows = source.sql("SELECT count(*) FROM shop.events").await;
    let rows = rows.expect("a count")[0]
        .column(0)
        .as_any()
        .downcast_ref::<Int64Array>()
        .expect("a number")
        .value(0);
    let each = usize::try_from(rows / commits + 1).expect("positive");
    let all = "SELECT * FROM shop.events ORDER BY timestamp, _partition, _offset";
    let mut batches = source.stream(all).await.expect("rows");
    let mut waiting = Vec::new();
    let mut held = 0;
    while let Some(batch) = batches.next().await {
        let mut batch = batch.expect("rows");
        while held + batch.num_rows() >= each {
            let take = each - held;
            waiting.push(batch.slice(0, take));
            append(&lake, std::mem::take(&mut waiting)).await;
            batch = batch.slice(take, batch.num_rows() - take);
            held = 0;
        }
        held += batch.num_rows();
        waiting.push(batch);
    }
    append(&lake, waiting).await;
}

/// The source's schema and partitions for a new table.
async fn like(source: &Lakehouse) -> NewTable {
    let table = source.lake().table(&events()).await.expect("the table");
    let metadata = table.metadata();
    NewTable {
        schema: (**metadata.current_schema()).clone(),
        partition: (**metadata.default_partition_spec()).clone().into_unbound(),
        sort_order: (**metadata.default_sort_order()).clone(),
        properties: BTreeMap::new(),
    }
}

async fn append(lake: &Lake, batches: Vec<RecordBatch>) {
    let table = lake.table(&events()).await.expect("the table");
    let mut writer = TableWriter::new(&table).expect("a writer");
    for batch in batches {
        if batch.num_rows() > 0 {
            writer.write(batch).await.expect("writes");
        }
    }
    let files = writer.finish().await.expect("closes");
    if !files.is_empty() {
        commit(lake, FileChange::Append(files), None).await;
    }
}
