//! What every catalog promises.

use std::sync::Arc;
use std::time::Duration;

use frazil::domain::TableName;
use frazil::lake::ErrorKind;
use frazil::lake::catalog::{Catalog, Guard, Pointer, Relation, Swap, SwapOutcome, ViewSwap};
use frazil::lake::control::Lease;

use super::backend::Backend;

pub fn table(name: &str) -> TableName {
    name.parse().unwrap()
}

pub fn swap(name: &str, expected: Option<&str>, new: Option<&str>) -> Swap {
    Swap {
        table: table(name),
        expected: expected.map(str::to_owned),
        new: new.map(str::to_owned),
        edit: None,
    }
}

pub async fn location(catalog: &dyn Catalog, name: &str) -> Option<String> {
    let pointer = catalog.load(&table(name)).await.unwrap();
    pointer.map(|pointer| pointer.metadata_location)
}

async fn make(catalog: &dyn Catalog, name: &str, location: &str) {
    let made = catalog
        .swap(&[swap(name, None, Some(location))], &[])
        .await
        .unwrap();
    assert_eq!(made, SwapOutcome::Swapped);
}

pub async fn a_table_is_made_moved_and_dropped(backend: Backend) {
    let catalog = &*backend.catalog;
    assert_eq!(location(catalog, "shop.events").await, None);
    make(catalog, "shop.events", "file:///a").await;
    assert_eq!(
        location(catalog, "shop.events").await.as_deref(),
        Some("file:///a")
    );
    let moved = [swap("shop.events", Some("file:///a"), Some("file:///b"))];
    assert_eq!(
        catalog.swap(&moved, &[]).await.unwrap(),
        SwapOutcome::Swapped
    );
    assert_eq!(
        location(catalog, "shop.events").await.as_deref(),
        Some("file:///b")
    );
    let dropped = [swap("shop.events", Some("file:///b"), None)];
    assert_eq!(
        catalog.swap(&dropped, &[]).await.unwrap(),
        SwapOutcome::Swapped
    );
    assert_eq!(location(catalog, "shop.events").await, None);
    make(catalog, "shop.events", "file:///c").await;
}

pub async fn a_swap_from_elsewhere_moves_nothing(backend: Backend) {
    let catalog = &*backend.catalog;
    make(catalog, "shop.events", "b").await;
    let moved = SwapOutcome::Moved(table("shop.events"));
    for stale in [
        swap("shop.events", Some("a"), Some("c")),
        swap("shop.events", Some("a"), None),
        swap("shop.events", None, Some("c")),
    ] {
        assert_eq!(catalog.swap(&[stale], &[]).await.unwrap(), moved);
    }
    assert_eq!(location(catalog, "shop.events").await.as_deref(), Some("b"));
    let missing = swap("shop.other", Some("a"), Some("b"));
    assert_eq!(
        catalog.swap(&[missing], &[]).await.unwrap(),
        SwapOutcome::Moved(table("shop.other"))
    );
    assert_eq!(location(catalog, "shop.other").await, None);
}

pub async fn a_table_is_made_once(backend: Backend) {
    let catalog = &*backend.catalog;
    make(catalog, "shop.events", "a").await;
    let again = [swap("shop.events", None, Some("b"))];
    assert_eq!(
        catalog.swap(&again, &[]).await.unwrap(),
        SwapOutcome::Moved(table("shop.events"))
    );
    assert_eq!(location(catalog, "shop.events").await.as_deref(), Some("a"));
}

pub async fn several_tables_move_together_or_not_at_all(backend: Backend) {
    let catalog = &*backend.catalog;
    for name in ["shop.a", "shop.b", "shop.c"] {
        make(catalog, name, "1").await;
    }
    let one_is_stale = [
        swap("shop.c", Some("1"), Some("2")),
        swap("shop.a", Some("1"), Some("2")),
        swap("shop.b", Some("0"), Some("2")),
        swap("shop.new", None, Some("2")),
    ];
    // A REST catalog's server doesn't say which.
    let outcome = catalog.swap(&one_is_stale, &[]).await.unwrap();
    if !catalog.writes_metadata() {
        assert_eq!(outcome, SwapOutcome::Moved(table("shop.b")));
    }
    assert!(matches!(outcome, SwapOutcome::Moved(_)), "{outcome:?}");
    for name in ["shop.a", "shop.b", "shop.c"] {
        assert_eq!(
            location(catalog, name).await.as_deref(),
            Some("1"),
            "{name}"
        );
    }
    assert_eq!(location(catalog, "shop.new").await, None);
    let fresh = ["shop.c", "shop.a", "shop.b"].map(|name| swap(name, Some("1"), Some("2")));
    assert_eq!(
        catalog.swap(&fresh, &[]).await.unwrap(),
        SwapOutcome::Swapped
    );
    for name in ["shop.a", "shop.b", "shop.c"] {
        let now = location(catalog, name).await;
        assert_eq!(now.as_deref(), Some("2"), "{name}");
    }
}

