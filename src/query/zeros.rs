//! `-0.0` and `0.0` are one number, as in Postgres: Arrow compares, groups and joins doubles by
//! their total order, in which the one comes before the other.
//!
//! A column beside a literal zero is compared with the zero of the sign that finds both, so that
//! files are pruned as before. Whatever else is compared, grouped or joined by has its sign taken
//! off zero first. Values themselves stay as they are.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{Between, Case, Cast, InList, ScalarFunction};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, ColumnarValue, Distinct, Expr, ExprSchemable, Join, LogicalPlan,
    LogicalPlanBuilder, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, lit,
};
use datafusion::optimizer::AnalyzerRule;

use super::rewrite;

/// Must come after type coercion: what is compared is of one type then.
#[derive(Debug)]
pub(super) struct Zeros;

impl AnalyzerRule for Zeros {
    fn name(&self) -> &str {
        "zeros_have_no_sign"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = rewrite::expressions(plan, |expr, schema| {
            expr.transform_up(|expr| expression(expr, schema))
        })?;
        plan.transform_up_with_subqueries(node).data()
    }
}

fn is_float(expr: &Expr, schema: &DFSchema) -> bool {
    let kind = expr.get_type(schema);
    matches!(kind, Ok(DataType::Float32 | DataType::Float64))
}

/// What a literal stands for, as type coercion left it: within casts, and with a sign before it.
fn literal(expr: &Expr) -> Option<ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Cast(Cast { expr, field }) => literal(expr)?.cast_to(field.data_type()).ok(),
        Expr::Negative(expr) => literal(expr)?.arithmetic_negate().ok(),
        _ => None,
    }
}

fn is_zero(expr: &Expr) -> bool {
    match literal(expr) {
        Some(ScalarValue::Float64(Some(value))) => value == 0.0,
        Some(ScalarValue::Float32(Some(value))) => value == 0.0,
        _ => false,
    }
}

/// A zero of the literal's type and this sign.
fn signed(zero: &Expr, negative: bool) -> Expr {
    match literal(zero) {
        Some(ScalarValue::Float32(_)) => lit(if negative { -0.0_f32 } else { 0.0 }),
        _ => lit(if negative { -0.0_f64 } else { 0.0 }),
    }
}

/// The value without a sign if it is zero.
fn unsigned(expr: Expr) -> Expr {
    match &expr {
        zero if is_zero(zero) => signed(zero, false),
        other if literal(other).is_some() => expr,
        Expr::ScalarFunction(call) if call.func.name() == Unsigned::NAME => expr,
        _ => {
            let function = Arc::new(ScalarUDF::new_from_impl(Unsigned::default()));
            Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![expr]))
        }
    }
}

fn take_sign(expr: &mut Expr) {
    let taken = std::mem::take(expr);
    *expr = unsigned(taken);
}

fn expression(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::InSubquery(mut within) if is_float(&within.expr, schema) => {
            take_sign(&mut within.expr);
            let rows = without_signs(within.subquery.subquery.as_ref().clone())?;
            within.subquery.subquery = Arc::new(rows);
            Transformed::yes(Expr::InSubquery(within))
        }
        Expr::BinaryExpr(binary) if compares(binary.op) && is_float(&binary.left, schema) => {
            comparison(binary)
        }
        Expr::Between(mut between) if is_float(&between.expr, schema) => {
            bounds(&mut between);
            Transformed::yes(Expr::Between(between))
        }
        Expr::InList(mut list) if is_float(&list.expr, schema) => {
            members(&mut list);
            Transformed::yes(Expr::InList(list))
        }
        Expr::Case(mut case) if case.expr.as_ref().is_some_and(|e| is_float(e, schema)) => {
            choices(&mut case);
            Transformed::yes(Expr::Case(case))
        }
        Expr::ScalarFunction(mut call)
            if call.name() == "nullif" && call.args.iter().all(|arg| is_float(arg, schema)) =>
        {
            call.args.iter_mut().for_each(take_sign);
            Transformed::yes(Expr::ScalarFunction(call))
        }
        Expr::AggregateFunction(mut call) if call.params.distinct => {
            let args = call.params.args.iter_mut();
            let changed = take_signs(args, schema);
            Transformed::new_transformed(Expr::AggregateFunction(call), changed)
        }
        Expr::WindowFunction(mut call) => {
            let by = call.params.partition_by.iter_mut();
            let order = call.params.order_by.iter_mut().map(|sort| &mut sort.expr);
            let changed = take_signs(by.chain(order), schema);
            Transformed::new_transformed(Expr::WindowFunction(call), changed)
        }
        other => Transformed::no(other),
    })
}

fn take_signs<'a>(exprs: impl Iterator<Item = &'a mut Expr>, schema: &DFSchema) -> bool {
    let mut changed = false;
    for expr in exprs.filter(|expr| is_float(expr, schema)) {
        take_sign(expr);
        changed = true;
    }
    changed
}

fn compares(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(
        op,
        Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom
    )
}

fn comparison(mut binary: BinaryExpr) -> Transformed<Expr> {
    let is_column = |expr: &Expr| matches!(expr, Expr::Column(_));
    // A literal that isn't zero finds what it should.
    let other = |expr: &Expr| literal(expr).is_some() && !is_zero(expr);
    if other(&binary.left) || other(&binary.right) {
        return Transformed::no(Expr::BinaryExpr(binary));
    }
    if is_zero(&binary.left)
        && is_column(&binary.right)
        && let Some(op) = binary.op.swap()
    {
        binary = BinaryExpr::new(binary.right, op, binary.left);
    }
    if is_column(&binary.left) && is_zero(&binary.right) {
        let low = || Box::new(signed(&binary.right, true));
        let high = || Box::new(signed(&binary.right, false));
        let column = &binary.left;
        let is = |op, zero| Expr::BinaryExpr(BinaryExpr::new(column.clone(), op, zero));
        use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
        match binary.op {
            Eq => return Transformed::yes(is(GtEq, low()).and(is(LtEq, high()))),
            NotEq => return Transformed::yes(is(Lt, low()).or(is(Gt, high()))),
            Lt | GtEq => return Transformed::yes(is(binary.op, low())),
            LtEq | Gt => return Transformed::yes(is(binary.op, high())),
            _ => {}
        }
    }
    take_sign(&mut binary.left);
    take_sign(&mut binary.right);
    Transformed::yes(Expr::BinaryExpr(binary))
}

