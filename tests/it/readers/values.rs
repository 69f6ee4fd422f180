//! Every type of format 2, partitioned, evolved, overwritten, in fifty snapshots: pyiceberg, DuckDB
//! and Polars read the values that we read, now and as of then, and see the same history.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use frazil::lake::commit::{FileChange, NewTable};
use frazil::lake::schema::evolve;
use iceberg::spec::{
    ListType, MapType, NestedField, NestedFieldRef, PrimitiveType, Schema, SortOrder, StructType,
    Transform, Type, UnboundPartitionSpec,
};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use super::house::House;
use crate::parts;

fn optional(id: i32, name: &str, kind: impl Into<Type>) -> NestedFieldRef {
    Arc::new(NestedField::optional(id, name, kind.into()))
}

fn decimal(precision: u32, scale: u32) -> PrimitiveType {
    PrimitiveType::Decimal { precision, scale }
}

fn list(id: i32, element: impl Into<Type>) -> Type {
    Type::List(ListType::new(Arc::new(NestedField::list_element(
        id,
        element.into(),
        false,
    ))))
}

fn map(id: i32, key: PrimitiveType, value: PrimitiveType) -> Type {
    Type::Map(MapType::new(
        Arc::new(NestedField::map_key_element(id, key.into())),
        Arc::new(NestedField::map_value_element(id + 1, value.into(), false)),
    ))
}

fn schema(fields: Vec<NestedFieldRef>, without: &[&str]) -> Schema {
    let id = Arc::new(NestedField::required(1, "id", PrimitiveType::Long.into()));
    let fields = std::iter::once(id).chain(fields);
    let fields = fields.filter(|field| !without.contains(&field.name.as_str()));
    Schema::builder().with_fields(fields).build().unwrap()
}

fn first(without: &[&str]) -> Schema {
    let page = StructType::new(vec![
        optional(30, "path", PrimitiveType::String),
        optional(31, "hits", PrimitiveType::Int),
    ]);
    let visit = StructType::new(vec![
        optional(40, "name", PrimitiveType::String),
        optional(41, "at", PrimitiveType::Timestamptz),
    ]);
    let fields = vec![
        optional(2, "flag", PrimitiveType::Boolean),
        optional(3, "small", PrimitiveType::Int),
        optional(4, "rate", PrimitiveType::Float),
        optional(5, "score", PrimitiveType::Double),
        optional(6, "price", decimal(9, 2)),
        optional(7, "huge", decimal(38, 9)),
        optional(8, "day", PrimitiveType::Date),
        optional(9, "clock", PrimitiveType::Time),
        optional(10, "local", PrimitiveType::Timestamp),
        optional(11, "seen", PrimitiveType::Timestamptz),
        optional(12, "note", PrimitiveType::String),
        optional(13, "key", PrimitiveType::Uuid),
        optional(14, "code", PrimitiveType::Fixed(4)),
        optional(15, "raw", PrimitiveType::Binary),
        optional(16, "page", Type::Struct(page)),
        optional(17, "tags", list(50, PrimitiveType::String)),
        optional(
            18,
            "sizes",
            map(60, PrimitiveType::String, PrimitiveType::Int),
        ),
        optional(19, "visits", list(70, Type::Struct(visit))),
    ];
    schema(fields, without)
}

/// Widened (small, rate, price, page.hits), renamed (note, page.path), added (extra, page.from).
fn second(without: &[&str]) -> Schema {
    let page = StructType::new(vec![
        optional(30, "url", PrimitiveType::String),
        optional(31, "hits", PrimitiveType::Long),
        optional(32, "from", PrimitiveType::String),
    ]);
    let mut fields: Vec<NestedFieldRef> = first(without).as_struct().fields()[1..].to_vec();
    for (name, kind) in [
        ("small", Type::Primitive(PrimitiveType::Long)),
        ("rate", Type::Primitive(PrimitiveType::Double)),
        ("price", Type::Primitive(decimal(18, 2))),
        ("page", Type::Struct(page)),
    ] {
        let field = fields.iter_mut().find(|field| field.name == name).unwrap();
        *field = optional(field.id, name, kind);
    }
    let note = fields
        .iter_mut()
        .find(|field| field.name == "note")
        .unwrap();
    *note = optional(note.id, "remark", PrimitiveType::String);
    fields.push(optional(20, "extra", list(80, decimal(38, 9))));
    schema(fields, without)
}

fn table(without: &[&str]) -> NewTable {
    let partition = UnboundPartitionSpec::builder()
        .add_partition_field(11, "seen_day", Transform::Day)
        .and_then(|spec| spec.add_partition_field(1, "id_bucket", Transform::Bucket(4)))
        .and_then(|spec| spec.add_partition_field(12, "note_start", Transform::Truncate(2)))
        .and_then(|spec| spec.add_partition_field(2, "flag", Transform::Identity))
        .unwrap();
    NewTable {
        schema: first(without),
        partition: partition.build(),
        sort_order: SortOrder::unsorted_order(),
        properties: BTreeMap::new(),
    }
}

