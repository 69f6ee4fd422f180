//! Operators that the engine's planner would refuse or take otherwise: JSON's, and those of dates,
//! times and intervals.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, ScalarUDF};
use datafusion::sql::sqlparser::ast::BinaryOperator as B;

use super::json::operators;
use super::types::{self, JSON, JSONB};

/// Arithmetic and comparison of dates, times and intervals: the planner would refuse it before any
/// rule of ours sees it.
fn timed(expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
    use super::operators::{Class, binary};
    let op = match expr.op {
        B::Plus => Operator::Plus,
        B::Minus => Operator::Minus,
        B::Multiply => Operator::Multiply,
        B::Divide => Operator::Divide,
        B::Eq => Operator::Eq,
        B::NotEq => Operator::NotEq,
        B::Lt => Operator::Lt,
        B::LtEq => Operator::LtEq,
        B::Gt => Operator::Gt,
        B::GtEq => Operator::GtEq,
        _ => {
            return Ok(PlannerResult::Original(crate::query::literals::numbers(
                expr, schema,
            )?));
        }
    };
    let class = |expr: &Expr| {
        expr.get_type(schema)
            .map_or(Class::Unknown, |kind| Class::of(&kind))
    };
    let of_time = |class: Class| {
        matches!(
            class,
            Class::Date | Class::Time | Class::Moment | Class::Interval | Class::List
        )
    };
    let (left, right) = (class(&expr.left), class(&expr.right));
    // Times with a zone are read in the session's, which is known to the rules only.
    let instants = [&expr.left, &expr.right]
        .iter()
        .any(|side| matches!(side.get_type(schema), Ok(DataType::Timestamp(_, Some(_)))));
    let texts = super::operators::literal(&expr.left).is_some()
        || super::operators::literal(&expr.right).is_some();
    let compares = matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
    );
    if !(of_time(left) || of_time(right)) || (instants && texts && compares) {
        return Ok(PlannerResult::Original(crate::query::literals::numbers(
            expr, schema,
        )?));
    }
    let planned = binary(expr.left, op, expr.right, schema, chrono_tz::Tz::UTC)?;
    Ok(PlannerResult::Planned(planned.data))
}

/// Plans `->`, `->>`, `@>` and the like where they are JSON's.
#[derive(Debug)]
pub struct JsonOperators {
    functions: Vec<Arc<ScalarUDF>>,
}

impl JsonOperators {
    pub fn new() -> Self {
        Self {
            functions: operators()
                .into_iter()
                .map(|function| Arc::new(function.build()))
                .collect(),
        }
    }

    fn call(&self, name: &str, args: Vec<Expr>) -> Option<Expr> {
        let function = self
            .functions
            .iter()
            .find(|function| function.name() == name)?;
        Some(Expr::ScalarFunction(ScalarFunction::new_udf(
            Arc::clone(function),
            args,
        )))
    }
}

impl ExprPlanner for JsonOperators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let mark = |expr: &Expr| {
            let field = expr.to_field(schema).ok()?.1;
            types::mark_of(&field).map(str::to_owned)
        };
        let is_list = |expr: &Expr| matches!(expr.get_type(schema), Ok(DataType::List(_)));
        let marks = (mark(&expr.left), mark(&expr.right));
        let is_b = |mark: &Option<String>| mark.as_deref() == Some(JSONB);
        let either = is_b(&marks.0) || is_b(&marks.1);
        let b = !matches!(marks.0.as_deref(), Some(JSON));
        let name = match &expr.op {
            B::Arrow => {
                if b {
                    "frazil_jsonb_get"
                } else {
                    "frazil_json_get"
                }
            }
            B::LongArrow => "frazil_json_get_text",
            B::HashArrow => {
                if b {
                    "frazil_jsonb_path"
                } else {
                    "frazil_json_path"
                }
            }
            B::HashLongArrow => "frazil_json_path_text",
            B::AtArrow | B::ArrowAt if !is_list(&expr.left) && !is_list(&expr.right) => {
                "frazil_jsonb_contains"
            }
            B::Question => "frazil_jsonb_exists",
            B::QuestionPipe => "frazil_jsonb_exists_any",
            B::QuestionAnd => "frazil_jsonb_exists_all",
            B::HashMinus => "frazil_jsonb_delete_path",
            B::StringConcat if either => "frazil_jsonb_concat",
            B::StringConcat
                if [&marks.0, &marks.1]
                    .iter()
                    .any(|mark| mark.as_deref() == Some("bpchar")) =>
            {
                // A `char(n)` loses its padding on the way to a text.
                let bare = |side: Expr, mark: &Option<String>| match mark.as_deref() {
                    Some("bpchar") => self
                        .call("frazil_bare_text", vec![side.clone()])
                        .unwrap_or(side),
                    _ => side,
                };
                return Ok(PlannerResult::Original(RawBinaryExpr {
                    op: expr.op,
                    left: bare(expr.left, &marks.0),
                    right: bare(expr.right, &marks.1),
                }));
            }
            B::Minus if is_b(&marks.0) => "frazil_jsonb_delete",
            _ => return timed(expr, schema),
        };
        let args = match expr.op {
            B::ArrowAt => vec![expr.right.clone(), expr.left.clone()],
            _ => vec![expr.left.clone(), expr.right.clone()],
        };
        Ok(match self.call(name, args) {
            Some(call) => PlannerResult::Planned(call),
            None => PlannerResult::Original(expr),
        })
    }
}