pub async fn a_drop_goes_together_with_moves(backend: Backend) {
    let catalog = &*backend.catalog;
    for name in ["shop.a", "shop.b", "shop.c"] {
        make(catalog, name, "1").await;
    }
    let swaps = [
        swap("shop.c", Some("1"), Some("2")),
        swap("shop.a", Some("1"), Some("2")),
        swap("shop.b", Some("1"), None),
    ];
    assert_eq!(
        catalog.swap(&swaps, &[]).await.unwrap(),
        SwapOutcome::Swapped
    );
    assert_eq!(location(catalog, "shop.a").await.as_deref(), Some("2"));
    assert_eq!(location(catalog, "shop.b").await, None);
    assert_eq!(location(catalog, "shop.c").await.as_deref(), Some("2"));
}

pub async fn making_and_moving_in_one_swap(backend: Backend) {
    let catalog = &*backend.catalog;
    make(catalog, "shop.events", "1").await;
    let swaps = [
        swap("shop.events", Some("1"), Some("2")),
        swap("shop.dead_letters", None, Some("1")),
    ];
    assert_eq!(
        catalog.swap(&swaps, &[]).await.unwrap(),
        SwapOutcome::Swapped
    );
    assert_eq!(location(catalog, "shop.events").await.as_deref(), Some("2"));
    assert_eq!(
        location(catalog, "shop.dead_letters").await.as_deref(),
        Some("1")
    );
}

pub async fn tables_are_listed_by_name(backend: Backend) {
    let catalog = &*backend.catalog;
    assert_eq!(catalog.list().await.unwrap(), []);
    // SeaweedFS takes lower case only, and no name that begins with a line.
    let names = if catalog.writes_metadata() {
        ["shop.b", "curated.x_1", "shop.a", "curated.b", "curated.a"]
    } else {
        ["shop.b", "curated._x", "shop.a", "curated.B", "curated.a"]
    };
    for name in names {
        make(catalog, name, "1").await;
    }
    let mut expected = names.map(table);
    expected.sort();
    assert_eq!(catalog.list().await.unwrap(), expected);
}

pub async fn namespaces_are_the_declared_and_the_used(backend: Backend) {
    let catalog = &*backend.catalog;
    assert!(catalog.namespaces().await.unwrap().is_empty());
    make(catalog, "shop.events", "1").await;
    catalog.create_namespace("curated").await.unwrap();
    catalog.create_namespace("curated").await.unwrap();
    catalog.create_namespace("shop").await.unwrap();
    assert_eq!(catalog.namespaces().await.unwrap(), ["curated", "shop"]);
    for bad in ["", "a.b", "1a", "a b", "a/.."] {
        let error = catalog.create_namespace(bad).await.expect_err(bad);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{bad}");
    }
}

pub async fn what_makes_no_sense_is_refused(backend: Backend) {
    let catalog = &*backend.catalog;
    make(catalog, "shop.a", "1").await;
    let twice = [
        swap("shop.a", Some("1"), Some("2")),
        swap("shop.a", Some("2"), Some("3")),
    ];
    let error = catalog.swap(&twice, &[]).await.expect_err("twice");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let nothing = [
        swap("shop.a", Some("1"), Some("2")),
        swap("shop.b", None, None),
    ];
    let error = catalog.swap(&nothing, &[]).await.expect_err("nothing");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(location(catalog, "shop.a").await.as_deref(), Some("1"));
}

const LONG_MS: i64 = 600_000;

async fn hold(backend: &Backend, holder: &str, ttl_ms: i64) -> Lease {
    backend
        .control
        .acquire("model/a", holder, ttl_ms)
        .await
        .unwrap()
        .expect("the lease is free")
}

