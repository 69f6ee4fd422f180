//! `LIKE`, `ILIKE` and `SIMILAR TO` with patterns and escapes as the engine has them.

use datafusion::sql::sqlparser::ast::{BinaryOperator as B, Expr};

use super::regexp;
use super::syntax::{Respelled, binary, joined, string, take, text};
use crate::query::{QueryError, QueryErrorKind as Kind};

pub(super) fn similar(expr: &mut Expr) -> Respelled {
    let Expr::SimilarTo {
        negated,
        expr: inner,
        pattern,
        escape_char,
    } = expr
    else {
        return Ok(None);
    };
    let escape = match escape_char {
        Some(value) => value
            .value
            .clone()
            .into_string()
            .unwrap_or_default()
            .chars()
            .next(),
        None => Some('\\'),
    };
    let Some(pattern) = string(pattern) else {
        return Ok(None);
    };
    let regex = regexp::similar(pattern, escape)?;
    let op = if *negated {
        B::PGRegexNotMatch
    } else {
        B::PGRegexMatch
    };
    Ok(Some(binary(take(inner), op, text(regex))))
}

/// A pattern whose escape is a backslash, as the engine has it.
fn with_backslash(pattern: &str, escape: Option<char>) -> Result<String, QueryError> {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            match chars.next() {
                Some(next) => {
                    out.push('\\');
                    out.push(next);
                }
                None => {
                    return Err(QueryError::new(
                        Kind::State("22025"),
                        "LIKE pattern must not end with escape character",
                    ));
                }
            }
        } else if c == '\\' {
            out.push_str("\\\\");
        } else {
            out.push(c);
        }
    }
    Ok(out)
}

pub(super) fn like(expr: &mut Expr) -> Respelled {
    let case_insensitive = matches!(expr, Expr::ILike { .. });
    let (Expr::Like {
        negated,
        any,
        expr: inner,
        pattern,
        escape_char,
    }
    | Expr::ILike {
        negated,
        any,
        expr: inner,
        pattern,
        escape_char,
    }) = expr
    else {
        return Ok(None);
    };
    if *any {
        let list = match pattern.as_mut() {
            Expr::Array(array) => std::mem::take(&mut array.elem),
            Expr::Tuple(items) => std::mem::take(items),
            Expr::Nested(inner) => match inner.as_mut() {
                Expr::Array(array) => std::mem::take(&mut array.elem),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        let op = match (case_insensitive, *negated) {
            (false, false) => B::PGLikeMatch,
            (false, true) => B::PGNotLikeMatch,
            (true, false) => B::PGILikeMatch,
            (true, true) => B::PGNotILikeMatch,
        };
        let parts = list
            .into_iter()
            .map(|item| binary(inner.as_ref().clone(), op.clone(), item));
        return Ok(Some(joined(parts.collect(), &B::Or)));
    }
    let escape = match escape_char {
        Some(value) => {
            let escape = value.value.clone().into_string().unwrap_or_default();
            if escape.chars().count() > 1 {
                return Err(
                    QueryError::new(Kind::State("22025"), "invalid escape string")
                        .with_hint("Escape string must be empty or one character."),
                );
            }
            escape.chars().next()
        }
        None => Some('\\'),
    };
    if let Some(written) = string(pattern) {
        let respelled = with_backslash(written, escape)?;
        **pattern = text(respelled);
        *escape_char = None;
    }
    Ok(None)
}
