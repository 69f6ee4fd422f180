//! Times as people write them, for Arrow to read.

use std::borrow::Cow;

/// A time without seconds gets them: Postgres takes `2026-07-01 14:00`, Arrow doesn't.
pub fn with_seconds(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let is_short = bytes.len() >= 16
        && text.is_ascii()
        && matches!(bytes[10], b' ' | b'T' | b't')
        && bytes[13] == b':'
        && bytes[14].is_ascii_digit()
        && bytes[15].is_ascii_digit()
        && bytes.get(16) != Some(&b':');
    if is_short {
        Cow::Owned(format!("{}:00{}", &text[..16], &text[16..]))
    } else {
        Cow::Borrowed(text)
    }
}
