//! What only a REST catalog can get wrong, tried on a real one (SeaweedFS's): answers lost after a
//! change, changes refused, tables that others make, and what such a catalog can't do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use frazil::config::{Config, Secret};
use frazil::domain::{OffsetRange, Position, SourcePartition};
use frazil::lake::catalog::rest::{RestCatalog, RestOptions};
use frazil::lake::catalog::{Catalog, Swap};
use frazil::lake::commit::{
    COMMIT_ID_SUMMARY, Commit, CommitError, FileChange, LedgerMove, NewTable, TableChange,
};
use frazil::lake::{ErrorKind, Lake};
use frazil::query::statement::{Statement, parse};
use frazil::seams::{Clock, OsEntropy, SystemClock};
use iceberg::spec::{SortOrder, Transform, UnboundPartitionSpec};

use super::backend::open_with;
use super::catalog_cases::table;
use super::proxy::{Mode, Proxy};
use super::rest::{options, schema, store};
use crate::parts;

/// A lake over a REST catalog of its own, reached through a proxy.
struct World {
    lake: Lake,
    proxy: Proxy,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let rest = parts::rest_catalog();
        let (proxy, through) = Proxy::before(&rest.url).await;
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let url = format!("sqlite://{}/control.db", folder.path().display());
        let database = open_with(&url, Arc::clone(&clock)).await;
        let options = options(&rest, &through);
        let opened = RestCatalog::open(&options, database.catalog(), Arc::clone(&clock)).await;
        let lake = Lake {
            catalog: Arc::new(opened.unwrap()),
            control: database.control(),
            store: store(),
            clock,
            entropy: Arc::new(OsEntropy),
            warehouse: rest.warehouse.clone(),
        };
        Self {
            lake,
            proxy,
            _folder: folder,
        }
    }

    async fn commit(&self, changes: Vec<TableChange>) -> std::result::Result<(), CommitError> {
        let commit = Commit {
            id: self.lake.entropy.uuid(),
            changes,
            guards: Vec::new(),
        };
        self.lake.commit(&commit).await.map(drop)
    }

    async fn create(&self, name: &str) {
        self.commit(vec![creation(name)]).await.unwrap();
    }

    async fn snapshots(&self, name: &str) -> usize {
        let table = self.lake.table(&table(name)).await.unwrap();
        table.metadata().snapshots().len()
    }

    /// Trouble for as long as it takes to be met, then none.
    async fn amid<T>(&self, mode: Mode, work: impl Future<Output = T>) -> T {
        self.proxy.set(mode);
        let mend = async {
            tokio::time::sleep(Duration::from_millis(700)).await;
            self.proxy.set(Mode::Forward);
        };
        tokio::join!(work, mend).0
    }
}

fn creation(name: &str) -> TableChange {
    let day = UnboundPartitionSpec::builder()
        .add_partition_field(3, "day", Transform::Identity)
        .unwrap()
        .build();
    TableChange {
        create: Some(NewTable {
            schema: schema(),
            partition: day,
            sort_order: SortOrder::unsorted_order(),
            properties: BTreeMap::from([("owner".to_owned(), "me".to_owned())]),
        }),
        ..TableChange::new(table(name), FileChange::Nothing)
    }
}

/// An empty snapshot.
fn append(name: &str) -> TableChange {
    TableChange::new(table(name), FileChange::Append(Vec::new()))
}

fn source() -> SourcePartition {
    SourcePartition {
        cluster_id: "c".to_owned(),
        topic_id: "t".to_owned(),
        partition: 0,
    }
}

fn position(next: i64) -> Position {
    Position { next, epoch: 0 }
}

/// A batch of ten offsets from `next`.
fn batch(name: &str, next: i64) -> TableChange {
    TableChange {
        ledger: vec![LedgerMove {
            source: source(),
            topic: "t".to_owned(),
            expected: (next > 0).then(|| position(next)),
            to: position(next + 10),
            read: Some(OffsetRange {
                from: next,
                to: next + 10,
            }),
            lost: None,
        }],
        ..append(name)
    }
}

const TROUBLES: [Mode; 5] = [
    Mode::LoseChanges,
    Mode::RefuseChanges(503),
    Mode::RefuseChanges(500),
    Mode::RefuseChanges(409),
    Mode::Cut,
];

