//! The decoder by example, and what its other tests build on.

mod odd;
mod properties;
mod tables;

use std::collections::BTreeMap;
use std::time::Duration;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::json::ArrayWriter;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{
    ListType, MapType, NestedField, PrimitiveType as P, Schema, SortOrder, Type,
    UnboundPartitionSpec,
};
use serde_json::{Value, json};

use super::json::MAX_DEPTH;
use super::*;
use crate::declare::stream::Start;
use crate::sink::source::RecordSpan;

fn field(id: i32, name: &str, kind: impl Into<Type>, required: bool) -> Arc<NestedField> {
    Arc::new(NestedField::new(id, name, kind.into(), required))
}

fn own_columns() -> Vec<Arc<NestedField>> {
    vec![
        field(101, "_topic", P::String, true),
        field(102, "_topic_id", P::String, true),
        field(103, "_partition", P::Int, true),
        field(104, "_offset", P::Long, true),
        field(105, "_timestamp", P::Timestamptz, false),
        field(106, "_key", P::String, false),
        field(107, "_extra", P::String, false),
    ]
}

fn schema(mut columns: Vec<Arc<NestedField>>) -> Schema {
    columns.extend(own_columns());
    Schema::builder().with_fields(columns).build().unwrap()
}

fn stream(schema: Schema) -> Stream {
    Stream {
        name: "shop".into(),
        topic: "shop".into(),
        table: "shop.events".parse().unwrap(),
        dead_letters: "shop.dead_letters".parse().unwrap(),
        schema,
        partition: UnboundPartitionSpec::builder().build(),
        sort_order: SortOrder::unsorted_order(),
        renames: BTreeMap::new(),
        commit_interval: Duration::from_secs(1),
        commit_bytes: 1,
        start: Start::Earliest,
        largest_record_bytes: 100_000,
        group_id: "g".into(),
        kafka: BTreeMap::new(),
        places: Default::default(),
    }
}

fn arrow(schema: &Schema) -> SchemaRef {
    Arc::new(schema_to_arrow_schema(schema).unwrap())
}

fn decoder_on(stream: &Stream, table: &Schema) -> Result<Decoder> {
    Decoder::new(
        stream,
        arrow(table),
        arrow(&crate::declare::dead_letters_schema()),
    )
}

fn decoder(columns: Vec<Arc<NestedField>>) -> Decoder {
    let stream = stream(schema(columns));
    decoder_on(&stream, &stream.schema).unwrap()
}

fn identity() -> SourceIdentity {
    SourceIdentity {
        cluster_id: "c".into(),
        topic: "shop".into(),
        topic_id: "t1".into(),
        partitions: 1,
    }
}

fn chunk<B: AsRef<[u8]>>(payloads: impl IntoIterator<Item = B>) -> Chunk {
    let mut chunk = Chunk {
        partition: 3,
        ..Chunk::default()
    };
    for payload in payloads {
        let start = chunk.bytes.len();
        chunk.bytes.extend_from_slice(payload.as_ref());
        chunk.records.push(RecordSpan {
            offset: chunk.next_offset,
            timestamp_ms: Some(1_000 + chunk.next_offset),
            key: None,
            payload: Some(start..chunk.bytes.len()),
        });
        chunk.next_offset += 1;
    }
    chunk
}

fn decode<B: AsRef<[u8]>>(decoder: &mut Decoder, payloads: impl IntoIterator<Item = B>) -> Decoded {
    decoder.push(&identity(), &chunk(payloads), 5_000);
    decoder.take().unwrap()
}

/// The rows as JSON, for comparing with what is expected.
fn rows(batch: &RecordBatch) -> Vec<Value> {
    // Arrow's JSON writer takes maps with text keys only.
    let mut batch = batch.clone();
    if let Ok(at) = batch.schema().index_of("marks") {
        batch.remove_column(at);
    }
    let mut writer = ArrayWriter::new(Vec::new());
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let bytes = writer.into_inner();
    if bytes.is_empty() {
        return Vec::new();
    }
    serde_json::from_slice(&bytes).unwrap()
}

fn reasons(decoded: &Decoded) -> Vec<String> {
    let column = decoded.dead_letters.column_by_name("reason").unwrap();
    let texts = column.as_string::<i32>().iter();
    texts.map(|text| text.unwrap().to_owned()).collect()
}

/// The reason why the one record is a dead letter.
fn reason(decoder: &mut Decoder, payload: impl AsRef<[u8]>) -> String {
    let decoded = decode(decoder, [payload]);
    assert_eq!(decoded.events.num_rows(), 0);
    reasons(&decoded).remove(0)
}

