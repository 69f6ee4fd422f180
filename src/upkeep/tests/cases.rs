//! Single cases that a random history would seldom meet.

use super::*;
use crate::lake::catalog::Swap;
use crate::seams::Clock;

const TABLE: &str = "shop.events";

/// A table with one replaced file, of which only an expired snapshot knows. (old, new)
async fn with_a_dead_file(house: &mut House) -> (String, String) {
    house.create(TABLE).await;
    let (_, old) = house.append(TABLE).await;
    let (_, new) = house.overwrite_all(TABLE).await;
    house.pass_time(30 * DAY);
    (old, new)
}

#[tokio::test]
async fn an_expired_snapshots_files_go_at_once_without_a_sweep() {
    let mut house = House::new(1);
    let (old, new) = with_a_dead_file(&mut house).await;
    let report = house.pass_one(false).await;
    assert_eq!(report.snapshots_expired, 1);
    // Its data file, its manifest, its manifest list.
    assert_eq!(report.files_deleted, 3);
    assert!(!house.exists(&old).await && house.exists(&new).await);
    let totals = &house.options.totals;
    assert_eq!((totals.snapshots_expired(), totals.files_deleted()), (1, 3));
    let again = house.pass_one(false).await;
    assert_eq!((again.snapshots_expired, again.files_deleted), (0, 0));
}

#[tokio::test]
async fn a_dry_run_says_what_the_real_one_does() {
    let mut house = House::new(2);
    let (old, _) = with_a_dead_file(&mut house).await;
    house.put("/wh/shop/events/data/orphan.parquet").await;
    house.pass_time(2 * DAY);
    let before = house.files().await;
    let at = house.table(TABLE).await.metadata_location().to_owned();
    house.options.dry_run = true;
    let said = house.pass_one(true).await;
    assert_eq!(house.files().await, before);
    assert_eq!(house.table(TABLE).await.metadata_location(), at);
    assert_eq!(house.options.totals.files_deleted(), 0);
    house.options.dry_run = false;
    let done = house.pass_one(true).await;
    assert_eq!(said.snapshots_expired, done.snapshots_expired);
    assert_eq!(said.files_deleted, done.files_deleted);
    assert_eq!(done.files_deleted, 4);
    assert!(!house.exists(&old).await);
}

#[tokio::test]
async fn two_processes_never_keep_up_one_table_at_once() {
    let mut house = House::new(3);
    with_a_dead_file(&mut house).await;
    let other = house
        .lake
        .control
        .acquire("upkeep/shop.events", "other", 600_000);
    let lease = other.await.unwrap().unwrap();
    let report = house.pass_one(true).await;
    assert_eq!(report.skipped, Some(Skipped::Leased));
    assert_eq!((report.snapshots_expired, report.files_deleted), (0, 0));
    house.lake.control.release(&lease).await.unwrap();
    assert_eq!(house.pass_one(true).await.snapshots_expired, 1);
    // And it is given back after.
    let other = house.lake.control.acquire("upkeep/shop.events", "other", 1);
    assert!(other.await.unwrap().is_some());
}

#[tokio::test]
async fn a_table_whose_owner_forbids_it_is_left_alone() {
    let mut house = House::new(4);
    let (old, _) = with_a_dead_file(&mut house).await;
    let mut forbid = change(TABLE, FileChange::Nothing);
    forbid
        .set_properties
        .insert("gc.enabled".to_owned(), "false".to_owned());
    house.commit(forbid).await;
    let report = house.pass_one(true).await;
    assert_eq!(report.skipped, Some(Skipped::Forbidden));
    assert!(house.exists(&old).await);
}

