//! The table that a statement changes: found as Postgres finds it, and refused where its rows have
//! another writer.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast;
use iceberg::spec::{NestedFieldRef, SchemaRef};

use super::state::Draft;
use super::{Error, Result, TEMPORARY, Writer, folded, refuse};
use crate::domain::{Ledger, TableName};
use crate::lake::Table;
use crate::lake::catalog::Relation;
use crate::query::QueryError;
use crate::query::catalog::CATALOG_NAME;
use crate::query::declared::Declared;
use crate::query::session::lock;
use crate::query::views::View;

/// The property of a model's table; the jobs room writes it.
const MODEL_PROPERTY: &str = "frazil.model";
/// How the properties begin by which dead letters name their event tables; the sink writes them.
const DEAD_LETTERS_PROPERTY: &str = "frazil.event-table.";
const DEAD_LETTERS_COLUMNS: [&str; 4] = ["payload", "reason", "failed_at", "stream"];

/// A table to change. What is made of `draft` counts once it is put back.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub name: TableName,
    /// What stands in the lake, where the transaction has not touched it before.
    pub base: Option<Table>,
    pub draft: Draft,
    pub declared: Declared,
}

impl Target {
    pub fn schema(&self) -> &SchemaRef {
        self.draft.table.metadata().current_schema()
    }

    pub fn fields(&self) -> &[NestedFieldRef] {
        self.schema().as_struct().fields()
    }

    /// The place of a column. State `42703` when there is none.
    pub fn column(&self, name: &str) -> Result<usize> {
        let found = self.fields().iter().position(|field| field.name == name);
        found.ok_or_else(|| {
            refuse(
                "42703",
                format!(
                    "column \"{name}\" of relation \"{}\" does not exist",
                    self.name.name()
                ),
            )
        })
    }
}

/// What a name means.
pub(super) enum Meant {
    Table(Box<Target>),
    View(TableName, Arc<View>),
}

fn unknown(name: &ast::ObjectName) -> Error {
    refuse(
        "42P01",
        format!("relation \"{}\" does not exist", shown(name)),
    )
}

/// The error for a view where only a table will do.
pub(super) fn no_table(view: &TableName) -> Error {
    refuse("42809", format!("\"{}\" is not a table", view.name()))
        .with_hint("Use the statements for views: ALTER VIEW, DROP VIEW, COMMENT ON VIEW.")
}

