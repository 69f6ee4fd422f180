//! Records into rows: JSON payloads straight into Arrow columns, and what can't be decoded into
//! dead letters. Must never lose a record: each becomes exactly one row or one dead letter (I6).

mod dead_letters;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use super::source::{Chunk, SourceIdentity};
use crate::declare::stream::Stream;
use crate::lake::Result;

pub use dead_letters::dead_letter_schema;

/// Decodes chunks of one stream; holds what it decoded until [`Self::take`].
#[derive(Debug)]
pub struct Decoder {
    _events: SchemaRef,
    _dead_letters: SchemaRef,
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
    pub fn new(_stream: &Stream, events: SchemaRef, dead_letters: SchemaRef) -> Result<Self> {
        Ok(Self {
            _events: events,
            _dead_letters: dead_letters,
        })
    }

    /// Takes every record of the chunk: each becomes one row or one dead letter.
    /// `now_ms` is the dead letters' `failed_at`.
    pub fn push(&mut self, _identity: &SourceIdentity, _chunk: &Chunk, _now_ms: i64) {
        todo!("follows at once")
    }

    /// Records held: rows of events and dead letters together.
    pub fn rows(&self) -> usize {
        todo!("follows at once")
    }

    /// Bytes that the held rows take.
    pub fn memory_bytes(&self) -> usize {
        todo!("follows at once")
    }

    /// Hands over what is held and starts empty.
    pub fn take(&mut self) -> Result<Decoded> {
        todo!("follows at once")
    }
}
