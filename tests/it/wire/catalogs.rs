//! What clients ask of `pg_catalog` and `information_schema`.

use super::fixture::wire;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oids_are_the_same_in_two_servers() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let wire = wire().await;
        let client = wire.client().await;
        let row = client
            .query_one(
                "select oid, relnamespace from pg_class where relname = 'events'",
                &[],
            )
            .await
            .unwrap();
        seen.push((row.get::<_, u32>(0), row.get::<_, u32>(1)));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_tables_and_columns() {
    let wire = wire().await;
    let client = wire.client().await;
    let rows = client
        .query(
            "select column_name, data_type, is_nullable, numeric_precision, numeric_scale \
             from information_schema.columns where table_schema = 'shop' and table_name = 'events' \
             order by ordinal_position",
            &[],
        )
        .await
        .unwrap();
    let shown: Vec<String> = rows
        .iter()
        .map(|row| {
            format!(
                "{} {} {} {:?} {:?}",
                row.get::<_, &str>(0),
                row.get::<_, &str>(1),
                row.get::<_, &str>(2),
                row.get::<_, Option<i32>>(3),
                row.get::<_, Option<i32>>(4)
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "event_id text NO None None",
            "timestamp timestamp with time zone YES None None",
            "amount numeric YES Some(12) Some(2)",
            "properties json YES None None"
        ]
    );
    let row = client
        .query_one(
            "select a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod) \
             from pg_attribute a where a.attrelid = 'shop.events'::regclass and a.attname = 'amount'",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, u32>(0), 1700);
    assert_eq!(row.get::<_, i32>(1), (12 << 16 | 2) + 4);
    assert_eq!(row.get::<_, &str>(2), "numeric(12,2)");
}
