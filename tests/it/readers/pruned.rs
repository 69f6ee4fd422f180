//! What a filter finds with all that it leaves unread is what it finds when every row is looked at.

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use arrow::util::display::array_value_to_string;
use frazil::Lakehouse;

use super::house::House;

/// Of a column's values, so many are asked for: more where the table is partitioned by it.
const VALUES: usize = 2;
const VALUES_OF_PARTITIONS: usize = 5;

/// Conditions on these rows that are wrong in the answer: each with both counts.
pub async fn differences(house: &House, rows: &[RecordBatch]) -> Vec<String> {
    let loaded = house.table().await;
    let (lakehouse, table) = (&house.lakehouse, house.name.to_string());
    let parts = loaded.metadata().default_partition_spec().fields();
    let schema = loaded.metadata().current_schema();
    let parts: Vec<&str> = parts
        .iter()
        .filter_map(|part| schema.name_by_field_id(part.source_id))
        .collect();
    let mut conditions = Vec::new();
    if let Some(first) = rows.first() {
        let schema = first.schema();
        for (place, field) in schema.fields().iter().enumerate() {
            let arrays: Vec<ArrayRef> = rows.iter().map(|b| b.column(place).clone()).collect();
            let part = parts.iter().any(|part| part.starts_with(field.name()));
            // With partitions, the others are for the tables that have none.
            if part || parts.is_empty() {
                let most = if part { VALUES_OF_PARTITIONS } else { VALUES };
                add(
                    &format!("\"{}\"", field.name()),
                    &arrays,
                    most,
                    &mut conditions,
                );
            }
        }
    }
    let mut wrong = Vec::new();
    for some in conditions.chunks(40) {
        // An aggregate's own filter is not pushed down to the files.
        let every = some.iter().map(|condition| {
            format!("SELECT count(*) FILTER (WHERE {condition}) AS found, count(*) AS every FROM {table}")
        });
        let found = some
            .iter()
            .map(|condition| format!("SELECT count(*) AS found FROM {table} WHERE {condition}"));
        let both = (
            numbers(lakehouse, every.collect()).await,
            numbers(lakehouse, found.collect()).await,
        );
        match both {
            (Ok(every), Ok(found)) => {
                let counts = some.iter().zip(every.iter().zip(found));
                let unlike = counts.filter(|(_, (every, found))| **every != *found);
                wrong.extend(unlike.map(|(condition, (every, found))| {
                    format!("{table} WHERE {condition}: {found}, and {every} of all rows")
                }));
            }
            (every, found) => wrong.extend([every, found].into_iter().filter_map(Result::err)),
        }
    }
    wrong
}

/// What each of these gives first, in their order.
async fn numbers(lakehouse: &Lakehouse, queries: Vec<String>) -> Result<Vec<i64>, String> {
    let numbered = queries.iter().enumerate();
    let numbered = numbered
        .map(|(number, query)| format!("SELECT {number} AS number, found FROM ({query}) AS one"));
    let all = numbered.collect::<Vec<_>>().join(" UNION ALL ") + " ORDER BY 1";
    let batches = lakehouse.sql(&all).await;
    let batches = batches.map_err(|error| format!("{error}: {all}"))?;
    let of = |batch: &RecordBatch| {
        let column = batch.column(1).as_any().downcast_ref::<Int64Array>();
        column.unwrap().values().to_vec()
    };
    Ok(batches.iter().flat_map(of).collect())
}

/// Each of some values by equality, and both halves around it.
fn add(column: &str, arrays: &[ArrayRef], most: usize, conditions: &mut Vec<String>) {
    if let DataType::Struct(fields) = arrays[0].data_type() {
        for (place, field) in fields.iter().enumerate() {
            let inner: Vec<ArrayRef> = arrays
                .iter()
                .map(|a| a.as_struct().column(place).clone())
                .collect();
            add(
                &format!("{column}.\"{}\"", field.name()),
                &inner,
                most,
                conditions,
            );
        }
        return;
    }
    let Some(kind) = kind(arrays[0].data_type()) else {
        return;
    };
    conditions.push(format!("{column} IS NULL"));
    conditions.push(format!("{column} IS NOT NULL"));
    let mut values: Vec<String> = Vec::new();
    for array in arrays {
        for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
            let value = array_value_to_string(array, row).unwrap();
            if !values.contains(&value) && value.len() < 1000 {
                values.push(value);
            }
        }
    }
    // From everywhere, the first and the last among them.
    let every = values.len().div_ceil(most).max(1);
    for value in values.iter().step_by(every).chain(values.last()) {
        let literal = format!("{kind} '{}'", value.replace('\'', "''"));
        for operator in ["=", "<", ">="] {
            conditions.push(format!("{column} {operator} {literal}"));
        }
        if kind == "text" {
            let start: String = value.chars().take(2).collect();
            conditions.push(format!(
                "{column} LIKE '{}%'",
                start.replace(['%', '_', '\\', '\''], "")
            ));
        }
    }
}

/// A type that has an order, in SQL's words.
fn kind(kind: &DataType) -> Option<&'static str> {
    Some(match kind {
        DataType::Boolean => "boolean",
        DataType::Int32 => "int4",
        DataType::Int64 => "int8",
        DataType::Float32 => "float4",
        DataType::Float64 => "float8",
        DataType::Decimal128(..) => "numeric",
        DataType::Date32 => "date",
        DataType::Timestamp(_, None) => "timestamp",
        DataType::Timestamp(_, Some(_)) => "timestamptz",
        DataType::Utf8 | DataType::Utf8View => "text",
        _ => return None,
    })
}