#[tokio::test]
async fn another_tables_folder_within_ones_own_is_left_alone() {
    let mut house = House::new(5);
    house.lake.warehouse = "/wh/shop/events/inner".to_owned();
    house.create("a.b").await;
    let orphan_of_inner = "/wh/shop/events/inner/a/b/data/x.parquet";
    house.put(orphan_of_inner).await;
    house.lake.warehouse = "/wh".to_owned();
    house.create(TABLE).await;
    let orphan = "/wh/shop/events/data/x.parquet";
    house.put(orphan).await;
    // Only the outer one is swept: the inner one's files are not its orphans.
    house.pass_time(2 * DAY);
    let stop = CancellationToken::new();
    let outer: TableName = TABLE.parse().unwrap();
    pass(&house.lake, &house.options, |table| *table == outer, &stop)
        .await
        .unwrap();
    assert!(!house.exists(orphan).await);
    assert!(house.exists(orphan_of_inner).await);
    let inner = house.table("a.b").await;
    assert!(house.exists(inner.metadata_location()).await);
    house.pass(true).await;
    assert!(!house.exists(orphan_of_inner).await);
}

/// The namespace `shop.events` of another engine has its tables within the folder of our table
/// `shop.events`, and no catalog lists them for us.
#[tokio::test]
async fn a_nested_namespaces_tables_are_left_alone() {
    let mut house = House::new(21);
    house.create(TABLE).await;
    house.append(TABLE).await;
    let mut theirs = Vec::new();
    for table in ["clicks", "data", "metadata", "data/deeper"] {
        for file in [
            "data/a.parquet",
            "data/day=2026-01-01/b.parquet",
            "metadata/00000-a.metadata.json",
            "metadata/snap-1-0-a.avro",
        ] {
            theirs.push(format!("/wh/shop/events/{table}/{file}"));
        }
    }
    for file in &theirs {
        house.put(file).await;
    }
    let orphan = "/wh/shop/events/data/day=2026-01-01/orphan.parquet";
    house.put(orphan).await;
    house.pass_time(30 * DAY);
    let report = house.pass_one(true).await;
    assert!(report.swept && !house.exists(orphan).await);
    assert_eq!(report.files_deleted, 1);
    assert_eq!(report.files_foreign, theirs.len() as u64);
    for file in &theirs {
        assert!(house.exists(file).await, "{file}");
    }
}

#[tokio::test]
async fn a_folder_that_two_names_share_loses_nothing() {
    let mut house = House::new(6);
    let (old, _) = with_a_dead_file(&mut house).await;
    let location = house.table(TABLE).await.metadata_location().to_owned();
    let alias = Swap {
        table: "shop.alias".parse().unwrap(),
        expected: None,
        new: Some(location),
        edit: None,
    };
    house.lake.catalog.swap(&[alias], &[]).await.unwrap();
    house.pass(true).await;
    assert!(house.exists(&old).await, "the other name may need it");
}

#[tokio::test]
async fn while_a_tables_folder_is_unknown_no_folder_is_swept() {
    let mut house = House::new(7);
    let (old, _) = with_a_dead_file(&mut house).await;
    house.put("/wh/shop/events/data/orphan.parquet").await;
    house.pass_time(2 * DAY);
    let broken = Swap {
        table: "shop.broken".parse().unwrap(),
        expected: None,
        new: Some("/wh/shop/broken/metadata/none.metadata.json".to_owned()),
        edit: None,
    };
    house.lake.catalog.swap(&[broken], &[]).await.unwrap();
    let reports = house.pass(true).await;
    assert!(reports[0].error.is_some(), "the broken one says so");
    assert_eq!(reports[1].error, None);
    assert!(!reports[1].swept);
    // What the table itself knew goes all the same.
    assert!(!house.exists(&old).await);
    assert!(house.exists("/wh/shop/events/data/orphan.parquet").await);
}

#[tokio::test]
async fn a_file_that_can_not_be_deleted_stops_nobody() {
    let mut house = House::new(8);
    let (old, _) = with_a_dead_file(&mut house).await;
    *house.bytes.stuck.lock().unwrap() = Some("f1.parquet".to_owned());
    let report = house.pass_one(false).await;
    assert_eq!((report.files_deleted, report.delete_failures), (2, 1));
    assert!(house.exists(&old).await);
    *house.bytes.stuck.lock().unwrap() = None;
    // Its snapshot is gone: the sweep finds it.
    assert_eq!(house.pass_one(true).await.files_deleted, 1);
    assert!(!house.exists(&old).await);
}

