//! Bytes of manifests and manifest lists, made in memory; nothing here touches a store.

use std::sync::Arc;

use bytes::Bytes;
use iceberg::io::FileIO;
use iceberg::spec::{
    DataFile, FormatVersion, Manifest, ManifestContentType, ManifestEntry, ManifestFile,
    ManifestList, ManifestListWriter, ManifestMetadata, ManifestStatus, ManifestWriterBuilder,
    PartitionSpecRef, SchemaRef, UNASSIGNED_SEQUENCE_NUMBER,
};

use crate::lake::{Error, ErrorKind, Result, partition};

/// A file that a commit is about to write.
#[derive(Clone, Debug)]
pub(super) struct NewFile {
    pub location: String,
    pub bytes: Bytes,
    /// What the bytes of a manifest say, so that whoever reads it next needn't parse them.
    pub manifest: Option<Arc<Manifest>>,
}

/// A manifest list about to be written, and what it says.
#[derive(Clone, Debug)]
pub(super) struct ManifestListFile {
    pub file: NewFile,
    pub manifests: Vec<ManifestFile>,
}

/// One line of a manifest to write.
pub(super) enum Line {
    Added(Box<DataFile>),
    /// Kept as it was: with the snapshot and the sequence numbers it came with.
    Existing(Arc<ManifestEntry>),
    Deleted(Arc<ManifestEntry>),
}

impl Line {
    fn entry(self, snapshot_id: i64) -> ManifestEntry {
        let with = |status, entry: &ManifestEntry, snapshot_id| ManifestEntry {
            status,
            snapshot_id: Some(snapshot_id),
            sequence_number: Some(entry.sequence_number.unwrap_or_default()),
            file_sequence_number: entry.file_sequence_number,
            data_file: entry.data_file.clone(),
        };
        match self {
            Self::Added(file) => ManifestEntry {
                status: ManifestStatus::Added,
                snapshot_id: Some(snapshot_id),
                // Told by the manifest list, once it is known.
                sequence_number: None,
                file_sequence_number: None,
                data_file: *file,
            },
            Self::Existing(entry) => {
                let added_by = entry.snapshot_id.unwrap_or_default();
                with(ManifestStatus::Existing, &entry, added_by)
            }
            Self::Deleted(entry) => with(ManifestStatus::Deleted, &entry, snapshot_id),
        }
    }
}

/// What a manifest is written for.
pub(super) struct ManifestShape {
    pub location: String,
    pub snapshot_id: i64,
    pub content: ManifestContentType,
    pub schema: SchemaRef,
    pub spec: PartitionSpecRef,
}

fn refused(what: &str, location: &str, error: iceberg::Error) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("the {what} {location} can't be made: {error}"),
    )
    .with_source(error)
}

pub(super) async fn manifest(
    shape: ManifestShape,
    lines: Vec<Line>,
) -> Result<(ManifestFile, NewFile)> {
    let location = shape.location.clone();
    partition::check_names(&shape.spec)
        .map_err(|error| error.about(&format!("the manifest {location}")))?;
    let entries = lines.into_iter().map(|line| line.entry(shape.snapshot_id));
    let entries: Vec<ManifestEntry> = entries.collect();
    let metadata = ManifestMetadata::builder()
        .schema_id(shape.schema.schema_id())
        .schema(shape.schema.clone())
        .partition_spec(shape.spec.as_ref().clone())
        .format_version(FormatVersion::V2)
        .content(shape.content)
        .build();
    let made = try_manifest(shape, &entries).await;
    let (file, bytes) = made.map_err(|error| refused("manifest", &location, error))?;
    let manifest = Manifest::new(metadata, entries);
    debug_assert_eq!(
        Manifest::parse_avro(&bytes).ok().as_ref(),
        Some(&manifest),
        "what is written is what is remembered"
    );
    let written = NewFile {
        location,
        bytes,
        manifest: Some(Arc::new(manifest)),
    };
    Ok((file, written))
}

async fn try_manifest(
    shape: ManifestShape,
    entries: &[ManifestEntry],
) -> iceberg::Result<(ManifestFile, Bytes)> {
    let scratch = FileIO::new_with_memory();
    let output = scratch.new_output(&shape.location)?;
    let builder = ManifestWriterBuilder::new(
        output,
        Some(shape.snapshot_id),
        shape.schema,
        shape.spec.as_ref().clone(),
    );
    let mut writer = match shape.content {
        ManifestContentType::Data => builder.build_v2_data(),
        ManifestContentType::Deletes => builder.build_v2_deletes(),
    };
    for entry in entries {
        let file = entry.data_file.clone();
        let number = entry.sequence_number.unwrap_or_default();
        match entry.status {
            ManifestStatus::Added => writer.add_file(file, -1)?,
            ManifestStatus::Existing => writer.add_existing_file(
                file,
                entry.snapshot_id.unwrap_or_default(),
                number,
                entry.file_sequence_number,
            )?,
            ManifestStatus::Deleted => {
                writer.add_delete_file(file, number, entry.file_sequence_number)?;
            }
        }
    }
    let file = writer.write_manifest_file().await?;
    let bytes = scratch.new_input(&shape.location)?.read().await?;
    Ok((file, bytes))
}

/// The manifest list of a snapshot. Manifests that the snapshot itself made get its sequence
/// number here.
pub(super) async fn manifest_list(
    location: String,
    snapshot_id: i64,
    parent: Option<i64>,
    sequence_number: i64,
    mut manifests: Vec<ManifestFile>,
) -> Result<ManifestListFile> {
    for manifest in &mut manifests {
        for number in [
            &mut manifest.sequence_number,
            &mut manifest.min_sequence_number,
        ] {
            if *number == UNASSIGNED_SEQUENCE_NUMBER && manifest.added_snapshot_id == snapshot_id {
                *number = sequence_number;
            }
        }
    }
    let made = async {
        let scratch = FileIO::new_with_memory();
        let output = scratch.new_output(&location)?.writer().await?;
        let mut writer = ManifestListWriter::v2(output, snapshot_id, parent, sequence_number);
        writer.add_manifests(manifests.iter().cloned())?;
        writer.close().await?;
        scratch.new_input(&location)?.read().await
    };
    let made: iceberg::Result<Bytes> = made.await;
    let bytes = made.map_err(|error| refused("manifest list", &location, error))?;
    debug_assert_eq!(
        ManifestList::parse_with_version(&bytes, FormatVersion::V2)
            .map(|list| list.entries().to_vec())
            .ok(),
        Some(manifests.clone()),
        "what is written is what is remembered"
    );
    Ok(ManifestListFile {
        file: NewFile {
            location,
            bytes,
            manifest: None,
        },
        manifests,
    })
}
