//! Columns and constraints as they are written, on their way to a schema and what is declared of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{self, ColumnDef, ColumnOption, Expr, TableConstraint};
use iceberg::spec::{NestedField, NestedFieldRef, PrimitiveType, Schema, Type};

use super::types::{self, ColumnType};
use super::{Result, folded, refuse, unsupported};
use crate::domain::TableName;
use crate::query::declared::{Check, Declared, Key};

/// Columns and constraints as they were written, on their way to a schema.
#[derive(Debug, Default)]
pub(super) struct Shape {
    fields: Vec<NestedFieldRef>,
    last_id: i32,
    pub declared: Declared,
    /// Names of columns, by the key that they make.
    keys: Vec<(Option<String>, Vec<String>, bool)>,
}

impl Shape {
    pub fn next_id(&mut self) -> i32 {
        self.last_id += 1;
        self.last_id
    }

    pub fn last(&self) -> &NestedFieldRef {
        self.fields.last().expect("one was just added")
    }

    pub fn add(&mut self, table: &TableName, name: &str, kind: Type, required: bool) -> Result<()> {
        if self.fields.iter().any(|field| field.name == name) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(refuse("42701", message));
        }
        if name.is_empty() || name.contains('.') {
            let message = format!("{table}: a column can't be named \"{name}\"");
            return Err(refuse("42602", message));
        }
        let id = self.next_id();
        self.fields
            .push(Arc::new(NestedField::new(id, name, kind, required)));
        Ok(())
    }

    /// A column and what stands behind it.
    pub fn column(&mut self, table: &TableName, column: &ColumnDef) -> Result<()> {
        let kind = ColumnType::of(&column.data_type)?;
        let name = folded(&column.name);
        let full = types::numbered(kind.kind, &mut || self.next_id());
        self.add(table, &name, full, kind.serial)?;
        let id = self.last().id;
        let mut declared = self.declared.column(id);
        declared.kind = kind.declared;
        declared.sequence = kind.serial.then_some(1);
        for option in &column.options {
            let named = option.name.as_ref().map(folded);
            match &option.option {
                ColumnOption::Null => {}
                ColumnOption::NotNull => self.require(&name),
                ColumnOption::Default(value) => {
                    let null = matches!(value, Expr::Value(v) if v.value == ast::Value::Null);
                    declared.default = (!null).then(|| value.to_string());
                }
                ColumnOption::PrimaryKey(key) => {
                    let named = named.or(key.name.as_ref().map(folded));
                    self.keys.push((named, vec![name.clone()], true));
                }
                ColumnOption::Unique(key) => {
                    let named = named.or(key.name.as_ref().map(folded));
                    self.keys.push((named, vec![name.clone()], false));
                }
                ColumnOption::Check(check) => {
                    let base = format!("{}_{name}_check", table.name());
                    let named = named.or(check.name.as_ref().map(folded));
                    self.check(named, base, &check.expr);
                }
                ColumnOption::Generated {
                    generated_as,
                    generation_expr: None,
                    ..
                } => {
                    declared.sequence = Some(1);
                    declared.always = matches!(generated_as, ast::GeneratedAs::Always);
                    self.require(&name);
                }
                ColumnOption::Comment(_) | ColumnOption::Collation(_) => {}
                ColumnOption::ForeignKey(_) => {
                    return Err(unsupported("foreign keys are not supported"));
                }
                other => return Err(unsupported(format!("{other} is not supported"))),
            }
        }
        if declared != Default::default() {
            self.declared.columns.insert(id, declared);
        }
        Ok(())
    }

    fn require(&mut self, name: &str) {
        for field in &mut self.fields {
            if field.name == name {
                Arc::make_mut(field).required = true;
            }
        }
    }

    fn check(&mut self, name: Option<String>, base: String, expression: &Expr) {
        let taken = |name: &String| self.declared.checks.iter().any(|check| check.name == *name);
        let mut numbered = (1..).map(|number| format!("{base}{number}"));
        let first = if taken(&base) {
            numbered.find(|name| !taken(name))
        } else {
            Some(base)
        };
        self.declared.checks.push(Check {
            name: name.or(first).unwrap_or_default(),
            expression: expression.to_string(),
        });
    }

    pub fn constraint(&mut self, table: &TableName, constraint: &TableConstraint) -> Result<()> {
        match constraint {
            TableConstraint::PrimaryKey(key) => {
                let columns = key_columns(&key.columns)?;
                self.keys
                    .push((key.name.as_ref().map(folded), columns, true));
            }
            TableConstraint::Unique(key) => {
                let columns = key_columns(&key.columns)?;
                self.keys
                    .push((key.name.as_ref().map(folded), columns, false));
            }
            TableConstraint::Check(check) => {
                let base = format!("{}_check", table.name());
                self.check(check.name.as_ref().map(folded), base, &check.expr);
            }
            TableConstraint::ForeignKey(_) => {
                return Err(unsupported("foreign keys are not supported"));
            }
            other => return Err(unsupported(format!("{other} is not supported"))),
        }
        Ok(())
    }

    pub fn schema(&self) -> Result<Schema> {
        if self.fields.is_empty() {
            return Err(unsupported("an Iceberg table needs at least one column"));
        }
        let mut fields = self.fields.clone();
        let primary: Vec<_> = self
            .keys
            .iter()
            .filter(|(_, _, primary)| *primary)
            .collect();
        if primary.len() > 1 {
            return Err(refuse(
                "42P16",
                "multiple primary keys for table are not allowed",
            ));
        }
        let mut identifiers = BTreeSet::new();
        for (_, columns, primary) in &self.keys {
            for column in columns {
                let field = fields.iter_mut().find(|field| field.name == *column);
                let Some(field) = field else {
                    let message = format!("column \"{column}\" named in key does not exist");
                    return Err(refuse("42703", message));
                };
                if *primary {
                    Arc::make_mut(field).required = true;
                    identifiers.insert(field.id);
                }
            }
        }
        schema_of(fields, identifiers)
    }

    /// What was declared, by the field ids of the staged table.
    pub fn declared(self, table: &TableName, staged: &Schema) -> Result<Declared> {
        let id_of = |name: &str| staged.field_id_by_name(name).unwrap_or_default();
        let mut declared = Declared::default();
        declared.checks.clone_from(&self.declared.checks);
        for field in &self.fields {
            let column = self.declared.column(field.id);
            if column != Default::default() {
                declared.columns.insert(id_of(&field.name), column);
            }
        }
        for (name, columns, primary) in self.keys {
            let key = key(table, name, &columns, primary, id_of);
            if declared.keys.iter().any(|known| known.name == key.name) {
                let message = format!("relation \"{}\" already exists", key.name);
                return Err(refuse("42P07", message));
            }
            declared.keys.push(key);
        }
        Ok(declared)
    }
}

