//! One table's part of one attempt: checked on the fresh base, turned into new metadata, with all
//! files it needs in memory. Writes nothing.

mod authored;

use std::collections::BTreeMap;

use iceberg::spec::{
    FormatVersion, MAIN_BRANCH, ManifestContentType, ManifestFile, Operation, Snapshot,
    SnapshotReference, SnapshotRetention, Summary, TableMetadata, TableMetadataBuildResult,
    TableMetadataBuilder, TableMetadataRef,
};
use uuid::Uuid;

use super::encode::{self, ManifestListFile, NewFile};
use super::manifest::{self, Line, ManifestShape};
use super::{COMMIT_ID_SUMMARY, CommitError, FileChange, TableChange};
use super::{document, files, ledger, merge, metadata};
use crate::domain::Ledger;
use crate::lake::catalog::Swap;
use crate::lake::{Error, Lake, Result, Table, refs};

/// What stays the same over all attempts at one table's change.
pub(super) struct Work<'a> {
    pub change: &'a TableChange,
    commit_id: Uuid,
    pub snapshot_id: i64,
    /// The table to create, made once so that its uuid and field ids don't change.
    staged: Option<Table>,
    /// Whether the catalog's server writes metadata, and makes tables before their first rows.
    authored: bool,
    /// The manifest of the added files, once written: it holds on every base of the same shape.
    added: Option<AddedManifest>,
}

struct AddedManifest {
    schema_id: i32,
    spec_id: i32,
    file: ManifestFile,
    written: NewFile,
}

/// One table, ready to write and to swap.
pub(super) struct Prepared {
    pub swap: Swap,
    pub table: Table,
    pub metadata_bytes: u64,
    /// The manifest list, where there is a new snapshot.
    pub list: Option<ManifestListFile>,
    /// Files of this attempt alone.
    pub files: Vec<NewFile>,
    /// The manifest of added files, which later attempts use again.
    pub shared_file: Option<NewFile>,
    /// Metadata files that fell out of the log.
    pub obsolete: Vec<String>,
}

impl<'a> Work<'a> {
    pub fn new(lake: &Lake, change: &'a TableChange, commit_id: Uuid) -> Self {
        Self {
            change,
            commit_id,
            // Positive, as other engines expect.
            snapshot_id: (lake.entropy.next_u64() >> 1).max(1) as i64,
            staged: None,
            authored: lake.catalog.writes_metadata(),
            added: None,
        }
    }

    /// Whether this change makes a snapshot. Moves of the ledger always do: the ledger names it.
    pub fn makes_snapshot(&self) -> bool {
        let changes = !matches!(self.change.files, FileChange::Nothing);
        !self.change.drop && (changes || !self.change.ledger.is_empty())
    }

    /// Whether this change touches the schema or properties, by which files are written.
    fn reshapes(&self) -> bool {
        let change = self.change;
        change.schema.is_some()
            || !change.set_properties.is_empty()
            || !change.remove_properties.is_empty()
    }

