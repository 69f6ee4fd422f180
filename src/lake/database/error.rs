//! What a database said, as an error of the lake: its kind, and a sentence for people.

use std::time::Duration;

use crate::lake::{Error, ErrorKind};

/// Why a call to the database brought no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SqlError {
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("no free connection within {0:?}: it is away, or all connections are busy")]
    NoConnection(Duration),
    #[error("{}", describe(.0))]
    Database(#[from] sqlx::Error),
    /// What is stored is not what this program stores.
    #[error("{0}")]
    Corrupt(String),
}

fn describe(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(inner) => match inner.code() {
            Some(code)
                if inner
                    .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
                    .is_some() =>
            {
                format!("{} ({code})", inner.message())
            }
            _ => inner.message().to_owned(),
        },
        other => other.to_string(),
    }
}

impl SqlError {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TimedOut(_) | Self::NoConnection(_) => ErrorKind::Unavailable,
            Self::Corrupt(_) => ErrorKind::Corrupt,
            Self::Database(error) => database_kind(error),
        }
    }

    /// `doing` says what was tried, `database` where.
    pub fn at(self, database: &str, doing: &str) -> Error {
        let kind = self.kind();
        Error::new(kind, format!("{doing} in {database}: {self}")).with_source(self)
    }
}

fn database_kind(error: &sqlx::Error) -> ErrorKind {
    match error {
        sqlx::Error::Database(inner) => {
            let code = inner.code().unwrap_or_default();
            match inner.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
                Some(_) => sqlite_kind(&code),
                None => postgres_kind(&code),
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => ErrorKind::Unavailable,
        sqlx::Error::Configuration(_) => ErrorKind::Invalid,
        sqlx::Error::RowNotFound
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. } => ErrorKind::Corrupt,
        _ => ErrorKind::Internal,
    }
}

/// SQLite's primary result code is the extended one's low byte (https://sqlite.org/rescode.html).
fn sqlite_kind(code: &str) -> ErrorKind {
    match code.parse::<u32>().map(|code| code & 0xff) {
        // BUSY, LOCKED, IOERR, FULL: it may work later.
        Ok(5 | 6 | 10 | 13) => ErrorKind::Unavailable,
        // PERM, READONLY, CANTOPEN, TOOBIG: someone must change something.
        Ok(3 | 8 | 14 | 18) => ErrorKind::Invalid,
        // CORRUPT, NOTADB.
        Ok(11 | 26) => ErrorKind::Corrupt,
        _ => ErrorKind::Internal,
    }
}

/// By SQLSTATE, class or code (Postgres manual, appendix A).
fn postgres_kind(code: &str) -> ErrorKind {
    match code {
        // lock_not_available, query_canceled (its statement_timeout), disk_full and the like.
        "55P03" | "57014" => ErrorKind::Unavailable,
        // 25006: a standby, or default_transaction_read_only.
        "25006" => ErrorKind::Invalid,
        // serialization_failure, deadlock_detected.
        "40001" | "40P01" => ErrorKind::Conflict,
        _ => match code.get(..2) {
            // Connection, resources, operator intervention, system error. 25P03, an idle
            // transaction cut off, is in 25.
            Some("08" | "53" | "57" | "58" | "25") => ErrorKind::Unavailable,
            // Data (a location too long), authorisation, no such database, access rights.
            Some("22" | "28" | "3D" | "3F" | "42") => ErrorKind::Invalid,
            Some("XX") => ErrorKind::Corrupt,
            _ => ErrorKind::Internal,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_unavailable() {
        for code in ["08006", "53300", "57P01", "57014", "55P03", "25P03"] {
            assert_eq!(postgres_kind(code), ErrorKind::Unavailable, "{code}");
        }
        // SQLITE_BUSY, SQLITE_BUSY_SNAPSHOT, SQLITE_IOERR_WRITE, SQLITE_FULL.
        for code in ["5", "517", "778", "13"] {
            assert_eq!(sqlite_kind(code), ErrorKind::Unavailable, "{code}");
        }
    }

    #[test]
    fn what_a_person_must_mend_is_not() {
        assert_eq!(postgres_kind("28P01"), ErrorKind::Invalid);
        assert_eq!(postgres_kind("22001"), ErrorKind::Invalid);
        assert_eq!(sqlite_kind("8"), ErrorKind::Invalid);
        assert_eq!(sqlite_kind("26"), ErrorKind::Corrupt);
    }
}
