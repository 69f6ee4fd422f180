//! SQL cursors: DECLARE, FETCH, MOVE, CLOSE. Forward only, streamed: no result is kept whole.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{self, CloseCursor, DeclareType, FetchDirection};
use pgwire::messages::PgWireBackendMessage as Backend;

use super::connection::Limits;
use super::encode::Format;
use super::portal::{Portal, State};
use super::prepared::Columns;
use super::rows::Form;
use super::run::{FetchCount, Started};
use super::session::Session;
use super::sqlstate::{Result, WireError};
use super::utility::folded;
use crate::query::statement::Statement;

/// How a MOVE is told from a FETCH: the parser knows only the latter.
pub(super) const MOVE_MARK: &str = "frazil_move_no_rows";

fn unknown(name: &str) -> WireError {
    WireError::new("34000", format!("cursor \"{name}\" does not exist"))
}

impl Session<'_> {
    pub async fn declare(&mut self, declared: &[ast::Declare]) -> Result<()> {
        let [declare] = declared else {
            return Err(WireError::syntax("DECLARE takes one cursor"));
        };
        let (Some(DeclareType::Cursor), Some(query), [name]) = (
            &declare.declare_type,
            &declare.for_query,
            &declare.names[..],
        ) else {
            return Err(WireError::syntax("only DECLARE … CURSOR FOR is supported"));
        };
        let hold = declare.hold.unwrap_or(false);
        if !hold && !self.transaction.in_block() {
            return Err(WireError::new(
                "25P01",
                "DECLARE CURSOR can only be used in transaction blocks",
            ));
        }
        if declare.scroll == Some(true) {
            return Err(WireError::unsupported(
                "SCROLL cursors are not supported: cursors here only go forward",
            ));
        }
        let name = folded(name);
        if self.portals.contains_key(&name) {
            return Err(WireError::new(
                "42P03",
                format!("cursor \"{name}\" already exists"),
            ));
        }
        Self::check_room(self.portals.len(), "cursors")?;
        let text = query.to_string();
        let statement = Statement::Sql(Box::new(ast::Statement::Query(query.clone())));
        let prepared = self.prepare(Some(statement), &text, Vec::new()).await?;
        if !prepared.parameters.is_empty() {
            return Err(WireError::new("42P02", "there is no parameter $1"));
        }
        let format = match declare.binary {
            Some(true) => Format::Binary,
            _ => Format::Text,
        };
        let columns = prepared.columns.as_ref().map_or(0, Columns::len);
        let portal = Portal {
            prepared: Arc::new(prepared),
            values: Vec::new(),
            formats: vec![format; columns],
            state: State::Ready,
            tag: None,
            hold,
        };
        self.portals.insert(name, portal);
        Ok(())
    }

    pub fn cursor_columns(&self, name: &str) -> Result<Option<Columns>> {
        let portal = self.portals.get(name).ok_or_else(|| unknown(name))?;
        Ok(portal.prepared.columns.clone())
    }

    pub fn fetched(
        name: &str,
        direction: &FetchDirection,
        into: Option<&ast::ObjectName>,
    ) -> Result<Started> {
        use FetchDirection as D;
        let number = |limit: &ast::ValueWithSpan| -> Result<u64> {
            limit.to_string().parse().map_err(|_| backward())
        };
        let rows = match direction {
            D::Next | D::Forward { limit: None } => Some(1),
            D::Count { limit } | D::Forward { limit: Some(limit) } => Some(number(limit)?),
            D::Relative { limit } => match number(limit)? {
                1 => Some(1),
                _ => return Err(backward()),
            },
            D::All | D::ForwardAll => None,
            D::Prior
            | D::First
            | D::Last
            | D::Absolute { .. }
            | D::Backward { .. }
            | D::BackwardAll => return Err(backward()),
        };
        let skip = into.is_some_and(|into| into.to_string() == MOVE_MARK);
        if into.is_some() && !skip {
            return Err(WireError::unsupported("FETCH … INTO is not supported"));
        }
        Ok(Started::Fetch {
            cursor: name.to_owned(),
            count: FetchCount { rows, skip },
        })
    }

    /// Sends rows of a cursor; `describe` in the simple protocol.
    pub async fn fetch(
        &mut self,
        cursor: &str,
        count: FetchCount,
        describe: bool,
        limits: &Limits,
    ) -> Result<()> {
        let mut portal = self.portals.remove(cursor).ok_or_else(|| unknown(cursor))?;
        let done = self.fetch_from(&mut portal, count, describe, limits).await;
        if done.is_err() {
            portal.state = State::Done;
        }
        self.portals.insert(cursor.to_owned(), portal);
        let rows = done?;
        let verb = if count.skip { "MOVE" } else { "FETCH" };
        self.complete(&format!("{verb} {rows}"));
        Ok(())
    }

    async fn fetch_from(
        &mut self,
        portal: &mut Portal,
        count: FetchCount,
        describe: bool,
        limits: &Limits,
    ) -> Result<u64> {
        if describe
            && !count.skip
            && let Some(columns) = &portal.prepared.columns
        {
            self.connection.send(Backend::RowDescription(
                columns.description(&portal.formats),
            ));
        }
        if let State::Ready = portal.state {
            let prepared = Arc::clone(&portal.prepared);
            match Box::pin(self.run(&prepared, &portal.values, limits)).await? {
                Started::Rows { rows, .. } => portal.state = State::Open(Box::new(rows)),
                _ => return Err(WireError::new("42P11", "a cursor must be over a query")),
            }
        }
        let State::Open(rows) = &mut portal.state else {
            return Ok(0);
        };
        let max = match count.rows {
            Some(0) => return Ok(0),
            Some(rows) => usize::try_from(rows).unwrap_or(usize::MAX),
            None => 0,
        };
        if count.skip {
            return rows.skip(&mut self.connection, limits, max).await;
        }
        let style = self.style();
        let form = Form::Message(portal.formats.clone());
        let sent = rows
            .send(&mut self.connection, limits, &style, &form, max)
            .await?;
        Ok(sent.0)
    }

    pub fn close_cursor(&mut self, cursor: &CloseCursor) -> Result<&'static str> {
        match cursor {
            CloseCursor::All => {
                self.portals.clear();
                Ok("CLOSE CURSOR ALL")
            }
            CloseCursor::Specific { name } => {
                let name = folded(name);
                self.portals
                    .remove(&name)
                    .map(|_| "CLOSE CURSOR")
                    .ok_or_else(|| unknown(&name))
            }
        }
    }
}

fn backward() -> WireError {
    WireError::new("55000", "cursor can only scan forward")
        .with_hint("Run the query again to go back.")
}