    /// Checks the change on this base (None: no such table) and works out its next metadata.
    pub async fn prepare(
        &mut self,
        lake: &Lake,
        base: Option<Table>,
    ) -> Result<Prepared, CommitError> {
        let base = base.filter(|base| !self.change.must_create || self.has_made(base));
        let existing = base.is_some();
        let base = match base {
            Some(base) => base,
            None => self.staged(lake)?,
        };
        self.check(&base, existing)?;
        let holder = self.holder(lake, &base, existing).await?;
        if self.change.drop {
            return Ok(self.dropped(base));
        }
        let location = base.metadata_location().to_owned();
        let now_ms = metadata::instant(base.metadata(), lake.clock.now_ms());
        let shifted = metadata::buildable(base.metadata())?;
        let mut builder = self.edit(&base, existing, shifted.clone())?;
        if self.authored && !self.makes_snapshot() && self.change.renamed_from.is_none() {
            builder = self.signed(builder, &base)?;
        }

        let (mut files, mut shared_file, mut list) = (Vec::new(), None, None);
        let mut built = if self.makes_snapshot() {
            let shape = if self.reshapes() {
                finish(builder.clone(), &base)?.metadata.into()
            } else {
                base.metadata().clone()
            };
            let made = self.snapshot(lake, &base, &shape, now_ms).await?;
            files = made.files;
            shared_file = made.shared_file;
            list = Some(made.list);
            let builder = set_ledger(builder, made.ledger, &base)?;
            let builder = builder.add_snapshot(made.snapshot);
            let builder =
                builder.and_then(|b| b.set_ref(MAIN_BRANCH, refs::branch(self.snapshot_id)));
            finish(builder.map_err(|error| refused(&base, error))?, &base)?
        } else {
            finish(builder, &base)?
        };
        if self.authored {
            return self.edited(base, holder, built, files, shared_file, list);
        }
        if shifted.is_some() {
            built.metadata = metadata::restored(&built.metadata, base.metadata(), now_ms)?;
        } else if !self.makes_snapshot() {
            built.metadata = metadata::stamped(built.metadata, now_ms)?;
        }
        let next = metadata::next_location(&built.metadata, &location, lake.entropy.uuid());
        let refs = refs::after(base.refs(), &built.changes, &built.metadata);
        let (bytes, texts) = document::to_json(&built.metadata, &refs, base.texts())?;
        let metadata_bytes = bytes.len() as u64;
        files.push(NewFile {
            location: next.clone(),
            bytes: bytes.into(),
            manifest: None,
        });
        let mut obsolete = Vec::new();
        if metadata::deletes_old_files(&built.metadata) {
            let expired = built.expired_metadata_logs.into_iter();
            obsolete.extend(expired.map(|log| log.metadata_file));
        }
        let metadata: TableMetadataRef = built.metadata.into();
        let name = self.change.table.clone();
        Ok(Prepared {
            swap: Swap {
                table: name.clone(),
                expected: holder,
                new: Some(next.clone()),
                edit: None,
            },
            table: Table::new(lake.store.clone(), name, metadata, refs.into(), next)
                .with_texts(texts),
            metadata_bytes,
            list,
            files,
            shared_file,
            obsolete,
        })
    }

    /// Where the name points to now, which the swap will move.
    async fn holder(
        &self,
        lake: &Lake,
        base: &Table,
        existing: bool,
    ) -> Result<Option<String>, CommitError> {
        let made = existing && self.change.must_create;
        if made || (!self.change.must_create && self.change.renamed_from.is_none()) {
            return Ok(existing.then(|| base.metadata_location().to_owned()));
        }
        let holder = lake.find(&self.change.table).await?;
        let found = holder.as_ref().map(|table| table.metadata().uuid());
        if found != self.change.replaces {
            return Err(CommitError::Stale {
                table: self.change.table.clone(),
                reason: "another table has taken or left this name meanwhile".into(),
            });
        }
        Ok(holder.map(|table| table.metadata_location().to_owned()))
    }

    fn dropped(&self, base: Table) -> Prepared {
        Prepared {
            swap: Swap {
                table: self.change.table.clone(),
                expected: Some(base.metadata_location().to_owned()),
                new: None,
                edit: None,
            },
            table: base,
            metadata_bytes: 0,
            list: None,
            files: Vec::new(),
            shared_file: None,
            obsolete: Vec::new(),
        }
    }

    pub fn staged(&mut self, lake: &Lake) -> Result<Table> {
        let name = &self.change.table;
        let Some(new) = &self.change.create else {
            return Err(Error::not_found(format!("there is no table {name}")));
        };
        if self.staged.is_none() {
            self.staged = Some(metadata::stage(lake, name, new)?);
        }
        Ok(self.staged.clone().expect("it was just made"))
    }

