//! Files of `catalog/`: what is refused is said with a place inside the file, the same each time;
//! what is accepted can be decoded by and laid out, and says the same when it is written anew from
//! what was understood.

use std::path::Path;

use frazil::config::Problem;
use frazil::declare::parse_stream;
use frazil::declare::stream::Stream;

use super::contracts::TEXTS;
use super::{Target, decode, stream_text, texts};

pub const TARGET: Target = Target {
    name: "stream",
    check,
    seeds,
    words: &[
        "topic = ",
        "table = ",
        "dead_letters = ",
        "format = \"json\"",
        "start = ",
        "\"earliest\"",
        "\"latest\"",
        "2026-01-31T00:00:00Z",
        "group_id = ",
        "largest_record = ",
        "\"1 MiB\"",
        "partition_by = ",
        "sort_by = ",
        "[commit]",
        "interval = ",
        "\"10s\"",
        "bytes = ",
        "[kafka]",
        "sasl.password = ",
        "[[columns]]",
        "name = ",
        "type = ",
        "required = true",
        "doc = ",
        "renamed_from = ",
        "struct<",
        "list<",
        "map<",
        "decimal(12,2)",
        "fixed(16)",
        "not null",
        "renamed from ",
        "boolean",
        "int",
        "long",
        "float",
        "double",
        "date",
        "time",
        "timestamp",
        "timestamptz",
        "string",
        "uuid",
        "binary",
        "day(",
        "bucket(16, ",
        "truncate(4, ",
        "year(",
        "month(",
        "hour(",
        " desc nulls last",
        " asc nulls first",
        "\"\"\"",
        "'''",
        "\\u00e9",
        ".element.",
        ".key",
        ".value",
        "_offset",
    ],
};

pub fn check(data: &[u8]) {
    // A file that is no text is refused where it is read.
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match parse(text) {
        Ok(stream) => {
            toml::from_str::<toml::Table>(text).expect("what is accepted is TOML");
            assert_same(&stream, &parse(text).expect("accepted before"), text);
            let written = stream_text::write(&stream);
            match parse(&written) {
                Ok(again) => assert_same(&stream, &again, &written),
                Err(problems) => panic!("{written}\nis refused, from {text:?}: {problems:?}"),
            }
            decode::decodes(&stream);
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused for nothing: {text:?}");
            for problem in &problems {
                assert_is_inside(problem, text);
            }
            assert_eq!(Err(problems), parse(text).map(|_| ()), "{text:?}");
        }
    }
}

fn file() -> &'static Path {
    Path::new("catalog/x.toml")
}

fn parse(text: &str) -> Result<Stream, Vec<Problem>> {
    parse_stream(file(), text.to_owned()).map_err(|problems| problems.0)
}

/// Every error names a place that an editor can go to.
pub fn assert_is_inside(problem: &Problem, text: &str) {
    assert!(!problem.message.is_empty(), "{text:?}");
    let (Some(line), Some(column)) = (problem.line, problem.column) else {
        panic!("{problem} has no place in {text:?}");
    };
    let found = line.checked_sub(1).and_then(|at| text.split('\n').nth(at));
    let found = found.unwrap_or_else(|| panic!("{problem}: no such line in {text:?}"));
    let most = found.chars().count() + 1;
    assert!(
        (1..=most).contains(&column),
        "{problem}: no such column in {found:?}"
    );
}

fn assert_same(one: &Stream, other: &Stream, text: &str) {
    assert_eq!(format!("{one:?}"), format!("{other:?}"), "{text}");
    assert_eq!(one.schema, other.schema, "{text}");
    assert_eq!(one.partition, other.partition, "{text}");
    assert_eq!(one.sort_order, other.sort_order, "{text}");
    assert_eq!(one.renames, other.renames, "{text}");
}

fn seeds() -> Vec<Vec<u8>> {
    let everything = "topic = \"orders.v2\"\ntable = \"sales.orders\"\nstart = \"2026-01-31T01:00:00+01:00\"\n\
        group_id = \"me\"\nlargest_record = \"4 MiB\"\n\
        partition_by = [\"month(at)\", \"bucket(16, user.id)\", \"truncate(4, country)\", \"country\"]\n\
        sort_by = [\"at desc nulls last\", \"bucket(4, country)\", \"country asc nulls last\"]\n\
        [commit]\ninterval = \"2s\"\nbytes = \"32 MiB\"\n[kafka]\nsasl.password = \"x\"\n\
        \"security.protocol\" = 'ssl'\n\
        [[columns]]\nname = \"at\"\ntype = \"timestamptz\"\nrequired = true\ndoc = \"When\"\nrenamed_from = \"ts\"\n\
        [[columns]]\nname = \"user\"\ntype = \"struct<id: long not null, mail: string renamed from email>\"\n\
        [[columns]]\nname = \"country\"\ntype = \"string\"\n";
    let wrong = "topic = \"a b\"\ntable = \"events\"\nstart = \"yesterday\"\npartiton_by = [\"day(at)\"]\n\
        [commit]\ninterval = \"1ms\"\n[kafka]\n\"enable.auto.commit\" = true\n[[columns]]\nname = \"at\"\n\
        type = \"struct<a: strng>\"\n[[columns]]\nname = \"_offset\"\ntype = \"long\"\nrequird = true\n";
    let little = "topic = \"t\"\ntable = \"a.b\"\n[[columns]]\nname = \"id\"\ntype = \"long\"\n";
    let more = [everything, wrong, little, "[x\n", "topic = 1", ""]
        .into_iter()
        .chain(TEXTS);
    let mut seeds = texts("catalog", "toml");
    seeds.extend(more.map(str::to_owned));
    seeds.into_iter().map(String::into_bytes).collect()
}
