//! Statements about models over the wire, on a Postgres catalog: what one process makes, another
//! sees; what another runs can't be dropped under it.

use std::sync::Arc;

use frazil::jobs::Jobs;
use frazil::lake::Lake;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::shop::{Shop, engine, options};
use crate::wire::fixture::{READER, WRITER, Wire, code, wire_over};

const EVENT: &str = r#"{"event_id":"1","type":"page_view","timestamp":"2026-01-05T12:00:00Z","user_id":"anna","properties":{}}"#;

/// A process that serves the wire, with connections of its own to the catalog.
struct Served {
    wire: Wire,
    lake: Lake,
    _jobs: Arc<Jobs>,
}

async fn serve(shop: &Shop, holder: &str) -> Served {
    let lake = shop.lake().await;
    let engine = engine(lake.clone());
    let jobs = Jobs::new(Arc::clone(&engine), Vec::new(), options(holder));
    Served {
        wire: wire_over(engine, |_| {}).await,
        lake,
        _jobs: jobs,
    }
}

/// The rows of a statement, their columns apart by a space.
async fn rows(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| {
        panic!("{sql}: {error:?}");
    });
    messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                let cells = (0..row.len()).map(|at| row.get(at).unwrap_or("-"));
                Some(cells.collect::<Vec<_>>().join(" "))
            }
            _ => None,
        })
        .collect()
}

async fn refused(client: &Client, sql: &str) -> String {
    code(&client.simple_query(sql).await.expect_err(sql))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: run ./test"]
async fn a_model_lives_from_create_to_drop_over_two_processes() {
    let shop = Shop::on_postgres().await;
    shop.sink(&[EVENT]).await;
    let (one, two) = (serve(&shop, "one").await, serve(&shop, "two").await);
    let (first, second) = (
        one.wire.client_of(WRITER).await,
        two.wire.client_of(WRITER).await,
    );
    let reader = two.wire.client_of(READER).await;

    let create = "CREATE MATERIALIZED VIEW curated.n AS SELECT count(*) AS n FROM shop.events";
    assert_eq!(refused(&reader, create).await, "42501");
    rows(&first, create).await;
    assert_eq!(refused(&second, create).await, "42710");
    assert_eq!(rows(&second, "SELECT n FROM curated.n").await, ["1"]);

    shop.sink(&[EVENT]).await;
    assert_eq!(rows(&first, "SELECT n FROM curated.n").await, ["1"]);
    let refresh = "REFRESH MATERIALIZED VIEW curated.n";
    assert_eq!(refused(&reader, refresh).await, "42501");
    rows(&second, refresh).await;
    assert_eq!(rows(&first, "SELECT n FROM curated.n").await, ["2"]);

    let models = "SELECT name, schedule, kind, origin FROM system.models";
    assert_eq!(rows(&second, models).await, ["curated.n - full psql"]);
    let alter = "ALTER MATERIALIZED VIEW curated.n SET (schedule = 'every 1h')";
    assert_eq!(refused(&reader, alter).await, "42501");
    rows(&second, alter).await;
    assert_eq!(
        rows(&first, models).await,
        ["curated.n every 3600000ms full psql"]
    );
    let stored = one.lake.control.models().await.unwrap();
    assert_eq!(stored[0].owner, WRITER.0);

    // While a run has the lease, wherever that is, the model stays.
    let held = two.lake.control.acquire("model/curated.n", "a run", 60_000);
    let held = held.await.unwrap().expect("nobody runs it");
    let drop = "DROP MATERIALIZED VIEW curated.n";
    assert_eq!(refused(&reader, drop).await, "42501");
    assert_eq!(refused(&first, drop).await, "55000");
    assert_eq!(rows(&second, "SELECT n FROM curated.n").await, ["2"]);
    two.lake.control.release(&held).await.unwrap();
    rows(&first, drop).await;
    assert_eq!(refused(&second, "SELECT n FROM curated.n").await, "42P01");
    assert_eq!(refused(&second, drop).await, "42P01");
    rows(&second, "DROP MATERIALIZED VIEW IF EXISTS curated.n").await;
    assert!(one.lake.control.models().await.unwrap().is_empty());
    let table = one.lake.find(&"curated.n".parse().unwrap()).await;
    assert!(table.unwrap().is_none());
}
