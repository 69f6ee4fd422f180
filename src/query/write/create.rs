//! CREATE TABLE, and CREATE TABLE AS: a new table in the transaction, with what was declared of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use datafusion::sql::sqlparser::ast::{
    self, CreateTableOptions, Expr, Query, SqlOption, Statement,
};
use iceberg::spec::{NestedField, Schema, SortOrder};

use super::defaults::Defaults;
use super::insert::Rows;
use super::shape::Shape;
use super::sink::Sink;
use super::state::Draft;
use super::target::{Target, split};
use super::types;
use super::{Result, TEMPORARY, WORK, Writer, Written, folded, refuse, unsupported};
use crate::declare::layout::partition_spec;
use crate::domain::TableName;
use crate::lake::Table;
use crate::lake::commit::{LOCATION, NewTable, SCRATCH};
use crate::query::declared::{Declared, PROPERTY};
use crate::query::loader::Own;
use crate::query::names;
use crate::query::postgres::types::mark_of;
use crate::query::session::lock;

/// Storage parameters of Postgres that mean nothing here.
const IGNORED_OPTIONS: [&str; 4] = [
    "fillfactor",
    "autovacuum_enabled",
    "oids",
    "parallel_workers",
];
const PARTITIONING: &str = "partitioning";

impl Writer<'_> {
    pub(super) async fn create_table(&self, create: &ast::CreateTable) -> Result<Written> {
        refuse_odd(create)?;
        let name = self.new_name(&create.name, create.temporary).await?;
        let tag = if create.query.is_some() {
            "CREATE TABLE AS"
        } else {
            "CREATE TABLE"
        };
        if self.exists(&name).await? {
            let message = format!("relation \"{}\" already exists", name.name());
            if create.if_not_exists {
                let notice = format!("{message}, skipping");
                return Ok(Written::tag(tag).noticed("42P07", notice));
            }
            return Err(refuse("42P07", message));
        }
        if let Some(query) = &create.query {
            return self.create_as(create, name, query).await;
        }
        let mut shape = Shape::default();
        for column in &create.columns {
            shape.column(&name, column)?;
        }
        for constraint in &create.constraints {
            shape.constraint(&name, constraint)?;
        }
        let target = self.staged(create, name, shape)?;
        self.check_declared(&target).await?;
        self.put(target);
        Ok(Written::tag(tag))
    }

    async fn create_as(
        &self,
        create: &ast::CreateTable,
        name: TableName,
        query: &Query,
    ) -> Result<Written> {
        let statement = Statement::Query(Box::new(query.clone()));
        let plan = self.plan(&statement, Own::new()).await?;
        let planned = plan.schema().as_arrow().clone();
        let mut names = names::of_columns(&planned, Some(&statement));
        if create.columns.len() > names.len() {
            return Err(refuse("42601", "too many column names were specified"));
        }
        for (name, column) in names.iter_mut().zip(&create.columns) {
            *name = folded(&column.name);
        }
        let rows = self.execute(plan).await?;
        let mut shape = Shape::default();
        for (column, (field, planned)) in names
            .iter()
            .zip(rows.schema().fields().iter().zip(planned.fields()))
        {
            let kind = types::of_arrow(field.data_type(), &mut || shape.next_id())?;
            let declared = mark_of(field).or(mark_of(planned)).and_then(types::of_mark);
            shape.add(&name, column, kind, false)?;
            let id = shape.last().id;
            shape.declared.columns.entry(id).or_default().kind = declared;
        }
        let mut target = self.staged(create, name, shape)?;
        let sink = Sink::new(self.session.engine().lake(), &target, &[])?;
        let (files, count) = self.fill(rows, sink, &target.draft).await?;
        target.draft.overlay.added = files;
        self.put(target);
        Ok(Written::tag(format!("SELECT {count}")))
    }

    /// The name of a table to be made. State `3F000` where its schema isn't there.
    pub(super) async fn new_name(
        &self,
        name: &ast::ObjectName,
        temporary: bool,
    ) -> Result<TableName> {
        let (schema, table) = split(name)?;
        let schema = match schema {
            Some(schema) if temporary && schema != TEMPORARY => {
                return Err(refuse(
                    "42P16",
                    "cannot create temporary relation in non-temporary schema",
                ));
            }
            Some(schema) => schema,
            None if temporary => TEMPORARY.to_owned(),
            None => self.creation_schema().await?,
        };
        self.check_access(&format!("schema {schema}"))?;
        let reserved = ["system", "pg_catalog", "information_schema", WORK];
        if reserved.contains(&schema.as_str()) {
            return Err(refuse(
                "42501",
                format!("permission denied for schema {schema}"),
            ));
        }
        if schema != TEMPORARY && !self.has_schema(&schema).await? {
            return Err(refuse(
                "3F000",
                format!("schema \"{schema}\" does not exist"),
            ));
        }
        TableName::new(&schema, &table).map_err(|error| refuse("42602", error.to_string()))
    }

    /// The first schema of the search path in which tables can be made.
    async fn creation_schema(&self) -> Result<String> {
        for schema in self.session.search_path() {
            let own = ["system", "pg_catalog", "information_schema"].contains(&schema.as_str());
            if !own && self.has_schema(&schema).await? {
                return Ok(schema);
            }
        }
        Err(refuse("3F000", "no schema has been selected to create in"))
    }

    /// Whether a table, or something that will be one, has this name.
    pub(super) async fn exists(&self, name: &TableName) -> Result<bool> {
        let (own, own_view) = {
            let writes = lock(&self.session.writes);
            let own = writes.find(name).map(|draft| draft.is_some());
            (own, writes.find_view(name).map(|view| view.is_some()))
        };
        if own == Some(true) || own_view == Some(true) {
            return Ok(true);
        }
        // What the transaction has dropped leaves its name free.
        if own.is_some() || own_view.is_some() || name.namespace() == TEMPORARY {
            return Ok(false);
        }
        let found = self.session.held_table(name).await?.is_some();
        if found || self.find_view(name).await?.is_some() {
            return Ok(true);
        }
        let models = self.session.engine().lake().control.models().await?;
        let of_model = models.iter().any(|model| model.name == name.to_string());
        Ok(of_model || self.is_filled_by_a_stream(name).await?)
    }

    /// The new table as its creation will make it.
    fn staged(&self, create: &ast::CreateTable, name: TableName, shape: Shape) -> Result<Target> {
        let lake = self.session.engine().lake();
        let temporary = name.namespace() == TEMPORARY;
        let (partitioning, properties) = options(create)?;
        let mut new = NewTable {
            schema: shape.schema()?,
            partition: Default::default(),
            sort_order: SortOrder::unsorted_order(),
            properties,
        };
        let warehouse = if temporary {
            "file:///frazil"
        } else {
            &lake.warehouse
        };
        let (namespace, table) = (name.namespace(), name.name());
        let id = lake.entropy.uuid().simple();
        let location = format!("{warehouse}/{namespace}/{table}-{id}");
        new.properties.insert(LOCATION.to_owned(), location);
        // Field ids are final only once staged.
        let staged = lake.stage(&name, &new)?;
        new.schema = staged.metadata().current_schema().as_ref().clone();
        let parts = partitioning.iter().map(String::as_str);
        new.partition = partition_spec(&new.schema, parts)
            .map_err(|(_, message)| refuse("22023", format!("partitioning: {message}")))?;
        let declared = shape.declared(&name, &new.schema)?;
        if declared != Declared::default() {
            let text = declared.to_json();
            new.properties.insert(PROPERTY.to_owned(), text);
        }
        let staged = lake.stage(&name, &new)?;
        let mut draft = Draft::of(staged);
        if temporary {
            let store = lock(&self.session.writes).memory.clone();
            let metadata = draft.table.metadata().clone();
            draft.table = Table::new(store, name.clone(), metadata, Arc::default(), String::new());
            draft.temporary = true;
        }
        draft.create = Some(new);
        Ok(Target {
            name,
            base: None,
            draft,
            declared,
        })
    }

    /// A table with the columns of another, for rows that are only passed on. It lies beside the
    /// other; its files go at the transaction's end.
    pub(super) fn scratch(&self, target: &Target) -> Result<Target> {
        let lake = self.session.engine().lake();
        let fields = target.fields().iter().map(|field| {
            let (name, kind) = (&field.name, field.field_type.as_ref().clone());
            Arc::new(NestedField::optional(field.id, name, kind))
        });
        let schema = Schema::builder().with_fields(fields).build();
        let schema = schema.map_err(|error| refuse("XX000", error.to_string()))?;
        let beside = target.draft.table.metadata().location();
        let location = format!("{beside}/data/{SCRATCH}{}", lake.entropy.uuid().simple());
        let new = NewTable {
            schema,
            partition: Default::default(),
            sort_order: SortOrder::unsorted_order(),
            properties: BTreeMap::from([(LOCATION.to_owned(), location)]),
        };
        let staged = lake.stage(&target.name, &new)?;
        let store = target.draft.table.store().clone();
        let (name, metadata) = (target.name.clone(), staged.metadata().clone());
        let mut draft = Draft::of(Table::new(
            store,
            name,
            metadata,
            Arc::default(),
            String::new(),
        ));
        draft.temporary = target.draft.temporary;
        Ok(Target {
            name: target.name.clone(),
            base: None,
            draft,
            declared: Declared::default(),
        })
    }

    /// Plans a row of defaults, and every condition, so that what can't be is told now.
    pub(super) async fn check_declared(&self, target: &Target) -> Result<()> {
        let slots = super::assign::Slot::all(target)?;
        let Rows { .. } = self
            .complete(None, &[], &slots, Defaults::of(target))
            .await?;
        for check in &target.declared.checks {
            let text = format!(
                "SELECT 1 FROM {WORK}.new AS {} WHERE ({})",
                super::quoted(target.name.name()),
                check.expression
            );
            let own = self.work("new", target.draft.readable()?)?;
            self.plan(&super::parse(&text)?, own).await?;
        }
        Ok(())
    }
}

