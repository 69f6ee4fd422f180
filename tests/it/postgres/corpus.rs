//! The statements of `tests/pg-corpus`, which Postgres's clients send: each must be answered.
//! Those that are not yet stand in `tests/postgres/known-corpus-failures.txt`.
//!
//! Tables are empty here: that a statement is planned, typed and run is what is tested.

use std::sync::Arc;
use std::time::Duration;

use frazil::domain::TableName;
use frazil::lake::catalog::Swap;
use frazil::query::Engine;
use iceberg::spec::{
    FormatVersion, NestedField, PrimitiveType as P, Schema, SortOrder, TableMetadataBuilder, Type,
    UnboundPartitionSpec,
};

use super::super::wire::fixture::{WRITER, wire_with};
use futures::TryStreamExt;
use tokio_postgres::{Client, NoTls};

async fn make_table(engine: &Engine, schema: &str, name: &str, columns: &[(&str, P)]) {
    let fields = columns.iter().enumerate().map(|(index, (name, kind))| {
        let kind = Type::Primitive(kind.clone());
        Arc::new(NestedField::optional(index as i32 + 1, *name, kind))
    });
    let iceberg = Schema::builder().with_fields(fields).build().unwrap();
    let folder = format!("file:///warehouse/{schema}/{name}");
    let metadata = TableMetadataBuilder::new(
        iceberg,
        UnboundPartitionSpec::default(),
        SortOrder::unsorted_order(),
        folder.clone(),
        FormatVersion::V2,
        Default::default(),
    )
    .unwrap()
    .build()
    .unwrap()
    .metadata;
    let location = format!("{folder}/metadata/0.metadata.json");
    let bytes = serde_json::to_vec(&metadata).unwrap();
    let lake = engine.lake();
    lake.store.write(&location, bytes.into()).await.unwrap();
    let swap = Swap {
        table: TableName::new(schema, name).unwrap(),
        expected: None,
        new: Some(location),
        edit: None,
    };
    lake.catalog.swap(&[swap], &[]).await.unwrap();
}

async fn make_tables(engine: &Engine) {
    let decimal = |precision, scale| P::Decimal { precision, scale };
    let orders = [
        ("order_id", P::Long),
        ("customer_id", P::Int),
        ("amount", decimal(12, 2)),
        ("big_dec", decimal(38, 6)),
        ("order_date", P::Date),
        ("created_at", P::Timestamptz),
        ("local_ts", P::Timestamp),
        ("status", P::String),
        ("is_gift", P::Boolean),
        ("score", P::Double),
    ];
    make_table(engine, "public", "orders", &orders).await;
    make_table(engine, "sales", "paid_orders", &orders).await;
    make_table(
        engine,
        "public",
        "v_orders",
        &[("order_id", P::Long), ("amount", decimal(12, 2))],
    )
    .await;
    make_table(
        engine,
        "public",
        "customers",
        &[("id", P::Long), ("name", P::String), ("city", P::String)],
    )
    .await;
    make_table(
        engine,
        "public",
        "events",
        &[("ts", P::String), ("kind", P::String)],
    )
    .await;
}

/// `-- @id name @rows>=n` and the statement behind it.
fn statements(text: &str) -> Vec<(String, String)> {
    let parts = text.split("-- @id ").skip(1);
    parts
        .map(|part| {
            let (head, body) = part.split_once('\n').unwrap_or((part, ""));
            let name = head.split_whitespace().next().unwrap_or_default();
            (name.to_owned(), body.trim().to_owned())
        })
        .collect()
}

async fn ask(client: &Client, sql: &str) -> Result<(), tokio_postgres::Error> {
    if !sql.starts_with("COPY") {
        return client.simple_query(sql).await.map(drop);
    }
    let copied = client.copy_out(sql).await?;
    copied.try_for_each(|_| async { Ok(()) }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_corpus_is_answered() {
    // The statements were taken down beside a database of this name, which some of them say.
    let wire = wire_with(|options| options.database = "postgres".to_owned()).await;
    make_tables(&wire.engine).await;
    let folder = crate::parts::tests_file("pg-corpus");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "sql"))
        .collect();
    files.sort();
    let (mut all, mut failed) = (0, Vec::new());
    for path in files {
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        let url = wire.url(WRITER).replace("dbname=frazil", "dbname=postgres");
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let text = std::fs::read_to_string(&path).unwrap();
        for (name, sql) in statements(&text) {
            all += 1;
            let asked = ask(&client, &sql);
            let error = match tokio::time::timeout(Duration::from_secs(180), asked).await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => match error.as_db_error() {
                    Some(error) => format!("{} {}", error.code().code(), error.message()),
                    None => error.to_string(),
                },
                Err(_) => "no answer".to_owned(),
            };
            if std::env::var("FRAZIL_POSTGRES_REPORT").is_ok() {
                println!("{file} {name}: {error}\n    {sql}");
            }
            failed.push(format!("{file}: {name}"));
        }
    }
    println!("corpus: {} of {all} answered", all - failed.len());
    let list = crate::parts::tests_file("postgres/known-corpus-failures.txt");
    super::check(&list, &failed);
}