/// I1, I5: rows, dead letters and offsets, each batch once, whatever became of the answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs S3's Iceberg REST catalog: run ./test"]
async fn a_batch_over_two_tables_is_committed_once_whatever_is_lost() {
    let world = World::new().await;
    world
        .commit(vec![creation("shop.events"), creation("shop.dead")])
        .await
        .unwrap();
    let mut next = 0;
    for mode in TROUBLES {
        let changes = vec![batch("shop.events", next), append("shop.dead")];
        let done = world.amid(mode, world.commit(changes)).await;
        done.unwrap_or_else(|error| panic!("{mode:?}: {error}"));
        next += 10;
        let count = usize::try_from(next / 10).unwrap();
        assert_eq!(world.snapshots("shop.events").await, count, "{mode:?}");
        assert_eq!(world.snapshots("shop.dead").await, count, "{mode:?}");
    }
    let events = world.lake.table(&table("shop.events")).await.unwrap();
    assert_eq!(
        events.ledger().unwrap().get(&source()),
        Some(position(next))
    );
    // A zombie's batch is dropped.
    let late = world.commit(vec![batch("shop.events", 0)]).await;
    assert!(matches!(late, Err(CommitError::Fenced { .. })), "{late:?}");
    // Its columns and partitioning are what was asked for, whatever ids the server likes.
    let metadata = events.metadata();
    assert_eq!(metadata.current_schema().as_struct(), schema().as_struct());
    assert_eq!(metadata.default_partition_spec().fields().len(), 1);
    assert_eq!(metadata.properties()["owner"], "me");
}

