//! What is immutable is read once: table metadata, manifest lists and manifests, by their place.
//! Bounded by bytes. Must never hold what can change under its name, so a catalog's pointers are
//! not kept here.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use iceberg::spec::{
    FormatVersion, Manifest, ManifestEntry, ManifestFile, ManifestList, ManifestStatus, Snapshot,
    TableMetadata, TableMetadataRef,
};
use moka::future::Cache;
use moka::policy::EvictionPolicy;

use super::commit::{Headers, SnapshotTexts};
use super::refs::{self, Refs};
use super::store::Store;
use super::{Error, ErrorKind, Result, Table, partition};

/// A parsed manifest takes about this much more memory than its file.
const MANIFEST_GROWTH: u64 = 4;
const INITIAL_SEQUENCE_NUMBER: i64 = 0;

/// Parsed metadata files, manifest lists and manifests of one [`Store`].
pub struct ManifestCache {
    entries: Cache<String, Entry>,
    headers: Headers,
}

#[derive(Clone)]
struct Entry {
    bytes: u64,
    value: Value,
}

#[derive(Clone)]
enum Value {
    Metadata(Known),
    List(Arc<Vec<ManifestFile>>),
    Manifest(Arc<Manifest>),
}

/// What is known of a metadata file.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub metadata: TableMetadataRef,
    pub refs: Arc<Refs>,
    pub texts: Arc<SnapshotTexts>,
}

impl fmt::Debug for ManifestCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManifestCache")
            .field("entries", &self.entries.entry_count())
            .field("weighted_bytes", &self.entries.weighted_size())
            .finish()
    }
}

impl ManifestCache {
    pub(super) fn new(max_bytes: u64) -> Self {
        let entries = Cache::builder()
            .max_capacity(max_bytes)
            // What was written last is what the next commit and the next query read. By how often
            // it was asked for, a full cache would take in nothing new.
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|key: &String, entry: &Entry| {
                u32::try_from(entry.bytes + key.len() as u64).unwrap_or(u32::MAX)
            })
            .build();
        Self {
            entries,
            headers: Headers::default(),
        }
    }

    /// Of manifests to write.
    pub(super) fn headers(&self) -> &Headers {
        &self.headers
    }

    /// A metadata file. `Corrupt` when it can't be parsed.
    pub(super) async fn metadata(&self, store: &Store, location: &str) -> Result<Known> {
        let load = async {
            let bytes = store.read(location).await?;
            let (metadata, refs) = parse_metadata(store, location, &bytes).await?;
            Ok(Entry {
                bytes: bytes.len() as u64 * 2,
                value: Value::Metadata(Known {
                    metadata: Arc::new(metadata),
                    refs: Arc::new(refs),
                    texts: Arc::default(),
                }),
            })
        };
        match self.entry(location, load).await? {
            Value::Metadata(known) => Ok(known),
            _ => Err(confused(location)),
        }
    }

    /// The metadata that a catalog's server handed out. Not kept: its place may be written anew.
    pub(super) async fn served(
        &self,
        store: &Store,
        location: &str,
        json: &Bytes,
    ) -> Result<Known> {
        let (metadata, refs) = parse_metadata(store, location, json).await?;
        Ok(Known {
            metadata: Arc::new(metadata),
            refs: Arc::new(refs),
            texts: Arc::default(),
        })
    }

    /// Remembers what this process committed itself, in the place of what it was made from: one
    /// table's metadata of each commit would soon push everything else out.
    pub(super) async fn put_commit(&self, table: &Table, bytes: u64, replaced: Option<&str>) {
        let known = Known {
            metadata: table.metadata().clone(),
            refs: table.refs().clone(),
            texts: table.texts().clone(),
        };
        let location = table.metadata_location().to_owned();
        let entry = Entry {
            bytes: bytes * 3,
            value: Value::Metadata(known),
        };
        self.entries.insert(location, entry).await;
        if let Some(replaced) = replaced {
            self.entries.invalidate(replaced).await;
        }
    }

    /// Remembers a manifest list that this process wrote itself.
    pub(super) async fn put_list(&self, location: &str, bytes: u64, list: Vec<ManifestFile>) {
        let entry = Entry {
            bytes: bytes * MANIFEST_GROWTH,
            value: Value::List(Arc::new(list)),
        };
        self.entries.insert(location.to_owned(), entry).await;
    }

    /// Remembers a manifest that this process wrote itself: `listed` says which sequence number it
    /// got.
    pub(super) async fn put_manifest(&self, bytes: u64, manifest: Manifest, listed: &ManifestFile) {
        let entry = Entry {
            bytes: bytes * MANIFEST_GROWTH,
            value: Value::Manifest(Arc::new(inherit(manifest, listed))),
        };
        let location = listed.manifest_path.clone();
        self.entries.insert(location, entry).await;
    }

    /// A snapshot's manifest list. `Corrupt` when it can't be parsed.
    pub async fn list(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        version: FormatVersion,
    ) -> Result<Arc<Vec<ManifestFile>>> {
        let location = snapshot.manifest_list();
        let load = async {
            let bytes = store.read(location).await?;
            let list = ManifestList::parse_with_version(&bytes, version)
                .map_err(|error| unreadable("manifest list", location, error))?;
            Ok(Entry {
                bytes: bytes.len() as u64 * MANIFEST_GROWTH,
                value: Value::List(Arc::new(list.consume_entries().into_iter().collect())),
            })
        };
        match self.entry(location, load).await? {
            Value::List(list) => Ok(list),
            _ => Err(confused(location)),
        }
    }

    /// A manifest, with what its entries inherit from the list filled in. `Corrupt` when it can't
    /// be parsed.
    pub async fn manifest(&self, store: &Store, file: &ManifestFile) -> Result<Arc<Manifest>> {
        let location = file.manifest_path.as_str();
        let load = async {
            let bytes = store.read(location).await?;
            let parsed = Manifest::parse_avro(&bytes)
                .map_err(|error| unreadable("manifest", location, error))?;
            partition::check_names(parsed.metadata().partition_spec())
                .map_err(|error| error.about(&format!("the manifest {location}")))?;
            Ok(Entry {
                bytes: bytes.len() as u64 * MANIFEST_GROWTH,
                value: Value::Manifest(Arc::new(inherit(parsed, file))),
            })
        };
        match self.entry(location, load).await? {
            Value::Manifest(manifest) => Ok(manifest),
            _ => Err(confused(location)),
        }
    }

    /// Loads once for all who ask at the same time; an error is not kept.
    async fn entry(
        &self,
        location: &str,
        load: impl Future<Output = Result<Entry>>,
    ) -> Result<Value> {
        match self.entries.try_get_with_by_ref(location, load).await {
            Ok(entry) => Ok(entry.value),
            Err(shared) => Err(Error::new(shared.kind(), shared.to_string()).with_source(shared)),
        }
    }
}

