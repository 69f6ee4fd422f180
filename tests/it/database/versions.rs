//! Databases of other versions: what the first release wrote opens for ever, what a newer one
//! wrote is refused.

use frazil::lake::ErrorKind;
use frazil::lake::catalog::{Catalog, SwapOutcome};
use frazil::lake::control::{Control, RunState};
use frazil::lake::database::{SqlDatabase, SqlOptions};
use frazil::seams::SystemClock;

use super::backend;
use super::catalog_cases::{location, swap};
use crate::parts;

fn golden(name: &str) -> String {
    std::fs::read_to_string(parts::tests_file("golden").join(name)).unwrap()
}

/// A database as version 1 wrote it, with a row of everything.
async fn the_first_version_opens(url: String, golden_file: &str) {
    backend::script(&url, &golden(golden_file)).await;
    let database = backend::open(&url).await;
    let (catalog, control) = (database.catalog(), database.control());
    assert_eq!(
        location(&*catalog, "shop.events").await.as_deref(),
        Some("file:///lake/shop/events/metadata/00001-a.metadata.json")
    );
    assert_eq!(catalog.namespaces().await.unwrap(), ["curated", "shop"]);
    let runs = control.runs(None, 10).await.unwrap();
    let states: Vec<RunState> = runs.iter().map(|run| run.state).collect();
    assert_eq!(
        states,
        [
            RunState::Running,
            RunState::Abandoned,
            RunState::Failed,
            RunState::Succeeded
        ]
    );
    let done = &runs[3];
    assert_eq!(done.source_snapshots, r#"{"shop.events":7}"#);
    assert_eq!((done.target_snapshot, done.rows), (Some(8), Some(9)));
    let models = control.models().await.unwrap();
    assert_eq!(models[0].name, "curated.x");
    let status = control.stream_status().await.unwrap();
    assert_eq!((status[0].partition, status[0].committed_offset), (3, 42));
    // Held far into the future by `sink-1`, in generation 4; by a term as long it is no error of a
    // clock.
    let term_ms = 1_000_000_000_000;
    let other = control.acquire("sink/shop", "me", term_ms).await.unwrap();
    assert_eq!(other, None);
    let own = control.acquire("sink/shop", "sink-1", term_ms).await;
    let lease = own.unwrap();
    assert_eq!(lease.unwrap().generation, 4);
    // What later versions brought is there, and empty.
    assert_eq!(control.filled_table("shop.events").await.unwrap(), None);
}

/// The first migration makes to the letter what it made in the first release.
#[tokio::test]
async fn the_first_migration_is_never_edited() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (old, new) = (backend::sqlite_url(&old), backend::sqlite_url(&new));
    backend::script(&old, &golden("control-v1.sqlite.sql")).await;
    backend::open(&new).await.close().await;
    backend::open(&old).await.close().await;
    let sql = "SELECT name || ': ' || sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name";
    let squeeze = |rows: Vec<String>| -> Vec<String> {
        let words = |row: String| row.split_whitespace().collect::<Vec<_>>().join(" ");
        rows.into_iter().map(words).collect()
    };
    assert_eq!(
        squeeze(backend::rows(&new, sql).await),
        squeeze(backend::rows(&old, sql).await)
    );
}

async fn a_newer_version_is_refused(url: String) {
    backend::open(&url).await.close().await;
    backend::script(&url, "INSERT INTO frazil_schema_version VALUES (1000, 1)").await;
    let clock = std::sync::Arc::new(SystemClock::default());
    let error = SqlDatabase::open(&url.parse().unwrap(), clock, SqlOptions::default())
        .await
        .expect_err("newer");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let text = error.to_string();
    assert!(
        text.contains("version 1000") && text.contains("newer"),
        "{text}"
    );
    // And nothing was done to it.
    let versions = "SELECT CAST(version AS TEXT) FROM frazil_schema_version ORDER BY 1";
    assert_eq!(backend::rows(&url, versions).await, ["1", "1000", "2"]);
}

async fn eight_open_a_new_database_at_once(url: String) {
    let opens: Vec<_> = (0..8)
        .map(|opener| {
            let url = url.clone();
            tokio::spawn(async move {
                let database = backend::open(&url).await;
                let name = format!("shop.t{opener}");
                let swaps = [swap(&name, None, Some("1"))];
                let outcome = database.catalog().swap(&swaps, &[]).await.unwrap();
                assert_eq!(outcome, SwapOutcome::Swapped);
            })
        })
        .collect();
    for open in opens {
        open.await.unwrap();
    }
    let versions = "SELECT CAST(version AS TEXT) FROM frazil_schema_version ORDER BY version";
    assert_eq!(backend::rows(&url, versions).await, ["1", "2"]);
    let database = backend::open(&url).await;
    assert_eq!(database.catalog().list().await.unwrap().len(), 8);
}

async fn what_was_written_is_there_after_a_restart(url: String) {
    let database = backend::open(&url).await;
    let swaps = [swap("shop.events", None, Some("1"))];
    database.catalog().swap(&swaps, &[]).await.unwrap();
    let lease = database
        .control()
        .acquire("l", "me", 600_000)
        .await
        .unwrap()
        .unwrap();
    database.close().await;
    let database = backend::open(&url).await;
    assert_eq!(
        location(&*database.catalog(), "shop.events")
            .await
            .as_deref(),
        Some("1")
    );
    assert!(database.control().renew(&lease, 600_000).await.unwrap());
}

mod sqlite {
    use super::*;

    #[tokio::test]
    async fn the_first_version_opens() {
        let folder = tempfile::tempdir().unwrap();
        super::the_first_version_opens(backend::sqlite_url(&folder), "control-v1.sqlite.sql").await;
    }

    #[tokio::test]
    async fn a_newer_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        super::a_newer_version_is_refused(backend::sqlite_url(&folder)).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn eight_open_a_new_database_at_once() {
        let folder = tempfile::tempdir().unwrap();
        super::eight_open_a_new_database_at_once(backend::sqlite_url(&folder)).await;
    }

    #[tokio::test]
    async fn what_was_written_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        super::what_was_written_is_there_after_a_restart(backend::sqlite_url(&folder)).await;
    }

    #[tokio::test]
    async fn what_is_no_database_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lake.db");
        let text = "this is a letter to somebody and no database".repeat(100);
        std::fs::write(&file, &text).unwrap();
        let clock = std::sync::Arc::new(SystemClock::default());
        let url = backend::sqlite_url(&folder).parse().unwrap();
        let error = SqlDatabase::open(&url, clock, SqlOptions::default())
            .await
            .expect_err("no database");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
}

mod postgres {
    use super::*;

    #[tokio::test]
    #[ignore = "needs Postgres: run ./test"]
    async fn the_first_version_opens() {
        let url = parts::postgres_database().await;
        super::the_first_version_opens(url, "control-v1.postgres.sql").await;
    }

    #[tokio::test]
    #[ignore = "needs Postgres: run ./test"]
    async fn a_newer_version_is_refused() {
        super::a_newer_version_is_refused(parts::postgres_database().await).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Postgres: run ./test"]
    async fn eight_open_a_new_database_at_once() {
        super::eight_open_a_new_database_at_once(parts::postgres_database().await).await;
    }

    #[tokio::test]
    #[ignore = "needs Postgres: run ./test"]
    async fn what_was_written_is_there_after_a_restart() {
        super::what_was_written_is_there_after_a_restart(parts::postgres_database().await).await;
    }
}
