//! Functions of the catalogs and of the session: who, where, how it is set, how things are called.
//! Must answer truthfully or with NULL, never with what merely looks right.

use std::net::SocketAddr;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Volatility;
use datafusion::prelude::SessionContext;

use super::row_function::{Args, RowFunction};
use super::snapshot::CatalogCache;
use super::{Facts, own};
use crate::query::{QueryError, QueryErrorKind};
use crate::wire::cancel::Signal;
use crate::wire::session::lock;
use crate::wire::settings::SERVER_VERSION;
use crate::wire::sqlstate::WireError;

const STABLE: Volatility = Volatility::Stable;

pub(super) fn text(value: Option<impl Into<String>>) -> Result<ScalarValue> {
    Ok(ScalarValue::Utf8(value.map(Into::into)))
}

fn int(value: Option<i32>) -> Result<ScalarValue> {
    Ok(ScalarValue::Int32(value))
}

fn boolean(value: Option<bool>) -> Result<ScalarValue> {
    Ok(ScalarValue::Boolean(value))
}

/// The argument at `index`, if it is there and not NULL.
pub(super) fn arg<'a>(args: &Args<'a>, index: usize) -> Option<&'a str> {
    args.get(index).copied().flatten()
}

fn oid_arg(args: &Args<'_>, index: usize) -> Option<i32> {
    arg(args, index)?.parse::<i64>().ok()?.try_into().ok()
}

/// A refusal that reaches the client with its own kind.
pub(super) fn refused(error: &WireError) -> datafusion::error::DataFusionError {
    let kind = match error.sqlstate {
        "42704" => QueryErrorKind::UndefinedObject,
        "42501" => QueryErrorKind::State("42501"),
        _ => QueryErrorKind::InvalidParameter,
    };
    QueryError::new(kind, error.message.clone()).into()
}

pub(super) fn register(context: &SessionContext, facts: &Arc<Facts>, cache: &Arc<CatalogCache>) {
    let mut all = session_functions(facts);
    all.extend(name_functions(facts, cache));
    all.extend(super::definitions::all(facts, cache));
    all.extend(other_functions(facts));
    for function in all {
        context.register_udf(function.build());
    }
    context.register_udtf("pg_get_keywords", Arc::new(super::whole::Keywords));
    use datafusion_pg_catalog::pg_catalog::array_bounds_udf as bounds;
    context.register_udf(bounds::create_array_upper_udf());
    context.register_udf(bounds::create_array_lower_udf());
}

/// A function that reaches another session by its process id; false where there is none.
fn signal(name: &'static str, signal: Signal, facts: &Arc<Facts>) -> RowFunction {
    let facts = Arc::clone(facts);
    RowFunction::new(name, DataType::Boolean, Volatility::Volatile, move |args| {
        let number = |index: usize| {
            let parsed = arg(args, index).map(|given| {
                given.parse::<i32>().map_err(|_| {
                    QueryError::new(
                        QueryErrorKind::State("22P02"),
                        format!("invalid input syntax for type integer: \"{given}\""),
                    )
                })
            });
            parsed.transpose()
        };
        if args.is_empty() || args.len() > 2 || (args.len() > 1 && signal == Signal::Cancel) {
            return Err(QueryError::new(
                QueryErrorKind::UndefinedFunction,
                format!(
                    "function {name} does not exist with {} arguments",
                    args.len()
                ),
            )
            .into());
        }
        let (pid, wait_ms) = (number(0)?, number(1)?);
        if wait_ms.is_some_and(|wait_ms| wait_ms != 0) {
            return Err(QueryError::new(
                QueryErrorKind::FeatureNotSupported,
                format!("{name} does not wait until the session has ended"),
            )
            .into());
        }
        let Some(pid) = pid else {
            return boolean(None);
        };
        let sent = facts.registry.signal(pid, &facts.user, signal);
        boolean(Some(sent.map_err(|error| refused(&error))?))
    })
}

