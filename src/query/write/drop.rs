//! DROP TABLE, DROP VIEW, COMMENT.

use datafusion::sql::sqlparser::ast::{self, CommentObject};

use super::dependents::Object;
use super::target::{Meant, Target, split};
use super::{Result, Writer, Written, folded, refuse, unsupported};
use crate::query::session::lock;

/// The table property that other engines take for a table's comment too.
const COMMENT: &str = "comment";

impl Writer<'_> {
    pub(super) async fn drop_tables(
        &self,
        names: &[ast::ObjectName],
        if_exists: bool,
        cascade: bool,
    ) -> Result<Written> {
        self.check_access("DROP TABLE")?;
        let mut written = Written::tag("DROP TABLE");
        let mut dropped: Vec<Target> = Vec::new();
        for name in names {
            match self.meant(name).await? {
                Some(Meant::Table(target)) => dropped.push(*target),
                Some(Meant::View(view, _)) => {
                    let message = format!("\"{}\" is not a table", view.name());
                    let hint = "Use DROP VIEW to remove a view.";
                    return Err(refuse("42809", message).with_hint(hint));
                }
                None if if_exists => {
                    written = written.noticed("00000", self.skipped(name, "table").await?);
                }
                None => {
                    let message = format!("table \"{}\" does not exist", split(name)?.1);
                    return Err(refuse("42P01", message));
                }
            }
        }
        let objects: Vec<_> = dropped
            .iter()
            .map(|target| (target.name.clone(), Object::Table))
            .collect();
        let written = self.drop_dependents(&objects, cascade, written).await?;
        let mut writes = lock(&self.session.writes);
        for target in dropped {
            writes.put(target.name, target.base, None);
        }
        Ok(written)
    }

    pub(super) async fn drop_views(
        &self,
        names: &[ast::ObjectName],
        if_exists: bool,
        cascade: bool,
    ) -> Result<Written> {
        self.check_access("DROP VIEW")?;
        let mut written = Written::tag("DROP VIEW");
        let mut dropped = Vec::new();
        for name in names {
            match self.meant(name).await? {
                Some(Meant::View(name, view)) => dropped.push((name, view)),
                Some(Meant::Table(target)) => {
                    let message = format!("\"{}\" is not a view", target.name.name());
                    let hint = "Use DROP TABLE to remove a table.";
                    return Err(refuse("42809", message).with_hint(hint));
                }
                None if if_exists => {
                    written = written.noticed("00000", self.skipped(name, "view").await?);
                }
                None => {
                    let message = format!("view \"{}\" does not exist", split(name)?.1);
                    return Err(refuse("42P01", message));
                }
            }
        }
        let objects: Vec<_> = dropped
            .iter()
            .map(|(name, _)| (name.clone(), Object::View))
            .collect();
        let written = self.drop_dependents(&objects, cascade, written).await?;
        let mut writes = lock(&self.session.writes);
        for (name, view) in dropped {
            writes.put_view(name, Some(view), None);
        }
        Ok(written)
    }

    async fn skipped(&self, name: &ast::ObjectName, kind: &str) -> Result<String> {
        let (schema, table) = split(name)?;
        if let Some(schema) = schema
            && !self.has_schema(&schema).await?
        {
            return Ok(format!("schema \"{schema}\" does not exist, skipping"));
        }
        Ok(format!("{kind} \"{table}\" does not exist, skipping"))
    }

    pub(super) async fn comment(
        &self,
        object: CommentObject,
        name: &ast::ObjectName,
        text: Option<&str>,
    ) -> Result<Written> {
        match object {
            CommentObject::Table => {
                let mut target = self.table(name).await?;
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
                let mut target = self.table(&table).await?;
                let at = target.column(&column)?;
                let schema = super::alter::with_field(&target, at, |field| {
                    field.doc = text.map(str::to_owned);
                })?;
                target.draft.set_schema(schema)?;
                self.put(target);
            }
            CommentObject::View => self.comment_on_view(name, text).await?,
            other => return Err(unsupported(format!("COMMENT ON {other} is not supported"))),
        }
        Ok(Written::tag("COMMENT"))
    }
}
