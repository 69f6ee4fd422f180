//! The decoder: each record is one row or one dead letter (I6); a row exactly where the oracle
//! reads one, with its values and its `_extra`; a dead letter with the record's own bytes; no more
//! memory than the records are worth; nothing left behind.
//!
//! An input is a byte that picks the contract, and records with `\x1e` between them; an empty one
//! with `\x00` is a tombstone.

use std::cell::RefCell;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};
use frazil::declare::dead_letters_schema;
use frazil::declare::stream::Stream;
use frazil::generate::Generator;
use frazil::sink::decode::{Decoded, Decoder};
use frazil::sink::source::{Chunk, RecordSpan, SourceIdentity};
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{Schema, StructType};

use super::Target;
use super::arrow_cells::cell;
use super::contracts::contracts;
use super::oracle;

pub const TARGET: Target = Target {
    name: "decode",
    check,
    seeds,
    words: &[
        "null",
        "true",
        "false",
        "\"",
        "\\",
        "\\u0041",
        "\\ud83d\\ude00",
        "\\ud800",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\u{1e}",
        "\u{feff}",
        "1e400",
        "-0.0",
        "1E+2",
        "18446744073709551616",
        "9223372036854775808",
        "0.005",
        "\"event_id\":",
        "\"timestamp\":",
        "\"type\":",
        "\"user_id\":",
        "\"properties\":",
        "\"amount\":",
        "\"st\":",
        "\"items\":",
        "\"sku\":",
        "\"tags\":",
        "\"marks\":",
        "\"id\":",
        "\"at\":",
        "\"deep\":",
        "\"k1\":",
        "\"k2\":",
        "\"k3\":",
        "\"k4\":",
        "\"aa\":",
        "\"xx\":",
        "\"zz\":",
        "\"u\":",
        "\"bin\":",
        "\"x\":",
        "\"tz\":",
        "\"ts\":",
        "\"date\":",
        "\"time\":",
        "\"m\":",
        "2026-01-02T03:04:05.123456Z",
        "2026-01-02 03:04:60+0530",
        "23:59:59.999999999",
        "2024-02-29",
        "aGk=",
        "0aFF",
        "67e55044-10b1-426f-9247-bb680e5fe0c8",
    ],
};

/// Between two records of an input.
const NEXT: u8 = 0x1e;
const TOMBSTONE: &[u8] = b"\0";
/// Of a payload that is too long, so much is kept.
const OVERSIZED_KEPT_BYTES: usize = 4096;
/// In one cell of the widest contract above no type takes more than this for a byte of JSON
/// (`[[],[],…]` of structs), and a row no more than the other.
const MEMORY_PER_BYTE: usize = 64;
const MEMORY_PER_RECORD: usize = 4096;
const LONGEST_REASON: usize = 16 << 10;

struct Case {
    stream: Stream,
    columns: StructType,
    decoder: Decoder,
}

thread_local! {
    static CASES: RefCell<Vec<Case>> =
        RefCell::new(contracts().into_iter().map(Case::new).collect());
}

pub fn check(data: &[u8]) {
    let Some((pick, records)) = data.split_first() else {
        return;
    };
    CASES.with_borrow_mut(|cases| {
        let count = cases.len();
        let records = records.split(|byte| *byte == NEXT);
        let records = records.map(|record| (record != TOMBSTONE).then_some(record));
        cases[usize::from(*pick) % count].check(&records.collect::<Vec<_>>());
    });
}

/// A contract that was accepted can be decoded by.
pub fn decodes(stream: &Stream) {
    Case::new(stream.clone()).check(&[Some(b"{}"), Some(b"[1"), None]);
}

fn arrow(schema: &Schema) -> SchemaRef {
    schema_to_arrow_schema(schema)
        .expect("a schema that Arrow can hold")
        .into()
}

impl Case {
    fn new(stream: Stream) -> Self {
        let (events, dead) = (arrow(&stream.schema), arrow(&dead_letters_schema()));
        let decoder = Decoder::new(&stream, events, dead).expect("a table made by its contract");
        let fields = stream.schema.as_struct().fields();
        // The sink's own seven come last.
        let columns = fields[..fields.len() - 7].to_vec();
        assert!(
            fields[fields.len() - 7..]
                .iter()
                .all(|field| field.name.starts_with('_'))
        );
        Self {
            columns: StructType::new(columns),
            stream,
            decoder,
        }
    }

