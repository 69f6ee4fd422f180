//! Batches made to fit a table's Arrow schema to the letter: names, nullability, field ids, nested.
//! Must never lose a value: what doesn't fit without loss is refused.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use iceberg::spec::{PrimitiveType, Schema as IcebergSchema, Type};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

use crate::lake::{Error, Result};

const EXTENSION_NAME: &str = "ARROW:extension:name";
const EXTENSION_METADATA: &str = "ARROW:extension:metadata";

/// The table's schema as Arrow, field ids in the metadata, UUIDs marked as such (a bare
/// FixedSizeBinary(16) would lose its annotation in Parquet, which other readers want).
pub(super) fn arrow_schema(schema: &IcebergSchema) -> Result<SchemaRef> {
    let arrow = iceberg::arrow::schema_to_arrow_schema(schema)
        .map_err(|error| Error::invalid(format!("the schema has no Arrow form: {error}")))?;
    let fields: Fields = arrow
        .fields()
        .iter()
        .map(|field| mark_uuids(field, schema))
        .collect();
    Ok(Arc::new(Schema::new(fields)))
}

fn mark_uuids(field: &FieldRef, schema: &IcebergSchema) -> FieldRef {
    let marked = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(
            fields
                .iter()
                .map(|field| mark_uuids(field, schema))
                .collect(),
        ),
        DataType::List(element) => DataType::List(mark_uuids(element, schema)),
        DataType::Map(entries, sorted) => DataType::Map(mark_uuids(entries, schema), *sorted),
        other => other.clone(),
    };
    let mut field = field.as_ref().clone().with_data_type(marked);
    if is_uuid(&field, schema) {
        let mut metadata = field.metadata().clone();
        metadata.insert(EXTENSION_NAME.to_owned(), "arrow.uuid".to_owned());
        metadata.remove(EXTENSION_METADATA);
        field = field.with_metadata(metadata);
    }
    Arc::new(field)
}

fn is_uuid(field: &Field, schema: &IcebergSchema) -> bool {
    field_id(field)
        .and_then(|id| schema.field_by_id(id))
        .is_some_and(|field| *field.field_type == Type::Primitive(PrimitiveType::Uuid))
}

pub(super) fn field_id(field: &Field) -> Option<i32> {
    field
        .metadata()
        .get(PARQUET_FIELD_ID_META_KEY)?
        .parse()
        .ok()
}

/// The batch in this schema; columns are found by name.
pub(super) fn batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let given = batch.schema();
    if &given == schema {
        return Ok(batch.clone());
    }
    let columns = columns(
        given.fields(),
        batch.columns(),
        schema.fields(),
        batch.num_rows(),
        "",
    )?;
    RecordBatch::try_new(schema.clone(), columns).map_err(unfit)
}

fn unfit(error: arrow::error::ArrowError) -> Error {
    Error::invalid(format!("rows don't fit the table: {error}"))
}

fn columns(
    given: &Fields,
    arrays: &[ArrayRef],
    wanted: &Fields,
    rows: usize,
    path: &str,
) -> Result<Vec<ArrayRef>> {
    for field in given {
        if !wanted.iter().any(|other| other.name() == field.name()) {
            return Err(Error::invalid(format!(
                "the table has no column {path}{}",
                field.name()
            )));
        }
    }
    let column = |field: &FieldRef| {
        let path = format!("{path}{}", field.name());
        match given.iter().position(|other| other.name() == field.name()) {
            Some(index) => array(&arrays[index], field.data_type(), &path),
            None if field.is_nullable() => Ok(new_null_array(field.data_type(), rows)),
            None => Err(Error::invalid(format!("the column {path} is required"))),
        }
    };
    wanted.iter().map(column).collect()
}

fn array(from: &ArrayRef, to: &DataType, path: &str) -> Result<ArrayRef> {
    if from.data_type() == to {
        return Ok(from.clone());
    }
    match (from.data_type(), to) {
        (DataType::Struct(given), DataType::Struct(wanted)) => {
            let from = from.as_struct();
            let nested = format!("{path}.");
            let columns = columns(given, from.columns(), wanted, from.len(), &nested)?;
            let made = StructArray::try_new_with_length(
                wanted.clone(),
                columns,
                from.nulls().cloned(),
                from.len(),
            );
            Ok(Arc::new(made.map_err(unfit)?))
        }
        (DataType::List(_), DataType::List(element)) => {
            let from: &ListArray = from.as_list();
            let values = array(
                from.values(),
                element.data_type(),
                &format!("{path}.element"),
            )?;
            let offsets = from.offsets().clone();
            let made = ListArray::try_new(element.clone(), offsets, values, from.nulls().cloned());
            Ok(Arc::new(made.map_err(unfit)?))
        }
        (DataType::Map(_, _), DataType::Map(entries, sorted)) => {
            map(from.as_map(), entries, *sorted, path)
        }
        (DataType::Null, _) => Ok(new_null_array(to, from.len())),
        (given, wanted) if fits(given, wanted) => {
            let strict = CastOptions {
                safe: false,
                ..CastOptions::default()
            };
            cast_with_options(from, to, &strict)
                .map_err(|error| Error::invalid(format!("the column {path}: {error}")))
        }
        (given, wanted) => Err(Error::invalid(format!(
            "the column {path} is {given}, the table wants {wanted}"
        ))),
    }
}

/// Keys and values are found by place: writers name them differently.
fn map(from: &MapArray, entries: &FieldRef, sorted: bool, path: &str) -> Result<ArrayRef> {
    let DataType::Struct(wanted) = entries.data_type() else {
        return Err(Error::invalid(format!("the map {path} has no entries")));
    };
    let keys = array(from.keys(), wanted[0].data_type(), &format!("{path}.key"))?;
    let values = array(
        from.values(),
        wanted[1].data_type(),
        &format!("{path}.value"),
    )?;
    let pairs = StructArray::try_new(wanted.clone(), vec![keys, values], None).map_err(unfit)?;
    let offsets = from.offsets().clone();
    let made = MapArray::try_new(
        entries.clone(),
        offsets,
        pairs,
        from.nulls().cloned(),
        sorted,
    );
    Ok(Arc::new(made.map_err(unfit)?))
}

/// Whether each value of one type has its equal in the other, or the cast says that it hasn't.
fn fits(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    match (from, to) {
        (Dictionary(_, values), to) => values.as_ref() == to || fits(values, to),
        (Utf8View | LargeUtf8, Utf8) => true,
        (Binary | BinaryView | FixedSizeBinary(_), LargeBinary) => true,
        (Binary | BinaryView | LargeBinary, FixedSizeBinary(_)) => true,
        (Timestamp(_, from), Timestamp(_, to)) => from.is_some() == to.is_some(),
        (Time32(_) | Time64(_), Time64(_)) | (Date64, Date32) => true,
        (Float16, Float32) | (Float16 | Float32, Float64) => true,
        (Decimal128(_, from), Decimal128(_, to)) => from <= to,
        (from, Int32 | Int64) => from.is_integer(),
        (from, Decimal128(_, _)) => from.is_integer(),
        _ => false,
    }
}
