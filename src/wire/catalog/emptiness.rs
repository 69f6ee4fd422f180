//! Catalog tables that are always empty here, and what follows for statements over them.
//!
//! Clients ask much about policies, triggers, indexes and their like, in ways that the planner
//! can't plan (arrays from subqueries, `any` over catalog arrays, odd correlations). That these
//! tables have no rows is enough to answer truthfully: a subquery over one is NULL, EXISTS is
//! false, a SELECT has no rows. Holds for any statement, not for known texts.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, JoinConstraint, JoinOperator,
    ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr, TableFactor, TableWithJoins,
    Value, Visit, Visitor,
};

use crate::query::names;

/// Tables of `pg_catalog` without a row: what they tell of does not exist here.
pub(super) const EMPTY: &[&str] = &[
    "pg_attrdef",
    "pg_auth_members",
    "pg_constraint",
    "pg_db_role_setting",
    "pg_default_acl",
    "pg_depend",
    "pg_enum",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_foreign_table",
    "pg_index",
    "pg_inherits",
    "pg_init_privs",
    "pg_largeobject",
    "pg_largeobject_metadata",
    "pg_partitioned_table",
    "pg_policy",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_replication_origin",
    "pg_rewrite",
    "pg_seclabel",
    "pg_sequence",
    "pg_shdepend",
    "pg_shseclabel",
    "pg_statistic",
    "pg_statistic_ext",
    "pg_statistic_ext_data",
    "pg_subscription",
    "pg_subscription_rel",
    "pg_transform",
    "pg_trigger",
    "pg_user_mapping",
];

/// Columns of catalogs that are NULL in every row here, so that `unnest` of them gives none.
const ALWAYS_NULL: &[&str] = &[
    "reloptions",
    "relacl",
    "attacl",
    "attoptions",
    "nspacl",
    "datacl",
];

/// Whether a query gives no row whatever its conditions.
pub(super) fn query_is_empty(query: &Query) -> bool {
    matches!(query.body.as_ref(), SetExpr::Select(select) if select_is_empty(select))
}

/// An inner join over an empty table has no rows; an aggregate without groups has one all the same.
pub(super) fn select_is_empty(select: &Select) -> bool {
    select.from.iter().any(is_empty) && !has_aggregates(select)
}

fn is_empty(from: &TableWithJoins) -> bool {
    let mut empty = factor_is_empty(&from.relation);
    for join in &from.joins {
        let joined = factor_is_empty(&join.relation);
        match join.join_operator {
            JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => {
                empty |= joined;
            }
            JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => {}
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => empty = joined,
            _ => empty &= joined,
        }
    }
    empty
}

fn factor_is_empty(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::Table {
            name, args: None, ..
        } => is_empty_table(name),
        TableFactor::Table {
            name,
            args: Some(arguments),
            ..
        } => is_unnest(name) && arguments.args.iter().any(is_always_null),
        TableFactor::Function { name, args, .. } => {
            is_unnest(name) && args.iter().any(is_always_null)
        }
        TableFactor::UNNEST { array_exprs, .. } => array_exprs.iter().any(null_column),
        TableFactor::Derived { subquery, .. } => query_is_empty(subquery),
        TableFactor::NestedJoin {
            table_with_joins, ..
        } => is_empty(table_with_joins),
        _ => false,
    }
}

fn is_empty_table(name: &ObjectName) -> bool {
    let parts: Vec<&str> = name
        .0
        .iter()
        .filter_map(ObjectNamePart::as_ident)
        .map(|part| part.value.as_str())
        .collect();
    match parts[..] {
        [table] | ["pg_catalog", table] => EMPTY.contains(&table),
        _ => false,
    }
}

fn is_unnest(name: &ObjectName) -> bool {
    name.0
        .last()
        .and_then(ObjectNamePart::as_ident)
        .is_some_and(|name| name.value.eq_ignore_ascii_case("unnest"))
}

fn is_always_null(argument: &FunctionArg) -> bool {
    matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if null_column(expr))
}

fn null_column(expr: &Expr) -> bool {
    let last = match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    };
    last.is_some_and(|name| ALWAYS_NULL.contains(&name.value.as_str()))
}

fn has_aggregates(select: &Select) -> bool {
    select.having.is_some()
        || select
            .projection
            .iter()
            .any(|item| item.visit(&mut Aggregates { depth: 0 }).is_break())
}

