//! A real S3 server: what the store promises on it, and a whole lakehouse there.

use std::time::Duration;

use bytes::Bytes;
use frazil::lake::ErrorKind;
use frazil::lake::store::{S3Options, Store, StoreOptions};
use frazil::seams::{Clock, SystemClock};
use futures::TryStreamExt;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::faults::house::House;
use crate::faults::topics::Topic;
use crate::parts;

fn options(secret: &str) -> StoreOptions {
    let s3 = parts::s3();
    StoreOptions {
        s3: S3Options {
            endpoint: Some(s3.endpoint),
            access_key_id: Some(s3.access_key),
            secret_access_key: Some(secret.to_owned()),
            path_style: true,
            ..S3Options::default()
        },
        ..StoreOptions::default()
    }
}

/// A store, and a prefix of the test's own.
fn store() -> (Store, String) {
    let s3 = parts::s3();
    let prefix = format!("s3://{}/{}", s3.bucket, uuid::Uuid::new_v4().simple());
    (Store::open(options(&s3.secret_key)), prefix)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs S3: run ./test"]
async fn a_file_is_made_once() {
    let (store, prefix) = store();
    let file = format!("{prefix}/metadata/a b+ü.json");
    store
        .write(&file, Bytes::from_static(b"first"))
        .await
        .unwrap();
    let error = store
        .write(&file, Bytes::from_static(b"second"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(error.to_string().contains(&file), "{error}");
    assert_eq!(store.read(&file).await.unwrap(), "first");
    // What a lost answer makes us write again.
    store
        .write(&file, Bytes::from_static(b"first"))
        .await
        .unwrap();

    // Of eight at once one wins, and all others learn it.
    for round in 0..10 {
        let file = format!("{prefix}/race-{round}");
        let writes = (0..8).map(|writer| {
            let (store, file) = (store.clone(), file.clone());
            async move { store.write(&file, Bytes::from(format!("{writer}"))).await }
        });
        let written = futures::future::join_all(writes).await;
        let won: Vec<usize> = (0..8).filter(|writer| written[*writer].is_ok()).collect();
        assert_eq!(won.len(), 1, "{written:?}");
        assert_eq!(store.read(&file).await.unwrap(), won[0].to_string());
        let others = written.iter().filter_map(|written| written.as_ref().err());
        assert!(
            others.clone().count() == 7 && others.clone().all(|e| e.kind() == ErrorKind::Conflict)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs S3: run ./test"]
async fn large_files_go_in_parts_and_are_read_in_ranges() {
    let (store, prefix) = store();
    let file = format!("{prefix}/data/large.parquet");
    // Above the limit of one request, and no multiple of a part.
    let mut bytes = vec![0_u8; (37 << 20) + 12_345];
    ChaCha8Rng::seed_from_u64(7).fill(&mut bytes[..]);
    let bytes = Bytes::from(bytes);
    store.write(&file, bytes.clone()).await.unwrap();
    assert_eq!(store.size(&file).await.unwrap(), Some(bytes.len() as u64));
    assert!(store.read(&file).await.unwrap() == bytes);
    let end = bytes.len() as u64;
    for range in [0..4, (8 << 20) - 3..(8 << 20) + 5, end - 8..end] {
        let (from, to) = (range.start as usize, range.end as usize);
        assert_eq!(
            store.read_range(&file, range).await.unwrap(),
            bytes[from..to]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs S3: run ./test"]
async fn files_are_listed_deleted_and_missed() {
    let (store, prefix) = store();
    for n in 0..5 {
        let file = format!("{prefix}/t/{n}.parquet");
        store.write(&file, Bytes::from(vec![0; n])).await.unwrap();
    }
    // A neighbour whose name only begins the same.
    let neighbour = format!("{prefix}/t2/x");
    store
        .write(&neighbour, Bytes::from_static(b"x"))
        .await
        .unwrap();
    let listed = store.list(&format!("{prefix}/t")).unwrap();
    let mut listed: Vec<_> = listed.try_collect().await.unwrap();
    listed.sort_by(|a: &frazil::lake::store::FileInfo, b| a.location.cmp(&b.location));
    let found: Vec<(String, u64)> = listed
        .iter()
        .map(|file| (file.location.clone(), file.size_bytes))
        .collect();
    let expected: Vec<(String, u64)> = (0..5_u64)
        .map(|n| (format!("{prefix}/t/{n}.parquet"), n))
        .collect();
    assert_eq!(found, expected);
    // What upkeep compares with its safety age.
    let hour_ms = 3_600_000;
    let now_ms = SystemClock::default().now_ms();
    assert!(
        listed
            .iter()
            .all(|f| (now_ms - f.last_modified_ms).abs() < hour_ms)
    );

    let gone = format!("{prefix}/t/0.parquet");
    store.delete(&gone).await.unwrap();
    store.delete(&gone).await.unwrap();
    assert_eq!(store.size(&gone).await.unwrap(), None);
    assert!(!store.exists(&gone).await.unwrap());
    let error = store.read(&gone).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let error = store.read_range(&gone, 0..1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let left: Vec<_> = store
        .list(&format!("{prefix}/t"))
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(left.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs S3: run ./test"]
async fn wrong_keys_are_said_at_once() {
    let (_, prefix) = store();
    let file = format!("{prefix}/x");
    let stranger = Store::open(options("not the secret"));
    for error in [
        stranger.read(&file).await.map(drop).unwrap_err(),
        stranger
            .write(&file, Bytes::from_static(b"x"))
            .await
            .unwrap_err(),
        stranger.size(&file).await.map(drop).unwrap_err(),
    ] {
        // Not "away": no patience helps, somebody must mend the configuration.
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(&file), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka, Postgres and S3: run ./test"]
async fn a_lakehouse_on_s3_survives_kills_and_is_read_by_others() {
    let topic = Topic::make(&parts::kafka(), 3).await;
    let house = House::on_s3(&topic).await;
    let mut serve = house.serve();
    let flowing = topic.clone();
    let producer = std::thread::spawn(move || {
        for round in 0..60 {
            for partition in 0..3 {
                flowing.produce(partition, round * 100..round * 100 + 100);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    let mut rows = 0;
    for _ in 0..4 {
        let before = rows;
        rows = house.wait(&mut serve, "more rows", || {
            house.rows().filter(|n| *n > before)
        });
        let pause = rand::random::<u64>() % 1_500;
        std::thread::sleep(Duration::from_millis(pause));
        serve.kill();
        serve.restart();
    }
    producer.join().expect("the producer ends well");
    house.wait_for_rows(&mut serve, 18_000);
    house.assert_exactly_once(&[]);
    assert_eq!(
        house.python("read_table.py", &["shop.events", "--count"]),
        "18000"
    );
    let rows = house.python(
        "read_table.py",
        &["shop.events", "--select", "_partition", "_offset", "n"],
    );
    let distinct: std::collections::BTreeSet<&str> = rows.lines().collect();
    assert_eq!(distinct.len(), 18_000, "pyiceberg reads each row once");
    let location = house
        .in_catalog("SELECT metadata_location FROM iceberg_tables WHERE table_name = 'events'")
        .await;
    assert!(location[0].starts_with("s3://"), "{location:?}");
    assert_eq!(sql_with_no_configuration(&house), "n\n18000\n");
}

/// `frazil sql` on the warehouse's URL: the environment says the rest.
fn sql_with_no_configuration(house: &House) -> String {
    let s3 = parts::s3();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_frazil"))
        .args(["sql", "--format", "csv", "--config", house.warehouse()])
        .arg("SELECT count(*) AS n FROM shop.events")
        .env("FRAZIL__LAKE__CATALOG", &house.catalog)
        .env("FRAZIL__LAKE__S3__PATH_STYLE", "true")
        .env("AWS_ENDPOINT_URL_S3", s3.endpoint)
        .env("AWS_ACCESS_KEY_ID", s3.access_key)
        .env("AWS_SECRET_ACCESS_KEY", s3.secret_key)
        .output()
        .expect("frazil sql runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