    fn check(&mut self, records: &[Option<&[u8]>]) {
        let identity = SourceIdentity {
            cluster_id: "c".into(),
            topic: "t".into(),
            topic_id: "id".into(),
            partitions: 1,
        };
        self.decoder.push(&identity, &chunk(records), 5_000);
        assert_eq!(self.decoder.rows(), records.len(), "rows and dead letters");
        let bytes: usize = records.iter().map(|r| r.map_or(0, <[u8]>::len)).sum();
        let most = bytes * MEMORY_PER_BYTE + records.len() * MEMORY_PER_RECORD;
        let held = self.decoder.memory_bytes();
        assert!(held <= most, "{bytes} bytes of records became {held}");
        let Decoded {
            events,
            dead_letters,
        } = self.decoder.take().expect("what was decoded");
        assert_eq!((self.decoder.rows(), self.decoder.memory_bytes()), (0, 0));

        let (rows, dead) = (offsets(&events), offsets(&dead_letters));
        let mut all = [rows.clone(), dead.clone()].concat();
        all.sort_unstable();
        assert_eq!(
            all,
            (0..records.len()).collect::<Vec<_>>(),
            "each exactly once"
        );
        for (row, offset) in rows.into_iter().enumerate() {
            self.check_row(
                &events,
                row,
                records[offset].expect("no tombstone is a row"),
            );
        }
        for (row, offset) in dead.into_iter().enumerate() {
            self.check_dead_letter(&dead_letters, row, records[offset]);
        }
    }

    fn check_row(&self, events: &RecordBatch, row: usize, payload: &[u8]) {
        let shown = String::from_utf8_lossy(payload);
        let wanted = oracle::read(&self.stream, &self.columns, payload);
        let wanted = wanted.unwrap_or_else(|| panic!("{shown} should be a dead letter"));
        for (field, wanted) in self.columns.fields().iter().zip(&wanted.columns) {
            let column = events
                .column_by_name(&field.name)
                .expect("a column of the contract");
            assert_eq!(&cell(column, row), wanted, "{} of {shown}", field.name);
        }
        let extra = events.column_by_name("_extra").expect("it is there");
        let extra = extra.as_string::<i32>();
        let extra = extra.is_valid(row).then(|| extra.value(row));
        assert_eq!(
            extra,
            wanted.extra.as_deref(),
            "what is undeclared in {shown}"
        );
    }

    fn check_dead_letter(&self, letters: &RecordBatch, row: usize, payload: Option<&[u8]>) {
        let column = |name: &str| {
            letters
                .column_by_name(name)
                .expect("a column of dead letters")
        };
        let reason = column("reason").as_string::<i32>().value(row);
        assert!(
            !reason.is_empty() && reason.len() <= LONGEST_REASON,
            "{reason}"
        );
        let kept = column("payload").as_binary::<i64>();
        let kept = kept.is_valid(row).then(|| kept.value(row));
        let Some(payload) = payload else {
            assert_eq!(kept, None);
            return;
        };
        let oversized = payload.len() as u64 > self.stream.largest_record_bytes;
        let most = if oversized {
            OVERSIZED_KEPT_BYTES
        } else {
            usize::MAX
        };
        assert_eq!(
            kept,
            Some(&payload[..payload.len().min(most)]),
            "its own bytes"
        );
        let row = oracle::read(&self.stream, &self.columns, payload);
        let shown = String::from_utf8_lossy(payload);
        assert!(
            row.is_none(),
            "{shown} should be a row, and is none: {reason}"
        );
    }
}

fn chunk(records: &[Option<&[u8]>]) -> Chunk {
    let mut chunk = Chunk::default();
    for payload in records {
        let start = chunk.bytes.len();
        chunk.bytes.extend_from_slice(payload.unwrap_or_default());
        chunk.records.push(RecordSpan {
            offset: chunk.next_offset,
            timestamp_ms: Some(1_000),
            key: None,
            payload: payload.map(|_| start..chunk.bytes.len()),
        });
        chunk.next_offset += 1;
    }
    chunk
}

fn offsets(batch: &RecordBatch) -> Vec<usize> {
    let column = batch.column_by_name("_offset").expect("it is there");
    let offsets = column.as_primitive::<Int64Type>().values().iter();
    offsets
        .map(|offset| usize::try_from(*offset).expect("small"))
        .collect()
}

/// Which contract it is for, and the records of one input.
type Seed = (u8, &'static [&'static str]);

