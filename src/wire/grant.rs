//! GRANT and REVOKE: whoever may log in may read all, and who may write is configured. So a grant of
//! reading is what holds already, and everything else is refused: no right may seem to be there, or
//! gone, that is not.

use datafusion::sql::sqlparser::ast::{self, Action, GrantObjects, GranteeName, GranteesType};

use super::connection::Limits;
use super::prepared::single;
use super::session::Session;
use super::sqlstate::{Result, WireError};
use super::utility::folded;
use crate::query::Access;
use crate::query::statement::Statement;

impl Session<'_> {
    pub async fn grant(&mut self, grant: &ast::Grant, limits: &Limits) -> Result<()> {
        if self.query.options().access != Access::Write {
            return Err(WireError::new("42501", "permission denied to grant rights"));
        }
        let ast::Privileges::Actions(actions) = &grant.privileges else {
            return Err(configured("ALL"));
        };
        for action in actions {
            let reads = matches!(
                action,
                Action::Select { columns: None } | Action::Usage | Action::Connect
            );
            if !reads {
                return Err(configured(&action.to_string()));
            }
        }
        if grant.with_grant_option {
            return Err(configured("WITH GRANT OPTION"));
        }
        for grantee in &grant.grantees {
            self.check_role(grantee)?;
        }
        match &grant.objects {
            Some(GrantObjects::Tables(tables)) => {
                for table in tables {
                    self.check_relation(table, limits).await?;
                }
                Ok(())
            }
            Some(
                GrantObjects::Schemas(_)
                | GrantObjects::Databases(_)
                | GrantObjects::AllTablesInSchema { .. },
            ) => Ok(()),
            _ => Err(configured("this")),
        }
    }

    /// State `42704` for one that nobody is.
    fn check_role(&self, grantee: &ast::Grantee) -> Result<()> {
        if matches!(grantee.grantee_type, GranteesType::Public) {
            return Ok(());
        }
        let name = match &grantee.name {
            Some(GranteeName::ObjectName(name)) => {
                let parts = name.0.iter();
                let parts = parts.filter_map(ast::ObjectNamePart::as_ident).map(folded);
                parts.collect::<Vec<_>>().join(".")
            }
            _ => grantee.to_string(),
        };
        let special = ["public", "current_user", "session_user", "current_role"];
        if special.contains(&name.as_str()) || self.facts.users.contains(&name) {
            return Ok(());
        }
        Err(WireError::new(
            "42704",
            format!("role \"{name}\" does not exist"),
        ))
    }

    /// State `42P01` for one that isn't there.
    async fn check_relation(&mut self, name: &ast::ObjectName, limits: &Limits) -> Result<()> {
        if let Some(Statement::Sql(sql)) = single(&format!("SELECT 1 FROM {name}"))? {
            Box::pin(self.plan(&sql, limits)).await?;
        }
        Ok(())
    }
}

pub(super) fn configured(what: &str) -> WireError {
    WireError::unsupported(format!(
        "{what} can't be granted or revoked by a statement: all users may read, and who may write is configured"
    ))
    .with_hint("Set the user's access in the configuration: `access = \"write\"`.")
}
