//! Postgres's spellings brought to those of the engine's planner, on the syntax tree.
//!
//! Object identifiers are plain integers to the engine: `'t'::regclass` becomes the OID, a
//! `regclass` that is shown becomes the name. Qualified built-ins lose their `pg_catalog`.
//! Must never change what a statement means on the lake's tables.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, ObjectNamePart, Query, Select,
    SelectItem, SetExpr, TableFactor, Value, VisitMut, VisitorMut,
};
use datafusion_pg_catalog::sql::rules::{
    AliasDuplicatedProjectionRewrite, ResolveUnqualifiedIdentifier, SqlStatementRewriteRule,
};

use super::Facts;
use super::emptiness;
use super::functions::relation_oid;
use super::snapshot::CatalogCache;
use crate::wire::names;
use crate::wire::sqlstate::{Result, WireError};

/// Whether a statement asks about the server, and so may need a fresh snapshot.
pub(super) fn looks_at_catalogs(statement: &ast::Statement) -> bool {
    let text = statement.to_string().to_ascii_lowercase();
    [
        "pg_",
        "information_schema",
        "::reg",
        "as reg",
        "to_reg",
        "_description",
    ]
    .iter()
    .any(|word| text.contains(word))
}

pub(super) fn statement(
    statement: &mut ast::Statement,
    catalogs: bool,
    facts: &Facts,
    cache: &CatalogCache,
) -> Result<()> {
    if catalogs {
        let taken = std::mem::replace(
            statement,
            ast::Statement::ShowCatalogs {
                terse: false,
                history: false,
                show_options: ast::ShowStatementOptions {
                    show_in: None,
                    starts_with: None,
                    limit: None,
                    limit_from: None,
                    filter_position: None,
                },
            },
        );
        let taken = AliasDuplicatedProjectionRewrite.rewrite(taken);
        *statement = ResolveUnqualifiedIdentifier.rewrite(taken);
    }
    let mut rewrite = Rewrite {
        facts,
        cache,
        catalogs,
        depth: 0,
    };
    match VisitMut::visit(statement, &mut rewrite) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Rewrite<'a> {
    facts: &'a Facts,
    cache: &'a CatalogCache,
    /// The statement asks about the server.
    catalogs: bool,
    /// Queries around the one that is visited.
    depth: usize,
}

