//! Syntax trees of what is written: literals that take their column's type, DEFAULT, queries put
//! together from parts.

use datafusion::sql::sqlparser::ast::{
    self, Expr, Query, SelectItem, SetExpr, Statement, TableFactor, TableWithJoins, Value,
};

use super::assign::Slot;
use super::defaults::Defaults;
use super::{Result, WORK, folded, parse, quoted, refuse, types};
use crate::query::declared::Kind;

/// A cast to a column's type, into which a value is put.
#[derive(Clone, Debug)]
pub(super) struct Caster(Option<Expr>);

impl Caster {
    pub fn of(slot: &Slot) -> Result<Self> {
        let name = match &slot.declared {
            Some(Kind::Json) => Some("json".to_owned()),
            Some(Kind::Jsonb) => Some("jsonb".to_owned()),
            _ => types::sql_name(&slot.kind),
        };
        match name {
            Some(name) => Ok(Self(Some(expression(&format!("CAST(NULL AS {name})"))?))),
            None => Ok(Self(None)),
        }
    }

    pub fn cast(&self, value: Expr) -> Expr {
        match &self.0 {
            Some(Expr::Cast {
                kind,
                data_type,
                array,
                format,
                ..
            }) => Expr::Cast {
                kind: kind.clone(),
                expr: Box::new(value),
                data_type: data_type.clone(),
                array: *array,
                format: format.clone(),
            },
            _ => value,
        }
    }

    /// Only what has no type of its own takes the column's.
    pub fn typed(&self, value: Expr) -> Expr {
        if is_open(&value) {
            self.cast(value)
        } else {
            value
        }
    }

    pub fn null(&self) -> Expr {
        self.cast(Expr::value(Value::Null))
    }
}

/// A literal of text, NULL, a parameter: their type comes from where they stand.
fn is_open(value: &Expr) -> bool {
    match value {
        Expr::Nested(inner) => is_open(inner),
        Expr::Value(value) => matches!(
            value.value,
            Value::SingleQuotedString(_)
                | Value::EscapedStringLiteral(_)
                | Value::UnicodeStringLiteral(_)
                | Value::DollarQuotedString(_)
                | Value::Null
                | Value::Placeholder(_)
        ),
        _ => false,
    }
}

pub(super) fn is_default(value: &Expr) -> bool {
    match value {
        Expr::Identifier(word) => {
            word.quote_style.is_none() && word.value.eq_ignore_ascii_case("default")
        }
        _ => false,
    }
}

/// Parses an expression.
pub(super) fn expression(text: &str) -> Result<Expr> {
    let query = query_of(parse(&format!("SELECT {text}"))?)?;
    let SetExpr::Select(select) = *query.body else {
        return Err(refuse("42601", format!("no expression: {text}")));
    };
    match select.projection.into_iter().next() {
        Some(SelectItem::UnnamedExpr(value)) => Ok(value),
        _ => Err(refuse("42601", format!("no expression: {text}"))),
    }
}

pub(super) fn query_of(statement: Statement) -> Result<Query> {
    match statement {
        Statement::Query(query) => Ok(*query),
        other => Err(refuse("42601", format!("no query: {other}"))),
    }
}

/// Rows to insert, their open values typed and their DEFAULTs filled in. `slots` are the columns
/// that they go to, in order.
pub(super) fn source(query: &mut Query, slots: &[Slot], defaults: &mut Defaults) -> Result<()> {
    let casters: Vec<Caster> = slots.iter().map(Caster::of).collect::<Result<_>>()?;
    match query.body.as_mut() {
        SetExpr::Values(values) => {
            let width = values.rows.first().map_or(0, |row| row.content.len());
            for row in &mut values.rows {
                check_width(row.content.len(), slots.len())?;
                if row.content.len() != width {
                    return Err(refuse("42601", "VALUES lists must all be the same length"));
                }
                let cells = row.content.iter_mut().zip(slots).zip(&casters);
                for ((cell, slot), caster) in cells {
                    let value = std::mem::replace(cell, Expr::value(Value::Null));
                    *cell = if is_default(&value) {
                        defaults.value(&slot.name, caster)?
                    } else {
                        defaults.check_given(&slot.name)?;
                        // Each number as it is written, not as the column of VALUES has it.
                        let number = matches!(&value, Expr::Value(v) if matches!(v.value, Value::Number(..)));
                        if number
                            && slot.kind == arrow::datatypes::DataType::Utf8
                            && slot
                                .declared
                                .as_ref()
                                .is_none_or(|kind| !matches!(kind, Kind::Json | Kind::Jsonb))
                        {
                            caster.cast(value)
                        } else {
                            caster.typed(value)
                        }
                    };
                }
            }
        }
        SetExpr::Select(select) => {
            for (item, caster) in select.projection.iter_mut().zip(&casters) {
                if let SelectItem::UnnamedExpr(value)
                | SelectItem::ExprWithAlias { expr: value, .. } = item
                {
                    let taken = std::mem::replace(value, Expr::value(Value::Null));
                    *value = caster.typed(taken);
                } else {
                    // What comes after a wildcard has no known place.
                    break;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn check_width(given: usize, slots: usize) -> Result<()> {
    if given > slots {
        return Err(refuse(
            "42601",
            "INSERT has more expressions than target columns",
        ));
    }
    Ok(())
}

/// `SELECT items FROM target AS alias, others WHERE condition`, the target being the statement's
/// work table of this name.
pub(super) fn select(
    items: Vec<SelectItem>,
    work: &str,
    alias: &str,
    others: &[TableWithJoins],
    condition: Option<&Expr>,
) -> Result<Statement> {
    let text = format!("SELECT 1 FROM {WORK}.{work} AS {}", quoted(alias));
    let mut query = query_of(parse(&text)?)?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = items;
        select.from.extend(others.iter().cloned());
        select.selection = condition.cloned();
    }
    Ok(Statement::Query(Box::new(query)))
}

/// `alias.column AS name`.
pub(super) fn column_item(alias: &str, column: &str, name: &str) -> SelectItem {
    item(column_of(alias, column), name)
}

pub(super) fn column_of(alias: &str, column: &str) -> Expr {
    Expr::CompoundIdentifier(vec![
        ast::Ident::with_quote('"', alias),
        ast::Ident::with_quote('"', column),
    ])
}

pub(super) fn item(expr: Expr, name: &str) -> SelectItem {
    SelectItem::ExprWithAlias {
        expr,
        alias: ast::Ident::with_quote('"', name),
    }
}

/// The one table that a statement changes: its name, and what it is called in the statement.
pub(super) fn changed(factor: &TableFactor) -> Result<(ast::ObjectName, String)> {
    let TableFactor::Table {
        name,
        alias,
        args: None,
        version: None,
        ..
    } = factor
    else {
        return Err(refuse("42601", format!("{factor} is no table to change")));
    };
    let called = match alias {
        Some(alias) => folded(&alias.name),
        None => super::target::split(name)?.1,
    };
    Ok((name.clone(), called))
}
