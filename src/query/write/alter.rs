//! ALTER TABLE: columns come, go, change their names and widen; field ids stay, so files stay.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    self, AlterColumnOperation as Column, AlterTableOperation as Operation, ColumnDef,
    ColumnOption, Expr, RenameTableNameKind, TableConstraint,
};
use iceberg::spec::{NestedField, NestedFieldRef, PrimitiveType, Schema, Type};

use super::change::Twice;
use super::rewrite::{Caster, column_of, item};
use super::shape::{key, key_columns, schema_of};
use super::target::Target;
use super::types::{self, ColumnType};
use super::update::{Finding, place_items};
use super::{Result, WORK, Writer, Written, folded, quoted, refuse, unsupported};
use crate::domain::TableName;
use crate::query::declared::{Check, Key, Kind};
use crate::query::loader::Own;
use crate::query::session::lock;

impl Writer<'_> {
    pub(super) async fn alter_table(&self, alter: &ast::AlterTable) -> Result<Written> {
        let written = Written::tag("ALTER TABLE");
        self.check_access(&format!("table {}", alter.name))?;
        if let Some(altered) = self.alter_view(alter).await? {
            return Ok(altered);
        }
        let Some(mut target) = self.find_target(&alter.name).await? else {
            let shown = super::target::shown(&alter.name);
            let message = format!("relation \"{shown}\" does not exist");
            if alter.if_exists {
                return Ok(written.noticed("00000", format!("{message}, skipping")));
            }
            return Err(refuse("42P01", message));
        };
        for operation in &alter.operations {
            if let Operation::RenameTable {
                table_name: RenameTableNameKind::To(to) | RenameTableNameKind::As(to),
            } = operation
            {
                return self.rename_table(target, to).await.map(|()| written);
            }
            target = self.alter(target, operation).await?;
            self.check_views(&target, operation).await?;
        }
        self.put(target);
        Ok(written)
    }

    async fn alter(&self, mut target: Target, operation: &Operation) -> Result<Target> {
        match operation {
            Operation::AddColumn {
                if_not_exists,
                column_def,
                ..
            } => self.add_column(target, column_def, *if_not_exists).await,
            Operation::DropColumn {
                column_names,
                if_exists,
                ..
            } => {
                for name in column_names {
                    drop_column(&mut target, &folded(name), *if_exists)?;
                }
                Ok(target)
            }
            Operation::RenameColumn {
                old_column_name,
                new_column_name,
            } => {
                rename_column(
                    &mut target,
                    &folded(old_column_name),
                    folded(new_column_name),
                )?;
                Ok(target)
            }
            Operation::AlterColumn { column_name, op } => {
                self.alter_column(target, &folded(column_name), op).await
            }
            Operation::AddConstraint { constraint, .. } => {
                self.add_constraint(target, constraint).await
            }
            Operation::DropConstraint {
                if_exists, name, ..
            } => {
                drop_constraint(&mut target, &folded(name), *if_exists)?;
                Ok(target)
            }
            other => Err(unsupported(format!(
                "ALTER TABLE … {other} is not supported"
            ))),
        }
    }

    async fn rename_table(&self, target: Target, to: &ast::ObjectName) -> Result<()> {
        let (_, table) = super::target::split(to)?;
        let namespace = target.name.namespace();
        let new = TableName::new(namespace, &table);
        let new = new.map_err(|error| refuse("42602", error.to_string()))?;
        if self.exists(&new).await? {
            return Err(refuse(
                "42P07",
                format!("relation \"{table}\" already exists"),
            ));
        }
        let lake = self.session.engine().lake();
        let metadata = target.draft.table.metadata();
        let folder = format!("{}/{namespace}/{}", lake.warehouse, target.name.name());
        if metadata.location() == folder {
            return Err(unsupported(format!(
                "{} can't be renamed: its files lie in the folder of its name, which the next table of that name would share",
                target.name
            ))
            .with_hint("CREATE TABLE … AS SELECT makes a copy that can be."));
        }
        let Target {
            name,
            base,
            mut draft,
            ..
        } = target;
        self.follow(&name, &new).await?;
        if draft.create.is_none() && !draft.temporary && draft.renamed_from.is_none() {
            draft.renamed_from = Some(name.clone());
        }
        let mut writes = lock(&self.session.writes);
        writes.put(name, base, None);
        writes.put(new, None, Some(draft));
        Ok(())
    }

    async fn add_column(
        &self,
        mut target: Target,
        column: &ColumnDef,
        if_not_exists: bool,
    ) -> Result<Target> {
        let name = folded(&column.name);
        if target.column(&name).is_ok() {
            if if_not_exists {
                return Ok(target);
            }
            let relation = target.name.name();
            let message = format!("column \"{name}\" of relation \"{relation}\" already exists");
            return Err(refuse("42701", message));
        }
        let kind = ColumnType::of(&column.data_type)?;
        let mut last = target.draft.table.metadata().last_column_id();
        let mut next = || {
            last += 1;
            last
        };
        let id = next();
        let full = types::numbered(kind.kind, &mut next);
        let mut fields = target.fields().to_vec();
        fields.push(Arc::new(NestedField::optional(id, &name, full)));
        let (mut required, mut default) = (false, None);
        for option in &column.options {
            match &option.option {
                ColumnOption::Null => {}
                ColumnOption::NotNull => required = true,
                ColumnOption::Default(value) => default = Some(value.clone()),
                other => {
                    return Err(
                        unsupported(format!("ADD COLUMN … {other} is not supported"))
                            .with_hint("Add the column, then the constraint."),
                    );
                }
            }
        }
        if kind.serial {
            return Err(unsupported("a serial column can't be added to a table"));
        }
        let schema = fields_schema(&target, fields)?;
        target.draft.set_schema(schema)?;
        let declared = target.declared.columns.entry(id).or_default();
        declared.kind = kind.declared;
        declared.default = default.as_ref().map(Expr::to_string);
        self.declare(&mut target)?;
        if let Some(value) = default {
            target = self.fill_column(target, value).await?;
        }
        if required {
            let at = target.column(&name)?;
            self.require(&mut target, at).await?;
        }
        self.check_declared(&target).await?;
        Ok(target)
    }

    /// Gives the rows that are there the default of the column that was added last.
    async fn fill_column(&self, target: Target, value: Expr) -> Result<Target> {
        let alias = target.name.name().to_owned();
        let slots = super::assign::Slot::all(&target)?;
        let (mut items, count) = (place_items(&alias, false)?, target.fields().len());
        for (at, (field, slot)) in target.fields().iter().zip(&slots).enumerate() {
            let value = if at + 1 == count {
                Caster::of(slot)?.typed(value.clone())
            } else {
                column_of(&alias, &field.name)
            };
            items.push(item(value, &format!("n{at}")));
        }
        let mut finding = self
            .find(target, alias, items, &[], None, Own::new())
            .await?;
        let found = self.execute(finding.plan.clone()).await?;
        let Finding { target, table, .. } = &mut finding;
        let changed = self
            .change(target, table, found, Twice::Skip, false)
            .await?;
        target.draft.overlay.added.extend(changed.new);
        Ok(finding.target)
    }

    async fn alter_column(&self, mut target: Target, name: &str, op: &Column) -> Result<Target> {
        let at = target.column(name)?;
        let id = target.fields()[at].id;
        match op {
            Column::SetNotNull => self.require(&mut target, at).await?,
            Column::DropNotNull => {
                let primary = |key: &Key| key.primary && key.columns.contains(&id);
                if target.declared.keys.iter().any(primary) {
                    return Err(refuse(
                        "42P16",
                        format!("column \"{name}\" is in a primary key"),
                    ));
                }
                let schema = with_field(&target, at, |field| field.required = false)?;
                target.draft.set_schema(schema)?;
            }
            Column::SetDefault { value } => {
                target.declared.columns.entry(id).or_default().default = Some(value.to_string());
                self.declare(&mut target)?;
                self.check_declared(&target).await?;
            }
            Column::DropDefault => {
                target.declared.columns.entry(id).or_default().default = None;
                self.declare(&mut target)?;
            }
            Column::SetDataType {
                data_type,
                using: None,
                ..
            } => widen(&mut target, at, &ColumnType::of(data_type)?)?,
            other => {
                return Err(unsupported(format!(
                    "ALTER COLUMN … {other} is not supported"
                )));
            }
        }
        Ok(target)
    }

    /// NOT NULL, once no row is against it.
    async fn require(&self, target: &mut Target, at: usize) -> Result<()> {
        let name = target.fields()[at].name.clone();
        let sql = format!(
            "SELECT '1' FROM {WORK}.old WHERE {} IS NULL LIMIT 1",
            quoted(&name)
        );
        let own = self.work("old", target.draft.readable()?)?;
        if self.first_row(&sql, own).await?.is_some() {
            let relation = target.name.name();
            let message =
                format!("column \"{name}\" of relation \"{relation}\" contains null values");
            return Err(refuse("23502", message));
        }
        let schema = with_field(target, at, |field| field.required = true)?;
        target.draft.set_schema(schema)?;
        // A row that came meanwhile could be against it.
        target.draft.depends = true;
        Ok(())
    }

    async fn add_constraint(
        &self,
        mut target: Target,
        constraint: &TableConstraint,
    ) -> Result<Target> {
        let (name, columns, primary) = match constraint {
            TableConstraint::PrimaryKey(key) => (&key.name, key_columns(&key.columns)?, true),
            TableConstraint::Unique(key) => (&key.name, key_columns(&key.columns)?, false),
            TableConstraint::Check(check) => {
                let own = format!("{}_check", target.name.name());
                target.declared.checks.push(Check {
                    name: check.name.as_ref().map_or(own, folded),
                    expression: check.expr.to_string(),
                });
                self.check_declared(&target).await?;
                return self.with_constraint(target).await;
            }
            other => return Err(unsupported(format!("{other} is not supported"))),
        };
        for column in &columns {
            let at = target.column(column)?;
            if primary {
                self.require(&mut target, at).await?;
            }
        }
        if primary && target.declared.keys.iter().any(|key| key.primary) {
            let message = "multiple primary keys for table are not allowed";
            return Err(refuse("42P16", message));
        }
        let schema = target.schema().clone();
        let id_of = |name: &str| schema.field_id_by_name(name).unwrap_or_default();
        let name = name.as_ref().map(folded);
        let key = key(&target.name, name, &columns, primary, id_of);
        target.declared.keys.push(key);
        let fields = target.fields().to_vec();
        let schema = fields_schema(&target, fields)?;
        target.draft.set_schema(schema)?;
        self.with_constraint(target).await
    }

    /// Holds the rows that are there to what was declared last.
    async fn with_constraint(&self, mut target: Target) -> Result<Target> {
        self.declare(&mut target)?;
        let mut emptied = target.clone();
        emptied.draft.clear();
        let rows = target.draft.readable()?;
        self.check_existing(&emptied, rows).await?;
        target.draft.depends = true;
        Ok(target)
    }

    fn declare(&self, target: &mut Target) -> Result<()> {
        let declared = target.declared.clone();
        target.draft.declare(&declared)
    }
}

