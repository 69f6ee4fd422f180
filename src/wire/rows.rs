//! Rows on their way to a client: from the engine's stream or made here, one batch at a time.
//! Must never hold more than one batch; a cursor that goes back keeps them (`scroll`).

use std::sync::Arc;

use arrow::compute::cast;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use bytes::BytesMut;

use super::connection::{Connection, Limits};
use super::copy::CopyWriter;
use super::encode::{self, Column, Format, Style};
use super::sqlstate::{Result, WireError};
use crate::query::RowStream;

/// Where rows come from.
pub(super) enum Source {
    Stream(RowStream),
    /// Made by the session itself: SHOW and the like.
    Made(Option<RecordBatch>),
}

/// In which form rows are written.
pub(super) enum Form {
    Message(Vec<Format>),
    Copy(CopyWriter),
}

/// Rows and how far they were sent.
pub(super) struct Rows {
    /// What the client was told of the columns.
    schema: SchemaRef,
    source: Source,
    current: Option<Batch>,
    pub sent: u64,
    pub finished: bool,
}

/// Rows ready to be written one by one.
pub(super) struct Batch {
    pub columns: Vec<Column>,
    next: usize,
    pub length: usize,
    /// What it takes of memory.
    pub bytes: usize,
}

impl Rows {
    pub fn new(schema: SchemaRef, source: Source) -> Self {
        Self {
            schema,
            source,
            current: None,
            sent: 0,
            finished: false,
        }
    }

    /// Sends up to `max` rows (0: all); true when there are no more.
    pub async fn send(
        &mut self,
        connection: &mut Connection,
        limits: &Limits,
        style: &Style,
        form: &Form,
        max: usize,
    ) -> Result<(u64, bool)> {
        let before = self.sent;
        let done = self.write(connection, limits, style, form, max).await;
        connection.metrics.rows(self.sent - before);
        done
    }

    async fn write(
        &mut self,
        connection: &mut Connection,
        limits: &Limits,
        style: &Style,
        form: &Form,
        max: usize,
    ) -> Result<(u64, bool)> {
        let mut count = 0u64;
        while !self.finished {
            if max > 0 && count == max as u64 {
                return Ok((count, false));
            }
            let Some(batch) = &mut self.current else {
                self.load(connection, limits).await?;
                continue;
            };
            while batch.next < batch.length && (max == 0 || count < max as u64) {
                form.write(&batch.columns, batch.next, style, connection.output())?;
                batch.next += 1;
                count += 1;
                self.sent += 1;
                if connection.is_chunk_full() {
                    connection.flush_watched(limits).await?;
                    // A long result must not keep other sessions of this thread waiting.
                    tokio::task::consume_budget().await;
                }
            }
            if batch.next == batch.length {
                self.current = None;
            }
        }
        Ok((count, true))
    }

    async fn load(&mut self, connection: &mut Connection, limits: &Limits) -> Result<()> {
        self.current = self.batch(connection, limits).await?;
        self.finished = self.current.is_none();
        Ok(())
    }

    /// The next rows as they come; for who sends them itself.
    pub async fn batch(
        &mut self,
        connection: &mut Connection,
        limits: &Limits,
    ) -> Result<Option<Batch>> {
        let batch = match &mut self.source {
            Source::Stream(stream) => connection.watch(limits, stream.next()).await?.transpose()?,
            Source::Made(batch) => batch.take(),
        };
        let Some(batch) = batch else {
            return Ok(None);
        };
        Ok(Some(Batch {
            columns: resolve(&batch, &self.schema)?,
            next: 0,
            length: batch.num_rows(),
            bytes: batch.get_array_memory_size(),
        }))
    }
}

/// Columns of a batch, of the very types that the client was told.
fn resolve(batch: &RecordBatch, told: &Schema) -> Result<Vec<Column>> {
    batch
        .columns()
        .iter()
        .zip(told.fields())
        .map(|(array, field)| {
            let is = encode::of_type(array.data_type()).oid;
            if is == encode::of_type(field.data_type()).oid {
                return Column::new(array);
            }
            // The plan was described before the optimiser settled its types.
            let array = cast(array, field.data_type()).map_err(|error| {
                WireError::new(
                    "42804",
                    format!("column \"{}\" changed its type: {error}", field.name()),
                )
            })?;
            Column::new(&array)
        })
        .collect()
}

impl Form {
    /// One format for all columns.
    pub fn uniform(format: Format, columns: usize) -> Self {
        Self::Message(vec![format; columns])
    }

    pub fn write(
        &self,
        columns: &[Column],
        row: usize,
        style: &Style,
        out: &mut BytesMut,
    ) -> Result<()> {
        match self {
            Self::Message(formats) => encode::data_row(columns, formats, row, style, out),
            Self::Copy(writer) => writer.row(columns, row, style, out),
        }
    }
}

/// A schema of text columns, for what the session makes itself.
pub(super) fn text_schema(names: &[&str]) -> SchemaRef {
    use arrow::datatypes::{DataType, Field};
    Arc::new(Schema::new(
        names
            .iter()
            .map(|name| Field::new(*name, DataType::Utf8, true))
            .collect::<Vec<_>>(),
    ))
}

/// Rows of text made by the session.
pub(super) fn text_rows(schema: &SchemaRef, rows: &[Vec<Option<String>>]) -> RecordBatch {
    use arrow::array::{ArrayRef, StringArray};
    let columns: Vec<ArrayRef> = (0..schema.fields().len())
        .map(|column| {
            let values: StringArray = rows.iter().map(|row| row[column].as_deref()).collect();
            Arc::new(values) as ArrayRef
        })
        .collect();
    RecordBatch::try_new(Arc::clone(schema), columns).expect("every column is text of equal length")
}
