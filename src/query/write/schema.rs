//! CREATE SCHEMA and DROP SCHEMA, which take place with the transaction.

use datafusion::sql::sqlparser::ast::{self, SchemaName};

use super::dependents::{Object, cascaded};
use super::target::{Meant, shown};
use super::{Result, TEMPORARY, WORK, Writer, Written, folded, refuse};
use crate::domain::TableName;
use crate::query::QueryError;
use crate::query::session::lock;

/// Schemas that are not the lake's.
const OWN: [&str; 3] = ["system", "information_schema", WORK];

impl Writer<'_> {
    pub(super) async fn has_schema(&self, schema: &str) -> Result<bool> {
        if schema == "public" {
            return Ok(true);
        }
        if let Some(made) = lock(&self.session.writes).schemas.get(schema) {
            return Ok(*made);
        }
        let namespaces = self.session.engine().lake().catalog.namespaces().await?;
        Ok(namespaces.iter().any(|known| known == schema))
    }

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
        if name.starts_with("pg_") || OWN.contains(&name.as_str()) {
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
        lock(&self.session.writes).schemas.insert(name, true);
        Ok(written)
    }

    pub(super) async fn drop_schemas(
        &self,
        names: &[ast::ObjectName],
        if_exists: bool,
        cascade: bool,
    ) -> Result<Written> {
        self.check_access("database")?;
        let mut written = Written::tag("DROP SCHEMA");
        for name in names {
            let name = shown(name);
            if name.starts_with("pg_") || name == "public" || OWN.contains(&name.as_str()) {
                return Err(refuse(
                    "2BP01",
                    format!(
                        "cannot drop schema {name} because it is required by the database system"
                    ),
                ));
            }
            if self.has_schema(&name).await? {
                written = self.drop_schema(&name, cascade, written).await?;
            } else if if_exists {
                let text = format!("schema \"{name}\" does not exist, skipping");
                written = written.noticed("00000", text);
            } else {
                return Err(refuse("3F000", format!("schema \"{name}\" does not exist")));
            }
        }
        Ok(written)
    }

    async fn drop_schema(&self, schema: &str, cascade: bool, written: Written) -> Result<Written> {
        let within = self.within(schema).await?;
        let names: Vec<TableName> = within.iter().map(|(name, _)| name.clone()).collect();
        let dependents = self.dependents(&names).await?;
        if !cascade && !within.is_empty() {
            let own = within
                .iter()
                .map(|(name, kind)| format!("{} {name} depends on schema {schema}", kind.word()));
            let others = dependents
                .iter()
                .map(|one| format!("view {} depends on {}", one.name, one.on));
            return Err(QueryError {
                detail: Some(own.chain(others).collect::<Vec<_>>().join("\n")),
                ..refuse(
                    "2BP01",
                    format!("cannot drop schema {schema} because other objects depend on it"),
                )
            }
            .with_hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        let mut words = Vec::new();
        for (name, kind) in within {
            words.push(format!("{} {name}", kind.word()));
            let parts = [schema, name.name()].map(|part| ast::Ident::with_quote('"', part));
            match self.meant(&ast::ObjectName::from(parts.to_vec())).await? {
                Some(Meant::Table(target)) => {
                    lock(&self.session.writes).put(target.name, target.base, None);
                }
                Some(Meant::View(name, view)) => {
                    lock(&self.session.writes).put_view(name, Some(view), None);
                }
                // A model or stream that has made no table yet.
                None => return Err(self.claimed(&name)),
            }
        }
        let mut writes = lock(&self.session.writes);
        for one in dependents {
            words.push(format!("view {}", one.name));
            writes.put_view(one.name, Some(one.view), None);
        }
        writes.schemas.insert(schema.to_owned(), false);
        drop(writes);
        Ok(cascaded(written, words))
    }

    fn claimed(&self, name: &TableName) -> super::Error {
        refuse(
            "2BP01",
            format!("cannot drop {name}: a model of this name is declared"),
        )
        .with_hint("DROP MATERIALIZED VIEW drops it, or its file is removed.")
    }

    /// Tables, views and models of a schema, as the transaction sees them.
    async fn within(&self, schema: &str) -> Result<Vec<(TableName, Object)>> {
        let lake = self.session.engine().lake();
        let views = self.all_views().await?;
        let mut tables: std::collections::BTreeSet<TableName> =
            lake.catalog.list().await?.into_iter().collect();
        for (name, own) in lock(&self.session.writes).own() {
            match own {
                Some(_) => tables.insert(name.clone()),
                None => tables.remove(name),
            };
        }
        for model in lake.control.models().await? {
            let parts = model.name.split_once('.');
            tables.extend(parts.and_then(|(of, name)| TableName::new(of, name).ok()));
        }
        let of = |name: &TableName| name.namespace() == schema && schema != TEMPORARY;
        let views = views.into_keys().map(|name| (name, Object::View));
        let tables = tables.into_iter().map(|name| (name, Object::Table));
        Ok(tables.chain(views).filter(|(name, _)| of(name)).collect())
    }
}
