//! Reads a record as the contract says, by other means than the decoder: `serde_json` for the
//! JSON, digits for the numbers, chrono for the times. Slow, and without a thought for it.

use std::collections::BTreeMap;

use frazil::declare::stream::Stream;
use iceberg::spec::{PrimitiveType as P, StructType, Type};

use super::numbers::Number;
use super::{base64_by_hand, json, times};

/// Objects and arrays inside each other that the decoder takes.
const DEPTH: usize = 128;

/// What a cell holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    Null,
    Boolean(bool),
    /// Whole numbers, and whatever is stored as one: decimals, dates, times.
    Whole(i128),
    Float(f32),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    Struct(Vec<Seen>),
    List(Vec<Seen>),
    Map(Vec<(Seen, Seen)>),
}

/// A row: the contract's columns, and what isn't declared.
pub struct Row {
    pub columns: Vec<Seen>,
    pub extra: Option<String>,
}

/// The row that a payload is; None when it is none.
pub fn read(stream: &Stream, columns: &StructType, payload: &[u8]) -> Option<Row> {
    if payload.len() as u64 > stream.largest_record_bytes {
        return None;
    }
    let text = std::str::from_utf8(payload).ok()?;
    if !json::is_sound(text, DEPTH) {
        return None;
    }
    let reading = Reading {
        renames: &stream.renames,
    };
    let (columns, extra) = reading.object(columns, "", text)?;
    Some(Row {
        columns,
        extra: (!extra.is_empty()).then(|| extra_text(&extra)),
    })
}

/// Undeclared members: key and value as they stand, or as they are put together.
type Extra = Vec<(String, String)>;

