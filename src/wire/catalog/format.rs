//! Postgres's `format`, which clients build names and statements with.

use datafusion::common::{Result, ScalarValue};

use super::functions::{arg, quote_ident, text};
use super::row_function::Args;
use crate::query::{QueryError, QueryErrorKind};

/// `format('%I = %L', name, value)`; of its conversions `%s`, `%I`, `%L` and `%%`.
pub(super) fn formatted(args: &Args<'_>) -> Result<ScalarValue> {
    let Some(pattern) = arg(args, 0) else {
        return text(None::<String>);
    };
    let invalid = |what: &str| Err(QueryError::new(QueryErrorKind::InvalidParameter, what).into());
    let mut values = args.iter().skip(1);
    let mut out = String::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        let kind = characters.next();
        if kind == Some('%') {
            out.push('%');
            continue;
        }
        let Some(value) = values.next() else {
            return invalid("too few arguments for format()");
        };
        match (kind, value) {
            (Some('s'), value) => out.push_str(value.unwrap_or_default()),
            (Some('I'), Some(name)) => out.push_str(&quote_ident(name)),
            (Some('I'), None) => {
                return invalid("null values cannot be formatted as an SQL identifier");
            }
            (Some('L'), Some(value)) => {
                out.push('\'');
                out.push_str(&value.replace('\'', "''"));
                out.push('\'');
            }
            (Some('L'), None) => out.push_str("NULL"),
            _ => return invalid("unrecognized format() type specifier"),
        }
    }
    text(Some(out))
}
