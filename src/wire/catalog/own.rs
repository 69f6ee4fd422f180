//! The catalog tables that are made here: from the snapshot, the session and the settings.
//! Their columns are Postgres's, by the exported tables; what has no meaning here is at its
//! default.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_empty_array, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Result, ScalarValue};
use datafusion_pg_catalog::pg_catalog::PgCatalogStaticTables;
use sha2::{Digest, Sha256};

use super::Facts;
use super::emptiness::EMPTY;
use super::schema::exported_schema;
use super::snapshot::{CatalogCache, Snapshot, TableEntry};
use crate::wire::encode::{OID_ALIAS, PgType, of_field, oid};
use crate::wire::session::lock;
use crate::wire::settings::{KNOWN, Kind};

/// Postgres's own bootstrap role, the owner of its own objects.
const POSTGRES_ROLE: i32 = 10;
/// `heap`: what clients expect a table to be kept in.
const HEAP_AM: i32 = 2;

/// One value of a row.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    /// NULL, or the default of a column that can't be NULL.
    Unset,
    Int(i64),
    Bool(bool),
    Text(String),
    Value(ScalarValue),
}

impl From<i32> for Cell {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<char> for Cell {
    fn from(value: char) -> Self {
        Self::Text(value.to_string())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Unset, Into::into)
    }
}

/// Fills a schema: `value(row, column)` gives what is known, the rest is default.
pub(super) fn fill<R>(
    schema: &SchemaRef,
    rows: &[R],
    value: impl Fn(&R, &str) -> Cell,
) -> Result<RecordBatch> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            let values = rows
                .iter()
                .map(|row| scalar(value(row, field.name()), field))
                .collect::<Result<Vec<_>>>()?;
            if values.is_empty() {
                return Ok(new_empty_array(field.data_type()));
            }
            if values.iter().all(ScalarValue::is_null) {
                return Ok(new_null_array(field.data_type(), values.len()));
            }
            let array: ArrayRef = ScalarValue::iter_to_array(values)?;
            Ok(cast(&array, field.data_type())?)
        })
        .collect::<Result<Vec<_>>>()?;
    // Nullability is not the exports' strong side: every column may be NULL.
    Ok(RecordBatch::try_new(nullable(schema), columns)?)
}

fn nullable(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// Columns of the exports that are of another type in Postgres: lists, and numbers of objects.
pub(super) fn corrected(schema: &Schema) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| {
            let name = field.name().as_str();
            if is_text_list(name) && field.data_type() == &DataType::Utf8 {
                return Field::new(name, DataType::new_list(DataType::Utf8, true), true);
            }
            if OIDS.contains(&name) && field.data_type() == &DataType::Int32 {
                return oid_field(name);
            }
            field.as_ref().clone()
        })
        .collect();
    Arc::new(Schema::new(fields))
}

fn is_text_list(name: &str) -> bool {
    name.ends_with("acl") || matches!(name, "reloptions" | "attoptions" | "attfdwoptions")
}

fn oid_field(name: &str) -> Field {
    let mark = [(OID_ALIAS.to_owned(), "oid".to_owned())];
    Field::new(name, DataType::Int32, true).with_metadata(mark.into())
}

/// Columns of the tables made here that are of the type `oid`.
const OIDS: &[&str] = &[
    "oid",
    "relnamespace",
    "reltype",
    "reloftype",
    "relowner",
    "relam",
    "relfilenode",
    "reltablespace",
    "reltoastrelid",
    "relrewrite",
    "attrelid",
    "atttypid",
    "attcollation",
    "nspowner",
    "datdba",
    "dattablespace",
    "objoid",
    "classoid",
    "usesysid",
    "datid",
];

/// The columns of an exported table, and those that the exports lack.
fn whole_schema(
    name: &str,
    lacking: &[(&str, DataType)],
    sources: &Sources<'_>,
) -> Result<SchemaRef> {
    let exported = exported_schema(name, sources)?;
    let mut fields: Vec<Field> = exported
        .fields()
        .iter()
        .map(|f| f.as_ref().clone())
        .collect();
    for (name, data_type) in lacking {
        if exported.field_with_name(name).is_err() {
            fields.push(Field::new(*name, data_type.clone(), true));
        }
    }
    Ok(corrected(&Schema::new(fields)))
}

