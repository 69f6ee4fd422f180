//! Portals and SQL cursors: a prepared statement with its parameters, run as far as was asked.

use std::sync::Arc;

use datafusion::common::ScalarValue;

use super::encode::Format;
use super::prepared::Prepared;
use super::rows::Rows;
use super::run::Tag;

pub(super) struct Portal {
    pub prepared: Arc<Prepared>,
    pub values: Vec<ScalarValue>,
    /// One a column.
    pub formats: Vec<Format>,
    pub state: State,
    /// What it is told to be once it has begun.
    pub tag: Option<Tag>,
    /// Made by DECLARE … WITH HOLD: it outlives its transaction.
    pub hold: bool,
}

pub(super) enum State {
    Ready,
    Open(Box<Rows>),
    /// All was given, or an error ended it.
    Done,
}

impl Portal {
    pub fn is_held(&self) -> bool {
        self.hold
    }
}
