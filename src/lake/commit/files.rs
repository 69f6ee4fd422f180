//! What a change does to a table's manifests, worked out on the fresh base. Must never lose a
//! delete file that still applies, nor replace a file that is gone or has got deletes.

use std::collections::BTreeSet;
use std::sync::Arc;

use iceberg::spec::{
    DataContentType, DataFile, ManifestContentType, ManifestEntry, ManifestFile, Operation,
    PartitionSpecRef, TableMetadata,
};

use super::encode::NewFile;
use super::manifest::{self, Line, ManifestShape};
use super::summary::Counts;
use super::{CommitError, FileChange};
use crate::lake::store::normalise;
use crate::lake::{Error, Table, deletes};

/// A snapshot's manifests and what they change.
pub(super) struct Outcome {
    /// Taken over as they are.
    pub kept: Vec<ManifestFile>,
    /// Rewritten because files of theirs go.
    pub rewritten: Vec<ManifestFile>,
    pub files: Vec<NewFile>,
    pub counts: Counts,
    pub operation: Operation,
}

/// Which files go.
enum Removal {
    None,
    All,
    /// Normalised paths; `checked` when delete files on them refuse the change.
    Paths {
        paths: BTreeSet<String>,
        checked: bool,
    },
}

fn removal(change: &FileChange) -> (Operation, Removal) {
    let paths = |remove: &[String], checked| Removal::Paths {
        paths: remove.iter().map(|path| normalise(path)).collect(),
        checked,
    };
    match change {
        FileChange::Nothing | FileChange::Append(_) => (Operation::Append, Removal::None),
        FileChange::Overwrite { remove, .. } => (Operation::Overwrite, paths(remove, true)),
        FileChange::OverwriteAll { .. } => (Operation::Overwrite, Removal::All),
        FileChange::Replace { remove, .. } => (Operation::Replace, paths(remove, true)),
        // All rows of the file go, those that were deleted before among them.
        FileChange::Delete { remove } => (Operation::Delete, paths(remove, false)),
    }
}

/// The files that a change adds.
pub(super) fn added(change: &FileChange) -> &[DataFile] {
    match change {
        FileChange::Nothing | FileChange::Delete { .. } => &[],
        FileChange::Append(add)
        | FileChange::Overwrite { add, .. }
        | FileChange::OverwriteAll { add }
        | FileChange::Replace { add, .. } => add,
    }
}

/// Takes the base's manifests over, without the files that go.
pub(super) async fn carry_over(
    base: &Table,
    change: &FileChange,
    snapshot_id: i64,
    mut name: impl FnMut() -> String,
) -> Result<Outcome, CommitError> {
    let (operation, mut removal) = removal(change);
    let mut outcome = Outcome {
        kept: Vec::new(),
        rewritten: Vec::new(),
        files: Vec::new(),
        counts: Counts::default(),
        operation,
    };
    let mut removed = Vec::new();
    let manifests = match base.metadata().current_snapshot() {
        Some(snapshot) => base.manifest_list(snapshot).await?.as_ref().clone(),
        None => Vec::new(),
    };
    for manifest in manifests {
        // Tombstones of older snapshots tell nothing about this one.
        if !manifest.has_added_files() && !manifest.has_existing_files() {
            continue;
        }
        let is_data = manifest.content == ManifestContentType::Data;
        let touched = match &removal {
            Removal::None => false,
            Removal::All => true,
            Removal::Paths { paths, .. } => is_data && !paths.is_empty(),
        };
        if !touched {
            outcome.kept.push(manifest);
            continue;
        }
        let loaded = base.manifest(&manifest).await?;
        let (mut lines, mut hit) = (Vec::new(), false);
        for entry in loaded.entries().iter().filter(|entry| entry.is_alive()) {
            let goes = match &mut removal {
                Removal::None => false,
                Removal::All => true,
                Removal::Paths { paths, .. } => paths.remove(&normalise(entry.file_path())),
            };
            hit |= goes;
            if goes {
                outcome.counts.remove(&entry.data_file);
                removed.push((manifest.partition_spec_id, entry.clone()));
                lines.push(Line::Deleted(entry.clone()));
            } else {
                lines.push(Line::Existing(entry.clone()));
            }
        }
        if !hit {
            outcome.kept.push(manifest);
            continue;
        }
        let shape = ManifestShape {
            location: name(),
            snapshot_id,
            content: manifest.content,
            schema: loaded.metadata().schema().clone(),
            spec: spec(base.metadata(), manifest.partition_spec_id)?,
        };
        let headers = base.store().manifests().headers();
        let (file, bytes) = manifest::manifest(headers, shape, lines).await?;
        outcome.rewritten.push(file);
        outcome.files.push(bytes);
    }
    if let Removal::Paths { paths, checked } = removal {
        check_found(base, &paths)?;
        if checked {
            check_no_deletes(base, &outcome.kept, &removed).await?;
        }
    }
    Ok(outcome)
}

