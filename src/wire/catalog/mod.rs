//! `pg_catalog` and `information_schema`: what clients ask about the server itself.
//!
//! The lake's tables come from one cached snapshot, shared by all sessions and refreshed when it
//! is older than a second; OIDs are hashes of names, so that they are the same in every process.
//! What never changes (types, operators, casts) comes from datafusion-pg-catalog's exports of a
//! real Postgres; its dynamic tables and its functions are not used: they load every table at each
//! query and number objects by process.

mod definitions;
mod emptiness;
mod functions;
mod information;
mod own;
mod rewrite;
mod row_function;
mod schema;
mod snapshot;
mod types;
mod whole;

pub(super) use snapshot::CatalogCache;
pub(super) use types::type_oid;

use std::sync::{Arc, Mutex};

use super::cancel::Registry;
use super::connection::Ends;
use super::session::Session;
use super::settings::Settings;
use super::sqlstate::Result;
use crate::query::{self, Engine};
use datafusion::sql::sqlparser::ast;

/// What a session is, for the functions and tables that tell of it.
pub(super) struct Facts {
    pub user: String,
    pub database: String,
    pub pid: i32,
    pub ends: Ends,
    pub registry: Arc<Registry>,
    pub settings: Mutex<Settings>,
    /// Names of all who may log in.
    pub users: Vec<String>,
    /// When the listener started, milliseconds since 1970 UTC.
    pub started_ms: i64,
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts")
            .field("user", &self.user)
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

/// Gives a session its catalogs and functions.
pub(super) fn register(
    session: &query::Session,
    facts: &Arc<Facts>,
    cache: &Arc<CatalogCache>,
) -> Result<()> {
    schema::register(session, facts, cache)?;
    functions::register(session.context(), facts, cache);
    Ok(())
}

/// The search path of a new session: Postgres's own, then every namespace of the lake, so that
/// `select … from events` works at once.
pub(super) async fn default_search_path(engine: &Engine) -> Result<String> {
    let namespaces = engine.lake().catalog.namespaces().await.map_err(|error| {
        super::sqlstate::WireError::new("58030", format!("the catalog can't be read: {error}"))
    })?;
    let mut path = "\"$user\", public".to_owned();
    for namespace in namespaces {
        if namespace != "public" {
            path.push_str(", ");
            path.push_str(&functions::quote_ident(&namespace));
        }
    }
    Ok(path)
}

impl Session<'_> {
    /// Brings Postgres's spellings to those of the engine's planner.
    pub async fn rewrite(&self, statement: &ast::Statement) -> Result<ast::Statement> {
        let mut statement = statement.clone();
        let asked = rewrite::looks_at_catalogs(&statement);
        let cache = &self.shared.catalog;
        if asked {
            cache.refresh(&self.query).await?;
        }
        rewrite::statement(&mut statement, asked, &self.facts, cache)?;
        Ok(statement)
    }
}
