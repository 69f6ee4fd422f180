//! The scan over tables as any engine may leave them.

mod deletes;
mod evolution;
mod filters_first;
mod fixture;
mod merge_on_read;
mod partition_values;
mod pruning;
mod travel;

use iceberg::spec::{NestedField, PrimitiveType, Schema, StructType, Type};

use crate::query::Session;
use crate::query::tests::shown;

/// id, at, note, and a struct of category, amount and pages.
fn schema() -> Schema {
    let properties = Type::Struct(StructType::new(vec![
        NestedField::optional(5, "category", Type::Primitive(PrimitiveType::String)).into(),
        NestedField::optional(
            6,
            "amount",
            Type::Primitive(PrimitiveType::Decimal {
                precision: 12,
                scale: 2,
            }),
        )
        .into(),
        NestedField::optional(7, "pages", Type::Primitive(PrimitiveType::Int)).into(),
    ]));
    Schema::builder()
        .with_fields(vec![
            NestedField::required(1, "id", Type::Primitive(PrimitiveType::Int)).into(),
            NestedField::optional(2, "at", Type::Primitive(PrimitiveType::Timestamptz)).into(),
            NestedField::optional(3, "note", Type::Primitive(PrimitiveType::String)).into(),
            NestedField::optional(4, "properties", properties).into(),
        ])
        .build()
        .expect("valid")
}

/// How many data files a query's plan reads.
async fn files_read(session: &Session, text: &str) -> usize {
    let plan = shown(session, &format!("EXPLAIN {text}")).await;
    plan.matches(".parquet").count()
}
