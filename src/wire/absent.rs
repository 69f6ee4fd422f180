//! Statements about what is not here: objects of kinds that nobody can make, and maintenance that
//! needs no asking. Answered as Postgres does where none of the objects exists.

use datafusion::sql::sqlparser::ast::{self, ObjectName, ObjectType};

use super::session::Session;
use super::sqlstate::{Result, WireError};
use crate::query::statement::{Statement, parse};

/// DROP of objects of a kind that there are none of.
struct Absent {
    tag: &'static str,
    if_exists: bool,
    /// Of each object: what a client is told is not there.
    objects: Vec<String>,
    sqlstate: &'static str,
}

fn absent(sql: &ast::Statement) -> Option<Absent> {
    let named = |kind: &str, names: &[ObjectName]| -> Vec<String> {
        let last = |name: &ObjectName| name.0.last().map(ToString::to_string).unwrap_or_default();
        let quoted = names.iter().map(last);
        quoted
            .map(|name| format!("{kind} \"{}\"", name.trim_matches('"')))
            .collect()
    };
    Some(match sql {
        ast::Statement::DropFunction(drop) => Absent {
            tag: "DROP FUNCTION",
            if_exists: drop.if_exists,
            objects: drop
                .func_desc
                .iter()
                .map(|one| {
                    let args = one.args.iter().flatten();
                    let args: Vec<_> = args.map(|arg| arg.data_type.to_string()).collect();
                    format!("function {}({})", one.name, args.join(",").to_lowercase())
                })
                .collect(),
            sqlstate: "42883",
        },
        ast::Statement::DropDomain(drop) => Absent {
            tag: "DROP DOMAIN",
            if_exists: drop.if_exists,
            objects: named("type", std::slice::from_ref(&drop.name)),
            sqlstate: "42704",
        },
        ast::Statement::Drop {
            object_type,
            if_exists,
            names,
            ..
        } => {
            let (tag, kind, sqlstate) = match object_type {
                ObjectType::Index => ("DROP INDEX", "index", "42704"),
                ObjectType::Sequence => ("DROP SEQUENCE", "sequence", "42P01"),
                ObjectType::Type => ("DROP TYPE", "type", "42704"),
                ObjectType::Collation => ("DROP COLLATION", "collation", "42704"),
                _ => return None,
            };
            Absent {
                tag,
                if_exists: *if_exists,
                objects: named(kind, names),
                sqlstate,
            }
        }
        _ => return None,
    })
}

/// Whether such a statement is one that this room answers; it gives no rows.
pub(super) fn answers(sql: &ast::Statement) -> bool {
    matches!(sql, ast::Statement::Vacuum(_) | ast::Statement::Analyze(_)) || absent(sql).is_some()
}

impl Session<'_> {
    /// The tag of a statement that changes nothing, or what it can't find.
    pub(super) async fn run_absent(&mut self, sql: &ast::Statement) -> Result<&'static str> {
        match sql {
            ast::Statement::Vacuum(vacuum) => {
                if self.transaction.in_block() {
                    let message = "VACUUM cannot run inside a transaction block";
                    return Err(WireError::new("25001", message));
                }
                self.look_up(vacuum.table_name.as_ref()).await?;
                return Ok("VACUUM");
            }
            ast::Statement::Analyze(analyze) => {
                self.look_up(analyze.table_name.as_ref()).await?;
                return Ok("ANALYZE");
            }
            _ => {}
        }
        let Some(absent) = absent(sql) else {
            return Err(WireError::unsupported(format!("{sql} is not supported")));
        };
        for object in &absent.objects {
            let message = format!("{object} does not exist");
            if !absent.if_exists {
                return Err(WireError::new(absent.sqlstate, message));
            }
            self.warn("NOTICE", "00000", &format!("{message}, skipping"));
        }
        Ok(absent.tag)
    }

    /// An error where there is no such table.
    async fn look_up(&self, table: Option<&ObjectName>) -> Result<()> {
        let Some(table) = table else {
            return Ok(());
        };
        let text = format!("SELECT * FROM {table}");
        if let Some(Statement::Sql(select)) = parse(&text)?.pop() {
            self.query.plan(&select).await?;
        }
        Ok(())
    }
}
