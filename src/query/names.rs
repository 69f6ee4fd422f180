//! Names of result columns as Postgres gives them: `count`, `case`, `?column?`.
//! For what is told to clients and for tables made of queries: inside a plan DataFusion's own names
//! stay.

use arrow::datatypes::Schema;
use datafusion::sql::sqlparser::ast::{
    self, CastKind, Expr, FunctionArguments, SelectItem, SetExpr,
};

/// Unquoted names fold to lower case.
pub fn folded(name: &ast::Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}

/// What an expression is called that has no name of its own.
const NAMELESS: &str = "?column?";

/// The columns' names: from the syntax tree where it tells, else as planned.
pub fn of_columns(schema: &Schema, statement: Option<&ast::Statement>) -> Vec<String> {
    let planned = schema.fields().iter().map(|field| field.name().clone());
    let items = match statement {
        Some(ast::Statement::Query(query)) => leftmost(&query.body),
        _ => None,
    };
    let Some(items) = items else {
        return planned.collect();
    };
    let mut names: Vec<String> = planned.collect();
    // A wildcard stands for as many columns as the others leave.
    let wildcards = items.iter().filter(|item| is_wildcard(item)).count();
    let width = match wildcards {
        0 if items.len() == names.len() => 0,
        1 if items.len() <= names.len() + 1 => names.len() + 1 - items.len(),
        _ => return names,
    };
    let mut at = 0;
    for item in items {
        if is_wildcard(item) {
            at += width;
            continue;
        }
        if let SelectItem::UnnamedExpr(expr) = item {
            names[at] = of_expr(expr).unwrap_or_else(|| NAMELESS.to_owned());
        } else if let SelectItem::ExprWithAlias { alias, .. } = item {
            names[at] = folded(alias);
        }
        at += 1;
    }
    names
}

/// The SELECT list that names a query's columns; VALUES has none.
pub fn leftmost(body: &SetExpr) -> Option<&[SelectItem]> {
    match body {
        SetExpr::Select(select) => Some(&select.projection),
        SetExpr::Query(query) => leftmost(&query.body),
        SetExpr::SetOperation { left, .. } => leftmost(left),
        _ => None,
    }
}

pub fn is_wildcard(item: &SelectItem) -> bool {
    matches!(
        item,
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
    )
}

