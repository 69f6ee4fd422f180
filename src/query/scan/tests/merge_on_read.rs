//! Rows deleted by others, on tables that changed since: as any engine may leave them.

use std::sync::Arc;

use iceberg::spec::{
    DataContentType, DataFileBuilder, DataFileFormat, Literal, NestedField, PrimitiveType, Schema,
    StructType, Transform, Type,
};

use super::deletes::{delete_ids, delete_positions, delete_positions_of};
use super::evolution::{OLD, evolved};
use super::fixture::{Fixture, batch, without_ids};
use super::schema;
use crate::query::QueryErrorKind;
use crate::query::tests::{failure, lines};

/// A field of the fixture's schema and no other.
fn only(field: NestedField) -> Schema {
    let fields = vec![field.into()];
    Schema::builder()
        .with_fields(fields)
        .build()
        .expect("valid")
}

fn note() -> Schema {
    only(NestedField::optional(
        3,
        "note",
        Type::Primitive(PrimitiveType::String),
    ))
}

fn pages() -> Schema {
    let pages = NestedField::optional(7, "pages", Type::Primitive(PrimitiveType::Int));
    let properties = StructType::new(vec![pages.into()]);
    only(NestedField::optional(
        4,
        "properties",
        Type::Struct(properties),
    ))
}

/// Deletes the rows that are equal to one of these in the fields of these ids.
async fn delete_equal(fixture: &Fixture, columns: Schema, rows: &str, ids: &[i32]) {
    let arrow = iceberg::arrow::schema_to_arrow_schema(&columns).expect("converts");
    let rows = batch(Arc::new(arrow), rows);
    let content = DataContentType::EqualityDeletes;
    let file = fixture
        .write(Arc::new(columns), rows, content, &[], Some(ids.to_vec()))
        .await;
    fixture.append(vec![file]).await;
}

async fn of_rows(rows: &str) -> Fixture {
    let fixture = Fixture::new(schema(), &[]).await;
    let file = fixture.file(rows, &[]).await;
    fixture.append(vec![file]).await;
    fixture
}

const NOTES: &str = r#"{"id":1,"note":"a"}
    {"id":2}
    {"id":3,"note":""}
    {"id":4,"note":"b","properties":{"pages":1}}
    {"id":5,"note":"c","properties":{}}"#;

async fn ids(fixture: &Fixture) -> Vec<String> {
    lines(&fixture.session, "SELECT id FROM shop.events ORDER BY id").await
}

