//! Snapshots that were removed between two passes and whose files are still there.

use std::collections::BTreeMap;
use std::sync::Mutex;

use iceberg::spec::SnapshotRef;

use crate::domain::TableName;

/// So many of a table are remembered; the files of more are found by the search for orphans, as
/// they are when the process ends before its next pass.
const MOST: usize = 10_000;

/// By table, what this process's thinnings removed since its last pass.
#[derive(Debug, Default)]
pub struct Expired(Mutex<BTreeMap<TableName, Vec<SnapshotRef>>>);

impl Expired {
    pub(super) fn add(&self, table: &TableName, snapshots: Vec<SnapshotRef>) {
        let mut all = self.0.lock().expect("no holder of this lock panics");
        let of_table = all.entry(table.clone()).or_default();
        let room = MOST.saturating_sub(of_table.len());
        of_table.extend(snapshots.into_iter().take(room));
    }

    pub(super) fn take(&self, table: &TableName) -> Vec<SnapshotRef> {
        let mut all = self.0.lock().expect("no holder of this lock panics");
        all.remove(table).unwrap_or_default()
    }

    /// Forgets tables that are not there any more.
    pub(super) fn retain(&self, tables: &[TableName]) {
        let mut all = self.0.lock().expect("no holder of this lock panics");
        all.retain(|table, _| tables.contains(table));
    }
}
