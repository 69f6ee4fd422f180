//! The commit over a catalog whose server writes the metadata.

use super::server::{Mood, moods, snapshots, world};
use super::*;
use crate::lake::ErrorKind;
use crate::lake::catalog::{Edit, Swap, SwapOutcome};

const MOODS: [Mood; 4] = [Mood::Lost, Mood::Ignored, Mood::Twice, Mood::Refused];

#[tokio::test]
async fn rows_of_two_tables_come_once_whatever_becomes_of_the_answer() {
    let (lake, server) = world();
    create(&lake, "a.events").await;
    create(&lake, "a.dead").await;
    let mut count = 0;
    for first in MOODS {
        for second in MOODS {
            moods(&server, &[first, second]);
            let paths = [format!("/wh/{count}e"), format!("/wh/{count}d")];
            let changes = vec![
                append("a.events", &[&paths[0]]),
                append("a.dead", &[&paths[1]]),
            ];
            let done = lake.commit(&commit(&lake, changes)).await;
            server.no_moods();
            done.unwrap_or_else(|error| panic!("{first:?}, {second:?}: {error}"));
            count += 1;
            assert_eq!(
                snapshots(&server, "a.events"),
                count,
                "{first:?} {second:?}"
            );
            assert_eq!(snapshots(&server, "a.dead"), count);
            // And their files are there: none was taken for those of a lost attempt.
            assert_eq!(live(&lake, "a.events").await.len(), count);
            assert_eq!(live(&lake, "a.dead").await.len(), count);
        }
    }
}

/// No metadata file is ours to write.
#[tokio::test]
async fn the_server_writes_the_metadata() {
    let (lake, _) = world();
    create(&lake, "a.t").await;
    let done = commit(&lake, vec![append("a.t", &["/wh/x"])]);
    let committed = lake.commit(&done).await.unwrap();
    assert_eq!(
        committed.tables[0].metadata_location(),
        "/server/a.t/2.json"
    );
    let files = stored_files(&lake).await;
    assert!(
        !files.iter().any(|file| file.ends_with(".json")),
        "{files:?}"
    );
}

#[tokio::test]
async fn a_table_is_made_and_filled_whatever_becomes_of_the_answer() {
    for first in MOODS {
        for second in MOODS {
            let (lake, server) = world();
            moods(&server, &[first, second]);
            let new = TableChange {
                create: Some(new_table()),
                ..append("a.t", &["/wh/x"])
            };
            let done = lake.commit(&commit(&lake, vec![new])).await;
            done.unwrap_or_else(|error| panic!("{first:?}, {second:?}: {error}"));
            assert_eq!(snapshots(&server, "a.t"), 1);
        }
    }
}

#[tokio::test]
async fn properties_are_set_once_and_the_commit_leaves_its_mark() {
    for mood in MOODS {
        let (lake, server) = world();
        create(&lake, "a.t").await;
        moods(&server, &[mood]);
        let set = TableChange {
            set_properties: [("k".to_owned(), "v".to_owned())].into(),
            ..change("a.t", FileChange::Nothing)
        };
        let set = commit(&lake, vec![set]);
        lake.commit(&set).await.unwrap();
        let stored = server.tables()[&name("a.t")].clone();
        assert_eq!(stored.version, 2, "{mood:?}: once");
        let properties = stored.metadata.properties();
        assert_eq!(properties["k"], "v");
        assert_eq!(properties[COMMIT_ID_SUMMARY], set.id.to_string());
    }
}

/// Two properties of two writers: the second lays its own over what the first has left.
#[tokio::test]
async fn an_update_touches_no_property_but_its_own() {
    let (lake, server) = world();
    let base = create(&lake, "a.t").await;
    let edit = |key: &str| {
        let updates = vec![iceberg::TableUpdate::SetProperties {
            updates: [(key.to_owned(), "v".to_owned())].into(),
        }];
        Swap {
            table: name("a.t"),
            expected: Some(base.metadata_location().to_owned()),
            new: Some(base.metadata_location().to_owned()),
            edit: Some(Edit::new(base.metadata(), base.refs(), updates)),
        }
    };
    for key in ["one", "two"] {
        let outcome = server.swap(&[edit(key)], &[]).await.unwrap();
        assert_eq!(outcome, SwapOutcome::Swapped);
    }
    let stored = server.tables()[&name("a.t")].clone();
    let properties = stored.metadata.properties();
    assert!(properties.contains_key("one") && properties.contains_key("two"));
}

