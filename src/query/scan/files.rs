//! Which files a scan reads: from the snapshot's manifests, less those that can't hold a row of
//! the answer.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use iceberg::spec::{
    DataContentType, DataFile, Manifest, ManifestContentType, ManifestEntryRef, ManifestFile,
    Struct, TableMetadata,
};

use super::predicate::Predicate;
use super::{IcebergTable, prune};
use crate::lake::deletes;
use crate::lake::store::Store;
use crate::query::QueryError;

/// Manifests read at a time.
const CONCURRENT_MANIFESTS: usize = 16;

/// One data file of a snapshot.
#[derive(Clone, Debug)]
pub(in crate::query) struct DataFileEntry {
    pub(in crate::query) entry: ManifestEntryRef,
    pub(in crate::query) partition_spec_id: i32,
}

impl DataFileEntry {
    pub(in crate::query) fn file(&self) -> &DataFile {
        self.entry.data_file()
    }

    /// What files have in common that deletes of a partition are about.
    pub(super) fn partition_key(&self) -> PartitionKey {
        let partition = deletes::comparable(self.file().partition());
        (self.partition_spec_id, partition)
    }

    /// Equality deletes of a spec that doesn't partition are about every partition.
    pub(super) fn is_global(&self, metadata: &TableMetadata) -> bool {
        let spec = metadata.partition_spec_by_id(self.partition_spec_id);
        self.file().content_type() == DataContentType::EqualityDeletes
            && spec.is_some_and(|spec| spec.is_unpartitioned())
    }
}

/// A partition, with the spec that it is one of.
pub(super) type PartitionKey = (i32, Struct);

/// The files of a scan.
#[derive(Debug, Default)]
pub(super) struct ScanFiles {
    /// Read as they are.
    pub(super) plain: Vec<DataFileEntry>,
    /// Read through their delete files.
    pub(super) with_deletes: Vec<(DataFileEntry, Vec<DataFileEntry>)>,
}

pub(super) async fn plan(
    table: &IcebergTable,
    predicate: &Predicate,
) -> Result<ScanFiles, QueryError> {
    let overlay = table.overlay.as_deref();
    let all = match overlay {
        Some(overlay) if overlay.removed_all => Vec::new(),
        _ => table.manifests().await?,
    };
    let metadata = table.table().metadata();
    let pruner = prune::Pruner::new(metadata, &table.iceberg_schema, predicate);
    let passed = |sequence_number: i64| {
        table
            .after_sequence_number
            .is_some_and(|after| sequence_number <= after)
    };
    let mut data = Vec::new();
    let mut deletes = Vec::new();
    for manifest in all.iter() {
        match manifest.content {
            // A manifest's number is at least that of each file which it added.
            ManifestContentType::Data if passed(manifest.sequence_number) => {}
            ManifestContentType::Data if pruner.manifest_may_match(manifest) => data.push(manifest),
            ManifestContentType::Data => {}
            ManifestContentType::Deletes => deletes.push(manifest),
        }
    }
    let deletes = DeleteIndex::new(metadata, read_all(table, deletes).await?);
    let mut files = ScanFiles::default();
    for file in read_all(table, data).await? {
        let removed = overlay.is_some_and(|overlay| overlay.removes(file.file()));
        if removed
            || passed(file.entry.sequence_number().unwrap_or(0))
            || !pruner.file_may_match(&file)
        {
            continue;
        }
        let applying = deletes.applying_to(&file);
        if applying.is_empty() {
            files.plain.push(file);
        } else {
            files.with_deletes.push((file, applying));
        }
    }
    // Delete files of others are older than what the transaction has written.
    let added = overlay.iter().flat_map(|overlay| overlay.entries(metadata));
    files
        .plain
        .extend(added.filter(|file| pruner.file_may_match(file)));
    Ok(files)
}

/// The live entries of these manifests, in their order.
async fn read_all(
    table: &IcebergTable,
    manifests: Vec<&ManifestFile>,
) -> Result<Vec<DataFileEntry>, QueryError> {
    let reads: Vec<_> = manifests
        .into_iter()
        .map(|manifest| read_one(table.table().store(), manifest))
        .collect();
    let read: Vec<_> = futures::stream::iter(reads)
        .buffered(CONCURRENT_MANIFESTS)
        .try_collect()
        .await?;
    let live = |(spec_id, manifest): &(i32, Arc<Manifest>)| {
        let partition_spec_id = *spec_id;
        manifest
            .entries()
            .iter()
            .filter(|entry| entry.is_alive())
            .map(move |entry| DataFileEntry {
                entry: Arc::clone(entry),
                partition_spec_id,
            })
            .collect::<Vec<_>>()
    };
    Ok(read.iter().flat_map(live).collect())
}

async fn read_one(
    store: &Store,
    manifest: &ManifestFile,
) -> Result<(i32, Arc<Manifest>), QueryError> {
    let entries = store.manifests().manifest(store, manifest).await?;
    Ok((manifest.partition_spec_id, entries))
}

/// Every file of a table's snapshot, delete files too, for the metadata tables.
pub(in crate::query) async fn all(table: &IcebergTable) -> Result<Vec<DataFileEntry>, QueryError> {
    let list = table.manifests().await?;
    read_all(table, list.iter().collect()).await
}

/// Delete files by the partition they apply to (Iceberg's spec, "Scan Planning").
struct DeleteIndex {
    by_partition: HashMap<PartitionKey, Vec<DataFileEntry>>,
    global: Vec<DataFileEntry>,
}

impl DeleteIndex {
    fn new(metadata: &TableMetadata, files: Vec<DataFileEntry>) -> Self {
        let mut index = Self {
            by_partition: HashMap::new(),
            global: Vec::new(),
        };
        for file in files {
            if file.is_global(metadata) {
                index.global.push(file);
            } else {
                let key = file.partition_key();
                index.by_partition.entry(key).or_default().push(file);
            }
        }
        index
    }

    fn applying_to(&self, data: &DataFileEntry) -> Vec<DataFileEntry> {
        if self.by_partition.is_empty() && self.global.is_empty() {
            return Vec::new();
        }
        self.by_partition
            .get(&data.partition_key())
            .into_iter()
            .flatten()
            .chain(&self.global)
            .filter(|delete| applies(delete, data))
            .cloned()
            .collect()
    }
}

fn applies(delete: &DataFileEntry, data: &DataFileEntry) -> bool {
    let delete_number = delete.entry.sequence_number().unwrap_or(i64::MAX);
    let data_number = data.entry.sequence_number().unwrap_or(0);
    match delete.file().content_type() {
        DataContentType::EqualityDeletes => delete_number > data_number,
        _ => {
            let path = data.file().file_path();
            delete_number >= data_number && deletes::may_name(delete.file(), path)
        }
    }
}
