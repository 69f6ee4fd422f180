//! Functions of Postgres that the engine lacks or has otherwise: each a few overloads, and a body
//! over one row. What they make is bounded by [`MOST_TEXT_BYTES`] a value.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, new_empty_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, Decimal256Type, Field, FieldRef, Float64Type, Int64Type,
    IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType, i256,
};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::datetime_in::Context;
use super::interval_in::Interval;
use super::types::{self, JSON, JSONB};
use crate::query::{QueryError, QueryErrorKind as Kind};

/// The longest value that a function here makes.
pub const MOST_TEXT_BYTES: usize = 64 << 20;

/// A type of an argument or result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum T {
    Bool,
    Int4,
    Int8,
    Float8,
    /// With this scale.
    Numeric(i8),
    Text,
    Bytea,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Interval,
    Json,
    Jsonb,
    Varchar,
    Bpchar,
    Name,
    Char,
    Regtype,
    TextArray,
    TextArrays,
    JsonArray,
    JsonbArray,
    IntArray,
    /// Any type, given to the body as its text; NULL counts.
    Shown,
}

impl T {
    pub fn arrow(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int4 => DataType::Int32,
            Self::Int8 => DataType::Int64,
            Self::Float8 => DataType::Float64,
            Self::Numeric(scale) => DataType::Decimal128(38, scale),
            Self::Text
            | Self::Json
            | Self::Jsonb
            | Self::Varchar
            | Self::Bpchar
            | Self::Name
            | Self::Char
            | Self::Regtype
            | Self::Shown => DataType::Utf8,
            Self::Bytea => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Self::TextArray => DataType::new_list(DataType::Utf8, true),
            Self::TextArrays => DataType::new_list(DataType::new_list(DataType::Utf8, true), true),
            Self::JsonArray => list_of(JSON),
            Self::JsonbArray => list_of(JSONB),
            Self::IntArray => DataType::new_list(DataType::Int32, true),
        }
    }

    /// How well a value of this type fits: 3 the same, 2 without a word, 1 a text whose type may
    /// yet be unknown.
    fn fit(self, kind: &DataType) -> Option<u32> {
        use DataType as D;
        let text = kind.is_string();
        let number = |rank: u32| -> Option<u32> {
            let own = match kind {
                D::Int8 | D::UInt8 | D::Int16 => 1,
                D::Int32 | D::UInt16 => 2,
                D::Int64 | D::UInt32 => 3,
                D::UInt64
                | D::Decimal32(..)
                | D::Decimal64(..)
                | D::Decimal128(..)
                | D::Decimal256(..) => 4,
                D::Float16 | D::Float32 => 5,
                D::Float64 => 6,
                _ => return None,
            };
            match rank {
                _ if own == rank => Some(300),
                // A literal is an int8 until the plan is settled.
                2 if own == 3 => Some(40),
                _ if own < rank => Some(200 - (rank - own) * 10 + if rank == 6 { 25 } else { 0 }),
                _ => None,
            }
        };
        let found = match self {
            Self::Bool => (*kind == D::Boolean).then_some(300),
            Self::Int4 => number(2),
            Self::Int8 => number(3),
            Self::Numeric(_) => number(4),
            Self::Float8 => number(6),
            Self::Text | Self::Varchar | Self::Bpchar | Self::Name | Self::Char | Self::Regtype => {
                text.then_some(300)
            }
            Self::TextArrays | Self::JsonArray | Self::JsonbArray => None,
            Self::Bytea => {
                matches!(kind, D::Binary | D::LargeBinary | D::BinaryView).then_some(300)
            }
            Self::Date => matches!(kind, D::Date32).then_some(300),
            Self::Time => matches!(kind, D::Time32(_) | D::Time64(_)).then_some(300),
            Self::Timestamp => match kind {
                D::Timestamp(_, None) => Some(300),
                D::Date32 | D::Date64 => Some(200),
                _ => None,
            },
            Self::TimestampTz => match kind {
                D::Timestamp(_, Some(_)) => Some(300),
                // Postgres prefers an instant where it may choose.
                D::Timestamp(_, None) => Some(205),
                D::Date32 | D::Date64 => Some(205),
                _ => None,
            },
            Self::Interval => matches!(kind, D::Interval(_) | D::Duration(_)).then_some(300),
            Self::Json | Self::Jsonb => text.then_some(290),
            Self::TextArray | Self::IntArray => match kind {
                D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _) => {
                    let wanted = if self == Self::IntArray {
                        item.data_type().is_integer()
                    } else {
                        item.data_type().is_string() || item.data_type().is_null()
                    };
                    wanted.then_some(300)
                }
                _ => None,
            },
            Self::Shown => Some(100),
        };
        match found {
            Some(score) => Some(score),
            None if kind.is_null() => Some(150),
            None if text => Some(50),
            None => None,
        }
    }
}

