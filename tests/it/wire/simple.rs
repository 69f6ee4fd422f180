//! The simple protocol, transactions, settings, cursors.

use tokio_postgres::SimpleQueryMessage as Message;

use super::fixture::{WRITER, code, wire};

/// Rows as text, and tags as `#n`.
async fn ask(client: &tokio_postgres::Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| {
        panic!("{sql}: {error:?}");
    });
    messages
        .into_iter()
        .filter_map(|message| match message {
            Message::Row(row) => Some(
                (0..row.len())
                    .map(|column| row.get(column).unwrap_or("∅").to_owned())
                    .collect::<Vec<_>>()
                    .join("|"),
            ),
            Message::CommandComplete(count) => Some(format!("#{count}")),
            _ => None,
        })
        .collect()
}

async fn fails(client: &tokio_postgres::Client, sql: &str) -> String {
    code(&client.simple_query(sql).await.expect_err(sql))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_statements_in_one_message_stop_at_the_first_error() {
    let wire = wire().await;
    let client = wire.client().await;
    assert_eq!(
        ask(&client, "select 1; select 'a' as x, null; ").await,
        ["1", "#1", "a|∅", "#1"]
    );
    assert_eq!(ask(&client, "").await, ["#0"]);
    assert_eq!(
        fails(&client, "select 1; select nope; select 2").await,
        "42703"
    );
    // What was set in the message that failed is undone with it.
    assert_eq!(fails(&client, "set jit = on; select 1/0").await, "22012");
    assert_eq!(ask(&client, "show jit").await, ["off", "#0"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_keep_their_state() {
    let wire = wire().await;
    let client = wire.client().await;
    ask(&client, "begin").await;
    assert_eq!(fails(&client, "select * from no_such_table").await, "42P01");
    assert_eq!(fails(&client, "select 1").await, "25P02");
    assert_eq!(fails(&client, "show jit").await, "25P02");
    ask(&client, "rollback").await;
    ask(&client, "begin; savepoint a; set jit = on").await;
    assert_eq!(fails(&client, "select nope").await, "42703");
    ask(&client, "rollback to savepoint a").await;
    assert_eq!(ask(&client, "show jit").await, ["off", "#0"]);
    assert_eq!(fails(&client, "release savepoint b").await, "3B001");
    ask(&client, "abort").await;
    assert_eq!(fails(&client, "savepoint a").await, "25P01");
    ask(&client, "begin; set local timezone = 'Asia/Tokyo'").await;
    assert_eq!(ask(&client, "show timezone").await, ["Asia/Tokyo", "#0"]);
    ask(&client, "commit").await;
    assert_eq!(ask(&client, "show timezone").await, ["UTC", "#0"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_a_sessions_own() {
    let wire = wire().await;
    let (one, two) = (wire.client().await, wire.client().await);
    ask(
        &one,
        "set timezone to 'Europe/Berlin'; set application_name = 'x'",
    )
    .await;
    let sql = "select tz from system.types where tz is not null";
    assert_eq!(ask(&one, sql).await[0], "2026-07-01 14:00:00+02");
    assert_eq!(ask(&two, sql).await[0], "2026-07-01 12:00:00+00");
    assert_eq!(
        ask(&one, "select current_setting('application_name')").await[0],
        "x"
    );
    assert_eq!(
        ask(
            &one,
            "select set_config('my.thing', 'y', false), current_setting('my.thing')"
        )
        .await[0],
        "y|y"
    );
    ask(&one, "discard all").await;
    assert_eq!(ask(&one, "show timezone").await[0], "UTC");
    assert_eq!(fails(&one, "set timezone = 'Mars'").await, "22023");
    assert_eq!(fails(&one, "show no_such").await, "42704");
    assert!(ask(&one, "show all").await.len() > 20);
    assert_eq!(
        ask(&one, "select current_user, current_database()").await[0],
        "ann|frazil"
    );
    ask(&one, "set search_path = system").await;
    assert_eq!(ask(&one, "select count(*) from types").await[0], "2");
    ask(&one, "set search_path = nowhere").await;
    assert_eq!(fails(&one, "select count(*) from types").await, "42P01");
    ask(&one, "reset search_path").await;
    assert_eq!(ask(&one, "select count(*) from events").await[0], "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_as_text() {
    let wire = wire().await;
    let client = wire.client().await;
    assert_eq!(
        ask(&client, "select * from system.types").await,
        [
            "t|-2|4|1099511627776|0.5|0.1|10000000000000000000000000000000.000000|grüße|\\x00ff|\
             01234567-89ab-cdef-0123-456789abcdef|2024-10-04|1970-01-01 00:00:01.5|\
             2026-07-01 12:00:00+00|{1,NULL}|{\"a\":1}",
            "∅|∅|∅|∅|∅|∅|∅|∅|∅|∅|∅|∅|∅|∅|{\"a\":null}",
            "#2"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_are_called_as_postgres_calls_them() {
    let wire = wire().await;
    let client = wire.client().await;
    let messages = client
        .simple_query("select 1, 1, count(*), sum(i4), i4 + 1, '1'::int, i4::bigint as \"Big\" from system.types group by i4, i4 + 1 order by i4 limit 1")
        .await
        .unwrap();
    let names: Vec<String> = messages
        .iter()
        .find_map(|message| match message {
            Message::RowDescription(columns) => {
                Some(columns.iter().map(|c| c.name().to_owned()).collect())
            }
            _ => None,
        })
        .unwrap();
    assert_eq!(
        names,
        [
            "?column?", "?column?", "count", "sum", "?column?", "int4", "Big"
        ]
    );
    assert_eq!(
        ask(
            &client,
            "select count from (select count(*) from system.types) x"
        )
        .await[0],
        "2"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_go_forward() {
    let wire = wire().await;
    let client = wire.client().await;
    assert_eq!(
        fails(&client, "declare c cursor for select 1").await,
        "25P01"
    );
    let sql = "begin; declare c no scroll cursor for select value from generate_series(1, 100000) s(value) order by 1";
    ask(&client, sql).await;
    assert_eq!(ask(&client, "fetch 2 from c").await, ["1", "2", "#2"]);
    assert_eq!(ask(&client, "move 3 in c").await, ["#3"]);
    assert_eq!(ask(&client, "fetch next from c").await, ["6", "#1"]);
    assert_eq!(ask(&client, "fetch all from c").await.len(), 99_994 + 1);
    assert_eq!(ask(&client, "fetch 1 from c").await, ["#0"]);
    assert_eq!(fails(&client, "fetch prior from c").await, "55000");
    ask(&client, "rollback").await;
    assert_eq!(fails(&client, "fetch 1 from c").await, "34000");
    ask(&client, "declare h cursor with hold for select 7").await;
    assert_eq!(ask(&client, "fetch all from h").await, ["7", "#1"]);
    ask(&client, "close h").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prepared_in_sql() {
    let wire = wire().await;
    let client = wire.client().await;
    ask(&client, "prepare p (int, text) as select $1 + 1, upper($2)").await;
    assert_eq!(ask(&client, "execute p (41, 'a')").await, ["42|A", "#1"]);
    assert_eq!(
        ask(&client, "execute p (1 + 1, lower('B'))").await[0],
        "3|B"
    );
    assert_eq!(fails(&client, "execute p (1)").await, "42601");
    ask(&client, "deallocate p").await;
    assert_eq!(fails(&client, "execute p (1, 'a')").await, "26000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_has_its_code() {
    let wire = wire().await;
    let (reader, writer) = (wire.client().await, wire.client_of(WRITER).await);
    for (sql, expected) in [
        ("selec 1", "42601"),
        ("select 'x'::int", "22P02"),
        ("select nope(1)", "42883"),
        ("create table t (a int)", "42501"),
        ("create view v as select 1", "42501"),
        ("copy (select 1) to '/tmp/x'", "42501"),
        ("copy system.types from stdin", "42501"),
        (
            "create external table t (a int) stored as textfile location '/etc/passwd'",
            "42501",
        ),
        ("listen x", "0A000"),
        ("refresh materialized view curated.x", "42501"),
        ("select 'no_such'::regclass", "42P01"),
        ("set role walt", "42501"),
    ] {
        assert_eq!(fails(&reader, sql).await, expected, "{sql}");
    }
    // Nobody runs models in this process: a writer is told so.
    let sql = "refresh materialized view curated.x";
    assert_eq!(fails(&writer, sql).await, "0A000");
    assert_eq!(
        ask(&reader, "unlisten *; select 1").await,
        ["#0", "1", "#1"]
    );
}