/// Takes the lease from whoever has it after `ttl_ms`.
async fn displace(backend: &Backend, holder: &str) -> Lease {
    backend.pass(Duration::from_millis(50)).await;
    hold(backend, holder, LONG_MS).await
}

pub async fn a_held_lease_lets_the_swap_through(backend: Backend) {
    let lease = hold(&backend, "me", LONG_MS).await;
    let swaps = [swap("shop.a", None, Some("1"))];
    let outcome = backend.catalog.swap(&swaps, &[Guard::Lease(lease)]).await;
    assert_eq!(outcome.unwrap(), SwapOutcome::Swapped);
    assert_eq!(
        location(&*backend.catalog, "shop.a").await.as_deref(),
        Some("1")
    );
}

pub async fn a_displaced_holder_moves_nothing(backend: Backend) {
    let catalog = &*backend.catalog;
    make(catalog, "shop.a", "1").await;
    let lost = Guard::Lease(hold(&backend, "me", 1).await);
    let held = Guard::Lease(displace(&backend, "you").await);
    let swaps = [swap("shop.a", Some("1"), Some("2"))];
    // A guard that holds beside it makes no difference.
    let guards = [held.clone(), lost.clone()];
    assert_eq!(
        catalog.swap(&swaps, &guards).await.unwrap(),
        SwapOutcome::GuardFailed(lost)
    );
    assert_eq!(location(catalog, "shop.a").await.as_deref(), Some("1"));
    assert_eq!(
        catalog.swap(&swaps, &[held]).await.unwrap(),
        SwapOutcome::Swapped
    );
    let unknown = Guard::Lease(Lease {
        name: "never/granted".to_owned(),
        holder: "me".to_owned(),
        generation: 1,
        expires_at_ms: i64::MAX,
    });
    let swaps = [swap("shop.a", Some("2"), Some("3"))];
    assert_eq!(
        catalog
            .swap(&swaps, std::slice::from_ref(&unknown))
            .await
            .unwrap(),
        SwapOutcome::GuardFailed(unknown)
    );
}

pub async fn a_lapsed_lease_that_nobody_took_still_holds(backend: Backend) {
    let lease = hold(&backend, "me", 1).await;
    backend.pass(Duration::from_millis(50)).await;
    let swaps = [swap("shop.a", None, Some("1"))];
    let outcome = backend.catalog.swap(&swaps, &[Guard::Lease(lease)]).await;
    assert_eq!(outcome.unwrap(), SwapOutcome::Swapped);
}

pub async fn a_released_lease_does_not_hold(backend: Backend) {
    let lease = hold(&backend, "me", LONG_MS).await;
    backend.control.release(&lease).await.unwrap();
    let guard = Guard::Lease(lease);
    let swaps = [swap("shop.a", None, Some("1"))];
    let outcome = backend
        .catalog
        .swap(&swaps, std::slice::from_ref(&guard))
        .await;
    assert_eq!(outcome.unwrap(), SwapOutcome::GuardFailed(guard));
    assert_eq!(location(&*backend.catalog, "shop.a").await, None);
}

pub async fn guards_alone_can_be_asked(backend: Backend) {
    let lease = hold(&backend, "me", 1).await;
    let guard = Guard::Lease(lease);
    let ask = async || {
        let guards = std::slice::from_ref(&guard);
        backend.catalog.swap(&[], guards).await.unwrap()
    };
    assert_eq!(ask().await, SwapOutcome::Swapped);
    displace(&backend, "you").await;
    assert_eq!(ask().await, SwapOutcome::GuardFailed(guard.clone()));
}

/// Each writer reads the pointer and moves it, until it has won so often.
async fn win(catalog: Arc<dyn Catalog>, writer: usize, wins: usize) -> Vec<(String, String)> {
    let mut won = Vec::new();
    let mut tries = 0;
    while won.len() < wins {
        tries += 1;
        assert!(tries < 10_000, "writer {writer} starves");
        let base = location(&*catalog, "shop.a").await.unwrap();
        let new = format!("{writer}-{tries}");
        let swaps = [swap("shop.a", Some(&base), Some(&new))];
        match catalog.swap(&swaps, &[]).await.unwrap() {
            SwapOutcome::Swapped => won.push((base, new)),
            SwapOutcome::Moved(_) => tokio::task::yield_now().await,
            SwapOutcome::GuardFailed(_) => unreachable!("there is no guard"),
        }
    }
    won
}