/// Literal bounds take in both zeros; others are compared without a sign.
fn bounds(between: &mut Between) {
    if literal(&between.low).is_some() && literal(&between.high).is_some() {
        for (bound, negative) in [(&mut between.low, true), (&mut between.high, false)] {
            if is_zero(bound) {
                **bound = signed(bound, negative);
            }
        }
        return;
    }
    for part in [&mut between.expr, &mut between.low, &mut between.high] {
        take_sign(part);
    }
}

/// A list with one zero has both.
fn members(list: &mut InList) {
    if list.list.iter().all(|expr| literal(expr).is_some()) {
        let found = list.list.iter().find(|expr| is_zero(expr)).cloned();
        if let Some(found) = found {
            list.list.retain(|expr| !is_zero(expr));
            list.list
                .extend([signed(&found, true), signed(&found, false)]);
        }
        return;
    }
    take_sign(&mut list.expr);
    list.list.iter_mut().for_each(take_sign);
}

fn choices(case: &mut Case) {
    if let Some(expr) = &mut case.expr {
        take_sign(expr);
    }
    for (when, _) in &mut case.when_then_expr {
        take_sign(when);
    }
}

/// What groups, brings together or tells apart by other means than an expression.
fn node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Aggregate(mut aggregate) => {
            let changed = groups(&mut aggregate);
            Ok(Transformed::new_transformed(
                LogicalPlan::Aggregate(aggregate),
                changed,
            ))
        }
        LogicalPlan::Distinct(Distinct::All(input)) if has_floats(input.schema()) => {
            let input = without_signs(Arc::unwrap_or_clone(input))?;
            let distinct = Distinct::All(Arc::new(input));
            Ok(Transformed::yes(LogicalPlan::Distinct(distinct)))
        }
        LogicalPlan::Join(mut join) => {
            let changed = keys(&mut join);
            Ok(Transformed::new_transformed(
                LogicalPlan::Join(join),
                changed,
            ))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// Groups keep their names, for whoever reads them above. Sets of groups are left alone.
fn groups(aggregate: &mut Aggregate) -> bool {
    let schema = Arc::clone(aggregate.input.schema());
    let mut changed = false;
    for group in &mut aggregate.group_expr {
        if matches!(group, Expr::GroupingSet(_)) || !is_float(group, &schema) {
            continue;
        }
        let (relation, name) = group.qualified_name();
        let taken = std::mem::take(group);
        *group = unsigned(taken.unalias()).alias_qualified(relation, name);
        changed = true;
    }
    changed
}

fn keys(join: &mut Join) -> bool {
    let (left, right) = (
        Arc::clone(join.left.schema()),
        Arc::clone(join.right.schema()),
    );
    let mut changed = false;
    for (one, other) in &mut join.on {
        if is_float(one, &left) && is_float(other, &right) {
            take_sign(one);
            take_sign(other);
            changed = true;
        }
    }
    changed
}

fn has_floats(schema: &DFSchema) -> bool {
    let mut kinds = schema.fields().iter().map(|field| field.data_type());
    kinds.any(|kind| matches!(kind, DataType::Float32 | DataType::Float64))
}

fn without_signs(input: LogicalPlan) -> Result<LogicalPlan> {
    let schema = Arc::clone(input.schema());
    let columns: Vec<Expr> = schema
        .columns()
        .into_iter()
        .map(|column| {
            let (relation, name) = (column.relation.clone(), column.name.clone());
            let expr = Expr::Column(column);
            match is_float(&expr, &schema) {
                true => unsigned(expr).alias_qualified(relation, name),
                false => expr,
            }
        })
        .collect();
    LogicalPlanBuilder::from(input).project(columns)?.build()
}

/// A double or a real, 0.0 in place of -0.0.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Unsigned {
    signature: Signature,
}

impl Default for Unsigned {
    fn default() -> Self {
        Self {
            signature: Signature::any(1, Volatility::Immutable),
        }
    }
}

impl Unsigned {
    const NAME: &'static str = "unsigned_zero";
}

impl ScalarUDFImpl for Unsigned {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [kind] => Ok(kind.clone()),
            _ => internal_err!("{} takes one number", Self::NAME),
        }
    }

    fn output_ordering(&self, args: &[ExprProperties]) -> Result<SortProperties> {
        let first = args.first().map(|arg| arg.sort_properties);
        Ok(first.unwrap_or(SortProperties::Unordered))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Array(array)] => Ok(ColumnarValue::Array(taken(array)?)),
            [ColumnarValue::Scalar(value)] => {
                let array = taken(&value.to_array()?)?;
                let value = ScalarValue::try_from_array(&array, 0)?;
                Ok(ColumnarValue::Scalar(value))
            }
            _ => internal_err!("{} takes one number", Self::NAME),
        }
    }
}

/// Adding 0.0 leaves every number as it is, but for -0.0.
fn taken(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            Arc::new(values.unary::<_, Float32Type>(|value| value + 0.0))
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            Arc::new(values.unary::<_, Float64Type>(|value| value + 0.0))
        }
        other => return internal_err!("{} of {other}", Unsigned::NAME),
    })
}
