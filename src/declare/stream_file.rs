//! From a file of `catalog/` to a [`Stream`]; every problem is noted with its line.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use iceberg::spec::Schema;

use super::layout::{partition_spec, sort_order};
use super::stream::{Places, Start, Stream};
use super::system_columns::{is_system_column, system_fields};
use super::types::{Numbering, Shape, ShapeField, parse_type};
use crate::config::{Document, Origin, Place, Problems, Section, read_settings, read_text};
use crate::domain::TableName;

const COMMIT_INTERVAL: Duration = Duration::from_secs(10);
const SHORTEST_COMMIT_INTERVAL: Duration = Duration::from_millis(100);
const COMMIT_BYTES: u64 = 128 << 20;
const LARGEST_RECORD_BYTES: u64 = 1 << 20;
/// Iceberg has no limit; metadata that every commit rewrites has to stay small (I10).
const MOST_COLUMNS: usize = 1_000;

/// Reads one file; the stream is named like the file.
pub(super) fn load(file: &Path) -> Result<Stream, Problems> {
    parse(file, read_text(file)?)
}

/// Reads a text as if it stood in `file`.
pub fn parse(file: &Path, text: String) -> Result<Stream, Problems> {
    let document = Document::parse(file, text.clone());
    if !document.is_sound() {
        return Err(document.problems());
    }
    let stream = stream(file, &text, &document.root());
    match stream {
        Some(stream) if document.is_sound() => Ok(stream),
        _ => Err(document.problems()),
    }
}

/// None only together with a problem.
fn stream(file: &Path, text: &str, root: &Section) -> Option<Stream> {
    let name = file.file_stem()?.to_string_lossy().into_owned();
    let topic = root.parsed("topic", check_topic);
    if !root.has("topic") {
        root.problem(&root.origin(), "topic is missing");
    }
    if !root.has("table") {
        root.problem(&root.origin(), "table is missing");
    }
    let table = root.parsed("table", parse_name);
    let dead_letters = root.parsed("dead_letters", parse_name);
    root.choice("format", &[("json", ())]);
    let start = root.parsed("start", parse_start).unwrap_or(Start::Earliest);
    let group_id = root.string("group_id");
    let largest_record_bytes = root.bytes("largest_record").unwrap_or(LARGEST_RECORD_BYTES);
    let (commit_interval, commit_bytes) = commit(&root.section("commit"));
    let (kafka, kafka_places) = read_settings(root, "kafka");
    let columns = columns(text, root);
    let partition_parts = root.strings("partition_by");
    let sort_parts = root.strings("sort_by");
    root.finish();

    let (schema, renames) = schema(root, columns?)?;
    let partition = partition_spec(
        &schema,
        partition_parts.iter().map(|(part, _)| part.as_str()),
    )
    .map_err(|(index, message)| root.problem(&partition_parts[index].1, message))
    .ok()?;
    let sort_order = sort_order(&schema, sort_parts.iter().map(|(part, _)| part.as_str()))
        .map_err(|(index, message)| root.problem(&sort_parts[index].1, message))
        .ok()?;
    let table = table?;
    Some(Stream {
        group_id: group_id.unwrap_or_else(|| format!("frazil.{name}")),
        topic: topic?,
        dead_letters: dead_letters.or_else(|| default_dead_letters(root, &table))?,
        table,
        schema,
        partition,
        sort_order,
        renames,
        commit_interval,
        commit_bytes,
        start,
        largest_record_bytes,
        kafka,
        name,
        places: Places {
            table: place(root, "table", None),
            dead_letters: place(root, "dead_letters", Some("table")),
            group_id: place(root, "group_id", None),
            kafka: kafka_places,
        },
    })
}

/// Where a key stands, or what it is made from when it is missing.
fn place(root: &Section, key: &str, or: Option<&str>) -> Place {
    let key = match or {
        Some(other) if !root.has(key) => other,
        _ => key,
    };
    root.place(&root.origin_of(key))
}

fn default_dead_letters(root: &Section, table: &TableName) -> Option<TableName> {
    let name = format!("{}_dead_letters", table.name());
    TableName::new(table.namespace(), &name)
        .map_err(|error| root.problem_with("table", format!("dead_letters is needed: {error}")))
        .ok()
}

fn parse_name(text: &str) -> Result<TableName, String> {
    let name: TableName = text.parse().map_err(|error| format!("{error}"))?;
    if matches!(
        name.namespace(),
        "system" | "pg_catalog" | "information_schema"
    ) {
        return Err(format!(
            "the namespace {} is not for tables",
            name.namespace()
        ));
    }
    Ok(name)
}

/// Kafka's own rule for names.
fn check_topic(text: &str) -> Result<String, String> {
    let sound = (1..=249).contains(&text.len())
        && !matches!(text, "." | "..")
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if sound {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} is not a topic: 1 to 249 ASCII letters, digits, '.', '_' and '-'"
        ))
    }
}