/// Who and where.
fn session_functions(facts: &Arc<Facts>) -> Vec<RowFunction> {
    let text_of = |name: &'static str, value: String| {
        RowFunction::new(name, DataType::Utf8, STABLE, move |_| {
            text(Some(value.clone()))
        })
    };
    // `$user` counts only where a schema is called so, and none is made for a user here.
    let search = |facts: &Arc<Facts>| {
        let facts = Arc::clone(facts);
        move || {
            let mut path = lock(&facts.settings).search_path(&facts.user);
            path.retain(|name| *name != facts.user);
            path
        }
    };
    let (first, all) = (search(facts), search(facts));
    let (shown, changed) = (Arc::clone(facts), Arc::clone(facts));
    let pid = facts.pid;
    let ends = facts.ends;
    let ip = |end: Option<SocketAddr>| text(end.map(|end| end.ip().to_string()));
    let port = |end: Option<SocketAddr>| int(end.map(|end| i32::from(end.port())));
    vec![
        text_of("version", version()),
        text_of("current_database", facts.database.clone()).aliases(&["current_catalog"]),
        text_of("current_user", facts.user.clone()).aliases(&[
            "session_user",
            "user",
            "current_role",
            "getpgusername",
        ]),
        RowFunction::new("pg_backend_pid", DataType::Int32, STABLE, move |_| {
            int(Some(pid))
        }),
        RowFunction::new("inet_client_addr", DataType::Utf8, STABLE, move |_| {
            ip(ends.client)
        }),
        RowFunction::new("inet_client_port", DataType::Int32, STABLE, move |_| {
            port(ends.client)
        }),
        RowFunction::new("inet_server_addr", DataType::Utf8, STABLE, move |_| {
            ip(ends.server)
        }),
        RowFunction::new("inet_server_port", DataType::Int32, STABLE, move |_| {
            port(ends.server)
        }),
        signal("pg_cancel_backend", Signal::Cancel, facts),
        signal("pg_terminate_backend", Signal::Terminate, facts),
        RowFunction::new("current_schema", DataType::Utf8, STABLE, move |_| {
            text(first().into_iter().next())
        }),
        RowFunction::new(
            "current_schemas",
            DataType::new_list(DataType::Utf8, true),
            STABLE,
            move |args| {
                let mut names = all();
                if arg(args, 0) == Some("true") {
                    names.insert(0, "pg_catalog".to_owned());
                }
                let values: Vec<_> = names
                    .into_iter()
                    .map(|name| ScalarValue::Utf8(Some(name)))
                    .collect();
                Ok(ScalarValue::List(ScalarValue::new_list_nullable(
                    &values,
                    &DataType::Utf8,
                )))
            },
        ),
        // Volatile, so that it sees what set_config did beside it.
        RowFunction::new(
            "current_setting",
            DataType::Utf8,
            Volatility::Volatile,
            move |args| {
                let Some(name) = arg(args, 0) else {
                    return text(None::<String>);
                };
                match lock(&shown.settings).show(name) {
                    Ok(value) => text(Some(value)),
                    Err(_) if arg(args, 1) == Some("true") => text(None::<String>),
                    Err(error) => Err(refused(&error)),
                }
            },
        ),
        RowFunction::new(
            "set_config",
            DataType::Utf8,
            Volatility::Volatile,
            move |args| {
                let (Some(name), Some(value)) = (arg(args, 0), arg(args, 1)) else {
                    return text(None::<String>);
                };
                let mut settings = lock(&changed.settings);
                settings
                    .set(name, value, arg(args, 2) == Some("true"))
                    .map_err(|error| refused(&error))?;
                text(settings.get(name).map(str::to_owned))
            },
        ),
    ]
}

/// What Postgres's clients look for first, and what this really is.
fn version() -> String {
    format!(
        "PostgreSQL {SERVER_VERSION} (Frazil {}) on {}-{}, DataFusion {}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS,
        datafusion::DATAFUSION_VERSION,
    )
}

