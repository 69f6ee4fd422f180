//! Running, limits, cancelling.

use std::time::{Duration, Instant};

use super::*;
use crate::query::QueryErrorKind;

#[tokio::test]
async fn answers_and_keeps_literals_as_decimals() {
    let engine = engine();
    let session = session(&engine);
    assert_eq!(
        lines(&session, "SELECT 1 AS a, 0.1 + 0.2 = 0.3 AS b").await,
        ["1,true"]
    );
    assert_eq!(
        lines(
            &session,
            "SELECT * FROM generate_series(1, 3) s(value) FETCH FIRST 2 ROWS ONLY"
        )
        .await,
        ["1", "2"]
    );
}

#[tokio::test]
async fn errors_have_kinds_and_places() {
    let session = session(&engine());
    let cases = [
        (
            "SELECT * FROM nowhere.at_all",
            QueryErrorKind::UndefinedTable,
        ),
        (
            "SELECT nothing FROM (SELECT 1 AS a) t",
            QueryErrorKind::UndefinedColumn,
        ),
        (
            "SELECT no_such_function(1)",
            QueryErrorKind::UndefinedFunction,
        ),
        ("SELECT 1 / 0", QueryErrorKind::DivisionByZero),
        ("SELECT 'x'::int", QueryErrorKind::InvalidText),
        (
            "SELECT a, count(*) FROM (SELECT 1 AS a, 2 AS b) t GROUP BY b",
            QueryErrorKind::GroupingError,
        ),
        ("SELEC 1", QueryErrorKind::Syntax),
        (
            "SELECT TIMESTAMP 'tomorrow-ish'",
            QueryErrorKind::DatetimeInvalid,
        ),
        (
            "SELECT 99999999999999999999999999999999999999 * 10.0",
            QueryErrorKind::NumericOutOfRange,
        ),
        ("SELECT 1; SELECT 2", QueryErrorKind::Syntax),
    ];
    for (text, kind) in cases {
        let error = failure(&session, text).await;
        assert_eq!(error.kind, kind, "{text}: {error:?}");
    }
    let error = failure(&session, "SELECT\n  nothing FROM (SELECT 1 AS a) t").await;
    assert_eq!(error.position, Some(10), "{error:?}");
}

/// The same, but its condition is never true: the join gives no row at all.
const BARREN: &str = "SELECT count(*) FROM generate_series(1, 3000000) a(value) \
                      JOIN generate_series(1, 3000000) b(value) ON a.value + b.value < 0";

/// A join of everything with everything under an aggregate: it computes for hours and gives no
/// row before its end.
const ENDLESS: &str = "SELECT count(a.value + b.value) FROM generate_series(1, 3000000) a(value) \
                       JOIN generate_series(1, 3000000) b(value) ON a.value + b.value > 0";

