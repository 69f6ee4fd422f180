//! What a transaction has changed and not published yet, table by table. Its own statements read
//! it; COMMIT makes one commit of it. Files are written before, names are all that stands here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use iceberg::spec::{DataFile, Schema, TableMetadataBuilder};

use super::pending_views::PendingView;
use crate::domain::TableName;
use crate::lake::Table;
use crate::lake::commit::{FileChange, NewTable, TableChange};
use crate::lake::store::Store;
use crate::query::declared::{Declared, PROPERTY};
use crate::query::scan::{IcebergTable, Overlay};
use crate::query::views::View;
use crate::query::{QueryError, QueryErrorKind};

/// A session's writes: of its open transaction, and the temporary tables that it has.
#[derive(Debug)]
pub(in crate::query) struct Writes {
    pub tables: BTreeMap<TableName, Pending>,
    /// As the last transaction left them.
    pub temporary: BTreeMap<TableName, Draft>,
    pub views: BTreeMap<TableName, PendingView>,
    pub temporary_views: BTreeMap<TableName, Arc<View>>,
    /// Schemas that the transaction makes (true) or drops.
    pub schemas: BTreeMap<String, bool>,
    /// Every data file that this transaction wrote, to be deleted when it comes to nothing.
    pub written: Vec<(Store, String)>,
    /// When the first statement that wrote one of them began.
    pub since_ms: Option<i64>,
    /// When the statement began that runs now.
    pub began_ms: i64,
    /// Where temporary tables lie: in memory.
    pub memory: Store,
}

impl Default for Writes {
    fn default() -> Self {
        Self {
            tables: BTreeMap::new(),
            temporary: BTreeMap::new(),
            views: BTreeMap::new(),
            temporary_views: BTreeMap::new(),
            schemas: BTreeMap::new(),
            written: Vec::new(),
            since_ms: None,
            began_ms: 0,
            memory: Store::memory(),
        }
    }
}

/// A table that the transaction changes.
#[derive(Clone, Debug)]
pub(in crate::query) struct Pending {
    /// As the transaction found it; None where there was none of this name.
    pub base: Option<Table>,
    /// As it is for the transaction; None once it is dropped.
    pub draft: Option<Draft>,
}

/// A table as a transaction has it.
#[derive(Clone, Debug)]
pub(in crate::query) struct Draft {
    /// Schema and properties as they will be.
    pub table: Table,
    pub overlay: Overlay,
    /// How it is made, where this transaction makes it.
    pub create: Option<NewTable>,
    pub evolved: bool,
    /// Properties to set; None removes one.
    pub properties: BTreeMap<String, Option<String>>,
    /// It decided by rows that others may have changed since: the snapshot must stand.
    pub depends: bool,
    /// The name that it had before this transaction.
    pub renamed_from: Option<TableName>,
    pub temporary: bool,
}

impl Draft {
    pub fn of(table: Table) -> Self {
        Self {
            table,
            overlay: Overlay::default(),
            create: None,
            evolved: false,
            properties: BTreeMap::new(),
            depends: false,
            renamed_from: None,
            temporary: false,
        }
    }

    /// The table as the transaction's statements read it.
    pub fn readable(&self) -> Result<IcebergTable, QueryError> {
        let table = IcebergTable::new(self.table.clone(), None)?;
        Ok(table.with_overlay(self.overlay.clone()))
    }

    /// Only these files of it.
    pub fn readable_of(&self, files: Vec<DataFile>) -> Result<IcebergTable, QueryError> {
        let table = IcebergTable::new(self.table.clone(), None)?;
        Ok(table.with_overlay(Overlay::only(files)))
    }

    pub fn declared(&self) -> Result<Declared, QueryError> {
        Declared::of(&self.table)
    }

    /// Sets what is declared of the table.
    pub fn declare(&mut self, declared: &Declared) -> Result<(), QueryError> {
        self.set_property(PROPERTY, Some(declared.to_json()))
    }

