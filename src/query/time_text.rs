//! Times as people write them, for Arrow to read.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use super::zone;

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

/// The timestamp that a text stands for. One without an offset is of `kind`'s zone.
pub(super) fn timestamp(text: &str, kind: &DataType) -> Option<ScalarValue> {
    let text = with_seconds(text.trim());
    if let Some(time) = parsed(&text, kind) {
        return Some(time);
    }
    // An hour that a zone's clock shows twice or never: Arrow gives up on it.
    let DataType::Timestamp(unit, Some(zone)) = kind else {
        return None;
    };
    let naive = parsed(&text, &DataType::Timestamp(*unit, None))?;
    let instant = zone::instants(&naive.to_array().ok()?, zone).ok()?;
    let instant = ScalarValue::try_from_array(&instant, 0).ok()?;
    instant.cast_to(kind).ok()
}

fn parsed(text: &str, kind: &DataType) -> Option<ScalarValue> {
    let array: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let parsed = cast_with_options(&array, kind, &strict).ok()?;
    if parsed.is_null(0) {
        return None;
    }
    ScalarValue::try_from_array(&parsed, 0).ok()
}
