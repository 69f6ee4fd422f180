//! Spark's tables read by Frazil, and written by it, and read by Spark again.

use arrow::record_batch::RecordBatch;

use super::asked::{Notes, write_again};
use super::house::House;
use super::pruned;
use super::spark_process::Spark;
use super::spark_tables::{self, Case, Reads};

/// Asks both; the answers are compared when all have been given.
pub async fn ask(notes: &mut Notes, house: &House, spark: &mut Spark, ours: &str, theirs: &str) {
    match spark.sql(theirs) {
        Ok(rows) => notes.ask(house, ours, rows).await,
        Err(error) => notes.wrong.push(format!("Spark: {error}")),
    }
}

async fn snapshots(house: &House) -> Vec<i64> {
    let table = house.table().await;
    let mut all: Vec<_> = table.metadata().snapshots().cloned().collect();
    all.sort_by_key(|snapshot| snapshot.sequence_number());
    all.iter().map(|snapshot| snapshot.snapshot_id()).collect()
}

pub async fn compare(house: &House, spark: &mut Spark, only_now: bool, notes: &mut Notes) {
    let name = house.name.to_string();
    let theirs = format!("frazil.{name}");
    let every = |at: &str| {
        (
            format!("SELECT * FROM {name} {at}"),
            format!("SELECT * FROM {theirs} {at}"),
        )
    };
    let mut questions = vec![every("")];
    let then = if only_now {
        Vec::new()
    } else {
        snapshots(house).await
    };
    for id in then {
        questions.push(every(&format!("VERSION AS OF {id}")));
    }
    for name in house.table().await.refs().keys() {
        questions.push((
            format!("SELECT * FROM {} AT(REF => '{name}')", house.name),
            format!("SELECT * FROM {theirs} VERSION AS OF '{name}'"),
        ));
    }
    for (table, columns, own) in [
        (
            "snapshots",
            "committed_at, snapshot_id, parent_id, operation, manifest_list",
            None,
        ),
        (
            "history",
            "made_current_at, snapshot_id, parent_id, is_current_ancestor",
            None,
        ),
        (
            "files",
            "content, file_path, file_format, spec_id, record_count, file_size_in_bytes, sort_order_id",
            Some(
                "CASE content WHEN 0 THEN 'data' WHEN 1 THEN 'position deletes' ELSE \
                 'equality deletes' END AS content, file_path, lower(file_format) AS file_format, \
                 spec_id, record_count, file_size_in_bytes, sort_order_id",
            ),
        ),
        (
            "manifests",
            "path, length, partition_spec_id, added_snapshot_id",
            None,
        ),
    ] {
        questions.push((
            format!("SELECT {columns} FROM {name}${table}"),
            format!("SELECT {} FROM {theirs}.{table}", own.unwrap_or(columns)),
        ));
    }
    for (ours, theirs) in questions {
        ask(notes, house, spark, &ours, &theirs).await;
    }
}

async fn check(house: &House, spark: &mut Spark, case: &Case, notes: &mut Notes) {
    let name = house.name.to_string();
    let query = format!("SELECT * FROM {name}");
    if let Reads::Refused(words) = case.reads {
        for query in [query, format!("SELECT count(*) FROM {name}")] {
            match house.lakehouse.sql(&query).await {
                Ok(rows) => notes
                    .wrong
                    .push(format!("{query} is not refused: {rows:?}")),
                Err(error) if error.to_string().contains(words) => {}
                Err(error) => notes.wrong.push(format!("{query}: {error}")),
            }
        }
        return;
    }
    compare(house, spark, case.only_now, notes).await;
    let rows = match house.lakehouse.sql(&query).await {
        Ok(rows) => rows,
        Err(error) => return notes.wrong.push(format!("{query}: {error}")),
    };
    notes.wrong.extend(pruned::differences(house, &rows).await);

    match (write_again(house, &rows).await, &case.reads) {
        (Ok(()), Reads::Same) => {}
        (Err(error), Reads::SameNoWrite(words)) if error.contains(words) => return,
        (written, _) => {
            return notes
                .wrong
                .push(format!("{name} written again: {written:?}"));
        }
    }
    let question = format!("SELECT * FROM {name}");
    let theirs = format!("SELECT * FROM frazil.{name}");
    ask(notes, house, spark, &question, &theirs).await;
    let mut counts = vec![(
        format!("SELECT count(*) AS n FROM frazil.{name}"),
        2 * rows.iter().map(RecordBatch::num_rows).sum::<usize>(),
    )];
    // With one spec, each row is twice in its partition, Spark's and ours.
    if house
        .table()
        .await
        .metadata()
        .partition_specs_iter()
        .count()
        == 1
    {
        let lonely = format!(
            "SELECT count(*) AS n FROM (SELECT row, to_json(part), count(*) AS times FROM \
             (SELECT to_json(struct(*)) AS row, _partition AS part FROM frazil.{name}) \
             GROUP BY 1, 2 HAVING times % 2 = 1)"
        );
        counts.push((lonely, 0));
    }
    for (count, expected) in counts {
        match spark.sql(&count) {
            Ok(found) if found == [format!("{{\"n\": {expected}}}")] => {}
            found => notes
                .wrong
                .push(format!("{count} is {found:?}, not {expected}")),
        }
    }
    // By our bounds now, too.
    let doubled = house.lakehouse.sql(&query).await.unwrap_or_default();
    notes
        .wrong
        .extend(pruned::differences(house, &doubled).await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Spark: FRAZIL_TEST_ENGINES=1 ./test readers"]
async fn frazil_and_spark_read_and_write_the_same_tables() {
    let mut house = House::empty("shop.none").await;
    let mut spark = Spark::start(&house);
    spark.sql("CREATE NAMESPACE frazil.shop").unwrap();
    let mut notes = Notes::default();
    // Parts of names, with commas between them.
    let only = std::env::var("FRAZIL_TEST_TABLES").ok();
    for case in spark_tables::all() {
        let wanted = |part: &str| case.name.contains(part);
        if only
            .as_ref()
            .is_some_and(|only| !only.split(',').any(wanted))
        {
            continue;
        }
        house.name = format!("shop.{}", case.name).parse().unwrap();
        let table = house.name.to_string();
        let made = case
            .steps
            .iter()
            .try_for_each(|step| spark.step(&table, step));
        match made {
            Ok(()) => check(&house, &mut spark, &case, &mut notes).await,
            Err(error) => notes.wrong.push(format!("Spark: {error}")),
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
    assert!(asked > 200 || only.is_some(), "{asked}");
}
