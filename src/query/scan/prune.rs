//! Leaves out manifests and files that can't hold a row of the answer, by their partition values
//! and column bounds. Whatever is not known keeps a file in: leaving one out wrongly loses rows.

use std::cmp::Ordering;
use std::collections::HashMap;

use iceberg::spec::{
    DataFile, Literal, ManifestFile, PartitionSpec, PrimitiveType, Schema, TableMetadata,
    Transform, Type,
};
use iceberg::transform::create_transform_function;

use super::files::DataFileEntry;
use super::predicate::{Op, Predicate};
use super::value::Value;

/// What is known of a column's values in some rows. The default knows nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Range {
    /// No value is lower.
    low: Option<Value>,
    /// No value is higher (nor NaN, unless `may_have_nan`).
    high: Option<Value>,
    /// Some(false): none is null.
    some_null: Option<bool>,
    /// True: all are null.
    all_null: bool,
    /// A float may be NaN, which stands above every bound.
    may_have_nan: bool,
}

/// Prunes one scan.
pub(super) struct Pruner<'a> {
    metadata: &'a TableMetadata,
    schema: &'a Schema,
    predicate: &'a Predicate,
}

/// What is known of the columns in a set of rows.
trait Known {
    fn range(&self, field: i32) -> Range;
    /// True when a hash of the partition shows that no row has this value.
    fn hashed_elsewhere(&self, field: i32, value: &Value) -> bool;
}

impl<'a> Pruner<'a> {
    pub(super) fn new(
        metadata: &'a TableMetadata,
        schema: &'a Schema,
        predicate: &'a Predicate,
    ) -> Self {
        Self {
            metadata,
            schema,
            predicate,
        }
    }

    pub(super) fn manifest_may_match(&self, manifest: &ManifestFile) -> bool {
        let Some(summaries) = &manifest.partitions else {
            return true;
        };
        let Some(spec) = self
            .metadata
            .partition_spec_by_id(manifest.partition_spec_id)
        else {
            return true;
        };
        if summaries.len() != spec.fields().len() {
            return true;
        }
        let known = ManifestKnown {
            schema: self.schema,
            manifest,
            spec,
        };
        may_match(self.predicate, &known)
    }

    pub(super) fn file_may_match(&self, file: &DataFileEntry) -> bool {
        let known = FileKnown {
            schema: self.schema,
            file: file.file(),
            spec: self
                .metadata
                .partition_spec_by_id(file.partition_spec_id)
                .map(AsRef::as_ref),
        };
        may_match(self.predicate, &known)
    }
}

fn may_match(predicate: &Predicate, known: &dyn Known) -> bool {
    match predicate {
        Predicate::Unknown => true,
        Predicate::Never => false,
        Predicate::And(all) => all.iter().all(|p| may_match(p, known)),
        Predicate::Or(any) => any.iter().any(|p| may_match(p, known)),
        Predicate::Compare { field, op, value } => {
            known.range(*field).may_compare(*op, value)
                && !(*op == Op::Eq && known.hashed_elsewhere(*field, value))
        }
        Predicate::In { field, values } => {
            let range = known.range(*field);
            values.iter().any(|value| {
                range.may_compare(Op::Eq, value) && !known.hashed_elsewhere(*field, value)
            })
        }
        Predicate::StartsWith { field, prefix } => known.range(*field).may_start_with(prefix),
        Predicate::IsNull { field } => known.range(*field).some_null != Some(false),
        Predicate::IsNotNull { field } => !known.range(*field).all_null,
    }
}

impl Range {
    fn may_compare(&self, op: Op, value: &Value) -> bool {
        if self.all_null {
            return false;
        }
        // Each is true also when the two can't be compared.
        let low_at_most = |strictly: bool| match self.low.as_ref().and_then(|l| l.compare(value)) {
            Some(Ordering::Greater) => false,
            Some(Ordering::Equal) => !strictly,
            _ => true,
        };
        let high_at_least = |strictly: bool| {
            if self.may_have_nan {
                return true;
            }
            match self.high.as_ref().and_then(|h| h.compare(value)) {
                Some(Ordering::Less) => false,
                Some(Ordering::Equal) => !strictly,
                _ => true,
            }
        };
        match op {
            Op::Eq => low_at_most(false) && high_at_least(false),
            Op::Lt => low_at_most(true),
            Op::LtEq => low_at_most(false),
            Op::Gt => high_at_least(true),
            Op::GtEq => high_at_least(false),
            // Bounds may be wider than the values: they never show that all are equal.
            Op::NotEq => true,
        }
    }

    fn may_start_with(&self, prefix: &str) -> bool {
        if self.all_null {
            return false;
        }
        let above = match &self.low {
            Some(Value::Text(low)) => {
                low.as_bytes() > prefix.as_bytes() && !low.as_bytes().starts_with(prefix.as_bytes())
            }
            _ => false,
        };
        let below = match &self.high {
            Some(Value::Text(high)) => high.as_bytes() < prefix.as_bytes(),
            _ => false,
        };
        !above && !below
    }