    /// Sets or removes a property.
    pub fn set_property(&mut self, name: &str, value: Option<String>) -> Result<(), QueryError> {
        self.edit(|builder| match &value {
            Some(value) => {
                builder.set_properties([(name.to_owned(), value.clone())].into_iter().collect())
            }
            None => builder.remove_properties(&[name.to_owned()]),
        })?;
        self.properties.insert(name.to_owned(), value);
        Ok(())
    }

    /// Replaces the schema; field ids must be the table's.
    pub fn set_schema(&mut self, schema: Schema) -> Result<(), QueryError> {
        self.edit(|builder| builder.add_current_schema(schema.clone()))?;
        self.evolved = true;
        Ok(())
    }

    fn edit(
        &mut self,
        change: impl FnOnce(TableMetadataBuilder) -> iceberg::Result<TableMetadataBuilder>,
    ) -> Result<(), QueryError> {
        let table = &self.table;
        let builder = table.metadata().as_ref().clone().into_builder(None);
        let built = change(builder).and_then(TableMetadataBuilder::build);
        let built = built.map_err(|error| {
            QueryError::new(
                QueryErrorKind::InvalidParameter,
                format!("{}: {}", table.name(), error.message()),
            )
        })?;
        self.table = Table::new(
            table.store().clone(),
            table.name().clone(),
            built.metadata.into(),
            table.refs().clone(),
            table.metadata_location().to_owned(),
        );
        Ok(())
    }

    /// Takes files out, those of the snapshot and those that the transaction has added.
    pub fn remove(&mut self, paths: &BTreeSet<String>) {
        let added = std::mem::take(&mut self.overlay.added);
        let (gone, kept): (Vec<_>, Vec<_>) = added
            .into_iter()
            .partition(|file| paths.contains(file.file_path()));
        self.overlay.added = kept;
        let gone: BTreeSet<&str> = gone.iter().map(DataFile::file_path).collect();
        let of_base = paths.iter().filter(|path| !gone.contains(path.as_str()));
        self.overlay.removed.extend(of_base.cloned());
    }

    /// Takes all files out.
    pub fn clear(&mut self) {
        self.overlay = Overlay::only(Vec::new());
    }

    fn files(&self) -> FileChange {
        let add = self.overlay.added.clone();
        let has_base = self.create.is_none();
        if has_base && self.overlay.removed_all {
            return FileChange::OverwriteAll { add };
        }
        if has_base && !self.overlay.removed.is_empty() {
            let remove = self.overlay.removed.iter().cloned().collect();
            return if add.is_empty() {
                FileChange::Delete { remove }
            } else {
                FileChange::Overwrite { remove, add }
            };
        }
        if add.is_empty() {
            FileChange::Nothing
        } else {
            FileChange::Append(add)
        }
    }

    fn is_changed(&self) -> bool {
        let files = !matches!(self.files(), FileChange::Nothing);
        let document = self.evolved || !self.properties.is_empty();
        files || document || self.create.is_some() || self.renamed_from.is_some()
    }

    /// The change of a table that was there before, without its name.
    fn change(&self, name: &TableName, base: Option<&Table>) -> TableChange {
        let mut change = TableChange::new(name.clone(), self.files());
        for (key, value) in &self.properties {
            match value {
                Some(value) => {
                    change.set_properties.insert(key.clone(), value.clone());
                }
                None => change.remove_properties.push(key.clone()),
            }
        }
        if self.evolved {
            let schema = self.table.metadata().current_schema();
            change.schema = Some(schema.as_ref().clone());
        }
        if let Some(base) = base {
            let metadata = base.metadata();
            change.expected_uuid = Some(metadata.uuid());
            change.expected_spec_id = Some(metadata.default_partition_spec_id());
            let removes = !matches!(change.files, FileChange::Nothing | FileChange::Append(_));
            if self.depends || removes {
                change.expected_snapshot = Some(metadata.current_snapshot_id());
            }
            if self.evolved || self.properties.contains_key(PROPERTY) {
                change.expected_schema = Some(metadata.current_schema_id());
                // Declarations are read and written as a whole: nobody may have changed them.
                change.expected_snapshot = Some(metadata.current_snapshot_id());
            }
        }
        change
    }
}

