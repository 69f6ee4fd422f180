//! `||` held to a size before it runs, as `bounded` holds functions: a long constant beside a
//! column is written out for every row of a batch, and no memory limit sees that.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::binary::BinaryTypeCoercer;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{self, Column};

use super::bounded::{self, MOST_BYTES};
use super::rewrite;

/// Must come after type coercion: both sides are texts of one type then.
#[derive(Debug)]
pub(super) struct Joins;

impl AnalyzerRule for Joins {
    fn name(&self) -> &str {
        "joined_texts_are_bounded"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        rewrite::expressions(plan, |expr, schema| {
            expr.transform_up(|expr| Ok(expression(expr, schema)))
        })
    }
}

fn expression(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if op == Operator::StringConcat
                && is_text(&left, schema)
                && is_text(&right, schema) =>
        {
            let function = Arc::new(ScalarUDF::new_from_impl(Join::default()));
            let call = ScalarFunction::new_udf(function, vec![*left, *right]);
            Transformed::yes(Expr::ScalarFunction(call))
        }
        other => Transformed::no(other),
    }
}

fn is_text(expr: &Expr, schema: &DFSchema) -> bool {
    let kind = expr.get_type(schema);
    kind.is_ok_and(|kind| kind.is_string())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Join {
    signature: Signature,
}

impl Default for Join {
    fn default() -> Self {
        Self {
            signature: Signature::any(2, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Join {
    fn name(&self) -> &str {
        "||"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        BinaryTypeCoercer::new(&types[0], &Operator::StringConcat, &types[1]).get_result_type()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let bytes: f64 = args.args.iter().map(|arg| text_bytes(arg, rows)).sum();
        if bytes > MOST_BYTES {
            return Err(bounded::too_much("||").into());
        }
        let single = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let sides: Vec<_> = (arrays.iter())
            .map(|array| Field::new("side", array.data_type().clone(), true))
            .collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(sides)), arrays)?;
        let side = |index| Arc::new(Column::new("side", index)) as Arc<dyn PhysicalExpr>;
        let join = expressions::BinaryExpr::new(side(0), Operator::StringConcat, side(1));
        let joined = join.evaluate(&batch)?.into_array(batch.num_rows())?;
        if single {
            let value = datafusion::common::ScalarValue::try_from_array(&joined, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(ColumnarValue::Array(joined))
    }
}

/// The bytes of all texts of an argument, written out for so many rows.
fn text_bytes(arg: &ColumnarValue, rows: usize) -> f64 {
    match arg {
        ColumnarValue::Scalar(value) => {
            let length = value.try_as_str().flatten().map_or(0, str::len);
            length as f64 * rows as f64
        }
        ColumnarValue::Array(array) => array_bytes(array),
    }
}

fn array_bytes(array: &ArrayRef) -> f64 {
    match array.data_type() {
        DataType::Utf8 => {
            let offsets = array.as_string::<i32>().value_offsets();
            f64::from(offsets[offsets.len() - 1] - offsets[0])
        }
        DataType::LargeUtf8 => {
            let offsets = array.as_string::<i64>().value_offsets();
            (offsets[offsets.len() - 1] - offsets[0]) as f64
        }
        // The lower half of a view is its text's length.
        DataType::Utf8View => {
            let views = array.as_string_view().views();
            views.iter().map(|view| f64::from(*view as u32)).sum()
        }
        _ => array.get_array_memory_size() as f64,
    }
}