    /// Both are true of the same rows.
    fn and(self, other: Self) -> Self {
        Self {
            low: self.low.or(other.low),
            high: self.high.or(other.high),
            some_null: self.some_null.or(other.some_null),
            all_null: self.all_null || other.all_null,
            may_have_nan: self.may_have_nan && other.may_have_nan,
        }
    }
}

/// The primitive type of a column, nested ones too.
fn kind_of(schema: &Schema, field: i32) -> Option<&PrimitiveType> {
    match schema.field_by_id(field)?.field_type.as_ref() {
        Type::Primitive(kind) => Some(kind),
        _ => None,
    }
}

fn is_float(kind: &PrimitiveType) -> bool {
    matches!(kind, PrimitiveType::Float | PrimitiveType::Double)
}

struct FileKnown<'a> {
    schema: &'a Schema,
    file: &'a DataFile,
    spec: Option<&'a PartitionSpec>,
}

impl FileKnown<'_> {
    fn bounds_range(&self, field: i32, kind: &PrimitiveType) -> Range {
        let bound = |bounds: &HashMap<i32, iceberg::spec::Datum>| {
            bounds
                .get(&field)
                .and_then(|datum| Value::from_datum(datum, kind))
                .filter(|value| !matches!(value, Value::Float(v) if v.is_nan()))
        };
        let nulls = self.file.null_value_counts().get(&field).copied();
        let values = self.file.value_counts().get(&field).copied();
        Range {
            low: bound(self.file.lower_bounds()),
            high: bound(self.file.upper_bounds()),
            some_null: nulls.map(|nulls| nulls > 0),
            all_null: matches!((nulls, values), (Some(n), Some(v)) if n == v && v > 0),
            may_have_nan: is_float(kind)
                && self.file.nan_value_counts().get(&field).copied() != Some(0),
        }
    }

    /// What the partition's values tell of the column.
    fn partition_range(&self, field: i32, kind: &PrimitiveType) -> Range {
        let mut range = Range {
            may_have_nan: is_float(kind),
            ..Range::default()
        };
        let Some(spec) = self.spec else {
            return range;
        };
        for (part, literal) in spec.fields().iter().zip(self.file.partition().iter()) {
            if part.source_id != field {
                continue;
            }
            let told = match literal {
                // All transforms but void give null for null and for nothing else.
                None if part.transform != Transform::Void => Range {
                    all_null: true,
                    some_null: Some(true),
                    ..Range::default()
                },
                Some(Literal::Primitive(literal)) => {
                    let Some(of) = part_kind(part.transform, kind) else {
                        continue;
                    };
                    let Some(value) = Value::from_literal(literal, &of) else {
                        continue;
                    };
                    Range {
                        low: lowest(part.transform, kind, &value),
                        high: highest(part.transform, kind, &value),
                        some_null: (part.transform != Transform::Void).then_some(false),
                        ..Range::default()
                    }
                }
                _ => continue,
            };
            let nan = range.may_have_nan;
            range = told.and(range);
            range.may_have_nan = nan;
        }
        range
    }
}

impl Known for FileKnown<'_> {
    fn range(&self, field: i32) -> Range {
        let Some(kind) = kind_of(self.schema, field) else {
            return Range::default();
        };
        // Bounds go first: they are the narrower ones, where there are any.
        self.bounds_range(field, kind)
            .and(self.partition_range(field, kind))
    }

    fn hashed_elsewhere(&self, field: i32, value: &Value) -> bool {
        let (Some(spec), Some(kind)) = (self.spec, kind_of(self.schema, field)) else {
            return false;
        };
        spec.fields()
            .iter()
            .zip(self.file.partition().iter())
            .filter(|(part, _)| part.source_id == field)
            .any(|(part, literal)| match (part.transform, literal) {
                (Transform::Bucket(_), Some(Literal::Primitive(stands_in))) => {
                    bucket(part.transform, kind, value).is_some_and(|wanted| {
                        Value::from_literal(stands_in, &PrimitiveType::Int)
                            .is_some_and(|stands_in| stands_in != Value::Int(wanted))
                    })
                }
                _ => false,
            })
    }
}

struct ManifestKnown<'a> {
    schema: &'a Schema,
    manifest: &'a ManifestFile,
    spec: &'a PartitionSpec,
}

impl Known for ManifestKnown<'_> {
    fn range(&self, field: i32) -> Range {
        let mut range = Range::default();
        let Some(kind) = kind_of(self.schema, field) else {
            return range;
        };
        range.may_have_nan = is_float(kind);
        let summaries = self.manifest.partitions.as_deref().unwrap_or_default();
        for (part, summary) in self.spec.fields().iter().zip(summaries) {
            if part.source_id != field || part.transform == Transform::Void {
                continue;
            }
            let Some(of) = part_kind(part.transform, kind) else {
                continue;
            };
            let bound = |bytes: Option<&[u8]>| {
                let bytes = bytes?;
                let datum = iceberg::spec::Datum::try_from_bytes(bytes, of.clone()).ok()?;
                Value::from_datum(&datum, &of)
            };
            let low = bound(summary.lower_bound.as_ref().map(|b| b.as_slice()));
            let high = bound(summary.upper_bound.as_ref().map(|b| b.as_slice()));
            let told = Range {
                // No bound at all, and nulls: every partition is the one of null.
                all_null: low.is_none()
                    && high.is_none()
                    && summary.contains_null
                    && summary.contains_nan != Some(true)
                    && !range.may_have_nan,
                low: low.and_then(|v| lowest(part.transform, kind, &v)),
                high: high.and_then(|v| highest(part.transform, kind, &v)),
                some_null: (!summary.contains_null).then_some(false),
                may_have_nan: false,
            };
            let nan = range.may_have_nan;
            range = told.and(range);
            range.may_have_nan = nan;
        }
        range
    }

    fn hashed_elsewhere(&self, _field: i32, _value: &Value) -> bool {
        false
    }
}

