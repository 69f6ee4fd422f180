//! `x = any (…)` and `x = all (…)` over elements that are written out: a comparison with each.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value};

use super::array_in::{self, Tree};
use super::syntax::{Respelled, binary, joined, string, text};

/// Beyond that the comparisons would cost more than a search in the array.
const MOST_ELEMENTS: usize = 100;

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
    if elements.is_empty() {
        return Ok(Some(Expr::value(Value::Boolean(all))));
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

/// The elements of `array[a, b]` or of a text like `'{a,b}'`, whose type is what they are compared
/// with; None for anything else.
fn elements(right: &mut Expr) -> Result<Option<Vec<Expr>>, crate::query::QueryError> {
    let mut list = right;
    while let Expr::Nested(inner) = list {
        list = inner;
    }
    if let Expr::Array(array) = list {
        let few = (1..=MOST_ELEMENTS).contains(&array.elem.len());
        return Ok(few.then(|| std::mem::take(&mut array.elem)));
    }
    let Some(written) = string(list) else {
        return Ok(None);
    };
    let elements: Option<Vec<Expr>> = array_in::parse(written)?
        .into_iter()
        .map(|tree| match tree {
            Tree::Leaf(Some(element)) => Some(text(element)),
            Tree::Leaf(None) => Some(Expr::value(Value::Null)),
            Tree::List(_) => None,
        })
        .collect();
    Ok(elements.filter(|elements| elements.len() <= MOST_ELEMENTS))
}
