//! The extended protocol through tokio-postgres: parameters, binary results, portals, COPY.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use tokio_postgres::types::{FromSql, Type};

use super::fixture::{code, wire};

/// Any value, as the bytes that came.
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_in_binary() {
    let wire = wire().await;
    let client = wire.client().await;
    let rows = client
        .query("select * from system.types", &[])
        .await
        .unwrap();
    let row = &rows[0];
    let types: Vec<&str> = row.columns().iter().map(|c| c.type_().name()).collect();
    assert_eq!(
        types,
        [
            "bool",
            "int2",
            "int4",
            "int8",
            "float4",
            "float8",
            "numeric",
            "text",
            "bytea",
            "uuid",
            "date",
            "timestamp",
            "timestamptz",
            "_int4",
            "json"
        ]
    );
    assert!(row.get::<_, bool>(0));
    assert_eq!(row.get::<_, i16>(1), -2);
    assert_eq!(row.get::<_, i32>(2), 4);
    assert_eq!(row.get::<_, i64>(3), 1 << 40);
    assert_eq!(row.get::<_, f32>(4), 0.5);
    assert_eq!(row.get::<_, f64>(5), 0.1);
    assert_eq!(row.get::<_, &str>(7), "grüße");
    assert_eq!(row.get::<_, Vec<u8>>(8), [0, 255]);
    assert_eq!(row.get::<_, Vec<Option<i32>>>(13), [Some(1), None]);
    assert_eq!(row.get::<_, Raw>(14).0, br#"{"a":1}"#);
    // 10^31 in groups of four decimal digits: one group, 7 groups above the point's.
    assert_eq!(row.get::<_, Raw>(6).0, [0, 1, 0, 7, 0, 0, 0, 6, 3, 232]);
    assert!((0..14).all(|column| rows[1].get::<_, Option<Raw>>(column).is_none()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_are_inferred_and_bound() {
    let wire = wire().await;
    let client = wire.client().await;
    let statement = client
        .prepare("select i4, t from system.types where i4 = $1 and t = $2 limit $3")
        .await
        .unwrap();
    let names: Vec<&str> = statement.params().iter().map(Type::name).collect();
    assert_eq!(names, ["int4", "text", "int8"]);
    for _ in 0..2 {
        let rows = client
            .query(&statement, &[&4i32, &"grüße", &10i64])
            .await
            .unwrap();
        assert_eq!(rows.len(), 1);
    }
    let rows = client
        .query(&statement, &[&5i32, &"grüße", &10i64])
        .await
        .unwrap();
    assert!(rows.is_empty());
    let row = client
        .query_one("select $1::bigint + 1, $2", &[&41i64, &"x"])
        .await
        .unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1)), (42, "x"));
    let wanted = vec![4i32, 7];
    let row = client
        .query_one(
            "select count(*) from system.types where i4 = any($1::int[])",
            &[&wanted],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);
    let none: Option<&str> = None;
    let row = client
        .query_one("select $1::text is null", &[&none])
        .await
        .unwrap();
    assert!(row.get::<_, bool>(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_leaves_the_session_whole() {
    let wire = wire().await;
    let client = wire.client().await;
    assert_eq!(
        code(&client.query("select nope", &[]).await.unwrap_err()),
        "42703"
    );
    assert_eq!(
        code(
            &client
                .query("select 1 / i4 from (values (0)) v(i4)", &[])
                .await
                .unwrap_err()
        ),
        "22012"
    );
    assert_eq!(
        client
            .query_one("select 1", &[])
            .await
            .unwrap()
            .get::<_, i32>(0),
        1
    );
    let error = client.prepare("select 1; select 2").await.unwrap_err();
    assert_eq!(code(&error), "42601");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn portals_stop_at_their_limit_and_go_on() {
    let wire = wire().await;
    let mut client = wire.client().await;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction
        .bind(
            "select value from generate_series(1, 10) s(value) order by 1",
            &[],
        )
        .await
        .unwrap();
    let mut seen = Vec::new();
    for expected in [4, 4, 2, 0] {
        let rows = transaction.query_portal(&portal, 4).await.unwrap();
        assert_eq!(rows.len(), expected);
        seen.extend(rows.iter().map(|row| row.get::<_, i32>(0)));
    }
    assert_eq!(seen, (1..=10).collect::<Vec<i32>>());
    transaction.rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_statements_are_answered_in_order() {
    let wire = wire().await;
    let client = wire.client().await;
    let asks = (0..50i64).map(|number| {
        let client = &client;
        async move {
            let row = client
                .query_one("select $1::bigint", &[&number])
                .await
                .unwrap();
            row.get::<_, i64>(0)
        }
    });
    let answers = futures::future::join_all(asks).await;
    assert_eq!(answers, (0..50).collect::<Vec<i64>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_row_does_not_wait_for_the_last() {
    let wire = wire().await;
    let client = wire.client().await;
    let rows = client
        .query_raw(
            "select value from generate_series(1, 100000000000) s(value)",
            Vec::<i32>::new(),
        )
        .await
        .unwrap();
    let mut rows = std::pin::pin!(rows);
    let started = Instant::now();
    for expected in 1..=1000i64 {
        assert_eq!(
            rows.next().await.unwrap().unwrap().get::<_, i64>(0),
            expected
        );
    }
    assert!(started.elapsed() < Duration::from_secs(20));
    client
        .cancel_token()
        .cancel_query(tokio_postgres::NoTls)
        .await
        .unwrap();
    let error = loop {
        match rows.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("the query ended without being cancelled"),
        }
    };
    assert_eq!(code(&error), "57014");
}

async fn copied(client: &tokio_postgres::Client, sql: &str) -> Vec<u8> {
    let stream = client
        .copy_out(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let parts: Vec<_> = stream.try_collect().await.unwrap();
    parts.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_to_stdout() {
    let wire = wire().await;
    let client = wire.client().await;
    let text = copied(&client, "copy (select i4, t from system.types) to stdout").await;
    assert_eq!(String::from_utf8(text).unwrap(), "4\tgrüße\n\\N\t\\N\n");
    let csv = copied(
        &client,
        "copy system.types (t, list) to stdout with (format csv, header, null '-')",
    )
    .await;
    assert_eq!(
        String::from_utf8(csv).unwrap(),
        "t,list\ngrüße,\"{1,NULL}\"\n-,-\n"
    );
    let binary = copied(
        &client,
        "copy (select i4 from system.types) to stdout (format binary)",
    )
    .await;
    assert_eq!(&binary[..11], b"PGCOPY\n\xff\r\n\0");
    assert_eq!(
        &binary[19..],
        [
            0, 1, 0, 0, 0, 4, 0, 0, 0, 4, 0, 1, 255, 255, 255, 255, 255, 255
        ]
    );
    assert_eq!(
        code(
            &client
                .copy_out("copy (select nope) to stdout")
                .await
                .err()
                .unwrap()
        ),
        "42703"
    );
    let none = copied(
        &client,
        "copy (select 1 where false) to stdout (format binary)",
    )
    .await;
    assert_eq!(none.len(), 19 + 2);
}
