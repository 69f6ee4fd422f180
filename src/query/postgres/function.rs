//! Functions of Postgres that the engine lacks or has otherwise: each a few overloads, and a body
//! over one row. What they make is bounded by [`MOST_TEXT_BYTES`] a value.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, new_empty_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::datetime_in::Context;
pub use super::kind::T;
use super::row::Cells;
pub use super::row::{
    MOST_TEXT_BYTES, Row, boolean, float8, int4, int8, interval, null, refuse, text, texts,
    timestamp, timestamptz,
};
use super::types::{self, JSON, JSONB};
use crate::query::{QueryError, QueryErrorKind as Kind};

pub type Body = fn(&Row<'_>) -> Result<ScalarValue>;

/// One way to call a function.
#[derive(Clone, Copy)]
pub struct Overload {
    pub args: &'static [T],
    /// More arguments of this type may follow.
    pub more: Option<T>,
    pub returns: T,
    /// True: a NULL among the arguments makes NULL.
    pub strict: bool,
    pub body: Body,
}

/// An overload that gives NULL for NULL.
pub const fn on(args: &'static [T], returns: T, body: Body) -> Overload {
    Overload {
        args,
        more: None,
        returns,
        strict: true,
        body,
    }
}

/// An overload that sees NULLs.
pub const fn with_nulls(args: &'static [T], more: Option<T>, returns: T, body: Body) -> Overload {
    Overload {
        args,
        more,
        returns,
        strict: false,
        body,
    }
}

/// The same over whole columns, for what is asked often; None leaves it to the body.
pub type ByColumn = fn(&[ColumnarValue], &Context) -> Option<ArrayRef>;

/// A function under its names, the first being its own.
pub struct Function {
    names: &'static [&'static str],
    overloads: Arc<[Overload]>,
    by_column: Option<ByColumn>,
    context: Context,
    signature: Signature,
    aliases: Vec<String>,
}

impl Function {
    pub fn new(names: &'static [&'static str], overloads: impl Into<Vec<Overload>>) -> Self {
        Self {
            names,
            overloads: overloads.into().into(),
            by_column: None,
            context: Context::default(),
            // Some depend on the session's zone, none on the moment.
            signature: Signature::user_defined(Volatility::Stable),
            aliases: names[1..].iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    pub fn names(&self) -> &'static [&'static str] {
        self.names
    }

    #[must_use]
    pub fn by_column(mut self, by_column: ByColumn) -> Self {
        self.by_column = Some(by_column);
        self
    }

    /// Further names, those that the engine's function of this name had.
    #[must_use]
    pub fn also(mut self, names: Vec<String>) -> Self {
        for name in names {
            if name != self.names[0] && !self.aliases.contains(&name) {
                self.aliases.push(name);
            }
        }
        self
    }

    pub fn build(self) -> ScalarUDF {
        ScalarUDF::new_from_impl(self)
    }

    fn choose(&self, kinds: &[DataType]) -> Option<&Overload> {
        let mut best: Option<(u32, &Overload)> = None;
        for overload in self.overloads.iter() {
            let count = overload.args.len();
            if kinds.len() < count || (kinds.len() > count && overload.more.is_none()) {
                continue;
            }
            let score: Option<u32> = kinds
                .iter()
                .enumerate()
                .map(|(index, kind)| wanted(overload, index)?.fit(kind))
                .sum();
            if let Some(score) = score
                && best.is_none_or(|(most, _)| score > most)
            {
                best = Some((score, overload));
            }
        }
        best.map(|(_, overload)| overload)
    }

    fn unknown(&self, kinds: &[DataType]) -> QueryError {
        let kinds: Vec<_> = kinds.iter().map(types::name_of).collect();
        QueryError::new(
            Kind::UndefinedFunction,
            format!(
                "function {}({}) does not exist",
                self.names[0],
                kinds.join(", ")
            ),
        )
        .with_hint(
            "No function matches the given name and argument types. You might need to add \
             explicit type casts.",
        )
    }
}

