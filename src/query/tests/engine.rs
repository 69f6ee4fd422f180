//! Running, limits, cancelling.

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
            "SELECT * FROM generate_series(1, 3) FETCH FIRST 2 ROWS ONLY"
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

#[tokio::test(flavor = "multi_thread")]
async fn a_sort_beyond_the_memory_limit_spills() {
    let session = session(&engine());
    let text = "SELECT count(*), max(n) FROM (SELECT row_number() OVER (ORDER BY v) AS n \
                FROM (SELECT repeat(md5(value::text), 4) AS v FROM generate_series(1, 400000)))";
    assert_eq!(lines(&session, text).await, ["400000,400000"]);
}

#[tokio::test]
async fn queries_are_shown_with_their_rows() {
    let session = session(&engine());
    lines(&session, "SELECT * FROM generate_series(1, 5)").await;
    assert_eq!(
        lines(
            &session,
            "SELECT \"user\", application, state, rows FROM system.queries ORDER BY query_id LIMIT 1"
        )
        .await,
        ["ann,tests,succeeded,5"]
    );
}