fn map(id: i32, key: P, value: P) -> Type {
    Type::Map(MapType {
        key_field: field(id, "key", key, true),
        value_field: field(id + 1, "value", value, false),
    })
}

fn every_type() -> Vec<Arc<NestedField>> {
    let item = Type::Struct(StructType::new(vec![
        field(31, "sku", P::String, true),
        field(32, "count", P::Int, false),
    ]));
    vec![
        field(1, "b", P::Boolean, false),
        field(2, "i", P::Int, false),
        field(3, "l", P::Long, false),
        field(4, "f", P::Float, false),
        field(5, "d", P::Double, false),
        field(
            6,
            "m",
            P::Decimal {
                precision: 12,
                scale: 2,
            },
            false,
        ),
        field(7, "date", P::Date, false),
        field(8, "time", P::Time, false),
        field(9, "ts", P::Timestamp, false),
        field(10, "tz", P::Timestamptz, false),
        field(11, "s", P::String, false),
        field(12, "u", P::Uuid, false),
        field(13, "x", P::Fixed(2), false),
        field(14, "bin", P::Binary, false),
        field(
            15,
            "st",
            Type::Struct(StructType::new(vec![
                field(21, "a", P::Long, false),
                field(22, "r", P::String, true),
            ])),
            false,
        ),
        field(
            16,
            "items",
            Type::List(ListType {
                element_field: field(23, "element", item, true),
            }),
            false,
        ),
        field(17, "tags", map(24, P::String, P::String), false),
        field(18, "marks", map(26, P::Int, P::Long), false),
    ]
}

#[test]
fn every_type_round_trips() {
    let payload = r#" {"b":true,"i":-5,"l":9223372036854775807,"f":1.5,"d":-2e3,"m":"1234567890.10",
        "date":"2026-11-22","time":"01:02:03.5","ts":"2026-11-22T01:02:03","tz":1764000000000,
        "s":"a\"\u00e9\ud83d\ude00\n","u":"67E55044-10b1-426f-9247-bb680e5fe0c8","x":"0aFF",
        "bin":"aGk","st":{"r":"x","a":7},"items":[{"sku":"k","count":2},{"sku":"l"}],
        "tags":{"1":"one","é":null},"marks":{"1":7,"-2":null}} "#;
    let decoded = decode(&mut decoder(every_type()), [payload, "{}"]);
    assert_eq!(reasons(&decoded), Vec::<String>::new());
    let wanted = json!({
        "b": true, "i": -5, "l": 9223372036854775807_i64, "f": 1.5, "d": -2000.0,
        "date": "2026-11-22", "time": "01:02:03.500", "ts": "2026-11-22T01:02:03",
        "tz": "2025-11-24T16:00:00Z", "s": "a\"é😀\n",
        "u": "67e5504410b1426f9247bb680e5fe0c8", "x": "0aff", "bin": "6869",
        "st": {"a": 7, "r": "x"}, "items": [{"sku": "k", "count": 2}, {"sku": "l"}],
        "tags": {"1": "one", "é": null},
        "m": 1234567890.10,
        "_topic": "shop", "_topic_id": "t1", "_partition": 3, "_offset": 0,
        "_timestamp": "1970-01-01T00:00:01Z",
    });
    let mut found = rows(&decoded.events);
    // The JSON writer leaves nulls out of maps.
    found[0]["tags"]["é"] = Value::Null;
    assert_eq!(found[0], wanted);
    assert_eq!(found[1]["_offset"], 1);
    assert_eq!(found[1].as_object().unwrap().len(), 5);
    let marks = decoded.events.column_by_name("marks").unwrap().as_map();
    assert_eq!(
        marks.keys().as_primitive::<Int32Type>().values().to_vec(),
        [1, -2]
    );
    assert_eq!(marks.values().as_primitive::<Int64Type>().value(0), 7);
    assert!(marks.values().is_null(1));
    let exact = decoded.events.column_by_name("m").unwrap();
    let exact = exact.as_primitive::<arrow::datatypes::Decimal128Type>();
    assert_eq!(exact.value(0), 123_456_789_010);
}

