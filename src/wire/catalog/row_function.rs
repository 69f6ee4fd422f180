//! A scalar function given by a closure over one row's arguments as text.
//! For functions of the catalogs: called on few rows, with arguments of any type.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};

/// One row's arguments; NULL is None.
pub(super) type Args<'a> = [Option<&'a str>];
type Body = dyn Fn(&Args<'_>) -> Result<ScalarValue> + Send + Sync;

pub(super) struct RowFunction {
    name: &'static str,
    aliases: Vec<String>,
    returns: DataType,
    signature: Signature,
    body: Arc<Body>,
}

impl RowFunction {
    pub fn new(
        name: &'static str,
        returns: DataType,
        volatility: Volatility,
        body: impl Fn(&Args<'_>) -> Result<ScalarValue> + Send + Sync + 'static,
    ) -> Self {
        let any = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
        Self {
            name,
            aliases: Vec::new(),
            returns,
            signature: Signature::one_of(any, volatility),
            body: Arc::new(body),
        }
    }

    pub fn aliases(mut self, aliases: &[&str]) -> Self {
        self.aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        self
    }

    pub fn build(self) -> ScalarUDF {
        ScalarUDF::new_from_impl(self)
    }
}

impl std::fmt::Debug for RowFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowFunction")
            .field("name", &self.name)
            .finish()
    }
}

// Two functions are the same when they run the same closure: a session's is its own.
impl PartialEq for RowFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.body, &other.body)
    }
}

impl Eq for RowFunction {}

impl Hash for RowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for RowFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let texts = args
            .args
            .iter()
            .map(|arg| Ok(cast(&arg.to_array(rows)?, &DataType::Utf8)?))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let values = (0..rows)
            .map(|row| {
                let row: Vec<Option<&str>> = texts
                    .iter()
                    .map(|array| {
                        let array = array.as_string::<i32>();
                        array.is_valid(row).then(|| array.value(row))
                    })
                    .collect();
                (self.body)(&row)
            })
            .collect::<Result<Vec<ScalarValue>>>()?;
        if scalar && let Some(value) = values.first() {
            return Ok(ColumnarValue::Scalar(value.clone()));
        }
        if values.is_empty() {
            return Ok(ColumnarValue::Array(arrow::array::new_empty_array(
                &self.returns,
            )));
        }
        Ok(ColumnarValue::Array(ScalarValue::iter_to_array(values)?))
    }
}
