//! Postgres's types as Iceberg's, and what of them Iceberg has no name for.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{self, ArrayElemTypeDef, CharacterLength, ExactNumberInfo};
use iceberg::spec::{ListType, NestedField, PrimitiveType, Type};

use super::{Result, folded, refuse, unsupported};
use crate::query::declared::Kind;
use crate::query::postgres::types::name_of;

/// What a column was declared as.
#[derive(Clone, Debug)]
pub(super) struct ColumnType {
    /// Lists have field ids of 0: whoever makes a schema of it gives them.
    pub kind: Type,
    pub declared: Option<Kind>,
    /// `serial` and its like: values come from a sequence.
    pub serial: bool,
}

/// Digits of a `numeric` that says nothing of them.
const OPEN_NUMERIC: (u32, u32) = (38, 10);

impl ColumnType {
    fn plain(kind: PrimitiveType) -> Self {
        Self {
            kind: Type::Primitive(kind),
            declared: None,
            serial: false,
        }
    }

    fn text(declared: Option<Kind>) -> Self {
        Self {
            declared,
            ..Self::plain(PrimitiveType::String)
        }
    }

    fn serial(kind: PrimitiveType) -> Self {
        Self {
            serial: true,
            ..Self::plain(kind)
        }
    }

    /// Of a type as it is written. State `42704` for one that doesn't exist, `0A000` for one that
    /// a table can't hold.
    pub fn of(kind: &ast::DataType) -> Result<Self> {
        use ast::DataType as D;
        Ok(match kind {
            D::SmallInt(_) | D::Int2(_) => Self {
                declared: Some(Kind::Smallint),
                ..Self::plain(PrimitiveType::Int)
            },
            D::Int(_) | D::Integer(_) | D::Int4(_) => Self::plain(PrimitiveType::Int),
            D::BigInt(_) | D::Int8(_) => Self::plain(PrimitiveType::Long),
            D::Real | D::Float4 => Self::plain(PrimitiveType::Float),
            D::Double(_) | D::DoublePrecision | D::Float8 => Self::plain(PrimitiveType::Double),
            D::Float(ExactNumberInfo::Precision(1..=24)) => Self::plain(PrimitiveType::Float),
            D::Float(_) => Self::plain(PrimitiveType::Double),
            D::Numeric(digits) | D::Decimal(digits) | D::Dec(digits) => numeric(digits)?,
            D::Boolean | D::Bool => Self::plain(PrimitiveType::Boolean),
            D::Text => Self::text(None),
            D::Varchar(length) | D::CharacterVarying(length) | D::CharVarying(length) => {
                Self::text(Some(Kind::Varchar(characters(length.as_ref())?)))
            }
            D::Char(length) | D::Character(length) => {
                let length = characters(length.as_ref())?.unwrap_or(1);
                Self::text(Some(Kind::Char(length)))
            }
            D::Date => Self::plain(PrimitiveType::Date),
            D::Time(_, ast::TimezoneInfo::None | ast::TimezoneInfo::WithoutTimeZone) => {
                Self::plain(PrimitiveType::Time)
            }
            D::Timestamp(_, ast::TimezoneInfo::Tz | ast::TimezoneInfo::WithTimeZone) => {
                Self::plain(PrimitiveType::Timestamptz)
            }
            D::Timestamp(..) => Self::plain(PrimitiveType::Timestamp),
            D::Uuid => Self::plain(PrimitiveType::Uuid),
            D::Bytea => Self::plain(PrimitiveType::Binary),
            D::JSON => Self::text(Some(Kind::Json)),
            D::JSONB => Self::text(Some(Kind::Jsonb)),
            D::Array(
                ArrayElemTypeDef::SquareBracket(item, _) | ArrayElemTypeDef::AngleBracket(item),
            ) => list(item)?,
            D::Custom(name, modifiers) if modifiers.is_empty() => named(name)?,
            other => {
                return Err(unsupported(format!(
                    "a column of type {} can't be stored in an Iceberg table",
                    other.to_string().to_lowercase()
                )));
            }
        })
    }
}

fn named(name: &ast::ObjectName) -> Result<ColumnType> {
    let last = name.0.last().and_then(ast::ObjectNamePart::as_ident);
    let last = last.map(folded).unwrap_or_default();
    Ok(match last.as_str() {
        "serial" | "serial4" => ColumnType::serial(PrimitiveType::Int),
        "bigserial" | "serial8" => ColumnType::serial(PrimitiveType::Long),
        "smallserial" | "serial2" => ColumnType {
            declared: Some(Kind::Smallint),
            ..ColumnType::serial(PrimitiveType::Int)
        },
        "int2" => ColumnType::of(&ast::DataType::Int2(None))?,
        "int4" => ColumnType::plain(PrimitiveType::Int),
        "int8" => ColumnType::plain(PrimitiveType::Long),
        "float4" => ColumnType::plain(PrimitiveType::Float),
        "float8" => ColumnType::plain(PrimitiveType::Double),
        "bool" => ColumnType::plain(PrimitiveType::Boolean),
        "timestamptz" => ColumnType::plain(PrimitiveType::Timestamptz),
        "bpchar" | "text" | "name" => ColumnType::text(None),
        "money" | "xml" | "bit" | "varbit" | "timetz" | "inet" | "cidr" | "macaddr" | "point"
        | "line" | "lseg" | "box" | "path" | "polygon" | "circle" | "tsvector" | "tsquery"
        | "interval" | "regclass" | "oid" => {
            return Err(unsupported(format!(
                "a column of type {last} can't be stored in an Iceberg table"
            )));
        }
        _ => return Err(refuse("42704", format!("type \"{name}\" does not exist"))),
    })
}