/// Who asks for several tables at once sees each swap whole.
pub async fn several_tables_are_seen_together(backend: Backend) {
    let catalog = &*backend.catalog;
    make(catalog, "shop.a", "0").await;
    make(catalog, "shop.b", "0").await;
    let writer = {
        let catalog = Arc::clone(&backend.catalog);
        tokio::spawn(async move {
            for n in 0..60 {
                let (from, to) = (n.to_string(), (n + 1).to_string());
                let both = ["shop.a", "shop.b"].map(|name| swap(name, Some(&from), Some(&to)));
                let moved = catalog.swap(&both, &[]).await.unwrap();
                assert_eq!(moved, SwapOutcome::Swapped);
            }
        })
    };
    let asked = ["shop.b", "shop.none", "other.a", "shop.a"].map(table);
    let (mut last, mut seen) = (0, std::collections::BTreeSet::new());
    while last < 60 {
        let pointers = catalog.load_all(&asked).await.unwrap();
        let [b, none, other, a] = pointers.try_into().expect("as many as asked for");
        assert_eq!((none, other), (None, None));
        assert_eq!(a, b, "half of a swap");
        let now = a.expect("a table").metadata_location.parse().unwrap();
        assert!(now >= last, "{last}, then {now}");
        last = now;
        seen.insert(now);
    }
    writer.await.unwrap();
    assert!(seen.len() > 1, "looked while it moved");
    assert_eq!(catalog.load_all(&[]).await.unwrap(), []);
}

pub async fn eight_racing_writers_have_one_winner_each_time(backend: Backend) {
    make(&*backend.catalog, "shop.a", "start").await;
    let writers: Vec<_> = (0..8)
        .map(|writer| tokio::spawn(win(Arc::clone(&backend.catalog), writer, 5)))
        .collect();
    let mut moves = std::collections::BTreeMap::new();
    for writer in writers {
        for (base, new) in writer.await.unwrap() {
            let other = moves.insert(base.clone(), new);
            assert_eq!(other, None, "two swaps from {base} won");
        }
    }
    // All wins form one chain from the start to where the pointer stands.
    let mut at = "start".to_owned();
    for _ in 0..40 {
        at = moves.remove(&at).expect("the chain is unbroken");
    }
    assert_eq!(location(&*backend.catalog, "shop.a").await, Some(at));
}

pub async fn eight_racing_makers_have_one_winner(backend: Backend) {
    for round in 0..5 {
        let name = format!("shop.t{round}");
        let makers: Vec<_> = (0..8)
            .map(|maker| {
                let catalog = Arc::clone(&backend.catalog);
                let swaps = [swap(&name, None, Some(&format!("m{maker}")))];
                tokio::spawn(async move { catalog.swap(&swaps, &[]).await.unwrap() })
            })
            .collect();
        let mut winners = Vec::new();
        for (maker, task) in makers.into_iter().enumerate() {
            if task.await.unwrap() == SwapOutcome::Swapped {
                winners.push(format!("m{maker}"));
            }
        }
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(
            location(&*backend.catalog, &name).await.as_ref(),
            winners.first()
        );
    }
}