#[tokio::test]
async fn a_lost_manifest_stops_a_table_before_anything_is_deleted() {
    let mut house = House::new(9);
    house.create(TABLE).await;
    house.append(TABLE).await;
    house.put("/wh/shop/events/data/orphan.parquet").await;
    house.pass_time(2 * DAY);
    let table = house.table(TABLE).await;
    let list = table.metadata().current_snapshot().unwrap().manifest_list();
    house.lake.store.delete(list).await.unwrap();
    // Nobody has it in memory any more.
    house.lake.store = Store::local(house.bytes.clone());
    let report = house.pass_one(true).await;
    assert!(report.error.is_some());
    assert_eq!(report.files_deleted, 0);
    assert!(house.exists("/wh/shop/events/data/orphan.parquet").await);
}

/// Spark writes `file:/x` for its files in a table located at `file:///x`.
#[tokio::test]
async fn spellings_of_one_file_are_one_file() {
    let mut house = House::new(10);
    house.lake.warehouse = "file:///wh".to_owned();
    house.create(TABLE).await;
    let mut paths = Vec::new();
    for spelling in ["file:/", "file:///", "/"] {
        let mut file = house.data_file(TABLE).await;
        let path = file.file_path().to_owned();
        let spelled = format!("{spelling}{}", path.trim_start_matches('/'));
        file = DataFileBuilder::default()
            .content(DataContentType::Data)
            .file_path(spelled)
            .file_format(DataFileFormat::Parquet)
            .partition(Struct::empty())
            .record_count(1)
            .file_size_in_bytes(file.file_size_in_bytes())
            .sort_order_id(0)
            .partition_spec_id(0)
            .build()
            .unwrap();
        house
            .commit(change(TABLE, FileChange::Append(vec![file])))
            .await;
        paths.push(path);
    }
    house.pass_time(30 * DAY);
    house.pass_one(true).await;
    for path in paths {
        assert!(house.exists(&path).await, "{path}");
    }
}

