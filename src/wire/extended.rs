//! The extended protocol: Parse, Bind, Describe, Execute, Close.

use std::sync::Arc;

use pgwire::messages::PgWireBackendMessage as Backend;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    BindComplete, CloseComplete, ParseComplete, PortalSuspended,
};
use pgwire::messages::response::EmptyQueryResponse;
use tokio::time::Instant;

use super::connection::Limits;
use super::frame::{Bind, Target};
use super::params;
use super::portal::{Portal, State};
use super::prepared;
use super::rows::Form;
use super::run::{Started, Tag};
use super::session::Session;
use super::sqlstate::{Result, WireError};
use super::transaction;
use super::utility;
use crate::query::statement::Statement;

impl Session<'_> {
    pub async fn parse(&mut self, name: String, text: &str, types: Vec<u32>) -> Result<()> {
        if !name.is_empty() && self.statements.contains_key(&name) {
            return Err(WireError::new(
                "42P05",
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        Self::check_room(self.statements.len(), "prepared statements")?;
        self.begin_implicit();
        let statement = prepared::single(text)?;
        let prepared = Box::pin(self.prepare(statement, text, types)).await?;
        self.statements.insert(name, Arc::new(prepared));
        self.connection
            .send(Backend::ParseComplete(ParseComplete::new()));
        Ok(())
    }

    pub fn bind(&mut self, bind: Bind) -> Result<()> {
        let prepared = self.statement(&bind.statement)?;
        if !bind.portal.is_empty() && self.portals.contains_key(&bind.portal) {
            return Err(WireError::new(
                "42P03",
                format!("cursor \"{}\" already exists", bind.portal),
            ));
        }
        Self::check_room(self.portals.len(), "portals")?;
        if self.transaction.failed() && !may_run_after_failure(&prepared.statement) {
            return Err(transaction::aborted());
        }
        self.begin_implicit();
        let wanted = prepared.parameters.len();
        if bind.parameters.len() != wanted {
            return Err(WireError::new(
                "08P01",
                format!(
                    "bind message supplies {} parameters, but prepared statement \"{}\" requires {wanted}",
                    bind.parameters.len(),
                    bind.statement
                ),
            ));
        }
        let formats = params::formats(&bind.parameter_formats, wanted, "parameter")?;
        let zone = self.settings().zone();
        let values = bind
            .parameters
            .iter()
            .zip(formats)
            .zip(&prepared.parameters)
            .map(|((value, format), oid)| params::decode(value.as_ref(), format, *oid, zone.name()))
            .collect::<Result<_>>()?;
        let columns = prepared.columns.as_ref().map_or(0, |columns| columns.len());
        // A single code holds for all columns, and for none.
        let formats = match bind.result_formats[..] {
            [_, ..] if columns == 0 => Vec::new(),
            _ => params::formats(&bind.result_formats, columns, "result")?,
        };
        let portal = Portal {
            prepared,
            values,
            formats,
            state: State::Ready,
            tag: None,
            cursor: None,
        };
        self.portals.insert(bind.portal, portal);
        self.connection
            .send(Backend::BindComplete(BindComplete::new()));
        Ok(())
    }

    pub fn describe(&mut self, target: Target, name: &str) -> Result<()> {
        let (columns, formats) = match target {
            Target::Statement => {
                let prepared = self.statement(name)?;
                self.connection
                    .send(Backend::ParameterDescription(ParameterDescription::new(
                        prepared.parameters.clone(),
                    )));
                (prepared.columns.clone(), Vec::new())
            }
            Target::Portal => {
                let portal = self.portal(name)?;
                (portal.prepared.columns.clone(), portal.formats.clone())
            }
        };
        self.connection.send(match columns {
            Some(columns) => Backend::RowDescription(columns.description(&formats)),
            None => Backend::NoData(NoData::new()),
        });
        Ok(())
    }

    pub async fn execute_portal(&mut self, name: &str, max_rows: usize) -> Result<()> {
        self.portal(name)?;
        let mut portal = self
            .portals
            .remove(name)
            .expect("it was looked up just now");
        self.begin_implicit();
        let (first, started) = (matches!(portal.state, State::Ready), Instant::now());
        let limits = self.start();
        let done = self.advance(name, &mut portal, max_rows, &limits).await;
        self.stop();
        // A portal that is read in parts is one statement.
        if first || done.is_err() {
            self.count(portal.prepared.statement.as_ref(), started, &done);
        }
        if done.is_err() {
            portal.state = State::Done;
        }
        // Its own statement may have ended the transaction or closed all portals: then a name
        // that was given by Bind is gone, as in Postgres, but harmless to keep until Sync.
        self.portals.entry(name.to_owned()).or_insert(portal);
        done?;
        self.apply_settings()
    }

    async fn advance(
        &mut self,
        name: &str,
        portal: &mut Portal,
        max_rows: usize,
        limits: &Limits,
    ) -> Result<()> {
        if portal.cursor.is_some() {
            return self.advance_cursor(portal, max_rows, limits).await;
        }
        let tag = Tag::of_statement(portal.prepared.statement.as_ref());
        if let State::Done = portal.state {
            if portal.prepared.columns.is_none() {
                return Err(WireError::new(
                    "55000",
                    format!("portal \"{name}\" cannot be run anymore"),
                ));
            }
            self.complete(&tag.of(0));
            return Ok(());
        }
        if let State::Ready = portal.state {
            let prepared = Arc::clone(&portal.prepared);
            match Box::pin(self.run(&prepared, &portal.values, limits)).await? {
                Started::Empty => {
                    self.connection
                        .send(Backend::EmptyQueryResponse(EmptyQueryResponse::new()));
                    return Ok(());
                }
                Started::Tag(tag) => {
                    portal.state = State::Done;
                    self.complete(&tag);
                    return Ok(());
                }
                Started::Copy(copying) => {
                    portal.state = State::Done;
                    return self.copy_out(copying, limits).await;
                }
                Started::CopyIn(reading) => {
                    portal.state = State::Done;
                    let tag = self.copy_in(reading, limits).await?;
                    self.complete(&tag);
                    return Ok(());
                }
                Started::Fetch { cursor, count } => {
                    portal.state = State::Done;
                    return self.fetch(&cursor, count, false, limits).await;
                }
                Started::Rows { rows, tag: own, .. } => {
                    portal.tag = Some(own);
                    portal.state = State::Open(Box::new(rows));
                }
            }
        }
        let State::Open(rows) = &mut portal.state else {
            return Ok(());
        };
        let style = self.style();
        let form = Form::Message(portal.formats.clone());
        let (count, finished) = rows
            .send(&mut self.connection, limits, &style, &form, max_rows)
            .await?;
        if finished {
            portal.state = State::Done;
            let tag = portal.tag.as_ref().unwrap_or(&tag).of(count);
            self.complete(&tag);
        } else {
            self.connection
                .send(Backend::PortalSuspended(PortalSuspended::new()));
        }
        Ok(())
    }

    pub fn close(&mut self, target: Target, name: &str) {
        match target {
            Target::Statement => {
                self.statements.remove(name);
            }
            Target::Portal => {
                self.portals.remove(name);
            }
        }
        self.connection
            .send(Backend::CloseComplete(CloseComplete::new()));
    }

    pub fn statement(&self, name: &str) -> Result<Arc<prepared::Prepared>> {
        self.statements.get(name).cloned().ok_or_else(|| {
            WireError::new(
                "26000",
                if name.is_empty() {
                    "unnamed prepared statement does not exist".to_owned()
                } else {
                    format!("prepared statement \"{name}\" does not exist")
                },
            )
        })
    }

    fn portal(&self, name: &str) -> Result<&Portal> {
        self.portals
            .get(name)
            .ok_or_else(|| WireError::new("34000", format!("portal \"{name}\" does not exist")))
    }

    /// What is run with no BEGIN before it is a transaction until Sync.
    pub fn begin_implicit(&mut self) {
        let settings = super::session::lock(&self.facts.settings);
        self.transaction.begin_implicit(&settings);
    }
}

fn may_run_after_failure(statement: &Option<Statement>) -> bool {
    match statement {
        None => true,
        Some(Statement::Sql(sql)) => utility::ends_transaction(sql),
        Some(Statement::Model(_)) => false,
    }
}
