//! Statements that the session answers itself: transactions, settings, prepared statements.
//! Must never run anything of the engine but what EXECUTE and DECLARE name.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{self, DiscardObject, Expr, Reset, Set, TransactionMode};
use futures::FutureExt;

use super::absent;
use super::connection::Limits;
use super::params;
use super::portal::Portal;
use super::prepared::Columns;
use super::run::Started;
use super::session::{Session, lock};
use super::showing::show_columns;
use super::sqlstate::{Result, WireError};
use super::transaction::Ended;
use crate::query::statement::Statement;
use crate::query::write;

/// Spells statements that the parser lacks as ones it has: ABORT, TABLE.
/// Only where such a statement stands alone.
pub(super) fn respell(text: &str) -> std::borrow::Cow<'_, str> {
    let trimmed = text.trim_start();
    let end = trimmed
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(trimmed.len());
    let (word, rest) = trimmed.split_at(end);
    if word.eq_ignore_ascii_case("abort") {
        return format!("ROLLBACK{rest}").into();
    }
    if word.eq_ignore_ascii_case("table") {
        return format!("SELECT * FROM{rest}").into();
    }
    text.into()
}

/// True for what is heard in a failed transaction.
pub(super) fn ends_transaction(statement: &ast::Statement) -> bool {
    matches!(
        statement,
        ast::Statement::Commit { .. } | ast::Statement::Rollback { .. }
    )
}

/// A defect in planning must cost its statement only, not the session.
pub(super) async fn guarded<T>(future: impl Future<Output = T>) -> Result<T> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|_| {
        WireError::new(
            "XX000",
            "the query engine failed on this statement by a defect of its own; the session goes on",
        )
    })
}

