//! Deletes by writers that merge on read.

use std::sync::Arc;

use arrow::array::{Int32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema as ArrowSchema};
use arrow::record_batch::RecordBatch;
use iceberg::spec::{DataContentType, DataFile, Literal, NestedField, PrimitiveType, Schema, Type};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

use super::fixture::Fixture;
use super::{files_read, schema};
use crate::query::tests::lines;

async fn table() -> (Fixture, DataFile) {
    let fixture = Fixture::new(schema(), &[]).await;
    let rows: Vec<_> = (1..=5)
        .map(|id| format!(r#"{{"id":{id},"note":"n{id}","properties":{{"pages":{id}}}}}"#))
        .collect();
    let first = fixture.file(&rows.join("\n"), &[]).await;
    fixture.append(vec![first.clone()]).await;
    let second = fixture.file(r#"{"id":6,"note":"n6"}"#, &[]).await;
    fixture.append(vec![second]).await;
    (fixture, first)
}

fn with_id(name: &str, kind: DataType, id: i32) -> Field {
    Field::new(name, kind, false)
        .with_metadata([(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())].into())
}

pub(super) async fn delete_positions(fixture: &Fixture, path: &str, positions: Vec<i64>) -> i64 {
    delete_positions_of(fixture, path, positions, &[]).await
}

pub(super) async fn delete_positions_of(
    fixture: &Fixture,
    path: &str,
    positions: Vec<i64>,
    partition: &[Option<Literal>],
) -> i64 {
    // The ids of position deletes are fixed by Iceberg's spec.
    let arrow = Arc::new(ArrowSchema::new(vec![
        with_id("file_path", DataType::Utf8, 2_147_483_546),
        with_id("pos", DataType::Int64, 2_147_483_545),
    ]));
    let paths = StringArray::from(vec![path; positions.len()]);
    let columns: Vec<arrow::array::ArrayRef> =
        vec![Arc::new(paths), Arc::new(Int64Array::from(positions))];
    let batch = RecordBatch::try_new(arrow, columns).expect("fits");
    let schema = Schema::builder()
        .with_fields(vec![
            NestedField::required(
                2_147_483_546,
                "file_path",
                Type::Primitive(PrimitiveType::String),
            )
            .into(),
            NestedField::required(2_147_483_545, "pos", Type::Primitive(PrimitiveType::Long))
                .into(),
        ])
        .build()
        .expect("valid");
    let file = fixture
        .write(
            Arc::new(schema),
            batch,
            DataContentType::PositionDeletes,
            partition,
            None,
        )
        .await;
    fixture.append(vec![file]).await
}

pub(super) async fn delete_ids(fixture: &Fixture, ids: Vec<i32>) -> i64 {
    let arrow = Arc::new(ArrowSchema::new(vec![with_id("id", DataType::Int32, 1)]));
    let batch = RecordBatch::try_new(arrow, vec![Arc::new(Int32Array::from(ids))]).expect("fits");
    let schema = Schema::builder()
        .with_fields(vec![
            NestedField::required(1, "id", Type::Primitive(PrimitiveType::Int)).into(),
        ])
        .build()
        .expect("valid");
    let file = fixture
        .write(
            Arc::new(schema),
            batch,
            DataContentType::EqualityDeletes,
            &[],
            Some(vec![1]),
        )
        .await;
    fixture.append(vec![file]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn position_deletes_are_applied() {
    let (fixture, first) = table().await;
    delete_positions(&fixture, first.file_path(), vec![0, 3]).await;
    let session = &fixture.session;
    assert_eq!(
        lines(session, "SELECT id, note FROM shop.events ORDER BY id").await,
        ["2,n2", "3,n3", "5,n5", "6,n6"]
    );
    assert_eq!(
        lines(
            session,
            "SELECT count(*), min(id), max(id) FROM shop.events"
        )
        .await,
        ["4,2,6"]
    );
    assert_eq!(
        lines(
            session,
            "SELECT properties.pages FROM shop.events WHERE id = 2"
        )
        .await,
        ["2"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn equality_deletes_are_applied_to_older_rows_only() {
    let (fixture, _) = table().await;
    delete_ids(&fixture, vec![2, 6]).await;
    let again = fixture.file(r#"{"id":2,"note":"again"}"#, &[]).await;
    fixture.append(vec![again]).await;
    let session = &fixture.session;
    assert_eq!(
        lines(session, "SELECT id, note FROM shop.events ORDER BY id").await,
        ["1,n1", "2,again", "3,n3", "4,n4", "5,n5"]
    );
    // A column that is not asked for decides which rows are gone.
    assert_eq!(
        lines(session, "SELECT note FROM shop.events WHERE note = 'n6'").await,
        Vec::<String>::new()
    );
    assert_eq!(
        lines(session, "SELECT count(*) FROM shop.events").await,
        ["5"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_deletes_are_read_as_ever_and_the_past_is_whole() {
    let (fixture, first) = table().await;
    delete_positions(&fixture, first.file_path(), vec![0, 1, 2, 3, 4]).await;
    let session = &fixture.session;
    let text = "SELECT id FROM shop.events WHERE id = 6";
    assert_eq!(files_read(session, text).await, 1);
    assert_eq!(lines(session, "SELECT id FROM shop.events").await, ["6"]);
    let then = "SELECT count(*) FROM shop.events VERSION AS OF 1002";
    assert_eq!(lines(session, then).await, ["6"]);
    assert_eq!(
        lines(
            session,
            "SELECT content, count(*) FROM shop.events$files GROUP BY 1 ORDER BY 1"
        )
        .await,
        ["data,2", "position deletes,1"]
    );
}
