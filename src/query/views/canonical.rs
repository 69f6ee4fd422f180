//! A view's text made to mean the same everywhere: each table that it names gets its schema.
//! Must leave alone what is no table: common table expressions, functions, columns.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, Expr, Ident, ObjectName, Query, TableFactor, Visit, VisitMut, Visitor, VisitorMut, With,
};
use datafusion::sql::sqlparser::keywords::ALL_KEYWORDS;

use crate::domain::TableName;
use crate::query::names::folded;
use crate::query::{QueryError, QueryErrorKind};

/// Schema and name that the parts of each name mean.
pub(in crate::query) type Meanings = HashMap<Vec<String>, (String, String)>;

/// Words of the parser's that columns and schemas are often called, and that stand without quotes.
const PLAIN: [&str; 16] = [
    "COUNT", "DATA", "DAY", "HOUR", "KEY", "LEVEL", "MAX", "MIN", "MONTH", "NAME", "OWNER",
    "PUBLIC", "STATUS", "TYPE", "VALUE", "YEAR",
];

/// Words that may not stand as a name without quotes: the parser knows them.
fn is_reserved(word: &str) -> bool {
    let upper = word.to_ascii_uppercase();
    ALL_KEYWORDS.binary_search(&upper.as_str()).is_ok() && !PLAIN.contains(&upper.as_str())
}

/// A name as an identifier that means just this, with quotes where it needs them.
pub(super) fn ident(name: &str) -> Ident {
    let mut letters = name.chars();
    let first = letters
        .next()
        .is_some_and(|c| c.is_ascii_lowercase() || c == '_');
    let rest = letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    match first && rest && !is_reserved(name) {
        true => Ident::new(name),
        false => Ident::with_quote('"', name),
    }
}

fn parts(name: &ObjectName) -> Option<Vec<String>> {
    let parts = name.0.iter();
    parts.map(|part| part.as_ident().map(folded)).collect()
}

fn qualified(schema: &str, name: &str) -> ObjectName {
    ObjectName::from(vec![ident(schema), ident(name)])
}

/// Qualifies all names of tables in a query.
pub(in crate::query) fn qualify(query: &mut Query, meanings: &Meanings) -> Result<(), QueryError> {
    if let ControlFlow::Break(error) = Visit::visit(query, &mut Parameters) {
        return Err(error);
    }
    let mut qualify = Qualify {
        meanings,
        scopes: Vec::new(),
        withs: Vec::new(),
    };
    match VisitMut::visit(query, &mut qualify) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(never) => match never {},
    }
}

struct Parameters;

impl Visitor for Parameters {
    type Break = QueryError;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<QueryError> {
        match expr {
            Expr::Value(value) => match &value.value {
                ast::Value::Placeholder(name) => ControlFlow::Break(QueryError::new(
                    QueryErrorKind::State("42P02"),
                    format!("there is no parameter {name}"),
                )),
                _ => ControlFlow::Continue(()),
            },
            _ => ControlFlow::Continue(()),
        }
    }
}

enum Never {}

struct Qualify<'a> {
    meanings: &'a Meanings,
    /// Names of common table expressions that are in sight, inner ones last.
    scopes: Vec<String>,
    /// The WITH of each query around, with the number of names that were in sight before it.
    withs: Vec<(Option<With>, usize)>,
}

