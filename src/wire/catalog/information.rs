//! `information_schema`: the lake's tables and columns as the SQL standard names them.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::error::DataFusionError;

use super::own::{Attribute, Cell, Sources, attributes, fill};
use super::snapshot::{SchemaEntry, TableEntry};
use super::whole;
use crate::wire::encode::{element_of, oid};

pub(super) fn table(name: &str, sources: &Sources<'_>) -> Option<Result<RecordBatch>> {
    Some(match name {
        "schemata" => schemata(sources),
        "tables" => tables(sources),
        "columns" => columns(sources),
        "views" => views(sources),
        "table_privileges" | "role_table_grants" => table_privileges(name, sources),
        "enabled_roles" => one(name, "role_name", &sources.facts.user),
        "information_schema_catalog_name" => one(name, "catalog_name", &sources.cache.database),
        "character_sets" => one(name, "character_set_name", "UTF8"),
        _ => return None,
    })
}

/// The columns that Postgres has.
fn shape(name: &str) -> Result<SchemaRef> {
    whole::columns("information_schema", name)
        .ok_or_else(|| DataFusionError::Internal(format!("{name} is not listed")))
}

/// One row, with the same text in each column that is named.
fn one(name: &str, column: &str, value: &str) -> Result<RecordBatch> {
    fill(&shape(name)?, &[()], |(), asked| match asked == column {
        true => value.into(),
        false => Cell::Unset,
    })
}

fn schemata(sources: &Sources<'_>) -> Result<RecordBatch> {
    fill(
        &shape("schemata")?,
        &sources.snapshot.schemas,
        |row: &SchemaEntry, column| match column {
            "catalog_name" => sources.cache.database.as_str().into(),
            "schema_name" => row.name.as_str().into(),
            "schema_owner" => "frazil".into(),
            _ => Cell::Unset,
        },
    )
}

fn tables(sources: &Sources<'_>) -> Result<RecordBatch> {
    fill(
        &shape("tables")?,
        &sources.snapshot.tables,
        |row: &TableEntry, column| {
            match column {
                "table_catalog" => sources.cache.database.as_str().into(),
                "table_schema" => row.schema.as_str().into(),
                "table_name" => row.name.as_str().into(),
                "table_type" => (if row.kind == 'v' {
                    "VIEW"
                } else {
                    "BASE TABLE"
                })
                .into(),
                // Tables change by streams and models only.
                "is_insertable_into" | "is_typed" => "NO".into(),
                _ => Cell::Unset,
            }
        },
    )
}

fn views(sources: &Sources<'_>) -> Result<RecordBatch> {
    let views: Vec<&TableEntry> = sources
        .snapshot
        .tables
        .iter()
        .filter(|table| table.kind == 'v')
        .collect();
    fill(&shape("views")?, &views, |row, column| match column {
        "table_catalog" => sources.cache.database.as_str().into(),
        "table_schema" => row.schema.as_str().into(),
        "table_name" => row.name.as_str().into(),
        "check_option" => "NONE".into(),
        "view_definition" => row.shown_definition().into(),
        "is_updatable"
        | "is_insertable_into"
        | "is_trigger_updatable"
        | "is_trigger_deletable"
        | "is_trigger_insertable_into" => "NO".into(),
        _ => Cell::Unset,
    })
}

fn table_privileges(name: &str, sources: &Sources<'_>) -> Result<RecordBatch> {
    fill(
        &shape(name)?,
        &sources.snapshot.tables,
        |row: &TableEntry, column| match column {
            "grantor" => "frazil".into(),
            "grantee" => sources.facts.user.as_str().into(),
            "table_catalog" => sources.cache.database.as_str().into(),
            "table_schema" => row.schema.as_str().into(),
            "table_name" => row.name.as_str().into(),
            "privilege_type" => "SELECT".into(),
            "is_grantable" => "NO".into(),
            "with_hierarchy" => "YES".into(),
            _ => Cell::Unset,
        },
    )
}

fn columns(sources: &Sources<'_>) -> Result<RecordBatch> {
    let types = sources
        .cache
        .types()
        .map_err(|error| datafusion::error::DataFusionError::Execution(error.message))?;
    let rows = attributes(sources.snapshot);
    fill(
        &shape("columns")?,
        &rows,
        |row: &Attribute<'_>, column| match column {
            "table_catalog" | "udt_catalog" => sources.cache.database.as_str().into(),
            "table_schema" => row.table.schema.as_str().into(),
            "table_name" => row.table.name.as_str().into(),
            "column_name" => row.field.name().as_str().into(),
            "ordinal_position" => row.number.into(),
            "dtd_identifier" => row.number.to_string().into(),
            "is_nullable" => match row.table.kind == 'r' && !row.field.is_nullable() {
                true => "NO".into(),
                false => "YES".into(),
            },
            "data_type" => match element_of(row.pg.oid) {
                Some(_) => "ARRAY".into(),
                None => types.format(row.pg.oid.cast_signed(), -1).into(),
            },
            "udt_schema" => "pg_catalog".into(),
            "udt_name" => types.name(row.pg.oid.cast_signed()).into(),
            "numeric_precision" | "numeric_precision_radix" | "numeric_scale" => {
                numeric(row, column).into()
            }
            "datetime_precision" => (match row.pg.oid {
                oid::DATE => Some(0),
                oid::TIME | oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::INTERVAL => Some(6),
                _ => None,
            })
            .into(),
            "character_octet_length" => (row.pg.oid == oid::TEXT).then_some(1_073_741_824).into(),
            "is_self_referencing" | "is_identity" | "is_updatable" => "NO".into(),
            "is_generated" => "NEVER".into(),
            _ => Cell::Unset,
        },
    )
}

fn numeric(row: &Attribute<'_>, column: &str) -> Option<i32> {
    let (precision, radix, scale) = match row.pg.oid {
        oid::INT2 => (16, 2, Some(0)),
        oid::INT4 => (32, 2, Some(0)),
        oid::INT8 => (64, 2, Some(0)),
        oid::FLOAT4 => (24, 2, None),
        oid::FLOAT8 => (53, 2, None),
        oid::NUMERIC if row.pg.modifier >= 4 => {
            let packed = row.pg.modifier - 4;
            (packed >> 16 & 0xffff, 10, Some(packed & 0x7ff))
        }
        _ => return None,
    };
    match column {
        "numeric_precision" => Some(precision),
        "numeric_precision_radix" => Some(radix),
        _ => scale,
    }
}
