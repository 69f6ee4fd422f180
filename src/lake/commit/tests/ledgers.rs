use super::*;
use crate::domain::Ledger;
use crate::lake::ErrorKind;

pub(super) fn source(partition: i32) -> SourcePartition {
    SourcePartition {
        cluster_id: "c".into(),
        topic_id: "t".into(),
        partition,
    }
}

pub(super) fn step(partition: i32, expected: Option<i64>, from: i64, to: i64) -> LedgerMove {
    LedgerMove {
        source: source(partition),
        topic: "shop".into(),
        expected: expected.map(|next| Position { next, epoch: 0 }),
        to: Position { next: to, epoch: 0 },
        read: Some(OffsetRange { from, to }),
        lost: None,
    }
}

fn batch(path: &str, moves: Vec<LedgerMove>) -> TableChange {
    TableChange {
        ledger: moves,
        ..append("a.t", &[path])
    }
}

async fn ledger(lake: &Lake) -> crate::lake::Result<Ledger> {
    lake.table(&name("a.t")).await.unwrap().ledger()
}

#[tokio::test]
async fn offsets_move_with_their_rows() {
    let (lake, _) = lake();
    create(&lake, "a.t").await;
    let lost = LedgerMove {
        lost: Some(OffsetRange { from: 0, to: 5 }),
        ..step(1, None, 5, 9)
    };
    let done = lake
        .commit(&commit(
            &lake,
            vec![batch("/1", vec![step(0, None, 0, 3), lost])],
        ))
        .await
        .unwrap();
    let table = &done.tables[0];
    let ledger = table.ledger().unwrap();
    assert_eq!(ledger.get(&source(1)), Some(Position { next: 9, epoch: 0 }));
    assert_eq!(ledger.snapshot_id, table.metadata().current_snapshot_id());
    assert_eq!(ledger.sequence_number, Some(1));
    assert_eq!(
        summary(table, OFFSETS_SUMMARY).as_deref(),
        Some(
            r#"{"sources":[{"cluster_id":"c","ranges":[[0,0,3],[1,5,9]],"topic":"shop","topic_id":"t"}],"version":1}"#
        )
    );
    assert_eq!(
        summary(table, LOST_SUMMARY).as_deref(),
        Some(
            r#"{"sources":[{"cluster_id":"c","ranges":[[1,0,5]],"topic":"shop","topic_id":"t"}],"version":1}"#
        )
    );
    // And read back: what the first release wrote must open for ever.
    let snapshot = table.metadata().current_snapshot().unwrap();
    let told: Vec<_> = committed_ranges(snapshot)
        .unwrap()
        .into_iter()
        .map(|(source, range)| (source.partition, range.from, range.to))
        .collect();
    assert_eq!(told, [(0, 0, 3), (1, 5, 9), (1, 0, 5)]);
}

#[tokio::test]
async fn a_zombie_is_fenced_and_other_partitions_are_not() {
    let (lake, _) = lake();
    create(&lake, "a.t").await;
    lake.commit(&commit(&lake, vec![batch("/1", vec![step(0, None, 0, 3)])]))
        .await
        .unwrap();
    for late in [step(0, None, 0, 4), step(0, Some(2), 2, 4)] {
        match lake
            .commit(&commit(&lake, vec![batch("/z", vec![late])]))
            .await
        {
            Err(CommitError::Fenced { found, .. }) => {
                assert_eq!(found, Some(Position { next: 3, epoch: 0 }))
            }
            other => panic!("{other:?}"),
        }
    }
    let epoch = LedgerMove {
        expected: Some(Position { next: 3, epoch: 1 }),
        ..step(0, None, 3, 4)
    };
    let fenced = lake
        .commit(&commit(&lake, vec![batch("/z", vec![epoch])]))
        .await;
    assert!(matches!(fenced, Err(CommitError::Fenced { .. })));

    lake.commit(&commit(&lake, vec![batch("/2", vec![step(1, None, 0, 7)])]))
        .await
        .unwrap();
    lake.commit(&commit(
        &lake,
        vec![batch("/3", vec![step(0, Some(3), 3, 4)])],
    ))
    .await
    .unwrap();
    assert_eq!(live(&lake, "a.t").await, ["/1", "/2", "/3"]);
    let ledger = ledger(&lake).await.unwrap();
    assert_eq!(ledger.entries().count(), 2);
}