fn refuse_odd(create: &ast::CreateTable) -> Result<()> {
    let odd = if create.or_replace {
        Some("CREATE OR REPLACE TABLE")
    } else if create.like.is_some() || create.clone.is_some() {
        Some("CREATE TABLE … LIKE")
    } else if create.inherits.is_some() {
        Some("INHERITS")
    } else if create.partition_of.is_some() {
        Some("PARTITION OF")
    } else if matches!(
        create.on_commit,
        Some(ast::OnCommit::Drop | ast::OnCommit::DeleteRows)
    ) {
        Some("ON COMMIT DROP or DELETE ROWS")
    } else {
        None
    };
    match odd {
        Some(what) => Err(unsupported(format!("{what} is not supported"))),
        None if understood(create) => Ok(()),
        None => Err(unsupported(format!(
            "a clause of this CREATE TABLE is not supported{}",
            match location(create) {
                true => ": a table lies where the lake puts it, in the lake's own format",
                false => "",
            }
        ))),
    }
}

fn location(create: &ast::CreateTable) -> bool {
    create.location.is_some() || create.hive_formats.is_some() || create.file_format.is_some()
}

/// Whether nothing stands there but what is carried out: the parser knows the clauses of all
/// dialects, and one that is passed over would make another table than the one asked for.
fn understood(create: &ast::CreateTable) -> bool {
    let plain = CreateTableBuilder::new(create.name.clone()).build();
    *create
        == ast::CreateTable {
            temporary: create.temporary,
            global: create.global,
            if_not_exists: create.if_not_exists,
            columns: create.columns.clone(),
            constraints: create.constraints.clone(),
            table_options: create.table_options.clone(),
            partition_by: create.partition_by.clone(),
            query: create.query.clone(),
            on_commit: create.on_commit,
            ..plain
        }
}

