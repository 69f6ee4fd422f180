//! CREATE VIEW, ALTER VIEW, COMMENT ON VIEW: a view's text is checked by planning it, and stored
//! so that it means the same from then on.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::Field;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    self, AlterTableOperation as Operation, CreateTableOptions, RenameTableNameKind, SqlOption,
    Statement,
};
use iceberg::spec::{NestedField, PrimitiveType, Schema, Type};

use super::target::{Meant, shown, split};
use super::{
    Result, TEMPORARY, Writer, Written, folded, parse, quoted, refuse, types, unsupported,
};
use crate::domain::TableName;
use crate::lake;
use crate::lake::view::Definition;
use crate::query::names;
use crate::query::postgres::types::{mark_of, name_of};
use crate::query::session::lock;
use crate::query::views::{self, Fields, Meanings, View};
use crate::query::{QueryError, loader::Own};

/// Options of Postgres's views that change nothing here: whoever may read may read all.
const IGNORED_OPTIONS: [&str; 2] = ["security_barrier", "security_invoker"];

impl Writer<'_> {
    pub(super) async fn create_view(&self, create: &ast::CreateView) -> Result<Written> {
        refuse_odd(create)?;
        let mut written = Written::tag("CREATE VIEW");
        let query = Statement::Query(create.query.clone());
        let plan = Box::pin(self.session.plan_with(&query, Own::new())).await?;
        let meanings = self.session.meanings(&query).await?;
        let reads_temporary = meanings.values().any(|(schema, _)| schema == TEMPORARY);
        let name = self
            .new_name(&create.name, create.temporary || reads_temporary)
            .await?;
        if reads_temporary && !create.temporary {
            let text = format!("view \"{}\" will be a temporary view", name.name());
            written = written.noticed("00000", text);
        }
        let before = self.replaced(&name, create.or_replace).await?;
        let columns = columns(create, &plan, &query)?;
        let text = self.text(create, &columns, &meanings, &plan).await?;
        if text.len() > views::LONGEST {
            return Err(refuse(
                "54000",
                format!("the text of a view has at most {} bytes", views::LONGEST),
            ));
        }
        let made = parse(&text)?;
        let planned = views::named(self.session.plan_view(&name, &made).await?, &made)?;
        check_columns(&planned, &columns)?;
        let definition = Definition {
            sql: text,
            schema: iceberg_schema(&planned)?,
        };
        let lake = self.session.engine().lake();
        let stored = match &before {
            None => self.new_view(&name, &definition)?,
            Some(before) => {
                self.check_replaced(&name, before, &planned).await?;
                let (stored, namespace) = (&before.stored, name.namespace());
                stored.replaced(lake, namespace, &definition)?
            }
        };
        let view = Arc::new(View::of(stored));
        lock(&self.session.writes).put_view(name, before, Some(view));
        Ok(written)
    }

    fn new_view(&self, name: &TableName, definition: &Definition) -> Result<lake::View> {
        let lake = self.session.engine().lake();
        if name.namespace() != TEMPORARY && !lake.catalog.keeps_views() {
            return Err(unsupported(
                "views are not supported on a REST catalog: this program keeps none there",
            )
            .with_hint("CREATE TEMP VIEW makes one for this session."));
        }
        Ok(lake::View::new(lake, name, definition)?)
    }

    /// The view that has the name. State `42P07` where it is not to be replaced, `42809` where a
    /// table has it.
    async fn replaced(&self, name: &TableName, or_replace: bool) -> Result<Option<Arc<View>>> {
        let before = self.find_view(name).await?;
        let bare = name.name();
        if before.is_some() && or_replace {
            return Ok(before);
        }
        if before.is_none() && !self.exists(name).await? {
            return Ok(None);
        }
        Err(match or_replace {
            true => refuse("42809", format!("\"{bare}\" is not a view")),
            false => refuse("42P07", format!("relation \"{bare}\" already exists")),
        })
    }

    /// The text to store: tables qualified, wildcards spelt out, columns named.
    async fn text(
        &self,
        create: &ast::CreateView,
        columns: &[String],
        meanings: &Meanings,
        plan: &LogicalPlan,
    ) -> Result<String> {
        let mut query = create.query.as_ref().clone();
        let with = query.with.clone();
        let one = views::leaves(&mut query).len() == 1;
        for select in views::leaves(&mut query) {
            if !select.projection.iter().any(names::is_wildcard) {
                continue;
            }
            if one {
                views::spell_out(select, &Fields::of(plan.schema()));
                continue;
            }
            let mut alone = create.query.as_ref().clone();
            alone.with = with.clone();
            *alone.body = ast::SetExpr::Select(Box::new(select.clone()));
            (alone.order_by, alone.limit_clause, alone.fetch) = (None, None, None);
            let alone = Statement::Query(Box::new(alone));
            let planned = self.session.plan_with(&alone, Own::new()).await?;
            views::spell_out(select, &Fields::of(planned.schema()));
        }
        views::qualify(&mut query, meanings)?;
        Ok(named_text(&mut query, columns))
    }

    /// A view may get columns behind those that it has, nothing else: others stand on it.
    async fn check_replaced(
        &self,
        name: &TableName,
        before: &View,
        planned: &LogicalPlan,
    ) -> Result<()> {
        let query = before.query.clone()?;
        // One that can't be planned any more has no columns that anything could stand on.
        let Ok(old) = self.session.plan_view(name, &query).await else {
            return Ok(());
        };
        let old = views::named(old, &query)?;
        let (old, new) = (old.schema().fields(), planned.schema().fields());
        if new.len() < old.len() {
            return Err(refuse("42P16", "cannot drop columns from view"));
        }
        for (old, new) in old.iter().zip(new) {
            if old.name() != new.name() {
                let (old, new) = (old.name(), new.name());
                let message = format!("cannot change name of view column \"{old}\" to \"{new}\"");
                return Err(refuse("42P16", message).with_hint(
                    "Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead.",
                ));
            }
            let (from, to) = (type_of(old), type_of(new));
            if from != to {
                return Err(refuse(
                    "42P16",
                    format!(
                        "cannot change data type of view column \"{}\" from {from} to {to}",
                        old.name()
                    ),
                ));
            }
        }
        Ok(())
    }

    /// ALTER VIEW, and ALTER TABLE where it names a view. None: it names no view.
    pub(super) async fn alter_view(&self, alter: &ast::AlterTable) -> Result<Option<Written>> {
        let is_view = super::is_alter_view(alter);
        let tag = if is_view { "ALTER VIEW" } else { "ALTER TABLE" };
        let (name, view) = match self.meant(&alter.name).await? {
            Some(Meant::View(name, view)) => (name, view),
            Some(Meant::Table(target)) if is_view => {
                let message = format!("\"{}\" is not a view", target.name.name());
                return Err(refuse("42809", message));
            }
            Some(Meant::Table(_)) => return Ok(None),
            None if !is_view => return Ok(None),
            None => {
                let message = format!("relation \"{}\" does not exist", shown(&alter.name));
                if alter.if_exists {
                    let notice = format!("{message}, skipping");
                    return Ok(Some(Written::tag(tag).noticed("00000", notice)));
                }
                return Err(refuse("42P01", message));
            }
        };
        let [operation] = &alter.operations[..] else {
            return Err(unsupported("ALTER VIEW does one thing at a time"));
        };
        let to = match operation {
            Operation::RenameTable {
                table_name: RenameTableNameKind::To(to) | RenameTableNameKind::As(to),
            } => to,
            Operation::RenameColumn {
                old_column_name,
                new_column_name,
            } => {
                let (old, new) = (folded(old_column_name), folded(new_column_name));
                self.rename_view_column(name, view, &old, new).await?;
                return Ok(Some(Written::tag(tag)));
            }
            other => {
                return Err(
                    unsupported(format!("ALTER VIEW … {other} is not supported"))
                        .with_hint("CREATE OR REPLACE VIEW changes what a view reads."),
                );
            }
        };
        let (_, bare) = split(to)?;
        let new = TableName::new(name.namespace(), &bare);
        let new = new.map_err(|error| refuse("42602", error.to_string()))?;
        if self.exists(&new).await? {
            return Err(refuse(
                "42P07",
                format!("relation \"{bare}\" already exists"),
            ));
        }
        self.follow(&name, &new).await?;
        let moved = Arc::new(View::of(view.stored.moved(self.session.engine().lake())?));
        let mut writes = lock(&self.session.writes);
        writes.put_view(name, Some(view), None);
        writes.put_view(new, None, Some(moved));
        Ok(Some(Written::tag(tag)))
    }

    async fn rename_view_column(
        &self,
        name: TableName,
        view: Arc<View>,
        old: &str,
        new: String,
    ) -> Result<()> {
        let Statement::Query(mut query) = view.query.clone()? else {
            return Err(unsupported("this view can't be altered"));
        };
        let planned = self.session.plan_view(&name, &view.query.clone()?).await?;
        let statement = Statement::Query(query.clone());
        let mut columns = names::of_columns(planned.schema().as_arrow(), Some(&statement));
        if columns.contains(&new) {
            let message = format!(
                "column \"{new}\" of relation \"{}\" already exists",
                name.name()
            );
            return Err(refuse("42701", message));
        }
        let Some(column) = columns.iter_mut().find(|column| *column == old) else {
            return Err(refuse("42703", format!("column \"{old}\" does not exist")));
        };
        *column = new;
        let sql = named_text(&mut query, &columns);
        let made = parse(&sql)?;
        let planned = views::named(self.session.plan_view(&name, &made).await?, &made)?;
        let definition = Definition {
            sql,
            schema: iceberg_schema(&planned)?,
        };
        let lake = self.session.engine().lake();
        let stored = view.stored.replaced(lake, name.namespace(), &definition)?;
        let before = self.session.save_writes();
        lock(&self.session.writes).put_view(
            name.clone(),
            Some(view),
            Some(Arc::new(View::of(stored))),
        );
        for dependent in self.dependents(std::slice::from_ref(&name)).await? {
            let query = dependent.view.query.clone()?;
            if let Err(error) = self.session.plan_view(&dependent.name, &query).await {
                self.session.restore_writes(&before);
                let (view, on) = (self.short(&dependent.name), self.short(&name));
                return Err(QueryError {
                    detail: Some(format!("view {view} reads it: {error}")),
                    ..unsupported(format!("column \"{old}\" of view {on} can't be renamed"))
                }
                .with_hint("Drop the views that read it, and make them again afterwards."));
            }
        }
        Ok(())
    }

    /// Views that read a table or view go on reading it under its new name.
    pub(super) async fn follow(&self, old: &TableName, new: &TableName) -> Result<()> {
        let lake = self.session.engine().lake();
        for (name, view) in self.all_views().await? {
            if !view.reads(old.namespace(), old.name()) {
                continue;
            }
            let Statement::Query(mut query) = view.query.clone()? else {
                continue;
            };
            views::rename(&mut query, old, new);
            let definition = Definition {
                sql: query.to_string(),
                schema: match view.stored.schema() {
                    Some(schema) => schema.clone(),
                    None => continue,
                },
            };
            let stored = view.stored.replaced(lake, name.namespace(), &definition)?;
            let followed = Arc::new(View::of(stored));
            lock(&self.session.writes).put_view(name, Some(view), Some(followed));
        }
        Ok(())
    }

    pub(super) async fn comment_on_view(
        &self,
        name: &ast::ObjectName,
        text: Option<&str>,
    ) -> Result<()> {
        self.check_access(&format!("view {name}"))?;
        let (name, view) = match self.meant(name).await? {
            Some(Meant::View(name, view)) => (name, view),
            Some(Meant::Table(target)) => {
                let message = format!("\"{}\" is not a view", target.name.name());
                return Err(refuse("42809", message));
            }
            None => {
                let message = format!("relation \"{}\" does not exist", shown(name));
                return Err(refuse("42P01", message));
            }
        };
        let lake = self.session.engine().lake();
        let commented = Arc::new(View::of(view.stored.with_comment(lake, text)?));
        lock(&self.session.writes).put_view(name, Some(view), Some(commented));
        Ok(())
    }
}

