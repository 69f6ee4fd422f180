//! The shipped models over known events, their rows worked out by hand.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use arrow::json::ReaderBuilder;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::declare::load_models;
use crate::declare::model::Model;

/// event_id, type, timestamp, user, region, product, category, amount.
type Event = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
);

/// 2026-01-05 is a Monday. `p1` was sent twice, `v2` twice with another time the second time.
const EVENTS: [Event; 15] = [
    // Anna, Monday: a visit through the funnel, 23:50 to past midnight.
    (
        "v1",
        "page_view",
        "2026-01-05T23:50:00Z",
        "anna",
        "eu",
        None,
        None,
        None,
    ),
    (
        "d1",
        "product_view",
        "2026-01-05T23:55:00Z",
        "anna",
        "eu",
        Some("lamp"),
        Some("home"),
        None,
    ),
    (
        "c1",
        "add_to_cart",
        "2026-01-06T00:10:00Z",
        "anna",
        "eu",
        Some("lamp"),
        Some("home"),
        Some("19.90"),
    ),
    (
        "p1",
        "purchase",
        "2026-01-06T00:20:00Z",
        "anna",
        "eu",
        Some("lamp"),
        Some("home"),
        Some("19.90"),
    ),
    (
        "p1",
        "purchase",
        "2026-01-06T00:20:00Z",
        "anna",
        "eu",
        Some("lamp"),
        Some("home"),
        Some("19.90"),
    ),
    // Exactly 30 minutes later: the same session; one second more: the next.
    (
        "v2",
        "page_view",
        "2026-01-06T00:50:00Z",
        "anna",
        "us",
        None,
        None,
        None,
    ),
    (
        "v2",
        "page_view",
        "2026-01-06T09:00:00Z",
        "anna",
        "us",
        None,
        None,
        None,
    ),
    (
        "v3",
        "page_view",
        "2026-01-06T01:20:01Z",
        "anna",
        "eu",
        None,
        None,
        None,
    ),
    // Ben lands on a product, Monday noon, and comes again the Monday after.
    (
        "d2",
        "product_view",
        "2026-01-05T12:00:00Z",
        "ben",
        "eu",
        Some("book"),
        Some("media"),
        None,
    ),
    (
        "d3",
        "product_view",
        "2026-01-05T12:30:00Z",
        "ben",
        "eu",
        Some("lamp"),
        Some("home"),
        None,
    ),
    (
        "v4",
        "page_view",
        "2026-01-12T00:00:00Z",
        "ben",
        "eu",
        None,
        None,
        None,
    ),
    // Cleo, the Sunday in between: the same week as Anna and Ben.
    (
        "p2",
        "purchase",
        "2026-01-11T23:59:59Z",
        "cleo",
        "us",
        Some("book"),
        Some("media"),
        Some("5.00"),
    ),
    (
        "p3",
        "purchase",
        "2026-01-11T23:59:59Z",
        "cleo",
        "us",
        Some("pen"),
        Some("media"),
        Some("1.25"),
    ),
    // Dora has no region, her event no product, and a type that is no step.
    (
        "x1",
        "newsletter",
        "2026-01-12T08:15:00Z",
        "dora",
        "",
        None,
        None,
        None,
    ),
    (
        "v5",
        "page_view",
        "2026-01-12T08:45:00Z",
        "dora",
        "",
        None,
        None,
        None,
    ),
];

fn schema() -> Schema {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let properties = Fields::from(vec![
        text("region"),
        text("product_id"),
        text("category"),
        Field::new("amount", DataType::Decimal128(12, 2), true),
    ]);
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
    Schema::new(vec![
        text("event_id"),
        text("type"),
        Field::new("timestamp", time, false),
        text("user_id"),
        Field::new("properties", DataType::Struct(properties), true),
        Field::new("_partition", DataType::Int32, false),
        Field::new("_offset", DataType::Int64, false),
    ])
}

fn events() -> RecordBatch {
    let lines: Vec<String> = EVENTS
        .iter()
        .enumerate()
        .map(|(offset, event)| {
            let (id, kind, time, user, region, product, category, amount) = event;
            serde_json::json!({
                "event_id": id, "type": kind, "timestamp": time, "user_id": user,
                "properties": {
                    "region": (!region.is_empty()).then_some(region),
                    "product_id": product, "category": category, "amount": amount,
                },
                "_partition": 0, "_offset": offset,
            })
            .to_string()
        })
        .collect();
    let text = lines.join("\n");
    let mut reader = ReaderBuilder::new(Arc::new(schema()))
        .build(text.as_bytes())
        .unwrap();
    reader.next().unwrap().unwrap()
}

fn context() -> SessionContext {
    let config = SessionConfig::new()
        .with_target_partitions(2)
        .set_str("datafusion.sql_parser.dialect", "postgresql");
    let context = SessionContext::new_with_config(config);
    let batch = events();
    // Two parts, so that partial results have to be brought together.
    let parts = vec![
        vec![batch.slice(0, 5)],
        vec![batch.slice(5, batch.num_rows() - 5)],
    ];
    let table = MemTable::try_new(batch.schema(), parts).unwrap();
    let shop = Arc::new(MemorySchemaProvider::new());
    shop.register_table("events".to_owned(), Arc::new(table))
        .unwrap();
    let catalog = context.catalog("datafusion").unwrap();
    catalog.register_schema("shop", shop).unwrap();
    context
}

fn shipped() -> Vec<Model> {
    load_models(&Path::new(env!("CARGO_MANIFEST_DIR")).join("sql")).unwrap()
}