#[tokio::test]
async fn a_loop_runs_passes_and_stops() {
    let mut house = House::new(11);
    let (old, _) = with_a_dead_file(&mut house).await;
    let stop = CancellationToken::new();
    let totals = Arc::clone(&house.options.totals);
    let running = tokio::spawn(run(house.lake.clone(), house.options.clone(), stop.clone()));
    while totals.passes() < 3 {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    running.await.unwrap();
    assert!(!house.exists(&old).await);
}

/// Iceberg's snapshot log ends where a snapshot was taken out of its middle.
#[tokio::test]
async fn a_thinned_table_still_answers_as_of_a_time() {
    let mut house = House::new(12);
    house.create(TABLE).await;
    let mut made = Vec::new();
    for _ in 0..100 {
        house.pass_time(30 * MINUTE);
        let (id, _) = house.append(TABLE).await;
        made.push((house.clock.now_ms(), id));
        if made.len() % 10 == 0 {
            house.pass_one(false).await;
        }
    }
    let table = house.table(TABLE).await;
    let kept: Vec<(i64, i64)> = made
        .iter()
        .copied()
        .filter(|(_, id)| table.metadata().snapshot_by_id(*id).is_some())
        .collect();
    assert!(kept.len() > 20 && kept.len() < 40, "{}", kept.len());
    assert!(table.metadata().history().len() < kept.len());
    let mut time_ms = START_MS;
    while time_ms < house.clock.now_ms() {
        let found = lake::history::as_of(&table, time_ms);
        let newest = kept.iter().rfind(|(at_ms, _)| *at_ms <= time_ms);
        assert_eq!(found, newest.map(|(_, id)| *id), "as of {time_ms}");
        time_ms += ms(10 * MINUTE);
    }
}

#[tokio::test]
async fn another_branchs_snapshots_are_never_mains_past() {
    let mut house = House::new(13);
    house.create(TABLE).await;
    let (first, _) = house.append(TABLE).await;
    house.pass_time(HOUR);
    house.append(TABLE).await;
    let table = house.table(TABLE).await;
    // A branch from the first, as another engine makes it, and a log that was thinned away.
    let mut document = serde_json::to_value(table.metadata().as_ref()).unwrap();
    let mut side = document["snapshots"][0].clone();
    side["snapshot-id"] = 77.into();
    side["parent-snapshot-id"] = first.into();
    side["timestamp-ms"] = (START_MS + ms(30 * MINUTE)).into();
    document["snapshots"].as_array_mut().unwrap().push(side);
    document["refs"]["side"] = serde_json::json!({"snapshot-id": 77, "type": "branch"});
    document["snapshot-log"].as_array_mut().unwrap().remove(0);
    let metadata: iceberg::spec::TableMetadata = serde_json::from_value(document.clone()).unwrap();
    let refs = lake::refs::read(document.to_string().as_bytes(), &metadata).unwrap();
    let (store, name) = (table.store().clone(), table.name().clone());
    let branched = lake::Table::new(store, name, metadata.into(), refs.into(), String::new());
    let at = |minutes: u32| lake::history::as_of(&branched, START_MS + ms(minutes * MINUTE));
    assert_eq!(at(45), Some(first));
    assert_eq!(at(60), table.metadata().current_snapshot_id());
}

/// A stream that commits each second: the snapshots in the metadata stay few between passes, and
/// the files of those that went go with the next pass.
#[tokio::test]
async fn a_fast_stream_is_thinned_between_passes() {
    let mut house = House::new(7);
    house.options.policy.keep_all_most = 10;
    house.create("shop.events").await;
    let stop = CancellationToken::new();
    let mut lists = Vec::new();
    for second in 1..=300 {
        house.pass_time(Duration::from_secs(1));
        house.append("shop.events").await;
        let table = house.table("shop.events").await;
        let snapshot = table.metadata().current_snapshot().unwrap().clone();
        lists.push(snapshot.manifest_list().to_owned());
        if second % 60 == 0 {
            thin(&house.lake, &house.options, &stop).await.unwrap();
        }
        // The newest ten, what came since the last thinning, the newest of each minute.
        assert!(table.metadata().snapshots().count() <= 10 + 60 + 6);
    }
    assert!(house.options.totals.snapshots_expired() > 250);
    // Thinning deletes nothing; a pass does, when all is old enough.
    for list in &lists {
        assert!(house.exists(list).await, "{list}");
    }
    house.pass_time(2 * DAY);
    house.pass_one(false).await;
    let (_, needed) = house.read_all("shop.events").await;
    let needed: BTreeSet<String> = needed.iter().map(|path| normalise(path)).collect();
    for list in &lists {
        let there = house.exists(list).await;
        assert_eq!(there, needed.contains(&normalise(list)), "{list}");
    }
    assert!(needed.len() < 400, "{}", needed.len());
}

/// What a table held in the last hour can be read to its end, however often it was replaced.
#[tokio::test]
async fn a_table_replaced_each_second_loses_no_readers_files() {
    let mut house = House::new(8);
    house.options.policy.keep_all_most = 10;
    house.options.safety_age = Duration::ZERO;
    house.create("curated.t").await;
    let stop = CancellationToken::new();
    let mut files = Vec::new();
    for _ in 0..120 {
        house.pass_time(Duration::from_secs(1));
        files.push(house.overwrite_all("curated.t").await.1);
    }
    thin(&house.lake, &house.options, &stop).await.unwrap();
    house.pass_one(true).await;
    for file in &files {
        assert!(house.exists(file).await, "{file}");
    }
    house.pass_time(2 * HOUR);
    thin(&house.lake, &house.options, &stop).await.unwrap();
    house.pass_one(false).await;
    let mut left = Vec::new();
    for file in files {
        if house.exists(&file).await {
            left.push(file);
        }
    }
    assert_eq!(left.len(), 1, "{left:?}");
}
