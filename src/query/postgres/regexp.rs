//! Regular expressions: Postgres's flavour brought to the engine's, and the functions of them.
//! What the engine's can't do (references back, looking ahead) is refused.

use std::cell::RefCell;

use datafusion::common::{Result, ScalarValue};
use regex::{Captures, Regex, RegexBuilder};

use super::function::{Function, Overload, Row, T, boolean, int4, null, on, refuse, text, texts};
use crate::query::{QueryError, QueryErrorKind as Kind};

pub fn all() -> Vec<Function> {
    const TEXT2: &[T] = &[T::Text, T::Text];
    const TEXT3: &[T] = &[T::Text, T::Text, T::Text];
    const MATCH: &[Overload] = &[
        on(TEXT2, T::TextArray, |row| matched(row, "")),
        on(TEXT3, T::TextArray, |row| matched(row, row.text(2))),
    ];
    const SPLIT: &[Overload] = &[
        on(TEXT2, T::TextArray, |row| split(row, "")),
        on(TEXT3, T::TextArray, |row| split(row, row.text(2))),
    ];
    const LIKE: &[Overload] = &[
        on(TEXT2, T::Bool, |row| {
            boolean(compiled(row.text(1), "")?.is_match(row.text(0)))
        }),
        on(TEXT3, T::Bool, |row| {
            boolean(compiled(row.text(1), row.text(2))?.is_match(row.text(0)))
        }),
    ];
    const COUNT: &[Overload] = &[
        on(TEXT2, T::Int4, |row| count(row, 1, "")),
        on(&[T::Text, T::Text, T::Int4], T::Int4, |row| {
            count(row, row.int(2), "")
        }),
        on(&[T::Text, T::Text, T::Int4, T::Text], T::Int4, |row| {
            count(row, row.int(2), row.text(3))
        }),
    ];
    const REPLACE: &[Overload] = &[
        on(TEXT3, T::Text, |row| replaced(row, 1, 1, "")),
        on(&[T::Text, T::Text, T::Text, T::Text], T::Text, |row| {
            let all = row.text(3).contains('g');
            replaced(row, 1, i64::from(!all), &row.text(3).replace('g', ""))
        }),
        on(&[T::Text, T::Text, T::Text, T::Int4], T::Text, |row| {
            replaced(row, row.int(3), 1, "")
        }),
        on(
            &[T::Text, T::Text, T::Text, T::Int4, T::Int4],
            T::Text,
            |row| replaced(row, row.int(3), row.int(4), ""),
        ),
        on(
            &[T::Text, T::Text, T::Text, T::Int4, T::Int4, T::Text],
            T::Text,
            |row| replaced(row, row.int(3), row.int(4), row.text(5)),
        ),
    ];
    const INSTR: &[Overload] = &[
        on(TEXT2, T::Int4, |row| instr(row, 1, 1, 0, "", 0)),
        on(&[T::Text, T::Text, T::Int4], T::Int4, |row| {
            instr(row, row.int(2), 1, 0, "", 0)
        }),
        on(&[T::Text, T::Text, T::Int4, T::Int4], T::Int4, |row| {
            instr(row, row.int(2), row.int(3), 0, "", 0)
        }),
        on(
            &[T::Text, T::Text, T::Int4, T::Int4, T::Int4],
            T::Int4,
            |row| instr(row, row.int(2), row.int(3), row.int(4), "", 0),
        ),
        on(
            &[T::Text, T::Text, T::Int4, T::Int4, T::Int4, T::Text],
            T::Int4,
            |row| instr(row, row.int(2), row.int(3), row.int(4), row.text(5), 0),
        ),
        on(
            &[
                T::Text,
                T::Text,
                T::Int4,
                T::Int4,
                T::Int4,
                T::Text,
                T::Int4,
            ],
            T::Int4,
            |row| {
                instr(
                    row,
                    row.int(2),
                    row.int(3),
                    row.int(4),
                    row.text(5),
                    row.int(6),
                )
            },
        ),
    ];
    const SUBSTR: &[Overload] = &[
        on(TEXT2, T::Text, |row| substr(row, 1, 1, "", 0)),
        on(&[T::Text, T::Text, T::Int4], T::Text, |row| {
            substr(row, row.int(2), 1, "", 0)
        }),
        on(&[T::Text, T::Text, T::Int4, T::Int4], T::Text, |row| {
            substr(row, row.int(2), row.int(3), "", 0)
        }),
        on(
            &[T::Text, T::Text, T::Int4, T::Int4, T::Text],
            T::Text,
            |row| substr(row, row.int(2), row.int(3), row.text(4), 0),
        ),
        on(
            &[T::Text, T::Text, T::Int4, T::Int4, T::Text, T::Int4],
            T::Text,
            |row| substr(row, row.int(2), row.int(3), row.text(4), row.int(5)),
        ),
    ];
    vec![
        Function::new(&["regexp_match"], MATCH),
        Function::new(&["regexp_split_to_array"], SPLIT),
        Function::new(&["regexp_like"], LIKE),
        Function::new(&["regexp_count"], COUNT),
        Function::new(&["regexp_replace"], REPLACE),
        Function::new(&["regexp_instr"], INSTR),
        Function::new(&["regexp_substr"], SUBSTR),
    ]
}