/// From OIDs to names and back.
fn name_functions(facts: &Arc<Facts>, cache: &Arc<CatalogCache>) -> Vec<RowFunction> {
    let both = || (Arc::clone(facts), Arc::clone(cache));
    let (visible, by_name, shown, users) = (both(), both(), both(), Arc::clone(facts));
    let (typed, to_type, to_schema, schema) = (both(), both(), both(), both());
    let (comment, column_comment) = (both(), both());
    vec![
        RowFunction::new(
            "pg_table_is_visible",
            DataType::Boolean,
            STABLE,
            move |args| {
                let (facts, cache) = &visible;
                let path = lock(&facts.settings).search_path(&facts.user);
                boolean(oid_arg(args, 0).map(|oid| cache.latest().is_visible(oid, &path)))
            },
        ),
        RowFunction::new("to_regclass", DataType::Int32, STABLE, move |args| {
            let (facts, cache) = &by_name;
            int(arg(args, 0).and_then(|name| relation_oid(name, facts, cache)))
        }),
        RowFunction::new(
            "frazil_regclass_name",
            DataType::Utf8,
            STABLE,
            move |args| {
                let (facts, cache) = &shown;
                let path = lock(&facts.settings).search_path(&facts.user);
                text(oid_arg(args, 0).map(|oid| relation_name(oid, &path, cache)))
            },
        ),
        RowFunction::new("to_regtype", DataType::Int32, STABLE, move |args| {
            let types = typed.1.types().map_err(|error| refused(&error))?;
            int(arg(args, 0).and_then(|name| types.oid(name)))
        }),
        RowFunction::new("format_type", DataType::Utf8, STABLE, move |args| {
            let types = to_type.1.types().map_err(|error| refused(&error))?;
            let modifier = oid_arg(args, 1).unwrap_or(-1);
            text(oid_arg(args, 0).map(|oid| types.format(oid, modifier)))
        }),
        RowFunction::new("to_regnamespace", DataType::Int32, STABLE, move |args| {
            int(arg(args, 0).and_then(|name| {
                to_schema
                    .1
                    .latest()
                    .schema_oid(name)
                    .or_else(|| name.trim().parse().ok())
            }))
        }),
        RowFunction::new("frazil_schema_name", DataType::Utf8, STABLE, move |args| {
            let snapshot = schema.1.latest();
            text(oid_arg(args, 0).map(|oid| {
                snapshot
                    .schemas
                    .iter()
                    .find(|schema| schema.oid == oid)
                    .map_or_else(|| oid.to_string(), |schema| schema.name.clone())
            }))
        }),
        RowFunction::new("pg_get_userbyid", DataType::Utf8, STABLE, move |args| {
            text(oid_arg(args, 0).map(|oid| own::role_name(&users, oid)))
        }),
        RowFunction::new("obj_description", DataType::Utf8, STABLE, move |args| {
            let snapshot = comment.1.latest();
            text(oid_arg(args, 0).and_then(|oid| snapshot.table_by_oid(oid)?.comment.clone()))
        }),
        RowFunction::new("col_description", DataType::Utf8, STABLE, move |args| {
            let snapshot = column_comment.1.latest();
            let found = oid_arg(args, 0)
                .zip(oid_arg(args, 1))
                .and_then(|(oid, number)| own::column_comment(&snapshot, oid, number));
            text(found)
        }),
    ]
}

/// The OID that a relation's name means; None when there is none.
pub(super) fn relation_oid(name: &str, facts: &Facts, cache: &CatalogCache) -> Option<i32> {
    if let Ok(number) = name.trim().parse::<i32>() {
        return Some(number);
    }
    let parts = split_name(name);
    let snapshot = cache.latest();
    match &parts[..] {
        [table] => {
            if let Some(oid) = own::system_relation_oid(table) {
                return Some(oid);
            }
            let path = lock(&facts.settings).search_path(&facts.user);
            snapshot.find(table, &path).map(|table| table.oid)
        }
        [schema, table] if schema == "pg_catalog" => own::system_relation_oid(table),
        [.., schema, table] => snapshot.table(schema, table).map(|table| table.oid),
        [] => None,
    }
}

