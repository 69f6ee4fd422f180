//! What a table's snapshots need: metadata files, manifest lists, manifests, data and delete
//! files, statistics (I9). Reads only; a file that can't be read is an error and never "needs
//! nothing".

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use futures::{StreamExt, TryStreamExt};
use iceberg::spec::{ManifestFile, SnapshotRef};

use crate::lake::store::{Store, normalise};
use crate::lake::{Result, Table};

/// Files read at once.
const AT_ONCE: usize = 8;

/// A set of files, by a hash of their normalised place: a table may have millions. Two places with
/// one hash make the set too large, and so a file that could go stays.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach(HashSet<u64>);

impl Reach {
    pub fn contains(&self, location: &str) -> bool {
        self.0.contains(&hash(location))
    }

    fn insert(&mut self, location: &str) -> bool {
        self.0.insert(hash(location))
    }
}

pub(super) fn hash(location: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    normalise(location).hash(&mut hasher);
    hasher.finish()
}

/// Everything that the table needs without the snapshots in `without`.
pub(super) async fn reachable(table: &Table, without: &[i64]) -> Result<Reach> {
    let metadata = table.metadata();
    let mut reach = Reach::default();
    reach.insert(table.metadata_location());
    for entry in metadata.metadata_log() {
        reach.insert(&entry.metadata_file);
    }
    // Statistics of an expired snapshot go with its entry, which the metadata still has now.
    for file in metadata.statistics_iter() {
        reach.insert(&file.statistics_path);
    }
    for file in metadata.partition_statistics_iter() {
        reach.insert(&file.statistics_path);
    }
    let kept: Vec<SnapshotRef> = metadata
        .snapshots()
        .filter(|snapshot| !without.contains(&snapshot.snapshot_id()))
        .cloned()
        .collect();
    for snapshot in &kept {
        reach.insert(snapshot.manifest_list());
    }
    let manifests = manifests(table, &kept, &mut reach).await?;
    let mut files = futures::stream::iter(manifests)
        .map(|manifest| {
            let store = table.store().clone();
            async move { live_files(&store, &manifest).await }
        })
        .buffer_unordered(AT_ONCE);
    while let Some(files) = files.try_next().await? {
        for file in files {
            reach.insert(&file);
        }
    }
    Ok(reach)
}

/// What these snapshots of `table` needed and `reach` does not have. They are gone from the
/// table's metadata, their files are still there.
pub(super) async fn unreached(
    table: &Table,
    snapshots: &[SnapshotRef],
    reach: &Reach,
) -> Result<Vec<String>> {
    let mut seen = reach.clone();
    let mut dead = Vec::new();
    for snapshot in snapshots {
        if seen.insert(snapshot.manifest_list()) {
            dead.push(snapshot.manifest_list().to_owned());
        }
    }
    let manifests = manifests(table, snapshots, &mut seen).await?;
    for manifest in manifests {
        for file in live_files(table.store(), &manifest).await? {
            if seen.insert(&file) {
                dead.push(file);
            }
        }
        // After its files: if we die between, the rest is found again by listing only.
        dead.push(manifest.manifest_path);
    }
    Ok(dead)
}

/// The manifests of these snapshots that `seen` did not have, now put into it.
async fn manifests(
    table: &Table,
    snapshots: &[SnapshotRef],
    seen: &mut Reach,
) -> Result<Vec<ManifestFile>> {
    let version = table.metadata().format_version();
    let store = table.store();
    let mut lists = futures::stream::iter(snapshots.to_vec())
        .map(|snapshot| {
            let store = store.clone();
            async move { store.manifests().list(&store, &snapshot, version).await }
        })
        .buffer_unordered(AT_ONCE);
    let mut manifests = Vec::new();
    while let Some(list) = lists.try_next().await? {
        for manifest in list.iter() {
            if seen.insert(&manifest.manifest_path) {
                manifests.push(manifest.clone());
            }
        }
    }
    Ok(manifests)
}

async fn live_files(store: &Store, manifest: &ManifestFile) -> Result<Vec<String>> {
    let manifest = store.manifests().manifest(store, manifest).await?;
    Ok(manifest
        .entries()
        .iter()
        .filter(|entry| entry.is_alive())
        .map(|entry| entry.file_path().to_owned())
        .collect())
}
