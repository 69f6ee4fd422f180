//! The tables that the statements read, the same in both servers.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::catalog::MemTable;
use frazil::query::Engine;

/// In Postgres: the schema `system`, where Frazil has its own tables.
pub const SQL: &str = "
create schema system;
create table system.emp (id int4, name text, dept text, salary numeric(10,2), hired date,
    boss int4, rate float8, active bool, seen timestamp);
insert into system.emp values
    (1, 'Ada', 'it', 3000.00, '2018-01-15', null, 1.5, true, '2020-01-01 10:00:00'),
    (2, 'Bob', 'it', 2000.50, '2019-03-01', 1, 0.75, true, '2019-12-31 23:59:59.5'),
    (3, 'Cleo', 'hr', 1500.00, '2019-07-20', 1, 2.25, false, null),
    (4, 'Dan', 'it', 2500.25, '2020-02-29', 1, null, true, '2021-05-05 05:05:05'),
    (5, 'Eve', null, 1800.00, '2020-11-11', 3, 1.25, null, '2020-06-15 12:30:00'),
    (6, 'Flo', 'hr', 1500.00, '2021-01-31', 3, 3, true, '2022-02-02 00:00:00');
create table system.dept (code text, title text, floor int4, budget int8);
insert into system.dept values ('it', 'Information', 2, 5000000000), ('hr', 'People', 1, 70000),
    ('pr', 'Press', 3, null);
";

/// A column from texts, `-` for NULL.
fn column(kind: &DataType, texts: &[&str]) -> ArrayRef {
    let texts: StringArray = texts
        .iter()
        .map(|text| (*text != "-").then_some(*text))
        .collect();
    cast(&texts, kind).unwrap()
}

fn table(columns: &[(&str, DataType, &[&str])]) -> Arc<MemTable> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, kind, _)| Field::new(*name, kind.clone(), true))
        .collect();
    let arrays = columns
        .iter()
        .map(|(_, kind, texts)| column(kind, texts))
        .collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap())
}

pub fn register(engine: &Engine) {
    let moment = DataType::Timestamp(TimeUnit::Microsecond, None);
    let emp = table(&[
        ("id", DataType::Int32, &["1", "2", "3", "4", "5", "6"]),
        (
            "name",
            DataType::Utf8,
            &["Ada", "Bob", "Cleo", "Dan", "Eve", "Flo"],
        ),
        ("dept", DataType::Utf8, &["it", "it", "hr", "it", "-", "hr"]),
        (
            "salary",
            DataType::Decimal128(10, 2),
            &["3000", "2000.50", "1500", "2500.25", "1800", "1500"],
        ),
        (
            "hired",
            DataType::Date32,
            &[
                "2018-01-15",
                "2019-03-01",
                "2019-07-20",
                "2020-02-29",
                "2020-11-11",
                "2021-01-31",
            ],
        ),
        ("boss", DataType::Int32, &["-", "1", "1", "1", "3", "3"]),
        (
            "rate",
            DataType::Float64,
            &["1.5", "0.75", "2.25", "-", "1.25", "3"],
        ),
        (
            "active",
            DataType::Boolean,
            &["true", "true", "false", "true", "-", "true"],
        ),
        (
            "seen",
            moment,
            &[
                "2020-01-01T10:00:00",
                "2019-12-31T23:59:59.5",
                "-",
                "2021-05-05T05:05:05",
                "2020-06-15T12:30:00",
                "2022-02-02T00:00:00",
            ],
        ),
    ]);
    engine.register_system_table("emp", emp);
    let dept = table(&[
        ("code", DataType::Utf8, &["it", "hr", "pr"]),
        ("title", DataType::Utf8, &["Information", "People", "Press"]),
        ("floor", DataType::Int32, &["2", "1", "3"]),
        ("budget", DataType::Int64, &["5000000000", "70000", "-"]),
    ]);
    engine.register_system_table("dept", dept);
}
