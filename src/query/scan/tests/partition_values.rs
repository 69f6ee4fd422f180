//! Files that lack the columns which they are partitioned by, as an engine's `add_files` brings them
//! into a table: the values stand in the manifests only.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema as ArrowSchema};
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, Literal, PrimitiveLiteral, Struct,
    Transform,
};

use super::deletes::delete_positions_of;
use super::fixture::{Fixture, batch};
use super::schema;
use crate::query::tests::lines;

const PARTS: [(i32, &str, Transform); 2] = [
    (3, "note", Transform::Identity),
    (2, "at", Transform::Identity),
];

/// Rows that have an id and nothing else, in a partition.
async fn file(fixture: &Fixture, rows: &str, partition: &[Option<Literal>]) -> DataFile {
    let id = Field::new("id", DataType::Int32, false);
    let file = fixture
        .foreign_file(batch(Arc::new(ArrowSchema::new(vec![id])), rows))
        .await;
    DataFileBuilder::default()
        .content(DataContentType::Data)
        .file_path(file.file_path().to_owned())
        .file_format(DataFileFormat::Parquet)
        .record_count(file.record_count())
        .file_size_in_bytes(file.file_size_in_bytes())
        .partition_spec_id(0)
        .partition(Struct::from_iter(partition.iter().cloned()))
        .build()
        .expect("complete")
}

fn partition(note: Option<&str>, at_us: i64) -> [Option<Literal>; 2] {
    let at = Literal::Primitive(PrimitiveLiteral::Long(at_us));
    [note.map(Literal::string), Some(at)]
}

async fn table() -> (Fixture, DataFile) {
    let fixture = Fixture::new(schema(), &PARTS).await;
    let first = file(
        &fixture,
        r#"{"id":1} {"id":2}"#,
        &partition(Some("a"), 1_000_000),
    )
    .await;
    let second = file(&fixture, r#"{"id":3}"#, &partition(Some(""), -1)).await;
    let third = file(&fixture, r#"{"id":4}"#, &partition(None, 0)).await;
    fixture.append(vec![first.clone(), second, third]).await;
    let whole = r#"{"id":5,"note":"a","at":"1970-01-01T00:00:01Z"}"#;
    let whole = fixture.file(whole, &partition(Some("a"), 1_000_000)).await;
    fixture.append(vec![whole]).await;
    (fixture, first)
}

#[tokio::test]
async fn the_partitions_value_stands_for_the_column() {
    let (fixture, _) = table().await;
    let session = &fixture.session;
    for (query, expected) in [
        (
            "SELECT id, note, note IS NULL, extract(epoch FROM at)::int8 FROM shop.events ORDER BY id",
            vec![
                "1,a,false,1",
                "2,a,false,1",
                "3,,false,0",
                "4,,true,0",
                "5,a,false,1",
            ],
        ),
        (
            "SELECT id FROM shop.events WHERE note = 'a' ORDER BY id",
            vec!["1", "2", "5"],
        ),
        ("SELECT id FROM shop.events WHERE note IS NULL", vec!["4"]),
        ("SELECT id FROM shop.events WHERE note < 'a'", vec!["3"]),
        (
            "SELECT id FROM shop.events WHERE at < '1970-01-01 00:00:00Z'",
            vec!["3"],
        ),
        (
            "SELECT count(note), min(note), max(note) FROM shop.events",
            vec!["4,,a"],
        ),
        (
            "SELECT note, count(*) FROM shop.events GROUP BY note ORDER BY 2, 1",
            vec![",1", ",1", "a,3"],
        ),
    ] {
        assert_eq!(lines(session, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn beside_deletes_too() {
    let (fixture, first) = table().await;
    let of = partition(Some("a"), 1_000_000);
    delete_positions_of(&fixture, first.file_path(), vec![0], &of).await;
    assert_eq!(
        lines(
            &fixture.session,
            "SELECT id, note FROM shop.events WHERE note = 'a' ORDER BY id"
        )
        .await,
        ["2,a", "5,a"]
    );
}
