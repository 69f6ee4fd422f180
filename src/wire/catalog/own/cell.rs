//! Rows of catalog tables: cells by the name of their column, everything else at its default.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_empty_array, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Result, ScalarValue};

use super::Sources;
use crate::wire::catalog::schema::exported_schema;
use crate::wire::encode::OID_ALIAS;

/// One value of a row.
#[derive(Clone, Debug)]
pub(in crate::wire::catalog) enum Cell {
    /// NULL, or the default of a column that can't be NULL.
    Unset,
    Int(i64),
    Bool(bool),
    Text(String),
    Value(ScalarValue),
}

impl From<i32> for Cell {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<char> for Cell {
    fn from(value: char) -> Self {
        Self::Text(value.to_string())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Unset, Into::into)
    }
}

/// Fills a schema: `value(row, column)` gives what is known, the rest is default.
pub(in crate::wire::catalog) fn fill<R>(
    schema: &SchemaRef,
    rows: &[R],
    value: impl Fn(&R, &str) -> Cell,
) -> Result<RecordBatch> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            let values = rows
                .iter()
                .map(|row| scalar(value(row, field.name()), field))
                .collect::<Result<Vec<_>>>()?;
            if values.is_empty() {
                return Ok(new_empty_array(field.data_type()));
            }
            if values.iter().all(ScalarValue::is_null) {
                return Ok(new_null_array(field.data_type(), values.len()));
            }
            let array: ArrayRef = ScalarValue::iter_to_array(values)?;
            Ok(cast(&array, field.data_type())?)
        })
        .collect::<Result<Vec<_>>>()?;
    // Nullability is not the exports' strong side: every column may be NULL.
    Ok(RecordBatch::try_new(nullable(schema), columns)?)
}

fn nullable(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// Columns of the exports that are of another type in Postgres: lists, and numbers of objects.
pub(in crate::wire::catalog) fn corrected(schema: &Schema) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| {
            let name = field.name().as_str();
            if is_text_list(name) && field.data_type() == &DataType::Utf8 {
                return Field::new(name, DataType::new_list(DataType::Utf8, true), true);
            }
            // Its name since Postgres 17: clients go by the version that they are told.
            if name == "colllocale" {
                return field.as_ref().clone().with_name("colliculocale");
            }
            if OIDS.contains(&name) && field.data_type() == &DataType::Int32 {
                return oid_field(name);
            }
            field.as_ref().clone()
        })
        .collect();
    Arc::new(Schema::new(fields))
}

fn is_text_list(name: &str) -> bool {
    name.ends_with("acl") || matches!(name, "reloptions" | "attoptions" | "attfdwoptions")
}

fn oid_field(name: &str) -> Field {
    let mark = [(OID_ALIAS.to_owned(), "oid".to_owned())];
    Field::new(name, DataType::Int32, true).with_metadata(mark.into())
}

/// Columns of the tables made here that are of the type `oid`.
const OIDS: &[&str] = &[
    "oid",
    "relnamespace",
    "reltype",
    "reloftype",
    "relowner",
    "relam",
    "relfilenode",
    "reltablespace",
    "reltoastrelid",
    "relrewrite",
    "attrelid",
    "atttypid",
    "attcollation",
    "nspowner",
    "datdba",
    "dattablespace",
    "objoid",
    "classoid",
    "usesysid",
    "datid",
];

/// The columns of an exported table, and those that the exports lack.
pub(super) fn whole_schema(
    name: &str,
    lacking: &[(&str, DataType)],
    sources: &Sources<'_>,
) -> Result<SchemaRef> {
    let exported = exported_schema(name, sources)?;
    let mut fields: Vec<Field> = exported
        .fields()
        .iter()
        .map(|f| f.as_ref().clone())
        .collect();
    for (name, data_type) in lacking {
        if exported.field_with_name(name).is_err() {
            fields.push(Field::new(*name, data_type.clone(), true));
        }
    }
    Ok(corrected(&Schema::new(fields)))
}

fn scalar(cell: Cell, field: &Field) -> Result<ScalarValue> {
    let data_type = field.data_type();
    let value = match cell {
        Cell::Int(value) => ScalarValue::Int64(Some(value)),
        Cell::Bool(value) => ScalarValue::Boolean(Some(value)),
        Cell::Text(value) => ScalarValue::Utf8(Some(value)),
        Cell::Value(value) => return Ok(value),
        Cell::Unset => match data_type {
            _ if field.is_nullable() => return ScalarValue::try_from(data_type),
            DataType::Boolean => ScalarValue::Boolean(Some(false)),
            DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Float32 => {
                ScalarValue::Int64(Some(0))
            }
            DataType::Utf8 | DataType::LargeUtf8 => ScalarValue::Utf8(Some(String::new())),
            _ => return ScalarValue::try_from(data_type),
        },
    };
    value.cast_to(data_type)
}

pub(super) fn empty(schema: &SchemaRef) -> Result<RecordBatch> {
    Ok(RecordBatch::new_empty(nullable(schema)))
}

pub(super) fn text_columns(names: &[&str]) -> SchemaRef {
    Arc::new(Schema::new(
        names
            .iter()
            .map(|name| Field::new(*name, DataType::Utf8, true))
            .collect::<Vec<_>>(),
    ))
}

pub(super) fn columns(list: &[(&str, DataType)]) -> SchemaRef {
    let fields: Vec<Field> = list
        .iter()
        .map(|(name, data_type)| Field::new(*name, data_type.clone(), true))
        .collect();
    corrected(&Schema::new(fields))
}
