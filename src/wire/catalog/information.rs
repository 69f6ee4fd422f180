//! `information_schema`: the lake's tables and columns as the SQL standard names them.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result;

use super::own::{Attribute, Cell, Sources, attributes, fill};
use super::snapshot::{SchemaEntry, TableEntry};
use crate::wire::encode::{element_of, oid};

pub(super) const TABLES: &[&str] = &[
    "schemata",
    "tables",
    "columns",
    "views",
    "table_constraints",
    "key_column_usage",
    "referential_constraints",
    "constraint_column_usage",
    "check_constraints",
    "table_privileges",
    "column_privileges",
    "routines",
    "parameters",
    "sequences",
    "triggers",
    "enabled_roles",
    "applicable_roles",
    "character_sets",
    "information_schema_catalog_name",
];

pub(super) fn table(name: &str, sources: &Sources<'_>) -> Option<Result<RecordBatch>> {
    Some(match name {
        "schemata" => schemata(sources),
        "tables" => tables(sources),
        "columns" => columns(sources),
        "views" => views(sources),
        "table_privileges" => table_privileges(sources),
        "enabled_roles" => one(&["role_name"], &sources.facts.user),
        "information_schema_catalog_name" => one(&["catalog_name"], &sources.cache.database),
        "character_sets" => one(&["character_set_name"], "UTF8"),
        "table_constraints" => none(&[
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
            "table_catalog",
            "table_schema",
            "table_name",
            "constraint_type",
            "is_deferrable",
            "initially_deferred",
            "enforced",
            "nulls_distinct",
        ]),
        "key_column_usage" => none_with(
            &[
                "constraint_catalog",
                "constraint_schema",
                "constraint_name",
                "table_catalog",
                "table_schema",
                "table_name",
                "column_name",
            ],
            &["ordinal_position", "position_in_unique_constraint"],
        ),
        "referential_constraints" => none(&[
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
            "unique_constraint_catalog",
            "unique_constraint_schema",
            "unique_constraint_name",
            "match_option",
            "update_rule",
            "delete_rule",
        ]),
        "constraint_column_usage" => none(&[
            "table_catalog",
            "table_schema",
            "table_name",
            "column_name",
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
        ]),
        "check_constraints" => none(&[
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
            "check_clause",
        ]),
        "column_privileges" => none(&[
            "grantor",
            "grantee",
            "table_catalog",
            "table_schema",
            "table_name",
            "column_name",
            "privilege_type",
            "is_grantable",
        ]),
        "routines" => none(&[
            "specific_catalog",
            "specific_schema",
            "specific_name",
            "routine_catalog",
            "routine_schema",
            "routine_name",
            "routine_type",
            "data_type",
            "routine_body",
            "routine_definition",
            "external_language",
        ]),
        "parameters" => none_with(
            &[
                "specific_catalog",
                "specific_schema",
                "specific_name",
                "parameter_mode",
                "parameter_name",
                "data_type",
            ],
            &["ordinal_position"],
        ),
        "sequences" => none(&[
            "sequence_catalog",
            "sequence_schema",
            "sequence_name",
            "data_type",
            "start_value",
            "minimum_value",
            "maximum_value",
            "increment",
            "cycle_option",
        ]),
        "triggers" => none(&[
            "trigger_catalog",
            "trigger_schema",
            "trigger_name",
            "event_manipulation",
            "event_object_catalog",
            "event_object_schema",
            "event_object_table",
            "action_statement",
            "action_timing",
        ]),
        "applicable_roles" => none(&["grantee", "role_name", "is_grantable"]),
        _ => return None,
    })
}

fn schema(texts: &[&str], numbers: &[&str]) -> SchemaRef {
    let field = |name: &&str, data_type| Field::new(*name, data_type, true);
    let mut fields: Vec<Field> = texts
        .iter()
        .map(|name| field(name, DataType::Utf8))
        .collect();
    fields.extend(numbers.iter().map(|name| field(name, DataType::Int32)));
    Arc::new(Schema::new(fields))
}

fn none(texts: &[&str]) -> Result<RecordBatch> {
    none_with(texts, &[])
}

fn none_with(texts: &[&str], numbers: &[&str]) -> Result<RecordBatch> {
    Ok(RecordBatch::new_empty(schema(texts, numbers)))
}

fn one(texts: &[&str], value: &str) -> Result<RecordBatch> {
    fill(&schema(texts, &[]), &[()], |(), _| value.into())
}

fn schemata(sources: &Sources<'_>) -> Result<RecordBatch> {
    let texts = [
        "catalog_name",
        "schema_name",
        "schema_owner",
        "default_character_set_catalog",
        "default_character_set_schema",
        "default_character_set_name",
        "sql_path",
    ];
    fill(
        &schema(&texts, &[]),
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
    let texts = [
        "table_catalog",
        "table_schema",
        "table_name",
        "table_type",
        "self_referencing_column_name",
        "reference_generation",
        "user_defined_type_catalog",
        "user_defined_type_schema",
        "user_defined_type_name",
        "is_insertable_into",
        "is_typed",
        "commit_action",
    ];
    fill(
        &schema(&texts, &[]),
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
    let texts = [
        "table_catalog",
        "table_schema",
        "table_name",
        "view_definition",
        "check_option",
        "is_updatable",
        "is_insertable_into",
    ];
    let views: Vec<&TableEntry> = sources
        .snapshot
        .tables
        .iter()
        .filter(|table| table.kind == 'v')
        .collect();
    fill(&schema(&texts, &[]), &views, |row, column| match column {
        "table_catalog" => sources.cache.database.as_str().into(),
        "table_schema" => row.schema.as_str().into(),
        "table_name" => row.name.as_str().into(),
        "check_option" => "NONE".into(),
        "is_updatable" | "is_insertable_into" => "NO".into(),
        _ => Cell::Unset,
    })
}

fn table_privileges(sources: &Sources<'_>) -> Result<RecordBatch> {
    let texts = [
        "grantor",
        "grantee",
        "table_catalog",
        "table_schema",
        "table_name",
        "privilege_type",
        "is_grantable",
        "with_hierarchy",
    ];
    fill(
        &schema(&texts, &[]),
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
    let texts = [
        "table_catalog",
        "table_schema",
        "table_name",
        "column_name",
        "column_default",
        "is_nullable",
        "data_type",
        "interval_type",
        "character_set_name",
        "collation_name",
        "domain_name",
        "udt_catalog",
        "udt_schema",
        "udt_name",
        "dtd_identifier",
        "is_self_referencing",
        "is_identity",
        "identity_generation",
        "is_generated",
        "generation_expression",
        "is_updatable",
    ];
    let numbers = [
        "ordinal_position",
        "character_maximum_length",
        "character_octet_length",
        "numeric_precision",
        "numeric_precision_radix",
        "numeric_scale",
        "datetime_precision",
    ];
    let types = sources
        .cache
        .types()
        .map_err(|error| datafusion::error::DataFusionError::Execution(error.message))?;
    let rows = attributes(sources.snapshot);
    fill(
        &schema(&texts, &numbers),
        &rows,
        |row: &Attribute<'_>, column| match column {
            "table_catalog" | "udt_catalog" => sources.cache.database.as_str().into(),
            "table_schema" => row.table.schema.as_str().into(),
            "table_name" => row.table.name.as_str().into(),
            "column_name" => row.field.name().as_str().into(),
            "ordinal_position" => row.number.into(),
            "dtd_identifier" => row.number.to_string().into(),
            "is_nullable" => (if row.field.is_nullable() { "YES" } else { "NO" }).into(),
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
