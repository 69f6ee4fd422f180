//! Schemas, tables, views, their columns and comments.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;

use super::cell::{Cell, columns, corrected, fill, text_columns, whole_schema};
use super::roles::POSTGRES_ROLE;
use super::{OWNER, Sources};
use crate::wire::catalog::snapshot::{Snapshot, TableEntry};
use crate::wire::encode::{PgType, of_field, oid};

/// `heap`: what clients expect a table to be kept in.
const HEAP_AM: i32 = 2;

/// The OID of one of Postgres's own relations that clients name as `regclass`.
pub(in crate::wire::catalog) fn system_relation_oid(name: &str) -> Option<i32> {
    SYSTEM_RELATIONS
        .iter()
        .find(|(_, known)| *known == name)
        .map(|(oid, _)| *oid)
}

pub(in crate::wire::catalog) fn system_relation_name(oid: i32) -> Option<&'static str> {
    SYSTEM_RELATIONS
        .iter()
        .find(|(known, _)| *known == oid)
        .map(|(_, name)| *name)
}

/// Postgres's fixed OIDs of its catalogs.
const SYSTEM_RELATIONS: &[(i32, &str)] = &[
    (1213, "pg_tablespace"),
    (1247, "pg_type"),
    (1249, "pg_attribute"),
    (1255, "pg_proc"),
    (1259, "pg_class"),
    (1260, "pg_authid"),
    (1262, "pg_database"),
    (2601, "pg_am"),
    (2604, "pg_attrdef"),
    (2606, "pg_constraint"),
    (2609, "pg_description"),
    (2610, "pg_index"),
    (2612, "pg_language"),
    (2615, "pg_namespace"),
    (2617, "pg_operator"),
    (2618, "pg_rewrite"),
    (2620, "pg_trigger"),
    (3079, "pg_extension"),
    (3456, "pg_collation"),
];

/// What a column is in `pg_attribute`.
pub(in crate::wire::catalog) struct Attribute<'a> {
    pub table: &'a TableEntry,
    pub number: i32,
    pub field: &'a Field,
    pub pg: PgType,
}

pub(in crate::wire::catalog) fn attributes(snapshot: &Snapshot) -> Vec<Attribute<'_>> {
    snapshot
        .tables
        .iter()
        .flat_map(|table| {
            table
                .columns
                .fields()
                .iter()
                .enumerate()
                .map(move |(index, field)| Attribute {
                    table,
                    number: index as i32 + 1,
                    pg: of_field(field),
                    field,
                })
        })
        .collect()
}

/// The key under which a column's documentation is kept in its Arrow field.
const COMMENT_KEY: &str = "doc";

pub(in crate::wire::catalog) fn column_comment(
    snapshot: &Snapshot,
    table: i32,
    number: i32,
) -> Option<String> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    let table = snapshot.table_by_oid(table)?;
    let field = table.columns.fields().get(index)?;
    field.metadata().get(COMMENT_KEY).cloned()
}

pub(super) fn pg_namespace(sources: &Sources<'_>) -> Result<RecordBatch> {
    let schema = whole_schema("pg_namespace", &[("nspacl", DataType::Utf8)], sources)?;
    fill(
        &schema,
        &sources.snapshot.schemas,
        |row, column| match column {
            "oid" => row.oid.into(),
            "nspname" => row.name.as_str().into(),
            "nspowner" => POSTGRES_ROLE.into(),
            _ => Cell::Unset,
        },
    )
}

pub(super) fn pg_class(sources: &Sources<'_>) -> Result<RecordBatch> {
    let (int, text) = (DataType::Int32, DataType::Utf8);
    let lacking = [
        ("relrewrite", int.clone()),
        ("relfrozenxid", int.clone()),
        ("relminmxid", int),
        ("relacl", text.clone()),
        ("reloptions", text.clone()),
        ("relpartbound", text),
    ];
    let schema = whole_schema("pg_class", &lacking, sources)?;
    fill(
        &schema,
        &sources.snapshot.tables,
        |row, column| match column {
            "oid" | "relfilenode" => row.oid.into(),
            "relname" => row.name.as_str().into(),
            "relnamespace" => row.schema_oid.into(),
            "reltype" | "reloftype" | "reltablespace" | "reltoastrelid" => 0.into(),
            "relowner" => POSTGRES_ROLE.into(),
            "relam" => (if row.kind == 'r' { HEAP_AM } else { 0 }).into(),
            "reltuples" | "relpages" => (-1).into(),
            "relpersistence" => 'p'.into(),
            "relkind" => row.kind.into(),
            "relnatts" => (row.columns.fields().len() as i32).into(),
            "relreplident" => 'd'.into(),
            "relispopulated" => true.into(),
            "relhasindex"
            | "relhasrules"
            | "relhastriggers"
            | "relhassubclass"
            | "relisshared"
            | "relrowsecurity"
            | "relforcerowsecurity"
            | "relispartition" => false.into(),
            "relchecks" | "relallvisible" | "relrewrite" | "relfrozenxid" | "relminmxid" => {
                0.into()
            }
            _ => Cell::Unset,
        },
    )
}

