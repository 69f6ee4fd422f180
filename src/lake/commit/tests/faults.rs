use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::lake::catalog::{Pointer, Swap, SwapOutcome};
use crate::lake::control::Lease;
use crate::lake::{Error, ErrorKind, Result};

#[tokio::test]
async fn all_that_is_acknowledged_is_visible_once() {
    let (lake, _) = lake();
    create(&lake, "a.t").await;
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let lake = lake.clone();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for i in 0..20 {
                    let path = format!("/wh/{task:02}-{i:02}");
                    let change = append("a.t", &[&path]);
                    lake.commit(&commit(&lake, vec![change])).await.unwrap();
                    acknowledged.push(path);
                    tokio::task::yield_now().await;
                }
                acknowledged
            })
        })
        .collect();
    let mut acknowledged = Vec::new();
    for task in tasks {
        acknowledged.extend(task.await.unwrap());
    }
    acknowledged.sort();
    assert_eq!(live(&lake, "a.t").await, acknowledged);

    let table = lake.table(&name("a.t")).await.unwrap();
    let written = stored_files(&lake).await;
    let metadata = written
        .iter()
        .filter(|path| path.ends_with(".metadata.json"));
    assert_eq!(metadata.count(), 51, "lost races leave no metadata files");
    assert_eq!(table.metadata().snapshots().count(), 160);
    let lists = written.iter().filter(|path| path.contains("/snap-"));
    assert_eq!(lists.count(), 160, "lost races leave no manifest lists");
}

/// What happens to the next swaps, in turn; then all goes well.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Carried out, and the reply lost.
    Lost,
    /// Not carried out, no reply.
    Dropped,
    /// Carried out after the caller has looked and gone on.
    Late,
    /// The database was busy: nothing moved, said clearly.
    Busy,
}

#[derive(Debug)]
struct Fickle {
    inner: Arc<dyn Catalog>,
    fates: Mutex<Vec<Fate>>,
    late: Mutex<Vec<Vec<Swap>>>,
    /// Loads to fail after a swap without a reply.
    silent_loads: Mutex<u32>,
}

impl Fickle {
    fn over(lake: &Lake, fates: &[Fate], silent_loads: u32) -> (Lake, Arc<Self>) {
        let fickle = Arc::new(Self {
            inner: lake.catalog.clone(),
            fates: Mutex::new(fates.to_vec()),
            late: Mutex::default(),
            silent_loads: Mutex::new(silent_loads),
        });
        (over(lake, fickle.clone()), fickle)
    }
}

#[async_trait]
impl Catalog for Fickle {
    async fn load_all(&self, tables: &[TableName]) -> Result<Vec<Option<Pointer>>> {
        if self.fates.lock().unwrap().is_empty() {
            let mut silent = self.silent_loads.lock().unwrap();
            if *silent > 0 {
                *silent -= 1;
                return Err(Error::unavailable("no answer"));
            }
        }
        self.inner.load_all(tables).await
    }
    async fn list(&self) -> Result<Vec<TableName>> {
        self.inner.list().await
    }
    async fn namespaces(&self) -> Result<Vec<String>> {
        self.inner.namespaces().await
    }
    async fn create_namespace(&self, namespace: &str) -> Result<()> {
        self.inner.create_namespace(namespace).await
    }
    async fn swap(&self, swaps: &[Swap], guards: &[Guard]) -> Result<SwapOutcome> {
        let fate = {
            let mut fates = self.fates.lock().unwrap();
            (!fates.is_empty()).then(|| fates.remove(0))
        };
        match fate {
            None => {
                // A late one comes through just before, or just after, its retry.
                let late: Vec<_> = self.late.lock().unwrap().drain(..).collect();
                for swaps in late {
                    self.inner.swap(&swaps, &[]).await?;
                }
                self.inner.swap(swaps, guards).await
            }
            Some(Fate::Busy) => Err(Error::conflict("the database is busy")),
            Some(Fate::Lost) => {
                self.inner.swap(swaps, guards).await?;
                Err(Error::unavailable("connection reset"))
            }
            Some(Fate::Dropped) => Err(Error::unavailable("connection reset")),
            Some(Fate::Late) => {
                self.late.lock().unwrap().push(swaps.to_vec());
                Err(Error::unavailable("connection reset"))
            }
        }
    }
}

