//! Users and databases as Postgres lists them.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result;
use sha2::{Digest, Sha256};

use super::cell::{Cell, columns, corrected, fill, whole_schema};
use super::{OWNER, Sources};
use crate::wire::catalog::Facts;

/// Postgres's own bootstrap role, the owner of its own objects.
pub(super) const POSTGRES_ROLE: i32 = 10;

/// A role's OID: a hash of its name, as with tables.
pub(in crate::wire::catalog) fn role_oid(name: &str) -> i32 {
    let digest = Sha256::digest(format!("role\0{name}"));
    let hash = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    (16_384 + hash % (i32::MAX.cast_unsigned() - 16_384)).cast_signed()
}

pub(in crate::wire::catalog) fn role_name(facts: &Facts, oid: i32) -> String {
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

pub(super) fn pg_roles(name: &str, sources: &Sources<'_>) -> Result<RecordBatch> {
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

pub(super) fn pg_database(sources: &Sources<'_>) -> Result<RecordBatch> {
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
