//! JSON read by `serde_json`, with each value's own text kept and no member lost.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// An object's members as they stand: twice when they stand there twice.
pub struct Members<'a>(pub Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// The members of an object; None when the text is none.
pub fn members(text: &str) -> Option<Vec<(&str, &str)>> {
    let members: Members<'_> = serde_json::from_str(text).ok()?;
    Some(
        members
            .0
            .iter()
            .map(|(key, value)| (key.get(), value.get()))
            .collect(),
    )
}

/// The elements of an array.
pub fn elements(text: &str) -> Option<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(elements.iter().map(|element| element.get()).collect())
}

/// A string without quotes and escapes.
pub fn string(text: &str) -> Option<String> {
    serde_json::from_str(text).ok()
}

/// Whether a text is JSON as the decoder takes it: one value, nothing nested deeper than
/// `depth`, no string that UTF-8 can't hold.
pub fn is_sound(text: &str, depth: usize) -> bool {
    // Takes any depth, for it is not recursive, and any number.
    serde_json::from_str::<IgnoredAny>(text).is_ok() && is_within(text, depth)
}

/// Looks at a text that is JSON.
fn is_within(text: &str, depth: usize) -> bool {
    let (mut open, mut at) = (0, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'[' | b'{' => {
                open += 1;
                if open > depth {
                    return false;
                }
            }
            b']' | b'}' => open -= 1,
            b'"' => {
                let end = end_of_string(bytes, at);
                if string(&text[at..end]).is_none() {
                    return false;
                }
                at = end - 1;
            }
            _ => {}
        }
        at += 1;
    }
    true
}

/// The byte behind the string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}
