//! The simple protocol: a text of statements, run one after the other as one transaction.

use std::time::Duration;

use pgwire::messages::PgWireBackendMessage as Backend;
use pgwire::messages::copy::{CopyDone, CopyOutResponse};
use pgwire::messages::response::EmptyQueryResponse;
use tokio::time::Instant;

use super::encode::{Format, Style};
use super::metrics;
use super::prepared::Prepared;
use super::rows::Form;
use super::run::{Copying, Started};
use super::session::{End, Session};
use super::sqlstate::{Result, Severity, WireError};
use super::utility;
use crate::query::statement;

impl Session<'_> {
    pub async fn simple(&mut self, text: &str) -> std::result::Result<(), End> {
        self.portals.remove("");
        let parsed = statement::parse_each(&utility::respell(text));
        let done = match parsed {
            Err(error) => {
                let error = WireError::from(error);
                let metrics = &self.connection.metrics;
                metrics.statement(metrics::UNPARSED, error.sqlstate, Duration::ZERO);
                Err(error)
            }
            Ok(statements) if statements.is_empty() => {
                self.connection
                    .send(Backend::EmptyQueryResponse(EmptyQueryResponse::new()));
                Ok(())
            }
            Ok(statements) => self.all(statements).await,
        };
        if let Err(error) = done {
            if error.severity == Severity::Fatal {
                return Err(End::Told(error));
            }
            self.fail(&error);
        }
        self.end_implicit().await;
        self.ready();
        Ok(())
    }

    async fn all(&mut self, statements: Vec<(statement::Statement, String)>) -> Result<()> {
        let count = statements.len();
        for (number, (statement, text)) in statements.into_iter().enumerate() {
            let prepared = Prepared::immediate(statement, text);
            let started = Instant::now();
            let limits = self.start();
            let done = self.one(&prepared, &limits, number + 1 == count).await;
            self.stop();
            self.count(prepared.statement.as_ref(), started, &done);
            done?;
            self.apply_settings()?;
        }
        Ok(())
    }

    /// One statement; with the last one of a message what they wrote is published, before the
    /// client is told that it is done.
    async fn one(
        &mut self,
        prepared: &Prepared,
        limits: &super::connection::Limits,
        last: bool,
    ) -> Result<()> {
        match Box::pin(self.run(prepared, &[], limits)).await? {
            Started::Empty => {
                self.connection
                    .send(Backend::EmptyQueryResponse(EmptyQueryResponse::new()));
            }
            Started::Tag(tag) => {
                self.publish_last(last).await?;
                self.complete(&tag);
            }
            Started::Rows {
                mut rows,
                columns,
                tag,
            } => {
                let form = Form::uniform(Format::Text, columns.len());
                self.connection
                    .send(Backend::RowDescription(columns.description(&[])));
                let style = self.style();
                let (count, _) = rows
                    .send(&mut self.connection, limits, &style, &form, 0)
                    .await?;
                self.publish_last(last).await?;
                self.complete(&tag.of(count));
            }
            Started::Fetch { cursor, count } => self.fetch(&cursor, count, true, limits).await?,
            Started::Copy(copying) => self.copy_out(copying, limits).await?,
            Started::CopyIn(reading) => {
                let tag = self.copy_in(reading, limits).await?;
                self.publish_last(last).await?;
                self.complete(&tag);
            }
        }
        Ok(())
    }

    pub fn style(&self) -> Style {
        let settings = self.settings();
        Style {
            zone: settings.zone(),
            interval: settings.interval_style(),
        }
    }

    /// COPY … TO STDOUT, in both protocols.
    pub async fn copy_out(
        &mut self,
        copying: Copying,
        limits: &super::connection::Limits,
    ) -> Result<()> {
        let Copying {
            mut rows,
            mut writer,
            columns,
        } = copying;
        let code = writer.format().code();
        self.connection
            .send(Backend::CopyOutResponse(CopyOutResponse::new(
                code as i8,
                columns.len() as i16,
                vec![code; columns.len()],
            )));
        writer.begin(&columns.names, self.connection.output());
        let form = Form::Copy(writer);
        let style = self.style();
        let (count, _) = rows
            .send(&mut self.connection, limits, &style, &form, 0)
            .await?;
        if let Form::Copy(writer) = form {
            writer.end(self.connection.output());
        }
        self.connection.send(Backend::CopyDone(CopyDone::new()));
        self.complete(&format!("COPY {count}"));
        Ok(())
    }
}
