//! A partition's value in words: for the paths of data files, and for people. The crate's own way
//! panics on an instant before 1970 that has a fraction, and on a value from before its column was
//! widened. And which names of partition fields can be read and written.

use chrono::DateTime;
use iceberg::spec::{Literal, PartitionSpec, PrimitiveLiteral, PrimitiveType, Transform, Type};

use super::{Error, Result};

/// Refuses names that are none in Avro. Others write such a field under another name
/// (`page_x2Epath_bucket`), where the crate (0.10) doesn't find it: each partition would be that of
/// null, and rows would be left out. Under its own name it could not be read again.
pub fn check_names(spec: &PartitionSpec) -> Result<()> {
    let plain = |name: &str| {
        let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
        name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
    };
    match spec.fields().iter().find(|field| !plain(&field.name)) {
        None => Ok(()),
        Some(field) => Err(Error::invalid(format!(
            "the partition field {:?} has a name of other characters than letters, digits and _, \
             which can't be read or written yet: another engine can rename it",
            field.name
        ))),
    }
}

/// The value of a partition field whose results are of this type.
pub fn value_text(transform: Transform, kind: &Type, value: Option<&Literal>) -> String {
    use PrimitiveLiteral as L;
    use PrimitiveType as P;
    let Some(Literal::Primitive(literal)) = value else {
        return transform.to_human_string(kind, value);
    };
    match (kind.as_primitive_type(), literal) {
        (Some(P::Timestamptz), L::Long(micros)) if transform != Transform::Void => {
            match DateTime::from_timestamp_micros(*micros) {
                Some(instant) => instant.to_string(),
                None => micros.to_string(),
            }
        }
        (Some(P::Timestamp), L::Long(micros))
            if DateTime::from_timestamp_micros(*micros).is_none() =>
        {
            micros.to_string()
        }
        (Some(P::Long), L::Int(number)) => number.to_string(),
        (Some(P::Double), L::Float(number)) => f64::from(number.0).to_string(),
        _ => transform.to_human_string(kind, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: PrimitiveType, literal: Literal) -> String {
        value_text(Transform::Identity, &Type::Primitive(kind), Some(&literal))
    }

    #[test]
    fn names_that_are_none_in_avro_are_refused() {
        let spec = |name: &str| {
            let field = serde_json::json!({
                "source-id": 1, "field-id": 1000, "name": name, "transform": "identity"});
            let json = serde_json::json!({"spec-id": 0, "fields": [field]});
            serde_json::from_value::<PartitionSpec>(json).unwrap()
        };
        for name in ["at_day", "_x", "A1"] {
            assert!(check_names(&spec(name)).is_ok(), "{name}");
        }
        for name in ["page.path_bucket", "1st", "a b", "é", ""] {
            let error = check_names(&spec(name)).unwrap_err().to_string();
            assert!(error.contains(&format!("{name:?}")), "{error}");
        }
    }

    #[test]
    fn instants_before_1970_have_words_too() {
        let at = |micros| text(PrimitiveType::Timestamptz, Literal::long(micros));
        assert_eq!(at(-1), "1969-12-31 23:59:59.999999 UTC");
        assert_eq!(at(-62_135_596_800_000_000), "0001-01-01 00:00:00 UTC");
        assert_eq!(at(1_500_000), "1970-01-01 00:00:01.500 UTC");
        assert_eq!(at(i64::MIN), i64::MIN.to_string());
        let local = text(PrimitiveType::Timestamp, Literal::long(i64::MAX));
        assert_eq!(local, i64::MAX.to_string());
    }

    #[test]
    fn values_from_before_their_column_was_widened() {
        assert_eq!(text(PrimitiveType::Long, Literal::int(-7)), "-7");
        assert_eq!(text(PrimitiveType::Double, Literal::float(0.5)), "0.5");
    }

    #[test]
    fn others_are_the_crates() {
        assert_eq!(text(PrimitiveType::String, Literal::string("a b")), "a b");
        let kind = Type::Primitive(PrimitiveType::String);
        assert_eq!(value_text(Transform::Identity, &kind, None), "null");
    }
}
