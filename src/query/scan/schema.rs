//! A table's schema in Arrow's words, field ids in the fields' metadata.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use iceberg::spec::Schema as IcebergSchema;
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

use super::{QueryError, QueryErrorKind};
use crate::lake::Table;
use crate::query::declared::Declared;
use crate::query::postgres::types;

/// The table's columns with what was declared of them: texts that are more are marked as such.
pub(super) fn of_table(table: &Table, schema: &IcebergSchema) -> Result<SchemaRef, QueryError> {
    let arrow = to_arrow(schema)?;
    let declared = Declared::of(table)?;
    if declared.columns.is_empty() {
        return Ok(arrow);
    }
    let marked = |field: &Arc<Field>| {
        let id = field_id(field)?;
        let mark = declared.column(id).kind?.mark()?;
        Some(Arc::new(types::marked(field.as_ref().clone(), mark)))
    };
    let fields: Vec<_> = arrow
        .fields()
        .iter()
        .map(|field| marked(field).unwrap_or_else(|| Arc::clone(field)))
        .collect();
    Ok(Arc::new(Schema::new(fields)))
}

/// Top-level texts and bytes are views, as DataFusion's Parquet reader makes them fastest.
pub(super) fn to_arrow(schema: &IcebergSchema) -> Result<SchemaRef, QueryError> {
    refuse_defaults(schema)?;
    let arrow = iceberg::arrow::schema_to_arrow_schema(schema).map_err(corrupt)?;
    let fields: Vec<Field> = arrow
        .fields()
        .iter()
        .map(|field| {
            let data_type = match field.data_type() {
                DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
                DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
                other => other.clone(),
            };
            field.as_ref().clone().with_data_type(data_type)
        })
        .collect();
    Ok(Arc::new(Schema::new(fields)))
}

/// A column of format 3 may stand for a value in files that lack it; null would be a wrong answer.
fn refuse_defaults(schema: &IcebergSchema) -> Result<(), QueryError> {
    for (id, name) in schema.field_id_to_name_map() {
        let default = schema
            .field_by_id(*id)
            .and_then(|f| f.initial_default.as_ref());
        if default.is_some() {
            return Err(QueryError::new(
                QueryErrorKind::FeatureNotSupported,
                format!(
                    "the column {name} has a default value of Iceberg's format 3, which can't be read yet"
                ),
            ));
        }
    }
    Ok(())
}

/// The field's id, if it has one.
pub(super) fn field_id(field: &Field) -> Option<i32> {
    field
        .metadata()
        .get(PARQUET_FIELD_ID_META_KEY)
        .and_then(|id| id.parse().ok())
}

pub(super) fn corrupt(error: iceberg::Error) -> QueryError {
    QueryError::new(QueryErrorKind::Corrupt, error.to_string())
}
