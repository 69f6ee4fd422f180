//! `format`: a text with values in it.

use datafusion::common::Result;

use super::function::{MOST_TEXT_BYTES, Row, refuse};
use super::strings::{quote_ident, quote_literal};
use crate::query::{QueryError, QueryErrorKind as Kind};

/// The widest field that a format may ask for.
const MOST_WIDTH: usize = 1 << 20;

pub(super) fn format(row: &Row<'_>) -> Result<String> {
    let mut out = String::new();
    let mut chars = row.text(0).chars().peekable();
    let mut next = 1;
    let few = || QueryError::new(Kind::InvalidParameter, "too few arguments for format()");
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let unfinished = || {
            QueryError::new(
                Kind::InvalidParameter,
                "unterminated format() type specifier",
            )
        };
        if chars.peek() == Some(&'%') {
            chars.next();
            out.push('%');
            continue;
        }
        let mut number = digits(&mut chars);
        let mut position = None;
        if number.is_some() && chars.peek() == Some(&'$') {
            chars.next();
            position = number.take();
            if position == Some(0) {
                return refuse(
                    Kind::InvalidParameter,
                    "format specifies argument 0, but arguments are numbered from 1",
                );
            }
        }
        let mut to_left = false;
        if number.is_none() {
            while chars.next_if_eq(&'-').is_some() {
                to_left = true;
            }
            number = digits(&mut chars);
        }
        let mut width = number.map_or(0, |width| width as i64);
        if chars.next_if_eq(&'*').is_some() {
            let at = match digits(&mut chars) {
                Some(at) => {
                    chars.next_if_eq(&'$');
                    at
                }
                None => {
                    next += 1;
                    next - 1
                }
            };
            if at >= row.len() {
                return Err(few().into());
            }
            width = if row.is_null(at) {
                0
            } else {
                row.text(at).trim().parse().unwrap_or(0)
            };
        }
        let kind = chars.next().ok_or_else(unfinished)?;
        if !['s', 'I', 'L'].contains(&kind) {
            return refuse(
                Kind::InvalidParameter,
                format!("unrecognized format() type specifier \"{kind}\""),
            );
        }
        let at = match position {
            Some(at) => {
                next = at + 1;
                at
            }
            None => {
                next += 1;
                next - 1
            }
        };
        if at >= row.len() {
            return Err(few().into());
        }
        let value = match (kind, row.is_null(at)) {
            ('s', true) => String::new(),
            ('L', true) => "NULL".to_owned(),
            ('I', true) => {
                return refuse(
                    Kind::State("22004"),
                    "null values cannot be formatted as an SQL identifier",
                );
            }
            ('I', false) => quote_ident(row.text(at)),
            ('L', false) => quote_literal(row.text(at)),
            _ => row.text(at).to_owned(),
        };
        let to_left = to_left || width < 0;
        let width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
        let missing = width.saturating_sub(value.chars().count());
        if missing > MOST_WIDTH || out.len() + value.len() > MOST_TEXT_BYTES {
            return refuse(Kind::State("54000"), "requested length too large");
        }
        let pad = " ".repeat(missing);
        out.push_str(&if to_left { value + &pad } else { pad + &value });
    }
    Ok(out)
}

fn digits(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut number = None::<usize>;
    while let Some(c) = chars.next_if(char::is_ascii_digit) {
        let digit = c.to_digit(10)? as usize;
        number = Some(
            number
                .unwrap_or(0)
                .saturating_mul(10)
                .saturating_add(digit)
                .min(1 << 30),
        );
    }
    number
}
