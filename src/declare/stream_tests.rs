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

/// Each kind of error, in a file that is right but for it: where it is said to be, and how.
#[test]
fn each_kind_of_error_is_told_apart() {
    let file =
        |top: &str, columns: &str| format!("topic = \"t\"\ntable = \"a.b\"\n{top}\n{columns}");
    let column = |rest: &str| file("", &format!("[[columns]]\nname = \"id\"\n{rest}\n"));
    let id = "[[columns]]\nname = \"id\"\ntype = \"long\"\n";
    let long_name = "x".repeat(64);
    let many: String = (0..1_001)
        .map(|n| format!("[[columns]]\nname = \"c{n}\"\ntype = \"int\"\n"))
        .collect();
    for (text, place, part) in [
        (
            "topic = \"t\"\ntopic = \"u\"\n".to_owned(),
            "2:1",
            "duplicate key",
        ),
        ("topic = 'a\n'\n".to_owned(), "1:", ""),
        ("topic = \n".to_owned(), "1:", ""),
        ("= 1\n".to_owned(), "1:", ""),
        ("[commit\n".to_owned(), "1:", ""),
        ("topic = \"\\q\"\n".to_owned(), "1:", ""),
        ("topic = \"\u{0}\"\n".to_owned(), "1:", ""),
        (String::new(), "1:1", "topic is missing"),
        (file("topics = \"t\"", id), "3:1", "did you mean \"topic\"?"),
        (file("format = \"avro\"", id), "3:10", "write json"),
        (file("format = 1", id), "3:10", "must be a string"),
        (
            file("start = 2026-01-31", id),
            "3:9",
            "earliest, latest or a time",
        ),
        (file("group_id = []", id), "3:12", "this is a list"),
        (file("largest_record = \"0\"", id), "3:18", "more than 0"),
        (file("largest_record = -1", id), "3:18", "more than 0"),
        (
            file("largest_record = \"99999999 TiB\"", id),
            "3:18",
            "too big a size",
        ),
        (
            file("partition_by = \"day(id)\"", id),
            "3:16",
            "a list of strings",
        ),
        (file("partition_by = [1]", id), "3:17", "a list of strings"),
        (file("partition_by = [\"day(id\"]", id), "3:17", "closing )"),
        (
            file("partition_by = [\"bucket(id)\"]", id),
            "3:17",
            "bucket(n, column)",
        ),
        (file("partition_by = [\"\"]", id), "3:17", "is not a column"),
        (
            file("sort_by = [\"idd\"]", id),
            "3:12",
            "did you mean \"id\"?",
        ),
        (
            file("dead_letters = \"system.x\"", id),
            "3:16",
            "not for tables",
        ),
        (file("dead_letters = \"x\"", id), "3:16", "not a table name"),
        (file("commit = 1", id), "3:10", "must be a table"),
        (
            file("commit.interval = \"-1s\"", id),
            "3:19",
            "not a duration",
        ),
        (file("commit.interval = 10", id), "3:19", "must be a string"),
        (file("commit.bytes = \"1.5 GiB\"", id), "3:16", "not a size"),
        (
            file("commit.byte = 1", id),
            "3:8",
            "did you mean \"bytes\"?",
        ),
        (file("kafka = 1", id), "3:9", "must be a table"),
        (file("kafka.\"group.id\" = \"x\"", id), "3:20", "group.id"),
        (file("columns = 1", ""), "3:11", "[[columns]]"),
        (file("columns = []", ""), "3:11", "1 to 1000"),
        (file("columns = [1]", ""), "3:12", "must be a table"),
        (file("", ""), "1:1", "1 to 1000"),
        (file("", &many), "4:1", "1 to 1000"),
        (
            file("", "[[columns]]\nname = \"id\"\n"),
            "4:1",
            "a name and a type",
        ),
        (
            file("", "[[columns]]\ntype = \"int\"\n"),
            "4:1",
            "a name and a type",
        ),
        (file("", &format!("{id}{id}")), "8:8", "stands here twice"),
        (
            file("", &format!("{id}{}", id.replace("id", "ID"))),
            "8:8",
            "stands here twice",
        ),
        (file("", &id.replace("id", "1d")), "5:8", "is not a column"),
        (file("", &id.replace("id", "a.b")), "5:8", "is not a column"),
        (file("", &id.replace("id", &long_name)), "5:8", "at most 63"),
        (
            file("", &id.replace("id", "_Topic")),
            "5:8",
            "the sink's own",
        ),
        (column("type = \"\""), "6:9", "a name is expected"),
        (column("type = \"bigint\""), "6:9", "did you mean long?"),
        (column("type = \"decimal(39,2)\""), "6:17", "1 to 38"),
        (column("type = \"struct<a: int, a: int>\""), "6:24", "twice"),
        (
            column("type = \"map<list<int>, int>\""),
            "4:1",
            "a map's key can't be nested",
        ),
        (
            column("type = \"list<map<list<int>, int>>\""),
            "4:1",
            "a map's key can't be nested",
        ),
        (
            column("type = \"int\"\nrequired = \"yes\""),
            "7:12",
            "true or false",
        ),
        (
            column("type = \"int\"\nrenamed_from = \"id\""),
            "",
            "still declared",
        ),
        (
            column("type = \"int\"\nrenamed_from = \"a.b\""),
            "7:16",
            "is not a column",
        ),
        (
            column("type = \"int\"\nrenamed_from = \"\""),
            "7:16",
            "is not a column",
        ),
        (
            file(
                "",
                &format!(
                    "{id}renamed_from = \"o\"\n{}renamed_from = \"o\"\n",
                    id.replace("id", "jd")
                ),
            ),
            "",
            "renamed from o",
        ),
        (
            column("type = \"struct<a: int renamed from b, b: int>\""),
            "6:36",
            "still declared",
        ),
        (
            column("type = \"struct<a: int renamed from c, b: int renamed from c>\""),
            "6:59",
            "renamed from c",
        ),
    ] {
        let found = problems(&text);
        let wanted = format!("catalog/x.toml:{place}");
        assert!(
            found
                .iter()
                .any(|problem| problem.starts_with(&wanted) && problem.contains(part)),
            "{text}: {place} {part} is not in {found:#?}"
        );
        let placed = |problem: &String| !problem.starts_with("catalog/x.toml: ");
        assert!(found.iter().all(placed), "{text}: {found:#?}");
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