#[tokio::test]
async fn a_null_is_kept_by_deletes_of_values_and_goes_by_that_of_null() {
    let fixture = of_rows(NOTES).await;
    delete_equal(
        &fixture,
        note(),
        r#"{"note":"a"} {"note":"never there"}"#,
        &[3],
    )
    .await;
    assert_eq!(ids(&fixture).await, ["2", "3", "4", "5"]);
    delete_equal(&fixture, note(), r#"{"note":null}"#, &[3]).await;
    assert_eq!(ids(&fixture).await, ["3", "4", "5"]);
    assert_eq!(
        lines(
            &fixture.session,
            "SELECT count(*), count(note), min(id) FROM shop.events"
        )
        .await,
        ["3,3,3"]
    );
}

#[tokio::test]
async fn a_field_of_a_struct_decides_and_that_of_a_null_struct_is_null() {
    let fixture = of_rows(NOTES).await;
    delete_equal(&fixture, pages(), r#"{"properties":{"pages":1}}"#, &[7]).await;
    assert_eq!(ids(&fixture).await, ["1", "2", "3", "5"]);
    delete_equal(&fixture, pages(), r#"{"properties":null}"#, &[7]).await;
    assert_eq!(ids(&fixture).await, Vec::<String>::new());
}

#[tokio::test]
async fn several_columns_are_one_key_and_sets_of_columns_add_up() {
    let fixture = of_rows(NOTES).await;
    let both = Schema::builder()
        .with_fields(vec![
            NestedField::required(1, "id", Type::Primitive(PrimitiveType::Int)).into(),
            NestedField::optional(3, "note", Type::Primitive(PrimitiveType::String)).into(),
        ])
        .build()
        .expect("valid");
    let rows = r#"{"id":1,"note":"b"} {"id":2,"note":null} {"id":4,"note":"b"}"#;
    delete_equal(&fixture, both, rows, &[1, 3]).await;
    delete_ids(&fixture, vec![5]).await;
    assert_eq!(ids(&fixture).await, ["1", "3"]);
}

#[tokio::test]
async fn deletes_hold_on_columns_that_changed_since() {
    let fixture = of_rows(NOTES).await;
    // By an int that is a long now, and by a text that has another name.
    delete_ids(&fixture, vec![1]).await;
    delete_equal(&fixture, note(), r#"{"note":"b"}"#, &[3]).await;
    fixture.set_schema(evolved()).await;
    assert_eq!(ids(&fixture).await, ["2", "3", "5"]);
    // By a column that older files lack: it is null there.
    let extra = || {
        only(NestedField::optional(
            8,
            "extra",
            Type::Primitive(PrimitiveType::Date),
        ))
    };
    delete_equal(&fixture, extra(), r#"{"extra":"2026-01-01"}"#, &[8]).await;
    assert_eq!(ids(&fixture).await, ["2", "3", "5"]);
    delete_equal(&fixture, extra(), r#"{"extra":null}"#, &[8]).await;
    assert_eq!(ids(&fixture).await, Vec::<String>::new());
}

#[tokio::test]
async fn deletes_by_a_column_that_was_dropped_hold() {
    let fixture = of_rows(
        r#"{"id":1,"at":"2026-01-01T00:00:00Z","properties":{"amount":"1.50"}}
        {"id":2,"at":"2026-01-02T00:00:00Z","properties":{"amount":"2.50"}}
        {"id":3}"#,
    )
    .await;
    let at = only(NestedField::optional(
        2,
        "at",
        Type::Primitive(PrimitiveType::Timestamptz),
    ));
    delete_equal(&fixture, at, r#"{"at":"2026-01-01T00:00:00Z"}"#, &[2]).await;
    fixture.set_schema(evolved()).await;
    assert_eq!(ids(&fixture).await, ["2", "3"]);
    let amount = NestedField::optional(
        6,
        "amount",
        Type::Primitive(PrimitiveType::Decimal {
            precision: 12,
            scale: 2,
        }),
    );
    let properties = Type::Struct(StructType::new(vec![amount.into()]));
    let amount = only(NestedField::optional(4, "properties", properties));
    delete_equal(
        &fixture,
        amount,
        r#"{"properties":{"amount":"2.50"}}"#,
        &[6],
    )
    .await;
    assert_eq!(
        lines(&fixture.session, "SELECT id, properties FROM shop.events").await,
        ["3,"]
    );
}

#[tokio::test]
async fn structs_that_evolved_are_read_beside_position_deletes() {
    let fixture = Fixture::new(schema(), &[]).await;
    let file = fixture.file(&format!("{OLD}\n{{\"id\":2}}"), &[]).await;
    let path = file.file_path().to_owned();
    fixture.append(vec![file]).await;
    fixture.set_schema(evolved()).await;
    delete_positions(&fixture, &path, vec![1]).await;
    assert_eq!(
        lines(&fixture.session, "SELECT * FROM shop.events").await,
        ["old,1,{device: , kind: apple, pages: 7},"]
    );
    assert_eq!(
        lines(
            &fixture.session,
            "SELECT properties.kind FROM shop.events WHERE properties.pages = 7"
        )
        .await,
        ["apple"]
    );
}

#[tokio::test]
async fn files_without_ids_go_by_the_name_mapping_beside_deletes_too() {
    let fixture = Fixture::new(schema(), &[]).await;
    let mut plain = without_ids(fixture.arrow_schema().await.as_ref())
        .as_ref()
        .clone();
    // Not in the table's order: what goes by place is wrong.
    let mut fields = plain.fields().to_vec();
    fields.reverse();
    plain.fields = fields.into();
    let file = fixture
        .foreign_file(batch(Arc::new(plain), &format!("{OLD}\n{{\"id\":2}}")))
        .await;
    let path = file.file_path().to_owned();
    fixture.append(vec![file]).await;
    fixture.set_schema(evolved()).await;
    let mapping = r#"[{"field-id":1,"names":["id"]},{"field-id":3,"names":["note","remark"]}]"#;
    fixture
        .set_property("schema.name-mapping.default", mapping)
        .await;
    delete_positions(&fixture, &path, vec![1]).await;
    assert_eq!(
        lines(&fixture.session, "SELECT id, remark FROM shop.events").await,
        ["1,old"]
    );
}

#[tokio::test]
async fn a_limit_takes_none_of_the_rows_that_are_gone() {
    let rows: Vec<_> = (1..=50)
        .map(|id| format!(r#"{{"id":{id},"note":"n"}}"#))
        .collect();
    let fixture = Fixture::new(schema(), &[]).await;
    let file = fixture.file(&rows.join("\n"), &[]).await;
    let path = file.file_path().to_owned();
    fixture.append(vec![file]).await;
    delete_positions(&fixture, &path, (0..47).collect()).await;
    delete_ids(&fixture, vec![49]).await;
    let session = &fixture.session;
    for query in [
        "SELECT id FROM shop.events LIMIT 40",
        "SELECT id FROM shop.events WHERE id > 0 LIMIT 40",
        "SELECT id FROM shop.events WHERE note = 'n' ORDER BY id LIMIT 40",
    ] {
        let mut found = lines(session, query).await;
        found.sort();
        assert_eq!(found, ["48", "50"], "{query}");
    }
    assert_eq!(
        lines(
            session,
            "SELECT count(*), min(id), max(id) FROM shop.events"
        )
        .await,
        ["2,48,50"]
    );
}

#[tokio::test]
async fn a_partition_of_a_widened_column_is_the_same_partition() {
    let fixture = Fixture::new(schema(), &[(1, "id", Transform::Identity)]).await;
    let file = fixture
        .file(
            r#"{"id":7,"note":"a"} {"id":7,"note":"b"}"#,
            &[Some(Literal::int(7))],
        )
        .await;
    let path = file.file_path().to_owned();
    fixture.append(vec![file]).await;
    fixture.set_schema(evolved()).await;
    delete_positions_of(&fixture, &path, vec![0], &[Some(Literal::long(7))]).await;
    assert_eq!(
        lines(&fixture.session, "SELECT id, remark FROM shop.events").await,
        ["7,b"]
    );
}

/// A file that is not there: what can't be read is refused before it is opened.
async fn named(fixture: &Fixture, content: DataContentType, format: DataFileFormat) {
    let file = DataFileBuilder::default()
        .content(content)
        .file_path("file:///warehouse/shop/events/data/odd".to_owned())
        .file_format(format)
        .record_count(1)
        .file_size_in_bytes(1)
        .partition_spec_id(0)
        .build()
        .expect("complete");
    fixture.append(vec![file]).await;
}

#[tokio::test]
async fn what_is_no_parquet_is_refused() {
    for (content, format) in [
        (DataContentType::Data, DataFileFormat::Orc),
        (DataContentType::Data, DataFileFormat::Avro),
        (DataContentType::PositionDeletes, DataFileFormat::Avro),
        (DataContentType::PositionDeletes, DataFileFormat::Puffin),
    ] {
        let fixture = of_rows(NOTES).await;
        named(&fixture, content, format).await;
        for query in [
            "SELECT count(*) FROM shop.events",
            "SELECT id FROM shop.events",
        ] {
            let error = failure(&fixture.session, query).await;
            assert_eq!(error.kind, QueryErrorKind::FeatureNotSupported, "{error}");
            let text = error.to_string();
            assert!(
                text.contains("data/odd") && text.contains("no Parquet file"),
                "{text}"
            );
        }
    }
}