/// A schema of these fields, the primary key's columns being its identifiers.
fn fields_schema(target: &Target, fields: Vec<NestedFieldRef>) -> Result<Schema> {
    let keys = target.declared.keys.iter().filter(|key| key.primary);
    let declared: BTreeSet<i32> = keys.flat_map(|key| key.columns.iter().copied()).collect();
    let present = |id: &i32| fields.iter().any(|field| field.id == *id);
    let of_schema = target.schema().identifier_field_ids().filter(present);
    let identifiers = declared
        .iter()
        .copied()
        .filter(present)
        .chain(of_schema)
        .collect();
    schema_of(fields, identifiers)
}

/// The target's schema with one field changed.
pub(super) fn with_field(
    target: &Target,
    at: usize,
    change: impl FnOnce(&mut NestedField),
) -> Result<Schema> {
    let mut fields = target.fields().to_vec();
    change(Arc::make_mut(&mut fields[at]));
    fields_schema(target, fields)
}

fn drop_column(target: &mut Target, name: &str, if_exists: bool) -> Result<()> {
    let at = match target.column(name) {
        Ok(at) => at,
        Err(_) if if_exists => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut fields = target.fields().to_vec();
    let field = fields.remove(at);
    let spec = target
        .draft
        .table
        .metadata()
        .default_partition_spec()
        .clone();
    if spec.fields().iter().any(|part| part.source_id == field.id) {
        let message = format!("column \"{name}\" can't be dropped: the table is partitioned by it");
        return Err(unsupported(message));
    }
    if fields.is_empty() {
        return Err(unsupported("an Iceberg table needs at least one column"));
    }
    target.declared.forget(field.id);
    let checks = &mut target.declared.checks;
    checks.retain(|check| !mentions(check, name));
    let schema = fields_schema(target, fields)?;
    target.draft.set_schema(schema)?;
    let declared = target.declared.clone();
    target.draft.declare(&declared)
}

fn rename_column(target: &mut Target, name: &str, new: String) -> Result<()> {
    let at = target.column(name)?;
    if target.column(&new).is_ok() {
        let relation = target.name.name();
        let message = format!("column \"{new}\" of relation \"{relation}\" already exists");
        return Err(refuse("42701", message));
    }
    if target
        .declared
        .checks
        .iter()
        .any(|check| mentions(check, name))
    {
        return Err(unsupported(format!(
            "column \"{name}\" can't be renamed: a CHECK constraint names it"
        ))
        .with_hint("Drop the constraint, rename, and add it again."));
    }
    let schema = with_field(target, at, |field| field.name = new)?;
    target.draft.set_schema(schema)
}

/// Whether a condition names a column, or seems to: its text is all that is kept.
fn mentions(check: &Check, column: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let mut words = check.expression.split(|c: char| !inside(c));
    words.any(|word| word.eq_ignore_ascii_case(column))
}

fn drop_constraint(target: &mut Target, name: &str, if_exists: bool) -> Result<()> {
    let declared = &mut target.declared;
    let before = declared.keys.len() + declared.checks.len();
    declared.keys.retain(|key| key.name != name);
    declared.checks.retain(|check| check.name != name);
    if declared.keys.len() + declared.checks.len() == before && !if_exists {
        let relation = target.name.name();
        let message = format!("constraint \"{name}\" of relation \"{relation}\" does not exist");
        return Err(refuse("42704", message));
    }
    let keys = target.declared.keys.iter().filter(|key| key.primary);
    let identifiers: BTreeSet<i32> = keys.flat_map(|key| key.columns.iter().copied()).collect();
    let schema = schema_of(target.fields().to_vec(), identifiers)?;
    target.draft.set_schema(schema)?;
    let declared = target.declared.clone();
    target.draft.declare(&declared)
}

/// A wider type of the same kind: files stay as they are.
fn widen(target: &mut Target, at: usize, to: &ColumnType) -> Result<()> {
    use PrimitiveType as P;
    let field = target.fields()[at].clone();
    let declared = target.declared.column(field.id).kind;
    let (Type::Primitive(old), Type::Primitive(new)) = (field.field_type.as_ref(), &to.kind) else {
        return Err(no_widening(&field.name));
    };
    let wider = match (old, new) {
        (P::Int, P::Int) => to.declared.is_none(),
        (P::Int | P::Long, P::Long) | (P::Float | P::Double, P::Double) => true,
        (
            P::Decimal { precision, scale },
            P::Decimal {
                precision: digits,
                scale: behind,
            },
        ) => scale == behind && digits >= precision,
        (P::String, P::String) => holds(&declared, &to.declared),
        (old, new) => old == new,
    };
    if !wider {
        return Err(no_widening(&field.name));
    }
    let kind = new.clone();
    let schema = with_field(target, at, |field| {
        *field.field_type = Type::Primitive(kind);
    })?;
    target.draft.set_schema(schema)?;
    target.declared.columns.entry(field.id).or_default().kind = to.declared.clone();
    let declared = target.declared.clone();
    target.draft.declare(&declared)
}

/// Whether each text of the one declared type is one of the other.
fn holds(old: &Option<Kind>, new: &Option<Kind>) -> bool {
    match (old, new) {
        (old, new) if old == new => true,
        (Some(Kind::Varchar(_) | Kind::Json | Kind::Jsonb), None | Some(Kind::Varchar(None)))
        | (None, Some(Kind::Varchar(None))) => true,
        (Some(Kind::Varchar(Some(old))), Some(Kind::Varchar(Some(new)))) => old <= new,
        _ => false,
    }
}

fn no_widening(name: &str) -> super::Error {
    unsupported(format!(
        "column \"{name}\" can't have this type: types only widen (int to bigint, real to double precision, more digits of a numeric, longer texts)"
    ))
    .with_hint("CREATE TABLE … AS SELECT with a cast makes a table of other types.")
}
