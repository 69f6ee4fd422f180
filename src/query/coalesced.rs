//! `coalesce` beside arrays: `coalesce(a, '{}')` is an array in Postgres. DataFusion's finds no type
//! for it and gives up before any rule of ours can make an array of the text (`literals` does).

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature,
};

/// Puts it in the place of DataFusion's.
pub(super) fn install(state: &mut SessionState) -> Result<()> {
    if let Ok(inner) = state.udf("coalesce") {
        let own = Coalesce {
            inner: inner.as_ref().clone(),
        };
        state.register_udf(Arc::new(ScalarUDF::new_from_impl(own)))?;
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Coalesce {
    inner: ScalarUDF,
}

impl ScalarUDFImpl for Coalesce {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let list = types.iter().find(|kind| matches!(kind, DataType::List(_)));
        let texts = types.iter().all(|kind| {
            matches!(
                kind,
                DataType::List(_) | DataType::Utf8 | DataType::Utf8View | DataType::Null
            )
        });
        let text = types
            .iter()
            .any(|kind| matches!(kind, DataType::Utf8 | DataType::Utf8View));
        match list {
            Some(list) if text && texts => Ok(vec![list.clone(); types.len()]),
            _ => self.inner.coerce_types(types),
        }
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.inner.simplify(args, info)
    }

    fn short_circuits(&self) -> bool {
        self.inner.short_circuits()
    }

    fn conditional_arguments<'a>(
        &self,
        args: &'a [Expr],
    ) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.inner.conditional_arguments(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.inner.invoke_with_args(args)
    }
}
