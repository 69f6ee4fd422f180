//! Types that the engine lacks or calls otherwise, and those whose values are OIDs.

use datafusion::sql::sqlparser::ast::{self, DataType};

use super::build::last_part;

/// Types whose values are OIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identifier {
    Plain,
    Class,
    Type,
    Schema,
    Role,
    Procedure,
}

pub(super) fn identifier_type(data_type: &DataType) -> Option<Identifier> {
    let name = match data_type {
        DataType::Regclass => return Some(Identifier::Class),
        DataType::Custom(name, arguments) if arguments.is_empty() => last_part(name)?,
        _ => return None,
    };
    Some(match name.as_str() {
        "oid" | "xid" | "cid" => Identifier::Plain,
        "regclass" => Identifier::Class,
        "regtype" => Identifier::Type,
        "regnamespace" => Identifier::Schema,
        "regrole" => Identifier::Role,
        "regproc" | "regprocedure" => Identifier::Procedure,
        _ => return None,
    })
}

/// The engine's type behind one that it doesn't know by this name.
pub(super) fn plain_type(data_type: &DataType) -> Option<DataType> {
    let name = match data_type {
        DataType::Custom(name, arguments) if arguments.is_empty() => last_part(name)?,
        DataType::Array(ast::ArrayElemTypeDef::SquareBracket(element, size)) => {
            let element = match identifier_type(element) {
                Some(_) => DataType::Int(None),
                None => plain_type(element)?,
            };
            return Some(DataType::Array(ast::ArrayElemTypeDef::SquareBracket(
                Box::new(element),
                *size,
            )));
        }
        _ => return None,
    };
    Some(match name.as_str() {
        "bool" | "boolean" => DataType::Boolean,
        "int2" | "smallint" => DataType::SmallInt(None),
        "int4" | "integer" | "int" => DataType::Int(None),
        "int8" | "bigint" => DataType::BigInt(None),
        "float4" | "real" => DataType::Real,
        "float8" => DataType::Double(ast::ExactNumberInfo::None),
        "bytea" => DataType::Bytea,
        "date" => DataType::Date,
        "timestamptz" => DataType::Timestamp(None, ast::TimezoneInfo::WithTimeZone),
        "timestamp" => DataType::Timestamp(None, ast::TimezoneInfo::None),
        "interval" => DataType::Interval {
            fields: None,
            precision: None,
        },
        "text" | "varchar" | "char" | "cstring" | "sql_identifier" | "character_data"
        | "cardinal_number" | "yes_or_no" | "citext" | "pg_node_tree" | "aclitem" => DataType::Text,
        _ => return None,
    })
}

pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_)
    ) || plain_type(data_type) == Some(DataType::Text)
}

/// The element type of an array type.
pub(super) fn element(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::Array(
            ast::ArrayElemTypeDef::SquareBracket(element, _)
            | ast::ArrayElemTypeDef::AngleBracket(element),
        ) => Some(element),
        _ => None,
    }
}

pub(super) fn is_text_array(data_type: &DataType) -> bool {
    element(data_type).is_some_and(is_text)
}