/// Table properties that a statement may set, by how they begin. Never one that names a place
/// (`write.data.path`, `write.metadata.path`): SQL writes nowhere but in the table's own folder.
const PROPERTIES: [&str; 5] = [
    "commit.manifest",
    "history.expire.min-snapshots-to-keep",
    "write.parquet.",
    "write.target-file-size-bytes",
    "gc.enabled",
];

/// Partitioning, part by part, and properties.
fn options(create: &ast::CreateTable) -> Result<(Vec<String>, BTreeMap<String, String>)> {
    let mut partitioning = match create.partition_by.as_deref() {
        Some(parts) => partition_parts(parts)?,
        None => Vec::new(),
    };
    let mut properties = BTreeMap::new();
    let given: &[SqlOption] = match &create.table_options {
        CreateTableOptions::None => &[],
        CreateTableOptions::With(options)
        | CreateTableOptions::Options(options)
        | CreateTableOptions::Plain(options)
        | CreateTableOptions::TableProperties(options) => options,
    };
    for option in given {
        let SqlOption::KeyValue { key, value } = option else {
            return Err(unsupported(format!(
                "the table option {option} is not supported"
            )));
        };
        let text = match value {
            Expr::Value(value) => value.value.clone().into_string(),
            _ => None,
        };
        let text = text.unwrap_or_else(|| value.to_string());
        let key = folded(key);
        if key == PARTITIONING {
            partitioning.extend(listed(&text));
        } else if PROPERTIES.iter().any(|own| key.starts_with(own)) {
            properties.insert(key, text);
        } else if key.contains('.') {
            return Err(refuse(
                "42501",
                format!("the table property \"{key}\" can't be set by a statement"),
            ));
        } else if !IGNORED_OPTIONS.contains(&key.as_str()) {
            return Err(refuse("22023", format!("unrecognized parameter \"{key}\"")));
        }
    }
    Ok((partitioning, properties))
}

/// `(day(ts), bucket(8, id))` taken apart; Postgres's own kinds of partitioning are refused.
fn partition_parts(parts: &Expr) -> Result<Vec<String>> {
    let all = match parts {
        Expr::Tuple(all) => all.clone(),
        Expr::Nested(one) => vec![one.as_ref().clone()],
        one => vec![one.clone()],
    };
    let text = |part: Expr| {
        let text = part.to_string();
        let word = text.split('(').next().unwrap_or_default().trim();
        if ["range", "list", "hash"]
            .iter()
            .any(|own| word.eq_ignore_ascii_case(own))
        {
            return Err(
                unsupported(format!("PARTITION BY {word} is not supported")).with_hint(
                    "Iceberg partitions by transforms: PARTITION BY (day(ts), bucket(8, id)).",
                ),
            );
        }
        Ok(text)
    };
    all.into_iter().map(text).collect()
}

/// Parts between commas that stand in no parentheses.
fn listed(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for character in text.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts
        .into_iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn parts_are_told_apart_outside_of_parentheses() {
        assert_eq!(
            listed("day(ts), bucket(8, id)"),
            ["day(ts)", "bucket(8, id)"]
        );
        assert!(listed(" ").is_empty());
    }
}
