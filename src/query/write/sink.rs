//! Rows into a table's data files: streamed through the table writer, held to what was declared.
//! Must never hold more than a batch beside what the writer bounds.

use std::future::Future;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::error::DataFusionError;
use iceberg::spec::DataFile;
use tokio_util::task::AbortOnDropHandle;

use super::state::Draft;
use super::target::Target;
use super::{Result, Writer, refuse};
use crate::lake::writer::TableWriter;
use crate::lake::{Lake, Table};
use crate::query::declared::Kind;
use crate::query::session::lock;
use crate::query::{QueryError, QueryErrorKind, RowStream};

/// What a session's temporary tables may hold, as Parquet.
const MOST_TEMPORARY_BYTES: u64 = 256 << 20;

/// Files of a transaction, each of whose names is held until it ends.
const MOST_FILES: usize = 100_000;

/// Files being filled with rows of one table.
pub(super) struct Sink {
    writer: TableWriter,
    columns: Vec<Rule>,
    relation: String,
    pub rows: u64,
}

/// What the values of a column must be.
#[derive(Clone, Debug)]
struct Rule {
    name: String,
    required: bool,
    kind: Option<Kind>,
    /// The next value of its sequence, where rows don't bring one.
    sequence: Option<i64>,
}

impl Sink {
    /// `sequences` names columns that take their values from a sequence, and its next one.
    pub fn new(lake: &Lake, target: &Target, sequences: &[(String, i64)]) -> Result<Self> {
        Self::over(lake, target, &target.draft.table, sequences)
    }

    /// Writes into another table of the same columns what `target` would take.
    pub fn over(
        lake: &Lake,
        target: &Target,
        table: &Table,
        sequences: &[(String, i64)],
    ) -> Result<Self> {
        let writer = TableWriter::new(table)?;
        let rule = |field: &iceberg::spec::NestedFieldRef| {
            let sequence = sequences.iter().find(|(name, _)| *name == field.name);
            Rule {
                name: field.name.clone(),
                required: field.required,
                kind: target.declared.column(field.id).kind,
                sequence: sequence.map(|(_, next)| *next),
            }
        };
        Ok(Self {
            writer: writer.with_entropy(Arc::clone(&lake.entropy)),
            columns: target.fields().iter().map(rule).collect(),
            relation: target.name.name().to_owned(),
            rows: 0,
        })
    }

    /// Takes rows whose columns from `first` on are the table's, in its order.
    pub async fn write(&mut self, batch: &RecordBatch, first: usize) -> Result<()> {
        let count = batch.num_rows();
        if count == 0 {
            return Ok(());
        }
        let mut arrays = Vec::with_capacity(self.columns.len());
        let mut fields = Vec::with_capacity(self.columns.len());
        for (index, rule) in self.columns.iter_mut().enumerate() {
            let mut array = Arc::clone(batch.column(first + index));
            if let Some(next) = &mut rule.sequence {
                array = numbers(next, count, &rule.name)?;
            }
            if rule.required && array.null_count() > 0 {
                return Err(refuse(
                    "23502",
                    format!(
                        "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                        rule.name, self.relation
                    ),
                ));
            }
            if let Some(kind) = &rule.kind {
                array = held(&array, kind)?;
            }
            fields.push(Field::new(&rule.name, array.data_type().clone(), true));
            arrays.push(array);
        }
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let batch = RecordBatch::try_new_with_options(schema, arrays, &options)
            .map_err(DataFusionError::from)?;
        self.writer.write(batch).await?;
        self.rows += count as u64;
        Ok(())
    }

    pub async fn finish(self) -> Result<Vec<DataFile>> {
        Ok(self.writer.finish().await?)
    }
}

/// As many values of a sequence as there are rows.
fn numbers(next: &mut i64, count: usize, column: &str) -> Result<ArrayRef> {
    let end = i64::try_from(count)
        .ok()
        .and_then(|count| next.checked_add(count));
    let Some(end) = end else {
        let message = format!("nextval: reached maximum value of the sequence of \"{column}\"");
        return Err(refuse("2200H", message));
    };
    let values = Int64Array::from_iter_values(*next..end);
    *next = end;
    Ok(Arc::new(values))
}