/// A relation's name as `regclass` shows it: qualified where the search path doesn't find it.
fn relation_name(oid: i32, path: &[String], cache: &CatalogCache) -> String {
    if oid == 0 {
        return "-".to_owned();
    }
    let snapshot = cache.latest();
    match snapshot.table_by_oid(oid) {
        Some(table) if snapshot.is_visible(oid, path) => quote_ident(&table.name),
        Some(table) => format!(
            "{}.{}",
            quote_ident(&table.schema),
            quote_ident(&table.name)
        ),
        None => own::system_relation_name(oid).map_or_else(|| oid.to_string(), str::to_owned),
    }
}

/// `a."B c".d` into its parts, unquoted ones in lower case.
fn split_name(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for character in name.trim().chars() {
        match character {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            _ => {
                let last = parts.last_mut().expect("never empty");
                if quoted {
                    last.push(character);
                } else {
                    last.extend(character.to_lowercase());
                }
            }
        }
    }
    parts
}

fn other_functions(facts: &Arc<Facts>) -> Vec<RowFunction> {
    let constant_bool = |name: &'static str, value: bool| {
        RowFunction::new(name, DataType::Boolean, STABLE, move |_| {
            boolean(Some(value))
        })
    };
    let unknown_size = |name: &'static str| {
        RowFunction::new(name, DataType::Int64, STABLE, |_| {
            Ok(ScalarValue::Int64(None))
        })
    };
    let privilege = |name: &'static str| {
        RowFunction::new(name, DataType::Boolean, STABLE, |args| {
            // The right is the last argument, several divided by commas: reading is for all.
            let rights = args.last().copied().flatten().unwrap_or_default();
            boolean(Some(rights.split(',').any(|right| {
                matches!(
                    right.trim().to_ascii_uppercase().as_str(),
                    "SELECT" | "USAGE" | "CONNECT" | "EXECUTE"
                )
            })))
        })
    };
    let started = facts.started_ms;
    let own_role = Arc::clone(facts);
    vec![
        privilege("has_table_privilege").aliases(&["has_any_column_privilege"]),
        privilege("has_column_privilege"),
        privilege("has_schema_privilege"),
        privilege("has_database_privilege"),
        privilege("has_function_privilege"),
        privilege("has_type_privilege"),
        privilege("has_sequence_privilege"),
        RowFunction::new("pg_has_role", DataType::Boolean, STABLE, move |args| {
            let role = arg(args, args.len().saturating_sub(2)).unwrap_or_default();
            let own = role == own_role.user || role.parse() == Ok(own::role_oid(&own_role.user));
            boolean(Some(own))
        }),
        constant_bool("pg_type_is_visible", true),
        constant_bool("pg_function_is_visible", true),
        constant_bool("pg_operator_is_visible", true),
        constant_bool("pg_opclass_is_visible", true),
        constant_bool("pg_collation_is_visible", true).aliases(&[
            "pg_conversion_is_visible",
            "pg_opfamily_is_visible",
            "pg_statistics_obj_is_visible",
            "pg_ts_config_is_visible",
            "pg_ts_dict_is_visible",
            "pg_ts_parser_is_visible",
            "pg_ts_template_is_visible",
        ]),
        RowFunction::new("pg_char_to_encoding", DataType::Int32, STABLE, |args| {
            let name = arg(args, 0).map(str::to_ascii_lowercase);
            int(name.map(|name| {
                if matches!(name.as_str(), "utf8" | "unicode") {
                    6
                } else {
                    -1
                }
            }))
        }),
        RowFunction::new("getdatabaseencoding", DataType::Utf8, STABLE, |_| {
            text(Some("UTF8"))
        }),
        constant_bool("pg_is_in_recovery", false),
        constant_bool("pg_relation_is_publishable", false),
        constant_bool("pg_is_other_temp_schema", false),
        constant_bool("row_security_active", false),
        RowFunction::new(
            "frazil_no_elements",
            DataType::new_list(DataType::Utf8, true),
            STABLE,
            |_| {
                Ok(ScalarValue::List(ScalarValue::new_list_nullable(
                    &[],
                    &DataType::Utf8,
                )))
            },
        ),
        RowFunction::new("pg_my_temp_schema", DataType::Int32, STABLE, |_| {
            int(Some(0))
        }),
        unknown_size("pg_relation_size"),
        unknown_size("pg_table_size"),
        unknown_size("pg_total_relation_size"),
        unknown_size("pg_indexes_size"),
        unknown_size("pg_database_size"),
        unknown_size("pg_tablespace_size"),
        RowFunction::new("pg_size_pretty", DataType::Utf8, STABLE, |args| {
            text(arg(args, 0).and_then(size_pretty))
        }),
        RowFunction::new("pg_encoding_to_char", DataType::Utf8, STABLE, |args| {
            text(oid_arg(args, 0).map(|code| if code == 6 { "UTF8" } else { "" }))
        }),
        RowFunction::new("pg_tablespace_location", DataType::Utf8, STABLE, |_| {
            text(Some(""))
        }),
        RowFunction::new(
            "quote_ident",
            DataType::Utf8,
            Volatility::Immutable,
            |args| text(arg(args, 0).map(quote_ident)),
        ),
        RowFunction::new(
            "quote_literal",
            DataType::Utf8,
            Volatility::Immutable,
            |args| text(arg(args, 0).map(quote_literal)),
        ),
        RowFunction::new(
            "quote_nullable",
            DataType::Utf8,
            Volatility::Immutable,
            |args| {
                text(Some(
                    arg(args, 0).map_or_else(|| "NULL".to_owned(), quote_literal),
                ))
            },
        ),
        RowFunction::new("pg_advisory_unlock_all", DataType::Utf8, STABLE, |_| {
            // Postgres's void is shown as an empty text.
            text(Some(""))
        }),
        RowFunction::new("txid_current", DataType::Int64, STABLE, |_| {
            Err(QueryError::new(
                QueryErrorKind::FeatureNotSupported,
                "there are no transaction numbers here: a table's snapshots stand in its $snapshots",
            )
            .into())
        }),
        RowFunction::new(
            "pg_postmaster_start_time",
            DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into())),
            STABLE,
            move |_| {
                Ok(ScalarValue::TimestampMicrosecond(
                    Some(started * 1000),
                    Some("UTC".into()),
                ))
            },
        )
        .aliases(&["pg_conf_load_time"]),
    ]
}

