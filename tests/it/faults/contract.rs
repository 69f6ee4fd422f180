//! The contract of a living table changes at the next start: columns are added, widened and
//! renamed, or the stream stops and says why; rows stay, and nothing that is read is lost.

use rdkafka::producer::Producer;

use super::house::{House, STREAM};
use super::serve::Serve;
use super::topics::{PATIENCE, Topic, send};
use crate::parts;

/// `STREAM` up to its columns.
const HEAD: &str = r#"
table = "shop.events"
dead_letters = "shop.dead_letters"
format = "json"
[commit]
interval = "300ms"
"#;

/// By columns that are widened.
const LAYOUT: &str = "partition_by = [\"lot\", \"bucket(2, price)\"]\nsort_by = [\"n\"]\n";

const BEFORE: &str = r#"
[[columns]]
name = "lot"
type = "int"
[[columns]]
name = "n"
type = "int"
required = true
[[columns]]
name = "text"
type = "string"
[[columns]]
name = "rate"
type = "float"
[[columns]]
name = "price"
type = "decimal(9,2)"
[[columns]]
name = "who"
type = "struct<name: string>"
"#;

/// `n`, `rate` and `price` are wider, `text` has another name, and there is more.
const AFTER: &str = r#"
[[columns]]
name = "lot"
type = "long"
[[columns]]
name = "n"
type = "long"
required = true
[[columns]]
name = "label"
type = "string"
renamed_from = "text"
[[columns]]
name = "rate"
type = "double"
[[columns]]
name = "price"
type = "decimal(18,2)"
[[columns]]
name = "who"
type = "struct<name: string, age: int>"
[[columns]]
name = "added"
type = "string"
"#;

/// Beyond what an int holds, a float tells apart and `decimal(9,2)` has room for.
const WIDE_N: i64 = 5_000_000_000;
const WIDE_RATE: f64 = 0.123_456_789_012_3;
const WIDE_PRICE: &str = "1234567890123.45";

fn produce(topic: &Topic, payloads: impl IntoIterator<Item = String>) {
    let producer = topic.producer();
    for payload in payloads {
        send(&producer, topic, 0, payload.as_bytes());
    }
    producer.flush(PATIENCE).expect("all delivered");
}

fn old_event(n: i64) -> String {
    let lot = n % 3;
    format!(
        r#"{{"n":{n},"lot":{lot},"text":"number {n}","rate":0.5,"price":1.25,"who":{{"name":"w{n}"}}}}"#
    )
}

fn new_event(n: i64) -> String {
    let lot = n % 3;
    format!(
        r#"{{"n":{n},"lot":{lot},"label":"number {n}","rate":{WIDE_RATE},"price":{WIDE_PRICE},"who":{{"name":"w{n}","age":7}},"added":"a{n}"}}"#
    )
}

/// A stream of the contract [`BEFORE`] with the events 0 to 49 in its table.
async fn filled() -> (Topic, House, Serve) {
    let topic = Topic::make(&parts::kafka(), 1).await;
    let house = House::new(&topic).await;
    house.declare(&format!("{LAYOUT}{HEAD}{BEFORE}"));
    let mut serve = house.serve();
    produce(&topic, (0..50).map(old_event));
    house.wait_for_rows(&mut serve, 50);
    (topic, house, serve)
}

/// `id name type` of each column of the event table, in pyiceberg's words.
fn schema(house: &House) -> Vec<String> {
    let text = house.python("maintain.py", &["schema", "shop.events"]);
    text.lines().map(str::to_owned).collect()
}

