//! Comparisons of row values, `(a, b) < (c, d)` and `(a, b) IN (…)`, column by column.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator as B, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator,
};

use super::syntax::{Respelled, binary, joined};
use crate::query::{QueryError, QueryErrorKind as Kind};

/// The values of `(a, b)` or `row(a, b)`.
pub(super) fn row_values(expr: &Expr) -> Option<Vec<Expr>> {
    match expr {
        Expr::Tuple(values) => Some(values.clone()),
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("row") => {
            let FunctionArguments::List(list) = &function.args else {
                return None;
            };
            list.args
                .iter()
                .map(|arg| match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                    _ => None,
                })
                .collect()
        }
        _ => None,
    }
}

/// Rows are compared value by value, the first that differs decides.
pub(super) fn rows(left: &Expr, op: &B, right: &Expr) -> Respelled {
    let (Some(left), Some(right)) = (row_values(left), row_values(right)) else {
        return Ok(None);
    };
    let strict = match op {
        B::Lt | B::LtEq => B::Lt,
        B::Gt | B::GtEq => B::Gt,
        B::Eq | B::NotEq => B::Eq,
        _ => return Ok(None),
    };
    if left.len() != right.len() {
        return Err(QueryError::new(
            Kind::Syntax,
            "unequal number of entries in row expressions",
        ));
    }
    let each = |op: &B| -> Vec<Expr> {
        let pairs = left.iter().zip(&right);
        pairs
            .map(|(l, r)| binary(l.clone(), op.clone(), r.clone()))
            .collect()
    };
    Ok(Some(match op {
        B::Eq => joined(each(&B::Eq), &B::And),
        B::NotEq => joined(each(&B::NotEq), &B::Or),
        _ => {
            let (equal, less) = (each(&B::Eq), each(&strict));
            let last = each(op);
            let parts = (0..left.len())
                .map(|index| {
                    let mut all: Vec<Expr> = equal[..index].to_vec();
                    let decides = if index + 1 == left.len() {
                        &last
                    } else {
                        &less
                    };
                    all.push(decides[index].clone());
                    joined(all, &B::And)
                })
                .collect();
            joined(parts, &B::Or)
        }
    }))
}

/// `(a, b) in ((1, 2), (3, 4))`.
pub(super) fn row_in(expr: &mut Expr) -> Option<Expr> {
    let Expr::InList {
        expr: inner,
        list,
        negated,
    } = expr
    else {
        return None;
    };
    let width = row_values(inner)?.len();
    let parts = list
        .iter()
        .map(|item| {
            (row_values(item)?.len() == width).then(|| rows(inner, &B::Eq, item).ok().flatten())?
        })
        .collect::<Option<Vec<_>>>()?;
    let any = joined(parts, &B::Or);
    Some(if *negated {
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(any),
        }
    } else {
        any
    })
}