impl Writes {
    /// A table that this transaction or session has of its own; Some(None) for one that it dropped.
    pub fn find(&self, name: &TableName) -> Option<Option<&Draft>> {
        match self.tables.get(name) {
            Some(pending) => Some(pending.draft.as_ref()),
            None => self.temporary.get(name).map(Some),
        }
    }

    /// All tables of its own.
    pub fn own(&self) -> BTreeMap<&TableName, Option<&Draft>> {
        let temporary = self.temporary.iter();
        let mut own: BTreeMap<_, _> = temporary.map(|(name, draft)| (name, Some(draft))).collect();
        for (name, pending) in &self.tables {
            own.insert(name, pending.draft.as_ref());
        }
        own
    }

    /// Sets a table as the transaction has it from now on. `base` is what stood in the lake.
    pub fn put(&mut self, name: TableName, base: Option<Table>, draft: Option<Draft>) {
        match self.tables.get_mut(&name) {
            Some(pending) => pending.draft = draft,
            None => {
                self.tables.insert(name, Pending { base, draft });
            }
        }
    }

    /// What temporary tables hold now.
    pub fn temporary_bytes(&self) -> u64 {
        let own = self.own().into_values().flatten();
        let files = own
            .filter(|draft| draft.temporary)
            .flat_map(|draft| &draft.overlay.added);
        files.map(DataFile::file_size_in_bytes).sum()
    }

    pub fn is_open(&self) -> bool {
        let names = self.tables.is_empty() && self.views.is_empty() && self.schemas.is_empty();
        !names || !self.written.is_empty()
    }

    /// The changes that COMMIT publishes; temporary tables are not among them.
    pub fn changes(&self) -> Vec<TableChange> {
        let mut changes = Vec::new();
        for (name, pending) in &self.tables {
            let temporary = pending.draft.as_ref().is_some_and(|draft| draft.temporary);
            if !temporary {
                changes.extend(self.change_of(name, pending));
            }
        }
        changes
    }

    fn change_of(&self, name: &TableName, pending: &Pending) -> Option<TableChange> {
        let uuid = |table: &Table| table.metadata().uuid();
        let base = pending.base.as_ref();
        let Some(draft) = &pending.draft else {
            return base.map(|base| TableChange {
                drop: true,
                expected_uuid: Some(uuid(base)),
                ..TableChange::new(name.clone(), FileChange::Nothing)
            });
        };
        if let Some(create) = &draft.create {
            return Some(TableChange {
                create: Some(create.clone()),
                must_create: true,
                replaces: base.map(uuid),
                ..draft.change(name, None)
            });
        }
        if let Some(old) = draft.renamed_from.as_ref().filter(|old| *old != name) {
            let before = self.tables.get(old).and_then(|old| old.base.as_ref());
            return Some(TableChange {
                renamed_from: Some(old.clone()),
                replaces: base.map(uuid),
                ..draft.change(name, before)
            });
        }
        draft.is_changed().then(|| draft.change(name, base))
    }

    /// The transaction was published: temporary tables stay as it left them.
    pub fn settle(&mut self) -> Vec<(Store, String)> {
        let mut kept = BTreeSet::new();
        for (name, pending) in std::mem::take(&mut self.tables) {
            match pending.draft {
                Some(mut draft) => {
                    kept.extend(draft.overlay.added.iter().map(|f| f.file_path().to_owned()));
                    if draft.temporary {
                        draft.overlay.removed.clear();
                        self.temporary.insert(name, draft);
                    }
                }
                None => {
                    self.temporary.remove(&name);
                }
            }
        }
        for draft in self.temporary.values() {
            kept.extend(draft.overlay.added.iter().map(|f| f.file_path().to_owned()));
        }
        self.settle_views();
        self.schemas.clear();
        self.since_ms = None;
        let written = std::mem::take(&mut self.written);
        // What a later statement of the same transaction replaced is of no use to anybody.
        let unused = written.into_iter().filter(|(_, path)| !kept.contains(path));
        unused.collect()
    }

    /// The transaction comes to nothing: its files, to be deleted.
    pub fn abandon(&mut self) -> Vec<(Store, String)> {
        self.tables.clear();
        self.views.clear();
        self.schemas.clear();
        self.since_ms = None;
        std::mem::take(&mut self.written)
    }
}
