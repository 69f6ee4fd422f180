//! Names of types: `format_type`, `regtype`, and the OID behind a name.

use std::collections::HashMap;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use datafusion_pg_catalog::pg_catalog::PgCatalogStaticTables;

use crate::wire::encode::{element_of, oid};

/// (OID, `pg_type.typname`, the name that `format_type` gives)
const COMMON: &[(u32, &str, &str)] = &[
    (oid::BOOL, "bool", "boolean"),
    (oid::BYTEA, "bytea", "bytea"),
    (oid::CHAR, "char", "\"char\""),
    (oid::NAME, "name", "name"),
    (oid::INT8, "int8", "bigint"),
    (oid::INT2, "int2", "smallint"),
    (oid::INT4, "int4", "integer"),
    (oid::REGPROC, "regproc", "regproc"),
    (oid::TEXT, "text", "text"),
    (oid::OID, "oid", "oid"),
    (oid::JSON, "json", "json"),
    (oid::FLOAT4, "float4", "real"),
    (oid::FLOAT8, "float8", "double precision"),
    (oid::BPCHAR, "bpchar", "character"),
    (oid::VARCHAR, "varchar", "character varying"),
    (oid::DATE, "date", "date"),
    (oid::TIME, "time", "time without time zone"),
    (oid::TIMESTAMP, "timestamp", "timestamp without time zone"),
    (oid::TIMESTAMPTZ, "timestamptz", "timestamp with time zone"),
    (oid::INTERVAL, "interval", "interval"),
    (1266, "timetz", "time with time zone"),
    (oid::NUMERIC, "numeric", "numeric"),
    (oid::REGCLASS, "regclass", "regclass"),
    (oid::REGTYPE, "regtype", "regtype"),
    (oid::UUID, "uuid", "uuid"),
    (oid::JSONB, "jsonb", "jsonb"),
    (oid::REGNAMESPACE, "regnamespace", "regnamespace"),
    (oid::REGROLE, "regrole", "regrole"),
    (oid::UNKNOWN, "unknown", "unknown"),
];

/// Other spellings that SQL has for them.
const SPELLINGS: &[(&str, u32)] = &[
    ("int", oid::INT4),
    ("decimal", oid::NUMERIC),
    ("dec", oid::NUMERIC),
    ("float", oid::FLOAT8),
    ("double", oid::FLOAT8),
    ("varchar", oid::VARCHAR),
    ("char", oid::BPCHAR),
    ("string", oid::TEXT),
    ("timestamp", oid::TIMESTAMP),
    ("time", oid::TIME),
];

/// The OID of a type by any of its names, `[]` behind for its array.
pub(in crate::wire) fn type_oid(name: &str) -> Option<u32> {
    let name = name.trim().to_lowercase();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    if let Some(element) = name.strip_suffix("[]") {
        let element = type_oid(element)?;
        return Some(crate::wire::encode::array_of(element));
    }
    let name = name.trim_matches('"');
    SPELLINGS
        .iter()
        .find(|(spelling, _)| *spelling == name)
        .map(|(_, oid)| *oid)
        .or_else(|| {
            COMMON
                .iter()
                .find(|(_, short, long)| *short == name || *long == name)
                .map(|(oid, ..)| *oid)
        })
}

/// Every type of `pg_type`, by OID.
pub(super) struct TypeNames(HashMap<i32, String>);

impl TypeNames {
    pub fn read(statics: &PgCatalogStaticTables) -> Self {
        let mut names = HashMap::new();
        for batch in statics.pg_type.data() {
            let (Some(oids), Some(texts)) =
                (batch.column_by_name("oid"), batch.column_by_name("typname"))
            else {
                continue;
            };
            let (Ok(oids), Ok(texts)) =
                (cast(oids, &DataType::Int32), cast(texts, &DataType::Utf8))
            else {
                continue;
            };
            let oids = oids.as_primitive::<Int32Type>().iter();
            for (oid, text) in oids.zip(texts.as_string::<i32>()) {
                if let (Some(oid), Some(text)) = (oid, text) {
                    names.insert(oid, text.to_owned());
                }
            }
        }
        Self(names)
    }

    /// `typname`; None for an OID that is no type.
    pub fn name(&self, oid: i32) -> Option<&str> {
        self.0.get(&oid).map(String::as_str)
    }

    pub fn oid(&self, name: &str) -> Option<i32> {
        if let Ok(number) = name.trim().parse() {
            return Some(number);
        }
        type_oid(name).map(u32::cast_signed).or_else(|| {
            self.0
                .iter()
                .find(|(_, text)| text.as_str() == name)
                .map(|(oid, _)| *oid)
        })
    }

    /// `format_type(oid, modifier)`; −1 for no modifier.
    pub fn format(&self, type_oid: i32, modifier: i32) -> String {
        if type_oid == 0 {
            return "-".to_owned();
        }
        let unsigned = type_oid.cast_unsigned();
        if let Some(element) = element_of(unsigned) {
            return format!("{}[]", self.format(element.cast_signed(), modifier));
        }
        let Some((_, _, long)) = COMMON.iter().find(|(oid, ..)| *oid == unsigned) else {
            return match self.0.get(&type_oid) {
                Some(name) => match name.strip_prefix('_') {
                    Some(element) => format!("{element}[]"),
                    None => name.clone(),
                },
                None => "???".to_owned(),
            };
        };
        if modifier < 0 {
            return (*long).to_owned();
        }
        match unsigned {
            oid::NUMERIC if modifier >= 4 => {
                let packed = modifier - 4;
                // Eleven bits, signed.
                let scale = ((packed & 0x7ff) ^ 1024) - 1024;
                format!("numeric({},{scale})", (packed >> 16) & 0xffff)
            }
            oid::VARCHAR | oid::BPCHAR if modifier >= 4 => format!("{long}({})", modifier - 4),
            oid::TIME | oid::TIMESTAMP | oid::TIMESTAMPTZ => match long.split_once(' ') {
                Some((first, rest)) => format!("{first}({modifier}) {rest}"),
                None => (*long).to_owned(),
            },
            _ => (*long).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_spelled_as_postgres_spells_them() {
        let names = TypeNames(HashMap::from([(3904, "int4range".to_owned())]));
        for (oid, modifier, expected) in [
            (1700, (12 << 16 | 2) + 4, "numeric(12,2)"),
            (1700, -1, "numeric"),
            (1043, 24, "character varying(20)"),
            (1184, 3, "timestamp(3) with time zone"),
            (1009, -1, "text[]"),
            (1231, (12 << 16 | 2) + 4, "numeric(12,2)[]"),
            (3904, -1, "int4range"),
            (0, -1, "-"),
            (99, -1, "???"),
        ] {
            assert_eq!(names.format(oid, modifier), expected);
        }
        assert_eq!(type_oid("Double Precision"), Some(701));
        assert_eq!(type_oid("pg_catalog.int4[]"), Some(1007));
        assert_eq!(type_oid("nonsense"), None);
    }
}