pub(super) fn pg_attribute(sources: &Sources<'_>) -> Result<RecordBatch> {
    let schema = whole_schema("pg_attribute", &[("attacl", DataType::Utf8)], sources)?;
    let rows = attributes(sources.snapshot);
    fill(&schema, &rows, |row, column| match column {
        "attrelid" => row.table.oid.into(),
        "attname" => row.field.name().as_str().into(),
        "atttypid" => row.pg.oid.cast_signed().into(),
        "attlen" => i32::from(row.pg.size).into(),
        "attnum" => row.number.into(),
        "atttypmod" => row.pg.modifier.into(),
        "attndims" => i32::from(crate::wire::encode::element_of(row.pg.oid).is_some()).into(),
        "attcacheoff" | "attstattarget" => (-1).into(),
        "attbyval" => matches!(row.pg.size, 1 | 2 | 4 | 8).into(),
        "attalign" => (match row.pg.size {
            1 => 'c',
            2 => 's',
            8 => 'd',
            _ => 'i',
        })
        .into(),
        "attstorage" => (match row.pg.oid {
            oid::NUMERIC => 'm',
            _ if row.pg.size < 0 => 'x',
            _ => 'p',
        })
        .into(),
        "attcollation" => (if row.pg.oid == oid::TEXT { 100 } else { 0 }).into(),
        "attnotnull" => (row.table.kind == 'r' && !row.field.is_nullable()).into(),
        "atthasdef" | "atthasmissing" | "attisdropped" => false.into(),
        "attislocal" => true.into(),
        "attinhcount" => 0.into(),
        "attidentity" | "attgenerated" | "attcompression" => "".into(),
        _ => Cell::Unset,
    })
}

pub(super) fn pg_tables(sources: &Sources<'_>) -> Result<RecordBatch> {
    let (b, t) = (DataType::Boolean, DataType::Utf8);
    let schema = columns(&[
        ("schemaname", t.clone()),
        ("tablename", t.clone()),
        ("tableowner", t.clone()),
        ("tablespace", t),
        ("hasindexes", b.clone()),
        ("hasrules", b.clone()),
        ("hastriggers", b.clone()),
        ("rowsecurity", b),
    ]);
    let tables: Vec<&TableEntry> = of_kind(sources, 'r');
    fill(&schema, &tables, |row, column| match column {
        "schemaname" => row.schema.as_str().into(),
        "tablename" => row.name.as_str().into(),
        "tableowner" => OWNER.into(),
        "tablespace" => Cell::Unset,
        _ => false.into(),
    })
}

pub(super) fn pg_views(sources: &Sources<'_>) -> Result<RecordBatch> {
    let schema = text_columns(&["schemaname", "viewname", "viewowner", "definition"]);
    let views: Vec<&TableEntry> = of_kind(sources, 'v');
    fill(&schema, &views, |row, column| match column {
        "schemaname" => row.schema.as_str().into(),
        "viewname" => row.name.as_str().into(),
        "viewowner" => OWNER.into(),
        "definition" => row.shown_definition().into(),
        _ => Cell::Unset,
    })
}

fn of_kind<'a>(sources: &Sources<'a>, kind: char) -> Vec<&'a TableEntry> {
    sources
        .snapshot
        .tables
        .iter()
        .filter(|table| table.kind == kind)
        .collect()
}

pub(super) fn pg_description(sources: &Sources<'_>) -> Result<RecordBatch> {
    let schema = corrected(&sources.statics.pg_description.schema());
    let mut rows: Vec<(i32, i32, String)> = Vec::new();
    for table in &sources.snapshot.tables {
        if let Some(comment) = &table.comment {
            rows.push((table.oid, 0, comment.clone()));
        }
        for number in 1..=table.columns.fields().len() as i32 {
            if let Some(comment) = column_comment(sources.snapshot, table.oid, number) {
                rows.push((table.oid, number, comment));
            }
        }
    }
    fill(
        &schema,
        &rows,
        |(oid, number, comment), column| match column {
            "objoid" => (*oid).into(),
            "classoid" => 1259.into(),
            "objsubid" => (*number).into(),
            "description" => comment.as_str().into(),
            _ => Cell::Unset,
        },
    )
}