impl VisitorMut for Rewrite<'_> {
    type Break = WireError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<WireError> {
        self.depth += 1;
        if self.catalogs && emptiness::query_is_empty(query) {
            query.order_by = None;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<WireError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<WireError> {
        if self.catalogs && emptiness::select_is_empty(select) {
            emptiness::simplify(select);
        }
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                show_by_name(expr);
            }
        }
        if self.depth > 1 {
            name_inner_columns(&mut select.projection);
        }
        tell_apart(&mut select.projection);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<WireError> {
        if let TableFactor::Table {
            name,
            args: Some(_),
            ..
        }
        | TableFactor::Function { name, .. } = factor
        {
            unqualify(name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<WireError> {
        // `x::regclass::text` is the name; seen from outside, before the inner cast is resolved.
        if let Expr::Cast {
            expr: inner,
            data_type,
            ..
        } = expr
            && is_text(data_type)
        {
            show_by_name(inner);
        }
        if self.catalogs {
            self.resolve_subquery(expr);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<WireError> {
        match expr {
            Expr::Collate { expr: inner, .. } => *expr = take(inner),
            Expr::BinaryOp { op, .. } => plain_operator(op),
            Expr::AnyOp { compare_op, .. } | Expr::AllOp { compare_op, .. } => {
                plain_operator(compare_op);
            }
            Expr::Identifier(name)
                if name.quote_style.is_none()
                    && ["current_schema", "current_role"]
                        .contains(&name.value.to_ascii_lowercase().as_str()) =>
            {
                *expr = call(&name.value.to_ascii_lowercase(), Vec::new());
            }
            Expr::Function(function) => {
                unqualify(&mut function.name);
                if let Some(subquery) = array_of_rows(function) {
                    *expr = subquery;
                }
            }
            Expr::Cast {
                kind,
                expr: inner,
                data_type,
                ..
            } => {
                if let Some(kind) = identifier_type(data_type) {
                    match self.identifier(kind, take(inner)) {
                        Ok(resolved) => *expr = resolved,
                        Err(error) => return ControlFlow::Break(error),
                    }
                } else if let Some(plain) = plain_type(data_type) {
                    *data_type = plain;
                    if *kind == CastKind::DoubleColon {
                        *kind = CastKind::Cast;
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Types whose values are OIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identifier {
    Plain,
    Class,
    Type,
    Schema,
    Role,
    Procedure,
}

impl Rewrite<'_> {
    /// Subqueries over catalogs, in a form that the planner takes.
    fn resolve_subquery(&self, expr: &mut Expr) {
        if emptiness::array_subquery(expr).is_some_and(emptiness::query_is_empty) {
            *expr = call("frazil_no_elements", Vec::new());
            return;
        }
        match expr {
            Expr::Subquery(query) if emptiness::query_is_empty(query) => *expr = null(),
            Expr::Subquery(query) => {
                correlate_by_equality(query);
                at_most_one_row(query);
            }
            Expr::Exists { subquery, negated } if emptiness::query_is_empty(subquery) => {
                *expr = Expr::value(Value::Boolean(*negated));
            }
            _ => {}
        }
    }

    /// A cast to a type of OIDs, as an integer.
    fn identifier(&self, kind: Identifier, inner: Expr) -> Result<Expr> {
        let literal = match &inner {
            Expr::Value(value) => value.value.clone().into_string(),
            _ => None,
        };
        let Some(name) = literal else {
            let text = || cast(inner.clone(), DataType::Text);
            return Ok(match kind {
                _ if matches!(&inner, Expr::Value(value) if matches!(value.value, Value::Number(..))) => {
                    inner
                }
                Identifier::Class => call("to_regclass", vec![text()]),
                Identifier::Type => call("to_regtype", vec![text()]),
                Identifier::Schema => call("to_regnamespace", vec![text()]),
                Identifier::Plain | Identifier::Role | Identifier::Procedure => {
                    cast(inner, DataType::Int(None))
                }
            });
        };
        if name.trim().parse::<i64>().is_ok() {
            return Ok(number(name.trim()));
        }
        let missing = |sqlstate, what: &str| {
            WireError::new(sqlstate, format!("{what} \"{name}\" does not exist"))
        };
        let oid = match kind {
            Identifier::Plain => {
                return Err(WireError::new(
                    "22P02",
                    format!("invalid input syntax for type oid: \"{name}\""),
                ));
            }
            Identifier::Class => relation_oid(&name, self.facts, self.cache)
                .ok_or_else(|| missing("42P01", "relation"))?,
            Identifier::Type => self
                .cache
                .types()?
                .oid(&name)
                .ok_or_else(|| missing("42704", "type"))?,
            Identifier::Schema => self
                .cache
                .latest()
                .schema_oid(&name)
                .ok_or_else(|| missing("3F000", "schema"))?,
            Identifier::Role => self
                .facts
                .users
                .iter()
                .find(|user| **user == name)
                .map(|user| super::own::role_oid(user))
                .ok_or_else(|| missing("42704", "role"))?,
            // Functions are known by name here: the comparison is left to texts.
            Identifier::Procedure => return Ok(inner),
        };
        Ok(number(&oid.to_string()))
    }
}

fn identifier_type(data_type: &DataType) -> Option<Identifier> {
    let name = match data_type {
        DataType::Regclass => return Some(Identifier::Class),
        DataType::Custom(name, arguments) if arguments.is_empty() => last_part(name)?,
        _ => return None,
    };
    Some(match name.as_str() {
        "oid" | "xid" | "cid" => Identifier::Plain,
        "regclass" => Identifier::Class,
        "regtype" => Identifier::Type,
        "regnamespace" => Identifier::Schema,
        "regrole" => Identifier::Role,
        "regproc" | "regprocedure" => Identifier::Procedure,
        _ => return None,
    })
}

/// The engine's type behind one that it doesn't know by this name.
fn plain_type(data_type: &DataType) -> Option<DataType> {
    let name = match data_type {
        DataType::Custom(name, arguments) if arguments.is_empty() => last_part(name)?,
        DataType::JSON | DataType::JSONB => return Some(DataType::Text),
        DataType::Array(ast::ArrayElemTypeDef::SquareBracket(element, size)) => {
            let element = match identifier_type(element) {
                Some(_) => DataType::Int(None),
                None => plain_type(element)?,
            };
            return Some(DataType::Array(ast::ArrayElemTypeDef::SquareBracket(
                Box::new(element),
                *size,
            )));
        }
        _ => return None,
    };
    Some(match name.as_str() {
        "bool" | "boolean" => DataType::Boolean,
        "int2" | "smallint" => DataType::SmallInt(None),
        "int4" | "integer" | "int" => DataType::Int(None),
        "int8" | "bigint" => DataType::BigInt(None),
        "float4" | "real" => DataType::Real,
        "float8" => DataType::Double(ast::ExactNumberInfo::None),
        "bytea" => DataType::Bytea,
        "date" => DataType::Date,
        "timestamptz" => DataType::Timestamp(None, ast::TimezoneInfo::WithTimeZone),
        "timestamp" => DataType::Timestamp(None, ast::TimezoneInfo::None),
        "interval" => DataType::Interval {
            fields: None,
            precision: None,
        },
        "text" | "varchar" | "bpchar" | "char" | "name" | "json" | "jsonb" | "cstring"
        | "sql_identifier" | "character_data" | "cardinal_number" | "yes_or_no" | "citext"
        | "pg_node_tree" | "aclitem" => DataType::Text,
        _ => return None,
    })
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_)
    ) || plain_type(data_type) == Some(DataType::Text)
}

/// A cast to `regclass` and its like whose result is shown: as a name.
fn show_by_name(expr: &mut Expr) {
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

/// `count` in `select count from (select count(*) from t) x` is Postgres's name: given to inner
/// columns where it is the only one of its name.
fn name_inner_columns(items: &mut [SelectItem]) {
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

/// Two columns of one name are fine in Postgres; the planner wants them told apart. What the
/// client is told comes from the statement as it was written.
fn tell_apart(items: &mut [SelectItem]) {
    let wildcards = items.iter().filter(|item| names::is_wildcard(item)).count();
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter_mut().enumerate() {
        let (name, column) = match item {
            SelectItem::UnnamedExpr(expr) => (
                expr.to_string(),
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

/// `array(select x …)` as the aggregate over the same rows.
fn array_of_rows(function: &mut Function) -> Option<Expr> {
    let is_array = function
        .name
        .0
        .last()
        .and_then(ObjectNamePart::as_ident)
        .is_some_and(|name| name.value.eq_ignore_ascii_case("array"));
    let FunctionArguments::Subquery(query) = &mut function.args else {
        return None;
    };
    if !is_array {
        return None;
    }
    let order = query.order_by.take();
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] =
        &mut select.projection[..]
    else {
        return None;
    };
    let item = take(item);
    // An order by position means the one column.
    let by_item = order.is_some();
    let mut aggregate = call("array_agg", vec![item.clone()]);
    if by_item
        && let Expr::Function(function) = &mut aggregate
        && let FunctionArguments::List(list) = &mut function.args
    {
        list.clauses.push(ast::FunctionArgumentClause::OrderBy(vec![
            ast::OrderByExpr {
                expr: item,
                options: ast::OrderByOptions {
                    asc: None,
                    nulls_first: None,
                },
                with_fill: None,
            },
        ]));
    }
    select.projection = vec![SelectItem::UnnamedExpr(aggregate)];
    Some(Expr::Subquery(query.clone()))
}

/// The planner wants a scalar subquery to be an aggregate; those of catalog queries look a key up
/// and so have one row at most.
fn at_most_one_row(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    let grouped =
        !matches!(&select.group_by, ast::GroupByExpr::Expressions(list, _) if list.is_empty());
    let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] =
        &mut select.projection[..]
    else {
        return;
    };
    if grouped
        || select.from.is_empty()
        || select.distinct.is_some()
        || emptiness::is_aggregate(item)
    {
        return;
    }
    let value = take(item);
    *item = call("first_value", vec![value]);
    query.limit_clause = None;
    query.order_by = None;
}

/// The planner takes correlation by equality only: where `c.oid = a.x` holds, `c.oid` stands for
/// the outer `a.x` in the other conditions just as well.
fn correlate_by_equality(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    let inner: BTreeSet<String> = select
        .from
        .iter()
        .flat_map(|from| {
            std::iter::once(&from.relation).chain(from.joins.iter().map(|j| &j.relation))
        })
        .filter_map(|factor| match factor {
            TableFactor::Table { name, alias, .. } => Some(match alias {
                Some(alias) => alias.name.value.clone(),
                None => name.0.last()?.as_ident()?.value.clone(),
            }),
            _ => None,
        })
        .collect();
    let is_inner = |expr: &Expr| matches!(expr, Expr::CompoundIdentifier(parts) if inner.contains(&parts[0].value));
    let is_outer = |expr: &Expr| matches!(expr, Expr::CompoundIdentifier(parts) if !inner.contains(&parts[0].value));
    let Some(selection) = &mut select.selection else {
        return;
    };
    let mut equal: Vec<(Expr, Expr)> = Vec::new();
    each_condition(selection, &mut |condition| {
        if let Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } = condition
        {
            if is_inner(left) && is_outer(right) {
                equal.push((right.as_ref().clone(), left.as_ref().clone()));
            } else if is_outer(left) && is_inner(right) {
                equal.push((left.as_ref().clone(), right.as_ref().clone()));
            }
        }
    });
    each_condition(selection, &mut |condition| {
        let Expr::BinaryOp { left, op, right } = condition else {
            return;
        };
        if *op == BinaryOperator::Eq {
            return;
        }
        for side in [left, right] {
            if let Some((_, stand_in)) = equal.iter().find(|(outer, _)| *outer == **side) {
                **side = stand_in.clone();
            }
        }
    });
}

/// The conditions that AND joins.
fn each_condition(expr: &mut Expr, visit: &mut dyn FnMut(&mut Expr)) {
    match expr {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => {
            each_condition(left, visit);
            each_condition(right, visit);
        }
        Expr::Nested(inner) => each_condition(inner, visit),
        other => visit(other),
    }
}

/// `OPERATOR(pg_catalog.~)` is `~`.
fn plain_operator(op: &mut BinaryOperator) {
    let BinaryOperator::PGCustomBinaryOperator(parts) = op else {
        return;
    };
    if parts.len() == 2 && parts[0] != "pg_catalog" {
        return;
    }
    let plain = match parts.last().map(String::as_str) {
        Some("~") => BinaryOperator::PGRegexMatch,
        Some("~*") => BinaryOperator::PGRegexIMatch,
        Some("!~") => BinaryOperator::PGRegexNotMatch,
        Some("!~*") => BinaryOperator::PGRegexNotIMatch,
        Some("~~") => BinaryOperator::PGLikeMatch,
        Some("~~*") => BinaryOperator::PGILikeMatch,
        Some("!~~") => BinaryOperator::PGNotLikeMatch,
        Some("!~~*") => BinaryOperator::PGNotILikeMatch,
        Some("=") => BinaryOperator::Eq,
        Some("<>") => BinaryOperator::NotEq,
        Some("<") => BinaryOperator::Lt,
        Some("<=") => BinaryOperator::LtEq,
        Some(">") => BinaryOperator::Gt,
        Some(">=") => BinaryOperator::GtEq,
        Some("+") => BinaryOperator::Plus,
        Some("-") => BinaryOperator::Minus,
        Some("*") => BinaryOperator::Multiply,
        Some("/") => BinaryOperator::Divide,
        Some("||") => BinaryOperator::StringConcat,
        _ => return,
    };
    *op = plain;
}

/// Functions live in one flat space: `pg_catalog.f` is `f`.
fn unqualify(name: &mut ObjectName) {
    if let [
        ObjectNamePart::Identifier(schema),
        ObjectNamePart::Identifier(_),
    ] = &name.0[..]
        && schema.value.eq_ignore_ascii_case("pg_catalog")
    {
        name.0.remove(0);
    }
}

fn last_part(name: &ObjectName) -> Option<String> {
    let parts: Vec<&Ident> = name.0.iter().filter_map(ObjectNamePart::as_ident).collect();
    match parts[..] {
        [name] => Some(name.value.to_ascii_lowercase()),
        [schema, name]
            if ["pg_catalog", "information_schema"]
                .contains(&schema.value.to_ascii_lowercase().as_str()) =>
        {
            Some(name.value.to_ascii_lowercase())
        }
        _ => None,
    }
}

fn null() -> Expr {
    Expr::value(Value::Null)
}

fn number(text: &str) -> Expr {
    Expr::value(Value::Number(text.to_owned(), false))
}

fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, null())
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args
                .into_iter()
                .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)))
                .collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
