//! Literals take the type of what they are compared with, as Postgres's of unknown type do: a text
//! beside a uuid is a uuid, one beside a timestamptz a time of the session's zone.
//! Must come before type coercion, which knows no uuid and reads every time as UTC.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, FixedSizeBinaryBuilder, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{Between, Cast, InList, ScalarFunction};
use datafusion::logical_expr::planner::RawBinaryExpr;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;

use super::rewrite;
use super::{QueryError, postgres};

/// What a uuid is in Arrow.
pub(super) const UUID: DataType = DataType::FixedSizeBinary(16);

#[derive(Debug)]
pub(super) struct Literals;

impl AnalyzerRule for Literals {
    fn name(&self) -> &str {
        "literals_take_their_neighbours_type"
    }

    fn analyze(&self, plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan> {
        let zone = options.execution.time_zone.as_deref().unwrap_or("UTC");
        rewrite::expressions(plan, |expr, schema| {
            expr.transform_up(|expr| expression(expr, schema, zone))
        })
    }
}

fn expression(expr: Expr, schema: &DFSchema, zone: &str) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(op) => {
            let (mut left, mut right) = (left, right);
            let changed = beside(&mut left, &[&right], schema, zone)?
                || beside(&mut right, &[&left], schema, zone)?;
            let whole = Expr::BinaryExpr(BinaryExpr::new(left, op, right));
            Ok(Transformed::new_transformed(whole, changed))
        }
        Expr::InList(InList {
            expr,
            mut list,
            negated,
        }) => {
            let mut expr = expr;
            let neighbours: Vec<Expr> = list.clone();
            let neighbours: Vec<&Expr> = neighbours.iter().collect();
            let mut changed = beside(&mut expr, &neighbours, schema, zone)?;
            for item in &mut list {
                changed |= beside(item, &[&expr], schema, zone)?;
            }
            let whole = Expr::InList(InList::new(expr, list, negated));
            Ok(Transformed::new_transformed(whole, changed))
        }
        Expr::Between(Between {
            mut expr,
            negated,
            mut low,
            mut high,
        }) => {
            let changed = beside(&mut low, &[&expr], schema, zone)?
                | beside(&mut high, &[&expr], schema, zone)?
                || beside(&mut expr, &[&low, &high], schema, zone)?;
            let whole = Expr::Between(Between::new(expr, negated, low, high));
            Ok(Transformed::new_transformed(whole, changed))
        }
        Expr::Cast(cast) => converted(cast, schema),
        Expr::ScalarFunction(call) if call.name() == "coalesce" => {
            let ScalarFunction { func, mut args } = call;
            let changed = lists(&mut args, schema, zone)?;
            let whole = Expr::ScalarFunction(ScalarFunction::new_udf(func, args));
            Ok(Transformed::new_transformed(whole, changed))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn compares(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(
        op,
        Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom
    )
}

/// Gives a literal the type of the first neighbour that has one of ours.
fn beside(expr: &mut Expr, neighbours: &[&Expr], schema: &DFSchema, zone: &str) -> Result<bool> {
    let Some(text) = literal(expr) else {
        return Ok(false);
    };
    for neighbour in neighbours {
        let typed = match neighbour.get_type(schema) {
            Ok(kind) if kind == UUID => uuid(text)?,
            Ok(DataType::Timestamp(unit, Some(own))) => {
                let local = DataType::Timestamp(unit, Some(zone.into()));
                let instant = timestamp(text, &local)?;
                instant.cast_to(&DataType::Timestamp(unit, Some(own)))?
            }
            _ => continue,
        };
        *expr = Expr::Literal(typed, None);
        return Ok(true);
    }
    Ok(false)
}

/// `coalesce(an array, '{}')`: a text beside an array is an array.
fn lists(args: &mut [Expr], schema: &DFSchema, zone: &str) -> Result<bool> {
    let types = args.iter().map(|arg| arg.get_type(schema));
    let list = types
        .filter_map(Result::ok)
        .find(|kind| matches!(kind, DataType::List(_)));
    let Some(list) = list else {
        return Ok(false);
    };
    let mut changed = false;
    for arg in args {
        if let Some(text) = literal(arg) {
            *arg = Expr::Literal(postgres::value_of_text(text, &list, zone)?, None);
            changed = true;
        }
    }
    Ok(changed)
}

/// `price * '1.19'`: the text is a number of the other side's type. Seen by the planner, which
/// would find no such operator.
pub(super) fn numbers(mut expr: RawBinaryExpr, schema: &DFSchema) -> Result<RawBinaryExpr> {
    use datafusion::sql::sqlparser::ast::BinaryOperator as B;
    if let B::Plus | B::Minus | B::Multiply | B::Divide | B::Modulo = expr.op {
        let _ = number_beside(&mut expr.left, &expr.right, schema)?
            || number_beside(&mut expr.right, &expr.left, schema)?;
    }
    Ok(expr)
}

fn number_beside(expr: &mut Expr, neighbour: &Expr, schema: &DFSchema) -> Result<bool> {
    let Some(text) = literal(expr) else {
        return Ok(false);
    };
    let typed = match neighbour.get_type(schema) {
        Ok(kind) if kind.is_integer() || kind.is_floating() => {
            postgres::value_of_text(text, &kind, "UTC")?
        }
        Ok(kind) if kind.is_decimal() => match decimal(text.trim()) {
            Some(value) => value,
            None => return Ok(false),
        },
        _ => return Ok(false),
    };
    *expr = Expr::Literal(typed, None);
    Ok(true)
}

/// A number with all the digits that it is written with, if they are few enough.
fn decimal(text: &str) -> Option<ScalarValue> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let count = whole.len() + part.len();
    let all_digits = whole
        .bytes()
        .chain(part.bytes())
        .all(|b| b.is_ascii_digit());
    if !all_digits || !(1..=38).contains(&count) {
        return None;
    }
    let value: i128 = format!("{whole}{part}").parse().ok()?;
    let signed = if text.starts_with('-') { -value } else { value };
    let (precision, scale) = (u8::try_from(count).ok()?, i8::try_from(part.len()).ok()?);
    Some(ScalarValue::Decimal128(Some(signed), precision, scale))
}

/// Casts that Arrow lacks: texts that are times, and uuids to and from text.
fn converted(cast: Cast, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let to = cast.field.data_type();
    if let (DataType::Timestamp(..), Some(text)) = (to, literal(&cast.expr)) {
        let time = timestamp(text, to)?;
        return Ok(Transformed::yes(Expr::Literal(time, None)));
    }
    let from = cast.expr.get_type(schema);
    let direction = match from {
        Ok(from) if *to == UUID && (is_text(&from) || from == DataType::Null) => Direction::In,
        Ok(UUID) if is_text(to) => Direction::Out,
        _ => return Ok(Transformed::no(Expr::Cast(cast))),
    };
    let function = Arc::new(ScalarUDF::new_from_impl(UuidText::new(direction)));
    let call = ScalarFunction::new_udf(function, vec![*cast.expr]);
    Ok(Transformed::yes(Expr::ScalarFunction(call)))
}

fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

fn is_text(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

/// A text without an offset is of `kind`'s zone.
fn timestamp(text: &str, kind: &DataType) -> Result<ScalarValue> {
    let zone = match kind {
        DataType::Timestamp(_, Some(zone)) => zone.as_ref(),
        _ => "UTC",
    };
    postgres::value_of_text(text, kind, zone)
}

fn uuid_bytes(text: &str) -> Result<[u8; 16], QueryError> {
    postgres::uuid_of_text(text)
}

fn uuid(text: &str) -> Result<ScalarValue> {
    let bytes = uuid_bytes(text)?;
    Ok(ScalarValue::FixedSizeBinary(16, Some(bytes.to_vec())))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Direction {
    In,
    Out,
}

/// `text::uuid` and `uuid::text`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct UuidText {
    direction: Direction,
    signature: Signature,
}

impl UuidText {
    fn new(direction: Direction) -> Self {
        Self {
            direction,
            signature: Signature::any(1, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for UuidText {
    fn name(&self) -> &str {
        match self.direction {
            Direction::In => "uuid_in",
            Direction::Out => "uuid_out",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.direction {
            Direction::In => UUID,
            Direction::Out => DataType::Utf8,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let convert = match self.direction {
            Direction::In => to_uuid,
            Direction::Out => to_text,
        };
        match args.args.as_slice() {
            [ColumnarValue::Array(array)] => Ok(ColumnarValue::Array(convert(array)?)),
            [ColumnarValue::Scalar(value)] => {
                let array = convert(&value.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                    &array, 0,
                )?))
            }
            other => internal_err!("{} with {} arguments", self.name(), other.len()),
        }
    }
}

fn to_uuid(array: &ArrayRef) -> Result<ArrayRef> {
    let texts = cast(array, &DataType::Utf8)?;
    let mut uuids = FixedSizeBinaryBuilder::with_capacity(texts.len(), 16);
    for text in texts.as_string::<i32>() {
        match text {
            Some(text) => uuids.append_value(uuid_bytes(text)?)?,
            None => uuids.append_null(),
        }
    }
    Ok(Arc::new(uuids.finish()))
}

fn to_text(array: &ArrayRef) -> Result<ArrayRef> {
    let uuids = array.as_fixed_size_binary().iter();
    let texts = uuids.map(|bytes| Some(uuid::Uuid::from_slice(bytes?).ok()?.to_string()));
    Ok(Arc::new(texts.collect::<StringArray>()))
}