/// What each type holds at its ends, and what is odd.
fn rows(without: &[&str]) -> Vec<Value> {
    let mut rows = vec![
        json!({
            "id": i64::MAX, "flag": true, "small": i32::MAX, "rate": 0.1, "score": 0.1,
            "price": "9999999.99", "huge": "99999999999999999999999999999.999999999",
            "day": "9999-12-31", "clock": "23:59:59.999999",
            "local": "9999-12-31T23:59:59.999999", "seen": "9999-12-31T23:59:59.999999Z",
            "note": "Zoë 🧊 \"quoted\" \\ \n\t'", "key": "ffffffffffffffffffffffffffffffff",
            "code": "ffffffff", "raw": "00ff7f80",
            "page": {"path": "/é", "hits": 7}, "tags": ["a", null, ""], "sizes": {"m": 1, "": null},
            "visits": [{"name": "x", "at": "2026-01-01T00:00:00.000001Z"}, {"name": null, "at": null}],
        }),
        json!({
            "id": i64::MIN, "flag": false, "small": i32::MIN, "rate": -3.4028235e38,
            "score": -1.7976931348623157e308, "price": "-9999999.99",
            "huge": "-99999999999999999999999999999.999999999",
            "day": "0001-01-01", "clock": "00:00:00", "local": "0001-01-01T00:00:00",
            "seen": "0001-01-01T00:00:00Z", "note": "",
            "key": "00000000000000000000000000000000", "code": "00000000", "raw": "",
            "page": {"path": null, "hits": null}, "tags": [], "sizes": {}, "visits": [],
        }),
        json!({"id": 0}),
        json!({
            "id": 1, "rate": "NaN", "score": "NaN", "price": "0.00", "huge": "0.000000001",
            "day": "1969-12-31", "clock": "12:00:00.5", "local": "1969-12-31T23:59:59.999999",
            "seen": "1969-12-31T23:59:59.999999Z", "note": "y".repeat(100_000),
            "page": null, "tags": [null], "visits": [null],
        }),
        json!({"id": 2, "rate": "inf", "score": "-inf", "note": "\u{10ffff}\u{7f}\u{feff}"}),
        json!({"id": 3, "rate": "-inf", "score": "inf", "small": 0, "note": "ab"}),
    ];
    for row in &mut rows {
        let row = row.as_object_mut().unwrap();
        row.retain(|column, _| !without.contains(&column.as_str()));
    }
    rows
}

async fn evolve_table(house: &House, without: &[&str]) {
    let table = house.table().await;
    let renames = [("note", "remark"), ("page.path", "page.url")];
    let renames = renames.map(|(old, new)| (old.to_owned(), new.to_owned()));
    let evolved = evolve(table.metadata(), &second(without), &renames.into()).unwrap();
    let mut change = house.change(FileChange::Nothing);
    change.expected_schema = Some(table.metadata().current_schema_id());
    change.schema = Some(evolved.expect("something new"));
    house.commit(change).await;
}

/// The files that hold this row's id.
async fn files_of(house: &House, id: i64) -> Vec<String> {
    let table = house.table().await;
    let snapshot = table.metadata().current_snapshot().unwrap();
    let mut files = Vec::new();
    for manifest in table.manifest_list(snapshot).await.unwrap().iter() {
        for entry in table.manifest(manifest).await.unwrap().entries() {
            let lower = entry.data_file.lower_bounds().get(&1);
            if entry.is_alive()
                && lower.is_some_and(|bound| *bound == iceberg::spec::Datum::long(id))
            {
                files.push(entry.file_path().to_owned());
            }
        }
    }
    files
}

/// What a script of ours prints of this table.
fn read(house: &House, engine: &str, more: &[String]) -> Vec<String> {
    let mut arguments = vec![engine.to_owned(), house.uri(), house.name.to_string()];
    arguments.extend_from_slice(more);
    run(&arguments)
}

