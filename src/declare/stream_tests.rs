use std::path::Path;
use std::time::Duration;

use iceberg::spec::{NullOrder, PrimitiveType, SortDirection, Transform, Type};

use super::stream::Start;
use super::*;

const LITTLE: &str =
    "topic = \"t\"\ntable = \"a.b\"\n[[columns]]\nname = \"id\"\ntype = \"long\"\n";

fn parse(text: &str) -> Result<Stream, Problems> {
    parse_stream(Path::new("catalog/x.toml"), text.to_owned())
}

fn problems(text: &str) -> Vec<String> {
    let problems = parse(text).expect_err("a problem");
    problems.0.iter().map(ToString::to_string).collect()
}

#[test]
fn the_shipped_stream_is_what_the_readme_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
    let streams = load_streams(&folder).expect("valid");
    let shop = streams
        .iter()
        .find(|s| s.name == "shop")
        .expect("shop.toml");
    assert_eq!(shop.topic, "shop-events");
    assert_eq!(shop.table.to_string(), "shop.events");
    assert_eq!(shop.dead_letters.to_string(), "shop.dead_letters");
    assert_eq!(shop.commit_interval, Duration::from_secs(10));
    let names: Vec<&str> = shop
        .schema
        .as_struct()
        .fields()
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "event_id",
            "type",
            "timestamp",
            "correlation_id",
            "user_id",
            "properties",
            "metadata",
            "_topic",
            "_topic_id",
            "_partition",
            "_offset",
            "_timestamp",
            "_key",
            "_extra",
        ]
    );
    let amount = shop
        .schema
        .field_by_name("properties.amount")
        .expect("amount");
    assert_eq!(
        *amount.field_type,
        Type::Primitive(PrimitiveType::Decimal {
            precision: 12,
            scale: 2
        })
    );
    let required: Vec<&str> = shop
        .schema
        .as_struct()
        .fields()
        .iter()
        .filter(|f| f.required)
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(
        required,
        [
            "event_id",
            "type",
            "timestamp",
            "user_id",
            "_topic",
            "_topic_id",
            "_partition",
            "_offset"
        ]
    );
    assert_eq!(shop.partition.fields()[0].transform, Transform::Day);
    assert_eq!(shop.partition.fields()[0].name, "timestamp_day");
}

#[test]
fn everything_that_can_be_said() {
    let text = r#"
topic = "orders.v2"
table = "sales.orders"
format = "json"
start = "2026-01-31T01:00:00+01:00"
group_id = "me"
largest_record = "4 MiB"
partition_by = ["month(at)", "bucket(16, user.id)", "truncate(4, country)", "region"]
sort_by = ["at desc nulls last", "bucket(4, region)", "country asc nulls last"]

[commit]
interval = "2s"
bytes = "32 MiB"

[kafka]
sasl.password = "hunter2"

[[columns]]
name = "at"
type = "timestamptz"
required = true
doc = "When"
renamed_from = "ts"

[[columns]]
name = "user"
type = "struct<id: long not null, mail: string renamed from email>"

[[columns]]
name = "country"
type = "string"

[[columns]]
name = "region"
type = "string"
"#;
    let stream = parse(text).expect("valid");
    assert_eq!(stream.start, Start::At(1_769_817_600_000));
    assert_eq!(stream.dead_letters.to_string(), "sales.orders_dead_letters");
    assert_eq!(stream.commit_bytes, 32 << 20);
    assert_eq!(stream.largest_record_bytes, 4 << 20);
    assert_eq!(stream.renames["ts"], "at");
    assert_eq!(stream.renames["user.email"], "user.mail");
    let fields = stream.partition.fields();
    let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(
        names,
        ["at_month", "user_id_bucket", "country_trunc", "region"]
    );
    assert_eq!(fields[1].transform, Transform::Bucket(16));
    assert_eq!(
        fields[1].source_id,
        stream.schema.field_id_by_name("user.id").expect("id")
    );
    let sort = &stream.sort_order.fields;
    assert_eq!(
        (sort[0].direction, sort[0].null_order),
        (SortDirection::Descending, NullOrder::Last)
    );
    assert_eq!(
        (sort[1].direction, sort[1].null_order),
        (SortDirection::Ascending, NullOrder::First)
    );
    assert_eq!(sort[2].null_order, NullOrder::Last);
    assert!(!format!("{stream:?}").contains("hunter2"));
}

