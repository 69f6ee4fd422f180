//! Bytes as texts and texts as bytes: `encode`, `decode`, `convert_from`, `convert_to`.

use datafusion::common::{Result, ScalarValue};

use super::function::{refuse, text};
use super::text_in;
use crate::query::QueryErrorKind as Kind;

pub(super) fn encode(bytes: &[u8], how: &str) -> Result<ScalarValue> {
    use base64::Engine as _;
    match how.to_ascii_lowercase().as_str() {
        "hex" => text(bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()),
        "base64" => {
            let whole = base64::engine::general_purpose::STANDARD.encode(bytes);
            let lines: Vec<&str> = whole
                .as_bytes()
                .chunks(76)
                .map(|line| std::str::from_utf8(line).unwrap_or(""))
                .collect();
            text(lines.join("\n"))
        }
        "escape" => text(escaped(bytes)),
        _ => refuse(
            Kind::InvalidParameter,
            format!("unrecognized encoding: \"{how}\""),
        ),
    }
}

/// Bytes as text, those that are none in octal.
pub fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            0 | 0x80..=0xff => out.push_str(&format!("\\{byte:03o}")),
            byte => out.push(char::from(*byte)),
        }
    }
    out
}

pub(super) fn decode(value: &str, how: &str) -> Result<ScalarValue> {
    use base64::Engine as _;
    let bytes = match how.to_ascii_lowercase().as_str() {
        "hex" => text_in::hex_bytes(value)?,
        "base64" => {
            let bare: String = value.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            match base64::engine::general_purpose::STANDARD.decode(bare) {
                Ok(bytes) => bytes,
                Err(_) => return refuse(Kind::InvalidParameter, "invalid base64 end sequence"),
            }
        }
        "escape" => text_in::bytea(value)?,
        _ => {
            return refuse(
                Kind::InvalidParameter,
                format!("unrecognized encoding: \"{how}\""),
            );
        }
    };
    Ok(ScalarValue::Binary(Some(bytes)))
}

fn is_latin(name: &str) -> bool {
    let name: String = name.to_ascii_lowercase().replace(['-', '_'], "");
    ["latin1", "iso88591"].contains(&name.as_str())
}

fn is_utf8(name: &str) -> bool {
    ["utf8", "utf-8", "unicode"].contains(&name.to_ascii_lowercase().as_str())
}

pub(super) fn convert_from(bytes: &[u8], encoding: &str) -> Result<ScalarValue> {
    if is_latin(encoding) {
        return text(bytes.iter().map(|b| char::from(*b)).collect::<String>());
    }
    if !is_utf8(encoding) {
        return refuse(
            Kind::InvalidParameter,
            format!("invalid source encoding name \"{encoding}\""),
        );
    }
    match std::str::from_utf8(bytes) {
        Ok(value) => text(value),
        Err(_) => refuse(
            Kind::State("22021"),
            "invalid byte sequence for encoding \"UTF8\"",
        ),
    }
}

pub(super) fn convert_to(value: &str, encoding: &str) -> Result<ScalarValue> {
    if is_utf8(encoding) {
        return Ok(ScalarValue::Binary(Some(value.as_bytes().to_vec())));
    }
    if !is_latin(encoding) {
        return refuse(
            Kind::InvalidParameter,
            format!("invalid destination encoding name \"{encoding}\""),
        );
    }
    let bytes: Option<Vec<u8>> = value
        .chars()
        .map(|c| u8::try_from(u32::from(c)).ok())
        .collect();
    match bytes {
        Some(bytes) => Ok(ScalarValue::Binary(Some(bytes))),
        None => refuse(
            Kind::State("22P05"),
            "a character has no equivalent in encoding \"LATIN1\"",
        ),
    }
}
