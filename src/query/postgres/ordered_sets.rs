//! `percentile_disc(p) WITHIN GROUP (ORDER BY x)` and the ranks that a value would have, in terms of
//! aggregates that the engine has.

use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator as B, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, OrderByExpr, Value,
};

use super::calls::{args_of, name_of};
use super::syntax::{binary, call, cast};

/// None for what is no such aggregate, or has more than one value or key.
pub(super) fn respell(function: &Function) -> Option<Expr> {
    let [key] = function.within_group.as_slice() else {
        return None;
    };
    let name = name_of(function)?;
    let args = args_of(function)?;
    let [value] = args.as_slice() else {
        return None;
    };
    let filter = function.filter.as_deref();
    if name == "percentile_disc" {
        return is_number(value).then(|| percentile(value, key, filter));
    }
    // Nulls stand where a rank would have to say which of them come before.
    let before = match key.options.asc {
        Some(false) => B::Gt,
        _ => B::Lt,
    };
    if key.options.nulls_first.is_some() {
        return None;
    }
    let sooner = binary(key.expr.clone(), before.clone(), value.clone());
    let sooner = match before {
        // A null comes before all where the order is descending.
        B::Gt => either(sooner, Expr::IsNull(Box::new(key.expr.clone()))),
        _ => sooner,
    };
    let one = || number("1");
    let rank = |distinct| {
        let counted = match distinct {
            true => counted(Some(key.expr.clone()), Some(sooner.clone()), filter),
            false => counted(None, Some(sooner.clone()), filter),
        };
        binary(counted, B::Plus, one())
    };
    let all = || counted(None, None, filter);
    let double = |expr| cast(expr, DataType::DoublePrecision);
    match name.as_str() {
        "rank" => Some(rank(false)),
        "dense_rank" if before == B::Lt => Some(rank(true)),
        "percent_rank" => {
            let below = counted(None, Some(sooner.clone()), filter);
            let share = binary(
                double(below),
                B::Divide,
                call("nullif", vec![all(), number("0")]),
            );
            Some(double(call("coalesce", vec![share, number("0")])))
        }
        "cume_dist" => {
            let same = binary(key.expr.clone(), B::Eq, value.clone());
            let up_to = counted(None, Some(either(sooner.clone(), same)), filter);
            let share = |count| binary(count, B::Plus, one());
            Some(binary(double(share(up_to)), B::Divide, share(all())))
        }
        _ => None,
    }
}

/// The first value, in order, at or behind that part of them.
fn percentile(part: &Expr, key: &OrderByExpr, filter: Option<&Expr>) -> Expr {
    let there = Expr::IsNotNull(Box::new(key.expr.clone()));
    let mut gathered = call("array_agg", vec![key.expr.clone()]);
    if let Expr::Function(function) = &mut gathered {
        if let FunctionArguments::List(list) = &mut function.args {
            let order = ast::FunctionArgumentClause::OrderBy(vec![key.clone()]);
            list.clauses.push(order);
        }
        function.filter = Some(Box::new(both(there.clone(), filter)));
    }
    let count = counted(None, Some(there), filter);
    // As a double, as Postgres has it: 0.07 of a hundred is the eighth.
    let part = cast(part.clone(), DataType::DoublePrecision);
    let place = call("ceil", vec![binary(part, B::Multiply, count)]);
    let place = call(
        "greatest",
        vec![cast(place, DataType::BigInt(None)), number("1")],
    );
    call("array_element", vec![gathered, place])
}

/// `count(*)` or `count(DISTINCT x)` of the rows for which the conditions hold.
fn counted(distinct: Option<Expr>, condition: Option<Expr>, filter: Option<&Expr>) -> Expr {
    let mut count = call("count", Vec::new());
    if let Expr::Function(function) = &mut count {
        if let FunctionArguments::List(list) = &mut function.args {
            list.args.push(FunctionArg::Unnamed(match distinct {
                Some(expr) => {
                    list.duplicate_treatment = Some(ast::DuplicateTreatment::Distinct);
                    FunctionArgExpr::Expr(expr)
                }
                None => FunctionArgExpr::Wildcard,
            }));
        }
        function.filter = match condition {
            Some(condition) => Some(Box::new(both(condition, filter))),
            None => filter.cloned().map(Box::new),
        };
    }
    count
}

fn both(condition: Expr, filter: Option<&Expr>) -> Expr {
    match filter {
        Some(filter) => binary(condition, B::And, Expr::Nested(Box::new(filter.clone()))),
        None => condition,
    }
}

fn either(left: Expr, right: Expr) -> Expr {
    binary(left, B::Or, right)
}

fn number(digits: &str) -> Expr {
    Expr::value(Value::Number(digits.to_owned(), false))
}

fn is_number(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(&value.value, Value::Number(digits, _)
        if digits.parse::<f64>().is_ok_and(|part| (0.0..=1.0).contains(&part))))
}