#[tokio::test]
async fn a_batch_with_no_rows_makes_a_snapshot() {
    let (lake, _) = lake();
    create(&lake, "a.t").await;
    for files in [FileChange::Append(vec![]), FileChange::Nothing] {
        let expected = ledger(&lake)
            .await
            .unwrap()
            .get(&source(0))
            .map(|at| at.next);
        let from = expected.unwrap_or(0);
        let moves = TableChange {
            ledger: vec![step(0, expected, from, from + 2)],
            ..change("a.t", files)
        };
        let done = lake.commit(&commit(&lake, vec![moves])).await.unwrap();
        let current = done.tables[0].metadata().current_snapshot_id();
        assert_eq!(done.tables[0].ledger().unwrap().snapshot_id, current);
    }
}

#[tokio::test]
async fn other_commits_keep_the_ledger() {
    let (lake, _) = lake();
    create(&lake, "a.t").await;
    lake.commit(&commit(&lake, vec![batch("/1", vec![step(0, None, 0, 3)])]))
        .await
        .unwrap();
    let compact = FileChange::Replace {
        remove: vec!["/1".into()],
        add: vec![file("/1c")],
    };
    lake.commit(&commit(&lake, vec![change("a.t", compact)]))
        .await
        .unwrap();
    assert_eq!(
        ledger(&lake).await.unwrap().get(&source(0)),
        Some(Position { next: 3, epoch: 0 })
    );
    lake.commit(&commit(
        &lake,
        vec![batch("/2", vec![step(0, Some(3), 3, 5)])],
    ))
    .await
    .unwrap();

    let stolen = TableChange {
        set_properties: [(Ledger::PROPERTY.to_owned(), "{}".to_owned())].into(),
        ..change("a.t", FileChange::Nothing)
    };
    assert!(lake.commit(&commit(&lake, vec![stolen])).await.is_err());
}

/// Somebody else's metadata: edits the document and moves the pointer, as another engine would.
async fn tamper(lake: &Lake, edit: impl FnOnce(&mut serde_json::Value)) {
    let table = lake.table(&name("a.t")).await.unwrap();
    let mut document = serde_json::to_value(table.metadata().as_ref()).unwrap();
    edit(&mut document);
    let location = format!(
        "/wh/a/t/metadata/99999-{}.metadata.json",
        lake.entropy.uuid()
    );
    lake.store
        .write(&location, serde_json::to_vec(&document).unwrap().into())
        .await
        .unwrap();
    let swap = crate::lake::catalog::Swap {
        table: name("a.t"),
        expected: Some(table.metadata_location().to_owned()),
        new: Some(location),
        edit: None,
    };
    let outcome = lake.catalog.swap(&[swap], &[]).await.unwrap();
    assert_eq!(outcome, crate::lake::catalog::SwapOutcome::Swapped);
}

fn point_main_to(document: &mut serde_json::Value, id: i64) {
    let at = document["last-updated-ms"].clone();
    document["current-snapshot-id"] = id.into();
    document["refs"]["main"]["snapshot-id"] = id.into();
    let log = document["snapshot-log"].as_array_mut().unwrap();
    log.push(serde_json::json!({"snapshot-id": id, "timestamp-ms": at}));
}

async fn three_batches(lake: &Lake) -> Vec<i64> {
    create(lake, "a.t").await;
    let mut ids = Vec::new();
    for i in 0..3 {
        let expected = (i > 0).then_some(i);
        let moves = vec![step(0, expected, i, i + 1)];
        let done = lake
            .commit(&commit(lake, vec![batch(&format!("/{i}"), moves)]))
            .await
            .unwrap();
        ids.push(done.tables[0].metadata().current_snapshot_id().unwrap());
    }
    ids
}

fn assert_rolled_back(result: crate::lake::Result<Ledger>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.to_string().contains("rolled the table back"),
        "{error}"
    );
}

#[tokio::test]
async fn a_rollback_stops_the_stream_until_accepted() {
    let (lake, _) = lake();
    let ids = three_batches(&lake).await;
    tamper(&lake, |document| point_main_to(document, ids[0])).await;
    assert_rolled_back(ledger(&lake).await);
    let next = batch("/3", vec![step(0, Some(3), 3, 4)]);
    match lake.commit(&commit(&lake, vec![next.clone()])).await {
        Err(CommitError::Failed(error)) => assert_rolled_back(Err(error)),
        other => panic!("{other:?}"),
    }
    // Another engine's append on top changes nothing about it.
    lake.commit(&commit(&lake, vec![append("a.t", &["/foreign"])]))
        .await
        .unwrap();
    assert_rolled_back(ledger(&lake).await);

    let back = LedgerMove {
        to: Position { next: 1, epoch: 1 },
        read: None,
        ..step(0, Some(3), 0, 0)
    };
    let accept = TableChange {
        accept_rollback: true,
        ledger: vec![back],
        ..append("a.t", &[])
    };
    lake.commit(&commit(&lake, vec![accept])).await.unwrap();
    assert_eq!(
        ledger(&lake).await.unwrap().get(&source(0)),
        Some(Position { next: 1, epoch: 1 })
    );
}

