//! Functions of texts and bytes.

use datafusion::common::{Result, ScalarValue};

use super::encodings::{convert_from, convert_to, decode, encode};
use super::format::format;
use super::function::{
    Function, MOST_TEXT_BYTES, Overload, Row, T, boolean, int4, null, on, refuse, text, texts,
    with_nulls,
};
use crate::query::{QueryError, QueryErrorKind as Kind};

pub fn all() -> Vec<Function> {
    vec![
        Function::new(&["format"], FORMAT),
        Function::new(
            &["quote_ident"],
            [on(&[T::Text], T::Text, |row| {
                text(quote_ident(row.text(0)))
            })],
        ),
        Function::new(&["quote_literal"], QUOTE_LITERAL),
        Function::new(
            &["quote_nullable"],
            [with_nulls(&[T::Shown], None, T::Text, |row| {
                text(if row.is_null(0) {
                    "NULL".to_owned()
                } else {
                    quote_literal(row.text(0))
                })
            })],
        ),
        Function::new(&["substr", "substring"], SUBSTRING),
        Function::new(&["overlay"], OVERLAY),
        Function::new(
            &["concat"],
            [with_nulls(&[T::Shown], Some(T::Shown), T::Text, |row| {
                text(
                    (0..row.len())
                        .filter(|i| !row.is_null(*i))
                        .map(|i| row.text(i))
                        .collect::<String>(),
                )
            })],
        ),
        Function::new(
            &["concat_ws"],
            [with_nulls(&[T::Text], Some(T::Shown), T::Text, |row| {
                if row.is_null(0) {
                    return null();
                }
                let parts: Vec<_> = (1..row.len())
                    .filter(|i| !row.is_null(*i))
                    .map(|i| row.text(i))
                    .collect();
                text(parts.join(row.text(0)))
            })],
        ),
        Function::new(
            &["replace"],
            [on(&[T::Text, T::Text, T::Text], T::Text, |row| {
                if row.text(1).is_empty() {
                    return text(row.text(0));
                }
                let grown = row
                    .text(2)
                    .len()
                    .saturating_mul(row.text(0).len() / row.text(1).len());
                if grown > MOST_TEXT_BYTES {
                    return refuse(Kind::State("54000"), "requested length too large");
                }
                text(row.text(0).replace(row.text(1), row.text(2)))
            })],
        ),
        Function::new(
            &["upper"],
            [on(&[T::Text], T::Text, |row| {
                text(mapped(row.text(0), char::to_uppercase))
            })],
        ),
        Function::new(
            &["lower"],
            [on(&[T::Text], T::Text, |row| {
                text(mapped(row.text(0), char::to_lowercase))
            })],
        ),
        Function::new(
            &["length", "char_length", "character_length"],
            [
                on(&[T::Text], T::Int4, |row| {
                    int4(row.text(0).chars().count() as i64)
                }),
                on(&[T::Bytea], T::Int4, |row| int4(row.bytes(0).len() as i64)),
            ],
        ),
        Function::new(
            &["octet_length"],
            [
                on(&[T::Text], T::Int4, |row| int4(row.text(0).len() as i64)),
                on(&[T::Bytea], T::Int4, |row| int4(row.bytes(0).len() as i64)),
            ],
        ),
        Function::new(
            &["bit_length"],
            [
                on(&[T::Text], T::Int4, |row| {
                    int4(row.text(0).len() as i64 * 8)
                }),
                on(&[T::Bytea], T::Int4, |row| {
                    int4(row.bytes(0).len() as i64 * 8)
                }),
            ],
        ),
        Function::new(&["chr"], [on(&[T::Int4], T::Text, |row| chr(row.int(0)))]),
        Function::new(
            &["to_hex"],
            [
                on(&[T::Int4], T::Text, |row| {
                    text(format!("{:x}", row.int(0) as i32))
                }),
                on(&[T::Int8], T::Text, |row| text(format!("{:x}", row.int(0)))),
            ],
        ),
        Function::new(
            &["starts_with"],
            [on(&[T::Text, T::Text], T::Bool, |row| {
                boolean(row.text(0).starts_with(row.text(1)))
            })],
        ),
        Function::new(
            &["unistr"],
            [on(&[T::Text], T::Text, |row| text(unistr(row.text(0))?))],
        ),
        Function::new(
            &["parse_ident"],
            [on(&[T::Text], T::TextArray, |row| {
                texts(parse_ident(row.text(0))?.into_iter().map(Some))
            })],
        ),
        Function::new(
            &["get_byte"],
            [on(&[T::Bytea, T::Int4], T::Int4, |row| {
                let at = index(row.int(1), row.bytes(0).len())?;
                int4(i64::from(row.bytes(0)[at]))
            })],
        ),
        Function::new(
            &["set_byte"],
            [on(&[T::Bytea, T::Int4, T::Int4], T::Bytea, |row| {
                let at = index(row.int(1), row.bytes(0).len())?;
                let mut bytes = row.bytes(0).to_vec();
                bytes[at] = (row.int(2) & 0xff) as u8;
                Ok(ScalarValue::Binary(Some(bytes)))
            })],
        ),
        Function::new(
            &["get_bit"],
            [on(&[T::Bytea, T::Int8], T::Int4, |row| {
                let at = index(row.int(1), row.bytes(0).len() * 8)?;
                int4(i64::from(row.bytes(0)[at / 8] >> (at % 8) & 1))
            })],
        ),
        Function::new(
            &["set_bit"],
            [on(&[T::Bytea, T::Int8, T::Int4], T::Bytea, |row| {
                let at = index(row.int(1), row.bytes(0).len() * 8)?;
                let mut bytes = row.bytes(0).to_vec();
                let bit = 1 << (at % 8);
                match row.int(2) {
                    0 => bytes[at / 8] &= !bit,
                    1 => bytes[at / 8] |= bit,
                    _ => return refuse(Kind::InvalidParameter, "new bit must be 0 or 1"),
                }
                Ok(ScalarValue::Binary(Some(bytes)))
            })],
        ),
        Function::new(
            &["bit_count"],
            [on(&[T::Bytea], T::Int8, |row| {
                super::function::int8(row.bytes(0).iter().map(|b| i64::from(b.count_ones())).sum())
            })],
        ),
        Function::new(
            &["encode"],
            [on(&[T::Bytea, T::Text], T::Text, |row| {
                encode(row.bytes(0), row.text(1))
            })],
        ),
        Function::new(
            &["decode"],
            [on(&[T::Text, T::Text], T::Bytea, |row| {
                decode(row.text(0), row.text(1))
            })],
        ),
        Function::new(
            &["convert_from"],
            [on(&[T::Bytea, T::Text], T::Text, |row| {
                convert_from(row.bytes(0), row.text(1))
            })],
        ),
        Function::new(
            &["convert_to"],
            [on(&[T::Text, T::Text], T::Bytea, |row| {
                convert_to(row.text(0), row.text(1))
            })],
        ),
        Function::new(
            &["split_part"],
            [on(&[T::Text, T::Text, T::Int4], T::Text, |row| {
                split_part(row.text(0), row.text(1), row.int(2))
            })],
        ),
        Function::new(
            &["left"],
            [on(&[T::Text, T::Int4], T::Text, |row| {
                text(left(row.text(0), row.int(1)))
            })],
        ),
        Function::new(
            &["num_nulls"],
            [with_nulls(&[], Some(T::Shown), T::Int4, |row| {
                int4((0..row.len()).filter(|i| row.is_null(*i)).count() as i64)
            })],
        ),
        Function::new(
            &["num_nonnulls"],
            [with_nulls(&[], Some(T::Shown), T::Int4, |row| {
                int4((0..row.len()).filter(|i| !row.is_null(*i)).count() as i64)
            })],
        ),
    ]
}

