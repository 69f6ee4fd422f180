//! A table as loaded at one moment: its metadata, immutable, and where it came from.

use std::sync::Arc;

use iceberg::spec::{Manifest, ManifestFile, Snapshot, TableMetadataRef};

use super::catalog::Pointer;
use super::commit::SnapshotTexts;
use super::manifests::Known;
use super::refs::Refs;
use super::store::Store;
use super::{Error, Result};
use crate::domain::{Ledger, TableName};

/// A loaded table. Cheap to clone; never changes: load again to see others' commits.
#[derive(Clone, Debug)]
pub struct Table {
    name: TableName,
    metadata: TableMetadataRef,
    refs: Arc<Refs>,
    metadata_location: String,
    /// What the next commit need not write anew.
    texts: Arc<SnapshotTexts>,
    store: Store,
}

impl Table {
    pub fn new(
        store: Store,
        name: TableName,
        metadata: TableMetadataRef,
        refs: Arc<Refs>,
        metadata_location: String,
    ) -> Self {
        Self {
            name,
            metadata,
            refs,
            metadata_location,
            texts: Arc::default(),
            store,
        }
    }

    /// Reads the metadata file, or takes it from the cache. `Corrupt` when it can't be parsed.
    pub async fn read(store: &Store, name: &TableName, metadata_location: &str) -> Result<Self> {
        let known = store.manifests().metadata(store, metadata_location).await?;
        Ok(Self::known(store, name, metadata_location, known))
    }

    /// The table where the catalog points to; as [`Self::read`].
    pub async fn at(store: &Store, name: &TableName, pointer: &Pointer) -> Result<Self> {
        let location = &pointer.metadata_location;
        let Some(json) = &pointer.metadata else {
            return Self::read(store, name, location).await;
        };
        let known = store.manifests().served(store, location, json).await?;
        Ok(Self::known(store, name, location, known))
    }

    fn known(store: &Store, name: &TableName, metadata_location: &str, known: Known) -> Self {
        Self {
            name: name.clone(),
            metadata: known.metadata,
            refs: known.refs,
            metadata_location: metadata_location.to_owned(),
            texts: known.texts,
            store: store.clone(),
        }
    }

    /// With the JSON of its snapshots at hand.
    pub(super) fn with_texts(mut self, texts: SnapshotTexts) -> Self {
        self.texts = Arc::new(texts);
        self
    }

    pub(super) fn texts(&self) -> &Arc<SnapshotTexts> {
        &self.texts
    }

    /// A snapshot's manifests, from the cache when they were read before.
    pub async fn manifest_list(&self, snapshot: &Snapshot) -> Result<Arc<Vec<ManifestFile>>> {
        let version = self.metadata.format_version();
        let cache = self.store.manifests();
        cache.list(&self.store, snapshot, version).await
    }

    /// A manifest's entries, sequence numbers filled in, from the cache when read before.
    pub async fn manifest(&self, file: &ManifestFile) -> Result<Arc<Manifest>> {
        self.store.manifests().manifest(&self.store, file).await
    }

    pub fn name(&self) -> &TableName {
        &self.name
    }

    pub fn metadata(&self) -> &TableMetadataRef {
        &self.metadata
    }

    /// Branches and tags.
    pub fn refs(&self) -> &Arc<Refs> {
        &self.refs
    }

    pub fn metadata_location(&self) -> &str {
        &self.metadata_location
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The ledger in the table's properties; empty when nothing was ever committed from a stream.
    /// Never "start over" (I1): `Corrupt` when it can't be read, `Invalid` when it is gone although
    /// snapshots name offsets, or when the table was rolled back behind it.
    pub fn ledger(&self) -> Result<Ledger> {
        let ledger = self.stored_ledger()?;
        super::commit::ledger::verify(&self.metadata, &ledger)
            .map_err(|reason| Error::invalid(format!("table {}: {reason}", self.name)))?;
        Ok(ledger)
    }

    /// The ledger as it stands in the properties, whatever became of its snapshot: for people who
    /// repair, never for a writer.
    pub fn stored_ledger(&self) -> Result<Ledger> {
        match self.metadata.properties().get(Ledger::PROPERTY) {
            None => Ok(Ledger::default()),
            Some(text) => Ledger::from_json(text)
                .map_err(|reason| Error::corrupt(format!("table {}: {reason}", self.name))),
        }
    }
}