/// The type of a transform's result; None where it tells nothing of an order.
fn part_kind(transform: Transform, source: &PrimitiveType) -> Option<PrimitiveType> {
    match transform {
        Transform::Identity | Transform::Truncate(_) => Some(source.clone()),
        Transform::Year | Transform::Month | Transform::Hour => Some(PrimitiveType::Int),
        Transform::Day => Some(PrimitiveType::Date),
        Transform::Bucket(_) | Transform::Void | Transform::Unknown => None,
    }
}

const DAY_US: i64 = 86_400_000_000;
const HOUR_US: i64 = 3_600_000_000;

/// The lowest source value whose transform is `value`.
fn lowest(transform: Transform, source: &PrimitiveType, value: &Value) -> Option<Value> {
    match (transform, value) {
        (Transform::Identity, value) => Some(value.clone()),
        // A truncated text is the first of those that begin with it.
        (Transform::Truncate(_), value) => Some(value.clone()),
        (_, Value::Int(part)) => start_of(transform, source, *part).map(Value::Int),
        _ => None,
    }
}

/// The highest source value whose transform is `value`.
fn highest(transform: Transform, source: &PrimitiveType, value: &Value) -> Option<Value> {
    match (transform, value) {
        (Transform::Identity, value) => Some(value.clone()),
        (Transform::Truncate(width), Value::Int(v)) => {
            Some(Value::Int(v.checked_add(i64::from(width) - 1)?))
        }
        (Transform::Truncate(width), Value::Decimal(v)) => {
            Some(Value::Decimal(v.checked_add(i128::from(width) - 1)?))
        }
        (Transform::Truncate(_), Value::Text(text)) => after_prefix(text).map(Value::Text),
        (Transform::Truncate(_), _) => None,
        (_, Value::Int(part)) => {
            let next = start_of(transform, source, part.checked_add(1)?)?;
            Some(Value::Int(next - 1))
        }
        _ => None,
    }
}

/// The first value of a year, month, day or hour that is counted from 1970, in the source's units.
fn start_of(transform: Transform, source: &PrimitiveType, part: i64) -> Option<i64> {
    let days = match transform {
        Transform::Year => days_to(1970_i64.checked_add(part)?, 1)?,
        Transform::Month => days_to(
            1970_i64.checked_add(part.div_euclid(12))?,
            u32::try_from(part.rem_euclid(12)).ok()? + 1,
        )?,
        Transform::Day => part,
        Transform::Hour => {
            return match source {
                PrimitiveType::Timestamp | PrimitiveType::Timestamptz => part.checked_mul(HOUR_US),
                _ => None,
            };
        }
        _ => return None,
    };
    match source {
        PrimitiveType::Date => Some(days),
        PrimitiveType::Timestamp | PrimitiveType::Timestamptz => days.checked_mul(DAY_US),
        _ => None,
    }
}

fn days_to(year: i64, month: u32) -> Option<i64> {
    let date = chrono::NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, 1)?;
    Some(
        date.signed_duration_since(chrono::NaiveDate::default())
            .num_days(),
    )
}

/// A text that stands after every one that begins with `prefix`.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

/// The bucket a value falls into.
fn bucket(transform: Transform, kind: &PrimitiveType, value: &Value) -> Option<i64> {
    use iceberg::spec::Datum;
    let datum = match (kind, value) {
        (PrimitiveType::Int, Value::Int(v)) => Datum::int(i32::try_from(*v).ok()?),
        (PrimitiveType::Long, Value::Int(v)) => Datum::long(*v),
        (PrimitiveType::Date, Value::Int(v)) => Datum::date(i32::try_from(*v).ok()?),
        (PrimitiveType::Timestamp, Value::Int(v)) => Datum::timestamp_micros(*v),
        (PrimitiveType::Timestamptz, Value::Int(v)) => Datum::timestamptz_micros(*v),
        (PrimitiveType::String, Value::Text(v)) => Datum::string(v),
        (PrimitiveType::Uuid, Value::Bytes(v)) => Datum::uuid(uuid::Uuid::from_slice(v).ok()?),
        _ => return None,
    };
    let function = create_transform_function(&transform).ok()?;
    let result = function.transform_literal(&datum).ok()??;
    match Value::from_literal(result.literal(), &PrimitiveType::Int)? {
        Value::Int(bucket) => Some(bucket),
        _ => None,
    }
}
