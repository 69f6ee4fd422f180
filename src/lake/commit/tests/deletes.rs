//! Tables of others, with delete files: what they delete stays deleted.

use std::collections::HashMap;

use iceberg::spec::{Datum, ManifestListWriter, ManifestWriterBuilder};

use super::*;
use crate::lake::catalog::{Swap, SwapOutcome};

const DELETE_FILE_PATH: i32 = 2_147_483_546;

fn position_deletes(path: &str, of: Option<&str>, bounds: Option<(&str, &str)>) -> DataFile {
    let bound = |text: &str| HashMap::from([(DELETE_FILE_PATH, Datum::string(text))]);
    let mut file = DataFileBuilder::default();
    file.content(DataContentType::PositionDeletes)
        .file_path(path.to_owned())
        .file_format(DataFileFormat::Parquet)
        .partition(Struct::empty())
        .record_count(1)
        .file_size_in_bytes(100)
        .partition_spec_id(0)
        .referenced_data_file(of.map(str::to_owned));
    if let Some((lower, upper)) = bounds {
        file.lower_bounds(bound(lower)).upper_bounds(bound(upper));
    }
    file.build().unwrap()
}

fn equality_deletes(path: &str) -> DataFile {
    DataFileBuilder::default()
        .content(DataContentType::EqualityDeletes)
        .file_path(path.to_owned())
        .file_format(DataFileFormat::Parquet)
        .partition(Struct::empty())
        .record_count(1)
        .file_size_in_bytes(100)
        .partition_spec_id(0)
        .equality_ids(Some(vec![1]))
        .build()
        .unwrap()
}

/// Another engine's commit: the base's manifests and one of delete files.
async fn delete_rows(lake: &Lake, files: Vec<DataFile>) {
    let table = lake.table(&name("a.t")).await.unwrap();
    let metadata = table.metadata();
    let io = table.store().file_io();
    let unique = lake.entropy.uuid();
    let id = (lake.entropy.next_u64() >> 2) as i64;
    let at = |kind: &str| format!("/wh/a/t/metadata/{unique}-{kind}.avro");
    let mut manifest = ManifestWriterBuilder::new(
        io.new_output(at("deletes")).unwrap(),
        Some(id),
        metadata.current_schema().clone(),
        metadata.default_partition_spec().as_ref().clone(),
    )
    .build_v2_deletes();
    for file in files {
        manifest.add_file(file, -1).unwrap();
    }
    let manifest = manifest.write_manifest_file().await.unwrap();
    let parent = metadata.current_snapshot().unwrap();
    let mut manifests = table.manifest_list(parent).await.unwrap().to_vec();
    manifests.push(manifest);
    let sequence = metadata.next_sequence_number();
    let output = io.new_output(at("snap")).unwrap().writer().await.unwrap();
    let mut list = ManifestListWriter::v2(output, id, Some(parent.snapshot_id()), sequence);
    list.add_manifests(manifests.into_iter()).unwrap();
    list.close().await.unwrap();

    let mut document = serde_json::to_value(metadata.as_ref()).unwrap();
    let instant = document["last-updated-ms"].clone();
    document["snapshots"].as_array_mut().unwrap().push(serde_json::json!({
        "snapshot-id": id, "parent-snapshot-id": parent.snapshot_id(), "sequence-number": sequence,
        "timestamp-ms": instant, "manifest-list": at("snap"), "summary": {"operation": "delete"},
        "schema-id": 0,
    }));
    document["last-sequence-number"] = sequence.into();
    document["current-snapshot-id"] = id.into();
    document["refs"]["main"]["snapshot-id"] = id.into();
    let entry = serde_json::json!({"snapshot-id": id, "timestamp-ms": instant});
    document["snapshot-log"].as_array_mut().unwrap().push(entry);
    let location = format!("/wh/a/t/metadata/90000-{unique}.metadata.json");
    let bytes = serde_json::to_vec(&document).unwrap();
    lake.store.write(&location, bytes.into()).await.unwrap();
    let swap = Swap {
        table: name("a.t"),
        expected: Some(table.metadata_location().to_owned()),
        new: Some(location),
        edit: None,
    };
    let outcome = lake.catalog.swap(&[swap], &[]).await.unwrap();
    assert_eq!(outcome, SwapOutcome::Swapped);
}

