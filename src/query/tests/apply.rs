//! Queries within queries that are asked row by row.

use super::{engine, failure, lines, session};
use crate::query::QueryErrorKind;

#[tokio::test]
async fn a_join_stays_a_join_and_only_the_rest_is_asked_row_by_row() {
    let engine = engine();
    let session = session(&engine);
    for (text, by_row) in [
        (
            "SELECT x FROM generate_series(1, 3) g(x) WHERE EXISTS \
             (SELECT 1 FROM generate_series(2, 9) h(y) WHERE y = x)",
            false,
        ),
        (
            "SELECT x, (SELECT max(y) FROM generate_series(1, 9) h(y) WHERE y = x) \
             FROM generate_series(1, 3) g(x)",
            false,
        ),
        (
            "SELECT x, (SELECT min(y) FROM generate_series(1, 9) h(y) WHERE y > x) \
             FROM generate_series(1, 3) g(x)",
            true,
        ),
        (
            "SELECT x, z FROM generate_series(1, 3) g(x), LATERAL \
             (SELECT y AS z FROM generate_series(1, 9) h(y) WHERE y > x ORDER BY y LIMIT 1) l",
            true,
        ),
        (
            "SELECT x, z FROM generate_series(1, 3) g(x), LATERAL unnest(array[x, 2 * x]) l(z)",
            false,
        ),
    ] {
        let plan = super::shown(&session, &format!("EXPLAIN {text}")).await;
        assert_eq!(plan.contains("frazil_apply"), by_row, "{text}: {plan}");
    }
}

/// Beyond the answers that are kept, and beyond one batch.
#[tokio::test]
async fn many_outer_values_and_more_than_one_batch() {
    let engine = engine();
    let session = session(&engine);
    let text = "SELECT count(*), sum(z) FROM (SELECT x % 1000 AS x FROM generate_series(1, 20000) \
                g(x)) g, LATERAL (SELECT y AS z FROM generate_series(0, 2000) h(y) WHERE y > x \
                ORDER BY y LIMIT 1) l";
    assert_eq!(lines(&session, text).await, ["20000,10010000"]);
}

#[tokio::test]
async fn rows_of_a_lateral_query_count_against_the_memory_limit() {
    let engine = engine();
    let session = session(&engine);
    let text = "SELECT sum(length(t)) FROM generate_series(1, 2) g(x), LATERAL \
                (SELECT repeat('x', 10000) || y::text AS t FROM generate_series(1, 100000) h(y) \
                WHERE y > x LIMIT 99990) l";
    let error = failure(&session, text).await;
    assert_eq!(error.kind, QueryErrorKind::OutOfMemory, "{error}");
    assert_eq!(lines(&session, "SELECT 1").await, ["1"]);
}
