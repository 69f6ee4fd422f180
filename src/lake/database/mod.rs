//! The database behind a lake's catalog and control store. One for both, so that a swap of
//! pointers can check a lease in the same transaction.

pub(crate) mod connection;
pub(crate) mod error;
mod memory;
mod migrate;
mod sql;
mod url;

use std::sync::Arc;

pub use memory::MemoryDatabase;
pub use sql::{SqlDatabase, SqlOptions};
pub use url::DatabaseUrl;

pub(crate) use sql::Dialect;

use super::Result;
use super::catalog::Catalog;
use super::control::Control;
use crate::seams::Clock;

/// Opens `sqlite:///path/to/file.db` (made when missing) or `postgres://user@host/database`,
/// makes or migrates its tables, and gives both sides of it.
pub async fn open(
    url: &str,
    clock: Arc<dyn Clock>,
) -> Result<(Arc<dyn Catalog>, Arc<dyn Control>)> {
    open_with(&url.parse()?, clock, SqlOptions::default()).await
}

/// As [`open`], with bounds and the catalog's name in it.
pub async fn open_with(
    url: &DatabaseUrl,
    clock: Arc<dyn Clock>,
    options: SqlOptions,
) -> Result<(Arc<dyn Catalog>, Arc<dyn Control>)> {
    let database = SqlDatabase::open(url, clock, options).await?;
    Ok((database.catalog(), database.control()))
}