fn scalar(cell: Cell, field: &Field) -> Result<ScalarValue> {
    let data_type = field.data_type();
    let value = match cell {
        Cell::Int(value) => ScalarValue::Int64(Some(value)),
        Cell::Bool(value) => ScalarValue::Boolean(Some(value)),
        Cell::Text(value) => ScalarValue::Utf8(Some(value)),
        Cell::Value(value) => return Ok(value),
        Cell::Unset => match data_type {
            _ if field.is_nullable() => return ScalarValue::try_from(data_type),
            DataType::Boolean => ScalarValue::Boolean(Some(false)),
            DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Float32 => {
                ScalarValue::Int64(Some(0))
            }
            DataType::Utf8 | DataType::LargeUtf8 => ScalarValue::Utf8(Some(String::new())),
            _ => return ScalarValue::try_from(data_type),
        },
    };
    value.cast_to(data_type)
}

/// A role's OID: a hash of its name, as with tables.
pub(super) fn role_oid(name: &str) -> i32 {
    let digest = Sha256::digest(format!("role\0{name}"));
    let hash = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    (16_384 + hash % (i32::MAX.cast_unsigned() - 16_384)).cast_signed()
}

pub(super) fn role_name(facts: &Facts, oid: i32) -> String {
    if oid == POSTGRES_ROLE {
        return OWNER.to_owned();
    }
    facts
        .users
        .iter()
        .find(|user| role_oid(user) == oid)
        .cloned()
        .unwrap_or_else(|| format!("unknown (OID={oid})"))
}

/// Who owns everything: the program itself. Nobody logs in as it.
const OWNER: &str = "frazil";

/// The OID of one of Postgres's own relations that clients name as `regclass`.
pub(super) fn system_relation_oid(name: &str) -> Option<i32> {
    SYSTEM_RELATIONS
        .iter()
        .find(|(_, known)| *known == name)
        .map(|(oid, _)| *oid)
}

pub(super) fn system_relation_name(oid: i32) -> Option<&'static str> {
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
pub(super) struct Attribute<'a> {
    pub table: &'a TableEntry,
    pub number: i32,
    pub field: &'a Field,
    pub pg: PgType,
}

pub(super) fn attributes(snapshot: &Snapshot) -> Vec<Attribute<'_>> {
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
const COMMENT_KEY: &str = "comment";

pub(super) fn column_comment(snapshot: &Snapshot, table: i32, number: i32) -> Option<String> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    let table = snapshot.table_by_oid(table)?;
    let field = table.columns.fields().get(index)?;
    field.metadata().get(COMMENT_KEY).cloned()
}

/// Everything a table of the session's may need.
pub(super) struct Sources<'a> {
    pub snapshot: &'a Snapshot,
    pub statics: &'a Arc<PgCatalogStaticTables>,
    pub facts: &'a Facts,
    pub cache: &'a CatalogCache,
}

/// A table made here; None when it is not one of these.
pub(super) fn table(name: &str, sources: &Sources<'_>) -> Option<Result<RecordBatch>> {
    Some(match name {
        "pg_class" => pg_class(sources),
        "pg_attribute" => pg_attribute(sources),
        "pg_namespace" => pg_namespace(sources),
        "pg_database" => pg_database(sources),
        "pg_roles" | "pg_authid" | "pg_user" | "pg_shadow" => pg_roles(name, sources),
        "pg_settings" => pg_settings(sources),
        "pg_tables" => pg_tables(sources),
        "pg_views" => pg_views(sources),
        "pg_description" => pg_description(sources),
        "pg_stat_activity" => pg_stat_activity(sources),
        // Postgres's rows of these tell of its own relations, which are not in pg_class here.
        name if EMPTY.contains(&name) => {
            exported_schema(name, sources).and_then(|s| empty(&corrected(&s)))
        }
        "pg_matviews" => empty(&text_columns(&[
            "schemaname",
            "matviewname",
            "matviewowner",
            "tablespace",
            "definition",
        ])),
        "pg_indexes" => empty(&text_columns(&[
            "schemaname",
            "tablename",
            "indexname",
            "tablespace",
            "indexdef",
        ])),
        "pg_available_extensions" => empty(&text_columns(&[
            "name",
            "default_version",
            "installed_version",
            "comment",
        ])),
        _ => return None,
    })
}

/// Names of the tables made here that the exports lack.
pub(super) const ADDED: &[&str] = &[
    "pg_user",
    "pg_shadow",
    "pg_indexes",
    "pg_stat_activity",
    "pg_available_extensions",
];

fn empty(schema: &SchemaRef) -> Result<RecordBatch> {
    Ok(RecordBatch::new_empty(nullable(schema)))
}

fn text_columns(names: &[&str]) -> SchemaRef {
    Arc::new(Schema::new(
        names
            .iter()
            .map(|name| Field::new(*name, DataType::Utf8, true))
            .collect::<Vec<_>>(),
    ))
}

