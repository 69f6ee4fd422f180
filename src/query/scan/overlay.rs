//! What a transaction has changed of a table's files and not committed yet: its own statements see
//! it, nobody else does. Holds names only; it writes and deletes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use iceberg::spec::{DataFile, ManifestEntry, ManifestStatus, TableMetadata};

use super::files::DataFileEntry;

/// Files beside, and instead of, those of a table's snapshot.
#[derive(Clone, Debug, Default)]
pub(in crate::query) struct Overlay {
    pub(in crate::query) added: Vec<DataFile>,
    /// Paths of files of the snapshot, as they stand in its manifests.
    pub(in crate::query) removed: BTreeSet<String>,
    /// All files of the snapshot are gone.
    pub(in crate::query) removed_all: bool,
}

impl Overlay {
    /// These files and nothing of the snapshot.
    pub(in crate::query) fn only(added: Vec<DataFile>) -> Self {
        Self {
            added,
            removed: BTreeSet::new(),
            removed_all: true,
        }
    }

    pub(super) fn removes(&self, file: &DataFile) -> bool {
        self.removed_all || self.removed.contains(file.file_path())
    }

    /// The added files as a manifest would list them.
    pub(super) fn entries(&self, metadata: &TableMetadata) -> Vec<DataFileEntry> {
        let partition_spec_id = metadata.default_partition_spec_id();
        let entry = |file: &DataFile| {
            let entry = ManifestEntry::builder()
                .status(ManifestStatus::Added)
                .data_file(file.clone())
                .build();
            DataFileEntry {
                entry: Arc::new(entry),
                partition_spec_id,
            }
        };
        self.added.iter().map(entry).collect()
    }
}
