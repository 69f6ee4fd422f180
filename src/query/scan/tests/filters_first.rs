//! Filters that keep few rows are applied while files are decoded, and change no answer by it.

use std::fmt::Write as _;

use iceberg::spec::{NestedField, NestedFieldRef, PrimitiveType, Schema, StructType, Type};

use super::evolution::evolved;
use super::fixture::Fixture;
use super::schema;
use crate::query::QueryErrorKind;
use crate::query::tests::{failure, lines, shown};

const ROWS: usize = 20_000;
const NOTES: usize = 9_973;

/// An old file and one written after the table has evolved: ids from 0 and from 100,000, about ten
/// thousand notes of which each tenth is null, four categories.
async fn large_table() -> Fixture {
    let fixture = Fixture::new(schema(), &[]).await;
    let mut rows = String::new();
    for id in 0..ROWS {
        let at = format!("2026-01-01T{:02}:{:02}:00Z", id / 60 % 24, id % 60);
        let (note, category) = (note(id), category(id));
        let _ = writeln!(
            rows,
            r#"{{"id":{id},"at":"{at}","note":{note},"properties":{{"category":"{category}","amount":"1.50","pages":{id}}}}}"#
        );
    }
    let file = fixture.file(&rows, &[]).await;
    fixture.append(vec![file]).await;
    fixture.set_schema(evolved()).await;
    let mut rows = String::new();
    for id in 0..ROWS {
        let (note, kind) = (note(id), category(id));
        let _ = writeln!(
            rows,
            r#"{{"remark":{note},"id":{},"properties":{{"device":"phone","kind":"{kind}","pages":{id}}}}}"#,
            100_000 + id
        );
    }
    let file = fixture.file(&rows, &[]).await;
    fixture.append(vec![file]).await;
    fixture
}

fn note(id: usize) -> String {
    match id % 10 {
        0 => "null".to_owned(),
        _ => format!("\"n{}\"", id * 7_919 % NOTES),
    }
}

fn category(id: usize) -> &'static str {
    ["apple", "banana", "cherry", "date"][id * id % 7 % 4]
}

/// Each filter beside one that keeps the same rows and can't be understood by the scan.
#[tokio::test]
async fn selective_filters_are_applied_while_decoding_and_keep_the_same_rows() {
    let fixture = large_table().await;
    let session = &fixture.session;
    for (filter, opaque, first) in [
        ("remark = 'n17'", "remark || '' = 'n17'", true),
        ("'n17' = remark", "remark || '' = 'n17'", true),
        (
            "remark = 'n17' AND id % 2 = 1",
            "remark || '' = 'n17' AND id % 2 = 1",
            false,
        ),
        (
            "remark IN ('n17', 'n18', 'none')",
            "remark || '' IN ('n17', 'n18', 'none')",
            true,
        ),
        (
            "properties.kind = 'apple' AND properties.pages = 7",
            "properties.kind || '' = 'apple' AND properties.pages + 0 = 7",
            true,
        ),
        (
            "remark = 'n17' AND extra IS NULL AND properties.device IS NULL",
            "remark || '' = 'n17' AND extra + 0 IS NULL AND properties.device || '' IS NULL",
            true,
        ),
        (
            "remark = 'n17 of none'",
            "remark || '' = 'n17 of none'",
            true,
        ),
        (
            "properties.kind = 'apple'",
            "properties.kind || '' = 'apple'",
            false,
        ),
        ("remark <> 'n17'", "remark || '' <> 'n17'", false),
        ("remark IS NULL", "remark || '' IS NULL", false),
        (
            "id > 100010 AND id < 119990",
            "id + 0 > 100010 AND id + 0 < 119990",
            false,
        ),
    ] {
        let asked = "SELECT id, remark, properties, extra FROM shop.events WHERE";
        let order = "ORDER BY id LIMIT 50";
        let found = lines(session, &format!("{asked} {filter} {order}")).await;
        let expected = lines(session, &format!("{asked} {opaque} {order}")).await;
        assert_eq!(found, expected, "{filter}");
        let counted = "SELECT count(*), sum(id), min(remark) FROM shop.events WHERE";
        let found = lines(session, &format!("{counted} {filter}")).await;
        let expected = lines(session, &format!("{counted} {opaque}")).await;
        assert_eq!(found, expected, "{filter}");
        let plan = shown(session, &format!("EXPLAIN {asked} {filter}")).await;
        assert_eq!(!plan.contains("FilterExec"), first, "{filter}: {plan}");
    }
}

