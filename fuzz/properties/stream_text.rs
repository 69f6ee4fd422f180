//! A stream written as a file again, from what was understood of it.

use std::collections::BTreeMap;
use std::fmt::Write;

use frazil::declare::stream::{Start, Stream};
use iceberg::spec::{NullOrder, PrimitiveType, SortDirection, StructType, Transform, Type};

/// The sink's own columns, which come last and aren't written.
const OWN: usize = 7;

pub fn write(stream: &Stream) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: String| writeln!(text, "{key} = {value}").expect("a string");
    line("topic", quote(&stream.topic));
    line("table", quote(&stream.table.to_string()));
    line("dead_letters", quote(&stream.dead_letters.to_string()));
    line("start", start(stream.start));
    line("group_id", quote(&stream.group_id));
    line(
        "largest_record",
        quote(&stream.largest_record_bytes.to_string()),
    );
    line("partition_by", list(partition(stream)));
    line("sort_by", list(sort(stream)));
    line(
        "commit.interval",
        quote(&format!("{}ms", stream.commit_interval.as_millis())),
    );
    line("commit.bytes", quote(&stream.commit_bytes.to_string()));
    for (key, value) in &stream.kafka {
        line(&format!("kafka.{}", quote(key)), quote(value));
    }
    let fields = stream.schema.as_struct().fields();
    for field in &fields[..fields.len() - OWN] {
        text += "[[columns]]\n";
        let mut line =
            |key: &str, value: String| writeln!(text, "{key} = {value}").expect("a string");
        line("name", quote(&field.name));
        line(
            "type",
            quote(&kind(&field.field_type, &field.name, &stream.renames)),
        );
        line("required", field.required.to_string());
        if let Some(doc) = &field.doc {
            line("doc", quote(doc));
        }
        if let Some(old) = old_name(&field.name, &stream.renames) {
            line("renamed_from", quote(&old));
        }
    }
    text
}

/// A basic string of TOML: control characters have to be escaped.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => write!(quoted, "\\U{:08X}", u32::from(c)).expect("a string"),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

fn list(parts: Vec<String>) -> String {
    let parts: Vec<String> = parts.iter().map(|part| quote(part)).collect();
    format!("[{}]", parts.join(", "))
}

fn start(start: Start) -> String {
    quote(&match start {
        Start::Earliest => "earliest".to_owned(),
        Start::Latest => "latest".to_owned(),
        Start::At(ms) => {
            let time = chrono::DateTime::from_timestamp_millis(ms).expect("a time that was parsed");
            time.to_rfc3339()
        }
    })
}

fn transformed(transform: Transform, column: &str) -> String {
    match transform {
        Transform::Identity => column.to_owned(),
        Transform::Bucket(count) => format!("bucket({count}, {column})"),
        Transform::Truncate(width) => format!("truncate({width}, {column})"),
        other => format!("{other}({column})"),
    }
}

fn partition(stream: &Stream) -> Vec<String> {
    let fields = stream.partition.fields().iter();
    let name = |id| stream.schema.name_by_field_id(id).expect("a column");
    fields
        .map(|field| transformed(field.transform, name(field.source_id)))
        .collect()
}

fn sort(stream: &Stream) -> Vec<String> {
    let fields = stream.sort_order.fields.iter();
    let name = |id| stream.schema.name_by_field_id(id).expect("a column");
    fields
        .map(|field| {
            let direction = match field.direction {
                SortDirection::Ascending => "asc",
                SortDirection::Descending => "desc",
            };
            let nulls = match field.null_order {
                NullOrder::First => "first",
                NullOrder::Last => "last",
            };
            let what = transformed(field.transform, name(field.source_id));
            format!("{what} {direction} nulls {nulls}")
        })
        .collect()
}

type Renames = BTreeMap<String, String>;

/// What the field at this path was called before.
fn old_name(path: &str, renames: &Renames) -> Option<String> {
    let (old, _) = renames.iter().find(|(_, new)| *new == path)?;
    Some(
        old.rsplit_once('.')
            .map_or(old.as_str(), |(_, name)| name)
            .to_owned(),
    )
}

fn kind(kind: &Type, path: &str, renames: &Renames) -> String {
    let not_null = |required: bool| if required { " not null" } else { "" };
    match kind {
        Type::Primitive(PrimitiveType::Decimal { precision, scale }) => {
            format!("decimal({precision},{scale})")
        }
        Type::Primitive(other) => other.to_string(),
        Type::Struct(fields) => structure(fields, path, renames),
        Type::List(list) => {
            let element = &list.element_field;
            let inner = self::kind(&element.field_type, &format!("{path}.element"), renames);
            format!("list<{inner}{}>", not_null(element.required))
        }
        Type::Map(map) => {
            let key = self::kind(&map.key_field.field_type, &format!("{path}.key"), renames);
            let value = self::kind(
                &map.value_field.field_type,
                &format!("{path}.value"),
                renames,
            );
            format!("map<{key}, {value}{}>", not_null(map.value_field.required))
        }
    }
}

fn structure(fields: &StructType, path: &str, renames: &Renames) -> String {
    let fields = fields.fields().iter().map(|field| {
        let path = format!("{path}.{}", field.name);
        let mut text = format!(
            "{}: {}",
            field.name,
            kind(&field.field_type, &path, renames)
        );
        if field.required {
            text += " not null";
        }
        if let Some(old) = old_name(&path, renames) {
            text += &format!(" renamed from {old}");
        }
        text
    });
    format!("struct<{}>", fields.collect::<Vec<_>>().join(", "))
}