/// The id of a column's field.
fn id(schema: &[String], column: &str) -> i32 {
    let of_column = |line: &&String| line.split(' ').nth(1) == Some(column);
    let line = schema.iter().find(of_column);
    let line = line.unwrap_or_else(|| panic!("no {column} in {schema:#?}"));
    let id = line.split(' ').next().expect("an id");
    id.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn columns_are_added_widened_and_renamed_at_the_next_start() {
    let (topic, house, mut serve) = filled().await;
    let before = schema(&house);
    serve.kill();
    // Unread at the change, and in the old words, as producers go on to use them.
    produce(&topic, (50..60).map(old_event));
    house.declare(&format!("{LAYOUT}{HEAD}{AFTER}"));
    serve.restart();
    produce(&topic, (60..70).map(new_event).chain([new_event(WIDE_N)]));
    house.wait_for_rows(&mut serve, 71);
    house.wait_for(&mut serve, "reading", "");
    house.assert_exactly_once(&[]);
    assert_eq!(house.sql("SELECT * FROM shop.dead_letters").len(), 0);

    let after = schema(&house);
    for (old, new) in [
        ("n", "n"),
        ("text", "label"),
        ("rate", "rate"),
        ("price", "price"),
        ("who", "who"),
        ("who.name", "who.name"),
        ("_offset", "_offset"),
    ] {
        assert_eq!(id(&before, old), id(&after, new), "{before:#?} {after:#?}");
    }
    let highest = before.iter().filter_map(|line| line.split(' ').next());
    let highest = highest.filter_map(|id| id.parse::<i32>().ok()).max();
    for new in ["who.age", "added"] {
        assert!(Some(id(&after, new)) > highest, "{after:#?}");
    }
    assert!(!after.iter().any(|line| line.contains(" text ")));

    // Rows from before, between and after, by a filter on columns that were widened or renamed.
    let row = |filter: &str| {
        house.sql(&format!(
            "SELECT n, label, rate, price, who.name, who.age, added FROM shop.events WHERE {filter}"
        ))
    };
    assert_eq!(row("n = 7"), ["7,number 7,0.5,1.25,w7,,"]);
    assert_eq!(row("label = 'number 7'"), ["7,number 7,0.5,1.25,w7,,"]);
    assert_eq!(row("n = 55"), ["55,number 55,0.5,1.25,w55,,"]);
    let wide = format!("{WIDE_N},number {WIDE_N},{WIDE_RATE},{WIDE_PRICE},w{WIDE_N},7,a{WIDE_N}");
    assert_eq!(row(&format!("n = {WIDE_N}")), [wide.as_str()]);
    let seen = |query: &str| house.sql(query).join(" ");
    assert_eq!(
        seen("SELECT count(*) FROM shop.events WHERE rate = 0.5 AND price = 1.25"),
        "60"
    );
    assert_eq!(
        seen("SELECT count(*) FROM shop.events WHERE _extra IS NOT NULL"),
        "0",
        "the contract knows the old name too"
    );
    let other_engine = house.python(
        "read_table.py",
        &[
            "shop.events",
            "--count",
            "--filter",
            "label like 'number%' and n >= 0",
        ],
    );
    assert_eq!(other_engine, "71");
    // Partitions from before and after are the same ones. 5,000,000,000 leaves 2 over.
    assert_eq!(
        seen("SELECT lot, count(*) FROM shop.events GROUP BY lot ORDER BY lot"),
        "0,24 1,23 2,24"
    );
    for (lot, count) in [("1", "23"), ("2", "24")] {
        let filter = format!("lot = {lot}");
        let query = format!("SELECT count(*) FROM shop.events WHERE {filter}");
        assert_eq!(seen(&query), count, "{filter}");
        let arguments = ["shop.events", "--count", "--filter", &filter];
        assert_eq!(house.python("read_table.py", &arguments), count, "{filter}");
    }
}

/// A change that can't be had on the living table, and what the operator reads.
const REFUSED: [(&str, &str, &str); 6] = [
    (
        "a type that holds less",
        "[[columns]]\nname = \"n\"\ntype = \"int\"\nrequired = true\n\
         [[columns]]\nname = \"text\"\ntype = \"string\"\n",
        "n is long and can't become int",
    ),
    (
        "a type of another kind",
        "[[columns]]\nname = \"n\"\ntype = \"long\"\nrequired = true\n\
         [[columns]]\nname = \"text\"\ntype = \"struct<a: string>\"\n",
        "text is string and can't become struct",
    ),
    (
        "required from now on",
        "[[columns]]\nname = \"n\"\ntype = \"long\"\nrequired = true\n\
         [[columns]]\nname = \"text\"\ntype = \"string\"\nrequired = true\n",
        "text can't become required: rows that are there may lack it",
    ),
    (
        "a new column that is required",
        "[[columns]]\nname = \"n\"\ntype = \"long\"\nrequired = true\n\
         [[columns]]\nname = \"text\"\ntype = \"string\"\n\
         [[columns]]\nname = \"more\"\ntype = \"string\"\nrequired = true\n",
        "more can't be added as required: rows that are there lack it",
    ),
    (
        "a name that is taken",
        "[[columns]]\nname = \"text\"\ntype = \"long\"\nrenamed_from = \"n\"\n",
        "n can't be renamed to text: there is a column of that name",
    ),
    (
        "another layout",
        "[[columns]]\nname = \"n\"\ntype = \"long\"\nrequired = true\n\
         [[columns]]\nname = \"text\"\ntype = \"string\"\n",
        "table shop.events is partitioned by nothing, its contract says bucket[4](n); \
         a living table keeps its layout: put the contract back, or name a new table in it",
    ),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn what_can_not_be_had_is_refused_with_the_reason_and_loses_nothing() {
    let topic = Topic::make(&parts::kafka(), 1).await;
    let house = House::new(&topic).await;
    let mut serve = house.serve();
    topic.produce(0, 0..50);
    house.wait_for_rows(&mut serve, 50);
    let before = schema(&house);
    for (place, (what, columns, reason)) in (0..).zip(REFUSED) {
        serve.kill();
        let head = match what {
            "another layout" => format!("partition_by = [\"bucket(4, n)\"]\n{HEAD}"),
            _ => HEAD.to_owned(),
        };
        house.declare(&format!("{head}{columns}"));
        topic.produce(0, 50 + place..51 + place);
        serve.restart();
        house.wait_for(&mut serve, "stopped", reason);
        assert_eq!(house.rows(), Some(50), "{what}");
        assert_eq!(schema(&house), before, "{what}");
    }
    serve.kill();
    house.declare(STREAM);
    serve.restart();
    house.wait_for_rows(&mut serve, 56);
    house.wait_for(&mut serve, "reading", "");
    house.assert_exactly_once(&[]);
    assert_eq!(house.numbers(), (0..56).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn a_crash_around_the_change_leaves_one_change() {
    let (topic, house, mut serve) = filled().await;
    serve.kill();
    produce(&topic, (50..60).map(old_event));
    house.declare(&format!("{LAYOUT}{HEAD}{AFTER}"));
    // Before the change, somewhere in it, and after it.
    for pause_ms in [50, 400, 800, 1_600] {
        serve.restart();
        std::thread::sleep(std::time::Duration::from_millis(pause_ms));
        serve.kill();
    }
    serve.restart();
    house.wait(&mut serve, "the new schema", || {
        let columns = schema(&house);
        columns
            .iter()
            .any(|line| line.contains(" label "))
            .then_some(())
    });
    serve.kill();
    let changed = schema(&house);
    serve.restart();
    produce(&topic, (60..70).map(new_event));
    house.wait_for_rows(&mut serve, 70);
    house.assert_exactly_once(&[]);
    assert_eq!(schema(&house), changed, "changed once");
    assert_eq!(house.numbers(), (0..70).collect::<Vec<_>>());
}

/// As while processes are updated one after the other: the one that still has the old contract
/// neither changes the table back nor loses what it has in hand.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka and Postgres: run ./test"]
async fn a_sink_of_the_group_that_is_still_on_the_old_contract_does_no_harm() {
    let topic = Topic::make(&parts::kafka(), 4).await;
    let house = House::new(&topic).await;
    let mut old = house.serve();
    let mut produced = 0;
    let mut produce = |rounds: i64| {
        for _ in 0..rounds {
            for partition in 0..4 {
                topic.produce(partition, produced..produced + 10);
            }
            produced += 10;
        }
        produced * 4
    };
    house.wait_for_rows(&mut old, produce(2));

    // Only a rename: nothing but its name tells the old contract from one that adds a column.
    let renamed = STREAM.replace(
        "name = \"text\"\n",
        "name = \"label\"\nrenamed_from = \"text\"\n",
    );
    assert_ne!(renamed, STREAM);
    house.declare(&renamed);
    let mut new = Serve::start(&house.file("frazil.toml"), &house.file("new.log"));
    house.wait(&mut new, "the new schema", || {
        let columns = schema(&house);
        columns
            .iter()
            .any(|line| line.contains(" label "))
            .then_some(())
    });
    let changed = schema(&house);
    house.wait_for_rows(&mut new, produce(5));
    house.wait(&mut old, "word of the old contract", || {
        let said = "text was renamed to label";
        old_log(&house).contains(said).then_some(())
    });
    house.wait_for_rows(&mut new, produce(5));
    new.must_live();
    assert_eq!(schema(&house), changed, "the old one changed nothing back");
    house.assert_exactly_once(&[]);

    // It is updated too.
    old.kill();
    old.restart();
    house.wait_for_rows(&mut old, produce(2));
    house.assert_exactly_once(&[]);
    // What the old one read after the change has its text in `_extra`, at worst: nowhere is it lost.
    let lost = "SELECT count(*) FROM shop.events WHERE label IS NULL AND _extra IS NULL";
    assert_eq!(house.sql(lost), ["0"]);
}

/// What the first process logged.
fn old_log(house: &House) -> String {
    std::fs::read_to_string(house.file("serve.log")).unwrap_or_default()
}