/// Within a second on a machine that is not overloaded; the bound here only tells it from hours.
async fn all_tasks_end(engine: &Engine) {
    let dropped = Instant::now();
    while engine.runtime().handle().metrics().num_alive_tasks() > 0 {
        assert!(
            dropped.elapsed() < Duration::from_secs(20),
            "tasks still run long after the query was dropped"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_stream_stops_a_blocking_aggregate() {
    let engine = engine();
    let session = session(&engine);
    for text in [ENDLESS, BARREN] {
        let stream = session.sql(text).await.expect("starts");
        let id = stream.query_id();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(engine.runtime().handle().metrics().num_alive_tasks() > 0);
        drop(stream);
        all_tasks_end(&engine).await;
        let text = format!("SELECT state FROM system.queries WHERE query_id = {id}");
        assert_eq!(lines(&session, &text).await, ["cancelled"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_future_of_execute_stops_the_query() {
    let engine = engine();
    let session = session(&engine);
    let waiting = async { session.sql(ENDLESS).await.expect("starts").collect().await };
    let outcome = tokio::time::timeout(Duration::from_millis(200), waiting).await;
    assert!(outcome.is_err(), "it can't be done so soon");
    all_tasks_end(&engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sort_beyond_the_memory_limit_spills() {
    let session = session(&engine());
    let text = "SELECT count(*), max(n) FROM (SELECT row_number() OVER (ORDER BY v) AS n \
                FROM (SELECT repeat(md5(value::text), 4) AS v FROM generate_series(1, 400000) s(value)))";
    assert_eq!(lines(&session, text).await, ["400000,400000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_join_beyond_the_memory_limit_takes_another_plan() {
    let session = session(&engine());
    let text = "SELECT count(*) FROM \
        (SELECT value AS k, repeat(md5(value::text), 4) AS v FROM generate_series(1, 400000) s(value)) a \
        JOIN (SELECT value AS k, repeat(md5(value::text), 4) AS w FROM generate_series(1, 400000) s(value)) b \
        ON a.k = b.k WHERE a.v <= b.w";
    assert_eq!(lines(&session, text).await, ["400000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_spill_fails_with_out_of_memory_and_nothing_else_does() {
    let engine = engine();
    let session = session(&engine);
    let text = "SELECT count(DISTINCT v), count(DISTINCT length(v)) FROM \
                (SELECT repeat(md5(value::text), 8) AS v FROM generate_series(1, 400000) s(value))";
    let error = failure(&session, text).await;
    assert_eq!(error.kind, QueryErrorKind::OutOfMemory, "{error:?}");
    assert_eq!(lines(&session, "SELECT 1").await, ["1"]);
    all_tasks_end(&engine).await;
    assert_eq!(engine.environment().memory_pool.reserved(), 0);
}

#[tokio::test]
async fn queries_are_shown_with_their_rows() {
    let session = session(&engine());
    lines(&session, "SELECT * FROM generate_series(1, 5) s(value)").await;
    assert_eq!(
        lines(
            &session,
            "SELECT \"user\", application, state, rows FROM system.queries ORDER BY query_id LIMIT 1"
        )
        .await,
        ["ann,tests,succeeded,5"]
    );
}

#[tokio::test]
async fn a_long_chain_of_conditions_does_not_end_the_process() {
    let session = session(&engine());
    let chain: Vec<_> = (0..1_000)
        .map(|n| format!("value = {n} AND value < 9"))
        .collect();
    let text = format!(
        "SELECT count(*) FROM generate_series(1, 20) s(value) WHERE {}",
        chain.join(" OR ")
    );
    assert_eq!(lines(&session, &text).await, ["8"]);
}

#[tokio::test]
async fn functions_that_make_much_out_of_little_are_held() {
    let session = session(&engine());
    for text in [
        "SELECT repeat('xyz', 2000000000)",
        "SELECT repeat(value::text, 100000000) FROM generate_series(1, 10) s(value)",
        "SELECT lpad('x', 2000000000)",
        "SELECT rpad('x', 1000000000, 'y')",
        "SELECT range(1, 100000000000)",
        "SELECT generate_series(100000000000, 1, -1)",
        "SELECT range(DATE '1970-01-01', DATE '2500-01-01', INTERVAL '1 second')",
        "SELECT array_repeat('a text', 1000000000)",
        "SELECT array_resize([1, 2], 10000000000)",
    ] {
        let error = failure(&session, text).await;
        assert_eq!(error.kind, QueryErrorKind::OutOfMemory, "{text}: {error:?}");
    }
    let text = "SELECT repeat('ab', 2), lpad('x', 3), range(1, 4), array_repeat(7, 2), \
                generate_series(DATE '2026-01-01', DATE '2026-01-02', INTERVAL '1 day')";
    let row = &lines(&session, text).await[0];
    assert_eq!(
        row,
        "abab,  x,[1, 2, 3],[7, 7],2026-01-01"
            .replace("  x", "x")
            .as_str()
    );
}

#[tokio::test]
async fn a_series_at_the_end_of_the_numbers_ends() {
    let session = session(&engine());
    for text in [
        "SELECT * FROM generate_series(9223372036854775806, 9223372036854775807) s(value)",
        "SELECT * FROM range(1, 9223372036854775807, 2)",
    ] {
        let error = failure(&session, text).await;
        assert_eq!(
            error.kind,
            QueryErrorKind::NumericOutOfRange,
            "{text}: {error:?}"
        );
    }
    let text =
        "SELECT * FROM generate_series(9223372036854775804, 9223372036854775806) s(value) LIMIT 2";
    assert_eq!(lines(&session, text).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_window_holds_counts_against_the_limit() {
    let engine = engine();
    let session = session(&engine);
    let rows = "(SELECT repeat(md5(value::text), 4) AS v, value % 100000 AS g, value \
                FROM generate_series(1, 400000) s(value))";
    for window in [
        "sum(value) OVER ()",
        "last_value(v) OVER (ORDER BY v ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
    ] {
        let text = format!("SELECT max(w), max(v) FROM (SELECT v, {window} AS w FROM {rows})");
        let error = failure(&session, &text).await;
        assert_eq!(
            error.kind,
            QueryErrorKind::OutOfMemory,
            "{window}: {error:?}"
        );
    }
    // These go along with their input.
    for window in [
        "sum(value) OVER (ORDER BY v)",
        "sum(value) OVER (PARTITION BY g ORDER BY v)",
        "max(value) OVER (ORDER BY v ROWS 6 PRECEDING)",
    ] {
        let text = format!("SELECT count(w), count(v) FROM (SELECT v, {window} AS w FROM {rows})");
        assert_eq!(lines(&session, &text).await, ["400000,400000"], "{window}");
    }
    all_tasks_end(&engine).await;
    assert_eq!(engine.environment().memory_pool.reserved(), 0);
}
