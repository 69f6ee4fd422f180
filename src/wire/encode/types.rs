//! Arrow types and Postgres's: OIDs, sizes and type modifiers, both ways.

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

/// OIDs of `pg_type`.
pub mod oid {
    pub const BOOL: u32 = 16;
    pub const BYTEA: u32 = 17;
    pub const CHAR: u32 = 18;
    pub const NAME: u32 = 19;
    pub const INT8: u32 = 20;
    pub const INT2: u32 = 21;
    pub const INT4: u32 = 23;
    pub const REGPROC: u32 = 24;
    pub const TEXT: u32 = 25;
    pub const OID: u32 = 26;
    pub const JSON: u32 = 114;
    pub const FLOAT4: u32 = 700;
    pub const FLOAT8: u32 = 701;
    pub const UNKNOWN: u32 = 705;
    pub const BPCHAR: u32 = 1042;
    pub const VARCHAR: u32 = 1043;
    pub const DATE: u32 = 1082;
    pub const TIME: u32 = 1083;
    pub const TIMESTAMP: u32 = 1114;
    pub const TIMESTAMPTZ: u32 = 1184;
    pub const INTERVAL: u32 = 1186;
    pub const NUMERIC: u32 = 1700;
    pub const REGCLASS: u32 = 2205;
    pub const REGTYPE: u32 = 2206;
    pub const UUID: u32 = 2950;
    pub const JSONB: u32 = 3802;
    pub const REGNAMESPACE: u32 = 4089;
    pub const REGROLE: u32 = 4096;
}

/// (type, its array type)
const ARRAYS: &[(u32, u32)] = &[
    (oid::BOOL, 1000),
    (oid::BYTEA, 1001),
    (oid::CHAR, 1002),
    (oid::NAME, 1003),
    (oid::INT2, 1005),
    (oid::INT4, 1007),
    (oid::REGPROC, 1008),
    (oid::TEXT, 1009),
    (oid::BPCHAR, 1014),
    (oid::VARCHAR, 1015),
    (oid::INT8, 1016),
    (oid::FLOAT4, 1021),
    (oid::FLOAT8, 1022),
    (oid::OID, 1028),
    (oid::TIMESTAMP, 1115),
    (oid::DATE, 1182),
    (oid::TIME, 1183),
    (oid::TIMESTAMPTZ, 1185),
    (oid::INTERVAL, 1187),
    (oid::NUMERIC, 1231),
    (oid::JSON, 199),
    (oid::REGCLASS, 2210),
    (oid::REGTYPE, 2211),
    (oid::UUID, 2951),
    (oid::JSONB, 3807),
];

/// Metadata key by which a column of integers is marked as one of OIDs (`regclass` say).
pub const OID_ALIAS: &str = "pg.oid_alias";

/// A type as RowDescription names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PgType {
    pub oid: u32,
    /// Bytes of a value; −1 where it varies.
    pub size: i16,
    /// −1 for none.
    pub modifier: i32,
}

impl PgType {
    pub fn plain(oid: u32) -> Self {
        Self {
            oid,
            size: size_of_oid(oid),
            modifier: -1,
        }
    }
}

/// `typlen` of a type.
pub fn size_of_oid(type_oid: u32) -> i16 {
    match type_oid {
        oid::BOOL | oid::CHAR => 1,
        oid::INT2 => 2,
        oid::INT4
        | oid::FLOAT4
        | oid::DATE
        | oid::OID
        | oid::REGPROC
        | oid::REGCLASS
        | oid::REGTYPE
        | oid::REGNAMESPACE
        | oid::REGROLE => 4,
        oid::INT8 | oid::FLOAT8 | oid::TIME | oid::TIMESTAMP | oid::TIMESTAMPTZ => 8,
        oid::INTERVAL | oid::UUID => 16,
        oid::NAME => 64,
        oid::UNKNOWN => -2,
        _ => -1,
    }
}

/// The Postgres type of a column.
pub fn of_field(field: &Field) -> PgType {
    if field.data_type().is_string()
        && let Some(kind) = marked(field)
    {
        return PgType::plain(kind);
    }
    let alias = field.metadata().get(OID_ALIAS).map(String::as_str);
    match (alias, field.data_type()) {
        // The mark says what a number names; of these the catalogs' own columns are `oid` and
        // `regproc` only.
        (Some(alias), DataType::Int32) => PgType::plain(match alias {
            "regproc" => oid::REGPROC,
            _ => oid::OID,
        }),
        (_, data_type) => of_type(data_type),
    }
}

/// What a column of texts is marked to be.
fn marked(field: &Field) -> Option<u32> {
    Some(match crate::query::postgres::types::mark_of(field)? {
        "json" => oid::JSON,
        "jsonb" => oid::JSONB,
        "varchar" => oid::VARCHAR,
        "bpchar" => oid::BPCHAR,
        "name" => oid::NAME,
        "char" => oid::CHAR,
        "regtype" => oid::REGTYPE,
        _ => return None,
    })
}

