//! Beginnings and ends: logging in, limits, cancel, time-outs, vanished clients, shutdown.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio_postgres::NoTls;

use super::fixture::{READER, WRITER, Wire, code, wire, wire_with};

/// An aggregate that gives no row before it has read everything, for far longer than any test.
const BLOCKING: &str =
    "select count(distinct value % 1000) from generate_series(1, 1000000000000) s(value)";

async fn refusal(wire: &Wire, user: (&str, &str), database: &str) -> (String, String) {
    let url = wire
        .url(user)
        .replace("dbname=frazil", &format!("dbname={database}"));
    let error = match tokio_postgres::connect(&url, NoTls).await {
        Ok(_) => panic!("{user:?} was let in"),
        Err(error) => error,
    };
    let message = error.as_db_error().unwrap().message().to_owned();
    (code(&error), message)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_in_without_a_password() {
    let wire = wire().await;
    for user in [
        (READER.0, "wrong"),
        ("nobody", "x"),
        ("postgres", "postgres"),
    ] {
        assert_eq!(
            refusal(&wire, user, "frazil").await,
            (
                "28P01".to_owned(),
                format!("password authentication failed for user \"{}\"", user.0)
            )
        );
    }
    assert_eq!(refusal(&wire, READER, "elsewhere").await.0, "3D000");
    wire.client().await.simple_query("select 1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_too_many_is_told_so() {
    let wire = wire_with(|options| options.max_connections = 2).await;
    let clients = (wire.client().await, wire.client().await);
    assert_eq!(refusal(&wire, READER, "frazil").await.0, "53300");
    drop(clients.0);
    for _ in 0..100 {
        if tokio_postgres::connect(&wire.url(READER), NoTls)
            .await
            .is_ok()
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("a place that was left is not given away again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_stops_a_running_aggregate_within_a_second() {
    let wire = wire().await;
    let client = wire.client().await;
    let cancel = client.cancel_token();
    let asked = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        cancel.cancel_query(NoTls).await.unwrap();
        Instant::now()
    };
    let (result, asked) = tokio::join!(client.simple_query(BLOCKING), asked);
    assert_eq!(code(&result.unwrap_err()), "57014");
    assert!(asked.elapsed() < Duration::from_secs(1));
    no_query_runs(&wire).await;
    // The session goes on. (That a late request reaches nothing is the registry's own test: sent
    // from here it would race with the next statement, as it does on Postgres.)
    client.simple_query("select 1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statement_timeout_stops_a_running_aggregate() {
    let wire = wire().await;
    let client = wire.client().await;
    client
        .simple_query("set statement_timeout = '300ms'")
        .await
        .unwrap();
    for _ in 0..2 {
        let started = Instant::now();
        assert_eq!(
            code(&client.simple_query(BLOCKING).await.unwrap_err()),
            "57014"
        );
        assert!(started.elapsed() < Duration::from_millis(1300));
        let started = Instant::now();
        assert_eq!(
            code(&client.query(BLOCKING, &[]).await.unwrap_err()),
            "57014"
        );
        assert!(started.elapsed() < Duration::from_millis(1300));
    }
    no_query_runs(&wire).await;
}

/// Each row's own query is small and ends without a pause.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statement_timeout_stops_a_query_that_is_asked_row_by_row() {
    let wire = wire().await;
    let client = wire.client().await;
    client
        .simple_query("set statement_timeout = '300ms'")
        .await
        .unwrap();
    let sql = "select sum((select min(y) from generate_series(1, 9) h(y) where y * 100000 > x)) \
               from generate_series(1, 100000) g(x)";
    let started = Instant::now();
    let error = client.simple_query(sql).await.unwrap_err();
    assert_eq!(code(&error), "57014");
    assert!(started.elapsed() < Duration::from_secs(10));
    no_query_runs(&wire).await;
}

/// Waits until the engine runs nothing but the question.
async fn no_query_runs(wire: &Wire) {
    let client = wire.client().await;
    let sql = "select count(*) from system.queries where state = 'running'";
    for _ in 0..60 {
        let row = client.query_one(sql, &[]).await.unwrap();
        if row.get::<_, i64>(0) <= 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("a query still runs three seconds later");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vanished_client_takes_its_query_along() {
    let wire = wire().await;
    for sql in [
        BLOCKING,
        "select value from generate_series(1, 1000000000000) s(value)",
    ] {
        let (client, connection) = tokio_postgres::connect(&wire.url(READER), NoTls)
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let query = tokio::spawn(async move { client.simple_query(sql).await.map(drop) });
        tokio::time::sleep(Duration::from_millis(500)).await;
        connection.abort();
        query.abort();
        no_query_runs(&wire).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_session_is_ended_when_it_asks_for_it() {
    let wire = wire().await;
    let client = wire.client().await;
    client
        .simple_query("set idle_session_timeout = '100ms'")
        .await
        .unwrap();
    tokio::time::timeout(Duration::from_secs(10), async {
        while !client.is_closed() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the server ends the session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_logs_in_is_let_go() {
    let wire = wire_with(|options| options.startup_timeout = Duration::from_millis(200)).await;
    let mut socket = tokio::net::TcpStream::connect(wire.server.address())
        .await
        .unwrap();
    let read = tokio::time::timeout(Duration::from_secs(10), socket.read(&mut [0; 10])).await;
    assert_eq!(read.expect("the server closes").unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_tells_idle_sessions_and_stops_running_ones_after_a_while() {
    let wire = wire_with(|options| options.drain_timeout = Duration::from_millis(500)).await;
    let (idle, idle_connection) = tokio_postgres::connect(&wire.url(READER), NoTls)
        .await
        .unwrap();
    let idle_end = tokio::spawn(idle_connection);
    let busy = wire.client().await;
    let running = tokio::spawn(async move { busy.simple_query(BLOCKING).await.map(drop) });
    tokio::time::sleep(Duration::from_millis(300)).await;
    wire.cancel.cancel();
    let told = idle_end.await.unwrap().unwrap_err();
    assert_eq!(code(&told), "57P01");
    drop(idle);
    assert_eq!(code(&running.await.unwrap().unwrap_err()), "57P01");
    let address = wire.server.address();
    tokio::time::timeout(Duration::from_secs(10), wire.server.finished())
        .await
        .expect("the drain is bounded");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_port_is_said_clearly() {
    let wire = wire().await;
    let options = frazil::wire::WireOptions {
        listen: wire.server.address(),
        ..Default::default()
    };
    let error = frazil::wire::serve(wire.engine.clone(), options, Default::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("is in use"), "{error}");
}

/// `pg_cancel_backend` and `pg_terminate_backend`, for sessions of the same user only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_ends_own_statements_and_sessions_by_their_process_id() {
    let wire = wire().await;
    let (busy, idle, other) = (
        wire.client().await,
        wire.client().await,
        wire.client_of(WRITER).await,
    );
    let pid_of = async |client: &tokio_postgres::Client| -> i32 {
        let row = client.query_one("select pg_backend_pid()", &[]).await;
        row.unwrap().get(0)
    };
    let (busy_pid, idle_pid) = (pid_of(&busy).await, pid_of(&idle).await);
    let running = tokio::spawn(async move {
        let error = busy.simple_query(BLOCKING).await.unwrap_err();
        (code(&error), busy)
    });
    let states = "select pid, state from pg_stat_activity where usename = 'ann' order by pid";
    let mut seen = Vec::new();
    for _ in 0..100 {
        let rows = idle.query(states, &[]).await.unwrap();
        seen = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        if seen.contains(&(busy_pid, "active".to_owned())) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(seen.contains(&(busy_pid, "active".to_owned())), "{seen:?}");
    assert!(seen.iter().any(|(pid, _)| *pid == idle_pid), "{seen:?}");

    let cancel = format!("select pg_cancel_backend({busy_pid})");
    let denied = other.simple_query(&cancel).await.unwrap_err();
    assert_eq!(code(&denied), "42501");
    assert!(
        idle.query_one(&cancel, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
    );
    let (sqlstate, busy) = running.await.unwrap();
    assert_eq!(sqlstate, "57014");
    busy.simple_query("select 1").await.unwrap();

    let terminate = "select pg_terminate_backend(pid) from pg_stat_activity where pid = $1";
    assert!(
        busy.query_one(terminate, &[&idle_pid])
            .await
            .unwrap()
            .get::<_, bool>(0)
    );
    for _ in 0..100 {
        if idle.is_closed() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(idle.is_closed());
    assert!(
        busy.query(terminate, &[&idle_pid])
            .await
            .unwrap()
            .is_empty()
    );
    for (sql, sqlstate) in [
        ("select pg_terminate_backend(1, 'x')", "22P02"),
        ("select pg_terminate_backend('x')", "22P02"),
        ("select pg_terminate_backend(1, 1000)", "0A000"),
        ("select pg_cancel_backend(1, 0)", "42883"),
        ("select pg_cancel_backend()", "42883"),
    ] {
        let error = busy.simple_query(sql).await.unwrap_err();
        assert_eq!(code(&error), sqlstate, "{sql}");
    }
    let nobody = busy.query_one("select pg_terminate_backend(1)", &[]).await;
    assert!(!nobody.unwrap().get::<_, bool>(0));
}
