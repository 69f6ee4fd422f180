//! The tables of `pg_catalog` and `information_schema` beside those of a real Postgres: all are
//! there, with the same columns in the same order.

use tokio_postgres::Client;

use super::{postgres, wire};

/// Schema, table and columns.
async fn columns(client: &Client) -> Vec<(String, Vec<String>)> {
    let sql = "select table_schema || '.' || table_name, array_agg(column_name::text order by \
               ordinal_position) from information_schema.columns where table_schema in \
               ('pg_catalog', 'information_schema') group by 1 order by 1";
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: run ./test"]
async fn the_catalogs_are_whole() {
    let postgres = postgres().await;
    let version: String = postgres
        .query_one("show server_version_num", &[])
        .await
        .unwrap()
        .get(0);
    let expected = columns(&postgres).await;
    assert!(expected.len() > 150, "{} tables", expected.len());
    // Another Postgres has other columns: then only that each table can be read is seen.
    let same = version.starts_with("15");
    let wire = wire().await;
    let client = wire.client().await;
    let expected = if same {
        expected
    } else {
        columns(&client).await
    };
    for (table, names) in expected {
        let statement = client
            .prepare(&format!("select * from {table}"))
            .await
            .unwrap_or_else(|error| panic!("{table}: {error:?}"));
        let found: Vec<&str> = statement.columns().iter().map(|c| c.name()).collect();
        assert_eq!(found, names, "{table}");
        // And it can be read.
        client
            .query(&statement, &[])
            .await
            .unwrap_or_else(|error| panic!("{table}: {error:?}"));
    }
}