/// An identifier, quoted where it must be.
pub(super) fn quote_ident(name: &str) -> String {
    let plain = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && !is_reserved(name);
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

fn is_reserved(name: &str) -> bool {
    use datafusion::sql::sqlparser::keywords::{
        RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_IDENTIFIER,
    };
    RESERVED_FOR_COLUMN_ALIAS
        .iter()
        .chain(RESERVED_FOR_IDENTIFIER)
        .any(|keyword| format!("{keyword:?}").eq_ignore_ascii_case(name))
}

fn quote_literal(value: &str) -> String {
    let quoted = value.replace('\'', "''");
    if value.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

fn size_pretty(bytes: &str) -> Option<String> {
    let mut size: f64 = bytes.parse().ok()?;
    for unit in ["bytes", "kB", "MB", "GB", "TB"] {
        if size.abs() < 10_240.0 {
            return Some(format!("{size:.0} {unit}"));
        }
        size /= 1024.0;
    }
    Some(format!("{size:.0} PB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_and_quoted() {
        assert_eq!(split_name("Shop.\"Odd.Name\""), ["shop", "Odd.Name"]);
        assert_eq!(quote_ident("events"), "events");
        assert_eq!(quote_ident("Odd"), "\"Odd\"");
        assert_eq!(quote_ident("select"), "\"select\"");
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(size_pretty("10239").unwrap(), "10239 bytes");
        assert_eq!(size_pretty("20971520").unwrap(), "20 MB");
    }
}
