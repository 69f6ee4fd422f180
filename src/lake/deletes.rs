//! Which data files a delete file is about (Iceberg's spec, "Scan Planning").

use std::collections::HashMap;

use iceberg::metadata_columns::RESERVED_FIELD_ID_DELETE_FILE_PATH as PATH_COLUMN;
use iceberg::spec::{DataFile, Datum, Literal, PrimitiveLiteral, Struct};

use super::store::normalise;

/// Whether a file of position deletes may have rows for the data file at `path`: by the one file
/// that it names, else by the bounds of the paths in it. Without either it may.
pub fn may_name(delete: &DataFile, path: &str) -> bool {
    if let Some(named) = delete.referenced_data_file() {
        return named == path || normalise(&named) == normalise(path);
    }
    let bound = |bounds: &HashMap<i32, Datum>| match bounds.get(&PATH_COLUMN).map(Datum::literal) {
        Some(PrimitiveLiteral::String(bound)) => Some(bound.clone()),
        _ => None,
    };
    let below = bound(delete.lower_bounds()).is_some_and(|lower| path < lower.as_str());
    let above = bound(delete.upper_bounds()).is_some_and(|upper| path > upper.as_str());
    !below && !above
}

/// A partition as it compares with others of its spec: a column that was widened stands as an int
/// in older manifests and as a long in newer ones, and means the same partition.
pub fn comparable(partition: &Struct) -> Struct {
    let wide = |literal: &Literal| match literal {
        Literal::Primitive(PrimitiveLiteral::Int(value)) => Literal::long(*value),
        Literal::Primitive(PrimitiveLiteral::Float(value)) => Literal::double(f64::from(value.0)),
        other => other.clone(),
    };
    partition.iter().map(|value| value.map(wide)).collect()
}
