//! Lists as Postgres arrays, of one dimension or more.

use arrow::datatypes::DataType;
use bytes::{BufMut, BytesMut};

use super::column::Column;
use super::{Format, Style, types};
use crate::wire::sqlstate::{Result, WireError};

/// Deepest array that Postgres has.
const MAX_DIMENSIONS: usize = 6;

/// `{1,NULL,"a b"}`.
pub fn text(column: &Column, row: usize, style: &Style, out: &mut BytesMut) -> Result<()> {
    let Some((child, from, to)) = column.elements(row) else {
        return Ok(());
    };
    out.put_u8(b'{');
    for index in from..to {
        if index > from {
            out.put_u8(b',');
        }
        if child.child_is_null(index) {
            out.put_slice(b"NULL");
        } else if child.elements(index).is_some() {
            text(child, index, style, out)?;
        } else if child.is_plain_in_arrays() {
            child.text(index, style, out)?;
        } else {
            let start = out.len();
            child.text(index, style, out)?;
            quote(start, out);
        }
    }
    out.put_u8(b'}');
    Ok(())
}

/// Quotes what was written from `start` on, where an array's syntax wants it.
fn quote(start: usize, out: &mut BytesMut) {
    let value = &out[start..];
    let needed = value.is_empty()
        || value.eq_ignore_ascii_case(b"null")
        || value.iter().any(|byte| {
            matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\')
                || byte.is_ascii_whitespace()
                || *byte == 0x0b
        });
    if !needed {
        return;
    }
    let value = out.split_off(start);
    out.reserve(value.len() + 2);
    out.put_u8(b'"');
    for byte in &value {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}

/// `array_send`'s form: dimensions, whether there are NULLs, element type, bounds, elements.
pub fn binary(column: &Column, row: usize, style: &Style, out: &mut BytesMut) -> Result<()> {
    let mut lengths = Vec::new();
    let mut leaves = Vec::new();
    let leaf = collect(column, row, 0, &mut lengths, &mut leaves)?;
    let element = types::of_type(&element_type(column.array.data_type())).oid;
    let dimensions = if leaves.is_empty() { &[] } else { &lengths[..] };
    out.put_i32(dimensions.len() as i32);
    let has_nulls = leaves.iter().any(|index| leaf.child_is_null(*index));
    out.put_i32(i32::from(has_nulls));
    out.put_u32(element);
    for length in dimensions {
        out.put_i32(*length as i32);
        out.put_i32(1);
    }
    for index in leaves {
        super::field(leaf, Format::Binary, index, style, out)?;
    }
    Ok(())
}

fn element_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            types::innermost(item).data_type().clone()
        }
        other => other.clone(),
    }
}

/// Gathers the leaves in order and the length of each dimension.
fn collect<'a>(
    column: &'a Column,
    row: usize,
    depth: usize,
    lengths: &mut Vec<usize>,
    leaves: &mut Vec<usize>,
) -> Result<&'a Column> {
    let (child, from, to) = column
        .elements(row)
        .expect("only called on lists, which have elements");
    if depth == MAX_DIMENSIONS {
        return Err(WireError::new(
            "54000",
            format!("an array has more than the {MAX_DIMENSIONS} dimensions allowed"),
        ));
    }
    match lengths.get(depth) {
        None => lengths.push(to - from),
        Some(length) if *length != to - from => {
            return Err(WireError::new(
                "2202E",
                "a list of lists of different lengths has no binary form: ask for text",
            ));
        }
        Some(_) => {}
    }
    let nested = matches!(
        child.array.data_type(),
        DataType::List(_) | DataType::LargeList(_)
    );
    if !nested {
        leaves.extend(from..to);
        return Ok(child);
    }
    let mut leaf = innermost_column(child);
    for index in from..to {
        if child.child_is_null(index) {
            return Err(WireError::new(
                "2202E",
                "a list of lists with a NULL list has no binary form: ask for text",
            ));
        }
        leaf = collect(child, index, depth + 1, lengths, leaves)?;
    }
    Ok(leaf)
}

fn innermost_column(column: &Column) -> &Column {
    match &column.values {
        super::column::Values::List(_, child) | super::column::Values::LargeList(_, child) => {
            innermost_column(child)
        }
        _ => column,
    }
}
