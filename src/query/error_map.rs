//! DataFusion's, Arrow's, Iceberg's and the lake's errors into ours.
//! Never guesses a kind from what a person wrote: only from types, and from the engine's own
//! fixed phrases where it has no type.

use std::error::Error as StdError;

use arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use super::{QueryError, QueryErrorKind as Kind};
use crate::lake;

impl From<DataFusionError> for QueryError {
    fn from(error: DataFusionError) -> Self {
        from_datafusion(&error)
    }
}

impl From<lake::Error> for QueryError {
    fn from(error: lake::Error) -> Self {
        from_lake(&error)
    }
}

/// Lets our own errors travel through DataFusion and come out as they went in.
impl From<QueryError> for DataFusionError {
    fn from(error: QueryError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

fn from_lake(error: &lake::Error) -> QueryError {
    let kind = match error.kind() {
        lake::ErrorKind::Invalid => Kind::InvalidParameter,
        lake::ErrorKind::NotFound => Kind::UndefinedTable,
        lake::ErrorKind::Conflict => Kind::SerializationFailure,
        lake::ErrorKind::Unavailable => Kind::Unavailable,
        lake::ErrorKind::Corrupt => Kind::Corrupt,
        lake::ErrorKind::Internal => Kind::Internal,
    };
    QueryError::new(kind, error.to_string())
}

fn from_datafusion(error: &DataFusionError) -> QueryError {
    match error {
        DataFusionError::Diagnostic(diagnostic, inner) => {
            let mut found = from_datafusion(inner);
            if found.position.is_none() {
                // Every span's column is the character position, see `statement`.
                found.position = diagnostic
                    .span
                    .and_then(|span| usize::try_from(span.start.column).ok())
                    .filter(|position| *position > 0);
            }
            if found.hint.is_none() {
                let helps: Vec<_> = diagnostic.helps.iter().map(|h| h.message.clone()).collect();
                found.hint = (!helps.is_empty()).then(|| helps.join(" "));
            }
            found
        }
        DataFusionError::Context(_, inner) => from_datafusion(inner),
        DataFusionError::Shared(inner) => from_datafusion(inner),
        DataFusionError::Collection(all) => match all.first() {
            Some(first) => from_datafusion(first),
            None => QueryError::new(Kind::Internal, error.strip_backtrace()),
        },
        DataFusionError::External(inner) => from_any(inner.as_ref()),
        DataFusionError::ArrowError(inner, _) => from_arrow(inner),
        DataFusionError::SchemaError(inner, _) => from_schema(inner),
        DataFusionError::SQL(inner, _) => QueryError::new(Kind::Syntax, inner.to_string()),
        DataFusionError::NotImplemented(text) => from_missing(text),
        DataFusionError::Plan(text) => from_plan_text(text),
        DataFusionError::Configuration(text) => {
            QueryError::new(Kind::InvalidParameter, clean(text))
        }
        DataFusionError::Execution(text) => from_execution_text(text),
        DataFusionError::ResourcesExhausted(text) => from_exhausted(text),
        DataFusionError::ObjectStore(inner) => from_store(inner),
        DataFusionError::ParquetError(inner) => QueryError::new(
            Kind::Corrupt,
            format!("a data file can't be read as Parquet: {inner}"),
        ),
        DataFusionError::IoError(inner) => from_io(inner),
        DataFusionError::ExecutionJoin(inner) if inner.is_cancelled() => cancelled(),
        other => QueryError::new(Kind::Internal, other.strip_backtrace()),
    }
}

/// The query was stopped: by its client, by a limit of time, or by the engine's shutdown.
pub(super) fn cancelled() -> QueryError {
    QueryError::new(Kind::Cancelled, "the query was cancelled")
}

fn from_any(error: &(dyn StdError + Send + Sync + 'static)) -> QueryError {
    if let Some(own) = error.downcast_ref::<QueryError>() {
        return own.clone();
    }
    if let Some(lake) = error.downcast_ref::<lake::Error>() {
        return from_lake(lake);
    }
    if let Some(inner) = error.downcast_ref::<DataFusionError>() {
        return from_datafusion(inner);
    }
    if let Some(inner) = error.downcast_ref::<ArrowError>() {
        return from_arrow(inner);
    }
    if let Some(inner) = error.downcast_ref::<object_store::Error>() {
        return from_store(inner);
    }
    if let Some(inner) = error.downcast_ref::<iceberg::Error>() {
        return from_iceberg(inner);
    }
    let text = error.to_string();
    let kind = if text.starts_with("regex parse error") {
        Kind::State("2201B")
    } else {
        Kind::Internal
    };
    QueryError::new(kind, text)
}

fn from_iceberg(error: &iceberg::Error) -> QueryError {
    let kind = match error.kind() {
        iceberg::ErrorKind::DataInvalid => Kind::Corrupt,
        iceberg::ErrorKind::FeatureUnsupported => Kind::FeatureNotSupported,
        _ => Kind::Unavailable,
    };
    QueryError::new(kind, error.to_string())
}

fn from_arrow(error: &ArrowError) -> QueryError {
    let kind = match error {
        ArrowError::ExternalError(inner) => return from_any(inner.as_ref()),
        ArrowError::DivideByZero => {
            return QueryError::new(Kind::DivisionByZero, "division by zero");
        }
        ArrowError::ArithmeticOverflow(_) => Kind::NumericOutOfRange,
        ArrowError::CastError(text) | ArrowError::ParseError(text) => cast_kind(text),
        ArrowError::ComputeError(text) if text.contains("verflow") => Kind::NumericOutOfRange,
        ArrowError::ComputeError(text) if text.contains("regex") => Kind::State("2201B"),
        ArrowError::InvalidArgumentError(text) if is_precision(text) => Kind::NumericOutOfRange,
        ArrowError::InvalidArgumentError(_) => Kind::InvalidParameter,
        ArrowError::NotYetImplemented(_) => Kind::FeatureNotSupported,
        ArrowError::MemoryError(_) => Kind::OutOfMemory,
        ArrowError::ParquetError(_) => Kind::Corrupt,
        ArrowError::IoError(_, inner) => return from_io(inner),
        _ => Kind::Internal,
    };
    QueryError::new(kind, clean(&error.to_string()))
}

/// A decimal that does not fit its declared digits.
fn is_precision(text: &str) -> bool {
    text.contains("too large to store") || text.contains("too small to store")
}

fn cast_kind(text: &str) -> Kind {
    let about_time = [
        "timestamp",
        "Timestamp",
        "date",
        "Date32",
        "interval",
        "time",
    ];
    if text.contains("out of range") || is_precision(text) || text.contains("Can't cast value") {
        Kind::NumericOutOfRange
    } else if about_time.iter().any(|word| text.contains(word)) {
        Kind::DatetimeInvalid
    } else {
        Kind::InvalidText
    }
}

fn from_schema(error: &SchemaError) -> QueryError {
    match error {
        SchemaError::FieldNotFound {
            field,
            valid_fields,
        } => {
            let mut found = QueryError::new(
                Kind::UndefinedColumn,
                format!("column \"{}\" does not exist", field.flat_name()),
            );
            let mut names: Vec<_> = valid_fields.iter().map(|c| c.flat_name()).collect();
            let more = names.len().saturating_sub(20);
            names.truncate(20);
            if !names.is_empty() {
                let tail = if more > 0 {
                    format!(", and {more} more")
                } else {
                    String::new()
                };
                found.hint = Some(format!("There are {}{tail}.", names.join(", ")));
            }
            found
        }
        SchemaError::AmbiguousReference { field } => QueryError::new(
            Kind::State("42702"),
            format!("column reference \"{}\" is ambiguous", field.name),
        )
        .with_hint("Write the table's name or alias before it."),
        other => QueryError::new(Kind::UndefinedColumn, other.to_string()),
    }
}

/// What the engine has not made is a feature; what it can't make anywhere is a mistake.
fn from_missing(text: &str) -> QueryError {
    if text.contains("does not support logical expression AggregateFunction") {
        return QueryError::new(
            Kind::GroupingError,
            "aggregate functions are not allowed here",
        );
    }
    if text.contains("does not support logical expression WindowFunction") {
        return QueryError::new(
            Kind::State("42P20"),
            "window functions are not allowed here",
        );
    }
    let kind = if text.contains("Unsupported SQL type") {
        Kind::UndefinedObject
    } else if text.contains("Unsupported CAST") {
        Kind::State("42846")
    } else {
        Kind::FeatureNotSupported
    };
    QueryError::new(kind, clean(text))
}

/// Phrases of DataFusion's planner and what they mean; the first that is found decides.
const PLANNING: &[(&str, Kind)] = &[
    ("must appear in the GROUP BY", Kind::GroupingError),
    ("GROUP BY clause", Kind::GroupingError),
    ("must be in GROUP BY", Kind::GroupingError),
    ("Aggregate functions are not allowed", Kind::GroupingError),
    ("HAVING clause references", Kind::GroupingError),
    ("Invalid function", Kind::UndefinedFunction),
    ("No function matches", Kind::UndefinedFunction),
    ("Failed to coerce arguments", Kind::UndefinedFunction),
    ("failed to match any signature", Kind::UndefinedFunction),
    ("user-defined coercion failed", Kind::UndefinedFunction),
    ("table function '", Kind::UndefinedFunction),
    ("unnest() can only be applied", Kind::UndefinedFunction),
    ("Negation only supports", Kind::UndefinedFunction),
    ("Cannot infer common", Kind::UndefinedFunction),
    ("Cannot coerce arithmetic", Kind::UndefinedFunction),
    ("Cannot get result type", Kind::UndefinedFunction),
    ("different number of columns", Kind::Syntax),
    ("Inconsistent data length", Kind::Syntax),
    ("Too many columns! The subquery", Kind::Syntax),
    ("must have the same number of columns", Kind::Syntax),
    ("Order by column out of bounds", Kind::State("42P10")),
    ("Cannot find column with position", Kind::State("42P10")),
    ("For SELECT DISTINCT, ORDER BY", Kind::State("42P10")),
    ("SELECT DISTINCT ON expressions", Kind::State("42P10")),
    ("names given as column alias", Kind::State("42P10")),
    ("specified more than once", Kind::State("42712")),
    ("not unique in table", Kind::State("42712")),
    ("is not defined", Kind::UndefinedObject),
    ("must be non negative", Kind::State("22013")),
    ("Invalid window frame", Kind::State("42P20")),
    ("WITHIN GROUP", Kind::State("42809")),
    ("was not provided a value", Kind::State("42P02")),
    ("Unsupported CAST", Kind::State("42846")),
    ("non-boolean predicate", Kind::DatatypeMismatch),
    ("must be boolean", Kind::DatatypeMismatch),
    ("Inconsistent data type", Kind::DatatypeMismatch),
    ("Cannot coerce", Kind::DatatypeMismatch),
    ("cannot be coerced", Kind::DatatypeMismatch),
    ("type_coercion", Kind::DatatypeMismatch),
    ("incompatible", Kind::DatatypeMismatch),
    ("Recursive CTE", Kind::State("42P19")),
    ("No field named", Kind::UndefinedColumn),
    ("not supported", Kind::FeatureNotSupported),
    ("Unsupported", Kind::FeatureNotSupported),
];

/// DataFusion has one type for all errors of planning; its phrases tell them apart.
fn from_plan_text(text: &str) -> QueryError {
    if let Some(name) = named_twice(text) {
        return QueryError::new(
            Kind::State("42701"),
            format!("column \"{name}\" specified more than once"),
        );
    }
    if text.starts_with("table '") && text.contains("not found") {
        return QueryError::new(Kind::UndefinedTable, clean(text));
    }
    let known = PLANNING.iter().find(|(phrase, _)| text.contains(phrase));
    let kind = known.map_or(Kind::InvalidParameter, |(_, kind)| *kind);
    QueryError::new(kind, clean(text))
}

fn from_execution_text(text: &str) -> QueryError {
    let kind = if text.contains("Divide by zero") || text.contains("division by zero") {
        Kind::DivisionByZero
    } else if text.contains("returned more than one row") {
        Kind::State("21000")
    } else if text.contains("was not provided a value") {
        Kind::State("42P02")
    } else if text.contains("regex parse error") {
        Kind::State("2201B")
    } else if text.contains("verflow") {
        Kind::NumericOutOfRange
    } else if text.contains("Error parsing timestamp") || text.contains("parsing date") {
        Kind::DatetimeInvalid
    } else if text.contains("parse") || text.contains("cast") {
        Kind::InvalidText
    } else {
        Kind::InvalidParameter
    };
    QueryError::new(kind, clean(text))
}

fn from_exhausted(text: &str) -> QueryError {
    if text.contains("disk space") {
        QueryError::new(
            Kind::DiskFull,
            format!(
                "the query needs more disk than it may spill to: {}",
                clean(text)
            ),
        )
        .with_hint("Narrow the query, or raise the limit of the spill directory.")
    } else {
        QueryError::new(
            Kind::OutOfMemory,
            format!("the query needs more memory than is left: {}", clean(text)),
        )
        .with_hint("Narrow the query, or raise the memory limit.")
    }
}

fn from_store(error: &object_store::Error) -> QueryError {
    match error {
        object_store::Error::NotFound { path, .. } => QueryError::new(
            Kind::ObjectNotInPrerequisiteState,
            format!("the file {path} is gone: its snapshot was expired while the query ran"),
        )
        .with_hint("Run the query again."),
        other => QueryError::new(
            Kind::Unavailable,
            format!("the object store did not answer: {other}"),
        ),
    }
}

fn from_io(error: &std::io::Error) -> QueryError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => QueryError::new(
            Kind::DiskFull,
            format!("the disk to which queries spill is full: {error}"),
        ),
        _ => QueryError::new(Kind::Unavailable, error.to_string()),
    }
}

/// Drops the engine's own prefixes and its back trace.
fn clean(text: &str) -> String {
    let text = text
        .split(DataFusionError::BACK_TRACE_SEP)
        .next()
        .unwrap_or(text);
    let mut text = text.trim();
    for prefix in [
        "Error during planning: ",
        "Execution error: ",
        "Arrow error: ",
        "Cast error: ",
    ] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    text.to_owned()
}

/// `Projections require unique expression names but the expression "t.a" at position 0 …`.
fn named_twice(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("require unique expression names but the expression \"")?;
    let (expression, _) = rest.split_once('"')?;
    Some(expression.rsplit('.').next().unwrap_or(expression))
}
