//! Writing through SQL: what a client writes is there for all, once and whole, or not at all.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use frazil::lake::commit::{Commit, FileChange, NewTable, TableChange};
use frazil::query::{Engine, EngineOptions};
use futures::{SinkExt, StreamExt};
use iceberg::spec::{NestedField, PrimitiveType, Schema, SortOrder, Type, UnboundPartitionSpec};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::fixture::{READER, WRITER, Wire, code, wire, wire_over};

/// Rows as `a|b`, NULL as nothing.
async fn rows(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| {
        panic!(
            "{sql}: {}",
            error
                .as_db_error()
                .map_or(error.to_string(), |e| e.to_string())
        )
    });
    messages
        .into_iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                let cells: Vec<_> = (0..row.len()).map(|at| row.get(at).unwrap_or("")).collect();
                Some(cells.join("|"))
            }
            _ => None,
        })
        .collect()
}

async fn run(client: &Client, sql: &str) {
    rows(client, sql).await;
}

/// How many rows the last statement says that it wrote.
async fn count(client: &Client, sql: &str) -> u64 {
    client
        .execute(sql, &[])
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

async fn fails(client: &Client, sql: &str, state: &str) {
    match client.simple_query(sql).await {
        Ok(_) => panic!("{sql}: must fail with {state}"),
        Err(error) => assert_eq!(code(&error), state, "{sql}: {error:?}"),
    }
}

async fn writer(wire: &Wire) -> Client {
    wire.client_of(WRITER).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_made_filled_changed_and_dropped() {
    let wire = wire().await;
    let (a, b) = (writer(&wire).await, writer(&wire).await);
    run(&a, "create table t (a int, b text)").await;
    assert_eq!(
        rows(&a, "insert into t values (1, 'x'), (2, null) returning *").await,
        ["1|x", "2|"]
    );
    assert_eq!(count(&a, "insert into t (b) values ('only b')").await, 1);
    assert_eq!(
        count(
            &a,
            "insert into t select n, 'n' || n from generate_series(10, 12) as g(n)"
        )
        .await,
        3
    );
    assert_eq!(
        rows(&b, "select * from t order by a").await,
        ["1|x", "2|", "10|n10", "11|n11", "12|n12", "|only b"]
    );
    // A row for which the condition is unknown stays.
    assert_eq!(
        count(&b, "update t set a = a + 1, b = upper(b) where a > 10").await,
        2
    );
    assert_eq!(
        rows(&a, "update t set a = 0 where a = 2 returning a, b").await,
        ["0|"]
    );
    assert_eq!(
        rows(&a, "select * from t order by a").await,
        ["0|", "1|x", "10|n10", "12|N11", "13|N12", "|only b"]
    );
    assert_eq!(
        rows(&a, "delete from t where a >= 12 returning a as gone").await,
        ["12", "13"]
    );
    assert_eq!(count(&a, "delete from t where a < 100").await, 3);
    assert_eq!(rows(&b, "select * from t").await, ["|only b"]);
    assert_eq!(count(&a, "delete from t").await, 1);
    run(&a, "insert into t default values").await;
    run(&a, "truncate t").await;
    assert!(rows(&b, "select * from t").await.is_empty());
    run(&a, "drop table t").await;
    fails(&b, "select * from t", "42P01").await;
    run(&a, "drop table if exists t").await;
    fails(&a, "drop table t", "42P01").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_tables_take_part_in_a_change() {
    let wire = wire().await;
    let a = writer(&wire).await;
    run(
        &a,
        "create table t (id int, v int); create table s (id int, v int)",
    )
    .await;
    run(&a, "insert into t values (1, 10), (2, 20), (3, 30); insert into s values (1, 100), (1, 100), (3, 300)").await;
    assert_eq!(
        count(&a, "update t set v = t.v + s.v from s where s.id = t.id").await,
        2
    );
    assert_eq!(
        rows(&a, "select * from t order by id").await,
        ["1|110", "2|20", "3|330"]
    );
    assert_eq!(
        count(
            &a,
            "update t x set v = 0 where exists (select 1 from s where s.id = x.id and s.v > 200)"
        )
        .await,
        1
    );
    assert_eq!(
        count(
            &a,
            "update t set v = (select max(v) from t) where id not in (select id from s)"
        )
        .await,
        1
    );
    assert_eq!(
        rows(&a, "select * from t order by id").await,
        ["1|110", "2|110", "3|0"]
    );
    assert_eq!(
        count(&a, "delete from t using s where s.id = t.id and s.id = 1").await,
        1
    );
    run(&a, "merge into t using s on t.id = s.id when matched and s.v = 300 then update set v = s.v when not matched then insert values (s.id, s.v)").await;
    assert_eq!(
        rows(&a, "select * from t order by id, v").await,
        ["1|100", "1|100", "2|110", "3|300"]
    );
    fails(&a, "merge into t using (values (2, 1), (2, 2)) as s(id, v) on t.id = s.id when matched then delete", "21000").await;
    assert_eq!(rows(&a, "select count(*) from t").await, ["4"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_sees_itself_and_others_see_it_whole_or_not() {
    let wire = wire().await;
    let (a, b) = (writer(&wire).await, writer(&wire).await);
    run(&a, "create table t (a int); insert into t values (1), (2)").await;
    run(&a, "begin; insert into t values (3); create table u as select a from t; update t set a = a * 10 where a > 1").await;
    assert_eq!(
        rows(&a, "select a from t order by a").await,
        ["1", "20", "30"]
    );
    assert_eq!(
        rows(&a, "select a from u order by a").await,
        ["1", "2", "3"]
    );
    assert_eq!(rows(&b, "select a from t order by a").await, ["1", "2"]);
    fails(&b, "select * from u", "42P01").await;
    run(
        &a,
        "savepoint s; delete from t; drop table u; rollback to s",
    )
    .await;
    assert_eq!(rows(&a, "select count(*) from t, u").await, ["9"]);
    run(&a, "commit").await;
    assert_eq!(
        rows(&b, "select a from t order by a").await,
        ["1", "20", "30"]
    );
    assert_eq!(
        rows(&b, "select a from u order by a").await,
        ["1", "2", "3"]
    );

    run(
        &a,
        "begin; insert into t values (4); drop table u; rollback",
    )
    .await;
    assert_eq!(
        rows(
            &a,
            "select (select count(*) from t) as t, (select count(*) from u) as u"
        )
        .await,
        ["3|3"]
    );
    // A failed statement undoes the message that it stands in.
    fails(
        &a,
        "insert into t values (5); insert into t values (1/0)",
        "22012",
    )
    .await;
    assert_eq!(rows(&a, "select count(*) from t").await, ["3"]);
    run(&a, "begin; insert into t values (6)").await;
    fails(&a, "select nothing", "42703").await;
    fails(&a, "insert into t values (7)", "25P02").await;
    run(&a, "commit").await;
    assert_eq!(rows(&a, "select count(*) from t").await, ["3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_change_one_table_at_once_never_lose_a_change() {
    let wire = wire().await;
    let (a, b) = (writer(&wire).await, writer(&wire).await);
    run(&a, "create table t (a int); insert into t values (1)").await;
    run(&a, "begin; update t set a = a + 1").await;
    run(&b, "begin; update t set a = a + 10").await;
    run(&a, "commit").await;
    fails(&b, "commit", "40001").await;
    assert_eq!(rows(&b, "select a from t").await, ["2"]);
    // Rows that are only added don't meet each other.
    run(&a, "begin; insert into t values (100)").await;
    run(&b, "insert into t values (200)").await;
    run(&a, "commit").await;
    assert_eq!(
        rows(&b, "select a from t order by a").await,
        ["2", "100", "200"]
    );
    // Two that make one table: the second is told.
    run(&a, "begin; create table u (a int)").await;
    run(&b, "create table u (b text)").await;
    fails(&a, "commit", "40001").await;
    run(&b, "insert into u values ('b')").await;

    run(&a, "create table n (a int); insert into n values (0)").await;
    let mut done = 0;
    for _ in 0..10 {
        let (one, two) = tokio::join!(
            a.simple_query("update n set a = a + 1"),
            b.simple_query("update n set a = a + 1")
        );
        for outcome in [one, two] {
            match outcome {
                Ok(_) => done += 1,
                Err(error) => assert_eq!(code(&error), "40001"),
            }
        }
    }
    assert_eq!(rows(&a, "select a from n").await, [done.to_string()]);
    assert!(done >= 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_declared_of_a_table_holds() {
    let wire = wire().await;
    let a = writer(&wire).await;
    run(
        &a,
        "create table t (id serial primary key, name varchar(3) not null, n numeric(5, 2) default 1.5, \
         at date default '2026-01-01', small smallint check (small > 0), doc jsonb, u text unique)",
    )
    .await;
    run(&a, "insert into t (name, small) values ('abc', 1)").await;
    run(
        &a,
        "insert into t values (default, 'x  ', 2.345, default, 2, '{\"b\": 1, \"a\": [1,2]}', 'u')",
    )
    .await;
    assert_eq!(
        rows(&a, "select * from t order by id").await,
        [
            "1|abc|1.50|2026-01-01|1||",
            "2|x  |2.35|2026-01-01|2|{\"a\": [1, 2], \"b\": 1}|u"
        ]
    );
    for (sql, state) in [
        ("insert into t (name) values (null)", "23502"),
        ("insert into t (n) values (1)", "23502"),
        ("insert into t (name) values ('abcd')", "22001"),
        ("insert into t (name, n) values ('a', 1000)", "22003"),
        ("insert into t (name, n) values ('a', 'x')", "22P02"),
        ("insert into t (name, small) values ('a', 40000)", "22003"),
        ("insert into t (name, small) values ('a', 0)", "23514"),
        ("insert into t (name, at) values ('a', 'no date')", "22007"),
        ("insert into t (name, at) values ('a', 5)", "42804"),
        ("insert into t (name, doc) values ('a', '{')", "22P02"),
        ("insert into t (id, name) values (1, 'a')", "23505"),
        ("insert into t (name, u) values ('a', 'u')", "23505"),
        (
            "insert into t (name, u) values ('a', 'v'), ('b', 'v')",
            "23505",
        ),
        ("update t set id = 1", "23505"),
        ("update t set name = null where id = 1", "23502"),
        ("update t set nothing = 1", "42703"),
        ("update t set n = 1, n = 2", "42601"),
        ("insert into t (name, nothing) values ('a', 1)", "42703"),
        ("insert into t (name, name) values ('a', 'b')", "42701"),
        ("insert into t (name) values ('a', 'b')", "42601"),
        ("insert into t (name, n) values ('a')", "42601"),
        ("insert into nothing values (1)", "42P01"),
        ("create table t (a int)", "42P07"),
        ("create table v (a nothing)", "42704"),
        ("create table v (a int, a int)", "42701"),
        ("create table nowhere.v (a int)", "3F000"),
        ("create table v (a interval)", "0A000"),
        ("create table v (a int references t)", "0A000"),
        ("create table v (a int default b)", "42703"),
        ("insert into system.types default values", "42P01"),
    ] {
        fails(&a, sql, state).await;
    }
    assert_eq!(rows(&a, "select count(*), max(id) from t").await, ["2|2"]);
    run(&a, "create table if not exists t (z int)").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_take_the_types_of_their_columns() {
    let wire = wire().await;
    let a = writer(&wire).await;
    run(&a, "create table t (a int, b text, c bigint, d boolean)").await;
    let statement = a
        .prepare("insert into t values ($1, $2, $3, $4) returning a + 1 as next, b")
        .await
        .unwrap();
    let types: Vec<_> = statement
        .params()
        .iter()
        .map(|kind| kind.name().to_owned())
        .collect();
    assert_eq!(types, ["int4", "text", "int8", "bool"]);
    for n in 0..3_i32 {
        let row = a
            .query_one(
                &statement,
                &[&n, &format!("b{n}"), &(i64::from(n) << 40), &true],
            )
            .await
            .unwrap();
        assert_eq!(row.get::<_, i32>("next"), n + 1);
        assert_eq!(row.get::<_, &str>("b"), format!("b{n}"));
    }
    let changed = a
        .execute("update t set b = $1 where a >= $2", &[&"changed", &1_i32])
        .await
        .unwrap();
    assert_eq!(changed, 2);
    assert_eq!(
        a.execute("delete from t where c = $1", &[&0_i64])
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        rows(&a, "select a, b from t order by a").await,
        ["1|changed", "2|changed"]
    );
    run(
        &a,
        "prepare p as insert into t (a) values ($1); execute p(7); execute p(8)",
    )
    .await;
    assert_eq!(rows(&a, "select count(*) from t").await, ["4"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_is_met_by_key() {
    let wire = wire().await;
    let a = writer(&wire).await;
    run(
        &a,
        "create table t (k int primary key, v text, n int default 0)",
    )
    .await;
    run(&a, "insert into t values (1, 'one'), (2, 'two')").await;
    assert_eq!(
        count(
            &a,
            "insert into t values (2, 'no'), (3, 'three'), (3, 'again') on conflict do nothing"
        )
        .await,
        1
    );
    assert_eq!(
        count(
            &a,
            "insert into t values (2, 'no') on conflict (k) do nothing"
        )
        .await,
        0
    );
    assert_eq!(
        rows(&a, "insert into t as x (k, v) values (1, 'uno'), (4, 'four') on conflict (k) do update set v = excluded.v, n = x.n + 1 returning k, v, n").await.len(),
        2
    );
    assert_eq!(count(&a, "insert into t values (2, 'due', 9) on conflict (k) do update set v = excluded.v where t.n > 5").await, 0);
    assert_eq!(
        rows(&a, "select * from t order by k").await,
        ["1|uno|1", "2|two|0", "3|three|0", "4|four|0"]
    );
    fails(
        &a,
        "insert into t values (9, 'a'), (9, 'b') on conflict (k) do update set v = 'c'",
        "21000",
    )
    .await;
    fails(
        &a,
        "insert into t values (9, 'a') on conflict (v) do nothing",
        "42P10",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_evolves_and_keeps_its_rows() {
    let wire = wire().await;
    let (a, b) = (writer(&wire).await, writer(&wire).await);
    run(
        &a,
        "create schema lab; create table lab.t (a int, b real, c varchar(5))",
    )
    .await;
    run(&a, "insert into lab.t values (1, 1.5, 'c')").await;
    run(&a, "alter table lab.t add column d text default 'dd', rename column a to id, alter column id type bigint, alter column b type double precision, alter column c type text").await;
    assert!(
        rows(
            &a,
            "insert into lab.t values (3000000000, 0.1, 'longer than five', 'e')"
        )
        .await
        .is_empty()
    );
    assert_eq!(
        rows(&b, "select id, b, c, d from lab.t order by id").await,
        ["1|1.5|c|dd", "3000000000|0.1|longer than five|e"]
    );
    run(&a, "alter table lab.t drop column b").await;
    assert_eq!(
        rows(&b, "select * from lab.t order by id").await,
        ["1|c|dd", "3000000000|longer than five|e"]
    );
    run(
        &a,
        "alter table lab.t alter column c set not null; alter table lab.t alter d drop default",
    )
    .await;
    fails(&a, "insert into lab.t (id) values (5)", "23502").await;
    run(
        &a,
        "alter table lab.t alter c drop not null; alter table lab.t add primary key (id)",
    )
    .await;
    fails(&a, "insert into lab.t (id) values (1)", "23505").await;
    fails(&a, "alter table lab.t alter id type int", "0A000").await;
    fails(&a, "alter table lab.t add column c int", "42701").await;
    fails(&a, "alter table lab.t drop column nothing", "42703").await;
    run(
        &a,
        "comment on table lab.t is 'a table'; comment on column lab.t.id is 'its key'",
    )
    .await;
    // As dbt does: the old one out, the new one in, all at once.
    run(
        &a,
        "create table lab.new as select id * 2 as id from lab.t where id < 10",
    )
    .await;
    run(
        &a,
        "begin; alter table lab.t rename to old; alter table lab.new rename to t; commit",
    )
    .await;
    assert_eq!(rows(&b, "select id from lab.t").await, ["2"]);
    assert_eq!(rows(&b, "select count(*) from lab.old").await, ["2"]);
    fails(&b, "select * from lab.new", "42P01").await;
    run(&a, "drop table lab.old, lab.t").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partitioned_table_takes_its_rows() {
    let wire = wire().await;
    let a = writer(&wire).await;
    run(
        &a,
        "create table t (at timestamptz, id int) partition by (day(at), bucket(4, id))",
    )
    .await;
    run(&a, "insert into t select timestamptz '2026-01-01 00:00+00' + interval '1 hour' * n, n from generate_series(0, 49) as g(n)").await;
    assert_eq!(count(&a, "delete from t where id % 2 = 0").await, 25);
    assert_eq!(
        count(&a, "update t set at = at + interval '1 day' where id < 10").await,
        5
    );
    assert_eq!(
        rows(&a, "select count(*), sum(id), min(at) < max(at) from t").await,
        ["25|625|t"]
    );
    run(
        &a,
        "create table w (a int) with (partitioning = 'truncate(10, a)')",
    )
    .await;
    fails(&a, "create table x (a int) partition by range (a)", "0A000").await;
    fails(&a, "create table x (a int) partition by (day(a))", "22023").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_fills_a_table_or_leaves_nothing() {
    let wire = wire().await;
    let a = writer(&wire).await;
    run(&a, "create table t (a int, b text, c numeric(8, 2))").await;
    assert_eq!(
        copy(&a, "copy t from stdin", &["1\tx\t1.5\n2\t", "\\N\t\\N\n"])
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        copy(
            &a,
            "copy t (b, a) from stdin with (format csv, header)",
            &["b,a\n\"q,\"\"q\",3\n"]
        )
        .await
        .unwrap(),
        1
    );
    assert_eq!(
        rows(&a, "select * from t order by a").await,
        ["1|x|1.50", "2||", "3|q,\"q|"]
    );
    for (sql, data, state) in [
        ("copy t from stdin", "4\ty\t1\nfive\tz\t2\n", "22P02"),
        ("copy t from stdin", "4\ty\n", "22P04"),
        (
            "copy t from stdin with (format csv)",
            "4,\"open,1\n",
            "22P04",
        ),
        ("copy nothing from stdin", "", "42P01"),
    ] {
        let error = copy(&a, sql, &[data]).await.unwrap_err();
        assert_eq!(code(&error), state, "{sql}");
    }
    assert_eq!(rows(&a, "select count(*) from t").await, ["3"]);
    // Out and in again, in the binary format.
    let out: Vec<Bytes> = a
        .copy_out("copy t to stdout with (format binary)")
        .await
        .unwrap()
        .map(|part| part.unwrap())
        .collect()
        .await;
    run(&a, "create table u (a int, b text, c numeric(8, 2))").await;
    let sink = a
        .copy_in("copy u from stdin with (format binary)")
        .await
        .unwrap();
    futures::pin_mut!(sink);
    for part in out {
        sink.send(part).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), 3);
    assert_eq!(
        rows(&a, "select * from u order by a").await,
        ["1|x|1.50", "2||", "3|q,\"q|"]
    );
    let many: String = (0..30_000)
        .map(|n| format!("{n}\tline {n}\t\\N\n"))
        .collect();
    assert_eq!(
        copy(&a, "copy u from stdin", &[&many]).await.unwrap(),
        30_000
    );
    assert_eq!(
        rows(&a, "select count(*), count(distinct b) from u").await,
        ["30003|30002"]
    );
}

async fn copy(client: &Client, sql: &str, data: &[&str]) -> Result<u64, tokio_postgres::Error> {
    let sink = client.copy_in(sql).await?;
    futures::pin_mut!(sink);
    for part in data {
        sink.send(Bytes::from((*part).to_owned())).await?;
    }
    sink.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn temporary_tables_are_a_sessions_own() {
    let wire = wire().await;
    let (a, b) = (writer(&wire).await, writer(&wire).await);
    run(&a, "create table t (a int); insert into t values (1)").await;
    run(
        &a,
        "create temp table t (a text, b int); insert into t values ('temporary', 1), ('x', 2)",
    )
    .await;
    run(
        &a,
        "create temporary table c as select * from t where b = 1",
    )
    .await;
    assert_eq!(
        rows(&a, "select a from t order by b").await,
        ["temporary", "x"]
    );
    assert_eq!(rows(&a, "select a from pg_temp.c").await, ["temporary"]);
    assert_eq!(rows(&b, "select a from t").await, ["1"]);
    fails(&b, "select * from c", "42P01").await;
    assert_eq!(count(&a, "update t set b = b * 10").await, 2);
    assert_eq!(count(&a, "delete from t where b = 20").await, 1);
    run(
        &a,
        "begin; insert into t values ('gone', 0); create temp table d (a int); rollback",
    )
    .await;
    assert_eq!(rows(&a, "select a, b from t").await, ["temporary|10"]);
    fails(&a, "select * from d", "42P01").await;
    run(&a, "drop table t").await;
    assert_eq!(rows(&a, "select a from t").await, ["1"]);
    run(&a, "discard all").await;
    fails(&a, "select * from c", "42P01").await;
    drop(a);
    assert!(
        wire.engine
            .lake()
            .catalog
            .list()
            .await
            .unwrap()
            .iter()
            .all(|table| table.namespace() != "pg_temp")
    );
}

/// Upkeep may have taken the files of a transaction that began too long ago.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_wrote_too_long_ago_is_not_committed() {
    let wire = wire().await;
    let strict = EngineOptions {
        oldest_write: Duration::ZERO,
        threads: 2,
        ..EngineOptions::default()
    };
    let engine = Engine::new(wire.engine.lake().clone(), strict).unwrap();
    let late = wire_over(engine, |_| {}).await;
    let (a, b) = (writer(&wire).await, writer(&late).await);
    run(&a, "create table t (a int); insert into t values (1)").await;
    run(&b, "begin; insert into t values (2)").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    fails(&b, "commit", "25P03").await;
    assert_eq!(rows(&a, "select a from t").await, ["1"]);
    assert_eq!(rows(&b, "select a from t").await, ["1"]);
    assert_eq!(files(&wire).await.len(), 1);
}

/// SQL has no way to a folder other than the table's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_property_leads_out_of_the_tables_folder() {
    let wire = wire().await;
    let client = writer(&wire).await;
    for property in [
        "write.data.path",
        "write.metadata.path",
        "write.object-storage.path",
        "write.folder-storage.path",
        "write.location-provider.impl",
        "frazil.ledger",
    ] {
        let sql = format!("create table t (a int) with (\"{property}\" = '/tmp/elsewhere')");
        fails(&client, &sql, "42501").await;
    }
    fails(
        &client,
        "create table t (a int) with (location = '/tmp/elsewhere')",
        "22023",
    )
    .await;
    let sql = "create table t (a int) with (\"write.parquet.compression-codec\" = 'snappy')";
    run(&client, sql).await;
    for name in ["\"../t\"", "\"a/b\"", "\"..\""] {
        let sql = format!("create table {name} (a int)");
        assert!(client.simple_query(&sql).await.is_err(), "{name}");
    }
}

/// Makes a table with this property, as those do who fill it.
async fn make(wire: &Wire, table: &str, property: &str) {
    let lake = wire.engine.lake();
    let long = Type::Primitive(PrimitiveType::Long);
    let field = NestedField::optional(1, "id", long);
    let schema = Schema::builder().with_fields([Arc::new(field)]).build();
    let create = TableChange {
        create: Some(NewTable {
            schema: schema.unwrap(),
            partition: UnboundPartitionSpec::default(),
            sort_order: SortOrder::unsorted_order(),
            properties: [(property.to_owned(), "{}".to_owned())].into(),
        }),
        ..TableChange::new(table.parse().unwrap(), FileChange::Nothing)
    };
    let commit = Commit {
        id: lake.entropy.uuid(),
        changes: vec![create],
        guards: Vec::new(),
    };
    lake.commit(&commit).await.unwrap();
}

/// Events are appended by their stream, curated tables filled by their model: nobody changes them
/// by hand, in whatever way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_streams_and_models_are_not_written_by_hand() {
    let wire = wire().await;
    for (table, property) in [
        ("shop.filled", "frazil.ledger"),
        ("shop.letters", "frazil.event-table.shop.filled"),
        ("curated.daily", "frazil.model"),
    ] {
        make(&wire, table, property).await;
        let client = writer(&wire).await;
        run(&client, "create table public.mine (id bigint)").await;
        for statement in [
            format!("insert into {table} values (1)"),
            format!("insert into {table} select 1"),
            format!("update {table} set id = 1"),
            format!("delete from {table}"),
            format!("truncate {table}"),
            format!("drop table {table}"),
            format!("alter table {table} add column more text"),
            format!("alter table {table} rename to other"),
            format!("comment on table {table} is 'x'"),
            format!("merge into {table} t using mine m on t.id = m.id when matched then delete"),
            format!("copy {table} from stdin"),
        ] {
            fails(&client, &statement, "42809").await;
        }
        assert!(
            rows(&client, &format!("select * from {table}"))
                .await
                .is_empty()
        );
        run(&client, "drop table public.mine").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_write_is_told() {
    let wire = wire().await;
    let (a, reader) = (writer(&wire).await, wire.client_of(READER).await);
    run(&a, "create table t (a int); insert into t values (1)").await;
    for sql in [
        "insert into t values (1)",
        "update t set a = 1",
        "delete from t",
        "truncate t",
        "drop table t",
        "create table u (a int)",
        "create temp table u (a int)",
        "create table u as select 1 as a",
        "alter table t add b int",
        "create schema s",
        "comment on table t is 'x'",
    ] {
        fails(&reader, sql, "42501").await;
        run(&a, "begin read only").await;
        fails(&a, sql, "25006").await;
        run(&a, "rollback").await;
    }
    let error = copy(&reader, "copy t from stdin", &[]).await.unwrap_err();
    assert_eq!(code(&error), "42501");
    assert_eq!(rows(&reader, "select * from t").await, ["1"]);
}

/// Files of a transaction that came to nothing are gone, those of one that is there are kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_leaves_no_files() {
    let wire = wire().await;
    let a = writer(&wire).await;
    run(&a, "create table t (a int); insert into t values (1)").await;
    let before = files(&wire).await;
    run(
        &a,
        "begin; insert into t values (2); update t set a = 3; rollback",
    )
    .await;
    assert_eq!(files(&wire).await, before);
    run(
        &a,
        "begin; insert into t values (2); update t set a = a + 1; update t set a = a + 1; commit",
    )
    .await;
    assert_eq!(rows(&a, "select a from t order by a").await, ["3", "4"]);
    let shown = rows(&a, "select count(*) from t$files").await;
    assert_eq!(
        files(&wire).await.len().to_string(),
        (before.len() + shown[0].parse::<usize>().unwrap()).to_string()
    );
}

async fn files(wire: &Wire) -> Vec<String> {
    let store = &wire.engine.lake().store;
    let listed = store.list("file:///warehouse/public").unwrap();
    let mut files: Vec<String> = listed.map(|file| file.unwrap().location).collect().await;
    files.retain(|location| location.ends_with(".parquet"));
    files.sort();
    files
}
