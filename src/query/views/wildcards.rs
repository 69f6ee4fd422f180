//! The columns of a view's query spelt out: `*` becomes the columns that it means now, and each
//! column gets the name that it is to have.

use datafusion::common::DFSchema;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectNamePart, Query, Select, SelectItem, SelectItemQualifiedWildcardKind,
    SetExpr,
};

use super::canonical::ident;
use crate::query::names;

/// Qualifier, if there is one, and name of each planned column.
pub(in crate::query) struct Fields(Vec<(Option<String>, String)>);

impl Fields {
    pub fn of(schema: &DFSchema) -> Self {
        let fields = schema.iter().map(|(qualifier, field)| {
            let qualifier = qualifier.map(|table| table.table().to_owned());
            (qualifier, field.name().clone())
        });
        Self(fields.collect())
    }
}

/// The SELECTs that a query's rows come from, one for each side of a UNION and its like.
pub(in crate::query) fn leaves(query: &mut Query) -> Vec<&mut Select> {
    fn of<'a>(body: &'a mut SetExpr, found: &mut Vec<&'a mut Select>) {
        match body {
            SetExpr::Select(select) => found.push(select),
            // One with names of its own is left alone.
            SetExpr::Query(query) if query.with.is_none() => of(&mut query.body, found),
            SetExpr::SetOperation { left, right, .. } => {
                of(left, found);
                of(right, found);
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    of(&mut query.body, &mut found);
    found
}

/// Replaces the wildcards of a SELECT by what they mean. What is not understood stays.
pub(in crate::query) fn spell_out(select: &mut Select, fields: &Fields) {
    let Some(widths) = widths(&select.projection, fields) else {
        return;
    };
    let mut fields = fields.0.iter();
    let given = std::mem::take(&mut select.projection);
    for (item, width) in given.into_iter().zip(widths) {
        let own: Vec<_> = fields.by_ref().take(width).collect();
        if names::is_wildcard(&item) {
            select.projection.extend(own.into_iter().map(column));
        } else {
            select.projection.push(item);
        }
    }
}

fn column((qualifier, name): &(Option<String>, String)) -> SelectItem {
    SelectItem::UnnamedExpr(match qualifier {
        Some(table) => Expr::CompoundIdentifier(vec![ident(table), ident(name)]),
        None => Expr::Identifier(ident(name)),
    })
}

/// How many columns each item gives.
fn widths(items: &[SelectItem], fields: &Fields) -> Option<Vec<usize>> {
    let plain = |item: &SelectItem| match item {
        // Its REPLACE, EXCLUDE and the like are no Postgres, and not understood here.
        SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
            *options == Default::default()
        }
        _ => true,
    };
    if !items.iter().all(plain) {
        return None;
    }
    let wildcards = items.iter().filter(|item| names::is_wildcard(item)).count();
    let others = items.len() - wildcards;
    let mut widths = Vec::with_capacity(items.len());
    let mut at = 0;
    for item in items {
        let width = match item {
            _ if !names::is_wildcard(item) => 1,
            _ if wildcards == 1 => fields.0.len().checked_sub(others)?,
            SelectItem::QualifiedWildcard(kind, _) => {
                let table = qualifier(kind)?;
                let of_table =
                    |(of, _): &&(Option<String>, String)| of.as_deref() == Some(table.as_str());
                fields.0.get(at..)?.iter().take_while(of_table).count()
            }
            _ => return None,
        };
        widths.push(width);
        at += width;
    }
    (at == fields.0.len()).then_some(widths)
}

fn qualifier(kind: &SelectItemQualifiedWildcardKind) -> Option<String> {
    match kind {
        SelectItemQualifiedWildcardKind::ObjectName(name) => {
            let last = name.0.last().and_then(ObjectNamePart::as_ident);
            last.map(names::folded)
        }
        SelectItemQualifiedWildcardKind::Expr(_) => None,
    }
}

/// Gives each column of a SELECT its name; false where they can't be told one from the other.
pub(in crate::query) fn name_columns(select: &mut Select, names: &[String]) -> bool {
    let items = &mut select.projection;
    if items.len() != names.len() || items.iter().any(names::is_wildcard) {
        return false;
    }
    for (item, name) in items.iter_mut().zip(names) {
        let expr = match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr,
            _ => return false,
        };
        if is_column(expr) && names::of_expr(expr).as_ref() == Some(name) {
            *item = SelectItem::UnnamedExpr(expr.clone());
        } else {
            *item = SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias: alias(name),
            };
        }
    }
    true
}

fn is_column(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

fn alias(name: &str) -> Ident {
    ident(name)
}
