//! The table of dead letters: what could not be decoded, with its position, bytes and reason.

use std::sync::Arc;

use iceberg::spec::{NestedField, PrimitiveType, Schema, Type};

/// The schema of every stream's dead letters, with provisional field ids.
///
/// `payload` is null for a tombstone and holds the first bytes only of an oversized record (the
/// reason says so); `failed_at` is when the sink gave up on it.
pub fn dead_letter_schema() -> Schema {
    let columns = [
        ("_topic", PrimitiveType::String, true),
        ("_topic_id", PrimitiveType::String, true),
        ("_partition", PrimitiveType::Int, true),
        ("_offset", PrimitiveType::Long, true),
        ("_timestamp", PrimitiveType::Timestamptz, false),
        ("_key", PrimitiveType::Binary, false),
        ("payload", PrimitiveType::Binary, false),
        ("reason", PrimitiveType::String, true),
        ("failed_at", PrimitiveType::Timestamptz, true),
    ];
    let fields = columns
        .into_iter()
        .zip(1..)
        .map(|((name, kind, required), id)| {
            Arc::new(NestedField::new(id, name, Type::Primitive(kind), required))
        });
    Schema::builder()
        .with_fields(fields)
        .build()
        .expect("names and ids are unique")
}