const FORMAT: &[Overload] = &[with_nulls(&[T::Text], Some(T::Shown), T::Text, |row| {
    if row.is_null(0) {
        null()
    } else {
        text(format(row)?)
    }
})];

const QUOTE_LITERAL: &[Overload] = &[on(&[T::Shown], T::Text, |row| {
    text(quote_literal(row.text(0)))
})];

const SUBSTRING: &[Overload] = &[
    on(&[T::Text, T::Int4], T::Text, |row| {
        text(part(row.text(0), row.int(1), None)?)
    }),
    on(&[T::Text, T::Int4, T::Int4], T::Text, |row| {
        text(part(row.text(0), row.int(1), Some(row.int(2)))?)
    }),
    on(&[T::Bytea, T::Int4], T::Bytea, |row| {
        bytes_part(row.bytes(0), row.int(1), None)
    }),
    on(&[T::Bytea, T::Int4, T::Int4], T::Bytea, |row| {
        bytes_part(row.bytes(0), row.int(1), Some(row.int(2)))
    }),
    on(&[T::Text, T::Text], T::Text, |row| {
        super::regexp::first(row.text(0), row.text(1))
    }),
    on(&[T::Text, T::Text, T::Text], T::Text, |row| {
        super::regexp::similar_part(row.text(0), row.text(1), row.text(2))
    }),
];