fn invalid(reason: &str) -> QueryError {
    QueryError::new(
        Kind::State("2201B"),
        format!("invalid regular expression: {reason}"),
    )
}

/// A pattern as the engine's expressions are written. `flags` are Postgres's embedded options.
pub fn translated(pattern: &str) -> Result<String, QueryError> {
    let (options, body) = options(pattern);
    let mut out = String::from("(?s");
    if options.contains('i') {
        out.push('i');
    }
    if options.contains('x') {
        out.push('x');
    }
    out.push(')');
    if options.contains('n') || options.contains('m') {
        out = out.replace("(?s", "(?m");
    }
    if let Some(plain) = body.strip_prefix("***=") {
        return Ok(out + &regex::escape(plain));
    }
    let mut chars = body.strip_prefix("***:").unwrap_or(body).chars().peekable();
    let mut in_brackets = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let Some(next) = chars.next() else {
                    return Err(invalid("invalid escape \\ sequence"));
                };
                match next {
                    'm' => out.push_str("\\b{start}"),
                    'M' => out.push_str("\\b{end}"),
                    'y' => out.push_str("\\b"),
                    'Y' => out.push_str("\\B"),
                    'A' => out.push_str("\\A"),
                    'Z' => out.push_str("\\z"),
                    '1'..='9' => {
                        return Err(QueryError::new(
                            Kind::FeatureNotSupported,
                            "references back in a regular expression are not supported",
                        ));
                    }
                    next => {
                        out.push('\\');
                        out.push(next);
                    }
                }
            }
            '[' if !in_brackets => {
                in_brackets = true;
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                if chars.next_if_eq(&']').is_some() {
                    out.push_str("\\]");
                }
            }
            '[' => {
                // `[[:alpha:]]` stays, any other bracket in brackets is itself.
                if chars.peek() == Some(&':') {
                    out.push('[');
                    for c in chars.by_ref() {
                        out.push(c);
                        if c == ']' {
                            break;
                        }
                    }
                } else {
                    out.push_str("\\[");
                }
            }
            ']' => {
                in_brackets = false;
                out.push(']');
            }
            '(' if !in_brackets && chars.peek() == Some(&'?') => {
                let mut ahead = chars.clone();
                ahead.next();
                if matches!(ahead.next(), Some('=' | '!' | '<')) {
                    return Err(QueryError::new(
                        Kind::FeatureNotSupported,
                        "looking ahead or behind in a regular expression is not supported",
                    ));
                }
                out.push('(');
            }
            '&' | '~' | '-' if in_brackets && chars.peek() == Some(&c) => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

/// `(?i)rest` into its letters and the rest.
fn options(pattern: &str) -> (&str, &str) {
    if let Some(rest) = pattern.strip_prefix("(?")
        && let Some(end) = rest.find(')')
        && !rest[..end].is_empty()
        && rest[..end].bytes().all(|b| b.is_ascii_lowercase())
    {
        return (&rest[..end], &rest[end + 1..]);
    }
    ("", pattern)
}

thread_local! {
    /// The last expressions of this thread: patterns are nearly always constants.
    static LAST: RefCell<Vec<(String, Regex)>> = const { RefCell::new(Vec::new()) };
}

const KEPT: usize = 8;
/// What a compiled expression may take.
const MOST_REGEX_BYTES: usize = 4 << 20;