/// Postgres's name of an expression; None where it has none.
pub fn of_expr(expr: &Expr) -> Option<String> {
    let fixed = |name: &str| Some(name.to_owned());
    match expr {
        Expr::Identifier(name) => Some(folded(name)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        Expr::CompoundFieldAccess { root, access_chain } => access_chain
            .iter()
            .rev()
            .find_map(|access| match access {
                ast::AccessExpr::Dot(inner) => of_expr(inner),
                ast::AccessExpr::Subscript(_) => None,
            })
            .or_else(|| of_expr(root)),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => of_expr(inner),
        Expr::Function(function) => {
            let name = function.name.0.last()?.as_ident()?;
            match (&function.args, name.value.to_ascii_lowercase().as_str()) {
                (FunctionArguments::None, keyword) => Some(keyword.to_owned()),
                _ => Some(folded(name)),
            }
        }
        Expr::Cast {
            kind: CastKind::Cast | CastKind::DoubleColon,
            expr,
            data_type,
            ..
        } => of_expr(expr)
            .filter(|_| is_strong(expr))
            .or_else(|| type_name(data_type)),
        Expr::Cast { expr, .. } => of_expr(expr),
        Expr::TypedString(typed) => type_name(&typed.data_type),
        Expr::Case { else_result, .. } => else_result
            .as_deref()
            .filter(|expr| is_strong(expr))
            .and_then(of_expr)
            .or_else(|| fixed("case")),
        Expr::Array(_) => fixed("array"),
        Expr::Exists { negated: false, .. } => fixed("exists"),
        Expr::Subquery(query) => match leftmost(&query.body)? {
            [SelectItem::UnnamedExpr(expr)] => of_expr(expr),
            [SelectItem::ExprWithAlias { alias, .. }] => Some(folded(alias)),
            _ => None,
        },
        Expr::Extract { .. } => fixed("extract"),
        Expr::Ceil { .. } => fixed("ceil"),
        Expr::Floor { .. } => fixed("floor"),
        Expr::Position { .. } => fixed("position"),
        Expr::Substring {
            shorthand: true, ..
        } => fixed("substr"),
        Expr::Substring { .. } => fixed("substring"),
        Expr::Overlay { .. } => fixed("overlay"),
        Expr::Trim { trim_where, .. } => fixed(match trim_where {
            Some(ast::TrimWhereField::Leading) => "ltrim",
            Some(ast::TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::AtTimeZone { .. } => fixed("timezone"),
        Expr::Interval(_) => fixed("interval"),
        Expr::Tuple(_) => fixed("row"),
        Expr::GroupingSets(_) => fixed("grouping"),
        _ => None,
    }
}

/// Whether a name comes from a column or function, which a cast around it keeps.
fn is_strong(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => is_strong(inner),
        Expr::Case { else_result, .. } => else_result.as_deref().is_some_and(is_strong),
        Expr::Value(_) | Expr::TypedString(_) | Expr::Interval(_) => false,
        other => of_expr(other).is_some(),
    }
}

/// Postgres's internal name of a type, which a cast of a nameless expression takes.
fn type_name(data_type: &ast::DataType) -> Option<String> {
    let text = data_type.to_string().to_lowercase();
    let base = text.split(['(', '[']).next()?.trim();
    let base = base.rsplit('.').next()?;
    Some(
        match base {
            "int" | "integer" => "int4",
            "bigint" => "int8",
            "smallint" => "int2",
            "real" | "float4" => "float4",
            "double precision" | "double" | "float" => "float8",
            "decimal" | "dec" => "numeric",
            "boolean" => "?column?",
            "character varying" | "varchar" => "varchar",
            "character" | "char" => "bpchar",
            "timestamp with time zone" => "timestamptz",
            "timestamp without time zone" => "timestamp",
            "time without time zone" => "time",
            "time with time zone" => "timetz",
            other => other,
        }
        .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn names(sql: &str, columns: usize) -> Vec<String> {
        let statement = Parser::parse_sql(&PostgreSqlDialect {}, sql)
            .unwrap()
            .remove(0);
        let fields: Vec<_> = (0..columns)
            .map(|n| Field::new(format!("planned{n}"), DataType::Int32, true))
            .collect();
        of_columns(&Schema::new(fields), Some(&statement))
    }

    /// Each checked against PostgreSQL 15.
    #[test]
    fn names_are_postgres_names() {
        assert_eq!(
            names(
                "select 1, count(*), sum(a), a::int, '1'::bigint, case when a then 1 end, \
                 t.b, -a, coalesce(a, 1), true, now(), current_date, date '2026-01-01', \
                 (select x from t), exists(select 1), a as \"A\", b as B, extract(year from c), \
                 case when a then b else c end, null, interval '1 day'",
                21
            ),
            [
                "?column?",
                "count",
                "sum",
                "a",
                "int8",
                "case",
                "b",
                "?column?",
                "coalesce",
                "?column?",
                "now",
                "current_date",
                "date",
                "x",
                "exists",
                "A",
                "b",
                "extract",
                "c",
                "?column?",
                "interval"
            ]
        );
    }

    #[test]
    fn a_wildcard_keeps_the_planned_names() {
        assert_eq!(
            names("select *, count(*) from t", 3),
            ["planned0", "planned1", "count"]
        );
        assert_eq!(names("values (1)", 1), ["planned0"]);
        assert_eq!(names("select 1 union select 2", 1), ["?column?"]);
    }
}
