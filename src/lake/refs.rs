//! Branches and tags of a table. The crate keeps them to itself, so they are read beside the
//! metadata and carried from commit to commit.

use std::collections::BTreeMap;

use iceberg::TableUpdate;
use iceberg::spec::{MAIN_BRANCH, SnapshotReference, TableMetadata};
use serde::Deserialize;

/// Branches and tags by name, `main` among them once the table has a snapshot.
pub type Refs = BTreeMap<String, SnapshotReference>;

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    refs: Refs,
}

/// The references in a metadata file's JSON, which `metadata` was parsed from. Without the entry
/// (format 1) and without main, main is where the current snapshot is, as the specification says.
pub(crate) fn read(json: &[u8], metadata: &TableMetadata) -> serde_json::Result<Refs> {
    let Document { mut refs } = serde_json::from_slice(json)?;
    if let Some(current) = metadata.current_snapshot_id() {
        refs.entry(MAIN_BRANCH.to_owned())
            .or_insert_with(|| branch(current));
    }
    Ok(refs)
}

/// The references after a change, which made `metadata` with these updates.
pub fn after(base: &Refs, updates: &[TableUpdate], metadata: &TableMetadata) -> Refs {
    let mut refs = base.clone();
    for update in updates {
        match update {
            TableUpdate::SetSnapshotRef {
                ref_name,
                reference,
            } => {
                refs.insert(ref_name.clone(), reference.clone());
            }
            TableUpdate::RemoveSnapshotRef { ref_name } => {
                refs.remove(ref_name);
            }
            _ => {}
        }
    }
    // A reference goes with its snapshot, without an update of its own.
    refs.retain(|_, reference| metadata.snapshot_by_id(reference.snapshot_id).is_some());
    refs
}

/// A branch that asks for no retention of its own.
pub(super) fn branch(snapshot_id: i64) -> SnapshotReference {
    let retention = iceberg::spec::SnapshotRetention::branch(None, None, None);
    SnapshotReference::new(snapshot_id, retention)
}
