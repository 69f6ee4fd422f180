//! JSON text as a tree: numbers keep their digits, objects their order. Depth is bounded.

use crate::query::{QueryError, QueryErrorKind as Kind};

#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

const MOST_DEPTH: usize = 512;

fn invalid(kind: &str) -> QueryError {
    QueryError::new(
        Kind::InvalidText,
        format!("invalid input syntax for type {kind}"),
    )
}

pub fn parse(text: &str, kind: &str) -> Result<Json, QueryError> {
    let mut reader = Reader { rest: text };
    let value = reader.value(0).ok_or_else(|| invalid(kind))?;
    reader.space();
    if reader.rest.is_empty() {
        Ok(value)
    } else {
        Err(invalid(kind))
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, wanted: &str) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        if depth > MOST_DEPTH {
            return None;
        }
        self.space();
        match self.rest.bytes().next()? {
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => self.text().map(Json::Text),
            b't' => self.take("true").then_some(Json::Bool(true)),
            b'f' => self.take("false").then_some(Json::Bool(false)),
            b'n' => self.take("null").then_some(Json::Null),
            _ => self.number(),
        }
        .filter(|_| !self.rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        self.take("{");
        let mut fields = Vec::new();
        self.space();
        if self.take("}") {
            return Some(Json::Object(fields));
        }
        loop {
            self.space();
            let key = self.text()?;
            self.space();
            if !self.take(":") {
                return None;
            }
            fields.push((key, self.value(depth + 1)?));
            self.space();
            if self.take("}") {
                return Some(Json::Object(fields));
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    fn list(&mut self, depth: usize) -> Option<Json> {
        self.take("[");
        let mut items = Vec::new();
        self.space();
        if self.take("]") {
            return Some(Json::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take("]") {
                return Some(Json::List(items));
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    fn number(&mut self) -> Option<Json> {
        let bytes = self.rest.as_bytes();
        let digits = |from: usize| {
            bytes[from..]
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .count()
        };
        let mut end = usize::from(bytes.first() == Some(&b'-'));
        let whole = digits(end);
        if whole == 0 || (whole > 1 && bytes[end] == b'0') {
            return None;
        }
        end += whole;
        if bytes.get(end) == Some(&b'.') {
            let fraction = digits(end + 1);
            if fraction == 0 {
                return None;
            }
            end += 1 + fraction;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits(end + 1 + sign);
            if exponent == 0 {
                return None;
            }
            end += 1 + sign + exponent;
        }
        let number = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        Some(Json::Number(number))
    }

    fn text(&mut self) -> Option<String> {
        if !self.take("\"") {
            return None;
        }
        let mut out = String::new();
        loop {
            let c = self.rest.chars().next()?;
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                '"' => return Some(out),
                '\\' => {
                    let escape = self.rest.chars().next()?;
                    self.rest = &self.rest[escape.len_utf8()..];
                    match escape {
                        '"' | '\\' | '/' => out.push(escape),
                        'b' => out.push('\u{8}'),
                        'f' => out.push('\u{c}'),
                        'n' => out.push('\n'),
                        'r' => out.push('\r'),
                        't' => out.push('\t'),
                        'u' => out.push(self.unicode()?),
                        _ => return None,
                    }
                }
                c if u32::from(c) < 0x20 => return None,
                c => out.push(c),
            }
        }
    }

    fn unicode(&mut self) -> Option<char> {
        let first = self.hex()?;
        if !(0xd800..0xe000).contains(&first) {
            return char::from_u32(first).filter(|c| *c != '\0');
        }
        if first >= 0xdc00 || !self.take("\\u") {
            return None;
        }
        let second = self.hex()?;
        (0xdc00..0xe000)
            .contains(&second)
            .then(|| char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)))?
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self
            .rest
            .get(..4)
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        self.rest = &self.rest[4..];
        u32::from_str_radix(digits, 16).ok()
    }
}

impl Json {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// As jsonb keeps it: keys once, shorter ones first, numbers without exponent.
    pub fn normal(self) -> Self {
        match self {
            Self::Number(number) => Self::Number(plain_number(&number)),
            Self::List(items) => Self::List(items.into_iter().map(Self::normal).collect()),
            Self::Object(fields) => {
                let mut kept: Vec<(String, Json)> = Vec::with_capacity(fields.len());
                let mut fields: Vec<_> = fields.into_iter().enumerate().collect();
                fields.sort_by(|(i, (a, _)), (j, (b, _))| {
                    (a.len(), a.as_bytes(), i).cmp(&(b.len(), b.as_bytes(), j))
                });
                for (_, (key, value)) in fields {
                    let value = value.normal();
                    match kept.last_mut() {
                        Some((last, known)) if *last == key => *known = value,
                        _ => kept.push((key, value)),
                    }
                }
                Self::Object(kept)
            }
            other => other,
        }
    }

    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields
                .iter()
                .rev()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// Negative numbers count from the end.
    pub fn at(&self, index: i64) -> Option<&Self> {
        match self {
            Self::List(items) => items.get(position(index, items.len())?),
            _ => None,
        }
    }

    /// By a path's step: a key, or an index.
    pub fn step(&self, step: &str) -> Option<&Self> {
        match self {
            Self::Object(_) => self.get(step),
            Self::List(_) => self.at(step.trim().parse().ok()?),
            _ => None,
        }
    }

    /// What `->>` gives; None for null.
    pub fn plain(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(text.clone()),
            other => Some(other.spaced()),
        }
    }

    /// As jsonb writes itself: a space behind each colon and comma.
    pub fn spaced(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, ", ", ": ");
        out
    }

    pub fn tight(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, ",", ":");
        out
    }

    fn write(&self, out: &mut String, comma: &str, colon: &str) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => out.push_str(number),
            Self::Text(text) => quote(text, out),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push_str(comma);
                    }
                    item.write(out, comma, colon);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (index, (key, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push_str(comma);
                    }
                    quote(key, out);
                    out.push_str(colon);
                    value.write(out, comma, colon);
                }
                out.push('}');
            }
        }
    }

    /// `jsonb_pretty`.
    pub fn pretty(&self, depth: usize, out: &mut String) {
        let indent = |depth: usize| format!("\n{}", "    ".repeat(depth));
        match self {
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    out.push_str(&indent(depth + 1));
                    item.pretty(depth + 1, out);
                }
                out.push_str(&indent(depth));
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (index, (key, value)) in fields.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    out.push_str(&indent(depth + 1));
                    quote(key, out);
                    out.push_str(": ");
                    value.pretty(depth + 1, out);
                }
                out.push_str(&indent(depth));
                out.push('}');
            }
            other => other.write(out, ", ", ": "),
        }
    }

    /// `@>`.
    pub fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Object(_), Self::Object(fields)) => fields
                .iter()
                .all(|(key, value)| self.get(key).is_some_and(|own| own.contains(value))),
            (Self::List(own), Self::List(items)) => items.iter().all(|item| {
                own.iter()
                    .any(|own| same_kind(own, item) && own.contains(item))
            }),
            (Self::List(own), scalar) if !matches!(scalar, Self::Object(_)) => own.contains(scalar),
            _ => self == other,
        }
    }
}

fn same_kind(a: &Json, b: &Json) -> bool {
    a.kind() == b.kind()
}

pub fn position(index: i64, length: usize) -> Option<usize> {
    let at = if index < 0 {
        index + i64::try_from(length).ok()?
    } else {
        index
    };
    usize::try_from(at).ok()
}

pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A number written out, its digits behind the point kept.
fn plain_number(number: &str) -> String {
    if !number.contains(['e', 'E']) {
        return if number == "-0" {
            "0".to_owned()
        } else {
            number.to_owned()
        };
    }
    let Some((negative, digits, scale)) = super::text_in::decimal_parts(number) else {
        return number.to_owned();
    };
    if scale.abs() > 1000 {
        return number.to_owned();
    }
    let sign = if negative { "-" } else { "" };
    let digits = digits.trim_start_matches('0');
    if scale <= 0 {
        let zeros = "0".repeat(usize::try_from(-scale).unwrap_or(0));
        let whole = if digits.is_empty() {
            "0".to_owned()
        } else {
            format!("{digits}{zeros}")
        };
        return format!("{sign}{whole}");
    }
    let scale = usize::try_from(scale).unwrap_or(0);
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}