impl Session<'_> {
    /// The columns of a statement that the session answers; None when the engine does.
    pub fn described_by_session(&self, sql: &ast::Statement) -> Result<Option<Option<Columns>>> {
        use ast::Statement as S;
        Ok(Some(match sql {
            S::ShowVariable { variable } => Some(show_columns(variable)),
            S::Execute { .. } => self.executed(sql)?.columns.clone(),
            S::Fetch { name, .. } => self.cursor_columns(&name.value)?,
            S::Set(_)
            | S::Reset(_)
            | S::StartTransaction { .. }
            | S::Commit { .. }
            | S::Rollback { .. }
            | S::Savepoint { .. }
            | S::ReleaseSavepoint { .. }
            | S::Discard { .. }
            | S::Deallocate { .. }
            | S::Prepare { .. }
            | S::Declare { .. }
            | S::Close { .. }
            | S::Grant(_)
            | S::Revoke(_)
            | S::LISTEN { .. }
            | S::UNLISTEN { .. }
            | S::NOTIFY { .. } => None,
            other if absent::answers(other) => None,
            _ => return Ok(None),
        }))
    }

    /// Runs a statement that the session answers; None when the engine does.
    pub async fn run_in_session(
        &mut self,
        sql: &ast::Statement,
        limits: &Limits,
    ) -> Result<Option<Started>> {
        use ast::Statement as S;
        let tag = match sql {
            S::ShowVariable { variable } => return self.show(variable).map(Some),
            S::Execute { .. } => return Box::pin(self.execute(sql, limits)).await.map(Some),
            S::Fetch {
                name,
                direction,
                into,
                ..
            } => {
                return Self::fetched(&name.value, direction, into.as_ref()).map(Some);
            }
            S::Set(set) => {
                self.set(set)?;
                "SET"
            }
            S::Reset(reset) => {
                self.reset(&reset.reset)?;
                "RESET"
            }
            S::StartTransaction { modes, begin, .. } => {
                self.begin(modes)?;
                if *begin { "BEGIN" } else { "START TRANSACTION" }
            }
            S::Commit { chain, .. } => self.end_transaction(true, *chain).await?,
            S::Rollback {
                chain,
                savepoint: None,
            } => self.end_transaction(false, *chain).await?,
            S::Rollback {
                savepoint: Some(name),
                ..
            } => {
                let mut settings = lock(&self.facts.settings);
                let saved = self.transaction.rollback_to(&name.value, &mut settings)?;
                drop(settings);
                self.query.restore_writes(&saved);
                "ROLLBACK"
            }
            S::Savepoint { name } => {
                let writes = self.query.save_writes();
                let settings = lock(&self.facts.settings);
                self.transaction.savepoint(&name.value, &settings, writes)?;
                "SAVEPOINT"
            }
            S::ReleaseSavepoint { name } => {
                self.transaction.release(&name.value)?;
                "RELEASE"
            }
            S::Discard { object_type } => self.discard(object_type)?,
            S::Deallocate { name, .. } => self.deallocate(name)?,
            S::Prepare {
                name,
                data_types,
                statement,
            } => {
                Box::pin(self.prepare_sql(name, data_types, statement)).await?;
                "PREPARE"
            }
            S::Declare { stmts } => {
                Box::pin(self.declare(stmts)).await?;
                "DECLARE CURSOR"
            }
            S::Close { cursor } => self.close_cursor(cursor)?,
            S::Grant(grant) => {
                Box::pin(self.grant(grant, limits)).await?;
                "GRANT"
            }
            S::Revoke(_) => return Err(super::grant::configured("A right")),
            S::UNLISTEN { .. } => "UNLISTEN",
            S::LISTEN { .. } | S::NOTIFY { .. } => {
                return Err(WireError::unsupported(
                    "LISTEN and NOTIFY are not supported: there are no notifications here",
                ));
            }
            other if absent::answers(other) => Box::pin(self.run_absent(other)).await?,
            _ => return Ok(None),
        };
        Ok(Some(Started::Tag(tag.to_owned())))
    }

    fn set(&mut self, set: &Set) -> Result<()> {
        match set {
            Set::SingleAssignment {
                scope,
                variable,
                values,
                ..
            } => {
                let local = matches!(scope, Some(ast::ContextModifier::Local));
                let name = variable_name(variable);
                self.assign(&name, values, local)
            }
            Set::SetTimeZone { local, value } => {
                self.assign("timezone", std::slice::from_ref(value), *local)
            }
            Set::SetNames { charset_name, .. } => {
                self.assign_text("client_encoding", &charset_name.value, false)
            }
            Set::SetNamesDefault {} => self.settings().reset("client_encoding"),
            Set::SetTransaction { modes, session, .. } => self.set_transaction(modes, *session),
            Set::SetRole { role_name, .. } => match role_name {
                None => Ok(()),
                Some(name) if name.value == self.facts.user => Ok(()),
                Some(name) => Err(WireError::new(
                    "42501",
                    format!("permission denied to set role \"{}\"", name.value),
                )),
            },
            Set::SetSessionAuthorization(param) => {
                let asked = param.to_string();
                if asked.to_ascii_uppercase().contains("DEFAULT") {
                    return Ok(());
                }
                Err(WireError::new(
                    "42501",
                    "permission denied to set session authorization",
                ))
            }
            other => Err(WireError::unsupported(format!("{other} is not supported"))),
        }
    }

    fn assign(&mut self, name: &str, values: &[Expr], local: bool) -> Result<()> {
        if let [Expr::Identifier(word)] = values
            && word.quote_style.is_none()
            && word.value.eq_ignore_ascii_case("default")
        {
            return self.settings().reset(name);
        }
        let list = name.eq_ignore_ascii_case("search_path");
        let value = values
            .iter()
            .map(|value| setting_value(value, list))
            .collect::<Result<Vec<_>>>()?
            .join(", ");
        self.assign_text(name, &value, local)
    }

    fn assign_text(&mut self, name: &str, value: &str, local: bool) -> Result<()> {
        if local && !self.transaction.in_block() {
            self.warn(
                "WARNING",
                "25P01",
                "SET LOCAL can only be used in transaction blocks",
            );
        }
        self.settings().set(name, value, local)
    }

    fn set_transaction(&mut self, modes: &[TransactionMode], session: bool) -> Result<()> {
        let prefix = if session { "default_" } else { "" };
        for mode in modes {
            let (name, value) = match mode {
                TransactionMode::AccessMode(ast::TransactionAccessMode::ReadOnly) => {
                    ("transaction_read_only", "on".to_owned())
                }
                TransactionMode::AccessMode(ast::TransactionAccessMode::ReadWrite) => {
                    ("transaction_read_only", "off".to_owned())
                }
                TransactionMode::IsolationLevel(level) => {
                    ("transaction_isolation", level.to_string().to_lowercase())
                }
            };
            self.settings()
                .set(&format!("{prefix}{name}"), &value, !session)?;
        }
        Ok(())
    }

    fn reset(&mut self, reset: &Reset) -> Result<()> {
        match reset {
            Reset::ALL => {
                self.settings().reset_all();
                Ok(())
            }
            // Nobody acts as another role here: there is nothing to go back to.
            Reset::ConfigurationParameter(name)
                if ["role", "session_authorization"].contains(&&*variable_name(name)) =>
            {
                Ok(())
            }
            Reset::ConfigurationParameter(name) => self.settings().reset(&variable_name(name)),
        }
    }

    fn begin(&mut self, modes: &[TransactionMode]) -> Result<()> {
        let settings = lock(&self.facts.settings);
        let again = self.transaction.begin(&settings);
        drop(settings);
        if again {
            self.warn(
                "WARNING",
                "25001",
                "there is already a transaction in progress",
            );
        } else {
            self.query.hold_tables();
        }
        self.set_transaction(modes, false)
    }

    async fn end_transaction(&mut self, commit: bool, chain: bool) -> Result<&'static str> {
        // Carried through, whoever waits for it: what it does to the lake can't be taken back.
        let published = if commit && !self.transaction.failed() {
            match self.open_held().await {
                Ok(()) => self.publish().await,
                Err(error) => {
                    self.query.discard_writes().await;
                    Err(error)
                }
            }
        } else {
            self.query.discard_writes().await;
            Ok(())
        };
        let mut settings = lock(&self.facts.settings);
        let Ended { tag, warning } = if commit && published.is_ok() {
            if !self.transaction.failed() {
                self.portals.values_mut().for_each(Portal::commit);
            }
            self.transaction.commit(&mut settings)
        } else {
            self.transaction.rollback(&mut settings)
        };
        self.query.let_tables_go();
        if let Err(error) = published {
            drop(settings);
            self.portals.retain(|_, portal| portal.is_held());
            return Err(error);
        }
        if chain && !warning {
            self.transaction.begin(&settings);
            self.query.hold_tables();
        }
        drop(settings);
        self.portals.retain(|_, portal| portal.is_held());
        if warning {
            self.warn("WARNING", "25P01", "there is no transaction in progress");
        }
        Ok(tag)
    }

    fn discard(&mut self, object: &DiscardObject) -> Result<&'static str> {
        Ok(match object {
            DiscardObject::ALL => {
                if self.transaction.in_block() {
                    return Err(WireError::new(
                        "25001",
                        "DISCARD ALL cannot run inside a transaction block",
                    ));
                }
                self.statements.clear();
                self.portals.clear();
                self.settings().reset_all();
                self.query.drop_temporary();
                "DISCARD ALL"
            }
            // Plans are made anew for each batch; sequences are their tables' own.
            DiscardObject::PLANS => "DISCARD PLANS",
            DiscardObject::SEQUENCES => "DISCARD SEQUENCES",
            DiscardObject::TEMP => {
                self.query.drop_temporary();
                "DISCARD TEMP"
            }
        })
    }

    fn deallocate(&mut self, name: &ast::Ident) -> Result<&'static str> {
        if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("all") {
            self.statements.clear();
            return Ok("DEALLOCATE ALL");
        }
        let name = folded(name);
        if self.statements.remove(&name).is_none() {
            return Err(WireError::new(
                "26000",
                format!("prepared statement \"{name}\" does not exist"),
            ));
        }
        Ok("DEALLOCATE")
    }

    async fn prepare_sql(
        &mut self,
        name: &ast::Ident,
        data_types: &[ast::DataType],
        statement: &ast::Statement,
    ) -> Result<()> {
        let name = folded(name);
        if self.statements.contains_key(&name) {
            return Err(WireError::new(
                "42P05",
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        Self::check_room(self.statements.len(), "prepared statements")?;
        let writes = matches!(
            write::command(statement),
            Some("INSERT" | "UPDATE" | "DELETE" | "MERGE")
        );
        if !writes && !matches!(statement, ast::Statement::Query(_)) {
            return Err(WireError::unsupported(
                "PREPARE takes queries, INSERT, UPDATE, DELETE and MERGE only",
            ));
        }
        let declared = data_types.iter().map(type_oid).collect::<Result<_>>()?;
        let text = statement.to_string();
        let statement = Statement::Sql(Box::new(statement.clone()));
        let prepared = self.prepare(Some(statement), &text, declared).await?;
        self.statements.insert(name, Arc::new(prepared));
        Ok(())
    }

    fn executed(&self, sql: &ast::Statement) -> Result<Arc<super::prepared::Prepared>> {
        match sql {
            ast::Statement::Execute {
                name: Some(name), ..
            } => self.statement(&variable_name(name)),
            _ => Err(WireError::syntax(
                "EXECUTE needs the name of a prepared statement",
            )),
        }
    }

    async fn execute(&mut self, sql: &ast::Statement, limits: &Limits) -> Result<Started> {
        let prepared = self.executed(sql)?;
        let ast::Statement::Execute { parameters, .. } = sql else {
            return Err(WireError::syntax("EXECUTE expected"));
        };
        if parameters.len() != prepared.parameters.len() {
            return Err(WireError::syntax(format!(
                "wrong number of parameters for prepared statement: expected {} but got {}",
                prepared.parameters.len(),
                parameters.len()
            )));
        }
        let mut values = Vec::with_capacity(parameters.len());
        let zone = self.settings().zone();
        for (parameter, oid) in parameters.iter().zip(&prepared.parameters) {
            let text = self.constant(parameter, limits).await?;
            let bytes = text.map(bytes::Bytes::from);
            values.push(params::decode(
                bytes.as_ref(),
                super::encode::Format::Text,
                *oid,
                zone.name(),
            )?);
        }
        self.run(&prepared, &values, limits).await
    }

    /// The value of an expression without columns, as text.
    async fn constant(&mut self, expr: &Expr, limits: &Limits) -> Result<Option<String>> {
        let text = format!("SELECT CAST(({expr}) AS TEXT)");
        let Some(Statement::Sql(sql)) = super::prepared::single(&text)? else {
            return Err(WireError::syntax("a parameter must be a value"));
        };
        let plan = Box::pin(self.plan(&sql, limits)).await?;
        let query = &self.query;
        let mut stream = self
            .connection
            .watch(limits, guarded(Box::pin(query.execute(plan, &text))))
            .await???;
        let batch = self.connection.watch(limits, stream.next()).await?;
        let Some(batch) = batch.transpose()? else {
            return Ok(None);
        };
        let value = ScalarValue::try_from_array(batch.column(0), 0)
            .map_err(|error| WireError::from(crate::query::QueryError::from(error)))?;
        Ok(value.try_as_str().flatten().map(str::to_owned))
    }
}

/// Unquoted names fold to lower case.
pub(super) fn folded(name: &ast::Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}

fn variable_name(name: &ast::ObjectName) -> String {
    name.0
        .iter()
        .map(|part| part.as_ident().map_or_else(|| part.to_string(), folded))
        .collect::<Vec<_>>()
        .join(".")
}

/// One value of SET; in a list of names (`search_path`) a string is one name, quoted.
fn setting_value(value: &Expr, list: bool) -> Result<String> {
    Ok(match value {
        Expr::Value(value) => match value.value.clone().into_string() {
            Some(text) if list && !is_plain_name(&text) => format!("\"{text}\""),
            Some(text) => text,
            None => value.to_string(),
        },
        Expr::Identifier(name) if list && name.quote_style.is_some() => {
            format!("\"{}\"", name.value)
        }
        Expr::Identifier(name) => name.value.clone(),
        Expr::UnaryOp { .. } => value.to_string().replace(' ', ""),
        Expr::Interval(_) => {
            return Err(WireError::unsupported(
                "SET TIME ZONE INTERVAL is not supported: name a zone",
            ));
        }
        other => other.to_string(),
    })
}

fn is_plain_name(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The OID of a type named in PREPARE.
fn type_oid(data_type: &ast::DataType) -> Result<u32> {
    let name = data_type.to_string().to_lowercase();
    let base = name.split('(').next().unwrap_or_default().trim();
    super::catalog::type_oid(base)
        .ok_or_else(|| WireError::new("42704", format!("type \"{name}\" does not exist")))
}