/// The expression of a pattern with Postgres's flags.
pub fn compiled(pattern: &str, flags: &str) -> Result<Regex, QueryError> {
    let key = format!("{flags}/{pattern}");
    let known = LAST.with_borrow(|last| {
        last.iter()
            .find(|(known, _)| *known == key)
            .map(|(_, regex)| regex.clone())
    });
    if let Some(regex) = known {
        return Ok(regex);
    }
    let mut prefix = String::new();
    for flag in flags.chars() {
        match flag {
            'i' | 'n' | 'm' | 'x' => prefix.push(flag),
            'c' | 's' | 't' | 'e' => {}
            'p' | 'w' | 'b' | 'q' => {
                return Err(QueryError::new(
                    Kind::FeatureNotSupported,
                    format!("regular expression option \"{flag}\" is not supported"),
                ));
            }
            'g' => {
                return Err(QueryError::new(
                    Kind::InvalidParameter,
                    "this function does not support the \"global\" option",
                ));
            }
            other => {
                return Err(QueryError::new(
                    Kind::InvalidParameter,
                    format!("invalid regular expression option: \"{other}\""),
                ));
            }
        }
    }
    let whole = if prefix.is_empty() {
        pattern.to_owned()
    } else {
        format!("(?{prefix}){pattern}")
    };
    let regex = checked(&translated(&whole)?)?;
    LAST.with_borrow_mut(|last| {
        if last.len() >= KEPT {
            last.remove(0);
        }
        last.push((key, regex.clone()));
    });
    Ok(regex)
}

/// Compiles what was translated; errors with Postgres's code.
pub fn checked(translated: &str) -> Result<Regex, QueryError> {
    RegexBuilder::new(translated)
        .size_limit(MOST_REGEX_BYTES)
        .build()
        .map_err(|error| {
            let shown = error.to_string();
            let reason = shown.lines().last().unwrap_or_default();
            invalid(reason.trim().trim_start_matches("error: "))
        })
}

/// What stood in the parentheses, or the whole where there are none.
fn groups(found: &Captures<'_>) -> Vec<Option<String>> {
    let first = usize::from(found.len() > 1);
    (first..found.len())
        .map(|index| found.get(index).map(|m| m.as_str().to_owned()))
        .collect()
}

fn matched(row: &Row<'_>, flags: &str) -> Result<ScalarValue> {
    if flags.contains('g') {
        return refuse(
            Kind::InvalidParameter,
            "regexp_match() does not support the \"global\" option",
        );
    }
    match compiled(row.text(1), flags)?.captures(row.text(0)) {
        Some(found) => texts(groups(&found)),
        None => null(),
    }
}

/// All matches, each as its groups: the rows of `regexp_matches`.
pub fn all_matches(value: &str, pattern: &str, flags: &str) -> Result<Vec<Vec<Option<String>>>> {
    let all = flags.contains('g');
    let regex = compiled(pattern, &flags.replace('g', ""))?;
    let limit = if all { usize::MAX } else { 1 };
    Ok(regex
        .captures_iter(value)
        .take(limit)
        .map(|found| groups(&found))
        .collect())
}

/// The first match, or its first group.
pub fn first(value: &str, pattern: &str) -> Result<ScalarValue> {
    match compiled(pattern, "")?.captures(value) {
        Some(found) => Ok(ScalarValue::Utf8(
            groups(&found).into_iter().next().flatten(),
        )),
        None => null(),
    }
}

/// Pieces between matches; an empty match at an edge parts nothing off.
pub fn pieces(value: &str, pattern: &str, flags: &str) -> Result<Vec<String>> {
    let regex = compiled(pattern, flags)?;
    let mut out = Vec::new();
    let mut start = 0;
    for found in regex.find_iter(value) {
        if found.is_empty()
            && (found.start() == start && start == 0 || found.start() == value.len())
        {
            continue;
        }
        if found.is_empty() && found.start() == start {
            continue;
        }
        out.push(value[start..found.start()].to_owned());
        start = found.end();
    }
    out.push(value[start..].to_owned());
    Ok(out)
}

fn split(row: &Row<'_>, flags: &str) -> Result<ScalarValue> {
    texts(
        pieces(row.text(0), row.text(1), flags)?
            .into_iter()
            .map(Some),
    )
}

/// The byte at which a 1-based character begins.
fn byte_of(value: &str, character: i64) -> Result<usize> {
    let Some(skip) = character
        .checked_sub(1)
        .and_then(|c| usize::try_from(c).ok())
    else {
        return refuse(
            Kind::InvalidParameter,
            format!("invalid value for parameter \"start\": {character}"),
        );
    };
    Ok(value
        .char_indices()
        .nth(skip)
        .map_or(value.len(), |(byte, _)| byte))
}

fn count(row: &Row<'_>, start: i64, flags: &str) -> Result<ScalarValue> {
    let from = byte_of(row.text(0), start)?;
    let regex = compiled(row.text(1), flags)?;
    int4(regex.find_iter(&row.text(0)[from..]).count() as i64)
}

