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
    refs: Option<Refs>,
}

/// The references in a metadata file's JSON, which `metadata` was parsed from. Without the entry
/// (format 1), with null for one, and without main, main is where the current snapshot is, as the specification says.
pub(crate) fn read(json: &[u8], metadata: &TableMetadata) -> serde_json::Result<Refs> {
    let Document { refs } = serde_json::from_slice(json)?;
    let mut refs = refs.unwrap_or_default();
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
pub(in crate::lake) fn branch(snapshot_id: i64) -> SnapshotReference {
    let retention = iceberg::spec::SnapshotRetention::branch(None, None, None);
    SnapshotReference::new(snapshot_id, retention)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(entry: &str) -> Refs {
        let text = format!(
            r#"{{"format-version": 2, "table-uuid": "00000000-0000-0000-0000-000000000001",
            "location": "/a", "last-sequence-number": 1, "last-updated-ms": 2, "last-column-id": 1,
            "current-schema-id": 0, "schemas": [{{"type": "struct", "schema-id": 0, "fields": [
              {{"id": 1, "name": "a", "required": true, "type": "long"}}]}}],
            "default-spec-id": 0, "partition-specs": [{{"spec-id": 0, "fields": []}}],
            "last-partition-id": 999, "default-sort-order-id": 0,
            "sort-orders": [{{"order-id": 0, "fields": []}}], "current-snapshot-id": 7,
            "snapshots": [{{"snapshot-id": 7, "sequence-number": 1, "timestamp-ms": 1,
              "manifest-list": "/a/7.avro", "summary": {{"operation": "append"}}}}]{entry}}}"#
        );
        let metadata: TableMetadata = serde_json::from_str(&text).unwrap();
        let refs = read(text.as_bytes(), &metadata).unwrap();
        // As the crate itself has them.
        let theirs = serde_json::to_value(&metadata).unwrap();
        assert_eq!(serde_json::to_value(&refs).unwrap(), theirs["refs"]);
        refs
    }

    #[test]
    fn main_is_where_the_current_snapshot_is_though_nothing_says_so() {
        for entry in ["", r#", "refs": null"#, r#", "refs": {}"#] {
            assert_eq!(of(entry).len(), 1, "{entry}");
        }
        let tagged = r#", "refs": {"t": {"snapshot-id": 7, "type": "tag"}}"#;
        assert_eq!(of(tagged).len(), 2);
    }
}
