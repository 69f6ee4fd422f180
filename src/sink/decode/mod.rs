//! Records into rows: JSON payloads straight into Arrow columns, and what can't be decoded into
//! dead letters. Must never lose a record: each becomes exactly one row or one dead letter (I6).
//!
//! How each type is spelled in JSON stands in `read`; what isn't declared is kept, see `extra`.

mod column;
mod dead_letters;
mod extra;
mod failure;
mod fields;
mod json;
mod number;
mod read;
mod shape;
mod system;
mod temporal;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Fields as ArrowFields, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use iceberg::spec::StructType;

use self::column::Column;
use self::dead_letters::DeadLetters;
use self::extra::Extra;
use self::failure::Failure;
use self::fields::Fields;
use self::system::{Origin, System};
use super::source::{Chunk, SourceIdentity};
use crate::declare::stream::Stream;
use crate::lake::{Error, ErrorKind, Result};

/// The column with the undeclared members.
const EXTRA: &str = "_extra";

/// Decodes chunks of one stream; holds what it decoded until [`Self::take`].
///
/// Text columns hold at most 2 GiB between two takes (Arrow's offsets); a record that would pass
/// that becomes a dead letter, so take long before.
#[derive(Debug)]
pub struct Decoder {
    schema: SchemaRef,
    fields: Fields,
    system: System,
    extra: Column,
    dead_letters: DeadLetters,
    /// The undeclared members of the record being read.
    undeclared: Extra,
    largest_record_bytes: usize,
}

/// What a decoder held: rows of the event table and of its dead letters.
#[derive(Clone, Debug)]
pub struct Decoded {
    pub events: RecordBatch,
    pub dead_letters: RecordBatch,
}

impl Decoder {
    /// `events` and `dead_letters`: the Arrow schemas of the two tables as they are now (with
    /// `PARQUET:field_id` metadata). `Invalid` when a column that the contract declares, or one
    /// of the sink's own, isn't there or has another type.
    pub fn new(stream: &Stream, events: SchemaRef, dead_letters: SchemaRef) -> Result<Self> {
        let table = stream.table.to_string();
        let is_own = |name: &str| name == EXTRA || System::is_one(name);
        let contract = stream.schema.as_struct().fields().iter();
        let declared: Vec<_> = contract.filter(|f| !is_own(&f.name)).cloned().collect();
        let columns: ArrowFields = events
            .fields()
            .iter()
            .filter(|field| !is_own(field.name()))
            .cloned()
            .collect();
        let fields = shape::fields(&columns, &StructType::new(declared), "", &stream.renames)
            .map_err(|error| Error::new(error.kind(), format!("table {table}: {error}")))?;
        Ok(Self {
            fields,
            system: System::new(&events, &table)?,
            extra: system::column(&events, &table, EXTRA, &[DataType::Utf8])?,
            dead_letters: DeadLetters::new(
                dead_letters,
                &stream.dead_letters.to_string(),
                &stream.name,
            )?,
            undeclared: Extra::default(),
            largest_record_bytes: usize::try_from(stream.largest_record_bytes)
                .unwrap_or(usize::MAX),
            schema: events,
        })
    }

    /// Takes every record of the chunk: each becomes one row or one dead letter.
    /// `now_ms` is the dead letters' `failed_at`.
    pub fn push(&mut self, identity: &SourceIdentity, chunk: &Chunk, now_ms: i64) {
        for record in &chunk.records {
            let slice = |range: &std::ops::Range<usize>| &chunk.bytes[range.clone()];
            let origin = Origin {
                identity,
                partition: chunk.partition,
                offset: record.offset,
                timestamp_ms: record.timestamp_ms,
                key: record.key.as_ref().map(slice),
            };
            let payload = record.payload.as_ref().map(slice);
            let rows = self.system.rows();
            if let Err(failure) = self.row(&origin, payload) {
                self.fields.truncate(rows);
                self.system.truncate(rows);
                self.extra.truncate(rows);
                let kept = payload.map(|bytes| match bytes.len() > self.largest_record_bytes {
                    true => &bytes[..bytes.len().min(dead_letters::OVERSIZED_KEPT_BYTES)],
                    false => bytes,
                });
                self.dead_letters
                    .push(&origin, kept, &failure.to_string(), now_ms);
            }
        }
    }

    fn row(&mut self, origin: &Origin<'_>, payload: Option<&[u8]>) -> failure::Result<()> {
        let payload = payload.ok_or_else(|| Failure::new("no payload (a tombstone)"))?;
        if payload.len() > self.largest_record_bytes {
            return Err(Failure::new(format!(
                "the payload has {} bytes, the contract's largest_record is {}; \
                 only its first bytes are kept here",
                payload.len(),
                self.largest_record_bytes
            )));
        }
        let text = text(payload)?;
        let row = self.system.rows();
        self.undeclared.clear();
        read::row(&mut self.fields, row, text, &mut self.undeclared)?;
        match self.undeclared.finish() {
            Some(extra) => self.extra.push_bytes(extra.as_bytes())?,
            None => self.extra.push_null(),
        }
        // Last, so that its count is the number of whole rows.
        self.system.push(origin)
    }

    /// Records held: rows of events and dead letters together.
    pub fn rows(&self) -> usize {
        self.system.rows() + self.dead_letters.rows()
    }

    /// Bytes that the held rows take.
    pub fn memory_bytes(&self) -> usize {
        self.fields.memory_bytes()
            + self.system.memory_bytes()
            + self.extra.memory_bytes()
            + self.dead_letters.memory_bytes()
    }

    /// Hands over what is held and starts empty.
    pub fn take(&mut self) -> Result<Decoded> {
        let events = self.take_events().map_err(|error| internal(&error))?;
        let dead_letters = self.dead_letters.take().map_err(|error| internal(&error))?;
        Ok(Decoded {
            events,
            dead_letters,
        })
    }

    fn take_events(&mut self) -> std::result::Result<RecordBatch, ArrowError> {
        let rows = self.system.rows();
        let mut own = self.system.finish()?;
        own.push((EXTRA, self.extra.finish()?));
        let mut columns = self.fields.finish()?.into_iter();
        batch(&self.schema, rows, |name| {
            let at = own.iter().position(|(own, _)| *own == name);
            at.map(|at| own.swap_remove(at).1)
                .or_else(|| columns.next())
        })
    }
}

/// A batch whose columns `column` gives by name, asked in the schema's order.
fn batch(
    schema: &SchemaRef,
    rows: usize,
    mut column: impl FnMut(&str) -> Option<ArrayRef>,
) -> std::result::Result<RecordBatch, ArrowError> {
    let columns = schema.fields().iter().map(|field| {
        column(field.name())
            .ok_or_else(|| ArrowError::SchemaError(format!("nothing fills {}", field.name())))
    });
    let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

/// The payload as text; JSON between programs is UTF-8 without a byte order mark.
fn text(payload: &[u8]) -> failure::Result<&str> {
    if payload.is_empty() {
        return Err(Failure::new("the payload is empty"));
    }
    let text = std::str::from_utf8(payload)
        .map_err(|error| Failure::new(format!("not UTF-8 from byte {} on", error.valid_up_to())))?;
    if text.starts_with('\u{feff}') {
        return Err(Failure::new("not JSON: it begins with a byte order mark"));
    }
    Ok(text)
}

fn internal(error: &ArrowError) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("decoded rows can't be made an Arrow batch: {error}"),
    )
}