fn numeric(digits: &ExactNumberInfo) -> Result<ColumnType> {
    let (precision, scale) = match digits {
        ExactNumberInfo::None => OPEN_NUMERIC,
        ExactNumberInfo::Precision(precision) => (u32::try_from(*precision).unwrap_or(u32::MAX), 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (
            u32::try_from(*precision).unwrap_or(u32::MAX),
            u32::try_from(*scale).unwrap_or(u32::MAX),
        ),
    };
    if precision == 0 || precision > 1000 {
        return Err(refuse(
            "22023",
            format!("NUMERIC precision {precision} must be between 1 and 1000"),
        ));
    }
    if precision > 38 || scale > precision {
        return Err(unsupported(format!(
            "numeric({precision},{scale}) can't be stored in an Iceberg table: it has at most 38 digits, and no more of them behind the point"
        )));
    }
    Ok(ColumnType::plain(PrimitiveType::Decimal {
        precision,
        scale,
    }))
}

fn characters(length: Option<&CharacterLength>) -> Result<Option<u32>> {
    match length {
        None | Some(CharacterLength::Max) => Ok(None),
        Some(CharacterLength::IntegerLength { length, .. }) => match u32::try_from(*length) {
            Ok(length @ 1..=10_485_760) => Ok(Some(length)),
            Ok(0) => Err(refuse(
                "22023",
                "length for type varchar must be at least 1",
            )),
            _ => Err(refuse(
                "22023",
                "length for type varchar cannot exceed 10485760",
            )),
        },
    }
}

fn list(item: &ast::DataType) -> Result<ColumnType> {
    let item = ColumnType::of(item)?;
    let element = NestedField::list_element(0, item.kind, false);
    Ok(ColumnType {
        kind: Type::List(ListType::new(Arc::new(element))),
        declared: None,
        serial: false,
    })
}

/// Gives the lists within a type their field ids.
pub(super) fn numbered(kind: Type, next: &mut impl FnMut() -> i32) -> Type {
    match kind {
        Type::List(list) => {
            let id = next();
            let element = numbered(list.element_field.field_type.as_ref().clone(), next);
            let element = NestedField::list_element(id, element, false);
            Type::List(ListType::new(Arc::new(element)))
        }
        other => other,
    }
}

/// The type of a query's column in a table. An error is for the person who wrote the query.
pub(super) fn of_arrow(kind: &DataType, next: &mut impl FnMut() -> i32) -> Result<Type> {
    use DataType as D;
    let primitive = match kind {
        D::Boolean => PrimitiveType::Boolean,
        D::Int8 | D::Int16 | D::Int32 | D::UInt8 | D::UInt16 => PrimitiveType::Int,
        D::Int64 | D::UInt32 => PrimitiveType::Long,
        D::UInt64 => PrimitiveType::Decimal {
            precision: 20,
            scale: 0,
        },
        D::Float16 | D::Float32 => PrimitiveType::Float,
        D::Float64 => PrimitiveType::Double,
        D::Decimal128(precision, scale) if *scale >= 0 => PrimitiveType::Decimal {
            precision: u32::from(*precision),
            scale: u32::from(scale.unsigned_abs()),
        },
        D::Date32 => PrimitiveType::Date,
        D::Time32(_) | D::Time64(_) => PrimitiveType::Time,
        D::Timestamp(_, None) => PrimitiveType::Timestamp,
        D::Timestamp(_, Some(_)) => PrimitiveType::Timestamptz,
        D::Null | D::Utf8 | D::LargeUtf8 | D::Utf8View => PrimitiveType::String,
        D::Binary | D::LargeBinary | D::BinaryView => PrimitiveType::Binary,
        D::FixedSizeBinary(16) => PrimitiveType::Uuid,
        D::List(item) => {
            let id = next();
            let item = of_arrow(item.data_type(), next)?;
            let element = NestedField::list_element(id, item, false);
            return Ok(Type::List(ListType::new(Arc::new(element))));
        }
        other => {
            return Err(unsupported(format!(
                "a column of type {} can't be stored in an Iceberg table: cast it to another",
                name_of(other)
            )));
        }
    };
    Ok(Type::Primitive(primitive))
}

/// What the mark of a column of texts makes of it in a table.
pub(super) fn of_mark(mark: &str) -> Option<Kind> {
    Some(match mark {
        "json" => Kind::Json,
        "jsonb" => Kind::Jsonb,
        "varchar" => Kind::Varchar(None),
        _ => return None,
    })
}

/// The type as SQL, to cast a literal to; None where there is no such spelling.
pub(super) fn sql_name(kind: &DataType) -> Option<String> {
    use DataType as D;
    Some(match kind {
        D::Decimal128(precision, scale) => format!("numeric({precision},{scale})"),
        D::List(item) => format!("{}[]", sql_name(item.data_type())?),
        D::Struct(_) | D::Map(..) | D::FixedSizeBinary(1..=15 | 17..) => return None,
        other => name_of(other),
    })
}