/// Finds an aggregate outside of subqueries.
struct Aggregates {
    depth: usize,
}

impl Visitor for Aggregates {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.depth == 0 && is_aggregate(expr) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

pub(super) fn is_aggregate(expr: &Expr) -> bool {
    const AGGREGATES: &[&str] = &[
        "array_agg",
        "avg",
        "bool_and",
        "bool_or",
        "count",
        "every",
        "first_value",
        "max",
        "min",
        "string_agg",
        "sum",
    ];
    matches!(expr, Expr::Function(function) if {
        let name = function.name.0.last().and_then(ObjectNamePart::as_ident);
        name.is_some_and(|name| AGGREGATES.contains(&name.value.to_ascii_lowercase().as_str()))
    })
}

/// Keeps a SELECT's columns and drops what the planner could stumble over: there are no rows.
pub(super) fn simplify(select: &mut Select) {
    select.selection = Some(Expr::value(Value::Boolean(false)));
    for from in &mut select.from {
        forget_conditions(from);
    }
    for item in &mut select.projection {
        let (expr, name) = match item {
            SelectItem::UnnamedExpr(expr) => {
                let name = names::of_expr(expr).unwrap_or_else(|| "?column?".to_owned());
                (expr, Ident::with_quote('"', name))
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                let alias = alias.clone();
                (expr, alias)
            }
            _ => continue,
        };
        if !is_plain(expr) {
            *item = SelectItem::ExprWithAlias {
                expr: Expr::Cast {
                    kind: datafusion::sql::sqlparser::ast::CastKind::Cast,
                    expr: Box::new(Expr::value(Value::Null)),
                    data_type: datafusion::sql::sqlparser::ast::DataType::Text,
                    array: false,
                    format: None,
                },
                alias: name,
            };
        }
    }
}

/// No row meets another, whatever the conditions of joins say.
fn forget_conditions(from: &mut TableWithJoins) {
    fn of_factor(factor: &mut TableFactor) {
        if let TableFactor::NestedJoin {
            table_with_joins, ..
        } = factor
        {
            forget_conditions(table_with_joins);
        }
    }
    of_factor(&mut from.relation);
    for join in &mut from.joins {
        of_factor(&mut join.relation);
        let (JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)) = &mut join.join_operator
        else {
            continue;
        };
        if let JoinConstraint::On(condition) = constraint {
            *condition = Expr::value(Value::Boolean(false));
        }
    }
}

/// A column, a constant, or a cast of one.
fn is_plain(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) => true,
        Expr::Cast { expr, .. } | Expr::Nested(expr) => is_plain(expr),
        _ => false,
    }
}

/// The subquery of `ARRAY(SELECT …)`.
pub(super) fn array_subquery(expr: &Expr) -> Option<&Query> {
    let Expr::Function(function) = expr else {
        return None;
    };
    let name = function.name.0.last()?.as_ident()?;
    match &function.args {
        FunctionArguments::Subquery(query) if name.value.eq_ignore_ascii_case("array") => {
            Some(query)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::Statement;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn empty(sql: &str) -> bool {
        match Parser::parse_sql(&PostgreSqlDialect {}, sql)
            .unwrap()
            .remove(0)
        {
            Statement::Query(query) => query_is_empty(&query),
            other => panic!("{other} is no query"),
        }
    }

    #[test]
    fn only_what_must_be_empty_is_taken_for_empty() {
        for sql in [
            "select 1 from pg_policy",
            "select 1 from pg_catalog.pg_class c join pg_trigger t on t.tgrelid = c.oid",
            "select 1 from pg_class c, pg_index i left join pg_class d on true",
            "select 1 from (select 1 from pg_index) x",
            "select (select max(oid) from pg_class) from pg_policy",
            "select 'toast.' || x from pg_catalog.unnest(tc.reloptions) x",
        ] {
            assert!(empty(sql), "{sql}");
        }
        for sql in [
            "select 1 from pg_class",
            "select 1 from pg_class c left join pg_index i on true",
            "select 1 from pg_index i right join pg_class c on true",
            "select count(*) from pg_policy",
            "select 1 + max(oid) from pg_policy",
            "select 1 from shop.pg_policy",
            "select 1 from unnest(a.other) x",
            "select 1",
        ] {
            assert!(!empty(sql), "{sql}");
        }
    }
}
