use super::*;
use crate::lake::ErrorKind;
use crate::seams::Clock;

#[tokio::test]
async fn creates_appends_and_counts() {
    let (lake, _) = lake();
    let first = TableChange {
        create: Some(new_table()),
        ..append("shop.events", &["/wh/a", "/wh/b"])
    };
    let committed = lake.commit(&commit(&lake, vec![first])).await.unwrap();
    let table = &committed.tables[0];
    assert_eq!(table.metadata().location(), "/wh/shop/events");
    assert_eq!(summary(table, "total-records").as_deref(), Some("20"));
    assert!(summary(table, COMMIT_ID_SUMMARY).is_some());

    let second = lake
        .commit(&commit(&lake, vec![append("shop.events", &["/wh/c"])]))
        .await
        .unwrap();
    let table = &second.tables[0];
    assert_eq!(summary(table, "total-data-files").as_deref(), Some("3"));
    assert_eq!(summary(table, "added-data-files").as_deref(), Some("1"));
    assert_eq!(
        live(&lake, "shop.events").await,
        ["/wh/a", "/wh/b", "/wh/c"]
    );
    assert_eq!(table.metadata().history().len(), 2);
    assert!(
        table.metadata_location().contains("/metadata/00001-"),
        "{}",
        table.metadata_location()
    );

    let fresh = lake.table(&name("shop.events")).await.unwrap();
    assert_eq!(
        fresh.metadata(),
        table.metadata(),
        "what is told is what is stored"
    );
}

#[tokio::test]
async fn a_staged_table_is_the_one_that_is_created() {
    let (lake, _) = lake();
    let staged = lake.stage(&name("a.t"), &new_table()).unwrap();
    let made = create(&lake, "a.t").await;
    assert_eq!(
        staged.metadata().current_schema(),
        made.metadata().current_schema()
    );
    assert_eq!(staged.metadata().location(), made.metadata().location());
}

