//! Our table of every type, read by Spark: all of its fifty snapshots, its metadata tables, and what
//! Spark finds where it leaves files out by our partitions and bounds. (Not `score > 1`: by bounds,
//! which tell of no NaN, Spark leaves out a file whose NaN it would have found.)

use super::asked::Notes;
use super::spark::{ask, compare};
use super::spark_process::Spark;
use super::values;

/// In words that both understand; a TIMESTAMP of Spark's is one with a zone.
const CONDITIONS: [&str; 33] = [
    "id = 9223372036854775807",
    "id <= -9223372036854775807",
    "id BETWEEN 0 AND 3",
    "flag",
    "flag IS NULL",
    "small = -2147483648",
    "small >= 2147483647",
    "small < 0",
    "rate = CAST(0.1 AS REAL)",
    "rate >= CAST('NaN' AS FLOAT)",
    "rate < -1",
    "score = CAST('-1.7976931348623157E308' AS DOUBLE)",
    "score = CAST('NaN' AS DOUBLE)",
    "price = 9999999.99",
    "price < -9999999",
    "huge = 0.000000001",
    "huge <= -99999999999999999999999999999.999999999",
    "day = DATE '0001-01-01'",
    "day > DATE '1969-12-30'",
    "local = TIMESTAMP_NTZ '9999-12-31 23:59:59.999999'",
    "local < TIMESTAMP_NTZ '1970-01-01 00:00:00'",
    "seen = TIMESTAMP '9999-12-31 23:59:59.999999Z'",
    "seen < TIMESTAMP '1970-01-01 00:00:00Z'",
    "seen >= TIMESTAMP '2026-11-22 12:00:00Z'",
    "seen IS NULL",
    "remark = ''",
    "remark >= 'y'",
    "remark < 'a'",
    "remark LIKE 'yyyyyyyyyyyyyyyyyyyyy%'",
    "remark = 'ab'",
    "page.url = '/é'",
    "page.hits >= 7",
    "page.hits IS NULL",
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Spark: FRAZIL_TEST_ENGINES=1 ./test readers"]
async fn spark_reads_every_type_as_we_do() {
    // Spark has no type for a time of day, and refuses a table that has one.
    let (house, then) = values::fifty_snapshots(&["clock"]).await;
    let mut spark = Spark::start(&house);
    let mut notes = Notes::default();
    compare(&house, &mut spark, false, &mut notes).await;
    for condition in CONDITIONS {
        let query = |table: &str| format!("SELECT count(*) AS n FROM {table} WHERE {condition}");
        let ours = query("shop.kinds").replace("TIMESTAMP '", "TIMESTAMPTZ '");
        let ours = ours.replace("TIMESTAMP_NTZ '", "TIMESTAMP '");
        let theirs = query("frazil.shop.kinds");
        ask(&mut notes, &house, &mut spark, &ours, &theirs).await;
    }
    let table = house.table().await;
    let at = table
        .metadata()
        .snapshot_by_id(then)
        .unwrap()
        .timestamp_ms();
    let at = chrono::DateTime::from_timestamp_millis(at).unwrap();
    let at = at.format("%Y-%m-%d %H:%M:%S%.3fZ");
    let ours = format!("SELECT * FROM shop.kinds FOR SYSTEM_TIME AS OF '{at}'");
    let theirs = format!("SELECT * FROM frazil.shop.kinds TIMESTAMP AS OF '{at}'");
    ask(&mut notes, &house, &mut spark, &ours, &theirs).await;
    let asked = notes.len();
    let wrong = notes.conclude();
    let shown = wrong.join("\n");
    assert!(wrong.is_empty(), "{} of {asked}:\n{shown}", wrong.len());
    assert!(asked > 80, "{asked}");
}
