//! Types of the arguments and results of functions, and how well a value fits one.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

use super::types::{self, JSON, JSONB};

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
    pub(super) fn fit(self, kind: &DataType) -> Option<u32> {
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
