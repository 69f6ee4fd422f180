//! The URL of a database, read once; what is shown of it never holds the password.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::lake::{Error, Result};

/// Where a lake's catalog and control store are.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// `sqlite:///path/to/file.db`; with two slashes the path is relative. Everything behind the
    /// slashes is the path, as it stands.
    Sqlite(PathBuf),
    /// `postgres://user:password@host:port/database?sslmode=…`.
    Postgres(Box<PgConnectOptions>),
}

/// What may stand behind the `?` of a Postgres URL. An unknown key is refused and not shown: its
/// value may be a secret with a slip of the pen in its name.
const POSTGRES_KEYS: [&str; 15] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
];

impl FromStr for DatabaseUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(path) = text.strip_prefix("sqlite://") {
            if path.is_empty() || path.ends_with('/') {
                return Err(Error::invalid(format!(
                    "{text:?} names no file: write sqlite:///path/to/file.db"
                )));
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return parse_postgres(text);
        }
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        Err(Error::invalid(format!(
            "a catalog is sqlite:///path/to/file.db or postgres://user@host/database; {scheme:?} is neither"
        )))
    }
}

fn parse_postgres(text: &str) -> Result<DatabaseUrl> {
    // The text itself may hold a password, so no message repeats it.
    let url = url::Url::parse(text)
        .map_err(|error| Error::invalid(format!("the Postgres URL can't be read: {error}")))?;
    for (key, _) in url.query_pairs() {
        if !POSTGRES_KEYS.contains(&key.as_ref()) {
            return Err(Error::invalid(format!(
                "the Postgres URL has the unknown setting {key:?}; known are {}",
                POSTGRES_KEYS.join(", ")
            )));
        }
    }
    let options = PgConnectOptions::from_str(text)
        .map_err(|_| Error::invalid("the Postgres URL can't be read: a setting has a wrong value"))?
        .application_name("frazil");
    if options.get_database().is_none() {
        return Err(Error::invalid(
            "the Postgres URL names no database: write postgres://user@host/database",
        ));
    }
    Ok(DatabaseUrl::Postgres(Box::new(options)))
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(options) => write!(
                f,
                "postgres://{}@{}:{}/{}",
                options.get_username(),
                options.get_host(),
                options.get_port(),
                options.get_database().unwrap_or_default()
            ),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_as_it_stands() {
        let url: DatabaseUrl = "sqlite:///tmp/a b/c.db".parse().unwrap();
        assert_eq!(url.to_string(), "sqlite:///tmp/a b/c.db");
        assert!(matches!(url, DatabaseUrl::Sqlite(path) if path.as_os_str() == "/tmp/a b/c.db"));
    }

    #[test]
    fn a_password_is_never_shown() {
        let url: DatabaseUrl = "postgres://me:s3cret@db:6432/lake?sslmode=disable"
            .parse()
            .unwrap();
        assert_eq!(url.to_string(), "postgres://me@db:6432/lake");
        assert!(!format!("{url:?}").contains("s3cret"));
        for bad in [
            "postgres://me:s3cret@db:port/lake",
            "postgres://me:s3cret@db/lake?pasword=s3cret",
            "postgres://me:s3cret@db/lake?sslmode=s3cret",
            "postgres://me:s3cret@db/",
            "mysql://me:s3cret@db/lake",
            "me:s3cret@db",
        ] {
            let error = bad.parse::<DatabaseUrl>().expect_err(bad);
            assert!(
                !format!("{error} {error:?}").contains("s3cret"),
                "{error:?}"
            );
        }
    }

    #[test]
    fn what_is_no_catalog_is_refused() {
        for text in ["", "sqlite:///", "sqlite://", "sqlite:///dir/", "/tmp/x.db"] {
            assert!(text.parse::<DatabaseUrl>().is_err(), "{text}");
        }
    }
}