#[tokio::test]
async fn a_rollback_is_seen_after_the_ledgers_snapshot_expired() {
    let (lake, _) = lake();
    let ids = three_batches(&lake).await;
    tamper(&lake, |document| {
        point_main_to(document, ids[0]);
        let snapshots = document["snapshots"].as_array_mut().unwrap();
        snapshots.retain(|snapshot| snapshot["snapshot-id"] == ids[0]);
        let log = document["snapshot-log"].as_array_mut().unwrap();
        log.retain(|entry| entry["snapshot-id"] == ids[0]);
    })
    .await;
    assert_rolled_back(ledger(&lake).await);
}

#[tokio::test]
async fn expiry_is_no_rollback() {
    let (lake, _) = lake();
    let ids = three_batches(&lake).await;
    lake.commit(&commit(&lake, vec![append("a.t", &["/c1"])]))
        .await
        .unwrap();
    lake.commit(&commit(&lake, vec![append("a.t", &["/c2"])]))
        .await
        .unwrap();
    let expire = TableChange {
        remove_snapshots: ids,
        ..change("a.t", FileChange::Nothing)
    };
    lake.commit(&commit(&lake, vec![expire])).await.unwrap();
    assert_eq!(
        ledger(&lake).await.unwrap().get(&source(0)),
        Some(Position { next: 3, epoch: 0 })
    );
    lake.commit(&commit(
        &lake,
        vec![batch("/4", vec![step(0, Some(3), 3, 4)])],
    ))
    .await
    .unwrap();
}

#[tokio::test]
async fn a_ledger_that_is_gone_is_not_an_empty_one() {
    let (lake, _) = lake();
    three_batches(&lake).await;
    tamper(&lake, |document| {
        document["properties"]
            .as_object_mut()
            .unwrap()
            .remove(Ledger::PROPERTY);
    })
    .await;
    let error = ledger(&lake).await.unwrap_err();
    assert!(error.to_string().contains("is gone"), "{error}");
    let again = batch("/0", vec![step(0, None, 0, 1)]);
    assert!(lake.commit(&commit(&lake, vec![again])).await.is_err());
}

/// pyiceberg (0.12) takes the parent's id out of a snapshot whose parent it expires.
#[tokio::test]
async fn expiry_that_forgets_the_parent_is_no_rollback() {
    let (lake, _) = lake();
    let ids = three_batches(&lake).await;
    lake.commit(&commit(&lake, vec![append("a.t", &["/c1"])]))
        .await
        .unwrap();
    tamper(&lake, |document| {
        keep_without_parent(document, |id| !ids.contains(&id));
    })
    .await;
    assert_eq!(
        ledger(&lake).await.unwrap().get(&source(0)),
        Some(Position { next: 3, epoch: 0 })
    );
    let next = batch("/4", vec![step(0, Some(3), 3, 4)]);
    lake.commit(&commit(&lake, vec![next])).await.unwrap();
}

/// `CREATE OR REPLACE` elsewhere: a first snapshot beside the old line, which is kept.
#[tokio::test]
async fn a_replaced_table_stops_the_stream() {
    let (lake, _) = lake();
    three_batches(&lake).await;
    lake.commit(&commit(&lake, vec![append("a.t", &["/c1"])]))
        .await
        .unwrap();
    tamper(&lake, |document| keep_without_parent(document, |_| true)).await;
    assert_rolled_back(ledger(&lake).await);
}

/// Keeps these snapshots, and the current one begins a line of its own.
fn keep_without_parent(document: &mut serde_json::Value, keep: impl Fn(i64) -> bool) {
    let kept = |id: &serde_json::Value| keep(id.as_i64().unwrap());
    let current = document["current-snapshot-id"].clone();
    let snapshots = document["snapshots"].as_array_mut().unwrap();
    snapshots.retain(|snapshot| kept(&snapshot["snapshot-id"]));
    for snapshot in snapshots {
        if snapshot["snapshot-id"] == current {
            snapshot
                .as_object_mut()
                .unwrap()
                .remove("parent-snapshot-id");
        }
    }
    let log = document["snapshot-log"].as_array_mut().unwrap();
    log.retain(|entry| kept(&entry["snapshot-id"]));
}
