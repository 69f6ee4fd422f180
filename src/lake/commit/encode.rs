//! Bytes of manifests and manifest lists, made in memory; nothing here touches a store.

use std::sync::Arc;

use bytes::Bytes;
use iceberg::io::FileIO;
use iceberg::spec::{
    DataFile, FormatVersion, ManifestContentType, ManifestFile, ManifestList, ManifestListWriter,
    ManifestWriterBuilder, PartitionSpecRef, SchemaRef, UNASSIGNED_SEQUENCE_NUMBER,
};

use crate::lake::{Error, ErrorKind, Result, partition};

/// A file that a commit is about to write.
#[derive(Clone, Debug)]
pub(super) struct NewFile {
    pub location: String,
    pub bytes: Bytes,
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
    Existing(Arc<iceberg::spec::ManifestEntry>),
    Deleted(Arc<iceberg::spec::ManifestEntry>),
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
    let made = try_manifest(shape, lines).await;
    let (file, bytes) = made.map_err(|error| refused("manifest", &location, error))?;
    Ok((file, NewFile { location, bytes }))
}

async fn try_manifest(
    shape: ManifestShape,
    lines: Vec<Line>,
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
    for line in lines {
        match line {
            Line::Added(file) => writer.add_file(*file, -1)?,
            Line::Existing(entry) => writer.add_existing_file(
                entry.data_file.clone(),
                entry.snapshot_id.unwrap_or_default(),
                entry.sequence_number.unwrap_or_default(),
                entry.file_sequence_number,
            )?,
            Line::Deleted(entry) => writer.add_delete_file(
                entry.data_file.clone(),
                entry.sequence_number.unwrap_or_default(),
                entry.file_sequence_number,
            )?,
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
        file: NewFile { location, bytes },
        manifests,
    })
}
