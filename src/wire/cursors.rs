//! SQL cursors: DECLARE, FETCH, MOVE, CLOSE. Streamed; what may be gone back to is kept (`scroll`).

use std::sync::Arc;

use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::sql::sqlparser::ast::{self, CloseCursor, DeclareType, FetchDirection};
use pgwire::messages::PgWireBackendMessage as Backend;
use pgwire::messages::extendedquery::PortalSuspended;

use super::connection::Limits;
use super::encode::Format;
use super::portal::{Cursor, Portal, State};
use super::prepared::Columns;
use super::rows::Form;
use super::run::{FetchCount, FetchTo, Started};
use super::scroll::{Direction, Keep, Scroll, Target};
use super::session::Session;
use super::sqlstate::{Result, WireError};
use super::utility::folded;
use crate::query::fetch::MOVE_MARK;
use crate::query::statement::Statement;

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
        let keep = match declare.scroll {
            Some(true) => Keep::All,
            None if prepared.scans_backward() => Keep::Few,
            Some(false) | None => Keep::Nothing,
        };
        let portal = Portal {
            prepared: Arc::new(prepared),
            values: Vec::new(),
            formats: vec![format; columns],
            state: State::Ready,
            tag: None,
            cursor: Some(Cursor {
                keep,
                hold,
                committed: false,
            }),
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
        let number = |limit: &ast::ValueWithSpan| -> Result<i64> {
            let parsed = limit.to_string().parse();
            parsed.map_err(|_| WireError::syntax(format!("{limit} is no count of rows")))
        };
        let rows = |direction| Ok(FetchTo::Rows(direction));
        let to: Result<FetchTo> = match direction {
            D::Next => rows(Direction::by(1)),
            D::Prior => rows(Direction::by(-1)),
            D::First => rows(Direction::Absolute(1)),
            D::Last => rows(Direction::Absolute(-1)),
            D::Count { limit } => rows(Direction::by(number(limit)?)),
            D::Absolute { limit } => rows(Direction::Absolute(number(limit)?)),
            D::Relative { limit } => match number(limit)? {
                0 => rows(Direction::Again),
                count => Ok(FetchTo::Relative(count)),
            },
            D::All | D::ForwardAll => rows(Direction::Forward(None)),
            D::BackwardAll => rows(Direction::Backward(None)),
            D::Forward { limit } => {
                let count = limit.as_ref().map_or(Ok(1), number)?;
                rows(Direction::by(count))
            }
            D::Backward { limit } => {
                let count = limit.as_ref().map_or(Ok(1), number)?;
                rows(Direction::by(count.saturating_neg()))
            }
        };
        let skip = into.is_some_and(|into| into.to_string() == MOVE_MARK);
        if into.is_some() && !skip {
            return Err(WireError::unsupported("FETCH … INTO is not supported"));
        }
        Ok(Started::Fetch {
            cursor: name.to_owned(),
            count: FetchCount { to: to?, skip },
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
        self.open_cursor(portal, limits).await?;
        let style = self.style();
        let State::Scroll(scroll) = &mut portal.state else {
            return Ok(0);
        };
        let form = (!count.skip).then(|| Form::Message(portal.formats.clone()));
        let mut target = Target {
            connection: &mut self.connection,
            limits,
            style,
            form,
        };
        match count.to {
            FetchTo::Rows(direction) => scroll.go(direction, &mut target).await,
            FetchTo::Relative(count) => scroll.relative(count, &mut target).await,
        }
    }

    /// Starts a cursor's query, once.
    async fn open_cursor(&mut self, portal: &mut Portal, limits: &Limits) -> Result<()> {
        let (State::Ready, Some(cursor)) = (&portal.state, portal.cursor) else {
            return Ok(());
        };
        let prepared = Arc::clone(&portal.prepared);
        let only_queries = || WireError::new("42P11", "a cursor must be over a query");
        let Some(Statement::Sql(sql)) = &prepared.statement else {
            return Err(only_queries());
        };
        let started = Box::pin(self.run_query(&prepared, sql, &portal.values, limits));
        let Started::Rows { rows, .. } = started.await? else {
            return Err(only_queries());
        };
        let pool = &self.query.context().runtime_env().memory_pool;
        let memory = MemoryConsumer::new("cursor").register(pool);
        portal.state = State::Scroll(Box::new(Scroll::new(rows, cursor.keep, memory)));
        Ok(())
    }

    /// Cursors that outlive the transaction read what it saw: their queries start before its end.
    pub async fn open_held(&mut self) -> Result<()> {
        let held = self.portals.iter().filter(|(_, portal)| {
            let ready = matches!(portal.state, State::Ready);
            ready && portal.cursor.is_some_and(|cursor| cursor.hold)
        });
        let held: Vec<String> = held.map(|(name, _)| name.clone()).collect();
        for name in held {
            let Some(mut portal) = self.portals.remove(&name) else {
                continue;
            };
            let limits = self.start();
            let opened = self.open_cursor(&mut portal, &limits).await;
            self.stop();
            self.portals.insert(name, portal);
            opened?;
        }
        Ok(())
    }

    /// An Execute message for a SQL cursor.
    pub async fn advance_cursor(
        &mut self,
        portal: &mut Portal,
        max_rows: usize,
        limits: &Limits,
    ) -> Result<()> {
        let wanted = (max_rows > 0).then_some(max_rows as u64);
        let count = FetchCount {
            to: FetchTo::Rows(Direction::Forward(wanted)),
            skip: false,
        };
        let rows = self.fetch_from(portal, count, false, limits).await?;
        match wanted == Some(rows) {
            true => self
                .connection
                .send(Backend::PortalSuspended(PortalSuspended::new())),
            false => self.complete(&format!("SELECT {rows}")),
        }
        Ok(())
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