impl VisitorMut for Qualify<'_> {
    type Break = Never;

    /// A WITH is gone through by hand: each of its queries sees those before it.
    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Never> {
        let seen = self.scopes.len();
        let mut with = query.with.take();
        if let Some(with) = &mut with {
            if with.recursive {
                let names = with.cte_tables.iter();
                self.scopes.extend(names.map(|cte| folded(&cte.alias.name)));
            }
            for cte in &mut with.cte_tables {
                VisitMut::visit(&mut cte.query, self)?;
                self.scopes.push(folded(&cte.alias.name));
            }
        }
        self.withs.push((with, seen));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Never> {
        if let Some((with, seen)) = self.withs.pop() {
            query.with = with;
            self.scopes.truncate(seen);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Never> {
        let TableFactor::Table {
            name, args: None, ..
        } = factor
        else {
            return ControlFlow::Continue(());
        };
        let Some(parts) = parts(name) else {
            return ControlFlow::Continue(());
        };
        let is_cte = matches!(&parts[..], [one] if self.scopes.contains(one));
        if !is_cte && let Some((schema, table)) = self.meanings.get(&parts) {
            *name = qualified(schema, table);
        }
        ControlFlow::Continue(())
    }

    /// `schema.table.column` is `table.column`: the table may change its name.
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Never> {
        if let Expr::CompoundIdentifier(names) = expr
            && names.len() >= 3
        {
            let pair: Vec<String> = names[..2].iter().map(folded).collect();
            if self.meanings.contains_key(&pair) {
                names.remove(0);
            }
        }
        ControlFlow::Continue(())
    }
}

/// Follows a table or view to its new name; what it was called without an alias it stays.
pub(in crate::query) fn rename(query: &mut Query, old: &TableName, new: &TableName) {
    let mut rename = Rename { old, new };
    match VisitMut::visit(query, &mut rename) {
        ControlFlow::Continue(()) => {}
        ControlFlow::Break(never) => match never {},
    }
}

struct Rename<'a> {
    old: &'a TableName,
    new: &'a TableName,
}

impl VisitorMut for Rename<'_> {
    type Break = Never;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Never> {
        let TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } = factor
        else {
            return ControlFlow::Continue(());
        };
        if let Some([schema, table]) = parts(name).as_deref()
            && schema == self.old.namespace()
            && super::is_part_of(table, self.old.name())
        {
            let part = &table[self.old.name().len()..];
            let renamed = format!("{}{part}", self.new.name());
            if alias.is_none() {
                *alias = Some(ast::TableAlias {
                    explicit: true,
                    name: ident(table),
                    columns: Vec::new(),
                    at: None,
                });
            }
            *name = qualified(self.new.namespace(), &renamed);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        match super::super::parse(text).unwrap() {
            ast::Statement::Query(query) => *query,
            other => panic!("{other} is no query"),
        }
    }

    fn meanings(names: &[(&str, &str)]) -> Meanings {
        let meaning = |(name, schema): &(&str, &str)| {
            let parts: Vec<String> = name.split('.').map(str::to_owned).collect();
            let table = parts.last().unwrap().clone();
            (parts, ((*schema).to_owned(), table))
        };
        names.iter().map(meaning).collect()
    }

    #[test]
    fn tables_are_qualified_and_what_hides_them_is_not() {
        let known = meanings(&[("t", "s"), ("u", "public"), ("s.t", "s")]);
        for (given, wanted) in [
            ("SELECT * FROM t", "SELECT * FROM s.t"),
            ("SELECT s.t.a FROM s.t", "SELECT t.a FROM s.t"),
            (
                "WITH t AS (SELECT * FROM t) SELECT * FROM t, u",
                "WITH t AS (SELECT * FROM s.t) SELECT * FROM t, public.u",
            ),
            (
                "WITH RECURSIVE t AS (SELECT 1 UNION ALL SELECT * FROM t) SELECT * FROM t",
                "WITH RECURSIVE t AS (SELECT 1 UNION ALL SELECT * FROM t) SELECT * FROM t",
            ),
            (
                "SELECT (WITH u AS (SELECT 1) SELECT * FROM u) FROM u",
                "SELECT (WITH u AS (SELECT 1) SELECT * FROM u) FROM public.u",
            ),
            (
                "SELECT * FROM generate_series(1, 2) AS t",
                "SELECT * FROM generate_series(1, 2) AS t",
            ),
            (
                "SELECT 1 WHERE EXISTS (SELECT 1 FROM u JOIN t ON true)",
                "SELECT 1 WHERE EXISTS (SELECT 1 FROM public.u JOIN s.t ON true)",
            ),
        ] {
            let mut query = query(given);
            qualify(&mut query, &known).unwrap();
            assert_eq!(query.to_string(), wanted, "{given}");
        }
    }

    #[test]
    fn a_renamed_table_keeps_what_it_was_called() {
        let name = |table: &str| TableName::new("s", table).unwrap();
        let mut query = query("SELECT t.a FROM s.t JOIN s.t$files AS f ON true JOIN s.tt ON true");
        rename(&mut query, &name("t"), &name("u"));
        assert_eq!(
            query.to_string(),
            "SELECT t.a FROM s.u AS t JOIN s.\"u$files\" AS f ON true JOIN s.tt ON true"
        );
    }

    #[test]
    fn a_parameter_has_no_place_in_a_view() {
        let error = qualify(&mut query("SELECT $1"), &Meanings::new()).unwrap_err();
        assert_eq!(error.kind, QueryErrorKind::State("42P02"));
    }
}