const OVERLAY: &[Overload] = &[
    on(&[T::Text, T::Text, T::Int4], T::Text, |row| {
        let length = row.text(1).chars().count() as i64;
        text(overlay(row.text(0), row.text(1), row.int(2), length)?)
    }),
    on(&[T::Text, T::Text, T::Int4, T::Int4], T::Text, |row| {
        text(overlay(row.text(0), row.text(1), row.int(2), row.int(3))?)
    }),
    on(&[T::Bytea, T::Bytea, T::Int4], T::Bytea, |row| {
        overlay_bytes(row, row.bytes(1).len() as i64)
    }),
    on(&[T::Bytea, T::Bytea, T::Int4, T::Int4], T::Bytea, |row| {
        overlay_bytes(row, row.int(3))
    }),
];

/// Each character to the one other that it has; those with several stay, as in Postgres.
fn mapped<I: Iterator<Item = char>>(value: &str, map: fn(char) -> I) -> String {
    value
        .chars()
        .map(|c| {
            let mut to = map(c);
            match (to.next(), to.next()) {
                (Some(one), None) => one,
                _ => c,
            }
        })
        .collect()
}

fn chr(code: i64) -> Result<ScalarValue> {
    match u32::try_from(code) {
        Ok(0) => refuse(Kind::State("54000"), "null character not permitted"),
        Err(_) => refuse(Kind::InvalidParameter, "character number must be positive"),
        Ok(code) => match char::from_u32(code) {
            Some(c) => text(c),
            None => refuse(
                Kind::State("54000"),
                format!("requested character too large for encoding: {code}"),
            ),
        },
    }
}

fn index(at: i64, length: usize) -> Result<usize> {
    match usize::try_from(at) {
        Ok(at) if at < length => Ok(at),
        _ => refuse(
            Kind::State("2202E"),
            format!("index {at} out of valid range, 0..{}", length as i64 - 1),
        ),
    }
}

/// The 0-based half-open range of characters from a 1-based start.
fn range(from: i64, count: Option<i64>) -> Result<(i64, i64)> {
    let end = match count {
        None => i64::MAX,
        Some(count) if count < 0 => {
            return refuse(
                Kind::State("22011"),
                "negative substring length not allowed",
            );
        }
        Some(count) => from.saturating_add(count),
    };
    let start = from.max(1) - 1;
    Ok((start, (end.max(1) - 1).max(start)))
}

fn part(value: &str, from: i64, count: Option<i64>) -> Result<String> {
    let (start, end) = range(from, count)?;
    let skip = usize::try_from(start).unwrap_or(usize::MAX);
    let take = usize::try_from(end - start).unwrap_or(usize::MAX);
    Ok(value.chars().skip(skip).take(take).collect())
}

fn bytes_part(value: &[u8], from: i64, count: Option<i64>) -> Result<ScalarValue> {
    let (start, end) = range(from, count)?;
    let start = usize::try_from(start)
        .unwrap_or(usize::MAX)
        .min(value.len());
    let end = usize::try_from(end).unwrap_or(usize::MAX).min(value.len());
    Ok(ScalarValue::Binary(Some(value[start..end].to_vec())))
}

fn overlay(value: &str, by: &str, from: i64, count: i64) -> Result<String> {
    if from < 1 {
        return refuse(
            Kind::State("22011"),
            "negative substring length not allowed",
        );
    }
    let before = part(value, 1, Some(from - 1))?;
    let behind = part(value, from.saturating_add(count), None)?;
    Ok(format!("{before}{by}{behind}"))
}