#[test]
fn little_is_needed() {
    let stream = parse(LITTLE).expect("valid");
    assert_eq!(
        (stream.name.as_str(), stream.group_id.as_str()),
        ("x", "frazil.x")
    );
    assert_eq!(stream.start, Start::Earliest);
    assert!(stream.partition.fields().is_empty());
    assert!(stream.sort_order.is_unsorted());
}

#[test]
fn every_problem_has_its_line() {
    let text = r#"topic = "a b"
table = "events"
start = "yesterday"
partiton_by = ["day(at)"]
[commit]
interval = "1ms"
[kafka]
"enable.auto.commit" = true
[[columns]]
name = "at"
type = "struct<a: strng>"
[[columns]]
name = "_offset"
type = "long"
requird = true
"#;
    let found = problems(text);
    let has = |start: &str, part: &str| {
        let start = format!("catalog/x.toml:{start}");
        assert!(
            found
                .iter()
                .any(|p| p.starts_with(&start) && p.contains(part)),
            "{start} {part} is not in {found:#?}"
        );
    };
    has("1:9", "not a topic");
    has("2:9", "not a table name");
    has("3:9", "earliest, latest or a time");
    has("4:1", "did you mean \"partition_by\"?");
    has("6:12", "100ms or longer");
    has("8:24", "enable.auto.commit can't be set");
    has("11:19", "did you mean string?");
    has("13:8", "the sink's own");
    has("15:1", "did you mean \"required\"?");
}

#[test]
fn layouts_are_checked_against_the_columns() {
    for (line, part) in [
        ("partition_by = [\"day(idd)\"]", "did you mean \"id\"?"),
        (
            "partition_by = [\"day(id)\"]",
            "does not go with the type long",
        ),
        ("partition_by = [\"bucket(0, id)\"]", "n from 1 to"),
        ("partition_by = [\"dya(id)\"]", "did you mean day?"),
        ("partition_by = [\"id\", \"id\"]", "id"),
        ("sort_by = [\"id sideways\"]", "write \"column [asc|desc]"),
        ("sort_by = [\"day(id)\"]", "does not go with the type long"),
    ] {
        let found = problems(&format!("{line}\n{LITTLE}"));
        assert!(
            found[0].starts_with("catalog/x.toml:1:") && found[0].contains(part),
            "{line}: {found:?}"
        );
    }
}

#[test]
fn all_problems_of_all_files_are_found() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.toml"), "topic = 1\n").expect("written");
    std::fs::write(folder.path().join("b.toml"), LITTLE).expect("written");
    std::fs::write(folder.path().join("c.toml"), LITTLE).expect("written");
    std::fs::write(folder.path().join("d.toml"), "[x\n").expect("written");
    std::fs::write(folder.path().join("notes.txt"), "not ours").expect("written");
    let found = load_streams(folder.path())
        .expect_err("problems")
        .to_string();
    assert!(
        found.contains("a.toml:1:9: topic must be a string"),
        "{found}"
    );
    assert!(
        found.contains("c.toml:2:9: the table a.b is that of stream b already"),
        "{found}"
    );
    assert!(found.contains("d.toml:1:"), "{found}");

    let missing = load_streams(&folder.path().join("none")).expect_err("no folder");
    assert!(missing.to_string().contains("can't be read"), "{missing}");
}

#[test]
fn dead_letters_have_a_layout() {
    let schema = dead_letters_schema();
    let names: Vec<&str> = schema
        .as_struct()
        .fields()
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "_topic",
            "_topic_id",
            "_partition",
            "_offset",
            "_timestamp",
            "_key",
            "payload",
            "reason",
            "failed_at",
            "stream"
        ]
    );
    let partition = dead_letters_partition().bind(schema).expect("fits");
    assert_eq!(partition.fields()[0].transform, Transform::Day);
}
