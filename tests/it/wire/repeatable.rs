//! What a transaction reads stays as it was when it first read it; outside of one, each statement
//! reads what is there.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use frazil::domain::TableName;
use frazil::lake::Lake;
use frazil::lake::commit::{Commit, FileChange, TableChange};
use frazil::lake::writer::TableWriter;
use tokio_postgres::Client;

use super::fixture::{code, wire};

async fn append(lake: &Lake, id: &str) {
    let name: TableName = "shop.events".parse().unwrap();
    let table = lake.table(&name).await.unwrap();
    let mut writer = TableWriter::new(&table).unwrap();
    let schema = writer.schema();
    let columns = schema.fields().iter().map(|field| match &**field.name() {
        "event_id" => Arc::new(StringArray::from(vec![id])) as ArrayRef,
        _ => new_null_array(field.data_type(), 1),
    });
    let batch = RecordBatch::try_new(schema.clone(), columns.collect()).unwrap();
    writer.write(batch).await.unwrap();
    let files = writer.finish().await.unwrap();
    let commit = Commit {
        id: lake.entropy.uuid(),
        changes: vec![TableChange::new(name, FileChange::Append(files))],
        guards: Vec::new(),
    };
    lake.commit(&commit).await.unwrap();
}

async fn count(client: &Client) -> i64 {
    let row = client.query_one("select count(*) from shop.events", &[]);
    row.await.unwrap().get(0)
}

async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_reads_one_state_of_a_table() {
    let wire = wire().await;
    let lake = wire.engine.lake();
    let (client, other) = (wire.client().await, wire.client().await);
    append(lake, "a").await;

    // A transaction's state is that of its first look, not that of BEGIN.
    run(&client, "begin").await;
    append(lake, "b").await;
    assert_eq!(count(&client).await, 2);
    append(lake, "c").await;
    assert_eq!((count(&client).await, count(&other).await), (2, 3));
    let prepared = client.prepare("select event_id from shop.events");
    let prepared = prepared.await.unwrap();
    assert_eq!(client.query(&prepared, &[]).await.unwrap().len(), 2);
    run(&client, "savepoint s").await;
    let failed = client.batch_execute("select * from shop.nothing").await;
    assert_eq!(code(&failed.unwrap_err()), "42P01");
    run(&client, "rollback to savepoint s").await;
    assert_eq!(count(&client).await, 2);
    run(&client, "commit and chain").await;
    assert_eq!(count(&client).await, 3, "another transaction");
    append(lake, "d").await;
    assert_eq!(count(&client).await, 3);
    // What it names itself is what it gets.
    let sql = "select count(*) from shop.events$snapshots";
    let snapshots: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(snapshots, 3);
    run(&client, "rollback").await;
    assert_eq!(count(&client).await, 4);
    // Prepared in the transaction, run after it.
    assert_eq!(client.query(&prepared, &[]).await.unwrap().len(), 4);

    // A cursor is of its transaction.
    run(
        &client,
        "begin; declare c cursor for select event_id from shop.events",
    )
    .await;
    append(lake, "e").await;
    let fetched = client.query("fetch all from c", &[]).await.unwrap();
    assert_eq!(fetched.len(), 4);
    assert_eq!(count(&client).await, 4);
    run(&client, "end").await;
    assert_eq!(count(&client).await, 5);
}
