//! Settings and sessions of the server.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{Result, ScalarValue};
use datafusion::error::DataFusionError;

use super::Sources;
use super::cell::{Cell, fill};
use super::roles::role_oid;
use crate::wire::catalog::whole;
use crate::wire::session::lock;
use crate::wire::settings::{KNOWN, Kind};

pub(super) fn pg_settings(sources: &Sources<'_>) -> Result<RecordBatch> {
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
                Kind::Real => "real",
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

/// The sessions of this process; of other users' only that they are there. What they run stands
/// in `system.queries`.
pub(super) fn pg_stat_activity(sources: &Sources<'_>) -> Result<RecordBatch> {
    let schema = whole::columns("pg_catalog", "pg_stat_activity")
        .ok_or_else(|| DataFusionError::Internal("pg_stat_activity is not listed".to_owned()))?;
    let sessions = sources.facts.registry.sessions();
    let own = |user: &str| user == sources.facts.user;
    fill(&schema, &sessions, |(facts, runs), column| match column {
        "client_addr" | "client_port" | "state" if !own(&facts.user) => Cell::Unset,
        "datid" => sources.cache.database_oid.into(),
        "datname" => facts.database.as_str().into(),
        "pid" => facts.pid.into(),
        "usesysid" => role_oid(&facts.user).into(),
        "usename" => facts.user.as_str().into(),
        "application_name" => lock(&facts.settings)
            .get("application_name")
            .unwrap_or_default()
            .into(),
        "client_addr" => facts.ends.client.map(|end| end.ip().to_string()).into(),
        "client_port" => facts.ends.client.map(|end| i32::from(end.port())).into(),
        "state" => (if *runs { "active" } else { "idle" }).into(),
        "backend_type" => "client backend".into(),
        _ => Cell::Unset,
    })
}
