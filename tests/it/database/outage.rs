//! A database that is busy, away, hangs, or loses an answer. What is certain must be said to be,
//! what isn't must not (I5), and nothing may wait for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use frazil::lake::ErrorKind;
use frazil::lake::catalog::{Catalog, SwapOutcome};
use frazil::lake::control::Control;
use frazil::lake::database::{SqlDatabase, SqlOptions};
use frazil::seams::SystemClock;

use super::backend;
use super::catalog_cases::{location, swap, table};
use super::proxy::{Mode, Proxy};
use crate::parts;

const PATIENCE: Duration = Duration::from_millis(700);

async fn open_impatient(url: &str) -> frazil::lake::Result<Arc<SqlDatabase>> {
    let options = SqlOptions {
        catalog_name: "frazil".to_owned(),
        connections: 2,
        connect_timeout: PATIENCE,
        statement_timeout: PATIENCE,
    };
    SqlDatabase::open(
        &url.parse().unwrap(),
        Arc::new(SystemClock::default()),
        options,
    )
    .await
}

/// Generous: the machine may be busy; what is proven is that there is an end.
const END: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_locked_file_is_a_certain_failure_of_a_swap() {
    let folder = tempfile::tempdir().unwrap();
    let url = backend::sqlite_url(&folder);
    let database = open_impatient(&url).await.unwrap();
    let catalog = database.catalog();
    let swaps = [swap("shop.a", None, Some("1"))];
    let mut other = backend::Raw::connect(&url).await;
    other.script("BEGIN IMMEDIATE").await;
    let error = catalog.swap(&swaps, &[]).await.expect_err("locked");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(error.to_string().contains("nothing moved"), "{error}");
    let error = database
        .control()
        .acquire("l", "me", 1)
        .await
        .expect_err("locked");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    // Readers don't wait for a writer.
    assert_eq!(location(&*catalog, "shop.a").await, None);
    other.script("ROLLBACK").await;
    assert_eq!(
        catalog.swap(&swaps, &[]).await.unwrap(),
        SwapOutcome::Swapped
    );
}

