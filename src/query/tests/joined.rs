//! Texts that are put together, and what they may take.

use super::*;
use crate::query::QueryErrorKind;

#[tokio::test]
async fn texts_are_joined_as_ever() {
    let session = session(&engine());
    for (expression, answer) in [
        ("'a' || 'b'", "ab"),
        ("t.x || '-' || t.y", "one-two"),
        ("coalesce(t.x || NULL, 'null')", "null"),
        ("t.n || 'x'", "7x"),
    ] {
        let text = format!("SELECT {expression} FROM (SELECT 'one' AS x, 'two' AS y, 7 AS n) AS t");
        assert_eq!(lines(&session, &text).await, [answer], "{expression}");
    }
    let text = "SELECT x || y FROM (VALUES ('a', 'b'), (NULL, 'c'), ('d', '')) AS t (x, y) \
                WHERE x || y = 'ab' OR x || y = 'd' ORDER BY x || y";
    assert_eq!(lines(&session, text).await, ["ab", "d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_text_beside_every_row_is_refused_before_it_is_written_out() {
    let session = session(&engine());
    let text = "SELECT count(*) FROM (SELECT lag(repeat('x', 100000) || value::text) OVER () AS l \
                FROM generate_series(1, 100000) s(value)) AS t WHERE l <> ''";
    let error = failure(&session, text).await;
    assert_eq!(error.kind, QueryErrorKind::OutOfMemory, "{error:?}");
}
