//! The shipped models' queries over known events, their rows worked out by hand. The same events
//! through sink, jobs and published tables: `tests/it/curated`.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use arrow::json::ReaderBuilder;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::declare::load_models;
use crate::declare::model::Model;

#[path = "../../tests/known/mod.rs"]
#[allow(
    dead_code,
    reason = "which run a record comes before is for published tables"
)]
mod known;

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
    let lines: Vec<String> = known::records()
        .iter()
        .enumerate()
        .filter(|(_, record)| record.is_event)
        .map(|(offset, record)| {
            let mut event: serde_json::Value = serde_json::from_str(record.payload).unwrap();
            event["_partition"] = 0.into();
            event["_offset"] = offset.into();
            event.to_string()
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

#[test]
fn eight_models_are_shipped() {
    let mut names: Vec<String> = shipped().iter().map(|m| m.name.to_string()).collect();
    names.sort();
    let expected = known::EXPECTED.map(|expected| format!("curated.{}", expected.model));
    assert_eq!(names, expected);
    for model in shipped() {
        assert!(
            model.schedule.is_some() && model.comment.is_some(),
            "{}",
            model.name
        );
    }
}

#[tokio::test]
async fn the_queries_find_what_was_worked_out_by_hand() {
    for model in shipped() {
        let expected = known::expected(model.name.name());
        let frame = context().sql(&model.query).await.unwrap();
        let fields = frame.schema().fields();
        let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, expected.columns, "{}", model.name);
        let batches = frame.collect().await.unwrap();
        assert_eq!(known::rows(&batches), expected.rows, "{}", model.name);
    }
}