#[test]
fn what_does_not_fit_is_named() {
    let mut decoder = decoder(every_type());
    for (payload, wanted) in [
        (r#"{"i":2147483648}"#, "i: 2147483648 does not fit an int"),
        (r#"{"i":1.5}"#, "i: 1.5 is not whole"),
        (r#"{"i":"5"}"#, "i: a whole number expected, found a string"),
        (r#"{"l":1e400}"#, "l: 1e400 does not fit a long"),
        (r#"{"d":1e400}"#, "d: 1e400 does not fit a double"),
        (r#"{"f":1e39}"#, "f: 1e39 does not fit a float"),
        (
            r#"{"d":NaN}"#,
            "d: not JSON: a value expected at byte 5, found 'N'",
        ),
        (
            r#"{"m":1.005}"#,
            "m: 1.005 has more than 2 digits behind the point",
        ),
        (
            r#"{"m":10000000000}"#,
            "m: 10000000000 does not fit decimal(12, 2)",
        ),
        (r#"{"s":5}"#, "s: a string expected, found a number"),
        (
            r#"{"s":"\ud800"}"#,
            "s: a lone surrogate in a string, which no UTF-8 text can hold",
        ),
        (r#"{"b":0}"#, "b: a boolean expected, found a number"),
        (r#"{"b":[1]}"#, "b: a boolean expected, found an array"),
        (
            r#"{"date":"2026-02-30"}"#,
            "date: a date YYYY-MM-DD expected, found \"2026-02-30\"",
        ),
        (r#"{"time":5}"#, "time: a time expected, found a number"),
        (
            r#"{"tz":"2026-01-01T00:00:00"}"#,
            "tz: a timestamp with its offset from UTC expected, found \"2026-01-01T00:00:00\"",
        ),
        (
            r#"{"ts":"2026-01-01T00:00:00Z"}"#,
            "ts: a timestamp without an offset expected, found \"2026-01-01T00:00:00Z\"",
        ),
        (
            r#"{"u":"67e5504410b1426f9247bb680e5fe0c"}"#,
            "u: a uuid expected, found \"67e5504410b1426f9247bb680e5fe0c\"",
        ),
        (r#"{"x":"0a"}"#, "x: 4 hex digits expected, found \"0a\""),
        (r#"{"bin":"a"}"#, "bin: base64 expected, found \"a\""),
        (r#"{"st":[]}"#, "st: an object expected, found an array"),
        (r#"{"st":{}}"#, "st.r: required, but missing"),
        (r#"{"st":{"r":null}}"#, "st.r: required, but null"),
        (
            r#"{"items":[{"sku":"a"},null]}"#,
            "items[1]: required, but null",
        ),
        (
            r#"{"items":[{"sku":"a"},{"sku":"b","count":"c"}]}"#,
            "items[1].count: a whole number expected, found a string",
        ),
        (
            r#"{"marks":{"a":1}}"#,
            "marks[\"a\"]: a number expected as the key",
        ),
        (
            r#"{"marks":{"1":2,"1.0":3}}"#,
            "marks[\"1.0\"]: this key stands twice",
        ),
        (r#"{"s":"a","s":"a"}"#, "s: stands twice in one object"),
        (
            r#"{"s":"a"} x"#,
            "not JSON: something follows the object at byte 10",
        ),
        (
            r#"{"s":"a""#,
            "not JSON: ',' or '}' expected, but the payload ends",
        ),
        (r#"[{"s":"a"}]"#, "an object expected, found an array"),
        ("null", "an object expected, found null"),
        ("", "the payload is empty"),
        ("  ", "not JSON: a value expected, but the payload ends"),
        ("\u{feff}{}", "not JSON: it begins with a byte order mark"),
    ] {
        assert_eq!(reason(&mut decoder, payload), wanted, "{payload}");
    }
    assert_eq!(
        reason(&mut decoder, b"{\"s\":\"\xff\"}"),
        "not UTF-8 from byte 6 on"
    );
}

#[test]
fn depth_is_bounded_for_declared_and_undeclared() {
    let mut decoder = decoder(every_type());
    let nested = |depth| format!("{{\"n\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    let within = decode(&mut decoder, [nested(MAX_DEPTH as usize - 1)]);
    assert_eq!(within.events.num_rows(), 1);
    let wanted = format!("nested deeper than 128 at byte {}", 5 + 127);
    assert_eq!(reason(&mut decoder, nested(MAX_DEPTH as usize)), wanted);
    assert!(reason(&mut decoder, nested(40_000)).starts_with("nested deeper"));
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let mut decoder = decoder(every_type());
    let good = r#"{"i":1,"s":"abc","st":{"r":"x"},"items":[{"sku":"k"}],"tags":{"1":"o"},"zz":1}"#;
    let bad = [
        r#"{"i":2,"s":"def","st":{"r":"y"},"items":[{"sku":"l"},{"sku":"m"}],"tags":{"2":"p"},"b":1}"#,
        r#"{"i":2,"s":"def","st":{"a":1,"r":"y"},"items":[{"sku":"l"},{"sku":5}]}"#,
        r#"{"i":2,"tags":{"2":"p","3":"q","3":"r"}}"#,
        r#"{"i":2,"yy":[1,{"a":]}"#,
    ];
    let all = [good, bad[0], good, bad[1], bad[2], good, bad[3], good];
    let decoded = decode(&mut decoder, all);
    let alone = decode(&mut decoder, [good]);
    let without_offsets = |batch: &RecordBatch| {
        let mut rows = rows(batch);
        for row in &mut rows {
            row["_offset"].take();
            row["_timestamp"].take();
        }
        rows
    };
    let one = without_offsets(&alone.events).remove(0);
    assert_eq!(without_offsets(&decoded.events), vec![one; 4]);
    let payloads = decoded.dead_letters.column_by_name("payload").unwrap();
    let payloads = payloads.as_binary::<i64>().iter();
    let kept: Vec<_> = payloads.map(|p| p.unwrap().to_vec()).collect();
    assert_eq!(kept, bad.map(|text| text.as_bytes().to_vec()));
    let offsets = decoded.dead_letters.column_by_name("_offset").unwrap();
    let offsets = offsets.as_primitive::<Int64Type>();
    assert_eq!(offsets.values().to_vec(), [1, 3, 4, 6]);
}

#[test]
fn undeclared_members_are_kept_under_their_path() {
    let mut decoder = decoder(every_type());
    for (payload, wanted) in [
        (r#"{"i":1}"#, None),
        (r#"{"x1": 1e400 ,"i":1}"#, Some(r#"{"x1":1e400}"#)),
        (r#"{"a":1,"a":[ 2]}"#, Some(r#"{"a":1,"a":[ 2]}"#)),
        (
            r#"{"p":null,"st":{"r":"x","q":{"z":1},"w":2},"st2":"\u00e9","_offset":9}"#,
            Some(r#"{"p":null,"st":{"q":{"z":1},"w":2},"st2":"\u00e9","_offset":9}"#),
        ),
        (
            r#"{"items":[{"sku":"a"},{"sku":"b","n":1,"m":2},{"sku":"c","n":3}],"y":0}"#,
            Some(r#"{"items":{"1":{"n":1,"m":2},"2":{"n":3}},"y":0}"#),
        ),
        (r#"{"k\u0065y":1}"#, Some(r#"{"k\u0065y":1}"#)),
    ] {
        let decoded = decode(&mut decoder, [payload]);
        assert_eq!(decoded.events.num_rows(), 1, "{:?}", reasons(&decoded));
        let extra = decoded.events.column_by_name("_extra").unwrap();
        let extra = extra.as_string::<i32>();
        let found = extra.is_valid(0).then(|| extra.value(0));
        assert_eq!(found, wanted, "{payload}");
    }
}

#[test]
fn tombstones_keys_and_oversized_records() {
    let mut decoder = decoder(every_type());
    decoder.largest_record_bytes = 10_000;
    let big = format!("{{\"s\":\"{}\"}}", "a".repeat(10_000));
    let mut chunk = chunk(["{}", big.as_str(), "{}"]);
    chunk.bytes.extend_from_slice(b"key\xff");
    let end = chunk.bytes.len();
    chunk.records[0].key = Some(end - 4..end - 1);
    chunk.records[2].key = Some(end - 4..end);
    chunk.records.push(RecordSpan {
        offset: 3,
        timestamp_ms: None,
        key: None,
        payload: None,
    });
    decoder.push(&identity(), &chunk, 5_000);
    assert_eq!(decoder.rows(), 4);
    assert!(decoder.memory_bytes() > 4_096);
    let decoded = decoder.take().unwrap();
    assert_eq!((decoder.rows(), decoder.memory_bytes()), (0, 0));
    assert_eq!(rows(&decoded.events)[0]["_key"], "key");
    assert_eq!(
        reasons(&decoded),
        [
            "the payload has 10008 bytes, the contract's largest_record is 10000; only its first \
             bytes are kept here",
            "_key: not UTF-8, and the column is text",
            "no payload (a tombstone)",
        ]
    );
    let dead = &decoded.dead_letters;
    let payloads = dead.column_by_name("payload").unwrap();
    let payloads = payloads.as_binary::<i64>();
    assert_eq!(payloads.value(0), &big.as_bytes()[..4_096]);
    assert!(payloads.is_null(2));
    let keys = dead.column_by_name("_key").unwrap();
    assert_eq!(keys.as_binary::<i64>().value(1), b"key\xff");
    let streams = dead.column_by_name("stream").unwrap();
    assert_eq!(streams.as_string::<i32>().value(2), "shop");
    let failed = dead.column_by_name("failed_at").unwrap();
    let failed = failed.as_primitive::<TimestampMicrosecondType>();
    assert_eq!(failed.value(0), 5_000_000);
    assert!(dead.column_by_name("_timestamp").unwrap().is_null(2));
}
