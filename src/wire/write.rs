//! Statements that write: checked, carried out by the engine, published with the transaction.
//! Must never tell a client that something is done before it is published, but within BEGIN.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{self, Statement};
use futures::future::BoxFuture;
use pgwire::messages::PgWireBackendMessage as Backend;
use pgwire::messages::copy::CopyInResponse;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::connection::Limits;
use super::copy::CopyReader;
use super::frame::Frontend;
use super::prepared::{Columns, Prepared, parameter_types};
use super::rows::{Rows, Source};
use super::run::{Started, Tag};
use super::session::Session;
use super::sqlstate::{Result, WireError, notice};
use super::utility;
use crate::query::QueryError;
use crate::query::write::Written;

/// A COPY … FROM STDIN that waits for its data.
pub(super) struct CopyingIn {
    statement: Statement,
    reader: CopyReader,
    columns: usize,
}

/// Batches between the client and the writer.
const BATCHES_WAITING: usize = 2;

impl Session<'_> {
    /// State `25006` in a transaction that is to read only.
    fn check_may_write(&self, command: &str) -> Result<()> {
        let settings = self.settings();
        let on = |name: &str| settings.get(name) == Some("on");
        let read_only = on("transaction_read_only") || on("default_transaction_read_only");
        if !read_only {
            return Ok(());
        }
        Err(WireError::new(
            "25006",
            format!("cannot execute {command} in a read-only transaction"),
        ))
    }

    /// Carries out a statement that writes.
    pub async fn run_write(
        &mut self,
        command: &'static str,
        prepared: &Prepared,
        sql: &Statement,
        values: &[ScalarValue],
        limits: &Limits,
    ) -> Result<Started> {
        self.check_may_write(command)?;
        if let Statement::Copy {
            options,
            legacy_options,
            ..
        } = sql
        {
            let copying = self.start_copy_in(sql, options, legacy_options).await?;
            return Ok(Started::CopyIn(Box::new(copying)));
        }
        let sql = Box::pin(self.rewrite(sql)).await?;
        let query = &self.query;
        // Its type is forgotten here: it is deeper than the compiler would look into.
        let writing: BoxFuture<'_, _> = Box::pin(query.write(&sql, values, &prepared.text));
        let writing = utility::guarded(writing);
        let written = self.connection.watch(limits, writing).await???;
        self.written(written)
    }

    fn written(&mut self, written: Written) -> Result<Started> {
        for told in &written.notices {
            let mut response = notice("NOTICE", told.sqlstate, &told.text);
            if let Some(detail) = &told.detail {
                response.fields.push((b'D', detail.clone()));
            }
            self.connection.send(Backend::NoticeResponse(response));
        }
        let Some(returned) = written.rows else {
            return Ok(Started::Tag(written.tag));
        };
        let schema = Arc::clone(returned.rows.schema());
        let columns = Columns::new(schema, Some(&returned.named_by));
        Ok(Started::Rows {
            rows: Rows::new(Arc::clone(&columns.schema), Source::Stream(returned.rows)),
            columns,
            tag: Tag::Written(written.tag),
        })
    }

    /// Describes a statement that writes.
    pub async fn prepare_write(
        &mut self,
        mut prepared: Prepared,
        sql: &Statement,
    ) -> Result<Prepared> {
        let limits = self.start();
        let rewritten = Box::pin(self.rewrite(sql)).await;
        let planned = match rewritten {
            Ok(sql) => {
                let query = &self.query;
                let planning: BoxFuture<'_, _> = Box::pin(query.describe_write(&sql));
                let planning = utility::guarded(planning);
                self.connection.watch(&limits, planning).await
            }
            Err(error) => {
                self.stop();
                return Err(error);
            }
        };
        self.stop();
        let described = planned???;
        prepared.parameters = parameter_types(&described.plans, &prepared.parameters)?;
        prepared.columns = described
            .returning
            .map(|(schema, named_by)| Columns::new(schema, Some(&named_by)));
        Ok(prepared)
    }

    /// Publishes what the open transaction has written. Not watched: what changes the lake is
    /// carried through, whoever waits for it.
    pub async fn publish(&mut self) -> Result<()> {
        if !self.query.has_writes() {
            return Ok(());
        }
        let publishing: BoxFuture<'_, _> = Box::pin(self.query.commit_writes());
        let published = publishing.await;
        self.shared.catalog.forget().await;
        Ok(published?)
    }

    /// Publishes before the client is told that the last statement of a message is done.
    pub async fn publish_last(&mut self, last: bool) -> Result<()> {
        if last && self.transaction.is_implicit() {
            self.publish().await?;
        }
        Ok(())
    }

    /// The end of what was one transaction without BEGIN.
    pub async fn publish_implicit(&mut self) -> Result<()> {
        if self.transaction.in_block() {
            return Ok(());
        }
        if self.transaction.is_implicit() {
            return self.publish().await;
        }
        if self.query.has_writes() {
            self.query.discard_writes().await;
        }
        Ok(())
    }

    async fn start_copy_in(
        &mut self,
        statement: &Statement,
        options: &[ast::CopyOption],
        legacy: &[ast::CopyLegacyOption],
    ) -> Result<CopyingIn> {
        let columns: BoxFuture<'_, _> = Box::pin(self.query.copy_columns(statement));
        let columns = columns.await?;
        let count = columns.len();
        let zone = self.settings().zone();
        Ok(CopyingIn {
            statement: statement.clone(),
            reader: CopyReader::new(options, legacy, columns, zone.name())?,
            columns: count,
        })
    }

    /// Takes a COPY's data from the client, to its end. The command tag.
    pub async fn copy_in(&mut self, copying: Box<CopyingIn>, limits: &Limits) -> Result<String> {
        let CopyingIn {
            statement,
            mut reader,
            columns,
        } = *copying;
        let code = reader.format().code();
        self.connection
            .send(Backend::CopyInResponse(CopyInResponse::new(
                code as i8,
                columns as i16,
                vec![code; columns],
            )));
        let (sender, rows) = mpsc::channel(BATCHES_WAITING);
        let schema = reader.schema();
        let query = &self.query;
        let writing: BoxFuture<'_, _> = Box::pin(query.copy_in(&statement, schema, rows));
        let writing = utility::guarded(writing);
        let connection = &mut self.connection;
        let feeding = async move {
            let fed = feed(connection, &mut reader, &sender, limits).await;
            if let Err(error) = &fed {
                let told = QueryError::new(
                    crate::query::QueryErrorKind::State("57014"),
                    error.message.clone(),
                );
                let _ = sender.send(Err(told)).await;
            }
            fed
        };
        let (fed, written) = tokio::join!(feeding, writing);
        fed?;
        Ok(written??.tag)
    }
}

