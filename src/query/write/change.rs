//! Rows that go or change: a query says which, by file and place; files that hold some are written
//! anew without them, all other files stay as they are. The query is asked once, so that what was
//! found and what is kept can't disagree.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray, BooleanArray, BooleanBufferBuilder};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use futures::StreamExt;
use iceberg::spec::DataFile;

use super::sink::Sink;
use super::state::Draft;
use super::target::Target;
use super::{Result, Writer, refuse};
use crate::lake::writer::TableWriter;
use crate::query::scan::RowTable;
use crate::query::{QueryError, QueryErrorKind, RowStream};

/// How a query's columns say what becomes of a row: file, place, whether it goes, then the row as
/// it will be (or was, for one that goes).
pub(super) const FIRST_COLUMN: usize = 3;

/// What a statement does about a row that it finds twice.
#[derive(Clone, Copy, Debug)]
pub(super) enum Twice {
    /// The first one counts, as in UPDATE … FROM.
    Skip,
    /// It is an error: state and message.
    Refuse(&'static str, &'static str),
}

/// What became of a table's rows.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// Files of rows as they are now.
    pub new: Vec<DataFile>,
    /// Rows that are gone, where they were asked for.
    pub gone: Option<(Draft, Vec<DataFile>)>,
    pub updated: u64,
    pub deleted: u64,
}

/// Rows that were found, by file.
#[derive(Default)]
struct Hits(BTreeMap<usize, BooleanBufferBuilder>);

impl Hits {
    /// Notes a row; false when it was found before.
    fn add(&mut self, table: &RowTable, file: usize, row: usize) -> bool {
        let bits = self.0.entry(file).or_insert_with(|| {
            let count = table.files()[file].file().record_count();
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            let mut bits = BooleanBufferBuilder::new(count);
            bits.append_n(count, false);
            bits
        });
        let new = !bits.get_bit(row);
        bits.set_bit(row, true);
        new
    }
}

/// The pass over a query's rows.
struct Pass {
    table: RowTable,
    hits: Hits,
    twice: Twice,
    new: Sink,
    gone: Option<Sink>,
    updated: u64,
    deleted: u64,
}

impl Pass {
    async fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        let files = batch.column(0).as_primitive::<Int32Type>();
        let rows = batch.column(1).as_primitive::<Int64Type>();
        let goes = batch.column(2).as_boolean();
        let (mut stay, mut go) = (Vec::new(), Vec::new());
        for index in 0..batch.num_rows() {
            let file = usize::try_from(files.value(index)).unwrap_or(usize::MAX);
            let row = usize::try_from(rows.value(index)).unwrap_or(usize::MAX);
            let first = self.hits.add(&self.table, file, row);
            if let (false, Twice::Refuse(state, message)) = (first, self.twice) {
                return Err(refuse(state, message));
            }
            go.push(first && goes.value(index));
            stay.push(first && !goes.value(index));
        }
        self.updated += stay.iter().filter(|stays| **stays).count() as u64;
        self.deleted += go.iter().filter(|goes| **goes).count() as u64;
        self.new
            .write(&filtered(batch, stay)?, FIRST_COLUMN)
            .await?;
        if let Some(gone) = &mut self.gone {
            gone.write(&filtered(batch, go)?, FIRST_COLUMN).await?;
        }
        Ok(())
    }

    /// Writes anew what the files hold beside the rows that were found.
    async fn keep(&mut self, writer: &mut TableWriter) -> Result<()> {
        for (number, bits) in std::mem::take(&mut self.hits.0) {
            let mut bits = bits;
            let hit = bits.finish();
            let mut from = 0;
            let mut rows = Box::pin(self.table.read(number));
            while let Some(batch) = rows.next().await {
                let batch = batch?;
                if from + batch.num_rows() > hit.len() {
                    return Err(other_length(&self.table, number));
                }
                let part = hit.slice(from, batch.num_rows());
                from += batch.num_rows();
                let kept = filter_record_batch(&batch, &BooleanArray::new(!&part, None))
                    .map_err(DataFusionError::from)?;
                if kept.num_rows() > 0 {
                    writer.write(kept).await?;
                }
            }
            if from != hit.len() {
                return Err(other_length(&self.table, number));
            }
        }
        Ok(())
    }
}

fn filtered(batch: &RecordBatch, chosen: Vec<bool>) -> Result<RecordBatch> {
    if chosen.iter().all(|chosen| *chosen) {
        return Ok(batch.clone());
    }
    Ok(filter_record_batch(batch, &BooleanArray::from(chosen)).map_err(DataFusionError::from)?)
}

fn other_length(table: &RowTable, number: usize) -> QueryError {
    QueryError::new(
        QueryErrorKind::Corrupt,
        format!(
            "the data file {} has another number of rows than the table's metadata says",
            table.files()[number].file().file_path()
        ),
    )
}

impl Writer<'_> {
    /// Changes the rows that a query finds. The rows as they are now are not in the draft yet: they
    /// are to be checked first.
    pub(super) async fn change(
        &self,
        target: &mut Target,
        table: &RowTable,
        mut found: RowStream,
        twice: Twice,
        keep_gone: bool,
    ) -> Result<Changed> {
        let lake = self.session.engine().lake();
        let scratch = keep_gone.then(|| self.scratch(target)).transpose()?;
        let gone = scratch
            .as_ref()
            .map(|scratch| Sink::new(lake, scratch, &[]));
        let mut pass = Pass {
            table: table.clone(),
            hits: Hits::default(),
            twice,
            new: Sink::new(lake, target, &[])?,
            gone: gone.transpose()?,
            updated: 0,
            deleted: 0,
        };
        let writer = TableWriter::new(&target.draft.table)?;
        let mut writer = writer.with_entropy(std::sync::Arc::clone(&lake.entropy));
        let work = async move {
            while let Some(batch) = found.next().await {
                pass.take(&batch?).await?;
            }
            let files = pass.hits.0.keys().copied().collect::<Vec<_>>();
            pass.keep(&mut writer).await?;
            let gone = match pass.gone {
                Some(gone) => gone.finish().await?,
                None => Vec::new(),
            };
            let counts = (pass.updated, pass.deleted);
            Ok((
                files,
                writer.finish().await?,
                pass.new.finish().await?,
                gone,
                counts,
            ))
        };
        let (files, kept, new, gone, (updated, deleted)) = self.on_engine(work).await?;
        self.note_files(&target.draft, &kept)?;
        self.note_files(&target.draft, &new)?;
        if let Some(scratch) = &scratch {
            self.note_files(&scratch.draft, &gone)?;
        }
        let path = |number: &usize| table.files()[*number].file().file_path().to_owned();
        let paths: BTreeSet<String> = files.iter().map(path).collect();
        if !paths.is_empty() {
            target.draft.remove(&paths);
            target.draft.overlay.added.extend(kept);
            target.draft.depends = true;
        }
        Ok(Changed {
            new,
            gone: scratch.map(|scratch| (scratch.draft, gone)),
            updated,
            deleted,
        })
    }
}