/// The columns' names, and the rows as text, sorted.
async fn run(name: &str) -> (Vec<String>, Vec<String>) {
    let models = shipped();
    let model = models
        .iter()
        .find(|model| model.name.name() == name)
        .unwrap();
    assert_eq!(model.name.namespace(), "curated");
    let context = context();
    let frame = context.sql(&model.query).await.unwrap();
    let names = frame
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let batches = frame.collect().await.unwrap();
    let options = FormatOptions::default().with_null("-");
    let mut rows = Vec::new();
    for batch in &batches {
        let columns: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
            rows.push(cells.join(" "));
        }
    }
    rows.sort();
    (names, rows)
}

#[test]
fn eight_models_are_shipped() {
    let mut names: Vec<String> = shipped().iter().map(|m| m.name.name().to_owned()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "daily_active_users_by_region",
            "hourly_page_views",
            "hourly_unique_visitors",
            "product_popularity",
            "purchase_funnel",
            "revenue_by_category",
            "sessions",
            "weekly_cohorts",
        ]
    );
    for model in shipped() {
        assert!(
            model.schedule.is_some() && model.comment.is_some(),
            "{}",
            model.name
        );
    }
}

#[tokio::test]
async fn daily_active_users_by_region() {
    let (names, rows) = run("daily_active_users_by_region").await;
    assert_eq!(names, ["day", "region", "users"]);
    assert_eq!(
        rows,
        [
            "2026-01-05 eu 2",
            "2026-01-06 eu 1",
            "2026-01-06 us 1",
            "2026-01-11 us 1",
            "2026-01-12 - 1",
            "2026-01-12 eu 1",
        ]
    );
}

#[tokio::test]
async fn revenue_by_category() {
    let (names, rows) = run("revenue_by_category").await;
    assert_eq!(names, ["day", "category", "orders", "revenue"]);
    assert_eq!(rows, ["2026-01-06 home 1 19.90", "2026-01-11 media 2 6.25"]);
}

#[tokio::test]
async fn purchase_funnel() {
    let (names, rows) = run("purchase_funnel").await;
    assert_eq!(names, ["day", "step", "users"]);
    assert_eq!(
        rows,
        [
            "2026-01-05 page_view 1",
            "2026-01-05 product_view 2",
            "2026-01-06 add_to_cart 1",
            "2026-01-06 page_view 1",
            "2026-01-06 purchase 1",
            "2026-01-11 purchase 1",
            "2026-01-12 page_view 2",
        ]
    );
}

#[tokio::test]
async fn hourly_page_views() {
    let (names, rows) = run("hourly_page_views").await;
    assert_eq!(names, ["hour", "user_id", "page_views"]);
    assert_eq!(
        rows,
        [
            "2026-01-05T23:00:00Z anna 1",
            "2026-01-06T00:00:00Z anna 1",
            "2026-01-06T01:00:00Z anna 1",
            "2026-01-12T00:00:00Z ben 1",
            "2026-01-12T08:00:00Z dora 1",
        ]
    );
}

#[tokio::test]
async fn sessions() {
    let (names, rows) = run("sessions").await;
    assert_eq!(
        names,
        [
            "user_id",
            "session_start",
            "session_end",
            "events",
            "page_views"
        ]
    );
    assert_eq!(
        rows,
        [
            "anna 2026-01-05T23:50:00Z 2026-01-06T00:50:00Z 5 2",
            "anna 2026-01-06T01:20:01Z 2026-01-06T01:20:01Z 1 1",
            "ben 2026-01-05T12:00:00Z 2026-01-05T12:30:00Z 2 0",
            "ben 2026-01-12T00:00:00Z 2026-01-12T00:00:00Z 1 1",
            "cleo 2026-01-11T23:59:59Z 2026-01-11T23:59:59Z 2 0",
            "dora 2026-01-12T08:15:00Z 2026-01-12T08:45:00Z 2 1",
        ]
    );
}

#[tokio::test]
async fn product_popularity() {
    let (names, rows) = run("product_popularity").await;
    assert_eq!(names, ["day", "product_id", "views", "carts", "purchases"]);
    assert_eq!(
        rows,
        [
            "2026-01-05 book 1 0 0",
            "2026-01-05 lamp 2 0 0",
            "2026-01-06 lamp 0 1 1",
            "2026-01-11 book 0 0 1",
            "2026-01-11 pen 0 0 1",
        ]
    );
}

#[tokio::test]
async fn weekly_cohorts() {
    let (names, rows) = run("weekly_cohorts").await;
    assert_eq!(names, ["cohort_week", "week", "users"]);
    assert_eq!(
        rows,
        [
            "2026-01-05 2026-01-05 3",
            "2026-01-05 2026-01-12 1",
            "2026-01-12 2026-01-12 1",
        ]
    );
}

#[tokio::test]
async fn hourly_unique_visitors() {
    let (names, rows) = run("hourly_unique_visitors").await;
    assert_eq!(names, ["hour", "visitors"]);
    assert_eq!(
        rows,
        [
            "2026-01-05T12:00:00Z 1",
            "2026-01-05T23:00:00Z 1",
            "2026-01-06T00:00:00Z 1",
            "2026-01-06T01:00:00Z 1",
            "2026-01-06T09:00:00Z 1",
            "2026-01-11T23:00:00Z 1",
            "2026-01-12T00:00:00Z 1",
            "2026-01-12T08:00:00Z 1",
        ]
    );
}