impl Writer<'_> {
    /// The table whose rows a statement changes. State `42P01` when there is none, `42809` when its
    /// rows are written by a stream or a model, `55000` for a view.
    pub(super) async fn target(&self, name: &ast::ObjectName) -> Result<Target> {
        self.check_access(&format!("table {name}"))?;
        match self.meant(name).await? {
            Some(Meant::Table(target)) => Ok(*target),
            Some(Meant::View(view, _)) => Err(QueryError {
                detail: Some("Views can't be written through here.".to_owned()),
                ..refuse("55000", format!("cannot change view \"{}\"", view.name()))
            }
            .with_hint("Change the tables that the view reads.")),
            None => Err(unknown(name)),
        }
    }

    /// The table itself of a name. State `42P01` when there is none.
    pub(super) async fn table(&self, name: &ast::ObjectName) -> Result<Target> {
        self.check_access(&format!("table {name}"))?;
        match self.find_target(name).await? {
            Some(target) => Ok(target),
            None => Err(unknown(name)),
        }
    }

    /// The table of a name. State `42809` for a view.
    pub(super) async fn find_target(&self, name: &ast::ObjectName) -> Result<Option<Target>> {
        match self.meant(name).await? {
            Some(Meant::Table(target)) => Ok(Some(*target)),
            Some(Meant::View(view, _)) => Err(no_table(&view)),
            None => Ok(None),
        }
    }

    /// What a name means on the search path.
    pub(super) async fn meant(&self, name: &ast::ObjectName) -> Result<Option<Meant>> {
        for candidate in self.candidates(name)? {
            let (own, own_view) = {
                let writes = lock(&self.session.writes);
                let own = writes.find(&candidate);
                (
                    own.map(Option::<&Draft>::cloned),
                    writes.find_view(&candidate),
                )
            };
            if let Some(Some(view)) = own_view {
                return Ok(Some(Meant::View(candidate, view)));
            }
            let (base, draft) = match own {
                Some(None) => continue,
                Some(Some(draft)) => (None, draft),
                None if candidate.namespace() == TEMPORARY => continue,
                None => match self.session.held_table(&candidate).await? {
                    Some(table) => {
                        self.check_writable(&table).await?;
                        (Some(table.clone()), Draft::of(table))
                    }
                    None => match self.find_view(&candidate).await? {
                        Some(view) => return Ok(Some(Meant::View(candidate, view))),
                        None => continue,
                    },
                },
            };
            return Ok(Some(Meant::Table(Box::new(Target {
                declared: draft.declared()?,
                name: candidate,
                base,
                draft,
            }))));
        }
        Ok(None)
    }

    /// The view of this very name, as the transaction sees it.
    pub(super) async fn find_view(&self, name: &TableName) -> Result<Option<Arc<View>>> {
        let own = lock(&self.session.writes).find_view(name);
        if let Some(own) = own {
            return Ok(own);
        }
        if name.namespace() == TEMPORARY {
            return Ok(None);
        }
        let engine = self.session.engine();
        match engine.lake().relation(name).await? {
            Some(Relation::View(at)) => Ok(engine.views().read(engine.lake(), &at).await?),
            Some(Relation::Table(_)) | None => Ok(None),
        }
    }

    /// The tables that a name may mean; the first that exists is meant.
    fn candidates(&self, name: &ast::ObjectName) -> Result<Vec<TableName>> {
        let (schema, table) = split(name)?;
        let path = self.session.search_path();
        let schemas = match schema {
            Some(schema) => vec![schema],
            None => std::iter::once(TEMPORARY.to_owned()).chain(path).collect(),
        };
        let names = schemas
            .iter()
            .filter_map(|s| TableName::new(s, &table).ok());
        Ok(names.collect())
    }

    async fn check_writable(&self, table: &Table) -> Result<()> {
        let properties = table.metadata().properties();
        let schema = table.metadata().current_schema();
        let name = table.name();
        let why = if properties.contains_key(MODEL_PROPERTY) {
            Some(("filled by a model", "Change the model's query instead."))
        } else if properties.contains_key(Ledger::PROPERTY)
            || self.is_filled_by_a_stream(name).await?
        {
            Some(("an event table", "Events are appended by its stream only."))
        } else if properties
            .keys()
            .any(|key| key.starts_with(DEAD_LETTERS_PROPERTY))
            || DEAD_LETTERS_COLUMNS
                .iter()
                .all(|column| schema.field_by_name(column).is_some())
        {
            Some(("a table of dead letters", "Its stream alone writes it."))
        } else {
            None
        };
        match why {
            None => Ok(()),
            Some((what, hint)) => {
                let message = format!("cannot change \"{name}\": it is {what}");
                Err(refuse("42809", message).with_hint(hint))
            }
        }
    }

    pub(super) async fn is_filled_by_a_stream(&self, name: &TableName) -> Result<bool> {
        let control = &self.session.engine().lake().control;
        Ok(control.filled_table(&name.to_string()).await?.is_some())
    }

    /// Lets the transaction have the table as it is now.
    pub(super) fn put(&self, target: Target) {
        lock(&self.session.writes).put(target.name, target.base, Some(target.draft));
    }
}

/// Schema, if one is named, and table.
pub(super) fn split(name: &ast::ObjectName) -> Result<(Option<String>, String)> {
    let parts: Option<Vec<String>> = name
        .0
        .iter()
        .map(|part| part.as_ident().map(folded))
        .collect();
    match parts.as_deref() {
        Some([table]) => Ok((None, table.clone())),
        Some([schema, table]) => Ok((Some(schema.clone()), table.clone())),
        Some([catalog, schema, table]) if catalog == CATALOG_NAME => {
            Ok((Some(schema.clone()), table.clone()))
        }
        _ => Err(refuse("42601", format!("improper relation name: {name}"))),
    }
}

/// A name as errors show it.
pub(super) fn shown(name: &ast::ObjectName) -> String {
    match split(name) {
        Ok((Some(schema), table)) => format!("{schema}.{table}"),
        Ok((None, table)) => table,
        Err(_) => name.to_string(),
    }
}
