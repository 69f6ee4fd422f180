//! JSON lines into Parquet with zstd, on one thread: as the sink does it (its decoder, its writer
//! of data files into a table partitioned by day, with the sink's own columns), or as a plain loop
//! of arrow-json and parquet does (one file, the declared columns only).
//!
//!     decode frazil|arrow FILE OUT     one line of JSON on stdout: what was found in the file
//!
//! `benchmarks/run decode` runs them beside DuckDB and compares what they found.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Decimal128Type, Field, Schema, SchemaRef, TimeUnit};
use frazil::config::Config;
use frazil::declare::stream::Stream;
use frazil::declare::{dead_letters_schema, parse_stream};
use frazil::lake::Lake;
use frazil::lake::commit::{Commit, FileChange, NewTable, TableChange};
use frazil::lake::writer::TableWriter;
use frazil::runtime::open_lake;
use frazil::sink::decode::Decoder;
use frazil::sink::source::{Chunk, RecordSpan, SourceIdentity};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// About what a poll of Kafka brings.
const CHUNK_BYTES: usize = 1 << 20;
/// Decoded rows are handed to the writer when they take so much, as in the sink.
const TAKE_BYTES: usize = 4 << 20;

type Found = (u64, i128);

fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [side, file, out] = given.as_slice() else {
        eprintln!("decode frazil|arrow FILE OUT");
        std::process::exit(2);
    };
    let (file, out) = (Path::new(file), Path::new(out));
    let (rows, cents) = match side.as_str() {
        "frazil" => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(frazil(file, out)),
        "arrow" => plain(file, out),
        other => panic!("{other}: frazil or arrow"),
    };
    println!("{{\"rows\": {rows}, \"cents\": {cents}}}");
}

/// Rows, and the sum of `properties.amount` in hundredths.
fn look(batch: &RecordBatch) -> Found {
    let properties = batch.column_by_name("properties").expect("declared");
    let amounts = properties.as_struct().column_by_name("amount");
    let amounts = amounts.expect("declared").as_primitive::<Decimal128Type>();
    let cents = amounts.iter().flatten().sum();
    (batch.num_rows() as u64, cents)
}

fn plain(file: &Path, out: &Path) -> Found {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let texts = [
        "page",
        "referrer",
        "device",
        "ip",
        "region",
        "session_id",
        "product_id",
        "category",
    ];
    let mut properties: Vec<Field> = texts.into_iter().map(text).collect();
    properties.push(Field::new("amount", DataType::Decimal128(12, 2), true));
    let metadata = vec![text("source"), Field::new("version", DataType::Int32, true)];
    let moment = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        text("event_id"),
        text("type"),
        Field::new("timestamp", moment, false),
        text("correlation_id"),
        text("user_id"),
        Field::new("properties", DataType::Struct(properties.into()), true),
        Field::new("metadata", DataType::Struct(metadata.into()), true),
    ]));
    std::fs::create_dir_all(out).expect("a folder");
    let compression = Compression::ZSTD(ZstdLevel::try_new(1).expect("a level"));
    let written = WriterProperties::builder().set_compression(compression);
    let target = File::create(out.join("all.parquet")).expect("a file");
    let mut writer =
        ArrowWriter::try_new(target, schema.clone(), Some(written.build())).expect("a writer");
    let input = BufReader::with_capacity(CHUNK_BYTES, File::open(file).expect("the input"));
    let reader = arrow::json::ReaderBuilder::new(schema).build(input);
    let mut found = (0, 0);
    for batch in reader.expect("a reader") {
        let batch = batch.expect("readable JSON");
        let (rows, cents) = look(&batch);
        found = (found.0 + rows, found.1 + cents);
        writer.write(&batch).expect("writes");
    }
    writer.close().expect("closes");
    found
}

async fn frazil(file: &Path, out: &Path) -> Found {
    let (lake, stream) = house(out).await;
    let events = create(&lake, &stream).await;
    let mut writer = TableWriter::new(&events).expect("a writer");
    let letters = iceberg::arrow::schema_to_arrow_schema(&dead_letters_schema());
    let letters = Arc::new(letters.expect("a schema"));
    let mut decoder = Decoder::new(&stream, writer.schema(), letters).expect("a decoder");
    let identity = SourceIdentity {
        cluster_id: "benchmark".to_owned(),
        topic: stream.topic.clone(),
        topic_id: "1".to_owned(),
        partitions: 1,
    };
    let input = File::open(file).expect("the input");
    let mut lines = BufReader::with_capacity(CHUNK_BYTES, input);
    let (mut found, mut offset) = ((0, 0), 0);
    while let Some(chunk) = chunk(&mut lines, &mut offset) {
        decoder.push(&identity, &chunk, 0);
        if decoder.memory_bytes() >= TAKE_BYTES {
            hand_over(&mut decoder, &mut writer, &mut found).await;
        }
    }
    hand_over(&mut decoder, &mut writer, &mut found).await;
    writer.finish().await.expect("closes");
    found
}

async fn hand_over(decoder: &mut Decoder, writer: &mut TableWriter, found: &mut Found) {
    let decoded = decoder.take().expect("whole rows");
    assert_eq!(decoded.dead_letters.num_rows(), 0, "the input is clean");
    let (rows, cents) = look(&decoded.events);
    *found = (found.0 + rows, found.1 + cents);
    writer.write(decoded.events).await.expect("writes");
}

/// The next lines, as a poll brings them.
fn chunk(lines: &mut impl BufRead, offset: &mut i64) -> Option<Chunk> {
    let mut chunk = Chunk::default();
    while chunk.bytes.len() < CHUNK_BYTES {
        let from = chunk.bytes.len();
        let read = lines.read_until(b'\n', &mut chunk.bytes).expect("reads");
        if read == 0 {
            break;
        }
        let to = chunk.bytes.len() - usize::from(chunk.bytes.ends_with(b"\n"));
        chunk.records.push(RecordSpan {
            offset: *offset,
            timestamp_ms: Some(1_790_000_000_000 + *offset),
            key: None,
            payload: Some(from..to),
        });
        *offset += 1;
    }
    chunk.next_offset = *offset;
    (!chunk.records.is_empty()).then_some(chunk)
}

async fn house(folder: &Path) -> (Lake, Stream) {
    std::fs::create_dir_all(folder).expect("a folder");
    let file = folder.join("frazil.toml");
    std::fs::write(&file, "version = 1\n[lake]\nwarehouse = \".\"\n").expect("a file");
    let config = Config::load(&file).expect("a configuration");
    let lake = open_lake(&config).await.expect("a new lake");
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../catalog/shop.toml");
    let text = std::fs::read_to_string(&contract).expect("the shipped contract");
    (lake, parse_stream(&contract, text).expect("a contract"))
}

async fn create(lake: &Lake, stream: &Stream) -> frazil::lake::Table {
    let mut change = TableChange::new(stream.table.clone(), FileChange::Nothing);
    change.create = Some(NewTable {
        schema: stream.schema.clone(),
        partition: stream.partition.clone(),
        sort_order: stream.sort_order.clone(),
        properties: std::collections::BTreeMap::new(),
    });
    let commit = Commit {
        id: lake.entropy.uuid(),
        changes: vec![change],
        guards: Vec::new(),
    };
    let committed = lake.commit(&commit).await.expect("a new table");
    committed.tables.into_iter().next().expect("one table")
}
