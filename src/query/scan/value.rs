//! Values that can be compared, the same from a query's literal and from a manifest's bounds.

use std::cmp::Ordering;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use iceberg::spec::{Datum, PrimitiveLiteral, PrimitiveType};

/// A value of a column. Two of one column are of one variant.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    /// Integers, days, and microseconds.
    Int(i64),
    Float(f64),
    /// Unscaled, in the column's scale.
    Decimal(i128),
    Text(String),
    Bytes(Vec<u8>),
}

impl Value {
    /// None when the two can't be compared: then nothing may be concluded.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(b),
            (Self::Decimal(a), Self::Decimal(b)) => Some(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Self::Bytes(a), Self::Bytes(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// A query's literal, as a value of a column of this type; None when it isn't plainly one.
    pub(super) fn from_scalar(scalar: &ScalarValue, column: &PrimitiveType) -> Option<Self> {
        use PrimitiveType as P;
        use ScalarValue as S;
        Some(match (column, scalar) {
            (P::Boolean, S::Boolean(Some(v))) => Self::Bool(*v),
            (P::Int | P::Long, S::Int8(Some(v))) => Self::Int((*v).into()),
            (P::Int | P::Long, S::Int16(Some(v))) => Self::Int((*v).into()),
            (P::Int | P::Long, S::Int32(Some(v))) => Self::Int((*v).into()),
            (P::Int | P::Long, S::Int64(Some(v))) => Self::Int(*v),
            (P::Date, S::Date32(Some(v))) => Self::Int((*v).into()),
            (P::Time, S::Time64Microsecond(Some(v))) => Self::Int(*v),
            (P::Timestamp, S::TimestampMicrosecond(Some(v), None)) => Self::Int(*v),
            // The instant counts, whatever zone it is written in.
            (P::Timestamptz, S::TimestampMicrosecond(Some(v), Some(_))) => Self::Int(*v),
            (P::Float | P::Double, S::Float32(Some(v))) => Self::Float((*v).into()),
            (P::Float | P::Double, S::Float64(Some(v))) => Self::Float(*v),
            (P::Decimal { scale, .. }, S::Decimal128(Some(v), _, literal_scale)) => {
                let up = i64::from(*scale) - i64::from(*literal_scale);
                let factor = 10_i128.checked_pow(u32::try_from(up).ok()?)?;
                Self::Decimal(v.checked_mul(factor)?)
            }
            (P::String, S::Utf8(Some(v)) | S::Utf8View(Some(v)) | S::LargeUtf8(Some(v))) => {
                Self::Text(v.clone())
            }
            (
                P::Binary | P::Fixed(_) | P::Uuid,
                S::Binary(Some(v))
                | S::BinaryView(Some(v))
                | S::LargeBinary(Some(v))
                | S::FixedSizeBinary(_, Some(v)),
            ) => Self::Bytes(v.clone()),
            _ => return None,
        })
    }

    /// A bound out of a manifest, as a value of a column of this type (an older file's `int` is a
    /// later column's `long`).
    pub(super) fn from_datum(datum: &Datum, column: &PrimitiveType) -> Option<Self> {
        if let (
            PrimitiveType::Decimal { scale: stored, .. },
            PrimitiveType::Decimal { scale: wanted, .. },
        ) = (datum.data_type(), column)
            && stored != wanted
        {
            return None;
        }
        Self::from_literal(datum.literal(), column)
    }

    pub(super) fn from_literal(literal: &PrimitiveLiteral, column: &PrimitiveType) -> Option<Self> {
        use PrimitiveLiteral as L;
        use PrimitiveType as P;
        Some(match (column, literal) {
            (P::Boolean, L::Boolean(v)) => Self::Bool(*v),
            (P::Int | P::Long | P::Date, L::Int(v)) => Self::Int((*v).into()),
            (P::Long | P::Time | P::Timestamp | P::Timestamptz, L::Long(v)) => Self::Int(*v),
            (P::Float | P::Double, L::Float(v)) => Self::Float(v.0.into()),
            (P::Double, L::Double(v)) => Self::Float(v.0),
            (P::Decimal { .. }, L::Int128(v)) => Self::Decimal(*v),
            (P::String, L::String(v)) => Self::Text(v.clone()),
            (P::Binary | P::Fixed(_), L::Binary(v)) => Self::Bytes(v.clone()),
            (P::Uuid, L::UInt128(v)) => Self::Bytes(v.to_be_bytes().to_vec()),
            _ => return None,
        })
    }

    /// The value in the column's Arrow type.
    pub(super) fn to_scalar(&self, kind: &DataType) -> Option<ScalarValue> {
        Some(match (self, kind) {
            (Self::Bool(v), DataType::Boolean) => ScalarValue::Boolean(Some(*v)),
            (Self::Int(v), DataType::Int32) => ScalarValue::Int32(Some(i32::try_from(*v).ok()?)),
            (Self::Int(v), DataType::Int64) => ScalarValue::Int64(Some(*v)),
            (Self::Int(v), DataType::Date32) => ScalarValue::Date32(Some(i32::try_from(*v).ok()?)),
            (Self::Int(v), DataType::Time64(_)) => ScalarValue::Time64Microsecond(Some(*v)),
            (Self::Int(v), DataType::Timestamp(_, zone)) => {
                ScalarValue::TimestampMicrosecond(Some(*v), zone.clone())
            }
            // What was a float came through a double unchanged.
            (Self::Float(v), DataType::Float32) => ScalarValue::Float32(Some(*v as f32)),
            (Self::Float(v), DataType::Float64) => ScalarValue::Float64(Some(*v)),
            (Self::Decimal(v), DataType::Decimal128(precision, scale)) => {
                ScalarValue::Decimal128(Some(*v), *precision, *scale)
            }
            (Self::Text(v), DataType::Utf8View) => ScalarValue::Utf8View(Some(v.clone())),
            (Self::Bytes(v), DataType::BinaryView) => ScalarValue::BinaryView(Some(v.clone())),
            (Self::Bytes(v), DataType::FixedSizeBinary(width)) => {
                ScalarValue::FixedSizeBinary(*width, Some(v.clone()))
            }
            _ => return None,
        })
    }
}
