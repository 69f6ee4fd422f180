//! How records of one partition lie in one blob. Persisted: `FORMAT` is raised with the layout,
//! and a blob of an unknown format is refused.
//!
//! A blob is the byte `FORMAT`, then a zstd frame with checksum of: for each record, the
//! timestamp (i64), the key and the payload, each as a length (u32, `u32::MAX` for null) and its
//! bytes; little-endian throughout. Offsets are dense, so only the first stands in the row.

use std::borrow::Cow;

use zstd::zstd_safe::CParameter;

use super::NewRecord;
use crate::lake::{Error, Result};
use crate::sink::source::{Chunk, RecordSpan};

const FORMAT: u8 = 1;
const NULL: u32 = u32::MAX;
/// Level 1: an append waits for it.
const ZSTD_LEVEL: i32 = 1;
/// A blob is closed when its records take this many bytes, so that reads stay bounded.
pub(super) const CLOSE_BYTES: usize = 1 << 20;
/// Longer records are refused at the append.
pub(super) const LARGEST_RECORD_BYTES: usize = 64 << 20;

/// A blob being filled.
#[derive(Debug, Default)]
pub(super) struct BatchBuilder {
    raw: Vec<u8>,
    pub records: i64,
    pub max_timestamp_ms: i64,
}

/// What goes into one row of `batches`.
pub(super) struct Batch {
    pub records: i64,
    pub max_timestamp_ms: i64,
    pub raw_bytes: i64,
    pub blob: Vec<u8>,
}

impl BatchBuilder {
    pub(super) fn push(&mut self, record: &NewRecord<'_>) {
        self.raw
            .extend_from_slice(&record.timestamp_ms.to_le_bytes());
        push_bytes(&mut self.raw, record.key.as_deref());
        push_bytes(&mut self.raw, record.payload.as_deref());
        self.max_timestamp_ms = match self.records {
            0 => record.timestamp_ms,
            _ => self.max_timestamp_ms.max(record.timestamp_ms),
        };
        self.records += 1;
    }

    pub(super) fn is_full(&self) -> bool {
        self.raw.len() >= CLOSE_BYTES
    }

    pub(super) fn finish(&mut self) -> Result<Batch> {
        let taken = std::mem::take(self);
        let compress = || -> std::io::Result<Vec<u8>> {
            let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
            compressor.set_parameter(CParameter::ChecksumFlag(true))?;
            compressor.compress(&taken.raw)
        };
        let frame = compress().map_err(|error| {
            Error::new(
                crate::lake::ErrorKind::Internal,
                format!("records can't be compressed for the embedded log: {error}"),
            )
        })?;
        let mut blob = Vec::with_capacity(frame.len() + 1);
        blob.push(FORMAT);
        blob.extend_from_slice(&frame);
        Ok(Batch {
            records: taken.records,
            max_timestamp_ms: taken.max_timestamp_ms,
            raw_bytes: taken.raw.len() as i64,
            blob,
        })
    }
}

fn push_bytes(raw: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => raw.extend_from_slice(&NULL.to_le_bytes()),
        Some(bytes) => {
            let length = u32::try_from(bytes.len()).expect("append refuses longer records");
            raw.extend_from_slice(&length.to_le_bytes());
            raw.extend_from_slice(bytes);
        }
    }
}

/// One row of `batches` as read.
pub(super) struct StoredBatch {
    pub base_offset: i64,
    pub records: i64,
    pub raw_bytes: i64,
    pub blob: Vec<u8>,
}

impl StoredBatch {
    pub(super) fn end(&self) -> i64 {
        self.base_offset + self.records
    }

    /// Adds the records from offset `from` on to the chunk; `place` names the batch in errors.
    pub(super) fn read_into(&self, from: i64, chunk: &mut Chunk, place: &str) -> Result<()> {
        let corrupt = |what: &str| {
            Error::corrupt(format!(
                "{place}: the batch at offset {} is damaged: {what}",
                self.base_offset
            ))
        };
        let frame = match self.blob.split_first() {
            Some((&FORMAT, frame)) => frame,
            Some((format, _)) => return Err(corrupt(&format!("unknown format {format}"))),
            None => return Err(corrupt("it is empty")),
        };
        let capacity = usize::try_from(self.raw_bytes)
            .ok()
            .filter(|bytes| *bytes <= 2 * LARGEST_RECORD_BYTES + CLOSE_BYTES)
            .ok_or_else(|| corrupt("its length can't be"))?;
        let raw =
            zstd::bulk::decompress(frame, capacity).map_err(|error| corrupt(&error.to_string()))?;
        let mut rest = raw.as_slice();
        for offset in self.base_offset..self.end() {
            let record = split_record(&mut rest).ok_or_else(|| corrupt("it ends too early"))?;
            if offset >= from {
                push_record(chunk, offset, &record);
            }
        }
        if !rest.is_empty() {
            return Err(corrupt("something follows its last record"));
        }
        Ok(())
    }
}

fn push_record(chunk: &mut Chunk, offset: i64, record: &NewRecord<'_>) {
    let mut place = |bytes: Option<&[u8]>| {
        bytes.map(|bytes| {
            let start = chunk.bytes.len();
            chunk.bytes.extend_from_slice(bytes);
            start..chunk.bytes.len()
        })
    };
    let key = place(record.key.as_deref());
    let payload = place(record.payload.as_deref());
    chunk.records.push(RecordSpan {
        offset,
        timestamp_ms: Some(record.timestamp_ms),
        key,
        payload,
    });
}

fn split_record<'a>(rest: &mut &'a [u8]) -> Option<NewRecord<'a>> {
    let (timestamp, after) = rest.split_first_chunk::<8>()?;
    *rest = after;
    let key = split_bytes(rest)?;
    let payload = split_bytes(rest)?;
    Some(NewRecord {
        partition: 0,
        timestamp_ms: i64::from_le_bytes(*timestamp),
        key: key.map(Cow::Borrowed),
        payload: payload.map(Cow::Borrowed),
    })
}

/// None when the bytes end too early.
fn split_bytes<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    let length = u32::from_le_bytes(*length);
    if length == NULL {
        return Some(None);
    }
    let (bytes, after) = rest.split_at_checked(length as usize)?;
    *rest = after;
    Some(Some(bytes))
}
