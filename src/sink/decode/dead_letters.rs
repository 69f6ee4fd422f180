//! Dead letters: what could not be decoded, with its position, bytes and reason. The table's
//! columns are declared in [`crate::declare::dead_letters_schema`].

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use super::column::Column;
use super::system::{self, Origin, System};
use crate::lake::{Error, Result};

/// So much of an oversized record is kept.
pub(super) const OVERSIZED_KEPT_BYTES: usize = 4096;

/// The buffer of dead letters. Takes everything: nothing here may fail but [`Self::take`].
#[derive(Debug)]
pub(super) struct DeadLetters {
    schema: SchemaRef,
    system: System,
    payload: Column,
    reason: Column,
    failed_at: Column,
    /// Of the column `stream`: the same in every row.
    stream: String,
    /// Columns that someone added to the table; null, so they must be optional.
    others: Vec<String>,
}

impl DeadLetters {
    pub(super) fn new(schema: SchemaRef, table: &str, stream: &str) -> Result<Self> {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
        let bytes = [DataType::LargeBinary];
        for name in ["_timestamp", "_key", "payload"] {
            if schema.field_with_name(name).is_ok_and(|f| !f.is_nullable()) {
                return Err(Error::invalid(format!(
                    "column {name} of table {table} must be optional: some records have none"
                )));
            }
        }
        system::column(&schema, table, "_key", &bytes)?;
        system::column(&schema, table, "stream", &[DataType::Utf8])?;
        let own = ["payload", "reason", "failed_at", "stream"];
        let mut others = Vec::new();
        for field in schema.fields() {
            if System::is_one(field.name()) || own.contains(&field.name().as_str()) {
                continue;
            }
            if !field.is_nullable() {
                return Err(Error::invalid(format!(
                    "table {table} requires {}, which the sink doesn't know: make it optional",
                    field.name()
                )));
            }
            others.push(field.name().clone());
        }
        Ok(Self {
            system: System::new(&schema, table)?,
            payload: system::column(&schema, table, "payload", &bytes)?,
            reason: system::column(&schema, table, "reason", &[DataType::Utf8])?,
            failed_at: system::column(&schema, table, "failed_at", &[micros])?,
            stream: stream.to_owned(),
            others,
            schema,
        })
    }

    pub(super) fn rows(&self) -> usize {
        self.reason.len()
    }

    pub(super) fn push(
        &mut self,
        origin: &Origin<'_>,
        payload: Option<&[u8]>,
        reason: &str,
        now_ms: i64,
    ) {
        // Keys and payloads have 64-bit offsets here, and names and reasons are short: 2 GiB of
        // them would be tens of millions of dead letters between two takes, far beyond memory.
        const ROOM: &str = "dead letters have room for every record";
        self.system.push(origin).expect(ROOM);
        match payload {
            Some(bytes) => self.payload.push_bytes(bytes).expect(ROOM),
            None => self.payload.push_null(),
        }
        self.reason.push_bytes(reason.as_bytes()).expect(ROOM);
        self.failed_at.push_long(now_ms.saturating_mul(1_000));
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let own = [&self.payload, &self.reason, &self.failed_at];
        self.system.memory_bytes() + own.map(Column::memory_bytes).iter().sum::<usize>()
    }

    pub(super) fn take(&mut self) -> std::result::Result<RecordBatch, ArrowError> {
        let rows = self.rows();
        let mut columns = self.system.finish()?;
        columns.push(("payload", self.payload.finish()?));
        columns.push(("reason", self.reason.finish()?));
        columns.push(("failed_at", self.failed_at.finish()?));
        let streams = StringArray::from_iter_values(std::iter::repeat_n(&self.stream, rows));
        columns.push(("stream", Arc::new(streams)));
        let schema = Arc::clone(&self.schema);
        super::batch(&schema, rows, |name| {
            if self.others.iter().any(|other| other == name) {
                let field = schema.field_with_name(name).ok()?;
                return Some(arrow::array::new_null_array(field.data_type(), rows));
            }
            let at = columns.iter().position(|(own, _)| *own == name)?;
            let column: ArrayRef = columns.swap_remove(at).1;
            Some(column)
        })
    }
}