    fn check(&self, base: &Table, existing: bool) -> Result<(), CommitError> {
        let stale = |reason: String| CommitError::Stale {
            table: self.change.table.clone(),
            reason,
        };
        let metadata = base.metadata();
        if self.change.renamed_from.is_some() && base.name() == &self.change.table {
            return Err(stale("the table to rename is gone".into()));
        }
        if let Some(uuid) = self.change.expected_uuid
            && (!existing || metadata.uuid() != uuid)
        {
            return Err(stale(
                "another table stands under this name: the one that was meant was dropped".into(),
            ));
        }
        if metadata.format_version() != FormatVersion::V2 {
            return Err(Error::invalid(format!(
                "{} is of Iceberg format {}, this program writes v2 only",
                base.name(),
                metadata.format_version()
            ))
            .into());
        }
        let current = metadata.current_snapshot_id();
        if let Some(expected) = self.change.expected_snapshot
            && expected != current
        {
            return Err(stale(format!(
                "its snapshot is {current:?}, this was planned on {expected:?}"
            )));
        }
        let schema_id = metadata.current_schema_id();
        if let Some(expected) = self.change.expected_schema
            && expected != schema_id
        {
            return Err(stale(format!(
                "its schema is now {schema_id}, this was planned on {expected}"
            )));
        }
        let spec_id = metadata.default_partition_spec_id();
        let planned = self.change.expected_spec_id;
        if planned.is_some_and(|planned| planned != spec_id)
            || self.added.as_ref().is_some_and(|a| a.spec_id != spec_id)
        {
            return Err(stale(format!("its partitioning is now spec {spec_id}")));
        }
        files::check_added(base, files::added(&self.change.files))
    }

    /// Schema, properties, tags, snapshots that go. Builds on `shifted` where there is one.
    fn edit(
        &self,
        base: &Table,
        existing: bool,
        shifted: Option<TableMetadata>,
    ) -> Result<TableMetadataBuilder> {
        let change = self.change;
        if change.set_properties.contains_key(Ledger::PROPERTY)
            || change
                .remove_properties
                .iter()
                .any(|name| name == Ledger::PROPERTY)
        {
            return Err(Error::invalid(format!(
                "the property {} is moved by ledger moves only",
                Ledger::PROPERTY
            )));
        }
        let current = base.metadata_location().to_owned();
        let metadata = shifted.unwrap_or_else(|| base.metadata().as_ref().clone());
        let mut builder = metadata.into_builder(existing.then_some(current));
        let refused = |error| refused(base, error);
        if let Some(schema) = &change.schema {
            builder = builder
                .add_current_schema(schema.clone())
                .map_err(refused)?;
        }
        let set = change.set_properties.clone().into_iter().collect();
        builder = builder.set_properties(set).map_err(refused)?;
        builder = builder
            .remove_properties(&change.remove_properties)
            .map_err(refused)?;
        if !change.remove_snapshots.is_empty() {
            for (name, reference) in base.refs().iter() {
                let id = reference.snapshot_id;
                let dropped = change.tags.get(name).is_some_and(Option::is_none);
                if change.remove_snapshots.contains(&id) && !dropped {
                    return Err(Error::invalid(format!(
                        "{}: snapshot {id} can't go, {name:?} points to it",
                        base.name()
                    )));
                }
            }
            builder = builder.remove_snapshots(&change.remove_snapshots);
        }
        for (name, target) in &change.tags {
            if name == MAIN_BRANCH {
                return Err(Error::invalid("main is a branch, not a tag"));
            }
            builder = match target {
                None => builder.remove_ref(name),
                Some(id) => builder.set_ref(name, tag(*id)).map_err(refused)?,
            };
        }
        Ok(builder)
    }

