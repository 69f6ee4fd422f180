//! Windows that give long texts to many rows: counted, or in portions, and never a panic.

use super::*;
use crate::query::QueryErrorKind;

fn engine_of(mib: usize) -> Arc<Engine> {
    let options = EngineOptions {
        memory_bytes: mib << 20,
        ..small()
    };
    Engine::new(lake(), options).expect("starts")
}

/// One text of this length among so many short ones, each row with its number.
fn one_long(length: usize, rows: usize) -> String {
    format!(
        "(SELECT value, CASE WHEN value = 1 THEN repeat('x', {length}) ELSE 'y' END AS t, \
         CASE WHEN value = {rows} THEN repeat('x', {length}) ELSE 'y' END AS u \
         FROM generate_series(1, {rows}) AS s(value)) AS r"
    )
}

#[tokio::test]
async fn one_long_text_for_every_row_of_a_window_is_refused_before_it_is_there() {
    let session = session(&engine_of(64));
    let rows = one_long(100_000, 30_000);
    let whole = "OVER (ORDER BY value ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)";
    for call in [
        format!("first_value(t) {whole}"),
        format!("nth_value(t, 1) {whole}"),
        format!("lag(t, 1, repeat('z', 10)) {whole}, last_value(u) {whole}"),
        format!("min(t) {whole}"),
        format!("string_agg(t, ',') {whole}"),
    ] {
        let text = format!("SELECT {call} FROM {rows}");
        let error = failure(&session, &text).await;
        assert_eq!(error.kind, QueryErrorKind::OutOfMemory, "{call}: {error:?}");
    }
    // What fits is right.
    let text = format!(
        "SELECT sum(length(f)), sum(length(l)), min(length(n)) FROM (SELECT \
         first_value(t) {whole} AS f, last_value(u) {whole} AS l, nth_value(t, 2) {whole} AS n \
         FROM {})",
        one_long(10_000, 500)
    );
    assert_eq!(lines(&session, &text).await, ["5000000,5000000,1"]);
}

/// 8,192 rows of a running window would get 2.4 GiB of text at once: more than an array of texts
/// holds, and far more than the limit.
#[tokio::test]
async fn a_running_window_gives_long_texts_in_portions() {
    let session = session(&engine_of(64));
    let rows = one_long(300_000, 8_192);
    for call in ["min(t)", "first_value(t)"] {
        let text = format!(
            "SELECT count(*), sum(length(m)) FROM \
             (SELECT {call} OVER (ORDER BY value) AS m FROM {rows})"
        );
        assert_eq!(lines(&session, &text).await, ["8192,2457600000"], "{call}");
    }
}

/// The figure of a query in `system.queries`.
async fn peak(session: &Session, id: u64) -> usize {
    let text = format!("SELECT memory_peak_bytes FROM system.queries WHERE query_id = {id}");
    lines(session, &text).await[0].parse().expect("a number")
}

#[tokio::test]
async fn what_aggregates_and_windows_hold_is_the_querys_own() {
    let engine = engine_of(64);
    let session = session(&engine);
    const VALUES: usize = 100_000;
    for (text, least) in [
        (
            "SELECT cardinality(array_agg(value)) FROM {rows}",
            VALUES * 8,
        ),
        (
            "SELECT length(string_agg(value::text, ',')) FROM {rows}",
            VALUES * 4,
        ),
        (
            "SELECT count(*) FROM (SELECT first_value(value) OVER (ORDER BY value ROWS BETWEEN \
          UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS f FROM {rows}) WHERE f > 0",
            VALUES * 4,
        ),
        (
            "SELECT sum(length(f)) FROM (SELECT first_value(t) OVER (ORDER BY value ROWS BETWEEN \
          UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS f FROM {long})",
            1_000 * 20_000,
        ),
    ] {
        let text = text
            .replace(
                "{rows}",
                &format!("generate_series(1, {VALUES}) AS s(value)"),
            )
            .replace("{long}", &one_long(20_000, 1_000));
        let stream = session.sql(&text).await.expect("it starts");
        let id = stream.query_id();
        stream.collect().await.expect("it fits");
        let peak = peak(&session, id).await;
        assert!(peak >= least, "{text}: {peak} of {least}");
    }
    assert_eq!(engine.figures().memory_bytes, 0, "all was given back");
}

/// Rows of 1 KB, in order.
const WIDE: &str = "(SELECT value, repeat(md5(value::text), 32) AS t \
                    FROM generate_series(1, 100000) AS s(value)) AS r";

#[tokio::test]
async fn frames_beyond_the_limit_are_refused_and_small_ones_are_right() {
    let engine = engine_of(32);
    let session = session(&engine);
    let ask = |call: &str, frame: &str| {
        format!(
            "SELECT sum(s), max(length(t)) FROM (SELECT t, {call} OVER (ORDER BY value {frame}) AS s FROM {WIDE})"
        )
    };
    for (call, frame) in [
        (
            "sum(length(t))",
            "ROWS BETWEEN 90000 PRECEDING AND CURRENT ROW",
        ),
        ("count(t)", "RANGE BETWEEN 90000 PRECEDING AND CURRENT ROW"),
        (
            "avg(value)",
            "GROUPS BETWEEN 90000 PRECEDING AND 1 FOLLOWING",
        ),
        ("lag(value, 90000)", ""),
        (
            "nth_value(value, 2)",
            "ROWS BETWEEN 90000 PRECEDING AND CURRENT ROW",
        ),
    ] {
        let error = failure(&session, &ask(call, frame)).await;
        assert_eq!(
            error.kind,
            QueryErrorKind::OutOfMemory,
            "{call} {frame}: {error:?}"
        );
    }
    for (call, frame, sum) in [
        (
            "sum(value)",
            "ROWS BETWEEN 9 PRECEDING AND CURRENT ROW",
            "49996000120",
        ),
        (
            "count(*)",
            "RANGE BETWEEN 9 PRECEDING AND CURRENT ROW",
            "999955",
        ),
        ("lag(value, 10)", "", "4999050045"),
        ("lead(value, 10)", "", "5000049945"),
        (
            "nth_value(value, 2)",
            "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
            "5000049999",
        ),
        ("row_number()", "", "5000050000"),
    ] {
        let answer = lines(&session, &ask(call, frame)).await;
        assert_eq!(answer, [format!("{sum},1024")], "{call} {frame}");
    }
    assert_eq!(engine.figures().memory_bytes, 0, "all was given back");
}
