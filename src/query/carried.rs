//! `WITH … INSERT | UPDATE | DELETE | MERGE`: the named queries are carried into the statement's own
//! queries, so that the writers need to know of none.
//! Each mention is a query of its own: one that gives other rows each time is not the same twice.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, FromTable, Ident, ObjectName, Query, SetExpr, Statement, TableAlias, TableFactor,
    TableWithJoins, VisitMut, VisitorMut, With,
};

use super::{QueryError, QueryErrorKind};

/// The statement behind a WITH that only leads to a change; any other as it is.
pub(super) fn carry(statement: Statement) -> Result<Statement, QueryError> {
    let Statement::Query(query) = statement else {
        return Ok(statement);
    };
    let changes = matches!(
        query.body.as_ref(),
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
    );
    if !changes {
        return Ok(Statement::Query(query));
    }
    let Query { with, body, .. } = *query;
    let (SetExpr::Insert(mut change)
    | SetExpr::Update(mut change)
    | SetExpr::Delete(mut change)
    | SetExpr::Merge(mut change)) = *body
    else {
        return Err(unsupported("this statement behind a WITH"));
    };
    let Some(with) = with else {
        return Ok(change);
    };
    if with.cte_tables.iter().any(|named| writes(&named.query)) {
        return Err(unsupported("a statement that changes a table in a WITH"));
    }
    let mut carrier = Carrier { with, depth: 0 };
    // What is changed is a table, even where a query has its name.
    let target = take_target(&mut change);
    let ControlFlow::Continue(()) = change.visit(&mut carrier);
    put_target(&mut change, target);
    Ok(change)
}

fn unsupported(what: &str) -> QueryError {
    QueryError::new(
        QueryErrorKind::FeatureNotSupported,
        format!("{what} is not supported"),
    )
}

fn writes(query: &Query) -> bool {
    matches!(
        query.body.as_ref(),
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
    )
}

enum Target {
    None,
    Tables(Vec<TableWithJoins>),
    Factor(Box<TableFactor>),
}

fn take_target(change: &mut Statement) -> Target {
    match change {
        Statement::Update(update) => {
            let nothing = TableWithJoins {
                relation: nothing(),
                joins: Vec::new(),
            };
            Target::Tables(vec![std::mem::replace(&mut update.table, nothing)])
        }
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) =
                &mut delete.from;
            Target::Tables(std::mem::take(tables))
        }
        Statement::Merge(merge) => {
            Target::Factor(Box::new(std::mem::replace(&mut merge.table, nothing())))
        }
        _ => Target::None,
    }
}

fn put_target(change: &mut Statement, target: Target) {
    match (change, target) {
        (Statement::Update(update), Target::Tables(mut tables)) => {
            if let Some(table) = tables.pop() {
                update.table = table;
            }
        }
        (Statement::Delete(delete), Target::Tables(whole)) => {
            let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) =
                &mut delete.from;
            *tables = whole;
        }
        (Statement::Merge(merge), Target::Factor(table)) => merge.table = *table,
        _ => {}
    }
}

/// Stands where a table was taken out.
fn nothing() -> TableFactor {
    TableFactor::TableFunction {
        expr: ast::Expr::value(ast::Value::Null),
        alias: None,
    }
}

struct Carrier {
    with: With,
    /// Queries around the node.
    depth: usize,
}

impl Carrier {
    fn given(&self, query: &mut Query) {
        let Some(own) = &mut query.with else {
            query.with = Some(self.with.clone());
            return;
        };
        let hidden = |name: &Ident| own.cte_tables.iter().any(|one| one.alias.name == *name);
        let named = self.with.cte_tables.iter();
        let mut all: Vec<_> = named
            .filter(|one| !hidden(&one.alias.name))
            .cloned()
            .collect();
        all.append(&mut own.cte_tables);
        own.cte_tables = all;
        own.recursive |= self.with.recursive;
    }

    /// The named query that a table's name means.
    fn named(&self, name: &ObjectName) -> Option<&Ident> {
        let [part] = name.0.as_slice() else {
            return None;
        };
        let name = part.as_ident()?;
        let named = self.with.cte_tables.iter().map(|one| &one.alias.name);
        named.into_iter().find(|one| match name.quote_style {
            Some(_) => one.value == name.value,
            None => one.value.eq_ignore_ascii_case(&name.value),
        })
    }
}

impl VisitorMut for Carrier {
    type Break = std::convert::Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        if self.depth == 0 {
            self.given(query);
        }
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Self::Break> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        let TableFactor::Table { name, alias, .. } = factor else {
            return ControlFlow::Continue(());
        };
        let Some(named) = self.named(name) else {
            return ControlFlow::Continue(());
        };
        let alias = alias.take().unwrap_or_else(|| TableAlias {
            explicit: true,
            name: named.clone(),
            columns: Vec::new(),
            at: None,
        });
        let text = format!("SELECT * FROM {named}");
        if let Ok(mut parsed) = super::statement::parse(&text)
            && let Some(super::statement::Statement::Sql(statement)) = parsed.pop()
            && let Statement::Query(mut subquery) = *statement
        {
            self.given(&mut subquery);
            *factor = TableFactor::Derived {
                lateral: false,
                subquery,
                alias: Some(alias),
                sample: None,
            };
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use crate::query::statement::{Statement, parse};

    fn carried(text: &str) -> String {
        match parse(text).expect("parses").pop() {
            Some(Statement::Sql(statement)) => statement.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn named_queries_go_into_the_statements_queries() {
        for (text, expected) in [
            (
                "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a",
                "INSERT INTO t WITH a AS (SELECT 1) SELECT * FROM a",
            ),
            (
                "WITH a AS (SELECT 1 AS x) INSERT INTO t WITH b AS (SELECT 2) SELECT * FROM a, b",
                "INSERT INTO t WITH a AS (SELECT 1 AS x), b AS (SELECT 2) SELECT * FROM a, b",
            ),
            (
                "WITH a AS (SELECT 1 AS x) UPDATE a SET y = a.x FROM a",
                "UPDATE a SET y = a.x FROM (WITH a AS (SELECT 1 AS x) SELECT * FROM a) AS a",
            ),
            (
                "WITH a AS (SELECT 1 AS x) DELETE FROM t USING A AS b \
                 WHERE t.x = b.x AND t.y IN (SELECT x FROM a)",
                "DELETE FROM t USING (WITH a AS (SELECT 1 AS x) SELECT * FROM a) AS b WHERE t.x = \
                 b.x AND t.y IN (WITH a AS (SELECT 1 AS x) SELECT x FROM a)",
            ),
        ] {
            assert_eq!(carried(text), expected, "{text}");
        }
        let text = "WITH a AS (DELETE FROM t RETURNING x) INSERT INTO u SELECT * FROM a";
        assert!(parse(text).is_err());
    }
}
