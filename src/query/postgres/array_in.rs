//! Arrays as text: `{1,NULL,"a b"}`, in as many dimensions as are written.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, new_empty_array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};

use super::datetime_in::Context;
use crate::query::{QueryError, QueryErrorKind as Kind};

pub enum Tree {
    Leaf(Option<String>),
    List(Vec<Tree>),
}

fn malformed(text: &str) -> QueryError {
    QueryError::new(
        Kind::InvalidText,
        format!("malformed array literal: \"{text}\""),
    )
}

/// Deepest nesting, as in Postgres.
const MOST_DIMENSIONS: usize = 6;

pub fn parse(text: &str) -> Result<Vec<Tree>, QueryError> {
    let mut chars = text.trim().chars().peekable();
    let tree = list(&mut chars, 1).filter(|_| chars.next().is_none());
    let items = tree.ok_or_else(|| malformed(text))?;
    let mut shapes = items.iter().map(depth_and_width);
    if let Some(first) = shapes.next()
        && shapes.any(|shape| shape != first)
    {
        return Err(malformed(text));
    }
    Ok(items)
}

fn depth_and_width(tree: &Tree) -> (usize, usize) {
    match tree {
        Tree::Leaf(_) => (0, 0),
        Tree::List(items) => (
            1 + items.first().map_or(0, |item| depth_and_width(item).0),
            items.len(),
        ),
    }
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn skip_space(chars: &mut Chars<'_>) {
    while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
}

fn list(chars: &mut Chars<'_>, depth: usize) -> Option<Vec<Tree>> {
    if depth > MOST_DIMENSIONS || chars.next()? != '{' {
        return None;
    }
    let mut items = Vec::new();
    skip_space(chars);
    if chars.next_if_eq(&'}').is_some() {
        return Some(items);
    }
    loop {
        skip_space(chars);
        items.push(match chars.peek()? {
            '{' => Tree::List(list(chars, depth + 1)?),
            '"' => Tree::Leaf(Some(quoted(chars)?)),
            _ => plain(chars)?,
        });
        skip_space(chars);
        match chars.next()? {
            ',' => {}
            '}' => return Some(items),
            _ => return None,
        }
    }
}

fn quoted(chars: &mut Chars<'_>) -> Option<String> {
    chars.next();
    let mut out = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(out),
            '\\' => out.push(chars.next()?),
            c => out.push(c),
        }
    }
}

fn plain(chars: &mut Chars<'_>) -> Option<Tree> {
    let mut out = String::new();
    while let Some(c) = chars.peek() {
        match c {
            ',' | '}' => break,
            '{' | '"' => return None,
            '\\' => {
                chars.next();
                out.push(chars.next()?);
            }
            _ => out.extend(chars.next()),
        }
    }
    let word = out.trim();
    if word.is_empty() {
        return None;
    }
    let is_null = word.eq_ignore_ascii_case("null");
    Some(Tree::Leaf((!is_null).then(|| word.to_owned())))
}

/// The list of these items. Deeper ones than the type has are refused.
pub fn list_of(items: Vec<Tree>, item: &FieldRef, context: &Context) -> Result<ScalarValue> {
    let values = array_of(items, item, context)?;
    let list = ListArray::try_new(
        Arc::clone(item),
        OffsetBuffer::from_lengths([values.len()]),
        values,
        None,
    )?;
    Ok(ScalarValue::List(Arc::new(list)))
}

fn array_of(items: Vec<Tree>, item: &FieldRef, context: &Context) -> Result<ArrayRef> {
    let kind = item.data_type();
    let mut values = Vec::with_capacity(items.len());
    for tree in items {
        values.push(match (tree, kind) {
            (Tree::Leaf(None), _) => ScalarValue::try_from(kind)?,
            (Tree::Leaf(Some(text)), kind) if !matches!(kind, DataType::List(_)) => {
                super::text_in::value_of(&text, kind, context)?
            }
            (Tree::List(inner), DataType::List(field)) => list_of(inner, field, context)?,
            _ => {
                return Err(QueryError::new(
                    Kind::FeatureNotSupported,
                    "an array of several dimensions can't be read into this type here",
                )
                .into());
            }
        });
    }
    if values.is_empty() {
        return Ok(new_empty_array(kind));
    }
    ScalarValue::iter_to_array(values)
}

/// How many dimensions a text's array has.
pub fn dimensions(text: &str) -> usize {
    text.trim()
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .take_while(|c| *c == '{')
        .count()
        .max(1)
}
