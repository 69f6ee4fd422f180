use super::*;

/// I10: what a commit reads and rewrites does not grow with the number of commits.
#[tokio::test]
async fn five_hundred_commits_stay_small() {
    let (lake, _) = lake();
    create(&lake, "a.t").await;
    let mut most = 0;
    for i in 0..500 {
        let path = format!("/wh/{i:04}");
        let done = lake
            .commit(&commit(&lake, vec![append("a.t", &[&path])]))
            .await
            .unwrap();
        let table = &done.tables[0];
        let snapshot = table.metadata().current_snapshot().unwrap();
        let list = table.manifest_list(snapshot).await.unwrap();
        most = most.max(list.len());
    }
    assert!(most <= 40, "{most} manifests");
    assert_eq!(live(&lake, "a.t").await.len(), 500);

    let files = stored_files(&lake).await;
    let metadata = files.iter().filter(|path| path.ends_with(".metadata.json"));
    assert_eq!(metadata.count(), 51, "the current one and fifty before it");
    let table = lake.table(&name("a.t")).await.unwrap();
    assert_eq!(table.metadata().metadata_log().len(), 50);
    assert_eq!(summary(&table, "total-data-files").as_deref(), Some("500"));

    // Thinned by upkeep, the metadata is as small as that of a young table.
    let mut ids: Vec<_> = table
        .metadata()
        .snapshots()
        .map(|s| (s.sequence_number(), s.snapshot_id()))
        .collect();
    ids.sort_unstable();
    let old = ids[..490].iter().map(|(_, id)| *id).collect();
    let thin = TableChange {
        remove_snapshots: old,
        ..change("a.t", FileChange::Nothing)
    };
    let done = lake.commit(&commit(&lake, vec![thin])).await.unwrap();
    let bytes = lake
        .store
        .read(done.tables[0].metadata_location())
        .await
        .unwrap()
        .len();
    assert!(bytes < 20_000, "{bytes} bytes of metadata");
    assert_eq!(live(&lake, "a.t").await.len(), 500);
}

#[tokio::test]
async fn merged_manifests_keep_every_entry_as_it_was() {
    let (lake, _) = lake();
    let eager = NewTable {
        properties: [(
            "commit.manifest.min-count-to-merge".to_owned(),
            "4".to_owned(),
        )]
        .into(),
        ..new_table()
    };
    let first = TableChange {
        create: Some(eager),
        ..change("a.t", FileChange::Nothing)
    };
    lake.commit(&commit(&lake, vec![first])).await.unwrap();
    for i in 0..9 {
        lake.commit(&commit(&lake, vec![append("a.t", &[&format!("/{i}")])]))
            .await
            .unwrap();
        // One that goes must not come back when its manifest is merged.
        if i == 2 {
            let delete = FileChange::Delete {
                remove: vec!["/1".into()],
            };
            lake.commit(&commit(&lake, vec![change("a.t", delete)]))
                .await
                .unwrap();
        }
    }
    let table = lake.table(&name("a.t")).await.unwrap();
    let snapshot = table.metadata().current_snapshot().unwrap();
    let list = table.manifest_list(snapshot).await.unwrap();
    assert!(list.len() <= 5, "{} manifests", list.len());
    for manifest in list.iter() {
        for entry in table.manifest(manifest).await.unwrap().entries() {
            let by = table
                .metadata()
                .snapshot_by_id(entry.snapshot_id.unwrap())
                .unwrap();
            assert_eq!(
                entry.sequence_number,
                Some(by.sequence_number()),
                "{}",
                entry.file_path()
            );
        }
    }
    assert_eq!(
        live(&lake, "a.t").await,
        ["/0", "/2", "/3", "/4", "/5", "/6", "/7", "/8"]
    );
}