fn columns(list: &[(&str, DataType)]) -> SchemaRef {
    let fields: Vec<Field> = list
        .iter()
        .map(|(name, data_type)| Field::new(*name, data_type.clone(), true))
        .collect();
    corrected(&Schema::new(fields))
}

fn pg_namespace(sources: &Sources<'_>) -> Result<RecordBatch> {
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

fn pg_class(sources: &Sources<'_>) -> Result<RecordBatch> {
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

fn pg_attribute(sources: &Sources<'_>) -> Result<RecordBatch> {
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
        "attnotnull" => (!row.field.is_nullable()).into(),
        "atthasdef" | "atthasmissing" | "attisdropped" => false.into(),
        "attislocal" => true.into(),
        "attinhcount" => 0.into(),
        "attidentity" | "attgenerated" | "attcompression" => "".into(),
        _ => Cell::Unset,
    })
}

fn pg_database(sources: &Sources<'_>) -> Result<RecordBatch> {
    let text = DataType::Utf8;
    let lacking = [
        ("datacl", text.clone()),
        ("daticulocale", text.clone()),
        ("datcollversion", text),
    ];
    let schema = whole_schema("pg_database", &lacking, sources)?;
    fill(&schema, &[()], |(), column| match column {
        "oid" => sources.cache.database_oid.into(),
        "datname" => sources.cache.database.as_str().into(),
        "datdba" => POSTGRES_ROLE.into(),
        "encoding" => 6.into(),
        "datlocprovider" => 'c'.into(),
        "datistemplate" => false.into(),
        "datallowconn" => true.into(),
        "datconnlimit" => (-1).into(),
        "dattablespace" => 1663.into(),
        "datcollate" => "C".into(),
        "datctype" => "C.UTF-8".into(),
        "datfrozenxid" | "datminmxid" => 0.into(),
        _ => Cell::Unset,
    })
}

fn pg_roles(name: &str, sources: &Sources<'_>) -> Result<RecordBatch> {
    let (b, i, t) = (DataType::Boolean, DataType::Int32, DataType::Utf8);
    let names = |prefix: &str| -> SchemaRef {
        let column = |suffix: &str| format!("{prefix}{suffix}");
        let list = [
            (column("name"), t.clone()),
            (column("super"), b.clone()),
            (column("inherit"), b.clone()),
            (column("createrole"), b.clone()),
            (column("createdb"), b.clone()),
            (column("canlogin"), b.clone()),
            (column("replication"), b.clone()),
            (column("connlimit"), i.clone()),
            (column("password"), t.clone()),
            (column("validuntil"), t.clone()),
            (column("bypassrls"), b.clone()),
            (column("config"), DataType::new_list(t.clone(), true)),
            ("oid".to_owned(), i.clone()),
        ];
        let fields: Vec<Field> = list
            .into_iter()
            .map(|(name, data_type)| Field::new(name, data_type, true))
            .collect();
        corrected(&Schema::new(fields))
    };
    let schema = match name {
        "pg_user" | "pg_shadow" => columns(&[
            ("usename", t.clone()),
            ("usesysid", i.clone()),
            ("usecreatedb", b.clone()),
            ("usesuper", b.clone()),
            ("userepl", b.clone()),
            ("usebypassrls", b.clone()),
            ("passwd", t.clone()),
            ("valuntil", t.clone()),
            ("useconfig", DataType::new_list(t.clone(), true)),
        ]),
        _ => names("rol"),
    };
    let mut roles: Vec<(&str, i32, bool)> = vec![(OWNER, POSTGRES_ROLE, false)];
    let mut users: Vec<&str> = sources.facts.users.iter().map(String::as_str).collect();
    users.sort_unstable();
    roles.extend(users.into_iter().map(|user| (user, role_oid(user), true)));
    fill(&schema, &roles, |(name, oid, login), column| match column {
        "oid" | "usesysid" => (*oid).into(),
        "rolname" | "usename" => (*name).into(),
        "rolcanlogin" => (*login).into(),
        "rolinherit" => true.into(),
        "rolconnlimit" => (-1).into(),
        "rolpassword" | "passwd" => "********".into(),
        "rolsuper" | "rolcreaterole" | "rolcreatedb" | "rolreplication" | "rolbypassrls"
        | "usecreatedb" | "usesuper" | "userepl" | "usebypassrls" => false.into(),
        _ => Cell::Unset,
    })
}