/// A query's text that names its columns so.
fn named_text(query: &mut ast::Query, columns: &[String]) -> String {
    let named = match views::leaves(query).into_iter().next() {
        Some(first) => views::name_columns(first, columns),
        None => false,
    };
    if named {
        return query.to_string();
    }
    let columns: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    format!("SELECT * FROM ({query}) AS v ({})", columns.join(", "))
}

fn refuse_odd(create: &ast::CreateView) -> Result<()> {
    if create.if_not_exists {
        return Err(refuse("42601", "syntax error at or near \"NOT\""));
    }
    let odd = create.or_alter
        || create.materialized
        || create.secure
        || create.copy_grants
        || create.with_no_schema_binding
        || !create.cluster_by.is_empty()
        || create.comment.is_some()
        || create.to.is_some()
        || create.params.is_some()
        || create
            .columns
            .iter()
            .any(|column| column.data_type.is_some() || column.options.is_some());
    if odd {
        return Err(unsupported("a clause of this CREATE VIEW is not supported"));
    }
    let options: &[SqlOption] = match &create.options {
        CreateTableOptions::None => &[],
        CreateTableOptions::With(options) => options,
        _ => {
            return Err(unsupported("a clause of this CREATE VIEW is not supported"));
        }
    };
    for option in options {
        let key = match option {
            SqlOption::KeyValue { key, .. } | SqlOption::Ident(key) => folded(key),
            other => other.to_string(),
        };
        if key == "check_option" {
            return Err(unsupported(
                "WITH CHECK OPTION is not supported: views can't be written through",
            ));
        }
        if !IGNORED_OPTIONS.contains(&key.as_str()) {
            return Err(refuse("22023", format!("unrecognized parameter \"{key}\"")));
        }
    }
    Ok(())
}

