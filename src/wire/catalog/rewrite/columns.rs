//! Names of a SELECT list's columns: inner ones by Postgres's rules, no two alike.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self, Expr, Ident, OrderByKind, Query, SelectItem, SetExpr};

use super::build::{call, null, take};
use super::types::{Identifier, element, identifier_type};
use crate::query::names;

/// A cast to `regclass` and its like whose result is shown: as a name.
pub(super) fn show_by_name(expr: &mut Expr) {
    let Expr::Cast { data_type, .. } = expr else {
        return;
    };
    let function = match identifier_type(data_type) {
        Some(Identifier::Class) => "frazil_regclass_name",
        Some(Identifier::Schema) => "frazil_schema_name",
        Some(Identifier::Role) => "pg_get_userbyid",
        Some(Identifier::Type) => {
            let shown = take(expr);
            *expr = call("format_type", vec![shown, null()]);
            return;
        }
        _ => return,
    };
    let shown = take(expr);
    *expr = call(function, vec![shown]);
}

/// `x::regtype[]::text[]` is the types' names, within `coalesce` too.
pub(super) fn show_types(expr: &mut Expr) {
    match expr {
        Expr::Cast {
            expr: inner,
            data_type,
            ..
        } if element(data_type).and_then(identifier_type) == Some(Identifier::Type) => {
            let shown = take(inner);
            *expr = call("frazil_type_names", vec![shown]);
        }
        Expr::Function(function) => {
            if let ast::FunctionArguments::List(list) = &mut function.args {
                for argument in &mut list.args {
                    if let ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(inner)) = argument {
                        show_types(inner);
                    }
                }
            }
        }
        Expr::Nested(inner) => show_types(inner),
        _ => {}
    }
}

/// Columns of `pg_type` that name a function, and `-` where there is none.
const PROCEDURES: [&str; 8] = [
    "typinput",
    "typoutput",
    "typreceive",
    "typsend",
    "typmodin",
    "typmodout",
    "typanalyze",
    "typsubscript",
];

/// `typreceive <> 0`: the OID of no function is its name `-` here.
pub(super) fn no_procedure(column: &Expr, other: &mut Expr) {
    let name = match column {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    };
    let is_procedure =
        name.is_some_and(|name| PROCEDURES.contains(&name.value.to_ascii_lowercase().as_str()));
    let is_zero = matches!(other, Expr::Value(value)
        if matches!(&value.value, ast::Value::Number(digits, _) if digits.as_str() == "0"));
    if is_procedure && is_zero {
        *other = Expr::value(ast::Value::SingleQuotedString("-".to_owned()));
    }
}

/// `count` in `select count from (select count(*) from t) x` is Postgres's name: given to inner
/// columns where it is the only one of its name.
pub(super) fn name_inner_columns(items: &mut [SelectItem]) {
    let name_of = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) => names::of_expr(expr),
        SelectItem::ExprWithAlias { alias, .. } => Some(crate::wire::utility::folded(alias)),
        _ => None,
    };
    let all: Vec<Option<String>> = items.iter().map(name_of).collect();
    for item in items {
        let SelectItem::UnnamedExpr(expr) = item else {
            continue;
        };
        if matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
            continue;
        }
        let Some(name) = names::of_expr(expr) else {
            continue;
        };
        if all.iter().flatten().filter(|other| **other == name).count() == 1 {
            *item = SelectItem::ExprWithAlias {
                expr: take(expr),
                alias: Ident::with_quote('"', name),
            };
        }
    }
}

/// The planner names a column by its expression but for the casts in it.
fn without_casts(expr: &Expr) -> String {
    let mut bare = expr.clone();
    let _: ControlFlow<()> = ast::visit_expressions_mut(&mut bare, |expr| {
        if let Expr::Cast { expr: inner, .. } = expr {
            *expr = take(inner);
        }
        ControlFlow::Continue(())
    });
    bare.to_string()
}

/// `SELECT x::date … ORDER BY x` sorts by the dates: a cast column has the column's name.
fn name_casts(items: &mut [SelectItem]) {
    for item in items {
        if let SelectItem::UnnamedExpr(expr @ Expr::Cast { .. }) = item
            && let Some(name) = names::of_expr(expr)
        {
            *item = SelectItem::ExprWithAlias {
                expr: take(expr),
                alias: Ident::with_quote('"', name),
            };
        }
    }
}

/// `SELECT t.x::date … ORDER BY t.x` sorts by the column: there the cast must not take its name.
pub(super) fn spare_sorted(query: &mut Query) {
    let Some(OrderByKind::Expressions(sorts)) = query.order_by.as_ref().map(|by| &by.kind) else {
        return;
    };
    let sorted: BTreeSet<String> = sorts
        .iter()
        .filter_map(|sort| match &sort.expr {
            Expr::CompoundIdentifier(parts) => parts.last().map(crate::wire::utility::folded),
            _ => None,
        })
        .collect();
    let SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    for (index, item) in select.projection.iter_mut().enumerate() {
        if let SelectItem::UnnamedExpr(expr @ Expr::Cast { .. }) = item
            && names::of_expr(expr).is_some_and(|name| sorted.contains(&name))
        {
            *item = SelectItem::ExprWithAlias {
                expr: take(expr),
                alias: Ident::with_quote('"', format!("frazil_cast_{index}")),
            };
        }
    }
}

/// Two columns of one name are fine in Postgres; the planner wants them told apart. What the
/// client is told comes from the statement as it was written.
pub(super) fn tell_apart(items: &mut [SelectItem]) {
    name_casts(items);
    let wildcards = items.iter().filter(|item| names::is_wildcard(item)).count();
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter_mut().enumerate() {
        let (name, column) = match item {
            SelectItem::UnnamedExpr(expr) => (
                without_casts(expr),
                matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)),
            ),
            SelectItem::ExprWithAlias { alias, .. } => (crate::wire::utility::folded(alias), false),
            _ => continue,
        };
        // Beside a wildcard a column is most likely there already.
        if seen.insert(name.clone()) && !(column && wildcards == 1) {
            continue;
        }
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
            continue;
        };
        *item = SelectItem::ExprWithAlias {
            expr: take(expr),
            alias: Ident::with_quote('"', format!("{name} #{index}")),
        };
    }
}
