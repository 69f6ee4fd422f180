//! Files that a commit is about to write, made in memory; nothing here touches a store.

use std::sync::Arc;

use bytes::Bytes;
use iceberg::io::FileIO;
use iceberg::spec::{
    FormatVersion, Manifest, ManifestFile, ManifestList, ManifestListWriter,
    UNASSIGNED_SEQUENCE_NUMBER,
};

use crate::lake::{Error, ErrorKind, Result};

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

pub(super) fn refused(what: &str, location: &str, error: iceberg::Error) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("the {what} {location} can't be made: {error}"),
    )
    .with_source(error)
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
