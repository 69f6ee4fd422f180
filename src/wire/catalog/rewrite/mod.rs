//! Postgres's spellings brought to those of the engine's planner, on the syntax tree.
//!
//! Object identifiers are plain integers to the engine: `'t'::regclass` becomes the OID, a
//! `regclass` that is shown becomes the name. Qualified built-ins lose their `pg_catalog`.
//! Must never change what a statement means on the lake's tables.

mod build;
mod columns;
mod subqueries;
mod types;

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, CastKind, DataType, Expr, Query, Select, SelectItem, TableFactor, Value, VisitMut,
    VisitorMut,
};
use datafusion_pg_catalog::sql::rules::{
    AliasDuplicatedProjectionRewrite, ResolveUnqualifiedIdentifier, SqlStatementRewriteRule,
};

use super::Facts;
use super::emptiness;
use super::functions::relation_oid;
use super::snapshot::CatalogCache;
use crate::query::postgres::gathered::array_of_rows;
use crate::wire::sqlstate::{Result, WireError};
use build::{call, cast, null, number, plain_operator, take, unqualify};
use columns::{
    name_inner_columns, no_procedure, show_by_name, show_types, spare_sorted, tell_apart,
};
use subqueries::{at_most_one_row, correlate_by_equality};
use types::{Identifier, identifier_type, is_text, is_text_array, plain_type};

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
        names_stay: matches!(
            statement,
            ast::Statement::CreateView(_) | ast::Statement::CreateTable(_)
        ),
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
    /// The names of the query's columns are those of what it makes.
    names_stay: bool,
    /// Queries around the one that is visited.
    depth: usize,
}

impl VisitorMut for Rewrite<'_> {
    type Break = WireError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<WireError> {
        self.depth += 1;
        if self.depth == 1 && !self.names_stay {
            spare_sorted(query);
        }
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
        if self.depth > 1 || !self.names_stay {
            tell_apart(&mut select.projection);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &mut ast::ObjectName) -> ControlFlow<WireError> {
        // `database.schema.table`: there is one database, whatever it is called.
        let first = name.0.first().and_then(ast::ObjectNamePart::as_ident);
        if name.0.len() == 3 && first.is_some_and(|first| first.value == self.facts.database) {
            name.0.remove(0);
        }
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
        {
            if is_text(data_type) {
                show_by_name(inner);
            } else if is_text_array(data_type) {
                show_types(inner);
            } else if identifier_type(data_type) == Some(Identifier::Plain)
                && let Err(error) = self.procedure(inner)
            {
                return ControlFlow::Break(error);
            }
        }
        if self.catalogs {
            self.resolve_subquery(expr);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<WireError> {
        match expr {
            Expr::Collate { expr: inner, .. } => *expr = take(inner),
            // The catalog that a row is of, to find its comment by: only tables have any here, and
            // those are found by functions.
            Expr::CompoundIdentifier(parts)
                if self.catalogs && parts.last().is_some_and(|name| name.value == "tableoid") =>
            {
                *expr = cast(number("0"), DataType::Int(None));
            }
            Expr::BinaryOp { left, op, right } => {
                plain_operator(op);
                if self.catalogs {
                    no_procedure(left, right);
                    no_procedure(right, left);
                }
            }
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

    /// The OID within `'name'::regproc::oid`; elsewhere functions are compared by their names.
    fn procedure(&self, expr: &mut Expr) -> Result<()> {
        let Expr::Cast {
            expr: inner,
            data_type,
            ..
        } = expr
        else {
            return Ok(());
        };
        let Expr::Value(value) = inner.as_ref() else {
            return Ok(());
        };
        let (Some(Identifier::Procedure), Some(name)) = (
            identifier_type(data_type),
            value.value.clone().into_string(),
        ) else {
            return Ok(());
        };
        let exact = name.contains('(');
        let bare = name.split('(').next().unwrap_or_default().trim();
        let bare = bare.strip_prefix("pg_catalog.").unwrap_or(bare);
        match self.cache.functions(bare)?[..] {
            [] => Err(WireError::new(
                "42883",
                format!("function \"{name}\" does not exist"),
            )),
            [oid, ref others @ ..] if exact || others.is_empty() => {
                *expr = number(&oid.to_string());
                Ok(())
            }
            _ => Err(WireError::new(
                "42725",
                format!("more than one function named \"{name}\""),
            )),
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
