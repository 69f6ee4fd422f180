//! `ARRAY(SELECT …)`: the rows of a query as one array, in their order.

use datafusion::sql::sqlparser::ast::{
    self, Expr, Function, FunctionArguments, GroupByExpr, Ident, OrderByExpr, OrderByKind, Query,
    Select, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, Value,
};

use super::calls::parsed;
use super::syntax::call;

/// The call as a query of one row; None where it is no such call.
pub fn array_of_rows(function: &mut Function) -> Option<Expr> {
    let is_array = function
        .name
        .0
        .last()
        .and_then(ast::ObjectNamePart::as_ident)
        .is_some_and(|name| name.value.eq_ignore_ascii_case("array"));
    let FunctionArguments::Subquery(query) = &mut function.args else {
        return None;
    };
    if !is_array {
        return None;
    }
    let gathered = match in_place(query) {
        Some(gathered) => gathered,
        None => around(query)?,
    };
    // Of no rows it is an array of nothing, not null.
    let none = call("make_array", Vec::new());
    Some(call("coalesce", vec![Expr::Subquery(gathered), none]))
}

fn array_agg(item: Expr, order: Vec<OrderByExpr>) -> Expr {
    let mut aggregate = call("array_agg", vec![item]);
    if let Expr::Function(function) = &mut aggregate
        && let FunctionArguments::List(list) = &mut function.args
        && !order.is_empty()
    {
        list.clauses
            .push(ast::FunctionArgumentClause::OrderBy(order));
    }
    aggregate
}

fn keys(query: &Query) -> Option<Vec<OrderByExpr>> {
    match query.order_by.as_ref().map(|order| &order.kind) {
        None => Some(Vec::new()),
        Some(OrderByKind::Expressions(keys)) => Some(keys.clone()),
        Some(OrderByKind::All(_)) => None,
    }
}

fn only_item(select: &Select) -> Option<(&Expr, Option<&Ident>)> {
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(item)] => Some((item, None)),
        [SelectItem::ExprWithAlias { expr, alias }] => Some((expr, Some(alias))),
        _ => None,
    }
}

/// Whether a key of ORDER BY means the one column: by its place or its name.
fn is_item(key: &Expr, name: Option<&Ident>) -> bool {
    match key {
        Expr::Value(value) => matches!(&value.value, Value::Number(digits, _) if digits == "1"),
        Expr::Identifier(key) => Some(key) == name,
        _ => false,
    }
}

/// A plain SELECT gathers its rows itself: the planner makes a join of it more easily.
fn in_place(query: &Query) -> Option<Box<Query>> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let (item, name) = only_item(select)?;
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(by, more) if by.is_empty() && more.is_empty());
    let plain = ungrouped
        && select.having.is_none()
        && select.distinct.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && !has_call(item);
    if !plain {
        return None;
    }
    let mut order = keys(query)?;
    for key in &mut order {
        if is_item(&key.expr, name) {
            key.expr = item.clone();
        }
    }
    let aggregate = array_agg(item.clone(), order);
    let mut gathered = query.clone();
    gathered.order_by = None;
    if let SetExpr::Select(select) = gathered.body.as_mut() {
        select.projection = vec![SelectItem::UnnamedExpr(aggregate)];
    }
    Some(Box::new(gathered))
}

/// An aggregate, a window or a function that gives a set changes the rows; what others are called
/// in catalogs' queries is known.
fn has_call(item: &Expr) -> bool {
    ast::visit_expressions(item, |expr| match expr {
        Expr::Function(function) => {
            let name = function.name.to_string().to_ascii_lowercase();
            let name = name.rsplit('.').next().unwrap_or_default();
            let plain = name.starts_with("pg_get_")
                || matches!(name, "format_type" | "quote_ident" | "lower" | "upper");
            match plain {
                true => std::ops::ControlFlow::Continue(()),
                false => std::ops::ControlFlow::Break(()),
            }
        }
        _ => std::ops::ControlFlow::Continue(()),
    })
    .is_break()
}

/// `SELECT array_agg(c ORDER BY k1, …) FROM (the query with its keys as columns)`.
fn around(query: &mut Query) -> Option<Box<Query>> {
    let mut columns = vec![Ident::new("item")];
    let mut order = keys(query)?;
    match query.body.as_mut() {
        SetExpr::Select(select) => {
            let (item, name) = only_item(select)?;
            let (item, name) = (item.clone(), name.cloned());
            for (at, key) in order.iter_mut().enumerate() {
                if key.expr == item || is_item(&key.expr, name.as_ref()) {
                    key.expr = Expr::Identifier(columns[0].clone());
                    continue;
                }
                let column = Ident::new(format!("key{at}"));
                let shown = std::mem::replace(&mut key.expr, Expr::Identifier(column.clone()));
                select.projection.push(SelectItem::UnnamedExpr(shown));
                columns.push(column);
            }
        }
        // Of a union only its columns can be keys.
        _ => order
            .iter_mut()
            .for_each(|key| key.expr = Expr::Identifier(columns[0].clone())),
    }
    let mut gathered = parsed("SELECT 1 FROM (SELECT 1) AS q(item)")?;
    if let SetExpr::Select(select) = gathered.body.as_mut() {
        let item = Expr::Identifier(columns[0].clone());
        select.projection = vec![SelectItem::UnnamedExpr(array_agg(item, order))];
        if let Some(TableFactor::Derived {
            subquery, alias, ..
        }) = select.from.first_mut().map(|from| &mut from.relation)
        {
            **subquery = query.clone();
            *alias = Some(TableAlias {
                explicit: true,
                name: Ident::new("q"),
                columns: columns
                    .into_iter()
                    .map(|name| TableAliasColumnDef {
                        name,
                        data_type: None,
                    })
                    .collect(),
                at: None,
            });
        }
    }
    Some(gathered)
}
