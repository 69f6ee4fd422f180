//! Why a run failed, and whether it may go better the next time.

use crate::lake;
use crate::lake::commit::CommitError;
use crate::query::{QueryError, QueryErrorKind};

/// An error of a run; shown in `system.runs`, and to who asked for a REFRESH.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum RunError {
    /// The query, the model or its table: the next try fails alike.
    #[error("{0}")]
    Failed(QueryError),
    /// Trouble that may pass, or a base that moved: try again.
    #[error("{0}")]
    Transient(QueryError),
    /// Somebody else holds the lease now: nothing was published, and nothing may be (I8).
    #[error("another process has taken the model over: nothing was published")]
    Displaced,
    /// The process stops.
    #[error("stopped: the process was shutting down")]
    Stopped,
    /// Nobody knows whether it was published (I5).
    #[error("{0}")]
    Unknown(QueryError),
}

impl RunError {
    pub fn failed(kind: QueryErrorKind, message: impl Into<String>) -> Self {
        Self::Failed(QueryError::new(kind, message))
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::failed(QueryErrorKind::ObjectNotInPrerequisiteState, message)
    }

    /// For who asked for the run.
    pub fn into_query_error(self) -> QueryError {
        match self {
            Self::Failed(error) | Self::Transient(error) | Self::Unknown(error) => error,
            Self::Displaced => {
                QueryError::new(QueryErrorKind::SerializationFailure, self.to_string())
            }
            Self::Stopped => QueryError::new(QueryErrorKind::Cancelled, self.to_string()),
        }
    }
}

impl From<QueryError> for RunError {
    fn from(error: QueryError) -> Self {
        match error.kind {
            QueryErrorKind::Unavailable | QueryErrorKind::SerializationFailure => {
                Self::Transient(error)
            }
            // A source that isn't there yet: its stream or model may just be starting.
            QueryErrorKind::UndefinedTable => Self::Transient(error),
            _ => Self::Failed(error),
        }
    }
}

impl From<lake::Error> for RunError {
    fn from(error: lake::Error) -> Self {
        QueryError::from(error).into()
    }
}

impl From<CommitError> for RunError {
    fn from(error: CommitError) -> Self {
        let message = error.to_string();
        match error {
            CommitError::Displaced(_) => Self::Displaced,
            CommitError::Failed(error) => error.into(),
            CommitError::Unknown { .. } => {
                Self::Unknown(QueryError::new(QueryErrorKind::Unavailable, message))
            }
            CommitError::Stale { .. } | CommitError::Fenced { .. } => Self::Transient(
                QueryError::new(QueryErrorKind::SerializationFailure, message),
            ),
        }
    }
}
