//! The commit over a catalog whose server writes the metadata, played here: it applies updates where
//! requirements hold, and fails in all the ways that a real one can.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use iceberg::spec::TableMetadata;

use super::*;
use crate::lake::catalog::{Edit, Pointer, Swap, SwapOutcome};
use crate::lake::refs::{self, Refs};
use crate::lake::{Error, ErrorKind, Result};

/// What becomes of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// It takes place, its answer is lost.
    Lost,
    /// It does not take place, and nobody says so.
    Ignored,
    /// Sent twice by something between: the second is refused because of the first.
    Twice,
    /// Refused, though nothing stands against it.
    Refused,
    /// The first table only, as a server without real transactions may do it.
    Half,
}

#[derive(Clone, Debug)]
struct Stored {
    version: u64,
    metadata: TableMetadata,
    refs: Refs,
}

#[derive(Debug, Default)]
struct Server {
    tables: Mutex<BTreeMap<TableName, Stored>>,
    moods: Mutex<VecDeque<Mood>>,
}

impl Server {
    fn tables(&self) -> MutexGuard<'_, BTreeMap<TableName, Stored>> {
        self.tables.lock().unwrap()
    }

    fn next_mood(&self) -> Option<Mood> {
        self.moods.lock().unwrap().pop_front()
    }

    fn apply(&self, swaps: &[&Swap]) -> SwapOutcome {
        let mut tables = self.tables();
        let mut new = tables.clone();
        for swap in swaps {
            let Some(edit) = &swap.edit else {
                new.remove(&swap.table);
                continue;
            };
            match tables.get(&swap.table).and_then(|base| edited(base, edit)) {
                Some(stored) => new.insert(swap.table.clone(), stored),
                None => return SwapOutcome::Moved(swap.table.clone()),
            };
        }
        *tables = new;
        SwapOutcome::Swapped
    }
}

fn edited(base: &Stored, edit: &Edit) -> Option<Stored> {
    for required in &edit.requirements {
        // The crate's check knows no null.
        let holds = match required {
            iceberg::TableRequirement::RefSnapshotIdMatch { r#ref, snapshot_id } => {
                base.refs.get(r#ref).map(|at| at.snapshot_id) == *snapshot_id
            }
            other => other.check(Some(&base.metadata)).is_ok(),
        };
        if !holds {
            return None;
        }
    }
    let mut builder = base.metadata.clone().into_builder(None);
    for update in edit.updates.clone() {
        builder = update.apply(builder).unwrap();
    }
    let built = builder.build().unwrap();
    Some(Stored {
        version: base.version + 1,
        refs: refs::after(&base.refs, &built.changes, &built.metadata),
        metadata: built.metadata,
    })
}

#[async_trait]
impl Catalog for Server {
    async fn load_all(&self, tables: &[TableName]) -> Result<Vec<Option<Pointer>>> {
        let known = self.tables();
        let pointer = |table: &TableName| {
            let stored = known.get(table)?;
            let none = document::SnapshotTexts::default();
            let json = document::to_json(&stored.metadata, &stored.refs, &none);
            Some(Pointer {
                metadata_location: format!("/server/{table}/{}.json", stored.version),
                metadata: Some(json.unwrap().0.into()),
            })
        };
        Ok(tables.iter().map(pointer).collect())
    }

    async fn list(&self) -> Result<Vec<TableName>> {
        Ok(self.tables().keys().cloned().collect())
    }

    async fn namespaces(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn create_namespace(&self, _namespace: &str) -> Result<()> {
        Ok(())
    }

    fn writes_metadata(&self) -> bool {
        true
    }

    async fn swap(&self, swaps: &[Swap], _guards: &[Guard]) -> Result<SwapOutcome> {
        if swaps.is_empty() {
            return Ok(SwapOutcome::Swapped);
        }
        let all: Vec<&Swap> = swaps.iter().collect();
        let silent = || Err(Error::unavailable("no answer"));
        let refused = SwapOutcome::Moved(swaps[0].table.clone());
        match self.next_mood() {
            None => Ok(self.apply(&all)),
            Some(Mood::Lost) => {
                self.apply(&all);
                silent()
            }
            Some(Mood::Ignored) => silent(),
            Some(Mood::Twice) => {
                self.apply(&all);
                Ok(refused)
            }
            Some(Mood::Refused) => Ok(refused),
            Some(Mood::Half) => {
                self.apply(&all[..1]);
                silent()
            }
        }
    }

    async fn make(&self, table: &TableName, metadata: &TableMetadata) -> Result<bool> {
        let mood = self.next_mood();
        if matches!(mood, Some(Mood::Ignored | Mood::Half)) {
            return Err(Error::unavailable("no answer"));
        }
        let mut tables = self.tables();
        if mood == Some(Mood::Refused) || tables.contains_key(table) {
            return Ok(false);
        }
        let stored = Stored {
            version: 1,
            metadata: metadata.clone(),
            refs: Refs::new(),
        };
        tables.insert(table.clone(), stored);
        match mood {
            Some(Mood::Lost) => Err(Error::unavailable("no answer")),
            Some(Mood::Twice) => Ok(false),
            _ => Ok(true),
        }
    }
}

fn world() -> (Lake, Arc<Server>) {
    let (lake, _) = lake();
    let server = Arc::new(Server::default());
    (over(&lake, server.clone()), server)
}

fn moods(server: &Server, moods: &[Mood]) {
    server.moods.lock().unwrap().extend(moods);
}

fn snapshots(server: &Server, table: &str) -> usize {
    server.tables()[&name(table)].metadata.snapshots().len()
}

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
            server.moods.lock().unwrap().clear();
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
    server.moods.lock().unwrap().clear();
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
