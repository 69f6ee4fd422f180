//! The sink's own columns: where a record came from, and what the contract doesn't declare.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Schema, TimeUnit};
use arrow::error::ArrowError;

use super::column::{Bytes, Column, Values};
use super::failure::{Failure, Result};
use crate::lake;
use crate::sink::source::SourceIdentity;

/// Where one record came from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub identity: &'a SourceIdentity,
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: Option<i64>,
    pub key: Option<&'a [u8]>,
}

impl Origin<'_> {
    /// Microseconds; None also for a time so far off that it doesn't fit.
    pub(super) fn timestamp_us(&self) -> Option<i64> {
        self.timestamp_ms?.checked_mul(1_000)
    }
}

/// The names, in the order of [`System::columns`].
const NAMES: [&str; 6] = [
    "_topic",
    "_topic_id",
    "_partition",
    "_offset",
    "_timestamp",
    "_key",
];

/// The columns that events and dead letters share.
#[derive(Debug)]
pub(super) struct System {
    columns: [Column; 6],
    /// What a null in `_timestamp` or `_key` would break.
    required: [bool; 6],
}

impl System {
    /// Finds the columns in the table's schema; `table` names it in errors.
    pub(super) fn new(schema: &Schema, table: &str) -> lake::Result<Self> {
        let text = |name| column(schema, table, name, &[DataType::Utf8]);
        let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
        let keys = [DataType::Utf8, DataType::Binary, DataType::LargeBinary];
        let columns = [
            text("_topic")?,
            text("_topic_id")?,
            column(schema, table, "_partition", &[DataType::Int32])?,
            column(schema, table, "_offset", &[DataType::Int64])?,
            column(schema, table, "_timestamp", &[micros])?,
            column(schema, table, "_key", &keys)?,
        ];
        let required = NAMES.map(|name| {
            let field = schema.field_with_name(name);
            field.is_ok_and(|field| !field.is_nullable())
        });
        Ok(Self { columns, required })
    }

    pub(super) fn rows(&self) -> usize {
        self.columns[0].len()
    }

    /// A failure leaves a part of the row behind: truncate then.
    pub(super) fn push(&mut self, origin: &Origin<'_>) -> Result<()> {
        let [topic, topic_id, partition, offset, timestamp, key] = &mut self.columns;
        topic.push_bytes(origin.identity.topic.as_bytes())?;
        topic_id.push_bytes(origin.identity.topic_id.as_bytes())?;
        partition.push_int(origin.partition);
        offset.push_long(origin.offset);
        match origin.timestamp_us() {
            Some(micros) => timestamp.push_long(micros),
            None if self.required[4] => {
                return Err(Failure::new("required, but the log has none").under_field(NAMES[4]));
            }
            None => timestamp.push_null(),
        }
        match origin.key {
            Some(bytes) => {
                if matches!(key.values, Values::Text(_)) && std::str::from_utf8(bytes).is_err() {
                    return Err(
                        Failure::new("not UTF-8, and the column is text").under_field(NAMES[5])
                    );
                }
                key.push_bytes(bytes)
            }
            None if self.required[5] => {
                Err(Failure::new("required, but the record has none").under_field(NAMES[5]))
            }
            None => {
                key.push_null();
                Ok(())
            }
        }
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        for column in &mut self.columns {
            column.truncate(rows);
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.columns.iter().map(Column::memory_bytes).sum()
    }

    /// The columns by name.
    pub(super) fn finish(
        &mut self,
    ) -> std::result::Result<Vec<(&'static str, ArrayRef)>, ArrowError> {
        let columns = NAMES.into_iter().zip(&mut self.columns);
        columns
            .map(|(name, column)| Ok((name, column.finish()?)))
            .collect()
    }

    pub(super) fn is_one(name: &str) -> bool {
        NAMES.contains(&name)
    }
}

/// An empty buffer for a column that must be there with one of these types.
pub(super) fn column(
    schema: &Schema,
    table: &str,
    name: &str,
    types: &[DataType],
) -> lake::Result<Column> {
    let field = schema.field_with_name(name).map_err(|_| {
        lake::Error::invalid(format!(
            "table {table} has no column {name}, which the sink fills"
        ))
    })?;
    let arrow = field.data_type();
    let wanted = types.iter().find(|wanted| same(wanted, arrow));
    let values = match wanted {
        Some(DataType::Utf8) => Values::Text(Bytes::default()),
        Some(DataType::Binary) => Values::Binary {
            large: false,
            values: Bytes::default(),
        },
        Some(DataType::LargeBinary) => Values::Binary {
            large: true,
            values: Bytes::default(),
        },
        Some(DataType::Int32) => Values::Int(Vec::new()),
        Some(DataType::Int64) => Values::Long(Vec::new()),
        Some(DataType::Timestamp(_, _)) => Values::Timestamp {
            zone: match arrow {
                DataType::Timestamp(_, zone) => zone.clone(),
                _ => None,
            },
            values: Vec::new(),
        },
        _ => {
            return Err(lake::Error::invalid(format!(
                "column {name} of table {table} has the type {arrow}, the sink writes {}",
                types[0]
            )));
        }
    };
    Ok(Column::new(values))
}

/// The same type; the spelling of UTC doesn't matter.
fn same(wanted: &DataType, found: &DataType) -> bool {
    match (wanted, found) {
        (
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)),
            DataType::Timestamp(TimeUnit::Microsecond, zone),
        ) => zone.is_some(),
        _ => wanted == found,
    }
}
