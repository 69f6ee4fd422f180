//! A partition's value in words: for the paths of data files, and for people. The crate's own way
//! panics on an instant before 1970 that has a fraction, and on a value from before its column was
//! widened.

use chrono::DateTime;
use iceberg::spec::{Literal, PrimitiveLiteral, PrimitiveType, Transform, Type};

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
