//! Keeps syntax trees shallow: whatever walks, copies or frees a tree does so recursively, and a
//! text of a megabyte makes one that is deeper than any stack.
//! Chains of AND and of OR, which programs write by the thousand, become balanced; what is still
//! too deep is refused.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Query, Statement, VisitMut, VisitorMut,
};

use super::{QueryError, QueryErrorKind};

/// Levels of a tree; a level costs a few kilobytes of stack in a debug build.
const MAX_DEPTH: usize = 200;

/// Balances a statement's chains, or says that it is too deep.
pub(super) fn balance(mut statement: Statement) -> Result<Statement, QueryError> {
    let mut balancer = Balancer::default();
    let visited = statement.visit(&mut balancer);
    match visited {
        ControlFlow::Continue(()) => Ok(statement),
        ControlFlow::Break(()) => Err(QueryError::new(
            QueryErrorKind::Syntax,
            format!("the statement is too complex: it is nested more than {MAX_DEPTH} deep"),
        )
        .with_hint("Write a long list of values as IN (…), or as a table that is joined.")),
    }
}

#[derive(Default)]
struct Balancer {
    depth: usize,
}

impl Balancer {
    fn deeper(&mut self) -> ControlFlow<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl VisitorMut for Balancer {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.deeper()
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::BinaryOp { op, .. } = expr
            && matches!(op, BinaryOperator::And | BinaryOperator::Or)
        {
            let op = op.clone();
            rebuild(expr, &op);
        }
        self.deeper()
    }

    fn post_visit_expr(&mut self, _: &mut Expr) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

/// A placeholder while a tree is taken apart.
fn nothing() -> Expr {
    Expr::value(datafusion::sql::sqlparser::ast::Value::Null)
}

/// `((a OP b) OP c) OP d` into `(a OP b) OP (c OP d)`, in the same order.
fn rebuild(expr: &mut Expr, op: &BinaryOperator) {
    let mut terms = Vec::new();
    let mut rest = std::mem::replace(expr, nothing());
    // Down the left side only: that is how a chain is parsed.
    loop {
        match rest {
            Expr::BinaryOp {
                left,
                op: found,
                right,
            } if found == *op => {
                terms.push(*right);
                rest = *left;
            }
            first => {
                terms.push(first);
                break;
            }
        }
    }
    terms.reverse();
    while terms.len() > 1 {
        let mut paired = Vec::with_capacity(terms.len().div_ceil(2));
        let mut left = terms.into_iter();
        while let Some(first) = left.next() {
            paired.push(match left.next() {
                Some(second) => Expr::BinaryOp {
                    left: Box::new(first),
                    op: op.clone(),
                    right: Box::new(second),
                },
                None => first,
            });
        }
        terms = paired;
    }
    if let Some(whole) = terms.pop() {
        *expr = whole;
    }
}