#[tokio::test]
async fn a_dropped_swap_leaves_no_lock_behind() {
    let folder = tempfile::tempdir().unwrap();
    let url = backend::sqlite_url(&folder);
    let database = backend::open(&url).await;
    let catalog = database.catalog();
    let mut at: Option<String> = None;
    for round in 0..40_u32 {
        let new = format!("{round}");
        let swaps = [swap("shop.a", at.as_deref(), Some(&new))];
        // Dropped after this many polls: each time at another place.
        let mut call = Box::pin(catalog.swap(&swaps, &[]));
        for _ in 0..round / 2 {
            if futures::poll!(&mut call).is_ready() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(call);
        // Whatever became of it, the next one gets through.
        let now = location(&*catalog, "shop.a").await;
        let next = format!("{round}-next");
        let swaps = [swap("shop.a", now.as_deref(), Some(&next))];
        let outcome = catalog.swap(&swaps, &[]).await.unwrap();
        // The dropped one may have committed between our look and our swap.
        at = match outcome {
            SwapOutcome::Swapped => Some(next),
            _ => location(&*catalog, "shop.a").await,
        };
    }
}

/// Statements that fail within a swap leave everything as it was, and the connection usable.
#[tokio::test]
#[ignore = "needs Postgres: run ./test"]
async fn a_location_that_is_too_long_moves_nothing() {
    let database = backend::open(&parts::postgres_database().await).await;
    let catalog = database.catalog();
    let long = "x".repeat(1001);
    let swaps = [
        swap("shop.a", None, Some("1")),
        swap("shop.b", None, Some(&long)),
    ];
    for _ in 0..20 {
        let error = catalog.swap(&swaps, &[]).await.expect_err("too long");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    assert_eq!(catalog.list().await.unwrap(), []);
}

#[tokio::test]
#[ignore = "needs Postgres: run ./test"]
async fn a_lost_reply_to_commit_is_unknown_and_can_be_looked_up() {
    for (mode, took_place) in [(Mode::LoseCommitReply, true), (Mode::LoseCommit, false)] {
        let direct = parts::postgres_database().await;
        let (proxy, url) = Proxy::before(&direct).await;
        let database = open_impatient(&url).await.unwrap();
        let catalog = database.catalog();
        proxy.set(mode);
        let swaps = [swap("shop.a", None, Some("1"))];
        let error = catalog.swap(&swaps, &[]).await.expect_err("no reply");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        proxy.set(Mode::Forward);
        let expected = took_place.then_some("1");
        assert_eq!(
            location(&*catalog, "shop.a").await.as_deref(),
            expected,
            "{mode:?}"
        );
        // The server still has the open transaction of a client that it can't hear any more, and
        // frees its locks by itself.
        let mut tries = 0;
        let outcome = loop {
            match catalog.swap(&swaps, &[]).await {
                Err(error) if tries < 50 && error.kind() == ErrorKind::Conflict => tries += 1,
                outcome => break outcome.unwrap(),
            }
        };
        let again = if took_place {
            SwapOutcome::Moved(table("shop.a"))
        } else {
            SwapOutcome::Swapped
        };
        assert_eq!(outcome, again, "{mode:?}");
    }
}

#[tokio::test]
#[ignore = "needs Postgres: run ./test"]
async fn a_server_that_hangs_does_not_hang_us() {
    let direct = parts::postgres_database().await;
    let (proxy, url) = Proxy::before(&direct).await;
    let database = open_impatient(&url).await.unwrap();
    let catalog = database.catalog();
    proxy.set(Mode::Stall);
    let started = Instant::now();
    let error = catalog.load(&table("shop.a")).await.expect_err("hangs");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let swaps = [swap("shop.a", None, Some("1"))];
    let error = catalog.swap(&swaps, &[]).await.expect_err("hangs");
    // Nothing was sent that could have moved anything.
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let error = database
        .control()
        .acquire("l", "me", 1)
        .await
        .expect_err("hangs");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let error = open_impatient(&url).await.expect_err("hangs");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(started.elapsed() < END, "{:?}", started.elapsed());
    proxy.set(Mode::Forward);
    assert_eq!(
        catalog.swap(&swaps, &[]).await.unwrap(),
        SwapOutcome::Swapped
    );
}

#[tokio::test]
#[ignore = "needs Postgres: run ./test"]
async fn a_server_that_was_away_is_found_again() {
    let direct = parts::postgres_database().await;
    let (proxy, url) = Proxy::before(&direct).await;
    let database = open_impatient(&url).await.unwrap();
    let catalog = database.catalog();
    for round in 0..3 {
        let name = format!("shop.t{round}");
        let swaps = [swap(&name, None, Some("1"))];
        proxy.set(Mode::Cut);
        let error = catalog.load(&table(&name)).await.expect_err("away");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        let error = catalog.swap(&swaps, &[]).await.expect_err("away");
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        proxy.set(Mode::Forward);
        assert_eq!(
            catalog.swap(&swaps, &[]).await.unwrap(),
            SwapOutcome::Swapped
        );
    }
    assert_eq!(catalog.list().await.unwrap().len(), 3);
}

/// A process that was stopped in the middle of a transaction gives up its locks in the end.
#[tokio::test]
#[ignore = "needs Postgres: run ./test"]
async fn somebody_elses_row_lock_is_waited_for_and_given_up() {
    let url = parts::postgres_database().await;
    let database = open_impatient(&url).await.unwrap();
    let catalog = database.catalog();
    let make = [swap("shop.a", None, Some("1"))];
    catalog.swap(&make, &[]).await.unwrap();
    let mut other = backend::Raw::connect(&url).await;
    other.script("BEGIN").await;
    other
        .script("UPDATE iceberg_tables SET metadata_location = '2'")
        .await;
    let swaps = [swap("shop.a", Some("1"), Some("3"))];
    let error = catalog.swap(&swaps, &[]).await.expect_err("locked");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    other.script("COMMIT").await;
    assert_eq!(
        catalog.swap(&swaps, &[]).await.unwrap(),
        SwapOutcome::Moved(table("shop.a"))
    );
}

#[tokio::test]
#[ignore = "needs Postgres: run ./test"]
async fn no_password_in_what_is_said() {
    let direct = parts::postgres_database().await;
    let (proxy, through) = Proxy::before(&direct).await;
    let with_password = through.replacen("postgres@", "postgres:s3cret@", 1);
    let database = open_impatient(&with_password).await.unwrap();
    let (catalog, control) = (database.catalog(), database.control());
    let mut said = format!("{database:?} {catalog:?} {control:?} {}", database.name());
    proxy.set(Mode::Cut);
    let error = catalog.load(&table("shop.a")).await.expect_err("away");
    said += &format!("{error} {error:?}");
    let error = open_impatient(&with_password).await.expect_err("away");
    said += &format!("{error} {error:?}");
    let nobody = with_password.replacen("//postgres:", "//nobody_at_all:", 1);
    proxy.set(Mode::Forward);
    let error = open_impatient(&nobody).await.expect_err("no such user");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    said += &format!("{error} {error:?}");
    assert!(!said.contains("s3cret"), "{said}");
    let port = proxy.address().port().to_string();
    assert!(said.contains(&port), "it says where: {said}");
}
