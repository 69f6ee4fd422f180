//! A value as it is, with marks on its column: what a column is beyond its Arrow type stands in its
//! field, and both parts of a recursive query must say the same there.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

pub(super) type Marks = BTreeMap<String, String>;

/// The expression with these marks and no others.
pub(super) fn marked(expr: Expr, marks: Marks) -> Expr {
    let function = ScalarUDF::new_from_impl(Marked {
        marks,
        signature: Signature::any(1, Volatility::Immutable),
    });
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function), vec![expr]))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Marked {
    marks: Marks,
    signature: Signature,
}

impl ScalarUDFImpl for Marked {
    fn name(&self) -> &str {
        "marked"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [kind] => Ok(kind.clone()),
            _ => internal_err!("one value is marked"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let [field] = args.arg_fields else {
            return internal_err!("one value is marked");
        };
        let marks = self.marks.clone().into_iter().collect();
        let named = Field::new(self.name(), field.data_type().clone(), field.is_nullable());
        Ok(Arc::new(named.with_metadata(marks)))
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.pop() {
            Some(value) => Ok(value),
            None => internal_err!("one value is marked"),
        }
    }
}