#[tokio::test]
async fn a_missing_table_is_said() {
    let (lake, _) = lake();
    let missing = lake
        .commit(&commit(&lake, vec![append("a.t", &["/x"])]))
        .await;
    match missing {
        Err(CommitError::Failed(error)) => assert_eq!(error.kind(), ErrorKind::NotFound),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn overwrites_deletes_and_refreshes() {
    let (lake, _) = lake();
    create(&lake, "a.t").await;
    lake.commit(&commit(&lake, vec![append("a.t", &["/1", "/2", "/3"])]))
        .await
        .unwrap();

    let overwrite = FileChange::Overwrite {
        remove: vec!["file:///1".into()],
        add: vec![file("/4")],
    };
    let done = lake
        .commit(&commit(&lake, vec![change("a.t", overwrite)]))
        .await
        .unwrap();
    assert_eq!(live(&lake, "a.t").await, ["/2", "/3", "/4"]);
    assert_eq!(
        summary(&done.tables[0], "total-records").as_deref(),
        Some("30")
    );
    assert_eq!(
        summary(&done.tables[0], "deleted-records").as_deref(),
        Some("10")
    );

    let delete = FileChange::Delete {
        remove: vec!["/2".into()],
    };
    lake.commit(&commit(&lake, vec![change("a.t", delete)]))
        .await
        .unwrap();
    assert_eq!(live(&lake, "a.t").await, ["/3", "/4"]);

    let all = FileChange::OverwriteAll {
        add: vec![file("/5")],
    };
    let done = lake
        .commit(&commit(&lake, vec![change("a.t", all)]))
        .await
        .unwrap();
    assert_eq!(live(&lake, "a.t").await, ["/5"]);
    assert_eq!(
        summary(&done.tables[0], "total-data-files").as_deref(),
        Some("1")
    );

    let before = done.tables[0].metadata().snapshots().count();
    let empty = lake
        .commit(&commit(&lake, vec![append("a.t", &[])]))
        .await
        .unwrap();
    assert_eq!(empty.tables[0].metadata().snapshots().count(), before + 1);
    assert_eq!(live(&lake, "a.t").await, ["/5"]);
}

#[tokio::test]
async fn a_replace_keeps_what_was_appended_meanwhile() {
    let (lake, _) = lake();
    create(&lake, "a.t").await;
    lake.commit(&commit(&lake, vec![append("a.t", &["/1", "/2"])]))
        .await
        .unwrap();
    // Planned here; then somebody appends.
    let replace = FileChange::Replace {
        remove: vec!["/1".into(), "/2".into()],
        add: vec![file("/12")],
    };
    lake.commit(&commit(&lake, vec![append("a.t", &["/3"])]))
        .await
        .unwrap();
    lake.commit(&commit(&lake, vec![change("a.t", replace.clone())]))
        .await
        .unwrap();
    assert_eq!(live(&lake, "a.t").await, ["/12", "/3"]);

    let again = lake
        .commit(&commit(&lake, vec![change("a.t", replace)]))
        .await;
    assert!(matches!(again, Err(CommitError::Stale { .. })), "{again:?}");
    assert_eq!(live(&lake, "a.t").await, ["/12", "/3"]);
}

#[tokio::test]
async fn sequence_numbers_survive_rewrites() {
    let (lake, _) = lake();
    create(&lake, "a.t").await;
    lake.commit(&commit(&lake, vec![append("a.t", &["/1", "/2"])]))
        .await
        .unwrap();
    lake.commit(&commit(&lake, vec![append("a.t", &["/3"])]))
        .await
        .unwrap();
    let delete = FileChange::Delete {
        remove: vec!["/1".into()],
    };
    lake.commit(&commit(&lake, vec![change("a.t", delete)]))
        .await
        .unwrap();
    let table = lake.table(&name("a.t")).await.unwrap();
    let snapshot = table.metadata().current_snapshot().unwrap();
    let mut sequences = BTreeMap::new();
    for manifest in table.manifest_list(snapshot).await.unwrap().iter() {
        for entry in table.manifest(manifest).await.unwrap().entries() {
            sequences.insert(entry.file_path().to_owned(), entry.sequence_number.unwrap());
        }
    }
    let expected = [("/1", 1), ("/2", 1), ("/3", 2)].map(|(path, at)| (path.to_owned(), at));
    assert_eq!(sequences, BTreeMap::from(expected));
}

#[tokio::test]
async fn what_was_planned_on_another_base_is_stale() {
    let (lake, _) = lake();
    let made = create(&lake, "a.t").await;
    let plans = [
        TableChange {
            expected_snapshot: Some(Some(7)),
            ..append("a.t", &["/1"])
        },
        TableChange {
            expected_uuid: Some(Uuid::nil()),
            ..append("a.t", &["/1"])
        },
        TableChange {
            expected_spec_id: Some(3),
            ..append("a.t", &["/1"])
        },
        TableChange {
            expected_schema: Some(3),
            ..append("a.t", &["/1"])
        },
    ];
    for plan in plans {
        let stale = lake.commit(&commit(&lake, vec![plan])).await;
        assert!(matches!(stale, Err(CommitError::Stale { .. })), "{stale:?}");
    }
    let right = TableChange {
        expected_snapshot: Some(None),
        expected_uuid: Some(made.metadata().uuid()),
        ..append("a.t", &["/1"])
    };
    lake.commit(&commit(&lake, vec![right])).await.unwrap();
}

#[tokio::test]
async fn schema_and_properties_go_with_the_rows() {
    let (lake, _) = lake();
    create(&lake, "a.t").await;
    let text = Type::Primitive(PrimitiveType::String);
    let wider = schema()
        .into_builder()
        .with_fields(vec![Arc::new(NestedField::optional(2, "n", text))])
        .build()
        .unwrap();
    let all = TableChange {
        schema: Some(wider),
        set_properties: [("owner".to_owned(), "shop".to_owned())].into(),
        remove_properties: vec!["write.parquet.compression-codec".to_owned()],
        summary: [("model".to_owned(), "m".to_owned())].into(),
        ..append("a.t", &["/1"])
    };
    let done = lake.commit(&commit(&lake, vec![all])).await.unwrap();
    let metadata = done.tables[0].metadata();
    assert_eq!(metadata.current_schema_id(), 1);
    assert_eq!(metadata.current_snapshot().unwrap().schema_id(), Some(1));
    assert_eq!(metadata.properties()["owner"], "shop");
    assert!(
        !metadata
            .properties()
            .contains_key("write.parquet.compression-codec")
    );
    assert_eq!(summary(&done.tables[0], "model").as_deref(), Some("m"));
}

#[tokio::test]
async fn tags_hold_their_snapshots() {
    let (lake, _) = lake();
    create(&lake, "a.t").await;
    let mut ids = Vec::new();
    for path in ["/1", "/2", "/3"] {
        let done = lake
            .commit(&commit(&lake, vec![append("a.t", &[path])]))
            .await
            .unwrap();
        ids.push(done.tables[0].metadata().current_snapshot_id().unwrap());
    }
    let tagged = TableChange {
        tags: [("close".to_owned(), Some(ids[0]))].into(),
        ..change("a.t", FileChange::Nothing)
    };
    lake.commit(&commit(&lake, vec![tagged])).await.unwrap();
    let thin = |ids: Vec<i64>| TableChange {
        remove_snapshots: ids,
        ..change("a.t", FileChange::Nothing)
    };
    for kept in [ids[0], ids[2]] {
        let refused = lake.commit(&commit(&lake, vec![thin(vec![kept])])).await;
        assert!(
            matches!(refused, Err(CommitError::Failed(_))),
            "{refused:?}"
        );
    }
    let done = lake
        .commit(&commit(&lake, vec![thin(vec![ids[1]])]))
        .await
        .unwrap();
    assert_eq!(done.tables[0].metadata().snapshots().count(), 2);
    assert_eq!(live(&lake, "a.t").await, ["/1", "/2", "/3"]);
}

#[tokio::test]
async fn time_comes_from_the_clock_and_never_goes_back_far() {
    let (lake, clock) = lake();
    let made = create(&lake, "a.t").await;
    assert_eq!(made.metadata().last_updated_ms(), START_MS);
    let at = |table: &Table| table.metadata().current_snapshot().unwrap().timestamp_ms();
    let one = |path: &'static str| {
        let lake = lake.clone();
        async move {
            let done = lake
                .commit(&commit(&lake, vec![append("a.t", &[path])]))
                .await
                .unwrap();
            at(&done.tables[0])
        }
    };
    assert_eq!(one("/1").await, START_MS);
    clock.advance(std::time::Duration::from_secs(3600));
    let ahead = one("/2").await;
    assert_eq!(ahead, START_MS + 3_600_000);

    // Another process, whose clock is right: the first one's was an hour fast.
    let slow = Lake {
        clock: Arc::new(ManualClock::at(START_MS)),
        ..lake.clone()
    };
    let mut last = ahead;
    for path in ["/3", "/4"] {
        let done = slow
            .commit(&commit(&slow, vec![append("a.t", &[path])]))
            .await
            .unwrap();
        assert_eq!(
            at(&done.tables[0]),
            last - 30_000,
            "it heals in steps that iceberg allows"
        );
        last -= 30_000;
    }
}

/// A table that a fast clock wrote to stands in the future of the machine that runs this, whose
/// clock iceberg's builder looks at.
#[tokio::test]
async fn a_table_of_the_future_takes_every_kind_of_commit() {
    let (lake, _) = lake();
    // The year 2096.
    let clock = Arc::new(ManualClock::at(4_000_000_000_000));
    let lake = Lake {
        clock: clock.clone(),
        ..lake
    };
    create(&lake, "a.t").await;
    let mut ids = Vec::new();
    let mut times = Vec::new();
    for path in ["/1", "/2", "/3", "/4"] {
        clock.advance(std::time::Duration::from_secs(10));
        let append = commit(&lake, vec![append("a.t", &[path])]);
        let table = lake.commit(&append).await.unwrap().tables.remove(0);
        ids.push(table.metadata().current_snapshot_id().unwrap());
        times.push(clock.now_ms());
    }
    clock.advance(std::time::Duration::from_secs(10));
    let mut tagged = change("a.t", FileChange::Nothing);
    tagged.tags.insert("then".to_owned(), Some(ids[1]));
    tagged.set_properties = [("owner".to_owned(), "x".to_owned())].into();
    lake.commit(&commit(&lake, vec![tagged])).await.unwrap();
    let thin = TableChange {
        remove_snapshots: vec![ids[0]],
        ..change("a.t", FileChange::Nothing)
    };
    let table = lake.commit(&commit(&lake, vec![thin])).await.unwrap();
    let table = table.tables.into_iter().next().unwrap();
    let log = table.metadata().history().iter();
    let log: Vec<(i64, i64)> = log.map(|e| (e.snapshot_id, e.timestamp_ms())).collect();
    let expected = ids.iter().copied().zip(times.iter().copied());
    assert_eq!(log, expected.skip(1).collect::<Vec<_>>());
    assert_eq!(table.metadata().last_updated_ms(), clock.now_ms());
    let files = table.metadata().metadata_log().iter();
    let files: Vec<i64> = files.map(|entry| entry.timestamp_ms).collect();
    let mut expected = vec![4_000_000_000_000];
    expected.extend(times);
    expected.push(clock.now_ms());
    assert_eq!(files, expected);
    assert_eq!(live(&lake, "a.t").await, ["/1", "/2", "/3", "/4"]);
}

#[tokio::test]
async fn two_changes_of_one_table_are_refused() {
    let (lake, _) = lake();
    create(&lake, "a.t").await;
    let twice = vec![append("a.t", &["/1"]), append("a.t", &["/2"])];
    assert!(lake.commit(&commit(&lake, twice)).await.is_err());
    assert!(lake.commit(&commit(&lake, vec![])).await.is_err());
}