#[tokio::test]
async fn an_unknown_outcome_is_looked_up() {
    use Fate::*;
    let cases: [&[Fate]; 8] = [
        &[Lost],
        &[Dropped],
        &[Late],
        &[Busy],
        &[Dropped, Lost],
        &[Late, Dropped],
        &[Late, Late, Lost],
        &[Dropped, Busy, Lost],
    ];
    for fates in cases {
        for silent_loads in [0, 2] {
            let (lake, _) = lake();
            create(&lake, "a.t").await;
            let (fickle, _) = Fickle::over(&lake, fates, silent_loads);
            let one = commit(&fickle, vec![append("a.t", &["/1"])]);
            fickle
                .commit(&one)
                .await
                .unwrap_or_else(|error| panic!("{fates:?}: {error}"));
            fickle
                .commit(&commit(&fickle, vec![append("a.t", &["/2"])]))
                .await
                .unwrap();
            assert_eq!(live(&lake, "a.t").await, ["/1", "/2"], "{fates:?}");
            let table = lake.table(&name("a.t")).await.unwrap();
            assert_eq!(table.metadata().snapshots().count(), 2, "{fates:?}");
        }
    }
}

#[tokio::test]
async fn a_change_without_a_snapshot_is_looked_up_by_its_metadata_file() {
    use Fate::*;
    for fates in [&[Lost][..], &[Dropped], &[Late], &[Late, Lost]] {
        let (lake, _) = lake();
        create(&lake, "a.t").await;
        let (fickle, _) = Fickle::over(&lake, fates, 1);
        let property = TableChange {
            set_properties: [("k".to_owned(), "v".to_owned())].into(),
            ..change("a.t", FileChange::Nothing)
        };
        let done = fickle
            .commit(&commit(&fickle, vec![property]))
            .await
            .unwrap();
        let table = lake.table(&name("a.t")).await.unwrap();
        assert_eq!(table.metadata().properties()["k"], "v");
        assert_eq!(
            table.metadata_location(),
            done.tables[0].metadata_location()
        );
        assert_eq!(table.metadata().metadata_log().len(), 1, "{fates:?}: once");
    }
}