fn pg_settings(sources: &Sources<'_>) -> Result<RecordBatch> {
    let mut schema = vec![
        "name",
        "setting",
        "unit",
        "category",
        "short_desc",
        "extra_desc",
        "context",
        "vartype",
        "source",
        "min_val",
        "max_val",
    ];
    schema.extend(["boot_val", "reset_val", "sourcefile"]);
    let mut fields: Vec<Field> = schema
        .iter()
        .map(|name| Field::new(*name, DataType::Utf8, true))
        .collect();
    let text_list = DataType::new_list(DataType::Utf8, true);
    fields.insert(11, Field::new("enumvals", text_list, true));
    fields.push(Field::new("sourceline", DataType::Int32, true));
    fields.push(Field::new("pending_restart", DataType::Boolean, true));
    let settings = lock(&sources.facts.settings);
    fill(
        &Arc::new(Schema::new(fields)),
        KNOWN,
        |known, column| match column {
            "name" => known.name.into(),
            "setting" => settings.get(known.name).into(),
            "unit" if known.kind == Kind::Millis => "ms".into(),
            "category" => "Client Connection Defaults".into(),
            "short_desc" => known.description.into(),
            "context" => (if known.kind == Kind::Internal {
                "internal"
            } else {
                "user"
            })
            .into(),
            "vartype" => (match known.kind {
                Kind::Bool => "bool",
                Kind::Int(..) | Kind::Millis => "integer",
                Kind::Enum(_) => "enum",
                Kind::Text | Kind::Zone | Kind::Internal => "string",
            })
            .into(),
            "source" => (if settings.get(known.name) == Some(known.default) {
                "default"
            } else {
                "session"
            })
            .into(),
            "min_val" => match known.kind {
                Kind::Int(least, _) => least.to_string().into(),
                Kind::Millis => "0".into(),
                _ => Cell::Unset,
            },
            "max_val" => match known.kind {
                Kind::Int(_, most) => most.to_string().into(),
                Kind::Millis => i32::MAX.to_string().into(),
                _ => Cell::Unset,
            },
            "enumvals" => match known.kind {
                Kind::Enum(values) => {
                    let values: Vec<ScalarValue> = values.iter().map(|v| (*v).into()).collect();
                    Cell::Value(ScalarValue::List(ScalarValue::new_list_nullable(
                        &values,
                        &DataType::Utf8,
                    )))
                }
                _ => Cell::Unset,
            },
            "boot_val" => known.default.into(),
            "reset_val" => settings.reset_value(known.name).into(),
            "pending_restart" => false.into(),
            _ => Cell::Unset,
        },
    )
}

fn pg_tables(sources: &Sources<'_>) -> Result<RecordBatch> {
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

fn pg_views(sources: &Sources<'_>) -> Result<RecordBatch> {
    let schema = text_columns(&["schemaname", "viewname", "viewowner", "definition"]);
    let views: Vec<&TableEntry> = of_kind(sources, 'v');
    fill(&schema, &views, |row, column| match column {
        "schemaname" => row.schema.as_str().into(),
        "viewname" => row.name.as_str().into(),
        "viewowner" => OWNER.into(),
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

fn pg_description(sources: &Sources<'_>) -> Result<RecordBatch> {
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

/// The session itself; what others do stands in `system.queries`.
fn pg_stat_activity(sources: &Sources<'_>) -> Result<RecordBatch> {
    let (i, t) = (DataType::Int32, DataType::Utf8);
    let schema = columns(&[
        ("datid", i.clone()),
        ("datname", t.clone()),
        ("pid", i.clone()),
        ("usesysid", i.clone()),
        ("usename", t.clone()),
        ("application_name", t.clone()),
        ("client_addr", t.clone()),
        ("client_port", i),
        ("state", t.clone()),
        ("query", t.clone()),
        ("backend_type", t),
    ]);
    let facts = sources.facts;
    let application = lock(&facts.settings)
        .get("application_name")
        .unwrap_or_default()
        .to_owned();
    fill(&schema, &[()], |(), column| match column {
        "datid" => sources.cache.database_oid.into(),
        "datname" => sources.cache.database.as_str().into(),
        "pid" => facts.pid.into(),
        "usesysid" => role_oid(&facts.user).into(),
        "usename" => facts.user.as_str().into(),
        "application_name" => application.as_str().into(),
        "client_addr" => facts.peer.map(|peer| peer.ip().to_string()).into(),
        "client_port" => facts.peer.map(|peer| i32::from(peer.port())).into(),
        "state" => "active".into(),
        "backend_type" => "client backend".into(),
        _ => Cell::Unset,
    })
}
