//! What part of the rows a filter keeps, guessed from what manifests tell of files: whether its
//! columns are worth decoding first depends on it. A wrong guess costs time and nothing else.

use iceberg::spec::{DataFile, PrimitiveType, Schema, Type};

use super::files::DataFileEntry;
use super::predicate::{Op, Predicate};
use super::value::Value;

/// Of so many files the guess is made.
const SAMPLE: usize = 32;
/// Smaller files say nothing: their columns are mostly headers and dictionaries.
const LEAST_ROWS: u64 = 1_000;
/// What a column takes in a file besides its values: headers of its pages.
const OVERHEAD: u64 = 100;
/// No guess goes below: two guesses multiplied would promise too much.
const LEAST: f64 = 1e-6;

/// From 0 (no row) to 1 (all rows; also when nothing is known).
pub(super) fn kept(predicate: &Predicate, files: &[DataFileEntry], schema: &Schema) -> f64 {
    let large = files
        .iter()
        .map(DataFileEntry::file)
        .filter(|file| file.record_count() >= LEAST_ROWS);
    let sample: Vec<&DataFile> = large.take(SAMPLE).collect();
    let rows = sample.iter().map(|file| file.record_count() as f64).sum();
    if sample.is_empty() {
        return 1.0;
    }
    let guess = Guess {
        files: sample,
        rows,
        schema,
    };
    guess.kept(predicate)
}

struct Guess<'a> {
    files: Vec<&'a DataFile>,
    rows: f64,
    schema: &'a Schema,
}

impl Guess<'_> {
    fn kept(&self, predicate: &Predicate) -> f64 {
        let kept = match predicate {
            Predicate::Unknown => 1.0,
            Predicate::Never => 0.0,
            Predicate::And(all) => all.iter().map(|one| self.kept(one)).product(),
            Predicate::Or(any) => any.iter().map(|one| self.kept(one)).sum(),
            Predicate::Compare { field, op, value } => match op {
                Op::Eq => self.equal(*field),
                Op::NotEq => 1.0,
                _ => self.within(*field, *op, value),
            },
            Predicate::In { field, values } => values.len() as f64 * self.equal(*field),
            Predicate::StartsWith { .. } => 1.0,
            Predicate::IsNull { field } => self.nulls(*field).unwrap_or(1.0),
            Predicate::IsNotNull { field } => 1.0 - self.nulls(*field).unwrap_or(0.0),
        };
        kept.clamp(LEAST, 1.0)
    }

    /// One value of a column. A column whose values take `b` bits each, compressed, has about
    /// `2^b` of them (its entropy, if they were drawn alike); text that is spelled out takes more
    /// and is seldom the same, and sorted columns take less, which leaves the guess on the safe side.
    fn equal(&self, field: i32) -> f64 {
        let (mut bytes, mut values) = (0_u64, 0_u64);
        for file in &self.files {
            let nulls = file.null_value_counts().get(&field).copied().unwrap_or(0);
            let (Some(size), Some(count)) = (
                file.column_sizes().get(&field),
                file.value_counts().get(&field),
            ) else {
                continue;
            };
            bytes += size.saturating_sub(OVERHEAD);
            values += count.saturating_sub(nulls);
        }
        if values == 0 {
            return 1.0;
        }
        let bits = 8.0 * bytes as f64 / values as f64;
        let alive = 1.0 - self.nulls(field).unwrap_or(0.0);
        alive * (-bits).exp2()
    }

    fn nulls(&self, field: i32) -> Option<f64> {
        let counts = self.files.iter().map(|file| {
            let nulls = file.null_value_counts().get(&field)?;
            Some(*nulls as f64)
        });
        let nulls: Option<f64> = counts.sum();
        Some(nulls? / self.rows)
    }

    /// What lies on one side of a value, as if a file's values were spread evenly.
    fn within(&self, field: i32, op: Op, value: &Value) -> f64 {
        let Some(Type::Primitive(kind)) = self.schema.field_by_id(field).map(|f| &*f.field_type)
        else {
            return 1.0;
        };
        let part = |file: &&DataFile| {
            let rows = file.record_count() as f64;
            rows * below(file, field, kind, value).map_or(1.0, |below| match op {
                Op::Lt | Op::LtEq => below,
                _ => 1.0 - below,
            })
        };
        self.files.iter().map(part).sum::<f64>() / self.rows
    }
}

fn below(file: &DataFile, field: i32, kind: &PrimitiveType, value: &Value) -> Option<f64> {
    let bound = |datum: &iceberg::spec::Datum| number(&Value::from_datum(datum, kind)?);
    let low = bound(file.lower_bounds().get(&field)?)?;
    let high = bound(file.upper_bounds().get(&field)?)?;
    let value = number(value)?;
    Some(if high > low {
        ((value - low) / (high - low)).clamp(0.0, 1.0)
    } else {
        return None;
    })
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        Value::Decimal(value) => Some(*value as f64),
        _ => None,
    }
}
