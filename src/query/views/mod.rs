//! Views: a query's text in the place of a table. Names in the text are qualified and wildcards
//! spelt out when it is made (`canonical`), so that it means the same whatever the search path is
//! and whatever columns its tables get; it is planned anew wherever it is read (`expand`).
//! Must never be expanded without bounds.

mod canonical;
mod expand;
mod lists;
mod wildcards;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast;

pub(super) use canonical::{Meanings, qualify, rename};
pub(super) use expand::{Expansion, named};
pub(super) use lists::{listed, listed_table};
pub(super) use wildcards::{Fields, leaves, name_columns, spell_out};

use super::{QueryError, QueryErrorKind};
use crate::lake::{self, ErrorKind, Lake};

/// Views that are remembered as parsed, and the bytes of their texts; beyond it they are read again.
const MOST_KNOWN: usize = 1_000;
const MOST_KNOWN_BYTES: usize = 4 << 20;
/// The text of one view.
pub(super) const LONGEST: usize = 1 << 20;

/// A view, parsed.
#[derive(Debug)]
pub struct View {
    pub stored: lake::View,
    /// An error for one that another engine made, or that can't be parsed any more.
    pub(super) query: Result<ast::Statement, QueryError>,
    /// Schema and name of all that its text names.
    pub(super) reads: BTreeSet<(String, String)>,
    columns: OnceLock<SchemaRef>,
}

impl View {
    pub(super) fn of(stored: lake::View) -> Self {
        let query = stored.sql().map_err(QueryError::from).and_then(parse);
        let reads = query.as_ref().map(reads).unwrap_or_default();
        Self {
            stored,
            query,
            reads,
            columns: OnceLock::new(),
        }
    }

    pub(super) fn reads(&self, schema: &str, name: &str) -> bool {
        self.reads
            .iter()
            .any(|(of, read)| of == schema && is_part_of(read, name))
    }
}

/// `t$files` is read from `t`.
fn is_part_of(read: &str, table: &str) -> bool {
    let rest = read.strip_prefix(table);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('$'))
}

fn parse(text: &str) -> Result<ast::Statement, QueryError> {
    match super::statement::parse(text)?.pop() {
        Some(super::statement::Statement::Sql(statement)) => Ok(*statement),
        _ => Err(QueryError::new(
            QueryErrorKind::Corrupt,
            "the text of the view is no query",
        )),
    }
}

fn reads(query: &ast::Statement) -> BTreeSet<(String, String)> {
    let statement = DfStatement::Statement(Box::new(query.clone()));
    let Ok((relations, _)) = resolve_table_references(&statement, true) else {
        return BTreeSet::new();
    };
    let named = relations.into_iter().filter_map(|relation| match relation {
        TableReference::Partial { schema, table } => Some((schema.to_string(), table.to_string())),
        TableReference::Bare { .. } | TableReference::Full { .. } => None,
    });
    named.collect()
}

/// The error for views that stand too deep, or become too large a plan.
pub(super) fn too_deep() -> QueryError {
    QueryError::new(
        QueryErrorKind::State("54001"),
        "the views of this statement stand on too many others to be planned",
    )
    .with_hint("Make a table of one of them: CREATE TABLE … AS SELECT.")
}

/// Views by their metadata files, which never change.
#[derive(Debug, Default)]
pub(super) struct ViewCache(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    views: HashMap<String, Arc<View>>,
    bytes: usize,
}

impl ViewCache {
    /// None when the file is gone: the view was replaced or dropped.
    pub async fn read(&self, lake: &Lake, at: &str) -> lake::Result<Option<Arc<View>>> {
        let known = self.lock().views.get(at).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let stored = match lake::View::read(&lake.store, at).await {
            Ok(stored) => stored,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let view = Arc::new(View::of(stored));
        let bytes = view.stored.sql().map_or(0, str::len);
        let mut known = self.lock();
        if known.views.len() >= MOST_KNOWN || known.bytes + bytes > MOST_KNOWN_BYTES {
            *known = Known::default();
        }
        known.bytes += bytes;
        known.views.insert(at.to_owned(), Arc::clone(&view));
        Ok(Some(view))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
