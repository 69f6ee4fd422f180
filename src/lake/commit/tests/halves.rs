//! Commits of which a part is visible and the rest is not, or not any more: by a server without real
//! transactions, or by others who came between. No files of what is visible may go.

use std::time::Duration;

use super::ledgers::{source, step};
use super::server::{Mood, Server, moods, snapshots, world, world_in_time};
use super::*;
use crate::lake::control::Lease;
use crate::seams::Clock;

/// Two tables, and a commit to both whose first part only takes place, in silence.
async fn half(second: TableChange) -> (Lake, Arc<Server>, Commit) {
    let (lake, server) = world();
    create(&lake, "a.x").await;
    create(&lake, "a.y").await;
    moods(&server, &[Mood::Half]);
    let torn = commit(&lake, vec![append("a.x", &["/wh/x"]), second]);
    (lake, server, torn)
}

/// Another writer appends to `a.y` just behind the next change.
async fn another_appends(lake: &Lake, server: &Server) {
    let theirs = server.as_if(lake, async |lake| {
        let change = append("a.y", &["/wh/theirs"]);
        lake.commit(&commit(&lake, vec![change])).await.unwrap();
    });
    let theirs = theirs.await;
    server.then(move |tables| {
        let stored = theirs[&name("a.y")].clone();
        tables.insert(name("a.y"), stored);
    });
}

/// What a snapshot of the table names is there: read by somebody who has nothing in memory.
async fn assert_whole(lake: &Lake, table: &str, files: usize) {
    let table = lake.table(&name(table)).await.unwrap();
    let stored = stored_files(lake).await;
    let mut found = 0;
    for snapshot in table.metadata().snapshots() {
        assert!(stored.contains(snapshot.manifest_list()), "{stored:?}");
        for manifest in table.manifest_list(snapshot).await.unwrap().iter() {
            assert!(stored.contains(&manifest.manifest_path), "{stored:?}");
        }
        found += 1;
    }
    assert_eq!(found, files);
}