fn overlay_bytes(row: &Row<'_>, count: i64) -> Result<ScalarValue> {
    let (value, by, from) = (row.bytes(0), row.bytes(1), row.int(2));
    let Ok(start) = usize::try_from(from - 1) else {
        return refuse(
            Kind::State("22011"),
            "negative substring length not allowed",
        );
    };
    let end = usize::try_from(from.saturating_add(count).max(1) - 1).unwrap_or(usize::MAX);
    let mut out = value[..start.min(value.len())].to_vec();
    out.extend_from_slice(by);
    out.extend_from_slice(&value[end.min(value.len())..]);
    Ok(ScalarValue::Binary(Some(out)))
}

fn left(value: &str, count: i64) -> String {
    let length = value.chars().count() as i64;
    let take = if count < 0 {
        (length + count).max(0)
    } else {
        count
    };
    value
        .chars()
        .take(usize::try_from(take).unwrap_or(0))
        .collect()
}

fn split_part(value: &str, by: &str, field: i64) -> Result<ScalarValue> {
    if field == 0 {
        return refuse(Kind::InvalidParameter, "field position must not be zero");
    }
    let parts: Vec<&str> = if by.is_empty() {
        vec![value]
    } else {
        value.split(by).collect()
    };
    let at = if field > 0 {
        field - 1
    } else {
        parts.len() as i64 + field
    };
    text(
        usize::try_from(at)
            .ok()
            .and_then(|at| parts.get(at))
            .copied()
            .unwrap_or(""),
    )
}

/// Words that can't be names without quotes.
const RESERVED: &str = " all analyse analyze and any array as asc asymmetric authorization binary \
    both case cast check collate collation column concurrently constraint create cross \
    current_catalog current_date current_role current_schema current_time current_timestamp \
    current_user default deferrable desc distinct do else end except false fetch for foreign freeze \
    from full grant group having ilike in initially inner intersect into is isnull join lateral \
    leading left like limit localtime localtimestamp natural not notnull null offset on only or \
    order outer overlaps placing primary references returning right select session_user similar \
    some symmetric table tablesample then to trailing true union unique user using variadic verbose \
    when where window with between bigint bit boolean char character coalesce dec decimal exists \
    extract float greatest grouping inout int integer interval least national nchar none normalize \
    nullif numeric out overlay position precision real row setof smallint substring time timestamp \
    treat trim values varchar ";

pub fn quote_ident(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !RESERVED.contains(&format!(" {name} "));
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

pub fn quote_literal(value: &str) -> String {
    let quoted = value.replace('\'', "''");
    if value.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

fn unistr(value: &str) -> Result<String> {
    let wrong = || QueryError::new(Kind::State("42601"), "invalid Unicode escape");
    let mut out = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('\\') {
            out.push('\\');
            rest = after;
            continue;
        }
        let (skip, count) = match rest.chars().next() {
            Some('u') => (1, 4),
            Some('U') => (1, 8),
            Some('+') => (1, 6),
            _ => (0, 4),
        };
        let hex = rest.get(skip..skip + count).ok_or_else(wrong)?;
        let code = u32::from_str_radix(hex, 16).map_err(|_| wrong())?;
        out.push(char::from_u32(code).ok_or_else(wrong)?);
        rest = &rest[skip + count..];
    }
    out.push_str(rest);
    Ok(out)
}

fn parse_ident(value: &str) -> Result<Vec<String>> {
    let wrong = || {
        QueryError::new(
            Kind::InvalidParameter,
            format!("string is not a valid identifier: \"{value}\""),
        )
    };
    let mut parts = Vec::new();
    let mut rest = value.trim();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted.find('"').ok_or_else(wrong)?;
            parts.push(quoted[..end].to_owned());
            rest = &quoted[end + 1..];
        } else {
            let end = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
                .unwrap_or(rest.len());
            if end == 0 || rest.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(wrong().into());
            }
            parts.push(rest[..end].to_lowercase());
            rest = &rest[end..];
        }
        rest = rest.trim_start();
        match rest.strip_prefix('.') {
            Some(after) => rest = after.trim_start(),
            None if rest.is_empty() => return Ok(parts),
            None => return Err(wrong().into()),
        }
    }
}
