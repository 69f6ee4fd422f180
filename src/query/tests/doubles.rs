//! Doubles beside literals with a point. The answers are Postgres's.

use super::*;

#[tokio::test]
async fn a_double_is_equal_to_the_literal_that_it_was_made_of() {
    let session = session(&engine());
    for (condition, answer) in [
        ("x < -617283948.75", false),
        ("x = -617283948.75", true),
        ("x BETWEEN -617283948.75 AND -617283948.75", true),
        ("x IN (-617283948.75, 0.5)", true),
        ("x * 1e290 < -1.5", true),
        ("1e300 > 1e-300", true),
        ("x + 0.25 = -617283948.5", true),
        ("0.1::double precision + 0.2 = 0.3", false),
        ("0.1::real = 0.1", false),
        ("CASE WHEN x < 0 THEN x ELSE 0.5 END = x", true),
        ("coalesce(x, 0.5) = x", true),
        ("greatest(x * 1e30, 0.5) = 0.5", true),
    ] {
        let text =
            format!("SELECT {condition} FROM (SELECT (-617283948.75)::double precision AS x) AS t");
        assert_eq!(
            lines(&session, &text).await,
            [answer.to_string()],
            "{condition}"
        );
    }
}