fn wanted(overload: &Overload, index: usize) -> Option<T> {
    overload.args.get(index).copied().or(overload.more)
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Function")
            .field("name", &self.names[0])
            .finish_non_exhaustive()
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.names[0] == other.names[0] && self.context.zone == other.context.zone
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.names[0].hash(state);
        self.context.zone.name().hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.names[0]
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, kinds: &[DataType]) -> Result<Vec<DataType>> {
        let overload = self.choose(kinds).ok_or_else(|| self.unknown(kinds))?;
        let coerced = kinds.iter().enumerate().map(|(index, kind)| {
            match wanted(overload, index) {
                None | Some(T::Shown) => kind.clone(),
                // Numerics keep their own scale: the body reads them exactly.
                Some(T::Numeric(_))
                    if matches!(kind, DataType::Decimal128(..) | DataType::Decimal256(..)) =>
                {
                    kind.clone()
                }
                Some(T::Numeric(_)) if kind.is_integer() => DataType::Decimal128(20, 0),
                Some(T::Numeric(_)) => DataType::Decimal128(38, 16),
                Some(T::TimestampTz) => match kind {
                    DataType::Timestamp(_, Some(zone)) => {
                        DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::clone(zone)))
                    }
                    _ => DataType::Timestamp(
                        TimeUnit::Microsecond,
                        Some(self.context.zone.name().into()),
                    ),
                },
                Some(wanted) => wanted.arrow(),
            }
        });
        Ok(coerced.collect())
    }

    fn return_type(&self, kinds: &[DataType]) -> Result<DataType> {
        let overload = self.choose(kinds).ok_or_else(|| self.unknown(kinds))?;
        Ok(overload.returns.arrow())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let kinds: Vec<_> = args
            .arg_fields
            .iter()
            .map(|f| f.data_type().clone())
            .collect();
        let overload = self.choose(&kinds).ok_or_else(|| self.unknown(&kinds))?;
        let field = Field::new(self.names[0], overload.returns.arrow(), true);
        Ok(Arc::new(match overload.returns {
            T::Json => types::marked(field, JSON),
            T::Jsonb => types::marked(field, JSONB),
            T::Varchar => types::marked(field, "varchar"),
            T::Bpchar => types::marked(field, "bpchar"),
            T::Name => types::marked(field, "name"),
            T::Char => types::marked(field, "char"),
            T::Regtype => types::marked(field, "regtype"),
            _ => field,
        }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let kinds: Vec<_> = args
            .arg_fields
            .iter()
            .map(|f| f.data_type().clone())
            .collect();
        let overload = self.choose(&kinds).ok_or_else(|| self.unknown(&kinds))?;
        let single = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if single { 1 } else { args.number_rows };
        let zone = args
            .config_options
            .execution
            .time_zone
            .as_deref()
            .unwrap_or("UTC");
        let context = Context {
            zone: super::datetime_in::zone_named(zone).unwrap_or(chrono_tz::Tz::UTC),
            ..self.context
        };
        if let Some(array) = self.by_column.and_then(|all| all(&args.args, &context)) {
            return Ok(ColumnarValue::Array(array));
        }
        let columns = args
            .args
            .iter()
            .enumerate()
            .map(|(index, arg)| {
                let one_for_all = matches!(arg, ColumnarValue::Scalar(_));
                let array = arg.to_array(1.max(if one_for_all { 1 } else { rows }))?;
                let kind = wanted(overload, index);
                let Some(kind) = kind else {
                    return internal_err!("{} with too many arguments", self.names[0]);
                };
                Cells::new(&array, kind, one_for_all, &args.arg_fields[index], &context)
            })
            .collect::<Result<Vec<_>>>()?;
        let returns = args.return_field.data_type();
        let null = ScalarValue::try_from(returns)?;
        let mut row = Row {
            columns: &columns,
            at: 0,
            context: &context,
        };
        let lists = matches!(returns, DataType::List(_));
        let mut values = Vec::with_capacity(rows);
        for at in 0..rows {
            row.at = at;
            let value = if overload.strict && (0..columns.len()).any(|index| row.is_null(index)) {
                null.clone()
            } else {
                match (overload.body)(&row)? {
                    ScalarValue::Null => null.clone(),
                    // Lists bear their item's mark in their type, and a null beside them does.
                    value if lists && value.data_type() != *returns => marked(value, returns)?,
                    value => value,
                }
            };
            values.push(value);
        }
        if single {
            let value = values.pop().unwrap_or(null);
            let value = if value.data_type() == *returns {
                value
            } else {
                marked(value, returns)?
            };
            return Ok(ColumnarValue::Scalar(value));
        }
        let array = if values.is_empty() {
            new_empty_array(returns)
        } else {
            ScalarValue::iter_to_array(values)?
        };
        let array = if array.data_type() == returns {
            array
        } else {
            cast_with_options(&array, returns, &CastOptions::default())?
        };
        Ok(ColumnarValue::Array(array))
    }
}

/// A list whose items bear the mark that `returns` has; any other value cast.
fn marked(value: ScalarValue, returns: &DataType) -> Result<ScalarValue> {
    match (&value, returns) {
        (ScalarValue::List(list), DataType::List(item))
            if list.value_type() == *item.data_type() =>
        {
            let (_, offsets, values, nulls) = list.as_ref().clone().into_parts();
            let list = ListArray::try_new(Arc::clone(item), offsets, values, nulls)?;
            Ok(ScalarValue::List(Arc::new(list)))
        }
        _ => value.cast_to(returns),
    }
}