/// `id`, and `properties.geo.place.city`; then the structs have other names, and `city` a neighbour.
fn nested(evolved: bool) -> Schema {
    let text = Type::Primitive(PrimitiveType::String);
    let field =
        |id, name: &str, kind| -> NestedFieldRef { NestedField::optional(id, name, kind).into() };
    let name = |old, new| if evolved { new } else { old };
    let mut leaves = vec![field(6, name("city", "town"), text.clone())];
    if evolved {
        leaves.insert(0, field(7, "street", text.clone()));
    }
    let place = field(5, name("place", "spot"), StructType::new(leaves).into());
    let zone = field(4, "zone", text);
    let geo = field(3, "geo", StructType::new(vec![zone, place]).into());
    let properties = field(2, "properties", StructType::new(vec![geo]).into());
    let id = NestedField::required(1, "id", Type::Primitive(PrimitiveType::Long)).into();
    Schema::builder()
        .with_schema_id(i32::from(evolved))
        .with_fields(vec![id, properties])
        .build()
        .expect("valid")
}

/// A field that lies deeper than one struct is found by the decoder too; a filter that it could
/// not apply would be left out of the query.
#[tokio::test]
async fn fields_of_structs_in_structs_are_filtered_while_decoding() {
    let fixture = Fixture::new(nested(false), &[]).await;
    let session = &fixture.session;
    for evolved in [false, true] {
        let (place, city) = if evolved {
            fixture.set_schema(nested(true)).await;
            ("spot", "town")
        } else {
            ("place", "city")
        };
        let mut rows = String::new();
        for id in 0..ROWS {
            let (zone, town) = (note(id), note(id + 1));
            let _ = writeln!(
                rows,
                r#"{{"id":{id},"properties":{{"geo":{{"zone":{zone},"{place}":{{"{city}":{town}}}}}}}}}"#
            );
        }
        let file = fixture.file(&rows, &[]).await;
        fixture.append(vec![file]).await;
        let files = 1 + usize::from(evolved);
        for path in ["geo.zone", &format!("geo.{place}.{city}")] {
            let asked = "SELECT id FROM shop.events WHERE properties.";
            let filter = format!("{asked}{path} = 'n17'");
            let found = lines(session, &format!("{filter} ORDER BY 1")).await;
            let opaque = format!("{asked}{path} || '' = 'n17' ORDER BY 1");
            assert_eq!(found, lines(session, &opaque).await, "{path}");
            assert_eq!(found.len(), 2 * files, "{path}");
            let plan = shown(session, &format!("EXPLAIN {filter}")).await;
            assert!(!plan.contains("FilterExec"), "{path}: {plan}");
        }
    }
    let absent = "SELECT id FROM shop.events WHERE properties.geo.spot.street = 'n17'";
    assert!(lines(session, absent).await.is_empty());
}

/// A filter that can fail on a row stays outside of the decoder, which knows no SQLSTATE.
#[tokio::test]
async fn an_error_in_a_filter_beside_a_selective_one_keeps_its_code() {
    let fixture = large_table().await;
    let text = "SELECT id FROM shop.events WHERE remark = 'n17' \
                AND 10 / (properties.pages - properties.pages) > 1";
    let error = failure(&fixture.session, text).await;
    assert_eq!(error.kind, QueryErrorKind::DivisionByZero, "{error}");
}

/// What a join or a limit learns while it runs is given to the scan too.
#[tokio::test]
async fn a_join_and_a_limit_over_a_selective_filter() {
    let fixture = large_table().await;
    let session = &fixture.session;
    let ids = "SELECT id FROM shop.events WHERE remark = 'n17' ORDER BY id";
    let all = lines(session, ids).await;
    assert_eq!(all.len(), 4, "two in each file: {all:?}");
    assert_eq!(
        lines(session, &format!("{ids} DESC LIMIT 1")).await,
        all[3..]
    );
    let joined = "SELECT b.id FROM shop.events a JOIN shop.events b ON a.id = b.id \
                  WHERE a.remark = 'n17' ORDER BY 1";
    assert_eq!(lines(session, joined).await, all);
}