fn spec(metadata: &TableMetadata, id: i32) -> Result<PartitionSpecRef, Error> {
    metadata.partition_spec_by_id(id).cloned().ok_or_else(|| {
        Error::corrupt(format!(
            "the table at {} has a manifest of partition spec {id}, which its metadata lacks",
            metadata.location()
        ))
    })
}

fn check_found(base: &Table, missing: &BTreeSet<String>) -> Result<(), CommitError> {
    match missing.first() {
        None => Ok(()),
        Some(path) => Err(CommitError::Stale {
            table: base.name().clone(),
            reason: format!(
                "{} of the files to remove are gone, {path} among them",
                missing.len()
            ),
        }),
    }
}

/// Refuses when a delete file applies, or may apply, to a data file that goes: who planned this
/// may not have seen it.
async fn check_no_deletes(
    base: &Table,
    kept: &[ManifestFile],
    removed: &[(i32, Arc<ManifestEntry>)],
) -> Result<(), CommitError> {
    for manifest in kept {
        if removed.is_empty() || manifest.content != ManifestContentType::Deletes {
            continue;
        }
        let spec = spec(base.metadata(), manifest.partition_spec_id)?;
        let global = spec.is_unpartitioned();
        for delete in base.manifest(manifest).await?.entries() {
            if !delete.is_alive() {
                continue;
            }
            let hit = removed.iter().find(|(spec_id, data)| {
                let same = *spec_id == manifest.partition_spec_id
                    && deletes::comparable(delete.data_file.partition())
                        == deletes::comparable(data.data_file.partition());
                may_apply(delete, data, same, global)
            });
            if let Some((_, data)) = hit {
                let path = data.file_path();
                return Err(CommitError::Stale {
                    table: base.name().clone(),
                    reason: format!("{path} has deleted rows, named in {}", delete.file_path()),
                });
            }
        }
    }
    Ok(())
}

fn may_apply(
    delete: &ManifestEntry,
    data: &ManifestEntry,
    same_partition: bool,
    global: bool,
) -> bool {
    let (deleted_at, written_at) = (delete.sequence_number, data.sequence_number);
    match delete.content_type() {
        DataContentType::Data => false,
        DataContentType::EqualityDeletes => deleted_at > written_at && (global || same_partition),
        DataContentType::PositionDeletes => {
            let named = delete.data_file.referenced_data_file().is_some();
            deleted_at >= written_at
                && (named || same_partition)
                && deletes::may_name(&delete.data_file, data.file_path())
        }
    }
}

/// Refuses files that don't fit the partition spec they would be listed under.
pub(super) fn check_added(base: &Table, add: &[DataFile]) -> Result<(), CommitError> {
    let wanted = base.metadata().default_partition_type().fields();
    for file in add {
        let found = file.partition().fields();
        let fits = found.len() == wanted.len()
            && found.iter().zip(wanted).all(|(value, field)| {
                let literal = value
                    .as_ref()
                    .and_then(|value| value.as_primitive_literal());
                match (literal, field.field_type.as_primitive_type()) {
                    (None, _) => value.is_none(),
                    (Some(literal), Some(primitive)) => primitive.compatible(&literal),
                    (Some(_), None) => false,
                }
            });
        if !fits || file.content_type() != DataContentType::Data {
            return Err(CommitError::Stale {
                table: base.name().clone(),
                reason: format!(
                    "{} does not fit the table's partitioning as it is now",
                    file.file_path()
                ),
            });
        }
    }
    Ok(())
}