/// A server that is caught between two tables: the other one follows.
#[tokio::test]
async fn half_a_commit_is_completed() {
    let (lake, server) = world();
    create(&lake, "a.events").await;
    create(&lake, "a.dead").await;
    moods(&server, &[Mood::Half]);
    let changes = vec![append("a.events", &["/wh/e"]), append("a.dead", &["/wh/d"])];
    lake.commit(&commit(&lake, changes)).await.unwrap();
    assert_eq!(snapshots(&server, "a.events"), 1);
    assert_eq!(snapshots(&server, "a.dead"), 1);
}

/// An attempt of which nobody knows, and a catalog that never answers again: no certain word, and no
/// file goes that it may still need.
#[tokio::test]
async fn an_open_outcome_is_said_to_be_open() {
    let (lake, server) = world();
    create(&lake, "a.t").await;
    moods(&server, &[Mood::Ignored; 20]);
    let before = stored_files(&lake).await;
    let late = commit(&lake, vec![append("a.t", &["/wh/x"])]);
    let late = lake.commit(&late).await;
    assert!(matches!(late, Err(CommitError::Unknown { .. })), "{late:?}");
    assert!(stored_files(&lake).await.len() > before.len());
}

#[tokio::test]
async fn a_table_that_was_made_for_nothing_goes_again() {
    let (lake, server) = world();
    let hopeless = TableChange {
        create: Some(new_table()),
        expected_snapshot: Some(Some(1)),
        ..append("a.t", &["/wh/x"])
    };
    // Whoever else was to make it may fill it any moment: it stays.
    let stale = lake.commit(&commit(&lake, vec![hopeless.clone()])).await;
    assert!(matches!(stale, Err(CommitError::Stale { .. })), "{stale:?}");
    assert_eq!(lake.catalog.list().await.unwrap(), [name("a.t")]);
    server.tables().clear();
    let hopeless = TableChange {
        must_create: true,
        ..hopeless
    };
    let stale = lake.commit(&commit(&lake, vec![hopeless])).await;
    assert!(matches!(stale, Err(CommitError::Stale { .. })), "{stale:?}");
    assert_eq!(lake.catalog.list().await.unwrap(), []);
    // Made, then refused until patience ends.
    moods(&server, &[Mood::Lost]);
    moods(&server, &[Mood::Refused; 120]);
    let new = TableChange {
        create: Some(new_table()),
        must_create: true,
        ..append("a.t", &["/wh/x"])
    };
    let failed = lake.commit(&commit(&lake, vec![new.clone()])).await;
    let CommitError::Failed(error) = failed.unwrap_err() else {
        panic!("a certain failure");
    };
    assert_eq!(error.kind(), ErrorKind::Conflict);
    server.no_moods();
    // The very drop was refused too; the name is somebody's until it is dropped.
    let taken = lake.commit(&commit(&lake, vec![new.clone()])).await;
    assert!(matches!(taken, Err(CommitError::Stale { .. })), "{taken:?}");
    let drop = TableChange {
        drop: true,
        ..change("a.t", FileChange::Nothing)
    };
    lake.commit(&commit(&lake, vec![drop])).await.unwrap();
    lake.commit(&commit(&lake, vec![new])).await.unwrap();
    assert_eq!(snapshots(&server, "a.t"), 1);
}

#[tokio::test]
async fn a_table_of_another_is_not_taken_over() {
    let (lake, server) = world();
    create(&lake, "a.t").await;
    let new = TableChange {
        create: Some(new_table()),
        must_create: true,
        ..append("a.t", &["/wh/x"])
    };
    let taken = lake.commit(&commit(&lake, vec![new.clone()])).await;
    assert!(matches!(taken, Err(CommitError::Stale { .. })), "{taken:?}");
    let replaces = TableChange {
        replaces: Some(server.tables()[&name("a.t")].metadata.uuid()),
        ..new
    };
    let refused = lake.commit(&commit(&lake, vec![replaces])).await;
    let CommitError::Failed(error) = refused.unwrap_err() else {
        panic!("a word on what can't be done");
    };
    assert!(error.to_string().contains("drop"), "{error}");
    assert_eq!(snapshots(&server, "a.t"), 0);
}