fn assert_open<T: std::fmt::Debug>(outcome: &Result<T, CommitError>) {
    assert!(
        matches!(outcome, Err(CommitError::Unknown { .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn half_a_commit_that_then_is_stale_is_not_said_to_be_nothing() {
    let planned = TableChange {
        expected_snapshot: Some(None),
        ..append("a.y", &["/wh/y"])
    };
    let (lake, server, torn) = half(planned).await;
    another_appends(&lake, &server).await;
    assert_open(&lake.commit(&torn).await);
    assert_whole(&lake, "a.x", 1).await;
    assert_whole(&lake, "a.y", 1).await;
}

#[tokio::test]
async fn half_a_commit_that_then_is_fenced_is_not_said_to_be_nothing() {
    let batch = |path: &str, to| TableChange {
        ledger: vec![step(0, None, 0, to)],
        ..append("a.y", &[path])
    };
    let (lake, server, torn) = half(batch("/wh/y", 10)).await;
    let theirs = server.as_if(&lake, async |lake| {
        let change = batch("/wh/theirs", 7);
        lake.commit(&commit(&lake, vec![change])).await.unwrap();
    });
    let theirs = theirs.await;
    server.then(move |tables| {
        tables.insert(name("a.y"), theirs[&name("a.y")].clone());
    });
    assert_open(&lake.commit(&torn).await);
    assert_whole(&lake, "a.x", 1).await;
    let events = lake.table(&name("a.y")).await.unwrap();
    let at = events.ledger().unwrap().get(&source(0));
    assert_eq!(at, Some(Position { next: 7, epoch: 0 }));
}

#[tokio::test]
async fn half_a_commit_whose_guard_then_falls_is_not_said_to_be_nothing() {
    let (lake, server, mut torn) = half(append("a.y", &["/wh/y"])).await;
    torn.guards = vec![Guard::Lease(Lease {
        name: "l".to_owned(),
        holder: "me".to_owned(),
        generation: 1,
        expires_at_ms: START_MS,
    })];
    let fallen = server.clone();
    server.then(move |_| *fallen.displaced.lock().unwrap() = true);
    assert_open(&lake.commit(&torn).await);
    assert_whole(&lake, "a.x", 1).await;
    assert_eq!(snapshots(&server, "a.y"), 0);
}

/// All of it took place, and the next comer's mark covers ours.
#[tokio::test]
async fn a_mark_that_was_overwritten_does_not_make_it_nothing() {
    let (lake, server) = world();
    create(&lake, "a.x").await;
    create(&lake, "a.y").await;
    let marks = |key: &str| TableChange {
        set_properties: [(key.to_owned(), "v".to_owned())].into(),
        expected_snapshot: Some(None),
        ..change("a.y", FileChange::Nothing)
    };
    // Another one's mark, and a snapshot that this commit was not planned on.
    let theirs = server.as_if(&lake, async |lake| {
        for change in [marks("theirs"), append("a.y", &["/wh/theirs"])] {
            lake.commit(&commit(&lake, vec![change])).await.unwrap();
        }
    });
    let theirs = theirs.await;
    server.then(move |tables| {
        tables.insert(name("a.y"), theirs[&name("a.y")].clone());
    });
    moods(&server, &[Mood::Lost]);
    let ours = commit(&lake, vec![append("a.x", &["/wh/x"]), marks("ours")]);
    assert_open(&lake.commit(&ours).await);
    assert_whole(&lake, "a.x", 1).await;
}

/// The answer was yes: a table that goes just behind it takes nothing back.
#[tokio::test]
async fn a_commit_whose_table_is_dropped_behind_it_is_not_said_to_be_nothing() {
    let (lake, server) = world();
    create(&lake, "a.x").await;
    create(&lake, "a.y").await;
    server.then(|tables| {
        tables.remove(&name("a.y"));
    });
    let both = vec![append("a.x", &["/wh/x"]), append("a.y", &["/wh/y"])];
    assert_open(&lake.commit(&commit(&lake, both)).await);
    assert_whole(&lake, "a.x", 1).await;
}

/// A server's yes is not taken for the whole where it shows a part.
#[tokio::test]
async fn a_yes_to_half_a_commit_is_completed() {
    let (lake, server) = world();
    create(&lake, "a.x").await;
    create(&lake, "a.y").await;
    moods(&server, &[Mood::HalfTaken]);
    let both = vec![append("a.x", &["/wh/x"]), append("a.y", &["/wh/y"])];
    lake.commit(&commit(&lake, both)).await.unwrap();
    assert_eq!(snapshots(&server, "a.x"), 1);
    assert_eq!(snapshots(&server, "a.y"), 1);
}

/// Dead letters first, then the events with their ledger, as a REST catalog is asked for them.
fn batch_and_dead_letters() -> Vec<TableChange> {
    let events = TableChange {
        ledger: vec![step(0, None, 0, 10)],
        ..append("a.events", &["/wh/e"])
    };
    vec![append("a.dead", &["/wh/d"]), events]
}

/// A server that is about to take its half back is not helped to the other one: the offsets would
/// have moved without their dead letters.
#[tokio::test]
async fn half_a_batch_that_is_taken_back_loses_nothing() {
    let (lake, server, clock) = world_in_time();
    create(&lake, "a.dead").await;
    create(&lake, "a.events").await;
    let before = server.tables()[&name("a.dead")].clone();
    moods(&server, &[Mood::Half]);
    server.at(&clock, Duration::from_secs(25), move |tables| {
        tables.insert(name("a.dead"), before);
    });
    let batch = commit(&lake, batch_and_dead_letters());
    lake.commit(&batch).await.unwrap();
    clock.advance(Duration::from_secs(60));
    assert_eq!(live(&lake, "a.dead").await, ["/wh/d"]);
    assert_eq!(live(&lake, "a.events").await, ["/wh/e"]);
}

/// However long it stays: what moves offsets is never sent after dead letters of which nobody knows
/// how long they stay.
#[tokio::test]
async fn offsets_never_follow_half_a_commit() {
    let (lake, server, clock) = world_in_time();
    create(&lake, "a.dead").await;
    create(&lake, "a.events").await;
    moods(&server, &[Mood::Half]);
    let batch = commit(&lake, batch_and_dead_letters());
    assert_open(&lake.commit(&batch).await);
    assert!(clock.elapsed() > Duration::from_secs(45));
    assert_eq!(snapshots(&server, "a.events"), 0);
    assert_whole(&lake, "a.dead", 1).await;
}

/// The other way round the dead letters must follow, or the records would be in neither.
#[tokio::test]
async fn dead_letters_follow_their_offsets() {
    let (lake, server) = world();
    create(&lake, "a.dead").await;
    create(&lake, "a.events").await;
    moods(&server, &[Mood::Half]);
    let mut changes = batch_and_dead_letters();
    changes.reverse();
    lake.commit(&commit(&lake, changes)).await.unwrap();
    assert_eq!(live(&lake, "a.dead").await, ["/wh/d"]);
    assert_eq!(live(&lake, "a.events").await, ["/wh/e"]);
}

/// A drop that was sent may arrive whatever has become of the table: nothing in it could fail.
#[tokio::test]
async fn an_open_drop_stays_open() {
    let (lake, server) = world();
    create(&lake, "a.y").await;
    another_appends(&lake, &server).await;
    moods(&server, &[Mood::Ignored]);
    let drop = TableChange {
        drop: true,
        expected_snapshot: Some(None),
        ..change("a.y", FileChange::Nothing)
    };
    assert_open(&lake.commit(&commit(&lake, vec![drop])).await);
}

/// Two tables, an attempt in silence, and another's snapshot in one of them: the other part may
/// still come where the server does not keep them together.
#[tokio::test]
async fn an_attempt_is_over_when_all_of_its_parts_are() {
    let planned = TableChange {
        expected_snapshot: Some(None),
        ..append("a.y", &["/wh/y"])
    };
    let (lake, server, torn) = half(planned).await;
    server.no_moods();
    moods(&server, &[Mood::Ignored]);
    another_appends(&lake, &server).await;
    assert_open(&lake.commit(&torn).await);
}