fn extra_text(extra: &Extra) -> String {
    let members: Vec<String> = extra
        .iter()
        .map(|(key, value)| format!("{key}:{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// What is undeclared in a value goes under its name.
fn under(name: &str, inner: &Extra, outer: &mut Extra) {
    if !inner.is_empty() {
        let key = serde_json::to_string(name).expect("a string");
        outer.push((key, extra_text(inner)));
    }
}

struct Reading<'a> {
    renames: &'a BTreeMap<String, String>,
}

impl Reading<'_> {
    fn object(&self, fields: &StructType, path: &str, text: &str) -> Option<(Vec<Seen>, Extra)> {
        let mut seen: Vec<Option<Seen>> = vec![None; fields.fields().len()];
        let mut extra = Extra::new();
        for (key, value) in json::members(text)? {
            let name = json::string(key)?;
            let Some(at) = self.find(fields, path, &name) else {
                extra.push((key.to_owned(), value.to_owned()));
                continue;
            };
            let field = &fields.fields()[at];
            if seen[at].is_some() {
                return None;
            }
            let (cell, inner) = self.value(&field.field_type, &join(path, &field.name), value)?;
            if field.required && cell == Seen::Null {
                return None;
            }
            under(&field.name, &inner, &mut extra);
            seen[at] = Some(cell);
        }
        let cells = seen.into_iter().zip(fields.fields());
        let cells = cells.map(|(cell, field)| match cell {
            None if field.required => None,
            cell => Some(cell.unwrap_or(Seen::Null)),
        });
        Some((cells.collect::<Option<_>>()?, extra))
    }

    /// The field of this name, or of the name that it had before.
    fn find(&self, fields: &StructType, path: &str, name: &str) -> Option<usize> {
        let fields = fields.fields();
        let now = fields.iter().position(|field| field.name == name);
        now.or_else(|| {
            fields.iter().position(|field| {
                let path = join(path, &field.name);
                let mut renames = self.renames.iter();
                renames.any(|(old, new)| *new == path && last(old) == name)
            })
        })
    }

    fn value(&self, kind: &Type, path: &str, text: &str) -> Option<(Seen, Extra)> {
        if text == "null" {
            return Some((Seen::Null, Extra::new()));
        }
        match kind {
            Type::Primitive(kind) => Some((scalar(kind, text)?, Extra::new())),
            Type::Struct(fields) => {
                let (cells, extra) = self.object(fields, path, text)?;
                Some((Seen::Struct(cells), extra))
            }
            Type::List(list) => {
                let (mut seen, mut extra) = (Vec::new(), Extra::new());
                let path = join(path, "element");
                for (index, element) in json::elements(text)?.into_iter().enumerate() {
                    let (cell, inner) =
                        self.value(&list.element_field.field_type, &path, element)?;
                    if list.element_field.required && cell == Seen::Null {
                        return None;
                    }
                    under(&index.to_string(), &inner, &mut extra);
                    seen.push(cell);
                }
                Some((Seen::List(seen), extra))
            }
            Type::Map(map) => {
                let (mut seen, mut extra) = (Vec::<(Seen, Seen)>::new(), Extra::new());
                let path = join(path, "value");
                for (key, value) in json::members(text)? {
                    let name = json::string(key)?;
                    let key = map_key(map.key_field.field_type.as_primitive_type()?, &name)?;
                    if seen.iter().any(|(other, _)| *other == key) {
                        return None;
                    }
                    let (cell, inner) = self.value(&map.value_field.field_type, &path, value)?;
                    if map.value_field.required && cell == Seen::Null {
                        return None;
                    }
                    under(&name, &inner, &mut extra);
                    seen.push((key, cell));
                }
                Some((Seen::Map(seen), extra))
            }
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn last(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(_, last)| last)
}

fn map_key(kind: &P, name: &str) -> Option<Seen> {
    match kind {
        P::Boolean => boolean(name),
        P::Int | P::Long | P::Float | P::Double | P::Decimal { .. } => {
            of_number(kind, name, &Number::parse(name)?)
        }
        _ => of_text(kind, name),
    }
}

fn scalar(kind: &P, text: &str) -> Option<Seen> {
    match (kind, text.as_bytes().first()?) {
        (P::Boolean, _) => boolean(text),
        (_, b'"') => of_text(kind, &json::string(text)?),
        _ => of_number(kind, text, &Number::parse(text)?),
    }
}

fn boolean(text: &str) -> Option<Seen> {
    ["false", "true"]
        .iter()
        .position(|word| *word == text)
        .map(|at| Seen::Boolean(at == 1))
}

fn of_number(kind: &P, text: &str, number: &Number) -> Option<Seen> {
    Some(match kind {
        P::Int | P::Date => Seen::Whole(i32::try_from(number.units(0)?).ok()?.into()),
        P::Long => Seen::Whole(i64::try_from(number.units(0)?).ok()?.into()),
        P::Float => Seen::Float(text.parse().ok().filter(|value: &f32| value.is_finite())?),
        P::Double => Seen::Double(double(text)?),
        P::Decimal { precision, scale } => {
            let units = number.units(*scale)?;
            let digits = units.unsigned_abs().to_string();
            return (digits.len() <= *precision as usize).then_some(Seen::Whole(units));
        }
        P::Timestamp | P::Timestamptz => Seen::Whole(times::epoch(number)?),
        _ => return None,
    })
}

/// By the standard library, which is exact; `serde_json` must come close.
fn double(text: &str) -> Option<f64> {
    let value = text.parse().ok().filter(|value: &f64| value.is_finite())?;
    if let Ok(other) = serde_json::from_str::<f64>(text) {
        let apart = (value - other).abs();
        let near = value.abs() * 1e-14 + f64::MIN_POSITIVE;
        assert!(apart <= near, "{text} is {value} or {other}");
    }
    Some(value)
}

fn of_text(kind: &P, text: &str) -> Option<Seen> {
    Some(match kind {
        P::String => Seen::Text(text.to_owned()),
        P::Date => Seen::Whole(times::date(text)?),
        P::Time => Seen::Whole(times::time(text)?),
        P::Timestamp => Seen::Whole(times::timestamp(text, false)?),
        P::Timestamptz => Seen::Whole(times::timestamp(text, true)?),
        P::Decimal { .. } => return of_number(kind, text, &Number::parse(text)?),
        P::Uuid => {
            let at = |place: usize| text.as_bytes()[place] == b'-';
            let plain = match text.len() {
                36 if [8, 13, 18, 23].into_iter().all(at) => text.replace('-', ""),
                _ => text.to_owned(),
            };
            Seen::Bytes(hex(&plain).filter(|bytes| bytes.len() == 16)?)
        }
        P::Fixed(width) => Seen::Bytes(hex(text).filter(|bytes| bytes.len() as u64 == *width)?),
        P::Binary => Seen::Bytes(base64_by_hand::decode(text)?),
        _ => return None,
    })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if text.len() % 2 == 1 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16));
    pairs.collect::<Result<_, _>>().ok()
}