/// A key with Postgres's name for it.
pub(super) fn key(
    table: &TableName,
    name: Option<String>,
    columns: &[String],
    primary: bool,
    id_of: impl Fn(&str) -> i32,
) -> Key {
    let own = || match primary {
        true => format!("{}_pkey", table.name()),
        false => format!("{}_{}_key", table.name(), columns.join("_")),
    };
    Key {
        name: name.unwrap_or_else(own),
        columns: columns.iter().map(|column| id_of(column)).collect(),
        primary,
    }
}

/// Identifier fields are a primary key's columns; Iceberg takes no floating numbers for them.
pub(super) fn schema_of(fields: Vec<NestedFieldRef>, identifiers: BTreeSet<i32>) -> Result<Schema> {
    let floating = |field: &&NestedFieldRef| {
        identifiers.contains(&field.id)
            && !matches!(
                field.field_type.as_ref(),
                Type::Primitive(kind) if !matches!(kind, PrimitiveType::Float | PrimitiveType::Double)
            )
    };
    let identifiers = match fields.iter().find(floating) {
        Some(_) => BTreeSet::new(),
        None => identifiers,
    };
    Schema::builder()
        .with_fields(fields)
        .with_identifier_field_ids(identifiers)
        .build()
        .map_err(|error| refuse("42P16", error.message().to_owned()))
}

pub(super) fn key_columns(columns: &[ast::IndexColumn]) -> Result<Vec<String>> {
    let name = |column: &ast::IndexColumn| match &column.column.expr {
        Expr::Identifier(name) => Ok(folded(name)),
        other => Err(refuse(
            "42601",
            format!("{other} is no column: a key has columns only"),
        )),
    };
    columns.iter().map(name).collect()
}
