//! The tables that a query reads, from its syntax tree.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{Ident, ObjectName, Query, Spanned, Statement, TableFactor, Visit, Visitor};
use sqlparser::tokenizer::Location;

use super::statement::is_reserved;
use crate::domain::TableName;

/// A place in the text, when it is known, and what is wrong there.
type Wrong = (Option<Location>, String);

/// All tables of a query, sorted: those of subqueries too, without the names of CTEs.
pub(super) fn sources(query: &Query, model: &TableName) -> Result<Vec<TableName>, Wrong> {
    let mut finder = Finder {
        model,
        scopes: Vec::new(),
        found: BTreeSet::new(),
    };
    match query.visit(&mut finder) {
        ControlFlow::Break(wrong) => Err(*wrong),
        ControlFlow::Continue(()) => Ok(finder.found.into_iter().collect()),
    }
}

struct Finder<'a> {
    model: &'a TableName,
    /// Names of CTEs that can be seen, one level for each query around.
    scopes: Vec<Vec<String>>,
    found: BTreeSet<TableName>,
}

fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

impl Finder<'_> {
    fn table(&self, name: &ObjectName) -> Result<Option<TableName>, String> {
        let parts: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
        match parts.as_slice() {
            [single] => {
                let single = folded(single);
                if self.scopes.iter().flatten().any(|cte| *cte == single) {
                    Ok(None)
                } else {
                    Err(format!(
                        "write the table with its namespace: namespace.{single}"
                    ))
                }
            }
            [namespace, table] => {
                let name = TableName::new(&folded(namespace), &folded(table))
                    .map_err(|error| error.to_string())?;
                self.check(name).map(Some)
            }
            _ => Err(format!("write {name} as namespace.table")),
        }
    }

    fn check(&self, name: TableName) -> Result<TableName, String> {
        if is_reserved(&name) || name.name().contains('$') {
            return Err(format!(
                "a model can't read {name}: what it holds is not of a snapshot"
            ));
        }
        if name == *self.model {
            return Err(format!("{name} can't read itself"));
        }
        Ok(name)
    }

    fn wrong<T>(location: Option<Location>, message: String) -> ControlFlow<Box<Wrong>, T> {
        ControlFlow::Break(Box::new((location, message)))
    }
}

impl Visitor for Finder<'_> {
    type Break = Box<Wrong>;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        let names = query.with.iter().flat_map(|with| &with.cte_tables);
        let names = names.map(|cte| folded(&cte.alias.name)).collect();
        self.scopes.push(names);
        if !query.locks.is_empty() {
            return Self::wrong(None, "a model's query can't lock rows".to_owned());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<Self::Break> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, _statement: &Statement) -> ControlFlow<Self::Break> {
        Self::wrong(
            None,
            "a model's query only reads: write a SELECT".to_owned(),
        )
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        let TableFactor::Table {
            name,
            args,
            version,
            ..
        } = factor
        else {
            return ControlFlow::Continue(());
        };
        if args.is_some() {
            // A function such as generate_series: no table.
            return ControlFlow::Continue(());
        }
        let place = name.span().start;
        let location = (place.line > 0).then_some(place);
        if version.is_some() {
            let message = "a model reads one snapshot of each table that its run pins, no other";
            return Self::wrong(location, message.to_owned());
        }
        match self.table(name) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(name)) => {
                self.found.insert(name);
                ControlFlow::Continue(())
            }
            Err(message) => Self::wrong(location, message),
        }
    }
}
