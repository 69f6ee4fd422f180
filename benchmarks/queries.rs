//! The queries of a folder (`benchmarks/queries`, with what stands in braces filled in), one after
//! the other, each so many times.
//!
//!     queries frazil|plain LAKEHOUSE TIMES QUERIES
//!
//! `frazil` opens the lakehouse of a folder as `frazil sql` does; `plain` is DataFusion's own
//! listing over the same Parquet files. One line of JSON on stdout: for each query its rows as
//! text, and seconds of CPU and of wall time of each time.

mod cpu;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use frazil::Lakehouse;

enum Side {
    Frazil(Lakehouse),
    Plain(SessionContext),
}

impl Side {
    async fn ask(&self, sql: &str) -> Vec<RecordBatch> {
        match self {
            Self::Frazil(lakehouse) => lakehouse.sql(sql).await.expect("an answer"),
            Self::Plain(context) => {
                let frame = context.sql(sql).await.expect("a plan");
                frame.collect().await.expect("an answer")
            }
        }
    }
}

#[tokio::main]
async fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [side, folder, times, queries] = given.as_slice() else {
        eprintln!("queries frazil|plain LAKEHOUSE TIMES QUERIES");
        std::process::exit(2);
    };
    let times: usize = times.parse().expect("a number");
    let side = match side.as_str() {
        "frazil" => Side::Frazil(Lakehouse::open(folder).await.expect("a lakehouse")),
        "plain" => Side::Plain(plain(folder).await),
        other => panic!("{other}: frazil or plain"),
    };
    let mut files: Vec<_> = std::fs::read_dir(queries)
        .expect("the queries")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    let mut answers = serde_json::Map::new();
    for file in files {
        let sql = std::fs::read_to_string(&file).expect("a query");
        let name = file.file_stem().expect("a name").to_string_lossy();
        let (mut cpu_s, mut wall_s, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..times {
            let (started, spent) = (Instant::now(), cpu::cpu());
            let batches = side.ask(&sql).await;
            cpu_s.push((cpu::cpu() - spent).as_secs_f64());
            wall_s.push(started.elapsed().as_secs_f64());
            rows = texts(&batches);
        }
        let answer = serde_json::json!({"rows": rows, "cpu_s": cpu_s, "wall_s": wall_s});
        answers.insert(name.into_owned(), answer);
    }
    println!("{}", serde_json::Value::Object(answers));
}

async fn plain(folder: &str) -> SessionContext {
    let config = SessionConfig::new().with_create_default_catalog_and_schema(true);
    let context = SessionContext::new_with_config(config);
    let set = context.sql("create schema shop").await;
    set.expect("a plan").collect().await.expect("a schema");
    let data = Path::new(folder).join("warehouse/shop/events/data");
    let options = ParquetReadOptions::default();
    let data = data.to_string_lossy();
    let made = context.register_parquet("shop.events", data, options).await;
    made.expect("Parquet files");
    context
}

/// A row a text, its values between bars.
fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default();
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).expect("has a text"))
            .collect();
        for row in 0..batch.num_rows() {
            let mut text = String::new();
            for column in &columns {
                write!(text, "{}|", column.value(row)).expect("a text takes more");
            }
            rows.push(text);
        }
    }
    rows
}
