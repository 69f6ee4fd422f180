//! Other engines on our tables: pyiceberg and DuckDB find every row that they are asked for. Both
//! leave out files by their bounds, so bounds that don't hold show here as missing rows.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;

use arrow::array::{Array, Int64Array};
use frazil::Lakehouse;
use frazil::lake::commit::NewTable;
use iceberg::spec::{
    NestedField, PrimitiveType, Schema, SortOrder, StructType, Type, UnboundPartitionSpec,
};

use super::house::House;
use crate::parts;

fn schema() -> Schema {
    let column =
        |id, name: &str, kind| Arc::new(NestedField::optional(id, name, Type::Primitive(kind)));
    let decimal = |precision, scale| PrimitiveType::Decimal { precision, scale };
    let inner = StructType::new(vec![column(21, "path", PrimitiveType::String)]);
    Schema::builder()
        .with_fields(vec![
            Arc::new(NestedField::required(
                1,
                "id",
                Type::Primitive(PrimitiveType::Long),
            )),
            column(2, "note", PrimitiveType::String),
            column(3, "price", decimal(12, 2)),
            column(4, "huge", decimal(38, 10)),
            column(5, "score", PrimitiveType::Double),
            column(6, "rate", PrimitiveType::Float),
            column(7, "small", PrimitiveType::Int),
            column(8, "flag", PrimitiveType::Boolean),
            column(9, "seen_at", PrimitiveType::Timestamptz),
            column(10, "local", PrimitiveType::Timestamp),
            column(11, "day", PrimitiveType::Date),
            Arc::new(NestedField::optional(20, "page", Type::Struct(inner))),
        ])
        .build()
        .unwrap()
}

/// A file each: what is long, what is odd, what is missing.
fn files() -> Vec<Vec<serde_json::Value>> {
    let long = |start: char, length| start.to_string().repeat(length);
    // The greatest character can't be raised when an upper bound is cut after it.
    let greatest = char::MAX;
    let notes = [
        vec![long('x', 70), "x".into(), long('y', 300)],
        vec![
            long(greatest, 40),
            format!("{}a", long('é', 15)),
            String::new(),
        ],
        vec![
            format!("{}{}", long('k', 15), greatest),
            long('k', 16),
            long('k', 17),
        ],
        vec![
            format!("{}\u{d7ff}\u{e000}", long('q', 15)),
            "Ω".into(),
            "🦀".repeat(20),
        ],
    ];
    let mut id = 0;
    let mut rows = |notes: Vec<String>, number: i64| -> Vec<serde_json::Value> {
        let row = |(at, note): (usize, String)| {
            id += 1;
            let shift = number * 3 + i64::try_from(at).unwrap();
            serde_json::json!({
                "id": id,
                "note": note.clone(),
                "price": format!("{}.{:02}", shift * 997 - 5_000, shift),
                "huge": format!("{}1234567890123456789012345.0123456789", if shift % 2 == 0 { "-" } else { "" }),
                "score": (shift as f64 - 5.0) * 123_456_789.75,
                "rate": shift as f64 * -0.5 - 0.25,
                "small": i64::from(i32::MIN) + shift,
                "flag": shift % 3 == 0,
                "seen_at": format!("19{:02}-02-03T04:05:06.{:06}+00:00", 60 + shift, shift),
                "local": format!("20{shift:02}-12-31T23:59:59.999999"),
                "day": format!("18{shift:02}-02-28"),
                "page": {"path": format!("/{note}")},
            })
        };
        notes.into_iter().enumerate().map(row).collect()
    };
    let mut files: Vec<_> = (0..)
        .zip(notes)
        .map(|(number, notes)| rows(notes, number))
        .collect();
    // One where a column has nothing, and one with nothing but nulls.
    files.push(vec![serde_json::json!({"id": 100, "small": 7})]);
    files.push(vec![
        serde_json::json!({"id": 101}),
        serde_json::json!({"id": 102, "note": "z"}),
    ]);
    files
}

/// Each value of each row by equality, and both halves around it.
fn conditions(rows: &[serde_json::Value]) -> Vec<String> {
    let mut conditions = Vec::new();
    for row in rows {
        for (column, value) in row.as_object().unwrap() {
            let literal = match (column.as_str(), value) {
                ("price" | "huge", serde_json::Value::String(number)) => number.clone(),
                (_, serde_json::Value::String(text)) => format!("'{text}'"),
                (_, serde_json::Value::Object(page)) => {
                    let path = page["path"].as_str().unwrap();
                    conditions.push(format!("page.path = '{path}'"));
                    continue;
                }
                ("flag", value) => {
                    conditions.push(format!("flag = {value}"));
                    continue;
                }
                (_, number) => number.to_string(),
            };
            for operator in ["=", "<", ">="] {
                conditions.push(format!("{column} {operator} {literal}"));
            }
        }
    }
    conditions.push("note IS NULL".to_owned());
    conditions.push("small IS NOT NULL".to_owned());
    conditions.sort();
    conditions.dedup();
    conditions
}

async fn count(lakehouse: &Lakehouse, condition: &str) -> i64 {
    let query = format!("SELECT count(*) FROM shop.odd WHERE {condition}");
    let batches = lakehouse
        .sql(&query)
        .await
        .unwrap_or_else(|e| panic!("{query}: {e:?}"));
    let counts = batches[0]
        .column(0)
        .as_any()
        .downcast_ref::<Int64Array>()
        .unwrap();
    counts.value(0)
}

fn others(uri: &str, conditions: &[String]) -> Vec<String> {
    let mut python = parts::python()
        .arg(parts::tests_file("readers/count_where.py"))
        .args([uri, "shop.odd"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Python runs");
    let mut input = python.stdin.take().unwrap();
    let text = conditions.join("\n");
    let writing = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = python.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs pyiceberg and DuckDB: run ./test"]
async fn pyiceberg_and_duckdb_find_every_row_by_its_values() {
    let table = NewTable {
        schema: schema(),
        partition: UnboundPartitionSpec::builder().build(),
        sort_order: SortOrder::unsorted_order(),
        properties: BTreeMap::from([("write.parquet.row-group-size-bytes".into(), "1".into())]),
    };
    let house = House::new("shop.odd", table).await;
    let lakehouse = &house.lakehouse;
    let files = files();
    for rows in &files {
        house.append(rows).await;
    }

    let conditions = conditions(&files.concat());
    assert!(conditions.len() > 300, "{}", conditions.len());
    let found = others(&house.uri(), &conditions);
    assert_eq!(found.len(), conditions.len());
    for (condition, found) in conditions.iter().zip(&found) {
        let ours = count(lakehouse, condition).await;
        assert_eq!(
            format!("{ours}\t{ours}"),
            *found,
            "ours, pyiceberg and DuckDB: {condition}"
        );
    }
    // All agree; and they agree on what was written.
    for row in files.iter().flatten().filter(|row| row["note"].is_string()) {
        let note = row["note"].as_str().unwrap();
        assert_eq!(
            count(lakehouse, &format!("note = '{note}'")).await,
            1,
            "{note}"
        );
    }
}