/// `\1`, `\&` and `\\` in a replacement.
fn expanded(found: &Captures<'_>, by: &str, out: &mut String) {
    let mut chars = by.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('&') => out.push_str(found.get(0).map_or("", |m| m.as_str())),
            Some(digit @ '1'..='9') => {
                let index = digit.to_digit(10).unwrap_or(0) as usize;
                out.push_str(found.get(index).map_or("", |m| m.as_str()));
            }
            Some('\\') => out.push('\\'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
}

/// `which`: 0 replaces all, else the match of this number.
fn replaced(row: &Row<'_>, start: i64, which: i64, flags: &str) -> Result<ScalarValue> {
    let value = row.text(0);
    let from = byte_of(value, start)?;
    if which < 0 {
        return refuse(
            Kind::InvalidParameter,
            format!("invalid value for parameter \"n\": {which}"),
        );
    }
    let regex = compiled(row.text(1), &flags.replace('g', ""))?;
    let mut out = value[..from].to_owned();
    let rest = &value[from..];
    let mut end = 0;
    for (number, found) in regex.captures_iter(rest).enumerate() {
        let number = number as i64 + 1;
        if which != 0 && number != which {
            continue;
        }
        let Some(whole) = found.get(0) else { continue };
        out.push_str(&rest[end..whole.start()]);
        expanded(&found, row.text(2), &mut out);
        end = whole.end();
        if out.len() > super::function::MOST_TEXT_BYTES {
            return refuse(Kind::State("54000"), "requested length too large");
        }
        if which != 0 {
            break;
        }
    }
    out.push_str(&rest[end..]);
    text(out)
}

fn within(parameter: &str, value: i64, least: i64, most: i64) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    refuse(
        Kind::InvalidParameter,
        format!("invalid value for parameter \"{parameter}\": {value}"),
    )
}

fn instr(
    row: &Row<'_>,
    start: i64,
    which: i64,
    behind: i64,
    flags: &str,
    group: i64,
) -> Result<ScalarValue> {
    let value = row.text(0);
    let from = byte_of(value, start)?;
    within("n", which, 1, i64::MAX)?;
    within("endoption", behind, 0, 1)?;
    within("subexpr", group, 0, i64::MAX)?;
    let regex = compiled(row.text(1), flags)?;
    let nth = usize::try_from(which - 1).unwrap_or(0);
    let found = regex.captures_iter(&value[from..]).nth(nth);
    let found = found.and_then(|found| {
        let group = found.get(usize::try_from(group).ok()?)?;
        Some(if behind == 1 {
            group.end()
        } else {
            group.start()
        })
    });
    int4(found.map_or(0, |byte| value[..from + byte].chars().count() as i64 + 1))
}

fn substr(row: &Row<'_>, start: i64, which: i64, flags: &str, group: i64) -> Result<ScalarValue> {
    let value = row.text(0);
    let from = byte_of(value, start)?;
    within("n", which, 1, i64::MAX)?;
    within("subexpr", group, 0, i64::MAX)?;
    let regex = compiled(row.text(1), flags)?;
    let nth = usize::try_from(which - 1).unwrap_or(0);
    let found = regex.captures_iter(&value[from..]).nth(nth);
    let found = found.and_then(|found| {
        found
            .get(usize::try_from(group).ok()?)
            .map(|m| m.as_str().to_owned())
    });
    Ok(ScalarValue::Utf8(found))
}

/// SIMILAR TO's pattern as a regular expression over the whole text.
pub fn similar(pattern: &str, escape: Option<char>) -> Result<String, QueryError> {
    let mut out = String::from("^(?:");
    let mut chars = pattern.chars();
    let (mut in_brackets, mut parts) = (false, 0);
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            match chars.next() {
                // What stands between two of these is the part that `substring` gives.
                Some('"') => {
                    parts += 1;
                    out.push_str(if parts == 1 { "){1,1}?(" } else { "){1,1}(?:" });
                }
                Some(next) => {
                    out.push('\\');
                    out.push(next);
                }
                None => {
                    return Err(QueryError::new(
                        Kind::State("22025"),
                        "invalid escape string",
                    ));
                }
            }
            continue;
        }
        match c {
            '[' => {
                in_brackets = true;
                out.push(c);
            }
            ']' => {
                in_brackets = false;
                out.push(c);
            }
            c if in_brackets => out.push(c),
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '(' => out.push_str("(?:"),
            '.' | '^' | '$' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push_str(")$");
    Ok(out)
}

/// `substring(x similar p escape e)`.
pub fn similar_part(value: &str, pattern: &str, escape: &str) -> Result<ScalarValue> {
    let regex = similar(pattern, escape.chars().next())?
        .replace("){1,1}?(", ")(")
        .replace("){1,1}(?:", ")(?:");
    match checked(&format!("(?s){regex}"))?.captures(value) {
        Some(found) => Ok(ScalarValue::Utf8(
            found
                .get(usize::from(found.len() > 1))
                .map(|m| m.as_str().to_owned()),
        )),
        None => null(),
    }
}