async fn parse_metadata(
    store: &Store,
    location: &str,
    bytes: &Bytes,
) -> Result<(TableMetadata, Refs)> {
    let unreadable = |reason: String| {
        Error::corrupt(format!(
            "the metadata file {location} can't be read: {reason}"
        ))
    };
    // Another engine may have compressed it; iceberg's reader knows how.
    let (metadata, json) = if bytes.starts_with(&[0x1f, 0x8b]) {
        let metadata = TableMetadata::read_from(&store.file_io(), location).await;
        let metadata = metadata.map_err(|error| unreadable(error.to_string()))?;
        let json = serde_json::to_vec(&metadata).map_err(|error| unreadable(error.to_string()))?;
        (metadata, json.into())
    } else {
        let metadata = serde_json::from_slice(bytes);
        let metadata = metadata.map_err(|error| unreadable(error.to_string()))?;
        (metadata, bytes.clone())
    };
    let refs = refs::read(&json, &metadata).map_err(|error| unreadable(error.to_string()))?;
    Ok((metadata, refs))
}

fn unreadable(what: &str, location: &str, error: iceberg::Error) -> Error {
    Error::corrupt(format!("the {what} {location} can't be read: {error}")).with_source(error)
}

fn confused(location: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("{location} is named as files of two kinds"),
    )
}

/// Entries leave out what they share with their manifest (Iceberg's inheritance rules of v2).
fn inherit(manifest: Manifest, file: &ManifestFile) -> Manifest {
    let (entries, metadata) = manifest.into_parts();
    let entries = entries
        .into_iter()
        .map(Arc::unwrap_or_clone)
        .map(|mut entry: ManifestEntry| {
            entry.snapshot_id.get_or_insert(file.added_snapshot_id);
            if entry.status == ManifestStatus::Added
                || file.sequence_number == INITIAL_SEQUENCE_NUMBER
            {
                entry.sequence_number.get_or_insert(file.sequence_number);
                entry
                    .file_sequence_number
                    .get_or_insert(file.sequence_number);
            }
            entry
        })
        .collect();
    Manifest::new(metadata, entries)
}
