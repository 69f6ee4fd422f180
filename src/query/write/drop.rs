//! DROP TABLE, CREATE SCHEMA, COMMENT.

use datafusion::sql::sqlparser::ast::{self, CommentObject, SchemaName};

use super::target::{Target, shown, split};
use super::{Result, Writer, Written, folded, refuse, unsupported};
use crate::domain::TableName;
use crate::query::session::lock;

/// The table property that other engines take for a table's comment too.
const COMMENT: &str = "comment";

impl Writer<'_> {
    pub(super) async fn drop_tables(
        &self,
        names: &[ast::ObjectName],
        if_exists: bool,
    ) -> Result<Written> {
        self.check_access("DROP TABLE")?;
        let mut written = Written::tag("DROP TABLE");
        let mut dropped: Vec<Target> = Vec::new();
        for name in names {
            match self.find_target(name).await? {
                Some(target) => dropped.push(target),
                None if if_exists => {
                    written = written.noticed("00000", self.skipped(name).await?);
                }
                None => {
                    let message = format!("table \"{}\" does not exist", split(name)?.1);
                    return Err(refuse("42P01", message));
                }
            }
        }
        let mut writes = lock(&self.session.writes);
        for target in dropped {
            writes.put(target.name, target.base, None);
        }
        Ok(written)
    }

    async fn skipped(&self, name: &ast::ObjectName) -> Result<String> {
        let (schema, table) = split(name)?;
        if let Some(schema) = schema
            && !self.has_schema(&schema).await?
        {
            return Ok(format!("schema \"{schema}\" does not exist, skipping"));
        }
        Ok(format!("table \"{table}\" does not exist, skipping"))
    }

    pub(super) async fn has_schema(&self, schema: &str) -> Result<bool> {
        if schema == "public" {
            return Ok(true);
        }
        let namespaces = self.session.engine().lake().catalog.namespaces().await?;
        Ok(namespaces.iter().any(|known| known == schema))
    }

    /// Declared at once, whatever becomes of the transaction: namespaces have no commit.
    pub(super) async fn create_schema(
        &self,
        name: &SchemaName,
        if_not_exists: bool,
    ) -> Result<Written> {
        self.check_access("database")?;
        let name = match name {
            SchemaName::Simple(name) | SchemaName::NamedAuthorization(name, _) => shown(name),
            SchemaName::UnnamedAuthorization(user) => folded(user),
        };
        if name.starts_with("pg_")
            || ["system", "information_schema", super::WORK].contains(&name.as_str())
        {
            return Err(refuse(
                "42939",
                format!("unacceptable schema name \"{name}\""),
            ));
        }
        if TableName::new(&name, "t").is_err() {
            return Err(refuse(
                "42602",
                format!(
                    "\"{name}\" can't be a schema's name: letters, digits and _, the first no digit, at most 63"
                ),
            ));
        }
        let written = Written::tag("CREATE SCHEMA");
        if self.has_schema(&name).await? {
            if if_not_exists {
                let message = format!("schema \"{name}\" already exists, skipping");
                return Ok(written.noticed("42P06", message));
            }
            return Err(refuse("42P06", format!("schema \"{name}\" already exists")));
        }
        let catalog = &self.session.engine().lake().catalog;
        catalog.create_namespace(&name).await?;
        Ok(written)
    }

    pub(super) async fn comment(
        &self,
        object: CommentObject,
        name: &ast::ObjectName,
        text: Option<&str>,
    ) -> Result<Written> {
        match object {
            CommentObject::Table => {
                let mut target = self.target(name).await?;
                target
                    .draft
                    .set_property(COMMENT, text.map(str::to_owned))?;
                self.put(target);
            }
            CommentObject::Column => {
                let mut table = name.clone();
                let column = table.0.pop().and_then(|part| part.as_ident().map(folded));
                let (Some(column), false) = (column, table.0.is_empty()) else {
                    return Err(refuse("42601", "column name must be qualified"));
                };
                let mut target = self.target(&table).await?;
                let at = target.column(&column)?;
                let schema = super::alter::with_field(&target, at, |field| {
                    field.doc = text.map(str::to_owned);
                })?;
                target.draft.set_schema(schema)?;
                self.put(target);
            }
            other => return Err(unsupported(format!("COMMENT ON {other} is not supported"))),
        }
        Ok(Written::tag("COMMENT"))
    }
}
