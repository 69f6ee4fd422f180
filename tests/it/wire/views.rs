//! Views: the same for all processes on a catalog, in transactions and after a restart; and
//! nothing goes that one stands on.

use frazil::Lakehouse;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::fixture::{READER, WRITER, code, wire, wire_over};

/// Rows as `a|b`, NULL as nothing.
async fn rows(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await;
    let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let cells: Vec<_> = (0..row.len()).map(|at| row.get(at).unwrap_or("")).collect();
            Some(cells.join("|"))
        }
        _ => None,
    });
    rows.collect()
}

async fn run(client: &Client, sql: &str) {
    rows(client, sql).await;
}

async fn fails(client: &Client, sql: &str, state: &str) -> tokio_postgres::Error {
    match client.simple_query(sql).await {
        Ok(_) => panic!("{sql}: must fail with {state}"),
        Err(error) => {
            assert_eq!(code(&error), state, "{sql}: {error:?}");
            error
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_are_there_for_other_processes_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    // An empty file is an empty SQLite database.
    std::fs::write(folder.path().join("catalog.db"), "").unwrap();
    let place = folder.path().to_str().unwrap().to_owned();
    let first = Lakehouse::open(&place).await.unwrap();
    let second = Lakehouse::open(&place).await.unwrap();
    let one = wire_over(first.engine().clone(), |_| {}).await;
    let two = wire_over(second.engine().clone(), |_| {}).await;
    let (a, b) = (one.client_of(WRITER).await, two.client_of(WRITER).await);
    run(&a, "create schema s; create table s.t (a int, b text)").await;
    run(&a, "insert into s.t values (1, 'x'), (2, 'y')").await;
    run(
        &a,
        "set search_path to s; create view v as select *, a * 10 as ten from t",
    )
    .await;
    run(&a, "comment on view v is 'with tens'").await;
    // The other process has no such search path: the view means what it meant when it was made.
    run(&b, "set search_path to public").await;
    assert_eq!(
        rows(&b, "select * from s.v order by a").await,
        ["1|x|10", "2|y|20"]
    );
    run(
        &b,
        "insert into s.t values (3, 'z'); alter table s.t add column c int",
    )
    .await;
    assert_eq!(rows(&a, "select count(*) from v").await, ["3"]);
    assert_eq!(rows(&a, "select * from v where a = 3").await, ["3|z|30"]);
    fails(&b, "drop table s.t", "2BP01").await;
    run(
        &b,
        "create or replace view s.v as select a, b, a * 10 as ten, c from s.t",
    )
    .await;
    assert_eq!(rows(&a, "select * from v where a = 3").await, ["3|z|30|"]);

    // One of two who replace it at once has to try again.
    run(
        &a,
        "begin; create or replace view v as select a, b, a * 10 as ten, c, 1 as one from t",
    )
    .await;
    run(
        &b,
        "create or replace view s.v as select a, b, a * 10 as ten, c, 2 as two from s.t",
    )
    .await;
    fails(&a, "commit", "40001").await;
    assert_eq!(rows(&a, "select two from v where a = 1").await, ["2"]);

    drop((a, b, one, two, first, second));
    let third = Lakehouse::open(&place).await.unwrap();
    let three = wire_over(third.engine().clone(), |_| {}).await;
    let c = three.client_of(READER).await;
    assert_eq!(
        rows(&c, "select ten from s.v order by 1").await,
        ["10", "20", "30"]
    );
    let shown = "select viewname, definition from pg_views where schemaname = 's'";
    let shown = rows(&c, shown).await;
    assert!(shown[0].starts_with("v| SELECT a, b"), "{shown:?}");
    assert!(shown[0].contains("FROM s.t"), "{shown:?}");
    assert_eq!(
        rows(&c, "select obj_description('s.v'::regclass)").await,
        ["with tens"]
    );
    // Rights are those of tables.
    fails(&c, "create view s.w as select 1", "42501").await;
    fails(&c, "create or replace view s.v as select 1", "42501").await;
    fails(&c, "drop view s.v", "42501").await;
    fails(&c, "comment on view s.v is 'mine'", "42501").await;
    fails(&c, "drop schema s cascade", "42501").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_on_a_table_follows_it_and_goes_only_with_it() {
    let wire = wire().await;
    let a = wire.client_of(WRITER).await;
    run(
        &a,
        "create table t (a int, b text, c int); insert into t values (1, 'x', 5)",
    )
    .await;
    run(
        &a,
        "create view v as select a, t.b from t where public.t.a > 0",
    )
    .await;
    run(&a, "create view w as select x.a from v as x").await;
    let error = fails(&a, "drop table t", "2BP01").await;
    let error = error.as_db_error().unwrap();
    assert_eq!(
        error.message(),
        "cannot drop table t because other objects depend on it"
    );
    assert_eq!(
        error.detail(),
        Some("view v depends on table t\nview w depends on view v")
    );
    assert_eq!(
        error.hint(),
        Some("Use DROP ... CASCADE to drop the dependent objects too.")
    );
    fails(&a, "drop view v", "2BP01").await;
    // As dbt does it: a new table takes the name, the old one goes with what stands on it.
    run(&a, "alter table t rename to t_old").await;
    assert_eq!(rows(&a, "select * from v").await, ["1|x"]);
    assert_eq!(rows(&a, "select * from w").await, ["1"]);
    run(&a, "alter view v rename to v_old").await;
    assert_eq!(rows(&a, "select * from w").await, ["1"]);
    fails(&a, "select * from v", "42P01").await;
    fails(&a, "alter view v_old rename column a to aa", "0A000").await;
    run(&a, "alter view v_old rename column b to bb").await;
    assert_eq!(rows(&a, "select bb, a from v_old").await, ["x|1"]);
    assert_eq!(rows(&a, "select * from w").await, ["1"]);
    fails(&a, "alter table t_old drop column b", "2BP01").await;
    fails(&a, "alter table t_old rename column a to aa", "0A000").await;
    run(&a, "alter table t_old drop column c").await;
    assert_eq!(rows(&a, "select * from v_old").await, ["1|x"]);
    run(&a, "drop table t_old cascade").await;
    fails(&a, "select * from v_old", "42P01").await;
    fails(&a, "select * from w", "42P01").await;
    assert!(
        rows(
            &a,
            "select viewname from pg_views where schemaname = 'public'"
        )
        .await
        .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_has_its_own_views() {
    let wire = wire().await;
    let (a, b) = (wire.client_of(WRITER).await, wire.client_of(WRITER).await);
    run(
        &a,
        "create table t (n int); insert into t values (1), (2); create view m as select n from t",
    )
    .await;
    // A view becomes a table, a table a view, all in one commit.
    run(
        &a,
        "begin; create table m_new (n int); insert into m_new values (7)",
    )
    .await;
    run(
        &a,
        "alter view m rename to m_old; alter table m_new rename to m",
    )
    .await;
    assert_eq!(
        rows(
            &a,
            "select * from m union all select * from m_old order by 1"
        )
        .await,
        ["1", "2", "7"]
    );
    assert_eq!(rows(&b, "select * from m order by 1").await, ["1", "2"]);
    run(
        &a,
        "savepoint s; drop view m_old; create view k as select n from m",
    )
    .await;
    assert_eq!(rows(&a, "select * from k").await, ["7"]);
    run(&a, "rollback to s").await;
    fails(&a, "select * from k", "42P01").await;
    run(&a, "rollback to s; commit").await;
    assert_eq!(rows(&b, "select * from m").await, ["7"]);
    assert_eq!(rows(&b, "select count(*) from m_old").await, ["2"]);
    run(
        &a,
        "begin; drop table m; create view m as select 3 as n; commit",
    )
    .await;
    assert_eq!(rows(&b, "select * from m").await, ["3"]);
    run(&a, "begin; drop view m; rollback").await;
    // That it is no table must not hide it from the rest of the transaction.
    run(&a, "begin; savepoint s").await;
    fails(&a, "insert into m values (1)", "55000").await;
    run(&a, "rollback to s").await;
    assert_eq!(rows(&a, "select * from m").await, ["3"]);
    run(&a, "rollback").await;
    assert_eq!(rows(&b, "select * from m").await, ["3"]);

    // A temporary view is the session's alone, and goes with it.
    run(
        &a,
        "create temp table tt (n int); insert into tt values (9)",
    )
    .await;
    run(&a, "create view tv as select n from tt").await;
    assert_eq!(rows(&a, "select * from tv").await, ["9"]);
    fails(&b, "select * from tv", "42P01").await;
    run(&a, "create temp view m as select 'mine'").await;
    assert_eq!(rows(&a, "select * from m").await, ["mine"]);
    assert_eq!(rows(&b, "select * from m").await, ["3"]);
    run(&a, "discard all").await;
    fails(&a, "select * from tv", "42P01").await;
    assert_eq!(rows(&a, "select * from m").await, ["3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_are_expanded_within_bounds() {
    let wire = wire().await;
    let a = wire.client_of(WRITER).await;
    run(
        &a,
        "create view a as select 1 as n; create view b as select n from a",
    )
    .await;
    fails(&a, "create or replace view a as select n from b", "42P17").await;
    fails(&a, "create or replace view a as select n from a", "42P17").await;
    // Each doubles the one before: refused long before there is no memory left.
    run(&a, "create view d0 as select 1 as n").await;
    let mut refused = None;
    for depth in 1..30 {
        let below = depth - 1;
        let sql = format!(
            "create view d{depth} as select x.n from d{below} as x join d{below} as y on x.n = y.n"
        );
        if let Err(error) = a.simple_query(&sql).await {
            assert_eq!(code(&error), "54001", "{error:?}");
            refused = Some(depth);
            break;
        }
    }
    let depth = refused.expect("thirty doublings are too many");
    assert!(depth > 8, "{depth} is not deep");
    // A chain is refused where it is too deep, and what stands below still answers.
    run(&a, "create view c0 as select 1 as n").await;
    let mut last = 0;
    for depth in 1..80 {
        let sql = format!("create view c{depth} as select n from c{}", depth - 1);
        match a.simple_query(&sql).await {
            Ok(_) => last = depth,
            Err(error) => {
                assert_eq!(code(&error), "54001", "{error:?}");
                break;
            }
        }
    }
    assert!((20..79).contains(&last), "{last}");
    assert_eq!(rows(&a, &format!("select * from c{last}")).await, ["1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn psql_shows_views() {
    let wire = wire().await;
    let a = wire.client_of(WRITER).await;
    run(&a, "create table t (a int, b text)").await;
    run(
        &a,
        "create view v as select a, upper(b) as big from t; comment on view v is 'large letters'",
    )
    .await;
    run(&a, "comment on table t is 'small'").await;
    for (command, expected) in [
        ("\\dv", "public|v|view|frazil"),
        ("\\dv+", "large letters"),
        ("\\dt+", "small"),
        ("\\d v", "big|text"),
        ("\\d+ v", "big|text||||extended"),
        ("\\sv v", "CREATE OR REPLACE VIEW public.v AS"),
        ("select * from v \\gdesc", "big|text"),
        (
            "select pg_get_viewdef('v'::regclass, true)",
            " SELECT a, upper(b)",
        ),
        (
            "select table_name from information_schema.views where table_schema = 'public'",
            "v",
        ),
    ] {
        let shown = wire.psql_shows(&format!("{command}\n")).await;
        assert!(shown.contains(expected), "{command} gave:\n{shown}");
    }
    let dumped = wire
        .psql_shows("\\copy (select * from v) to stdout\n")
        .await;
    assert!(dumped.is_empty(), "{dumped}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prepared_statements_follow_a_view_that_is_replaced() {
    let wire = wire().await;
    let (a, b) = (wire.client_of(WRITER).await, wire.client().await);
    run(
        &a,
        "create table t (a int); insert into t values (1), (2), (3)",
    )
    .await;
    run(&a, "create view v as select a from t where a > 1").await;
    let asked = b
        .prepare("select a from v where a < $1 order by a")
        .await
        .unwrap();
    let values = |rows: Vec<tokio_postgres::Row>| -> Vec<i32> {
        rows.iter().map(|row| row.get(0)).collect()
    };
    assert_eq!(values(b.query(&asked, &[&9_i32]).await.unwrap()), [2, 3]);
    run(
        &a,
        "create or replace view v as select a from t where a > 2",
    )
    .await;
    assert_eq!(values(b.query(&asked, &[&9_i32]).await.unwrap()), [3]);
}