#[tokio::test]
async fn a_creation_is_looked_up() {
    use Fate::*;
    for fates in [&[Lost][..], &[Dropped], &[Late], &[Dropped, Late]] {
        let (lake, _) = lake();
        let (fickle, _) = Fickle::over(&lake, fates, 0);
        let first = TableChange {
            create: Some(new_table()),
            ..append("a.t", &["/1"])
        };
        fickle.commit(&commit(&fickle, vec![first])).await.unwrap();
        assert_eq!(live(&lake, "a.t").await, ["/1"], "{fates:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_found_out_is_unknown_and_its_files_stay() {
    for fate in [Fate::Lost, Fate::Dropped] {
        let (lake, _) = lake();
        create(&lake, "a.t").await;
        let (fickle, _) = Fickle::over(&lake, &[fate], 1000);
        let before = stored_files(&lake).await;
        let one = commit(&fickle, vec![append("a.t", &["/1"])]);
        match fickle.commit(&one).await {
            Err(CommitError::Unknown { id, cause }) => {
                assert_eq!(id, one.id);
                assert_eq!(cause.kind(), ErrorKind::Unavailable);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(stored_files(&lake).await.len(), before.len() + 3);

        // The same commit again, by a caller who was told "unknown": it finds out.
        lake.commit(&one).await.unwrap();
        lake.commit(&one).await.unwrap();
        assert_eq!(live(&lake, "a.t").await, ["/1"], "{fate:?}");
    }
}

#[tokio::test]
async fn several_tables_change_together_or_not_at_all() {
    let (lake, _) = lake();
    create(&lake, "a.t").await;
    create(&lake, "a.u").await;
    let both = |path: &str| vec![append("a.t", &[path]), append("a.u", &[path])];
    for fates in [&[][..], &[Fate::Lost], &[Fate::Dropped], &[Fate::Late]] {
        let path = format!("/{}", lake.entropy.next_u64());
        let (fickle, _) = Fickle::over(&lake, fates, 0);
        fickle.commit(&commit(&fickle, both(&path))).await.unwrap();
        assert!(live(&lake, "a.t").await.contains(&path), "{fates:?}");
        assert_eq!(
            live(&lake, "a.t").await,
            live(&lake, "a.u").await,
            "{fates:?}"
        );
    }
    let stale = vec![
        append("a.t", &["/no"]),
        TableChange {
            expected_snapshot: Some(None),
            ..append("a.u", &["/no"])
        },
    ];
    assert!(lake.commit(&commit(&lake, stale)).await.is_err());
    assert!(!live(&lake, "a.t").await.contains(&"/no".to_owned()));

    let tasks: Vec<_> = (0..6)
        .map(|task| {
            let lake = lake.clone();
            tokio::spawn(async move {
                for i in 0..5 {
                    let path = format!("/wh/{task}-{i}");
                    let mut changes = vec![append("a.t", &[&path]), append("a.u", &[&path])];
                    if task % 2 == 0 {
                        changes.reverse();
                    }
                    lake.commit(&commit(&lake, changes)).await.unwrap();
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(live(&lake, "a.t").await.len(), 4 + 30);
    assert_eq!(live(&lake, "a.t").await, live(&lake, "a.u").await);
}

#[tokio::test]
async fn whoever_lost_the_lease_cannot_publish() {
    let (lake, _) = lake();
    create(&lake, "a.t").await;
    let held = lake
        .control
        .acquire("model", "me", 1_000)
        .await
        .unwrap()
        .unwrap();
    let guarded = |path: &str, lease: &Lease| Commit {
        guards: vec![Guard::Lease(lease.clone())],
        ..commit(&lake, vec![append("a.t", &[path])])
    };
    lake.commit(&guarded("/1", &held)).await.unwrap();
    lake.clock.sleep(std::time::Duration::from_secs(5)).await;
    lake.control
        .acquire("model", "other", 1_000)
        .await
        .unwrap()
        .unwrap();
    let before = stored_files(&lake).await;
    let displaced = lake.commit(&guarded("/2", &held)).await;
    assert!(
        matches!(displaced, Err(CommitError::Displaced(_))),
        "{displaced:?}"
    );
    assert_eq!(live(&lake, "a.t").await, ["/1"]);
    assert_eq!(stored_files(&lake).await, before, "nothing is left behind");
}

/// A drop whose reply was lost took place; the next try must not say that there is no such table.
#[tokio::test]
async fn a_drop_is_carried_out_whatever_gets_lost() {
    for fate in [Fate::Lost, Fate::Dropped, Fate::Late, Fate::Busy] {
        let (lake, _) = lake();
        let table = create(&lake, "a.t").await;
        create(&lake, "a.other").await;
        let (fickle, _) = Fickle::over(&lake, &[fate], 0);
        let drop = || TableChange {
            drop: true,
            expected_uuid: Some(table.metadata().uuid()),
            ..change("a.t", FileChange::Nothing)
        };
        let done = fickle.commit(&commit(&fickle, vec![drop()])).await;
        assert!(
            done.unwrap_or_else(|e| panic!("{fate:?}: {e}"))
                .tables
                .is_empty()
        );
        assert!(lake.find(&name("a.t")).await.unwrap().is_none(), "{fate:?}");
        assert!(lake.find(&name("a.other")).await.unwrap().is_some());
        // Where nothing is unknown, a table that isn't there is an error.
        assert!(lake.commit(&commit(&lake, vec![drop()])).await.is_err());
    }
}