/// What makes no snapshot is known by its mark in the table.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs S3's Iceberg REST catalog: run ./test"]
async fn properties_and_tables_survive_lost_answers() {
    let world = World::new().await;
    for (n, mode) in TROUBLES.into_iter().enumerate() {
        let name = format!("shop.t{n}");
        let made = world.amid(mode, world.commit(vec![creation(&name)])).await;
        made.unwrap_or_else(|error| panic!("{mode:?}: {error}"));
        let id = world.lake.entropy.uuid();
        let commit = Commit {
            id,
            changes: vec![TableChange {
                set_properties: BTreeMap::from([("n".to_owned(), n.to_string())]),
                ..TableChange::new(table(&name), FileChange::Nothing)
            }],
            guards: Vec::new(),
        };
        let done = world.amid(mode, world.lake.commit(&commit)).await;
        done.unwrap_or_else(|error| panic!("{mode:?}: {error}"));
        let found = world.lake.table(&table(&name)).await.unwrap();
        let properties = found.metadata().properties();
        assert_eq!(properties["n"], n.to_string());
        assert_eq!(properties[COMMIT_ID_SUMMARY], id.to_string());
        assert_eq!(found.metadata().snapshots().len(), 0);
    }
    assert_eq!(world.lake.catalog.list().await.unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs S3's Iceberg REST catalog: run ./test"]
async fn racing_batches_win_once_each() {
    let world = Arc::new(World::new().await);
    world.create("shop.events").await;
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let mut won = 0;
                for next in (0..100).step_by(10) {
                    match world.commit(vec![batch("shop.events", next)]).await {
                        Ok(()) => won += 1,
                        Err(CommitError::Fenced { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                won
            })
        })
        .collect();
    let mut won = 0;
    for writer in writers {
        won += writer.await.unwrap();
    }
    assert_eq!(won, 10, "each batch of one of the writers");
    assert_eq!(world.snapshots("shop.events").await, 10);
}

/// A change that takes a while is refused when the table has moved, and made anew on what is there;
/// one that names what it was planned on is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs S3's Iceberg REST catalog: run ./test"]
async fn what_was_planned_on_an_older_snapshot_is_stale() {
    let world = World::new().await;
    world.create("shop.events").await;
    world.commit(vec![append("shop.events")]).await.unwrap();
    let planned = TableChange {
        expected_snapshot: Some(None),
        ..append("shop.events")
    };
    let late = world.commit(vec![planned]).await;
    assert!(matches!(late, Err(CommitError::Stale { .. })), "{late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs S3's Iceberg REST catalog: run ./test"]
async fn a_wrong_credential_is_said_at_once() {
    let rest = parts::rest_catalog();
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let url = format!("sqlite://{}/control.db", folder.path().display());
    let database = open_with(&url, Arc::clone(&clock)).await;
    let options = RestOptions {
        credential: Some(Secret::new("testkey:s3cret")),
        ..options(&rest, &rest.url)
    };
    let error = RestCatalog::open(&options, database.catalog(), clock)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(!error.to_string().contains("s3cret"), "{error}");
}

/// Through SQL, from a configuration. Planning without optimisation takes a deep stack.
#[test]
#[ignore = "needs S3's Iceberg REST catalog: run ./test"]
fn sql_writes_and_reads_over_a_rest_catalog() {
    const STACK: usize = 32 << 20;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(STACK)
        .enable_all()
        .build()
        .unwrap();
    let run = move || runtime.block_on(write_and_read());
    let deep = std::thread::Builder::new().stack_size(STACK).spawn(run);
    deep.unwrap().join().unwrap();
}

async fn write_and_read() {
    let rest = parts::rest_catalog();
    let folder = tempfile::tempdir().unwrap();
    let s3 = parts::s3();
    let text = format!(
        "version = 1\n[lake]\nwarehouse = \"{}\"\ncatalog = \"rest+{}\"\n\
         control = \"sqlite:control.db\"\n\
         [lake.rest]\nwarehouse = \"{}\"\ncredential = \"{}\"\n\
         [lake.s3]\nendpoint = \"{}\"\npath_style = true\naccess_key_id = \"{}\"\n\
         secret_access_key = \"{}\"\n",
        rest.warehouse,
        rest.url,
        rest.warehouse,
        rest.credential,
        s3.endpoint,
        s3.access_key,
        s3.secret_key
    );
    std::fs::write(folder.path().join("control.db"), "").unwrap();
    let config = Config::parse(&folder.path().join("frazil.toml"), text, []).unwrap();
    let lakehouse = frazil::Lakehouse::open_config(config).await.unwrap();
    let session = lakehouse.session().unwrap();
    // All statements of a text are one transaction.
    let run = async |text: &str| {
        for statement in parse(text).map_err(|error| error.to_string())? {
            let Statement::Sql(sql) = statement else {
                panic!("no model");
            };
            if let Err(error) = session.write(&sql, &[], text).await {
                session.discard_writes().await;
                return Err(error.to_string());
            }
        }
        let done = session.commit_writes().await;
        done.map_err(|error| format!("{error} {}", error.detail.clone().unwrap_or_default()))
    };
    let ask = async |sql: &str| {
        let rows = lakehouse
            .sql(sql)
            .await
            .map_err(|error| error.to_string())?;
        let text = arrow::util::display::array_value_to_string(rows[0].column(0), 0);
        Ok::<_, String>(text.unwrap())
    };
    let ran = async |text: &str| {
        run(text)
            .await
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    };
    let told = async |sql: &str| ask(sql).await.unwrap();
    ran("CREATE SCHEMA shop").await;
    ran("CREATE TABLE shop.a AS SELECT 1 AS n, 'x' AS t").await;
    ran("INSERT INTO shop.a VALUES (2, 'y'), (3, 'z')").await;
    ran("UPDATE shop.a SET t = 'w' WHERE n = 2").await;
    ran("DELETE FROM shop.a WHERE n = 3").await;
    assert_eq!(told("SELECT sum(n) FROM shop.a").await, "3");
    ran("ALTER TABLE shop.a ADD COLUMN more bigint").await;
    ran("INSERT INTO shop.a VALUES (4, 'v', 5)").await;
    assert_eq!(told("SELECT sum(more) FROM shop.a").await, "5");
    ran("ALTER TABLE shop.a RENAME TO b").await;
    assert!(ask("SELECT n FROM shop.a").await.is_err());
    assert_eq!(told("SELECT count(*) FROM shop.b").await, "3");
    ran("CREATE TABLE shop.c (n bigint)").await;
    assert!(run("CREATE TABLE shop.c (n bigint)").await.is_err());
    // Two tables, one commit; and a table that is made in it.
    ran("INSERT INTO shop.b (n) VALUES (7); INSERT INTO shop.c VALUES (8)").await;
    ran("CREATE TABLE shop.d AS SELECT 9 AS n; INSERT INTO shop.c VALUES (10)").await;
    let all = "SELECT (SELECT sum(n) FROM shop.b) + (SELECT sum(n) FROM shop.c) + \
               (SELECT sum(n) FROM shop.d)";
    assert_eq!(told(all).await, "41");
    for refused in [
        "DROP TABLE shop.b; DROP TABLE shop.c",
        "ALTER TABLE shop.b RENAME TO e; INSERT INTO shop.c VALUES (1)",
    ] {
        let error = run(refused).await.unwrap_err();
        assert!(
            error.contains("a transaction of its own"),
            "{refused}: {error}"
        );
        assert_eq!(told(all).await, "41", "nothing of {refused}");
    }
    ran("DROP TABLE shop.b").await;
    assert!(ask("SELECT n FROM shop.b").await.is_err());
    assert_eq!(told("SELECT count(*) FROM shop.c").await, "2");
}

/// A server that says what it can do, and has no transactions: told at once, nothing made up for.
#[tokio::test]
async fn a_server_without_transactions_moves_one_table_at_a_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let config = r#"{"defaults": {"prefix": "a/b"}, "overrides": {},
        "endpoints": ["GET /v1/{prefix}/namespaces/{namespace}/tables/{table}"]}"#;
    let answer = move || async move { ([("content-type", "application/json")], config) };
    let routes = axum::Router::new().route("/v1/config", axum::routing::get(answer));
    let server = tokio::spawn(async move { axum::serve(listener, routes).await });
    let options = RestOptions {
        url,
        token: Some(Secret::new("t")),
        ..RestOptions::default()
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let own = frazil::lake::database::MemoryDatabase::new(Arc::clone(&clock)).catalog();
    let catalog = RestCatalog::open(&options, own, clock).await.unwrap();
    assert!(!catalog.moves_together());
    let both = ["shop.a", "shop.b"].map(|name| Swap {
        table: table(name),
        expected: Some("x".to_owned()),
        new: Some("y".to_owned()),
        edit: None,
    });
    let error = catalog.swap(&both, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.to_string().contains("transactions/commit"), "{error}");
    // It answers 404 to whatever it does not know, in no words of a catalog's.
    let lost = catalog.load(&table("shop.a")).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Unavailable, "{lost}");
    server.abort();
}
