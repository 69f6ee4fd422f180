//! pyiceberg's tables read by Frazil, and written by it, and read by pyiceberg again.

use super::asked::{Notes, write_again};
use super::house::House;
use super::pruned;
use crate::parts;

/// A table as pyiceberg has it at a snapshot; None: now.
#[derive(serde::Deserialize)]
struct Told {
    table: String,
    snapshot: Option<i64>,
    rows: Vec<String>,
}

fn tables(house: &House, more: &[&str]) -> Vec<Told> {
    let output = parts::python()
        .arg(parts::tests_file("readers/write_tables.py"))
        .arg(house.uri())
        .arg(house.file("py"))
        .args(more)
        .output()
        .expect("Python runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs pyiceberg: run ./test"]
async fn frazil_and_pyiceberg_read_and_write_the_same_tables() {
    let mut house = House::empty("py.none").await;
    std::fs::create_dir(house.file("py")).unwrap();
    let mut notes = Notes::default();
    for told in tables(&house, &[]) {
        let at = told
            .snapshot
            .map_or(String::new(), |id| format!(" VERSION AS OF {id}"));
        let question = format!("SELECT * FROM {}{at}", told.table);
        notes.ask(&house, &question, told.rows).await;
    }
    let made = tables(&house, &["read"]);
    for told in &made {
        house.name = told.table.parse().unwrap();
        let query = format!("SELECT * FROM {}", told.table);
        let Ok(rows) = house.lakehouse.sql(&query).await else {
            // It is among the notes.
            continue;
        };
        // The others hold the same rows in files of the same shape.
        if !told.table.contains("codec_") || told.table == "py.codec_zstd" {
            let found = pruned::differences(&house, &rows).await;
            notes.wrong.extend(found);
        }
        let written = write_again(&house, &rows).await;
        match (written, told.table.as_str()) {
            (Err(error), "py.format_1") if error.contains("writes v2 only") => {}
            (Err(error), "py.codec_brotli") if error.contains("compression-codec") => {}
            (Ok(()), _) => {}
            (Err(error), table) => notes.wrong.push(format!("{table} written again: {error}")),
        }
    }
    for (before, after) in made.iter().zip(tables(&house, &["read"])) {
        let refused = ["py.format_1", "py.codec_brotli"].contains(&before.table.as_str());
        let times = if refused { 1 } else { 2 };
        let mut expected = vec![before.rows.as_slice(); times].concat();
        expected.sort();
        if after.rows != expected {
            let (found, wanted) = (after.rows.len(), expected.len());
            let wrong = format!("{}: pyiceberg reads {found} for {wanted}", before.table);
            notes.wrong.push(wrong);
        }
    }
    let asked = notes.len();
    let wrong = notes.conclude();
    assert!(
        wrong.is_empty(),
        "{} of {asked}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(asked > 150, "{asked}");
}
