//! The catalog tables that are made here: from the snapshot, the session and the settings.
//! Their columns are Postgres's, by the exported tables; what has no meaning here is at its
//! default.

mod cell;
mod relations;
mod roles;
mod server;

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::Result;
use datafusion_pg_catalog::pg_catalog::PgCatalogStaticTables;

use super::Facts;
use super::emptiness::EMPTY;
use super::snapshot::{CatalogCache, Snapshot};
use super::whole;
use cell::empty;
use relations::{pg_attribute, pg_class, pg_description, pg_namespace, pg_tables, pg_views};
use roles::{pg_database, pg_roles};
use server::{pg_settings, pg_stat_activity};

pub(super) use cell::{Cell, corrected, fill};
pub(super) use relations::{
    Attribute, attributes, column_comment, system_relation_name, system_relation_oid,
};
pub(super) use roles::{role_name, role_oid};

/// Who owns everything: the program itself. Nobody logs in as it.
const OWNER: &str = "frazil";

/// Everything a table of the session's may need.
pub(super) struct Sources<'a> {
    pub snapshot: &'a Snapshot,
    pub statics: &'a Arc<PgCatalogStaticTables>,
    pub facts: &'a Facts,
    pub cache: &'a CatalogCache,
}

/// A table made here; None when it is not one of these.
pub(super) fn table(name: &str, sources: &Sources<'_>) -> Option<Result<RecordBatch>> {
    Some(match name {
        "pg_class" => pg_class(sources),
        "pg_attribute" => pg_attribute(sources),
        "pg_namespace" => pg_namespace(sources),
        "pg_database" => pg_database(sources),
        "pg_roles" | "pg_authid" | "pg_user" | "pg_shadow" => pg_roles(name, sources),
        "pg_settings" => pg_settings(sources),
        "pg_tables" => pg_tables(sources),
        "pg_views" => pg_views(sources),
        "pg_description" => pg_description(sources),
        "pg_stat_activity" => pg_stat_activity(sources),
        // Postgres's rows of these tell of its own relations, which are not in pg_class here.
        name if EMPTY.contains(&name) => empty(&whole::columns("pg_catalog", name)?),
        _ => return None,
    })
}
