//! SQL cursors that go back, and those that don't; what they hold is bounded.

use tokio_postgres::{Client, SimpleQueryMessage};

use super::fixture::{WRITER, code, wire};

const NONE: [i64; 0] = [];

/// The first column of all rows, and the count of the command tag.
async fn fetch(client: &Client, sql: &str) -> (Vec<i64>, u64) {
    let messages = client.simple_query(sql).await;
    let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let (mut rows, mut count) = (Vec::new(), 0);
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => rows.push(row.get(0).unwrap().parse().unwrap()),
            SimpleQueryMessage::CommandComplete(tagged) => count = tagged,
            _ => {}
        }
    }
    (rows, count)
}

async fn rows(client: &Client, sql: &str) -> Vec<i64> {
    fetch(client, sql).await.0
}

async fn fails(client: &Client, sql: &str, state: &str) {
    let error = client.simple_query(sql).await.expect_err(sql);
    assert_eq!(code(&error), state, "{sql}: {error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scroll_cursor_goes_everywhere() {
    let wire = wire().await;
    let a = wire.client().await;
    // Many batches, so that going back crosses them.
    rows(&a, "begin; declare c scroll cursor for select x from generate_series(1, 20000) as g(x) order by x").await;
    assert_eq!(rows(&a, "fetch 2 from c").await, [1, 2]);
    assert_eq!(rows(&a, "fetch absolute 15000 from c").await, [15000]);
    assert_eq!(rows(&a, "fetch prior from c").await, [14999]);
    assert_eq!(rows(&a, "fetch relative 2 from c").await, [15001]);
    assert_eq!(rows(&a, "fetch relative -1 from c").await, [15000]);
    assert_eq!(rows(&a, "fetch 0 from c").await, [15000]);
    assert_eq!(fetch(&a, "move 0 from c").await.1, 1);
    assert_eq!(rows(&a, "fetch last from c").await, [20000]);
    assert_eq!(rows(&a, "fetch next from c").await, NONE);
    assert_eq!(rows(&a, "fetch next from c").await, NONE);
    assert_eq!(
        rows(&a, "fetch backward 3 from c").await,
        [20000, 19999, 19998]
    );
    assert_eq!(rows(&a, "fetch absolute -3 from c").await, [19998]);
    assert_eq!(rows(&a, "fetch -1 from c").await, [19997]);
    assert_eq!(rows(&a, "fetch absolute 0 from c").await, NONE);
    assert_eq!(rows(&a, "fetch prior from c").await, NONE);
    assert_eq!(rows(&a, "fetch first from c").await, [1]);
    assert_eq!(rows(&a, "fetch absolute 20001 from c").await, NONE);
    assert_eq!(rows(&a, "fetch absolute -20001 from c").await, NONE);
    assert_eq!(rows(&a, "fetch forward from c").await, [1]);
    assert_eq!(fetch(&a, "move forward all in c").await.1, 19999);
    assert_eq!(fetch(&a, "move backward all in c").await.1, 20000);
    assert_eq!(fetch(&a, "move relative 10 in c").await.1, 1);
    assert_eq!(
        rows(&a, "fetch backward all in c").await,
        [9, 8, 7, 6, 5, 4, 3, 2, 1]
    );
    rows(&a, "close c").await;
    fails(&a, "fetch 1 from c", "34000").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_go_forward_only_as_in_postgres() {
    let wire = wire().await;
    let a = wire.client().await;
    for (declared, back) in [
        (
            "no scroll cursor for select x from generate_series(1, 9) as g(x)",
            false,
        ),
        (
            "cursor for select count(*) as x from generate_series(1, 9) as g(x)",
            false,
        ),
        ("cursor for values (1), (2), (3)", true),
    ] {
        rows(&a, &format!("begin; declare c {declared}")).await;
        rows(&a, "fetch 1 from c").await;
        match back {
            true => assert_eq!(rows(&a, "fetch backward 1 from c").await, NONE),
            false => fails(&a, "fetch backward 1 from c", "55000").await,
        }
        rows(&a, "rollback").await;
    }
    // Forward to a place is no way back.
    rows(
        &a,
        "begin; declare c no scroll cursor for select x from generate_series(1, 9) as g(x)",
    )
    .await;
    assert_eq!(rows(&a, "fetch absolute 4 from c").await, [4]);
    assert_eq!(rows(&a, "fetch relative 2 from c").await, [6]);
    let error = a.simple_query("fetch first from c").await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.message(), "cursor can only scan forward");
    assert_eq!(
        error.hint(),
        Some("Declare it with SCROLL option to enable backward scan.")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cursor_keeps_is_bounded() {
    let wire = wire().await;
    let a = wire.client().await;
    let wide = "select x, repeat('x', 1000) as t from generate_series(1, 200000) as g(x)";
    rows(&a, &format!("begin; declare c scroll cursor for {wide}")).await;
    fails(&a, "move forward all in c", "54000").await;
    // What it held is given back, and another finds room.
    rows(
        &a,
        &format!("rollback; begin; declare c no scroll cursor for {wide}"),
    )
    .await;
    assert_eq!(fetch(&a, "move forward all in c").await.1, 200_000);
    rows(&a, "rollback").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_cursor_keeps_what_its_transaction_saw() {
    let wire = wire().await;
    let (a, b) = (wire.client_of(WRITER).await, wire.client_of(WRITER).await);
    rows(&a, "create table t (n int); insert into t values (1), (2)").await;
    rows(&a, "begin; select count(*) from t").await;
    rows(
        &a,
        "declare h scroll cursor with hold for select n from t order by n",
    )
    .await;
    rows(&b, "insert into t values (3)").await;
    rows(&a, "commit").await;
    rows(&b, "insert into t values (4)").await;
    assert_eq!(rows(&a, "fetch all from h").await, [1, 2]);
    assert_eq!(rows(&a, "fetch backward all from h").await, [2, 1]);
    rows(&a, "close h").await;
    // One that was declared in a transaction that came to nothing is gone with it.
    rows(
        &a,
        "begin; declare h cursor with hold for select 1; rollback",
    )
    .await;
    fails(&a, "fetch 1 from h", "34000").await;
    rows(
        &a,
        "declare h cursor with hold for select n from t order by n",
    )
    .await;
    assert_eq!(rows(&a, "fetch 1 from h").await, [1]);
    rows(&a, "close all").await;
}