/// Values of a declared type, or why they are none.
fn held(array: &ArrayRef, kind: &Kind) -> Result<ArrayRef> {
    match kind {
        Kind::Varchar(Some(most)) => {
            let cut = texts(array)?;
            let cut = cut.iter().map(|text| {
                text.map(|text| {
                    fits(text, *most, "character varying")?;
                    Ok(text.chars().take(*most as usize).collect::<String>())
                })
                .transpose()
            });
            let cut: StringArray = cut.collect::<Result<_>>()?;
            Ok(Arc::new(cut))
        }
        Kind::Char(length) => {
            let texts = texts(array)?;
            let padded = texts.iter().map(|text| {
                text.map(|text| {
                    fits(text, *length, "character")?;
                    let width = *length as usize;
                    let cut: String = text.chars().take(width).collect();
                    Ok(format!("{cut:width$}"))
                })
                .transpose()
            });
            let padded: StringArray = padded.collect::<Result<_>>()?;
            Ok(Arc::new(padded))
        }
        Kind::Varchar(None) | Kind::Smallint | Kind::Json | Kind::Jsonb => Ok(Arc::clone(array)),
    }
}

/// Spaces beyond the length are cut off in silence, as the standard has it.
fn fits(text: &str, most: u32, kind: &str) -> Result<()> {
    if text.trim_end_matches(' ').chars().count() > most as usize {
        return Err(refuse(
            "22001",
            format!("value too long for type {kind}({most})"),
        ));
    }
    Ok(())
}

fn texts(array: &ArrayRef) -> Result<StringArray> {
    let texts = cast(array, &DataType::Utf8).map_err(DataFusionError::from)?;
    Ok(texts.as_string::<i32>().clone())
}

impl Writer<'_> {
    /// Writes a query's rows, whose columns are the table's, on the engine's own threads. The files,
    /// and how many rows are in them.
    pub(super) async fn fill(
        &self,
        mut rows: RowStream,
        mut sink: Sink,
        draft: &Draft,
    ) -> Result<(Vec<DataFile>, u64)> {
        let work = async move {
            while let Some(batch) = rows.next().await {
                sink.write(&batch?, 0).await?;
            }
            let count = sink.rows;
            Ok((sink.finish().await?, count))
        };
        let (files, count) = self.on_engine(work).await?;
        self.note_files(draft, &files)?;
        Ok((files, count))
    }

    /// Runs what computes for long where it keeps no client waiting. Dropping this stops it.
    pub(super) async fn on_engine<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let runtime = self.session.engine().runtime().handle().clone();
        match AbortOnDropHandle::new(runtime.spawn(work)).await {
            Ok(done) => done,
            Err(error) => Err(QueryError::new(
                QueryErrorKind::Internal,
                format!("writing rows failed within the engine: {error}"),
            )),
        }
    }

    /// Takes files into account that were written for this table: they go when the transaction
    /// comes to nothing. `53200` when the session's temporary tables hold too much.
    pub(super) fn note_files(&self, draft: &Draft, files: &[DataFile]) -> Result<()> {
        let mut writes = lock(&self.session.writes);
        let store = draft.table.store();
        for file in files {
            let entry = (store.clone(), file.file_path().to_owned());
            writes.written.push(entry);
        }
        // Its first file may be as old as the statement.
        let began_ms = writes.began_ms;
        writes.since_ms.get_or_insert(began_ms);
        if writes.written.len() > MOST_FILES {
            return Err(refuse(
                "54000",
                format!("a transaction writes at most {MOST_FILES} files; commit it in parts"),
            ));
        }
        let bytes =
            |files: &[DataFile]| files.iter().map(DataFile::file_size_in_bytes).sum::<u64>();
        if draft.temporary && bytes(files) + writes.temporary_bytes() > MOST_TEMPORARY_BYTES {
            return Err(refuse(
                "53200",
                format!(
                    "the temporary tables of a session hold at most {MOST_TEMPORARY_BYTES} bytes"
                ),
            ));
        }
        Ok(())
    }
}
