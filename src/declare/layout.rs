//! How a table is laid out, as text: `day(timestamp)`, `bucket(16, user_id)`,
//! `timestamp desc nulls last`. Shared by streams and models.

use iceberg::spec::{
    NullOrder, PartitionSpecBuilder, Schema, SortDirection, SortField, SortOrder, Transform,
    UnboundPartitionField, UnboundPartitionSpec,
};

use crate::config::suggestion;

const TRANSFORMS: [&str; 6] = ["year", "month", "day", "hour", "bucket", "truncate"];

/// `day(timestamp)`: the transform and the column's dotted name.
pub(crate) fn parse_transform(text: &str) -> Result<(Transform, String), String> {
    let text = text.trim();
    let Some((word, rest)) = text.split_once('(') else {
        return Ok((Transform::Identity, column(text)?));
    };
    let inside = rest
        .strip_suffix(')')
        .ok_or_else(|| format!("{text:?} lacks its closing )"))?;
    let word = word.trim().to_ascii_lowercase();
    let transform = match word.as_str() {
        "year" => Transform::Year,
        "month" => Transform::Month,
        "day" => Transform::Day,
        "hour" => Transform::Hour,
        "identity" => Transform::Identity,
        "bucket" | "truncate" => return with_number(&word, inside),
        _ => {
            let advice = match suggestion(&word, TRANSFORMS) {
                Some(right) => format!("did you mean {right}?"),
                None => format!("known are {}", TRANSFORMS.join(", ")),
            };
            return Err(format!("there is no transform {word:?}: {advice}"));
        }
    };
    Ok((transform, column(inside)?))
}

/// `16, user_id` of `bucket(16, user_id)`.
fn with_number(word: &str, inside: &str) -> Result<(Transform, String), String> {
    let parsed = inside.split_once(',').and_then(|(number, name)| {
        let number: u32 = number.trim().parse().ok()?;
        (1..=1_000_000).contains(&number).then_some((number, name))
    });
    let (number, name) =
        parsed.ok_or_else(|| format!("write {word}(n, column) with n from 1 to 1000000"))?;
    let transform = if word == "bucket" {
        Transform::Bucket(number)
    } else {
        Transform::Truncate(number)
    };
    Ok((transform, column(name)?))
}

fn column(text: &str) -> Result<String, String> {
    let text = text.trim();
    let sound = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    if sound {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not a column"))
    }
}

/// The id of a column, dotted for a nested one.
fn column_id(schema: &Schema, name: &str) -> Result<i32, String> {
    schema.field_id_by_name(name).ok_or_else(|| {
        let names = schema.field_id_to_name_map().values().map(String::as_str);
        match suggestion(name, names) {
            Some(right) => format!("there is no column {name:?}: did you mean {right:?}?"),
            None => format!("there is no column {name:?}"),
        }
    })
}

fn check_type(schema: &Schema, transform: Transform, id: i32, text: &str) -> Result<(), String> {
    let field = schema
        .field_by_id(id)
        .expect("the id was just found in this schema");
    transform
        .result_type(&field.field_type)
        .map(|_| ())
        .map_err(|_| format!("{text:?} does not go with the type {}", field.field_type))
}

/// A partition spec from its parts, each a text; errors carry the part's index.
pub(crate) fn partition_spec<'a>(
    schema: &Schema,
    parts: impl IntoIterator<Item = &'a str>,
) -> Result<UnboundPartitionSpec, (usize, String)> {
    let mut checked = PartitionSpecBuilder::new(schema.clone());
    let mut spec = UnboundPartitionSpec::builder();
    for (index, text) in parts.into_iter().enumerate() {
        let field = partition_field(schema, text).map_err(|message| (index, message))?;
        checked = checked
            .add_unbound_field(field.clone())
            .map_err(|error| (index, format!("{text:?}: {}", error.message())))?;
        spec = spec
            .add_partition_field(field.source_id, &field.name, field.transform)
            .map_err(|error| (index, format!("{text:?}: {}", error.message())))?;
    }
    Ok(spec.build())
}

fn partition_field(schema: &Schema, text: &str) -> Result<UnboundPartitionField, String> {
    let (transform, name) = parse_transform(text)?;
    let source_id = column_id(schema, &name)?;
    check_type(schema, transform, source_id, text)?;
    // The names that Iceberg's own libraries give, so that they look the same everywhere.
    let flat = name.replace('.', "_");
    let name = match transform {
        Transform::Identity => flat,
        Transform::Bucket(_) => format!("{flat}_bucket"),
        Transform::Truncate(_) => format!("{flat}_trunc"),
        other => format!("{flat}_{other}"),
    };
    Ok(UnboundPartitionField::builder()
        .source_id(source_id)
        .name(name)
        .transform(transform)
        .build())
}

/// A sort order from its parts; errors carry the part's index.
pub(crate) fn sort_order<'a>(
    schema: &Schema,
    parts: impl IntoIterator<Item = &'a str>,
) -> Result<SortOrder, (usize, String)> {
    let mut fields = Vec::new();
    for (index, text) in parts.into_iter().enumerate() {
        fields.push(sort_field(schema, text).map_err(|message| (index, message))?);
    }
    if fields.is_empty() {
        return Ok(SortOrder::unsorted_order());
    }
    Ok(SortOrder {
        order_id: 1,
        fields,
    })
}

/// `timestamp desc nulls last`. Nulls are the smallest value unless said otherwise: first in an
/// ascending order and last in a descending one, Iceberg's own default.
fn sort_field(schema: &Schema, text: &str) -> Result<SortField, String> {
    let lower = text.trim().to_ascii_lowercase();
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let explicit_nulls = if lower.ends_with(" nulls first") {
        Some(NullOrder::First)
    } else if lower.ends_with(" nulls last") {
        Some(NullOrder::Last)
    } else {
        None
    };
    if explicit_nulls.is_some() {
        words.truncate(words.len() - 2);
    }
    let direction = match words
        .last()
        .map(|word| word.to_ascii_lowercase())
        .as_deref()
    {
        Some("desc") => Some(SortDirection::Descending),
        Some("asc") => Some(SortDirection::Ascending),
        _ => None,
    };
    if direction.is_some() {
        words.pop();
    }
    let direction = direction.unwrap_or(SortDirection::Ascending);
    let what = words.join(" ");
    let (transform, name) = parse_transform(&what)
        .map_err(|message| format!("{message}; write \"column [asc|desc] [nulls first|last]\""))?;
    let source_id = column_id(schema, &name)?;
    check_type(schema, transform, source_id, &what)?;
    let default_nulls = match direction {
        SortDirection::Ascending => NullOrder::First,
        SortDirection::Descending => NullOrder::Last,
    };
    Ok(SortField {
        source_id,
        transform,
        direction,
        null_order: explicit_nulls.unwrap_or(default_nulls),
    })
}

/// `a, bucket(4, b)` into its parts: commas inside parentheses don't part.
pub(crate) fn split_list(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_i32, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}
