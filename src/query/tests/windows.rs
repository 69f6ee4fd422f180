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
            VALUES * 8,
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
