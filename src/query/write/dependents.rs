//! What stands on tables and views: views that read them, and views that read those. Nothing that
//! something stands on may go or change under it, but with CASCADE.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    AlterColumnOperation as Column, AlterTableOperation as Operation,
};

use super::target::Target;
use super::{Error, Result, TEMPORARY, Writer, Written, folded, refuse};
use crate::domain::TableName;
use crate::query::QueryError;
use crate::query::loader::Own;
use crate::query::session::lock;
use crate::query::views::{self, View};

/// A view that stands on something.
pub(super) struct Dependent {
    pub name: TableName,
    pub view: Arc<View>,
    /// What it reads of what goes.
    pub on: TableName,
}

/// What a statement drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Object {
    Table,
    View,
}

impl Object {
    pub fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
        }
    }
}

impl Writer<'_> {
    /// All views, as the transaction sees them.
    pub(super) async fn all_views(&self) -> Result<BTreeMap<TableName, Arc<View>>> {
        let engine = self.session.engine();
        let mut all = BTreeMap::new();
        for (name, at) in engine.lake().catalog.views().await? {
            if let Some(view) = engine.views().read(engine.lake(), &at).await? {
                all.insert(name, view);
            }
        }
        for (name, own) in lock(&self.session.writes).own_views() {
            match own {
                Some(view) => all.insert(name, view),
                None => all.remove(&name),
            };
        }
        Ok(all)
    }

    /// The views that stand on these, near ones first; each once, and none of these.
    pub(super) async fn dependents(&self, names: &[TableName]) -> Result<Vec<Dependent>> {
        let all = self.all_views().await?;
        let mut seen: BTreeSet<TableName> = names.iter().cloned().collect();
        let mut found: Vec<Dependent> = Vec::new();
        let mut next = names.to_vec();
        while !next.is_empty() {
            let near = std::mem::take(&mut next);
            for on in near {
                for (name, view) in &all {
                    if view.reads(on.namespace(), on.name()) && seen.insert(name.clone()) {
                        next.push(name.clone());
                        found.push(Dependent {
                            name: name.clone(),
                            view: Arc::clone(view),
                            on: on.clone(),
                        });
                    }
                }
            }
        }
        Ok(found)
    }

    /// Whether something goes that views stand on: they go with it, or nothing does.
    pub(super) async fn drop_dependents(
        &self,
        dropped: &[(TableName, Object)],
        cascade: bool,
        written: Written,
    ) -> Result<Written> {
        let names: Vec<TableName> = dropped.iter().map(|(name, _)| name.clone()).collect();
        let dependents = self.dependents(&names).await?;
        if dependents.is_empty() {
            return Ok(written);
        }
        if !cascade {
            let what = match dropped {
                [(name, kind)] => format!("{} {}", kind.word(), self.short(name)),
                _ => "desired object(s)".to_owned(),
            };
            return Err(self.in_use(&what, &dependents, dropped));
        }
        let words = dependents
            .iter()
            .map(|one| format!("view {}", self.short(&one.name)));
        let written = cascaded(written, words.collect());
        let mut writes = lock(&self.session.writes);
        for Dependent { name, view, .. } in dependents {
            writes.put_view(name, Some(view), None);
        }
        Ok(written)
    }

    /// State `2BP01`: views stand on what is to go.
    fn in_use(
        &self,
        what: &str,
        dependents: &[Dependent],
        dropped: &[(TableName, Object)],
    ) -> Error {
        let lines = dependents.iter().map(|one| {
            let kind = dropped.iter().find(|(name, _)| *name == one.on);
            let kind = kind.map_or(Object::View, |(_, kind)| *kind).word();
            let (view, on) = (self.short(&one.name), self.short(&one.on));
            format!("view {view} depends on {kind} {on}")
        });
        let objects = if what.starts_with("desired") {
            "them"
        } else {
            "it"
        };
        QueryError {
            detail: Some(lines.collect::<Vec<_>>().join("\n")),
            ..refuse(
                "2BP01",
                format!("cannot drop {what} because other objects depend on {objects}"),
            )
        }
        .with_hint("Use DROP ... CASCADE to drop the dependent objects too.")
    }

    /// A name as messages have it: without its schema where the search path finds it.
    pub(super) fn short(&self, name: &TableName) -> String {
        let path = self.session.search_path();
        let (schema, bare) = (name.namespace(), name.name());
        match schema == TEMPORARY || path.iter().any(|one| one == schema) {
            true => bare.to_owned(),
            false => format!("{schema}.{bare}"),
        }
    }

    /// What views read of a column stays as it is.
    pub(super) async fn check_views(&self, target: &Target, operation: &Operation) -> Result<()> {
        let what = match operation {
            Operation::DropColumn { column_names, .. } => {
                let names = column_names.iter().map(folded);
                format!("drop column {}", names.collect::<Vec<_>>().join(", "))
            }
            Operation::RenameColumn {
                old_column_name, ..
            } => format!("rename column {}", folded(old_column_name)),
            Operation::AlterColumn {
                column_name,
                op: Column::SetDataType { .. },
            } => format!("alter type of column {}", folded(column_name)),
            _ => return Ok(()),
        };
        let broken = self.broken_by(target).await?;
        if broken.is_empty() {
            return Ok(());
        }
        let table = self.short(&target.name);
        let views = broken.iter().map(|one| {
            let view = self.short(&one.name);
            format!("view {view} depends on it")
        });
        let state = match operation {
            Operation::DropColumn { .. } => "2BP01",
            _ => "0A000",
        };
        Err(QueryError {
            detail: Some(views.collect::<Vec<_>>().join("\n")),
            ..refuse(
                state,
                format!("cannot {what} of table {table} because other objects depend on it"),
            )
        }
        .with_hint("Drop the views first, and make them again afterwards."))
    }

    /// The views that can't be read any more, or give other types, once the table is as it is here.
    async fn broken_by(&self, target: &Target) -> Result<Vec<Dependent>> {
        let mut broken = Vec::new();
        for dependent in self.dependents(std::slice::from_ref(&target.name)).await? {
            let query = dependent.view.query.clone()?;
            let now = self.session.plan_view(&dependent.name, &query).await;
            // One that was broken before is not what this statement breaks.
            let Ok(now) = now.and_then(|plan| views::named(plan, &query)) else {
                continue;
            };
            let table: Arc<dyn datafusion::catalog::TableProvider> =
                Arc::new(target.draft.readable()?);
            let own = Own::from([(target.name.clone(), Some(table))]);
            let then = self
                .session
                .plan_view_with(&dependent.name, &query, own)
                .await;
            let same = then
                .and_then(|plan| views::named(plan, &query))
                .is_ok_and(|then| {
                    let types = |plan: &datafusion::logical_expr::LogicalPlan| {
                        let fields = plan.schema().fields().iter();
                        fields
                            .map(|field| field.data_type().clone())
                            .collect::<Vec<_>>()
                    };
                    types(&then) == types(&now)
                });
            if !same {
                broken.push(dependent);
            }
        }
        Ok(broken)
    }
}

/// Tells of what CASCADE dropped.
pub(super) fn cascaded(written: Written, words: Vec<String>) -> Written {
    match &words[..] {
        [] => written,
        [one] => written.noticed("00000", format!("drop cascades to {one}")),
        many => {
            let detail = many.iter().map(|one| format!("drop cascades to {one}"));
            let detail = detail.collect::<Vec<_>>().join("\n");
            let text = format!("drop cascades to {} other objects", many.len());
            written.noticed_in_detail("00000", text, detail)
        }
    }
}