pub async fn racing_swaps_of_two_tables_never_tear_nor_wait_for_each_other(backend: Backend) {
    make(&*backend.catalog, "shop.a", "start").await;
    make(&*backend.catalog, "shop.b", "start").await;
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let catalog = Arc::clone(&backend.catalog);
            tokio::spawn(async move {
                for round in 0..10 {
                    let base = location(&*catalog, "shop.a").await.unwrap();
                    let new = format!("{writer}-{round}");
                    let mut swaps = [
                        swap("shop.a", Some(&base), Some(&new)),
                        swap("shop.b", Some(&base), Some(&new)),
                    ];
                    if writer % 2 == 0 {
                        swaps.reverse();
                    }
                    // Errors would be deadlocks: both orders are taken.
                    catalog.swap(&swaps, &[]).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let a = location(&*backend.catalog, "shop.a").await;
    assert_ne!(a.as_deref(), Some("start"), "nobody ever won");
    assert_eq!(a, location(&*backend.catalog, "shop.b").await);
}

/// I8, with both in flight: the successor's first look at the table is final for the predecessor.
pub async fn no_swap_of_a_displaced_holder_ends_after_its_successor_began(backend: Backend) {
    for round in 0..10 {
        let name = format!("shop.t{round}");
        make(&*backend.catalog, &name, "start").await;
        let old = hold(&backend, &format!("old{round}"), 1).await;
        backend.pass(Duration::from_millis(50)).await;
        let publish = {
            let catalog = Arc::clone(&backend.catalog);
            let swaps = [swap(&name, Some("start"), Some("old"))];
            tokio::spawn(async move { catalog.swap(&swaps, &[Guard::Lease(old)]).await.unwrap() })
        };
        let new = hold(&backend, &format!("new{round}"), LONG_MS).await;
        let seen = location(&*backend.catalog, &name).await;
        let outcome = publish.await.unwrap();
        let after = location(&*backend.catalog, &name).await;
        assert_eq!(seen, after, "{outcome:?} took place under the successor");
        backend.control.release(&new).await.unwrap();
    }
}

fn view(name: &str, expected: Option<&str>, new: Option<&str>) -> ViewSwap {
    ViewSwap {
        view: table(name),
        expected: expected.map(str::to_owned),
        new: new.map(str::to_owned),
    }
}

pub async fn views_move_with_tables_and_share_their_names(backend: Backend) {
    let catalog = &*backend.catalog;
    assert!(catalog.keeps_views());
    let swapped = SwapOutcome::Swapped;
    let made = [view("shop.v", None, Some("v1"))];
    let table_made = [swap("shop.t", None, Some("t1"))];
    let done = catalog.swap_all(&table_made, &made, &[]).await.unwrap();
    assert_eq!(done, swapped);
    let names = [table("shop.t"), table("shop.v"), table("shop.none")];
    let seen = catalog.load_relations(&names).await.unwrap();
    let as_table = Relation::Table(Pointer::at("t1"));
    let as_view = Relation::View("v1".into());
    assert_eq!(seen, [Some(as_table), Some(as_view), None]);
    // A view is no table.
    assert_eq!(location(catalog, "shop.v").await, None);
    assert_eq!(catalog.list().await.unwrap(), [table("shop.t")]);
    let views = catalog.views().await.unwrap();
    assert_eq!(views, [(table("shop.v"), "v1".to_owned())]);
    assert_eq!(catalog.namespaces().await.unwrap(), ["shop"]);

    // From elsewhere nothing moves, not the table beside it either.
    let stale = [view("shop.v", Some("v0"), Some("v2"))];
    let beside = [swap("shop.t", Some("t1"), Some("t2"))];
    let done = catalog.swap_all(&beside, &stale, &[]).await.unwrap();
    assert_eq!(done, SwapOutcome::Moved(table("shop.v")));
    assert_eq!(location(catalog, "shop.t").await.as_deref(), Some("t1"));
    // A table's name is taken for a view, and a view's for a table.
    let over = [view("shop.t", None, Some("v2"))];
    let done = catalog.swap_all(&[], &over, &[]).await.unwrap();
    assert_eq!(done, SwapOutcome::Moved(table("shop.t")));
    let over = [swap("shop.v", None, Some("t2"))];
    let done = catalog.swap(&over, &[]).await;
    assert!(!matches!(done, Ok(SwapOutcome::Swapped)), "{done:?}");

    // The two change their places.
    let tables = [
        swap("shop.t", Some("t1"), None),
        swap("shop.v", None, Some("t1")),
    ];
    let views = [
        view("shop.v", Some("v1"), None),
        view("shop.t", None, Some("v1")),
    ];
    let done = catalog.swap_all(&tables, &views, &[]).await.unwrap();
    assert_eq!(done, swapped);
    assert_eq!(location(catalog, "shop.v").await.as_deref(), Some("t1"));
    let views = catalog.views().await.unwrap();
    assert_eq!(views, [(table("shop.t"), "v1".to_owned())]);

    assert!(!catalog.drop_namespace("shop").await.unwrap());
    let tables = [swap("shop.v", Some("t1"), None)];
    let views = [view("shop.t", Some("v1"), None)];
    let done = catalog.swap_all(&tables, &views, &[]).await.unwrap();
    assert_eq!(done, swapped);
    catalog.create_namespace("shop").await.unwrap();
    assert!(catalog.drop_namespace("shop").await.unwrap());
    assert!(catalog.namespaces().await.unwrap().is_empty());
    assert!(catalog.drop_namespace("shop").await.unwrap());
}