fn parse_start(text: &str) -> Result<Start, String> {
    match text {
        "earliest" => Ok(Start::Earliest),
        "latest" => Ok(Start::Latest),
        time => chrono::DateTime::parse_from_rfc3339(time)
            .map(|time| Start::At(time.timestamp_millis()))
            .map_err(|_| {
                format!("{time:?} is not known, write earliest, latest or a time such as 2026-01-31T00:00:00Z")
            }),
    }
}

fn commit(section: &Section) -> (Duration, u64) {
    let interval = section.duration("interval").unwrap_or(COMMIT_INTERVAL);
    if interval < SHORTEST_COMMIT_INTERVAL {
        section.problem_with("interval", "commit.interval must be 100ms or longer");
    }
    let bytes = section.bytes("bytes").unwrap_or(COMMIT_BYTES);
    section.finish();
    (interval, bytes)
}

fn columns(text: &str, root: &Section) -> Option<Vec<ShapeField>> {
    let sections = root.sections("columns");
    if sections.is_empty() || sections.len() > MOST_COLUMNS {
        let message = format!("a stream has 1 to {MOST_COLUMNS} [[columns]]");
        root.problem(&root.origin_of("columns"), message);
        return None;
    }
    let mut fields: Vec<ShapeField> = Vec::new();
    let mut sound = true;
    for section in &sections {
        match column(text, section) {
            Some(field) => {
                if fields
                    .iter()
                    .any(|other| other.name.eq_ignore_ascii_case(&field.name))
                {
                    section
                        .problem_with("name", format!("column {} stands here twice", field.name));
                }
                fields.push(field);
            }
            None => sound = false,
        }
    }
    sound.then_some(fields)
}

fn column(text: &str, section: &Section) -> Option<ShapeField> {
    if !section.has("name") || !section.has("type") {
        section.problem(&section.origin(), "a column has a name and a type");
    }
    let name = section.parsed("name", check_column);
    let shape = section.string("type").and_then(|kind| {
        parse_type(&kind)
            .map_err(|error| {
                let origin = inside(text, section.origin_of("type"), error.byte);
                section.problem(&origin, error.message);
            })
            .ok()
    });
    let required = section.boolean("required").unwrap_or(false);
    let doc = section.string("doc");
    let renamed_from = section.parsed("renamed_from", check_name);
    section.finish();
    Some(ShapeField {
        name: name?,
        shape: shape?,
        required,
        doc,
        renamed_from,
    })
}

/// A byte inside a TOML string that starts at `origin`. Exact for strings without escapes, which
/// types have no use for.
fn inside(text: &str, origin: Origin, byte: usize) -> Origin {
    match origin {
        Origin::Byte(start) => {
            let quotes = if text[start..].starts_with("\"\"\"") {
                3
            } else {
                1
            };
            Origin::Byte(start + quotes + byte)
        }
        other @ Origin::Variable(_) => other,
    }
}

fn check_name(text: &str) -> Result<String, String> {
    let mut chars = text.chars();
    let sound = text.len() <= 63
        && chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_');
    if !sound {
        return Err(format!(
            "{text:?} is not a column: a letter or _, then letters, digits and _, at most 63 long"
        ));
    }
    Ok(text.to_owned())
}

fn check_column(text: &str) -> Result<String, String> {
    check_name(text)?;
    if is_system_column(text) {
        return Err(format!("{text} is one of the sink's own columns"));
    }
    Ok(text.to_owned())
}

/// Whether it is a map, or holds one, whose keys JSON can't spell.
fn has_nested_key(shape: &Shape) -> bool {
    match shape {
        Shape::Primitive(_) => false,
        Shape::Struct(fields) => fields.iter().any(|field| has_nested_key(&field.shape)),
        Shape::List { element, .. } => has_nested_key(element),
        Shape::Map { key, value, .. } => {
            !matches!(**key, Shape::Primitive(_)) || has_nested_key(value)
        }
    }
}

fn schema(
    root: &Section,
    mut columns: Vec<ShapeField>,
) -> Option<(Schema, BTreeMap<String, String>)> {
    for column in &columns {
        if let Some(old) = &column.renamed_from
            && columns.iter().any(|other| other.name == *old)
        {
            let message = format!(
                "{} is renamed from {old}, which is still declared",
                column.name
            );
            root.problem_with("columns", message);
        }
        if let Some(old) = &column.renamed_from
            && columns
                .iter()
                .any(|other| other.name != column.name && other.renamed_from.as_ref() == Some(old))
        {
            let message = format!("{} is renamed from {old}, and so is another", column.name);
            root.problem_with("columns", message);
        }
        if has_nested_key(&column.shape) {
            root.problem_with(
                "columns",
                format!("{}: a map's key can't be nested", column.name),
            );
        }
    }
    columns.extend(system_fields());
    let mut numbering = Numbering::default();
    let fields = numbering.fields(&columns, "", "");
    let schema = Schema::builder().with_fields(fields).build();
    schema
        .map_err(|error| root.problem_with("columns", format!("columns: {}", error.message())))
        .ok()
        .map(|schema| (schema, numbering.renames))
}
