//! Errors of queries, with the SQLSTATE that a Postgres client expects.

/// What kind of error; `wire/sqlstate` and the exit codes derive from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueryErrorKind {
    Syntax,
    UndefinedTable,
    UndefinedColumn,
    UndefinedFunction,
    UndefinedObject,
    DuplicateObject,
    DatatypeMismatch,
    GroupingError,
    InvalidText,
    DivisionByZero,
    NumericOutOfRange,
    DatetimeInvalid,
    FeatureNotSupported,
    InsufficientPrivilege,
    OutOfMemory,
    DiskFull,
    Cancelled,
    SerializationFailure,
    ObjectNotInPrerequisiteState,
    InvalidParameter,
    Unavailable,
    Corrupt,
    Internal,
    /// An error for which Postgres has a code of its own, this one.
    State(&'static str),
}

/// An error for the person who wrote the query.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    pub kind: QueryErrorKind,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// 1-based character position in the statement's text.
    pub position: Option<usize>,
}

impl QueryError {
    pub fn new(kind: QueryErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
        }
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
