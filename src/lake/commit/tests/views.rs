use std::sync::Mutex;

use async_trait::async_trait;
use iceberg::spec::Schema;

use super::*;
use crate::lake::catalog::{Pointer, Relation, Swap, SwapOutcome, ViewSwap};
use crate::lake::commit::ViewChange;
use crate::lake::view::Definition;
use crate::lake::{Error, Result, View};

/// What happens to the next swaps, in turn; then all goes well.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Carried out, and the reply lost.
    Lost,
    /// Not carried out, no reply.
    Dropped,
    /// As the first, and somebody replaces the view before anybody looks.
    LostAndReplaced,
}

#[derive(Debug)]
struct Fickle {
    inner: Arc<dyn Catalog>,
    fates: Mutex<Vec<Fate>>,
}

#[async_trait]
impl Catalog for Fickle {
    async fn load_all(&self, tables: &[TableName]) -> Result<Vec<Option<Pointer>>> {
        self.inner.load_all(tables).await
    }
    async fn load_relations(&self, names: &[TableName]) -> Result<Vec<Option<Relation>>> {
        self.inner.load_relations(names).await
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
        self.swap_all(swaps, &[], guards).await
    }
    async fn swap_all(
        &self,
        swaps: &[Swap],
        views: &[ViewSwap],
        guards: &[Guard],
    ) -> Result<SwapOutcome> {
        let fate = {
            let mut fates = self.fates.lock().unwrap();
            (!fates.is_empty()).then(|| fates.remove(0))
        };
        let Some(fate) = fate else {
            return self.inner.swap_all(swaps, views, guards).await;
        };
        if !matches!(fate, Fate::Dropped) {
            self.inner.swap_all(swaps, views, guards).await?;
        }
        if matches!(fate, Fate::LostAndReplaced) {
            let other = ViewSwap {
                view: views[0].view.clone(),
                expected: views[0].new.clone(),
                new: Some("file:///others.json".into()),
            };
            self.inner.swap_all(&[], &[other], &[]).await?;
        }
        Err(Error::unavailable("connection reset"))
    }
}

fn fickle(lake: &Lake, fates: &[Fate]) -> Lake {
    let fickle = Fickle {
        inner: lake.catalog.clone(),
        fates: Mutex::new(fates.to_vec()),
    };
    over(lake, Arc::new(fickle))
}

fn made(lake: &Lake, view: &str, sql: &str) -> View {
    let definition = Definition {
        sql: sql.into(),
        schema: Schema::builder().build().unwrap(),
    };
    View::new(lake, &name(view), &definition).unwrap()
}

fn change(view: &str, expected: Option<&View>, new: Option<&View>) -> ViewChange {
    ViewChange {
        view: name(view),
        expected: expected.map(|view| view.metadata_location().to_owned()),
        new: new.cloned(),
    }
}

async fn views(lake: &Lake) -> Vec<(String, String)> {
    let views = lake.catalog.views().await.unwrap();
    let views = views.into_iter();
    views.map(|(name, at)| (name.to_string(), at)).collect()
}

#[tokio::test]
async fn views_and_tables_change_together_or_not_at_all() {
    let (lake, _) = lake();
    create(&lake, "a.t").await;
    let view = made(&lake, "a.v", "SELECT 1");
    let add = [change("a.v", None, Some(&view))];
    let both = commit(&lake, vec![append("a.t", &["/wh/1"])]);
    lake.commit_with_views(&both, &add).await.unwrap();
    assert_eq!(live(&lake, "a.t").await, ["/wh/1"]);
    let at = view.metadata_location().to_owned();
    assert_eq!(views(&lake).await, [("a.v".to_owned(), at.clone())]);
    assert_eq!(
        View::read(&lake.store, &at).await.unwrap().sql().unwrap(),
        "SELECT 1"
    );

    // Planned on a view that is another by now: nothing of it takes place, and no file stays.
    let other = made(&lake, "a.v", "SELECT 2");
    let stale = [change(
        "a.v",
        Some(&other),
        Some(&made(&lake, "a.v", "SELECT 3")),
    )];
    let both = commit(&lake, vec![append("a.t", &["/wh/2"])]);
    let error = lake.commit_with_views(&both, &stale).await.unwrap_err();
    assert!(matches!(error, CommitError::Stale { .. }), "{error}");
    assert_eq!(live(&lake, "a.t").await, ["/wh/1"]);

    // Replaced, renamed, dropped: one file is left of it, then none.
    let next = made(&lake, "a.w", "SELECT 4");
    let renamed = [
        change("a.v", Some(&view), None),
        change("a.w", None, Some(&next)),
    ];
    let nothing = commit(&lake, Vec::new());
    lake.commit_with_views(&nothing, &renamed).await.unwrap();
    assert!(!lake.store.exists(&at).await.unwrap());
    let gone = [change("a.w", Some(&next), None)];
    let nothing = commit(&lake, Vec::new());
    lake.commit_with_views(&nothing, &gone).await.unwrap();
    assert!(views(&lake).await.is_empty());
    assert!(!lake.store.exists(next.metadata_location()).await.unwrap());
}

#[tokio::test]
async fn an_unknown_outcome_of_a_view_is_looked_up() {
    for fates in [
        &[Fate::Lost][..],
        &[Fate::Dropped],
        &[Fate::Dropped, Fate::Lost],
    ] {
        let (lake, _) = lake();
        let fickle = fickle(&lake, fates);
        let view = made(&lake, "a.v", "SELECT 1");
        let add = [change("a.v", None, Some(&view))];
        let nothing = commit(&lake, Vec::new());
        fickle.commit_with_views(&nothing, &add).await.unwrap();
        let at = view.metadata_location().to_owned();
        assert_eq!(views(&lake).await, [("a.v".to_owned(), at)], "{fates:?}");
    }
    // Whether it took place can't be told any more: nobody is told that it did or did not.
    let (lake, _) = lake();
    let fickle = fickle(&lake, &[Fate::LostAndReplaced]);
    let view = made(&lake, "a.v", "SELECT 1");
    let add = [change("a.v", None, Some(&view))];
    let nothing = commit(&lake, Vec::new());
    let error = fickle.commit_with_views(&nothing, &add).await.unwrap_err();
    assert!(matches!(error, CommitError::Unknown { .. }), "{error}");
}
