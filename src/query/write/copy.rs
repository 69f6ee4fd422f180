//! COPY … FROM STDIN: batches that come from a client, one after the other, as an INSERT's rows.
//! The wire takes the formats apart; here texts become the columns' types.

use std::sync::{Arc, Mutex};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::sql::sqlparser::ast::{CopySource, Statement};
use futures::StreamExt;
use tokio::sync::mpsc;

use super::assign::Slot;
use super::defaults::Defaults;
use super::insert::{named_columns, note_sequences};
use super::sink::Sink;
use super::target::Target;
use super::{Result, WORK, Writer, Written, parse, refuse, types, unsupported};
use crate::query::QueryError;
use crate::query::declared::Kind;
use crate::query::session::{Session, lock};

/// A column that COPY fills.
#[derive(Clone, Debug)]
pub struct CopyColumn {
    pub name: String,
    /// In which values of the binary format are handed over.
    pub kind: DataType,
}

/// Rows from a client; an error among them ends the COPY.
pub type CopyRows = mpsc::Receiver<Result<RecordBatch, QueryError>>;

impl Session {
    /// The columns that a COPY … FROM fills, in the order of its data.
    pub async fn copy_columns(&self, statement: &Statement) -> Result<Vec<CopyColumn>> {
        let writer = Writer::reading(self);
        let (target, places) = writer.copy_target(statement).await?;
        let slots = Slot::all(&target)?;
        let column = |place: &usize| CopyColumn {
            name: slots[*place].name.clone(),
            kind: slots[*place].kind.clone(),
        };
        Ok(places.iter().map(column).collect())
    }

    /// Carries out COPY … FROM STDIN in the open transaction. Batches have the columns of
    /// [`Self::copy_columns`], as texts or as their types; `schema` says which.
    pub async fn copy_in(
        &self,
        statement: &Statement,
        schema: SchemaRef,
        rows: CopyRows,
    ) -> Result<Written> {
        self.begin_writing();
        let writer = Writer::reading(self);
        let (mut target, places) = writer.copy_target(statement).await?;
        let slots = Slot::all(&target)?;
        let defaults = Defaults::of(&target);
        let mut columns = Vec::with_capacity(places.len());
        for (field, place) in schema.fields().iter().zip(&places) {
            let slot = &slots[*place];
            columns.push(match field.data_type() {
                DataType::Utf8 => format!("CAST({} AS {})", field.name(), sql_type(slot)?),
                _ => field.name().clone(),
            });
        }
        let text = format!("SELECT {} FROM {WORK}.rows", columns.join(", "));
        let table = once(schema, rows)?;
        let plan = writer
            .plan(&parse(&text)?, writer.work("rows", table)?)
            .await?;
        let rows = writer
            .complete(Some(plan), &places, &slots, defaults)
            .await?;
        let sink = Sink::new(self.engine().lake(), &target, &rows.sequences)?;
        let stream = writer.execute(rows.plan.clone()).await?;
        let (files, count) = writer.fill(stream, sink, &target.draft).await?;
        writer.check_rows(&mut target, &files).await?;
        target.draft.overlay.added.extend(files);
        note_sequences(&mut target, rows, count)?;
        writer.put(target);
        Ok(Written::tag(format!("COPY {count}")))
    }
}

impl<'a> Writer<'a> {
    fn reading(session: &'a Session) -> Self {
        Writer {
            session,
            parameters: None,
            text: "COPY FROM STDIN",
        }
    }

    async fn copy_target(&self, statement: &Statement) -> Result<(Target, Vec<usize>)> {
        let Statement::Copy {
            source:
                CopySource::Table {
                    table_name,
                    columns,
                },
            to: false,
            ..
        } = statement
        else {
            return Err(refuse("42601", "COPY FROM fills a table"));
        };
        let target = self.target(table_name).await?;
        let named: Vec<_> = columns.iter().cloned().map(Into::into).collect();
        let places = named_columns(&named, &target)?;
        Ok((target, places))
    }
}

fn sql_type(slot: &Slot) -> Result<String> {
    match &slot.declared {
        Some(Kind::Json) => Ok("json".to_owned()),
        Some(Kind::Jsonb) => Ok("jsonb".to_owned()),
        _ => types::sql_name(&slot.kind).ok_or_else(|| {
            unsupported(format!(
                "COPY can't fill column \"{}\": its type has no text",
                slot.name
            ))
        }),
    }
}

/// A table that can be read once: what the client sends.
fn once(schema: SchemaRef, rows: CopyRows) -> Result<StreamingTable> {
    let nullable = schema
        .fields()
        .iter()
        .map(|f| f.as_ref().clone().with_nullable(true));
    let schema: SchemaRef = Arc::new(Schema::new(nullable.collect::<Vec<Field>>()));
    let source = Once {
        schema: Arc::clone(&schema),
        rows: Mutex::new(Some(rows)),
    };
    Ok(StreamingTable::try_new(schema, vec![Arc::new(source)])?)
}

#[derive(Debug)]
struct Once {
    schema: SchemaRef,
    rows: Mutex<Option<CopyRows>>,
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = lock(&self.rows).take();
        let rows = futures::stream::unfold(rows, |rows| async move {
            let mut rows = rows?;
            let batch = rows.recv().await?;
            let failed = batch.is_err();
            Some((batch.map_err(Into::into), (!failed).then_some(rows)))
        });
        // A plan that is run again after it ran out of memory would find nothing: it must fail.
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            rows.boxed(),
        ))
    }
}
