//! Literals that no decimal holds, `1e300` and `1e-60`, are doubles. Postgres's numeric is wider
//! than ours: what can't be exact here had better be near than refused.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Statement, Value, VisitMut, VisitorMut,
};

/// Digits of the widest decimal that a literal becomes.
const MOST_DIGITS: i64 = 38;

pub(super) fn widen(mut statement: Statement) -> Statement {
    let ControlFlow::Continue(()) = statement.visit(&mut Widener);
    statement
}

struct Widener;

impl VisitorMut for Widener {
    type Break = std::convert::Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if let Expr::Value(value) = expr
            && let Value::Number(text, _) = &value.value
            && is_too_wide(text)
        {
            *expr = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(Expr::value(Value::SingleQuotedString(text.clone()))),
                data_type: DataType::DoublePrecision,
                array: false,
                format: None,
            };
        }
        ControlFlow::Continue(())
    }
}

/// Only what is written with an exponent: other literals say their digits themselves.
fn is_too_wide(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return false;
    };
    let Ok(exponent) = exponent.parse::<i64>() else {
        return true;
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    let before_point = digits(whole).saturating_add(exponent).max(0);
    let behind_point = digits(fraction).saturating_sub(exponent).max(0);
    before_point.saturating_add(behind_point) > MOST_DIGITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_stay_what_they_are() {
        for (text, wide) in [
            ("1e300", true),
            ("1.5E-60", true),
            ("1e37", false),
            ("1e38", true),
            ("1.25e2", false),
            ("1e-38", false),
            ("1e99999999999999999999", true),
            ("12345", false),
            ("0.1", false),
        ] {
            assert_eq!(is_too_wide(text), wide, "{text}");
        }
    }
}
