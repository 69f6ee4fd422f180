//! The edge where errors become Postgres's: one table from kinds to SQLSTATEs, nothing else.
//! Must never look into a message's text to guess a code.

use pgwire::messages::response::{ErrorResponse, NoticeResponse};

use crate::query::{QueryError, QueryErrorKind};

/// How grave: an `Error` ends the statement, a `Fatal` one the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    Fatal,
}

/// An error as it goes to the client.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{sqlstate}: {message}")]
pub struct WireError {
    pub severity: Severity,
    pub sqlstate: &'static str,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// 1-based character position in the client's text.
    pub position: Option<usize>,
}

pub type Result<T> = std::result::Result<T, WireError>;

impl WireError {
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            sqlstate,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
        }
    }

    pub fn fatal(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Fatal,
            ..Self::new(sqlstate, message)
        }
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new("0A000", message)
    }

    pub fn protocol(message: impl Into<String>) -> Self {
        Self::fatal("08P01", message)
    }

    pub fn syntax(message: impl Into<String>) -> Self {
        Self::new("42601", message)
    }

    /// The message of the wire, fields in Postgres's order.
    pub fn response(&self) -> ErrorResponse {
        let severity = match self.severity {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        };
        ErrorResponse::new(fields(
            severity,
            self.sqlstate,
            &self.message,
            self.detail.as_deref(),
            self.hint.as_deref(),
            self.position,
        ))
    }
}

/// A message that is no error: `WARNING` or `NOTICE`.
pub fn notice(severity: &str, sqlstate: &str, message: &str) -> NoticeResponse {
    NoticeResponse::new(fields(severity, sqlstate, message, None, None, None))
}

fn fields(
    severity: &str,
    sqlstate: &str,
    message: &str,
    detail: Option<&str>,
    hint: Option<&str>,
    position: Option<usize>,
) -> Vec<(u8, String)> {
    // A zero byte would end the field early and shift all that follows.
    let clean = |text: &str| text.replace('\0', "\u{fffd}");
    let mut fields = vec![
        (b'S', severity.to_owned()),
        (b'V', severity.to_owned()),
        (b'C', sqlstate.to_owned()),
        (b'M', clean(message)),
    ];
    if let Some(detail) = detail {
        fields.push((b'D', clean(detail)));
    }
    if let Some(hint) = hint {
        fields.push((b'H', clean(hint)));
    }
    if let Some(position) = position {
        fields.push((b'P', position.to_string()));
    }
    fields
}

/// The SQLSTATE of each kind. Exhaustive on purpose: a new kind must be given its code here.
pub fn of_kind(kind: QueryErrorKind) -> &'static str {
    use QueryErrorKind as K;
    match kind {
        K::Syntax => "42601",
        K::UndefinedTable => "42P01",
        K::UndefinedColumn => "42703",
        K::UndefinedFunction => "42883",
        K::UndefinedObject => "42704",
        K::DuplicateObject => "42710",
        K::DatatypeMismatch => "42804",
        K::GroupingError => "42803",
        K::InvalidText => "22P02",
        K::DivisionByZero => "22012",
        K::NumericOutOfRange => "22003",
        K::DatetimeInvalid => "22007",
        K::FeatureNotSupported => "0A000",
        K::InsufficientPrivilege => "42501",
        K::OutOfMemory => "53200",
        K::DiskFull => "53100",
        K::Cancelled => "57014",
        K::SerializationFailure => "40001",
        K::ObjectNotInPrerequisiteState => "55000",
        K::InvalidParameter => "22023",
        K::Unavailable => "58030",
        K::Corrupt => "XX001",
        K::Internal => "XX000",
        K::State(code) => code,
    }
}

impl From<QueryError> for WireError {
    fn from(error: QueryError) -> Self {
        Self {
            severity: Severity::Error,
            sqlstate: of_kind(error.kind),
            message: error.message,
            detail: error.detail,
            hint: error.hint,
            position: error.position,
        }
    }
}
