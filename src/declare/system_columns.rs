//! The columns that the sink adds: where a row came from. And the table of dead letters.

use std::sync::Arc;

use iceberg::spec::{
    NestedField, PrimitiveType, Schema, SortOrder, Transform, Type, UnboundPartitionSpec,
};

use super::types::{Shape, ShapeField};

/// Name, type, required, doc; in the order of an event table's last columns.
const POSITION: [(&str, PrimitiveType, bool, &str); 6] = [
    (
        "_topic",
        PrimitiveType::String,
        true,
        "Topic's name when the record was read",
    ),
    (
        "_topic_id",
        PrimitiveType::String,
        true,
        "Topic's id: another one once a topic is made again",
    ),
    (
        "_partition",
        PrimitiveType::Int,
        true,
        "Partition of the topic",
    ),
    (
        "_offset",
        PrimitiveType::Long,
        true,
        "Offset in the partition",
    ),
    (
        "_timestamp",
        PrimitiveType::Timestamptz,
        false,
        "Time of the record by broker or producer",
    ),
    ("_key", PrimitiveType::Binary, false, "Key of the record"),
];

const EXTRA: (&str, PrimitiveType, bool, &str) = (
    "_extra",
    PrimitiveType::String,
    false,
    "JSON object of the fields that the contract does not declare",
);

const DEAD_LETTER: [(&str, PrimitiveType, bool, &str); 4] = [
    (
        "payload",
        PrimitiveType::Binary,
        false,
        "The record's bytes; its first ones when it was too long",
    ),
    (
        "reason",
        PrimitiveType::String,
        true,
        "Why the record is no row",
    ),
    (
        "failed_at",
        PrimitiveType::Timestamptz,
        true,
        "When the sink found that out",
    ),
    (
        "stream",
        PrimitiveType::String,
        false,
        "The stream that read it",
    ),
];

/// Whether a name is one of the sink's own.
pub(super) fn is_system_column(name: &str) -> bool {
    POSITION
        .iter()
        .chain([&EXTRA])
        .any(|(system, ..)| system.eq_ignore_ascii_case(name))
}

/// The columns that follow a contract's own.
pub(super) fn system_fields() -> impl Iterator<Item = ShapeField> {
    POSITION
        .iter()
        .chain([&EXTRA])
        .map(|(name, kind, required, doc)| ShapeField {
            name: (*name).to_owned(),
            shape: Shape::Primitive(kind.clone()),
            required: *required,
            doc: Some((*doc).to_owned()),
            renamed_from: None,
        })
}

/// The schema of every dead-letter table.
pub fn dead_letters_schema() -> Schema {
    let fields =
        POSITION
            .iter()
            .chain(&DEAD_LETTER)
            .zip(1..)
            .map(|((name, kind, required, doc), id)| {
                let kind = Type::Primitive(kind.clone());
                Arc::new(NestedField::new(id, name, kind, *required).with_doc(doc))
            });
    Schema::builder()
        .with_fields(fields)
        .build()
        .expect("ids and names above are unique")
}

/// By day of failure: a commit touches one day, two at midnight, and old days can be dropped
/// whole.
pub fn dead_letters_partition() -> UnboundPartitionSpec {
    let failed_at = dead_letters_schema()
        .field_id_by_name("failed_at")
        .expect("it is declared above");
    UnboundPartitionSpec::builder()
        .add_partition_field(failed_at, "failed_at_day", Transform::Day)
        .expect("one field can't be redundant")
        .build()
}

/// As they come.
pub fn dead_letters_sort_order() -> SortOrder {
    SortOrder::unsorted_order()
}
