//! Zeros with a sign and without. The answers are Postgres's (asked for in `tests/it/wire`).

use super::*;

#[tokio::test]
async fn a_zero_with_a_sign_is_the_zero_without() {
    let session = session(&engine());
    let two = "(values ('-0'::float8, 0::float8)) v(x, y)";
    let both = "(values ('-0'::float8), (0::float8), ('NaN'::float8), (null)) v(x)";
    for (text, answer) in [
        (
            "SELECT x = y, x < y, x >= y, x <> y, x IS DISTINCT FROM y FROM {two}",
            "true,false,true,false,false",
        ),
        (
            "SELECT x = 0, 0 = y, x < 0, x <= 0, y > 0, y >= 0, 0 > x FROM {two}",
            "true,true,false,true,false,true,false",
        ),
        (
            "SELECT x BETWEEN 0 AND 1, y BETWEEN -1 AND -0.0, x IN (0, 5), y IN ('-0') FROM {two}",
            "true,true,true,true",
        ),
        (
            "SELECT x + 1 = y + 1, -y = x, x * 1 = 0 FROM {two}",
            "true,true,true",
        ),
        (
            "SELECT nullif(x, y) IS NULL, CASE x WHEN 0 THEN 'z' ELSE 'n' END FROM {two}",
            "true,z",
        ),
        (
            "SELECT x::real = y::real, x::real = 0 FROM {two}",
            "true,true",
        ),
        (
            "SELECT count(*), count(DISTINCT x) FROM {both} WHERE x = 0",
            "2,1",
        ),
        ("SELECT count(*) FROM {both} WHERE x <> 0", "1"),
        (
            "SELECT count(*) FROM (SELECT DISTINCT x FROM {both}) AS d",
            "3",
        ),
        (
            "SELECT max(n) FROM (SELECT x, count(*) AS n FROM {both} GROUP BY x) AS g",
            "2",
        ),
        (
            "SELECT max(v.n) FROM (SELECT v.x, count(*) AS n FROM {both} GROUP BY v.x) AS v WHERE v.x = 0",
            "2",
        ),
        (
            "SELECT count(*) FROM {both} JOIN (values (0::float8)) AS w(y) ON x = y",
            "2",
        ),
        (
            "SELECT count(*) FROM {both} JOIN (values (0::float8)) AS w(x) USING (x)",
            "2",
        ),
        (
            "SELECT count(*) FROM {both} WHERE x IN (SELECT y FROM {two2})",
            "2",
        ),
        (
            "SELECT max(r) FROM (SELECT rank() OVER (ORDER BY x) AS r FROM {both} WHERE x = 0) AS r",
            "1",
        ),
        (
            "SELECT max(n) FROM (SELECT count(*) OVER (PARTITION BY x) AS n FROM {both}) AS w",
            "2",
        ),
        (
            "SELECT count(*) FROM (SELECT x FROM {both} UNION SELECT y FROM {two2}) AS u",
            "3",
        ),
        (
            "SELECT count(*) FROM (SELECT x FROM {both} WHERE x = 0 EXCEPT SELECT 0::float8) AS e",
            "0",
        ),
    ] {
        let text = text
            .replace("{two}", two)
            .replace("{both}", both)
            .replace("{two2}", "(values ('-0'::float8)) AS z(y)");
        assert_eq!(lines(&session, &text).await, [answer], "{text}");
    }
}

/// What prunes files must stay a comparison of a column with a constant.
#[tokio::test]
async fn columns_beside_literals_are_compared_as_they_are() {
    let session = session(&engine());
    let rows = "(SELECT value::float8 AS x FROM generate_series(1, 10) AS s(value)) AS v";
    for condition in [
        "x = 0",
        "x > 5",
        "0 <= x",
        "x BETWEEN 0 AND 2",
        "x IN (0, 1, 2)",
        "x <> 0.0",
    ] {
        let text = format!("EXPLAIN SELECT x FROM {rows} WHERE {condition}");
        let plan = shown(&session, &text).await;
        assert!(!plan.contains("unsigned_zero"), "{condition}: {plan}");
    }
    let text = format!("EXPLAIN SELECT count(*) FROM {rows} GROUP BY x");
    assert!(shown(&session, &text).await.contains("unsigned_zero"));
}
