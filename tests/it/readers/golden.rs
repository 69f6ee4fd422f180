//! A table that Spark 3.5 with Iceberg 1.10 wrote, kept as it left it: appended to, deleted from,
//! updated and merged into with position deletes, renamed and added columns, a partition field
//! dropped, an equality delete by Iceberg's Java library. `rows.json` in it is what Spark read.
//! Iceberg's paths are absolute, so it lies where it was written.

use std::path::Path;
use std::process::Command;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use frazil::lake::catalog::{Swap, SwapOutcome};
use serde_json::Value;

use super::house::House;

const PLACE: &str = "/tmp/frazil-golden";
const METADATA: &str = "file:/tmp/frazil-golden/spark/shop/events/metadata/\
                        00010-550ddac4-2de7-45b4-a2c9-a20b59ad3392.metadata.json";

fn unpack() {
    std::fs::create_dir_all(PLACE).unwrap();
    let archive = crate::parts::tests_file("golden/spark-merge-on-read.tar.gz");
    // Another run may be reading the same files.
    let unpacked = Command::new("tar")
        .arg("--skip-old-files")
        .arg("-xzf")
        .arg(archive)
        .args(["-C", PLACE])
        .status()
        .unwrap();
    assert!(unpacked.success());
}

/// Rows as `a|b`, NULL as ∅.
async fn rows(house: &House, sql: &str) -> Vec<String> {
    let mut rows = Vec::new();
    let options = FormatOptions::new().with_null("∅");
    for batch in house.lakehouse.sql(sql).await.unwrap() {
        let columns = batch.columns().iter();
        let columns: Vec<_> = columns
            .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let texts = columns.iter().map(|column| column.value(row).to_string());
            rows.push(texts.collect::<Vec<_>>().join("|"));
        }
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_spark_merged_on_read_has_its_rows() {
    unpack();
    let house = House::empty("shop.events").await;
    let swap = Swap {
        table: house.name.clone(),
        expected: None,
        new: Some(METADATA.to_owned()),
        edit: None,
    };
    let lake = house.lakehouse.lake();
    let swapped = lake.catalog.swap(&[swap], &[]).await.unwrap();
    assert_eq!(swapped, SwapOutcome::Swapped);

    let contents = "SELECT content, count(*) FROM shop.events$files GROUP BY 1 ORDER BY 1";
    let contents = rows(&house, contents).await;
    let kinds: Vec<_> = contents
        .iter()
        .filter_map(|row| row.split('|').next())
        .collect();
    assert_eq!(kinds, ["data", "equality deletes", "position deletes"]);

    let text = std::fs::read_to_string(Path::new(PLACE).join("spark/rows.json")).unwrap();
    let mut theirs: Vec<String> = text
        .lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            let columns =
                ["id", "at", "path", "amount", "tags", "n", "note"].map(|name| match &row[name] {
                    Value::Null => "∅".to_owned(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
            columns.join("|")
        })
        .collect();
    theirs.sort_unstable();
    let query = "SELECT id, to_char(at, 'YYYY-MM-DD HH24:MI:SS'), path, amount::text, \
                 CASE WHEN tags IS NULL THEN '' ELSE array_to_string(tags, ',') END, \
                 coalesce(cardinality(tags), -1), note FROM shop.events";
    let mut ours = rows(&house, query).await;
    ours.sort_unstable();
    assert_eq!(ours, theirs);
    assert_eq!(theirs.len(), 51);
    for (filter, expected) in [
        ("id IN (7, 11, 12, 20)", "11"),
        ("path = '/updated'", "3|13|23|33|43|53"),
        ("at >= '2026-01-05'", "50|53|59"),
    ] {
        let query = format!("SELECT id FROM shop.events WHERE {filter} ORDER BY 1");
        assert_eq!(rows(&house, &query).await.join("|"), expected, "{filter}");
    }
}
