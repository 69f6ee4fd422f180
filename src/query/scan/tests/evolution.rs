//! A table's columns come out of old files as the table has them now.

use std::sync::Arc;

use iceberg::spec::{NestedField, PrimitiveType, Schema, StructType, Type};

use super::fixture::{Fixture, batch, without_ids};
use super::{files_read, schema};
use crate::query::tests::lines;

pub(super) const OLD: &str = r#"{"id":1,"at":"2026-01-01T00:00:00Z","note":"old","properties":{"category":"apple","amount":"1.50","pages":7}}"#;
const NEW: &str = r#"{"remark":"new","id":3000000000,"properties":{"device":"phone","kind":"pear","pages":8000000000}}"#;

/// `id` widened, `note` renamed and moved to the front, `at` dropped, `extra` added; inside
/// `properties`: `category` renamed, `pages` widened, `amount` dropped, `device` added.
pub(super) fn evolved() -> Schema {
    let primitive = |p| Type::Primitive(p);
    let properties = Type::Struct(StructType::new(vec![
        NestedField::optional(9, "device", primitive(PrimitiveType::String)).into(),
        NestedField::optional(5, "kind", primitive(PrimitiveType::String)).into(),
        NestedField::optional(7, "pages", primitive(PrimitiveType::Long)).into(),
    ]));
    Schema::builder()
        .with_schema_id(1)
        .with_fields(vec![
            NestedField::optional(3, "remark", primitive(PrimitiveType::String)).into(),
            NestedField::required(1, "id", primitive(PrimitiveType::Long)).into(),
            NestedField::optional(4, "properties", properties).into(),
            NestedField::optional(8, "extra", primitive(PrimitiveType::Date)).into(),
        ])
        .build()
        .expect("valid")
}

async fn evolved_table() -> Fixture {
    let fixture = Fixture::new(schema(), &[]).await;
    let file = fixture.file(OLD, &[]).await;
    fixture.append(vec![file]).await;
    fixture.set_schema(evolved()).await;
    let file = fixture.file(NEW, &[]).await;
    fixture.append(vec![file]).await;
    fixture
}

#[tokio::test]
async fn renamed_added_widened_and_dropped_columns_inside_structs_too() {
    let fixture = evolved_table().await;
    let session = &fixture.session;
    assert_eq!(
        lines(session, "SELECT * FROM shop.events ORDER BY id").await,
        [
            "old,1,{device: , kind: apple, pages: 7},",
            "new,3000000000,{device: phone, kind: pear, pages: 8000000000},"
        ]
    );
    assert_eq!(
        lines(
            session,
            "SELECT properties.kind, properties.pages + 1, properties.device, extra, remark \
             FROM shop.events ORDER BY id"
        )
        .await,
        ["apple,8,,,old", "pear,8000000001,phone,,new"]
    );
}

#[tokio::test]
async fn filters_on_evolved_columns_prune_and_find() {
    let fixture = evolved_table().await;
    let session = &fixture.session;
    for (filter, files, ids) in [
        ("properties.kind = 'apple'", 1, vec!["1"]),
        ("properties.kind = 'pear'", 1, vec!["3000000000"]),
        ("properties.pages = 7", 1, vec!["1"]),
        ("remark = 'old'", 1, vec!["1"]),
        ("id = 1", 1, vec!["1"]),
        ("id > 2147483647", 1, vec!["3000000000"]),
        ("properties.device IS NULL", 1, vec!["1"]),
        ("properties.device = 'phone'", 2, vec!["3000000000"]),
        ("extra IS NULL", 2, vec!["1", "3000000000"]),
    ] {
        let text = format!("SELECT id FROM shop.events WHERE {filter} ORDER BY id");
        assert_eq!(lines(session, &text).await, ids, "{filter}");
        assert!(files_read(session, &text).await <= files.max(2), "{filter}");
    }
    let text = "SELECT id FROM shop.events WHERE properties.kind = 'apple'";
    assert_eq!(files_read(session, text).await, 1);
}

#[tokio::test]
async fn structs_of_both_ages_mix_in_sorts_joins_and_groups() {
    let fixture = evolved_table().await;
    let session = &fixture.session;
    assert_eq!(
        lines(
            session,
            "SELECT properties, count(*) FROM (SELECT * FROM shop.events UNION ALL \
             SELECT * FROM shop.events) GROUP BY properties ORDER BY properties.kind"
        )
        .await,
        [
            "{device: , kind: apple, pages: 7},2",
            "{device: phone, kind: pear, pages: 8000000000},2"
        ]
    );
    assert_eq!(
        lines(
            session,
            "SELECT count(*) FROM shop.events a JOIN shop.events b \
             ON a.properties.kind = b.properties.kind"
        )
        .await,
        ["2"]
    );
}

#[tokio::test]
async fn the_past_has_the_columns_it_had() {
    let fixture = evolved_table().await;
    assert_eq!(
        lines(
            &fixture.session,
            "SELECT note, properties.category FROM shop.events VERSION AS OF 1001"
        )
        .await,
        ["old,apple"]
    );
}

#[tokio::test]
async fn files_without_ids_go_by_name() {
    let fixture = Fixture::new(schema(), &[]).await;
    let plain = without_ids(fixture.arrow_schema().await.as_ref());
    let file = fixture.foreign_file(batch(Arc::clone(&plain), OLD)).await;
    fixture.append(vec![file]).await;
    assert_eq!(
        lines(
            &fixture.session,
            "SELECT id, note, properties.category, properties.amount FROM shop.events \
             WHERE properties.category = 'apple'"
        )
        .await,
        ["1,old,apple,1.50"]
    );
}

#[tokio::test]
async fn files_without_ids_go_by_the_tables_name_mapping() {
    let fixture = Fixture::new(schema(), &[]).await;
    let plain = without_ids(fixture.arrow_schema().await.as_ref());
    let file = fixture.foreign_file(batch(plain, OLD)).await;
    fixture.append(vec![file]).await;
    fixture.set_schema(evolved()).await;
    let mapping = r#"[{"field-id":1,"names":["id"]},{"field-id":3,"names":["note","remark"]},
        {"field-id":4,"names":["properties"],"fields":[{"field-id":5,"names":["category","kind"]},
        {"field-id":7,"names":["pages"]}]}]"#;
    fixture
        .set_property("schema.name-mapping.default", mapping)
        .await;
    assert_eq!(
        lines(
            &fixture.session,
            "SELECT id, remark, properties.kind, properties.pages, properties FROM shop.events"
        )
        .await,
        ["1,old,apple,7,{device: , kind: apple, pages: 7}"]
    );
}