const ODD: [Seed; 12] = [
    (
        1,
        &[
            r#" {"b":true,"i":-5,"l":9223372036854775807,"f":1.5,"d":-2e3,"m":"1234567890.10","big":0.000000001,
        "date":"2026-11-22","time":"01:02:03.5","ts":"2026-11-22T01:02:03","tz":1764000000000,
        "s":"a\"\u00e9\ud83d\ude00\n","u":"67E55044-10b1-426f-9247-bb680e5fe0c8","x":"0aFF",
        "bin":"aGk","st":{"r":"x","a":7},"items":[{"sku":"k","count":2},{"sku":"l"}],
        "tags":{"1":"one","é":null},"marks":{"1":7,"-2":8}} "#,
            "{}",
        ],
    ),
    (
        1,
        &[
            r#"{"s":"a","s":"b"}"#,
            r#"{"i":2147483648}"#,
            r#"{"l":18446744073709551616}"#,
            r#"{"d":1e400}"#,
        ],
    ),
    (
        1,
        &[
            r#"{"d":NaN}"#,
            r#"{"d":Infinity}"#,
            r#"{"f":1e39}"#,
            r#"{"s":"\ud800"}"#,
            "\u{feff}{}",
            "",
        ],
    ),
    (
        1,
        &[
            r#"{"x1": 1e400 ,"i":1}"#,
            r#"{"items":[{"sku":"a"},{"sku":"b","n":1}],"y":0}"#,
            "\0",
            "null",
        ],
    ),
    (
        1,
        &[
            r#"{"tz":"2026-01-02T03:04:05Z"}"#,
            r#"{"tz":1764000000.25}"#,
            r#"{"tz":1764000000000000000}"#,
            r#"{"tz":-1}"#,
        ],
    ),
    (
        1,
        &[
            r#"{"ts":"2026-01-02 23:59:60.999"}"#,
            r#"{"time":"23:59:60"}"#,
            r#"{"date":19000}"#,
            r#"{"date":"0000-02-29"}"#,
        ],
    ),
    (
        1,
        &[
            r#"{"marks":{"1":2,"1.0":3}}"#,
            r#"{"tags":{"a":"b","a":"c"}}"#,
            r#"{"st":{}}"#,
            r#"{"items":[null]}"#,
        ],
    ),
    (
        2,
        &[
            r#"{"id":1,"at":0,"deep":[{"a":{"x":[1,2],"y":{"67e55044-10b1-426f-9247-bb680e5fe0c8":0.1}},"b":null},null]}"#,
            r#"{"id":1,"at":"2026-01-01T00:00:00+01:30","k1":{"1.5":true,"-2":false},"k2":{"true":"2026-01-01","false":null}}"#,
        ],
    ),
    (
        2,
        &[
            r#"{"id":1,"at":0,"k3":{"2026-01-01T00:00:00Z":"ff"},"k4":{"1e3":["01:02:03"],"-0.0":[]}}"#,
            r#"{"id":1}"#,
        ],
    ),
    (
        3,
        &[
            r#"{"aa":{"xx":1,"y":[{"zz":2,"w":"v"},{"z":3}]},"m":{"k":{"u":1}}}"#,
            r#"{"a":{"x":1},"aa":{"x":2}}"#,
        ],
    ),
    (
        3,
        &[r#"{"a":{"x":1,"n":{"o":1}},"m":{"k":{"v":1,"w":2}},"q":[[[]]]}"#],
    ),
    (
        1,
        &[
            r#"{"n":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}"#,
            r#"{"a":"\u12"}"#,
            r#"{"a":01}"#,
            r#"{"a":1,}"#,
        ],
    ),
];

fn seeds() -> Vec<Vec<u8>> {
    let with = |pick: u8, records: &[&[u8]]| [&[pick][..], &records.join(&NEXT)].concat();
    let mut seeds: Vec<Vec<u8>> = ODD
        .iter()
        .map(|(pick, records)| {
            with(
                *pick,
                &records.iter().map(|r| r.as_bytes()).collect::<Vec<_>>(),
            )
        })
        .collect();
    let known = std::fs::read_to_string(super::root().join("tests/known/shop.records"));
    for line in known.expect("the known records").lines() {
        if let Some((_, record)) = line
            .split_once(' ')
            .filter(|(word, _)| matches!(*word, "event" | "bad"))
        {
            seeds.push(with(0, &[record.as_bytes()]));
        }
    }
    let mut generator = Generator::history(1, 300);
    for _ in 0..300 {
        let mut record = Vec::new();
        generator.next_record(&mut record);
        seeds.push(with(0, &[&record]));
    }
    // One of each length is enough: the others differ in their values only.
    seeds.sort_by_key(Vec::len);
    seeds.dedup_by_key(|seed| (seed[0], seed.len()));
    let deep = |depth: usize| format!("{{\"n\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    seeds.push(with(
        1,
        &[
            deep(127).as_bytes(),
            deep(128).as_bytes(),
            deep(900).as_bytes(),
        ],
    ));
    seeds
}