/// A list whose texts are of this type.
fn list_of(mark: &str) -> DataType {
    let item = types::marked(Field::new_list_field(DataType::Utf8, true), mark);
    DataType::List(Arc::new(item))
}

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
        let mut values = Vec::with_capacity(rows);
        for at in 0..rows {
            row.at = at;
            let value = if overload.strict && (0..columns.len()).any(|index| row.is_null(index)) {
                null.clone()
            } else {
                match (overload.body)(&row)? {
                    ScalarValue::Null => null.clone(),
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
                value.cast_to(returns)?
            };
            return Ok(ColumnarValue::Scalar(value));
        }
        let array = if values.is_empty() {
            new_empty_array(returns)
        } else {
            ScalarValue::iter_to_array(values)?
        };
        // Lists bear their item's mark in their type.
        let array = if array.data_type() == returns {
            array
        } else {
            cast_with_options(&array, returns, &CastOptions::default())?
        };
        Ok(ColumnarValue::Array(array))
    }
}

/// One argument's values, in the type that the body reads.
struct Cells {
    array: ArrayRef,
    one_for_all: bool,
    /// The type as it came, for what shows values of any type.
    kind: DataType,
    mark: Option<String>,
}

impl Cells {
    fn new(
        array: &ArrayRef,
        kind: T,
        one_for_all: bool,
        field: &FieldRef,
        context: &Context,
    ) -> Result<Self> {
        let to = match kind {
            T::Bool => DataType::Boolean,
            T::Int4 | T::Int8 => DataType::Int64,
            T::Float8 => DataType::Float64,
            T::Numeric(_) => match array.data_type() {
                DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => {
                    DataType::Decimal256(76, *scale)
                }
                _ => DataType::Decimal256(76, 16),
            },
            T::Text | T::Json | T::Jsonb => DataType::Utf8,
            T::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            T::Shown => {
                let mark = types::mark_of(field).map(str::to_owned);
                let shown = super::text_out::shown(array, mark.as_deref(), context.zone)?;
                return Ok(Self {
                    array: shown,
                    one_for_all,
                    kind: array.data_type().clone(),
                    mark,
                });
            }
            other => other.arrow(),
        };
        let strict = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        Ok(Self {
            array: if *array.data_type() == to {
                Arc::clone(array)
            } else {
                cast_with_options(array, &to, &strict)?
            },
            one_for_all,
            kind: array.data_type().clone(),
            mark: types::mark_of(field).map(str::to_owned),
        })
    }
}

/// One row's arguments.
pub struct Row<'a> {
    columns: &'a [Cells],
    at: usize,
    pub context: &'a Context,
}

impl<'a> Row<'a> {
    fn cell(&self, index: usize) -> (&'a ArrayRef, usize) {
        let cells = &self.columns[index];
        (&cells.array, if cells.one_for_all { 0 } else { self.at })
    }

    pub fn len(&self) -> usize {
        self.columns.len()
    }

    pub fn is_null(&self, index: usize) -> bool {
        let (array, at) = self.cell(index);
        array.is_null(at) || array.data_type().is_null()
    }

