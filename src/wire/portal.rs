//! Portals and SQL cursors: a prepared statement with its parameters, run as far as was asked.

use std::sync::Arc;

use datafusion::common::ScalarValue;

use super::encode::Format;
use super::prepared::Prepared;
use super::rows::Rows;
use super::run::Tag;
use super::scroll::{Keep, Scroll};

pub(super) struct Portal {
    pub prepared: Arc<Prepared>,
    pub values: Vec<ScalarValue>,
    /// One a column.
    pub formats: Vec<Format>,
    pub state: State,
    /// What it is told to be once it has begun.
    pub tag: Option<Tag>,
    /// What DECLARE said of it; None for a portal of the protocol.
    pub cursor: Option<Cursor>,
}

/// What a SQL cursor is besides a portal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    pub keep: Keep,
    /// WITH HOLD: it outlives its transaction, once that has been committed.
    pub hold: bool,
    pub committed: bool,
}

pub(super) enum State {
    Ready,
    Open(Box<Rows>),
    /// A SQL cursor's.
    Scroll(Box<Scroll>),
    /// All was given, or an error ended it.
    Done,
}

impl Portal {
    /// Whether it stays at the end of the transaction.
    pub fn is_held(&self) -> bool {
        self.cursor
            .is_some_and(|cursor| cursor.hold && cursor.committed)
    }

    /// Its transaction is committed.
    pub fn commit(&mut self) {
        if let Some(cursor) = &mut self.cursor {
            cursor.committed = true;
        }
    }
}