    async fn snapshot(
        &mut self,
        lake: &Lake,
        base: &Table,
        shape: &TableMetadata,
        now_ms: i64,
    ) -> Result<Made, CommitError> {
        let parent = base.metadata().current_snapshot();
        let sequence_number = base.metadata().next_sequence_number();
        let ledger = ledger::advance(base, self.change, self.snapshot_id, sequence_number)?;

        let (directory, unique) = (metadata::directory(shape), lake.entropy.uuid());
        let mut written = 0;
        let mut name = || {
            written += 1;
            format!("{directory}/{unique}-m{}.avro", written - 1)
        };
        let change = &self.change.files;
        let mut outcome = files::carry_over(base, change, self.snapshot_id, &mut name).await?;
        let merged = merge::merge(base, self.snapshot_id, &mut outcome.kept, &mut name).await?;
        outcome.files.extend(merged);

        let add = files::added(change);
        add.iter().for_each(|file| outcome.counts.add(file));
        let mut manifests = Vec::new();
        if !add.is_empty() {
            manifests.push(self.added_manifest(base, shape, &mut name).await?);
        }
        manifests.append(&mut outcome.rewritten);
        manifests.append(&mut outcome.kept);

        let location = format!("{directory}/snap-{}-{unique}.avro", self.snapshot_id);
        let parent_id = parent.map(|snapshot| snapshot.snapshot_id());
        let list = encode::manifest_list(
            location.clone(),
            self.snapshot_id,
            parent_id,
            sequence_number,
            manifests,
        )
        .await?;
        outcome.files.push(list.file.clone());

        let mut summary = self.change.summary.clone();
        summary.insert(COMMIT_ID_SUMMARY.to_owned(), self.commit_id.to_string());
        ledger::summarise(&self.change.ledger, &mut summary);
        outcome
            .counts
            .write(parent.map(AsRef::as_ref), &mut summary);
        let snapshot = Snapshot::builder()
            .with_snapshot_id(self.snapshot_id)
            .with_parent_snapshot_id(parent_id)
            .with_sequence_number(sequence_number)
            .with_timestamp_ms(now_ms)
            .with_manifest_list(location)
            .with_summary(summarised(outcome.operation, summary))
            .with_schema_id(shape.current_schema_id())
            .build();
        Ok(Made {
            snapshot,
            ledger,
            list,
            files: outcome.files,
            shared_file: self.added.as_ref().map(|added| added.written.clone()),
        })
    }

    async fn added_manifest(
        &mut self,
        base: &Table,
        shape: &TableMetadata,
        name: &mut impl FnMut() -> String,
    ) -> Result<ManifestFile> {
        let schema_id = shape.current_schema_id();
        let spec_id = shape.default_partition_spec_id();
        if let Some(added) = &self.added
            && added.schema_id == schema_id
            && added.spec_id == spec_id
        {
            return Ok(added.file.clone());
        }
        let lines = files::added(&self.change.files)
            .iter()
            .map(|file| Line::Added(Box::new(file.clone())))
            .collect();
        let wanted = ManifestShape {
            location: name(),
            snapshot_id: self.snapshot_id,
            content: ManifestContentType::Data,
            schema: shape.current_schema().clone(),
            spec: shape.default_partition_spec().clone(),
        };
        let headers = base.store().manifests().headers();
        let (file, written) = manifest::manifest(headers, wanted, lines).await?;
        self.added = Some(AddedManifest {
            schema_id,
            spec_id,
            file: file.clone(),
            written,
        });
        Ok(file)
    }
}

struct Made {
    snapshot: Snapshot,
    ledger: Option<Ledger>,
    list: ManifestListFile,
    files: Vec<NewFile>,
    shared_file: Option<NewFile>,
}

/// Whether a snapshot of the table bears this commit's id.
pub(super) fn names_commit(table: &Table, id: &str) -> bool {
    let mut all = table.metadata().snapshots();
    all.any(|snapshot| {
        let summary = &snapshot.summary().additional_properties;
        summary
            .get(COMMIT_ID_SUMMARY)
            .is_some_and(|named| named == id)
    })
}

fn refused(base: &Table, error: iceberg::Error) -> Error {
    Error::invalid(format!("{}: {}", base.name(), error.message())).with_source(error)
}

fn finish(builder: TableMetadataBuilder, base: &Table) -> Result<TableMetadataBuildResult> {
    builder.build().map_err(|error| refused(base, error))
}

fn set_ledger(
    builder: TableMetadataBuilder,
    ledger: Option<Ledger>,
    base: &Table,
) -> Result<TableMetadataBuilder> {
    let Some(ledger) = ledger else {
        return Ok(builder);
    };
    let property = (Ledger::PROPERTY.to_owned(), ledger.to_json());
    let builder = builder.set_properties([property].into_iter().collect());
    builder.map_err(|error| refused(base, error))
}

fn summarised(operation: Operation, properties: BTreeMap<String, String>) -> Summary {
    Summary {
        operation,
        additional_properties: properties.into_iter().collect(),
    }
}

fn tag(snapshot_id: i64) -> SnapshotReference {
    let retention = SnapshotRetention::Tag {
        max_ref_age_ms: None,
    };
    SnapshotReference::new(snapshot_id, retention)
}