/// Hears the client until its data ends; after the writer has failed the rest is passed over.
async fn feed(
    connection: &mut super::connection::Connection,
    reader: &mut CopyReader,
    sender: &mpsc::Sender<std::result::Result<arrow::record_batch::RecordBatch, QueryError>>,
    limits: &Limits,
) -> Result<()> {
    let deadline = limits.deadline;
    let mut broken: Option<WireError> = None;
    loop {
        let message = tokio::select! {
            biased;
            () = limits.cancel.cancelled() => {
                return Err(WireError::new("57014", "canceling statement due to user request"));
            }
            () = limits.shutdown.cancelled() => {
                return Err(WireError::fatal("57P01", "terminating connection due to administrator command"));
            }
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                return Err(WireError::new("57014", "canceling statement due to statement timeout"));
            }
            message = connection.message() => message,
        };
        let batches = match message {
            Ok(Frontend::CopyData(data)) if broken.is_none() => reader.feed(&data),
            Ok(Frontend::CopyData(_) | Frontend::Flush | Frontend::Sync) => continue,
            Ok(Frontend::CopyDone) => {
                if let Some(error) = broken {
                    return Err(error);
                }
                if let Some(batch) = reader.finish()? {
                    let _ = sender.send(Ok(batch)).await;
                }
                return Ok(());
            }
            Ok(Frontend::CopyFail(reason)) => {
                let message = format!("COPY from stdin failed: {reason}");
                return Err(WireError::new("57014", message));
            }
            Ok(_) => {
                let message = "unexpected message type during COPY from stdin";
                return Err(WireError::fatal("08P01", message));
            }
            Err(_) => {
                return Err(WireError::fatal(
                    "08006",
                    "the client went away during COPY",
                ));
            }
        };
        match batches {
            Ok(batches) => {
                for batch in batches {
                    // A writer that has failed hears no more; it tells why.
                    if sender.send(Ok(batch)).await.is_err() {
                        break;
                    }
                }
            }
            // The client is heard out first, as it does not listen before.
            Err(error) => broken = Some(error),
        }
    }
}