async fn live_deletes(lake: &Lake) -> Vec<String> {
    let table = lake.table(&name("a.t")).await.unwrap();
    let snapshot = table.metadata().current_snapshot().unwrap();
    let mut paths = Vec::new();
    for manifest in table.manifest_list(snapshot).await.unwrap().iter() {
        if manifest.content == ManifestContentType::Deletes {
            for entry in table.manifest(manifest).await.unwrap().entries() {
                if entry.is_alive() {
                    paths.push(entry.file_path().to_owned());
                }
            }
        }
    }
    paths
}

async fn three_files() -> Lake {
    let (lake, _) = lake();
    create(&lake, "a.t").await;
    let first = append("a.t", &["/1", "/2", "/3"]);
    lake.commit(&commit(&lake, vec![first])).await.unwrap();
    lake
}

fn replace(path: &str) -> FileChange {
    FileChange::Replace {
        remove: vec![path.to_owned()],
        add: vec![file(&format!("{path}c"))],
    }
}

fn overwrite(path: &str) -> FileChange {
    FileChange::Overwrite {
        remove: vec![path.to_owned()],
        add: vec![file(&format!("{path}o"))],
    }
}

async fn is_stale(lake: &Lake, files: FileChange) -> bool {
    match lake.commit(&commit(lake, vec![change("a.t", files)])).await {
        Ok(_) => false,
        Err(CommitError::Stale { .. }) => true,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn an_append_keeps_delete_files_as_they_are() {
    let lake = three_files().await;
    delete_rows(&lake, vec![position_deletes("/d", Some("/1"), None)]).await;
    lake.commit(&commit(&lake, vec![append("a.t", &["/4"])]))
        .await
        .unwrap();
    assert_eq!(live(&lake, "a.t").await, ["/1", "/2", "/3", "/4"]);
    assert_eq!(live_deletes(&lake).await, ["/d"]);
}

#[tokio::test]
async fn a_file_with_deleted_rows_is_not_replaced() {
    let lake = three_files().await;
    delete_rows(&lake, vec![position_deletes("/d", Some("file:///1"), None)]).await;
    assert!(is_stale(&lake, replace("/1")).await);
    assert!(is_stale(&lake, overwrite("/1")).await);
    assert!(
        !is_stale(&lake, replace("/2")).await,
        "no delete is on this one"
    );
    // Removing all its rows is right whatever was deleted of them.
    let delete = FileChange::Delete {
        remove: vec!["/1".to_owned()],
    };
    assert!(!is_stale(&lake, delete).await);
    assert_eq!(live(&lake, "a.t").await, ["/2c", "/3"]);
    assert_eq!(live_deletes(&lake).await, ["/d"]);
}

#[tokio::test]
async fn deletes_that_name_no_file_count_by_their_bounds() {
    let lake = three_files().await;
    delete_rows(
        &lake,
        vec![position_deletes("/d", None, Some(("/1", "/2")))],
    )
    .await;
    assert!(is_stale(&lake, replace("/1")).await);
    assert!(is_stale(&lake, replace("/2")).await);
    assert!(!is_stale(&lake, replace("/3")).await);
    delete_rows(&lake, vec![position_deletes("/e", None, None)]).await;
    assert!(
        is_stale(&lake, replace("/3c")).await,
        "it may be on any file"
    );
}

#[tokio::test]
async fn equality_deletes_hold_for_older_files_only() {
    let lake = three_files().await;
    delete_rows(&lake, vec![equality_deletes("/d")]).await;
    lake.commit(&commit(&lake, vec![append("a.t", &["/4"])]))
        .await
        .unwrap();
    assert!(is_stale(&lake, replace("/1")).await);
    assert!(
        !is_stale(&lake, replace("/4")).await,
        "written after the delete"
    );
}

#[tokio::test]
async fn a_full_refresh_takes_the_deletes_too() {
    let lake = three_files().await;
    delete_rows(&lake, vec![equality_deletes("/d")]).await;
    let all = FileChange::OverwriteAll {
        add: vec![file("/9")],
    };
    lake.commit(&commit(&lake, vec![change("a.t", all)]))
        .await
        .unwrap();
    assert_eq!(live(&lake, "a.t").await, ["/9"]);
    assert!(live_deletes(&lake).await.is_empty());
}