/// The Postgres type of an Arrow type. Structs, maps and unions are JSON.
pub fn of_type(data_type: &DataType) -> PgType {
    use DataType as D;
    let plain = PgType::plain;
    match data_type {
        D::Null | D::Utf8 | D::LargeUtf8 | D::Utf8View => plain(oid::TEXT),
        D::Boolean => plain(oid::BOOL),
        D::Int8 | D::Int16 | D::UInt8 => plain(oid::INT2),
        D::Int32 | D::UInt16 => plain(oid::INT4),
        D::Int64 | D::UInt32 => plain(oid::INT8),
        D::UInt64 => plain(oid::NUMERIC),
        D::Float16 | D::Float32 => plain(oid::FLOAT4),
        D::Float64 => plain(oid::FLOAT8),
        D::Decimal32(precision, scale)
        | D::Decimal64(precision, scale)
        | D::Decimal128(precision, scale)
        | D::Decimal256(precision, scale) => PgType {
            modifier: numeric_modifier(*precision, *scale),
            ..plain(oid::NUMERIC)
        },
        D::Date32 => plain(oid::DATE),
        D::Time32(_) | D::Time64(_) => plain(oid::TIME),
        D::Date64 | D::Timestamp(_, None) => plain(oid::TIMESTAMP),
        D::Timestamp(_, Some(_)) => plain(oid::TIMESTAMPTZ),
        D::Interval(_) | D::Duration(_) => plain(oid::INTERVAL),
        D::FixedSizeBinary(16) => plain(oid::UUID),
        D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => plain(oid::BYTEA),
        D::List(item)
        | D::LargeList(item)
        | D::FixedSizeList(item, _)
        | D::ListView(item)
        | D::LargeListView(item) => {
            let element = innermost(item);
            let element_type = of_field(element);
            PgType {
                oid: array_of(element_type.oid),
                size: -1,
                modifier: element_type.modifier,
            }
        }
        D::Dictionary(_, values) => of_type(values),
        D::RunEndEncoded(_, values) => of_field(values),
        D::Struct(_) | D::Map(_, _) | D::Union(_, _) => plain(oid::JSON),
    }
}

/// Postgres has no arrays of arrays: a list of lists is an array of two dimensions.
pub fn innermost(item: &Field) -> &Field {
    match item.data_type() {
        DataType::List(inner) | DataType::LargeList(inner) | DataType::FixedSizeList(inner, _) => {
            innermost(inner)
        }
        _ => item,
    }
}

/// The array type over an element type; text[] for one that has none here.
pub fn array_of(element: u32) -> u32 {
    ARRAYS
        .iter()
        .find(|(of, _)| *of == element)
        .map_or(1009, |(_, array)| *array)
}

/// The element type of an array type.
pub fn element_of(array: u32) -> Option<u32> {
    ARRAYS
        .iter()
        .find(|(_, of)| *of == array)
        .map(|(element, _)| *element)
}

/// `numeric(p,s)` as Postgres packs it; a negative scale keeps its 11 bits.
fn numeric_modifier(precision: u8, scale: i8) -> i32 {
    ((i32::from(precision) << 16) | (i32::from(scale) & 0x7ff)) + 4
}

/// The Arrow type in which a parameter of this type is bound. `None` for an unknown one.
pub fn to_arrow(type_oid: u32) -> Option<DataType> {
    Some(match type_oid {
        oid::BOOL => DataType::Boolean,
        oid::INT2 => DataType::Int16,
        oid::INT4
        | oid::OID
        | oid::REGCLASS
        | oid::REGTYPE
        | oid::REGPROC
        | oid::REGNAMESPACE
        | oid::REGROLE => DataType::Int32,
        oid::INT8 => DataType::Int64,
        oid::FLOAT4 => DataType::Float32,
        oid::FLOAT8 => DataType::Float64,
        // The bound value brings its own precision and scale.
        oid::NUMERIC => DataType::Decimal128(38, 10),
        oid::TEXT
        | oid::VARCHAR
        | oid::BPCHAR
        | oid::NAME
        | oid::CHAR
        | oid::JSON
        | oid::JSONB
        | oid::UNKNOWN => DataType::Utf8,
        oid::BYTEA => DataType::Binary,
        oid::DATE => DataType::Date32,
        oid::TIME => DataType::Time64(TimeUnit::Microsecond),
        oid::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        oid::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        oid::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        oid::UUID => DataType::FixedSizeBinary(16),
        array => {
            let element = to_arrow(element_of(array)?)?;
            DataType::List(std::sync::Arc::new(Field::new_list_field(element, true)))
        }
    })
}
