//! Why a sink can't go on now: it tries again by itself, or a person must act.

use crate::lake::{self, ErrorKind};

/// Why work was given up.
#[derive(Debug)]
pub(crate) enum Halt {
    /// Store, catalog or source did not answer, or someone was faster: try again after a pause.
    Again(String),
    /// Going on could lose or double records, or can't succeed: someone must act. The text says
    /// what happened and what to do.
    Stopped(String),
}

impl From<lake::Error> for Halt {
    fn from(error: lake::Error) -> Self {
        match error.kind() {
            ErrorKind::Unavailable | ErrorKind::Conflict => Self::Again(error.to_string()),
            ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Corrupt | ErrorKind::Internal => {
                Self::Stopped(error.to_string())
            }
        }
    }
}
