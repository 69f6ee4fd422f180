//! `x = any (…)` and `x = all (…)` over elements that are written out: a comparison with each.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value};

use super::array_in::{self, Tree};
use super::syntax::{Respelled, binary, joined, string, text};

/// Beyond that, comparisons with each would be planned for longer than a search in the array takes.
const MOST_COMPARISONS: usize = 100;

pub(super) fn respell(expr: &mut Expr) -> Respelled {
    let all = matches!(expr, Expr::AllOp { .. });
    let (Expr::AnyOp {
        left,
        compare_op,
        right,
        ..
    }
    | Expr::AllOp {
        left,
        compare_op,
        right,
    }) = expr
    else {
        return Ok(None);
    };
    let Some(elements) = elements(right)? else {
        return Ok(None);
    };
    let list = match (&*compare_op, all) {
        _ if elements.is_empty() => return Ok(Some(over_nothing(left, all))),
        (BinaryOperator::Eq, false) | (BinaryOperator::NotEq, true) => true,
        _ => false,
    };
    if list {
        return Ok(Some(Expr::InList {
            expr: left.clone(),
            list: elements,
            negated: all,
        }));
    }
    let parts = elements
        .into_iter()
        .map(|item| binary(left.as_ref().clone(), compare_op.clone(), item))
        .collect();
    let joint = match all {
        true => BinaryOperator::And,
        false => BinaryOperator::Or,
    };
    Ok(Some(joined(parts, &joint)))
}

/// True of all of no elements and of none of them, whatever is compared: but that must be there.
fn over_nothing(left: &Expr, all: bool) -> Expr {
    let (answer, joint) = match all {
        true => (true, BinaryOperator::Or),
        false => (false, BinaryOperator::And),
    };
    let left = Expr::IsNull(Box::new(Expr::Nested(Box::new(left.clone()))));
    binary(left, joint, Expr::value(Value::Boolean(answer)))
}

/// The elements of `array[a, b]` or of a text like `'{a,b}'`, whose type is what they are compared
/// with; None for anything else.
fn elements(right: &mut Expr) -> Result<Option<Vec<Expr>>, crate::query::QueryError> {
    let mut list = right;
    while let Expr::Nested(inner) = list {
        list = inner;
    }
    if let Expr::Array(array) = list {
        let few = (1..=MOST_COMPARISONS).contains(&array.elem.len());
        return Ok(few.then(|| std::mem::take(&mut array.elem)));
    }
    let Some(written) = string(list) else {
        return Ok(None);
    };
    Ok(array_in::parse(written)?
        .into_iter()
        .map(|tree| match tree {
            Tree::Leaf(Some(element)) => Some(text(element)),
            Tree::Leaf(None) => Some(Expr::value(Value::Null)),
            Tree::List(_) => None,
        })
        .collect())
}