pub fn run(arguments: &[String]) -> Vec<String> {
    let output = parts::python()
        .arg(parts::tests_file("readers/read_values.py"))
        .args(arguments)
        .output()
        .expect("Python runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(str::to_owned).collect()
}

/// Says what is different, and not all that is the same.
fn assert_same(engine: &str, theirs: &[String], ours: &[String]) {
    let cut = |row: &String| row.chars().take(2_000).collect::<String>();
    for (theirs, ours) in theirs.iter().zip(ours) {
        assert!(
            theirs == ours,
            "{engine}:\n{}\nours:\n{}",
            cut(theirs),
            cut(ours)
        );
    }
    assert_eq!(theirs.len(), ours.len(), "{engine}");
}

/// pyiceberg (0.12) reads a list of structs that is null as an empty one.
fn as_pyiceberg_has_it(rows: &[String]) -> Vec<String> {
    let mut rows: Vec<String> = rows
        .iter()
        .map(|row| row.replace("\"visits\": null", "\"visits\": []"))
        .collect();
    rows.sort();
    rows
}

/// What Frazil answers, in the same words.
async fn ours(house: &House, query: &str) -> Vec<String> {
    let batches = house.lakehouse.sql(query).await;
    let batches = batches.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let file = house.file("answer.parquet");
    let out = File::create(&file).unwrap();
    let mut writer = ArrowWriter::try_new(out, batches[0].schema(), None).unwrap();
    for batch in &batches {
        writer.write(batch).unwrap();
    }
    writer.close().unwrap();
    run(&["parquet".to_owned(), file.display().to_string()])
}

/// The table of every type, but for those columns, with fifty snapshots; and an early one's id.
pub async fn fifty_snapshots(without: &[&str]) -> (House, i64) {
    let house = House::new("shop.kinds", table(without)).await;
    let rows = rows(without);
    house.append(&rows[..4]).await;
    let then = house
        .table()
        .await
        .metadata()
        .current_snapshot_id()
        .unwrap();
    house.append(&rows[4..]).await;
    evolve_table(&house, without).await;
    house
        .append(&[json!({
            "id": 10, "flag": true, "small": i64::MAX, "rate": 1e300, "price": "9999999999999999.99",
            "seen": "2026-11-22T12:00:00Z", "remark": "after",
            "page": {"url": "/new", "hits": i64::MIN, "from": "/old"}, "extra": ["0.000000001", null],
        })])
        .await;
    let remove = files_of(&house, 3).await;
    assert_eq!(remove.len(), 1);
    let add = house
        .write(&[json!({"id": 3, "remark": "put right"})])
        .await;
    house
        .commit(house.change(FileChange::Overwrite { add, remove }))
        .await;
    let remove = files_of(&house, 2).await;
    house
        .commit(house.change(FileChange::Delete { remove }))
        .await;
    while house.table().await.metadata().snapshots().len() < 50 {
        let id = house.table().await.metadata().snapshots().len() + 100;
        house
            .append(&[json!({"id": id, "flag": id % 2 == 0, "seen": "2026-11-22T13:00:00Z"})])
            .await;
    }
    (house, then)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs pyiceberg, DuckDB and Polars: run ./test"]
async fn every_type_is_read_with_the_same_values() {
    let (house, then) = fifty_snapshots(&[]).await;
    let now = ours(&house, "SELECT * FROM shop.kinds").await;
    // One was deleted, one put right, one came between; then one for each of 45 snapshots.
    assert_eq!(now.len(), 6 - 1 + 1 + 45);
    let extreme = now
        .iter()
        .find(|row| row.contains("9223372036854775807, \"key\""));
    let extreme = extreme.expect("the row of the largest id");
    for said in [
        r#""huge": "99999999999999999999999999999.999999999""#,
        r#""local": "9999-12-31T23:59:59.999999""#,
        r#""clock": "23:59:59.999999""#,
        r#""rate": "0.10000000149011612", "raw": "00ff7f80""#,
        r#""price": "9999999.99""#,
        r#""tags": ["a", null, ""]"#,
    ] {
        assert!(extreme.contains(said), "{said} in {extreme}");
    }
    compare(&house, &[], &now);
    let before = format!("SELECT * FROM shop.kinds VERSION AS OF {then}");
    let before = ours(&house, &before).await;
    assert_eq!(before.len(), 4);
    compare(&house, &[then.to_string()], &before);
}

fn compare(house: &House, snapshot: &[String], ours: &[String]) {
    for engine in ["duckdb", "polars"] {
        assert_same(engine, &read(house, engine, snapshot), ours);
    }
    let theirs = read(house, "pyiceberg", snapshot);
    assert_same("pyiceberg", &theirs, &as_pyiceberg_has_it(ours));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs pyiceberg: run ./test"]
async fn the_same_history_is_seen() {
    // pyiceberg (0.12) can't show the bounds of a uuid.
    let house = House::new("shop.kinds", table(&["key"])).await;
    for row in rows(&["key"]) {
        house.append(&[row]).await;
    }
    let remove = files_of(&house, 3).await;
    house
        .commit(house.change(FileChange::Delete { remove }))
        .await;
    for (kind, columns) in [
        (
            "snapshots",
            "committed_at, snapshot_id, parent_id, operation, manifest_list",
        ),
        (
            "history",
            "made_current_at, snapshot_id, parent_id, is_current_ancestor",
        ),
        (
            "files",
            "file_path, spec_id, record_count, file_size_in_bytes",
        ),
    ] {
        let query = format!("SELECT {columns} FROM shop.kinds${kind}");
        assert_same(kind, &read(&house, kind, &[]), &ours(&house, &query).await);
    }
}