    /// The Arrow type as the argument came, for [`T::Shown`].
    pub fn kind(&self, index: usize) -> &'a DataType {
        &self.columns[index].kind
    }

    pub fn mark(&self, index: usize) -> Option<&'a str> {
        self.columns[index].mark.as_deref()
    }

    pub fn text(&self, index: usize) -> &'a str {
        let (array, at) = self.cell(index);
        array.as_string::<i32>().value(at)
    }

    pub fn int(&self, index: usize) -> i64 {
        let (array, at) = self.cell(index);
        array.as_primitive::<Int64Type>().value(at)
    }

    pub fn float(&self, index: usize) -> f64 {
        let (array, at) = self.cell(index);
        array.as_primitive::<Float64Type>().value(at)
    }

    pub fn bool(&self, index: usize) -> bool {
        let (array, at) = self.cell(index);
        array.as_boolean().value(at)
    }

    pub fn bytes(&self, index: usize) -> &'a [u8] {
        let (array, at) = self.cell(index);
        array.as_binary::<i32>().value(at)
    }

    pub fn date(&self, index: usize) -> i32 {
        let (array, at) = self.cell(index);
        array.as_primitive::<Date32Type>().value(at)
    }

    pub fn time(&self, index: usize) -> i64 {
        let (array, at) = self.cell(index);
        array.as_primitive::<Time64MicrosecondType>().value(at)
    }

    /// Microseconds of a timestamp, with a zone or without.
    pub fn micros(&self, index: usize) -> i64 {
        let (array, at) = self.cell(index);
        array.as_primitive::<TimestampMicrosecondType>().value(at)
    }

    pub fn interval(&self, index: usize) -> Interval {
        let (array, at) = self.cell(index);
        let value = array.as_primitive::<IntervalMonthDayNanoType>().value(at);
        Interval {
            months: i64::from(value.months),
            days: i64::from(value.days),
            micros: value.nanoseconds.div_euclid(1000),
        }
    }

    /// The digits and the scale of a numeric.
    pub fn numeric(&self, index: usize) -> (i256, i8) {
        let (array, at) = self.cell(index);
        let scale = match array.data_type() {
            DataType::Decimal256(_, scale) => *scale,
            _ => 0,
        };
        (array.as_primitive::<Decimal256Type>().value(at), scale)
    }

    pub fn texts(&self, index: usize) -> Vec<Option<String>> {
        let (array, at) = self.cell(index);
        let list = array.as_list::<i32>().value(at);
        let texts = list.as_string::<i32>();
        texts.iter().map(|text| text.map(str::to_owned)).collect()
    }

    pub fn ints(&self, index: usize) -> Vec<Option<i64>> {
        let (array, at) = self.cell(index);
        let list = array.as_list::<i32>().value(at);
        match cast_with_options(&list, &DataType::Int64, &CastOptions::default()) {
            Ok(list) => list.as_primitive::<Int64Type>().iter().collect(),
            Err(_) => Vec::new(),
        }
    }
}

pub fn text(value: impl Into<String>) -> Result<ScalarValue> {
    let value = value.into();
    if value.len() > MOST_TEXT_BYTES {
        return Err(QueryError::new(Kind::State("54000"), "requested length too large").into());
    }
    Ok(ScalarValue::Utf8(Some(value)))
}

pub fn int4(value: i64) -> Result<ScalarValue> {
    match i32::try_from(value) {
        Ok(value) => Ok(ScalarValue::Int32(Some(value))),
        Err(_) => Err(QueryError::new(Kind::NumericOutOfRange, "integer out of range").into()),
    }
}

pub fn int8(value: i64) -> Result<ScalarValue> {
    Ok(ScalarValue::Int64(Some(value)))
}

pub fn float8(value: f64) -> Result<ScalarValue> {
    Ok(ScalarValue::Float64(Some(value)))
}

pub fn boolean(value: bool) -> Result<ScalarValue> {
    Ok(ScalarValue::Boolean(Some(value)))
}

pub fn null() -> Result<ScalarValue> {
    Ok(ScalarValue::Null)
}

pub fn timestamp(micros: i64) -> Result<ScalarValue> {
    Ok(ScalarValue::TimestampMicrosecond(Some(micros), None))
}

pub fn timestamptz(micros: i64) -> Result<ScalarValue> {
    Ok(ScalarValue::TimestampMicrosecond(
        Some(micros),
        Some("UTC".into()),
    ))
}

pub fn interval(value: Interval) -> Result<ScalarValue> {
    types::interval(value).map(|value| ScalarValue::IntervalMonthDayNano(Some(value)))
}

pub fn texts(values: impl IntoIterator<Item = Option<String>>) -> Result<ScalarValue> {
    let values: Vec<_> = values.into_iter().map(ScalarValue::Utf8).collect();
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(
        &values,
        &DataType::Utf8,
    )))
}

pub fn refuse<X>(kind: Kind, message: impl Into<String>) -> Result<X> {
    Err(QueryError::new(kind, message).into())
}