/// The names of a view's columns, each once.
fn columns(create: &ast::CreateView, plan: &LogicalPlan, query: &Statement) -> Result<Vec<String>> {
    let mut columns = names::of_columns(plan.schema().as_arrow(), Some(query));
    if create.columns.len() > columns.len() {
        let message = "CREATE VIEW specifies more column names than columns";
        return Err(refuse("42601", message));
    }
    for (name, given) in columns.iter_mut().zip(&create.columns) {
        *name = folded(&given.name);
    }
    let mut seen = BTreeSet::new();
    match columns.iter().find(|name| !seen.insert(name.as_str())) {
        None => Ok(columns),
        Some(twice) => Err(refuse(
            "42701",
            format!("column \"{twice}\" specified more than once"),
        )),
    }
}

/// The text must give what the statement gave.
fn check_columns(planned: &LogicalPlan, columns: &[String]) -> Result<()> {
    let fields = planned.schema().fields().iter();
    if fields.map(|field| field.name()).eq(columns) {
        return Ok(());
    }
    Err(QueryError {
        detail: Some(format!("Its columns are {}.", columns.join(", "))),
        ..unsupported("this query can't be kept as a view: its columns could not be told by name")
    }
    .with_hint("Give each column of the query a name of its own, and spell out *."))
}

fn type_of(field: &Field) -> String {
    mark_of(field).map_or_else(|| name_of(field.data_type()), str::to_owned)
}

/// Columns as near as Iceberg's types come to them, for other engines and for lists.
fn iceberg_schema(planned: &LogicalPlan) -> Result<Schema> {
    let mut last = 0;
    let mut next = || {
        last += 1;
        last
    };
    let mut fields = Vec::new();
    for field in planned.schema().fields() {
        let kind = types::of_arrow(field.data_type(), &mut next);
        let kind = kind.unwrap_or(Type::Primitive(PrimitiveType::String));
        fields.push(Arc::new(NestedField::optional(next(), field.name(), kind)));
    }
    let schema = Schema::builder().with_fields(fields).build();
    schema.map_err(|error| refuse("XX000", error.to_string()))
}
