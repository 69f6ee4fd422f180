//! Values as Postgres writes them: what the wire sends, and what a cast to text gives.
//! Knows nothing of settings but what it is given.

pub mod datetime;
pub mod interval_style;

use std::fmt::Write;

use bytes::{BufMut, BytesMut};

/// Writes a decimal given by its unscaled digits (ASCII, an optional `-` before them).
pub fn numeric(unscaled: &str, scale: i8, out: &mut BytesMut) {
    let digits = match unscaled.strip_prefix('-') {
        Some(digits) => {
            out.put_u8(b'-');
            digits
        }
        None => unscaled,
    };
    if scale <= 0 {
        out.put_slice(digits.as_bytes());
        if digits != "0" {
            out.put_bytes(b'0', usize::from(scale.unsigned_abs()));
        }
        return;
    }
    let scale = usize::from(scale.unsigned_abs());
    if digits.len() > scale {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        out.put_slice(whole.as_bytes());
        out.put_u8(b'.');
        out.put_slice(fraction.as_bytes());
    } else {
        out.put_slice(b"0.");
        out.put_bytes(b'0', scale - digits.len());
        out.put_slice(digits.as_bytes());
    }
}

/// Writes an integer in decimal.
pub fn integer(value: i64, out: &mut BytesMut) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.put_u8(b'-');
    }
    out.put_slice(&digits[at..]);
}

/// The shortest text that reads back as the same float4.
pub fn float4(value: f32, out: &mut BytesMut) {
    if !special(f64::from(value), out) {
        shortest(&format!("{value:e}"), 6, out);
    }
}

/// The shortest text that reads back as the same float8.
pub fn float8(value: f64, out: &mut BytesMut) {
    if !special(value, out) {
        shortest(&format!("{value:e}"), 15, out);
    }
}

fn special(value: f64, out: &mut BytesMut) -> bool {
    if value.is_nan() {
        out.put_slice(b"NaN");
    } else if value.is_infinite() {
        out.put_slice(if value > 0.0 {
            b"Infinity"
        } else {
            b"-Infinity"
        });
    } else {
        return false;
    }
    true
}

/// Lays out shortest digits (`-1.25e-7`) as Postgres does: an exponent below −4 or from `limit` on.
fn shortest(scientific: &str, limit: i32, out: &mut BytesMut) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    out.put_slice(sign.as_bytes());
    if exponent < -4 || exponent >= limit {
        out.put_slice(mantissa.as_bytes());
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(out, "e{sign}{:02}", exponent.abs()).expect("a BytesMut grows");
        return;
    }
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if exponent < 0 {
        out.put_slice(b"0.");
        out.put_bytes(b'0', exponent.unsigned_abs() as usize - 1);
        out.put_slice(digits.as_bytes());
        return;
    }
    let whole = exponent.unsigned_abs() as usize + 1;
    if digits.len() <= whole {
        out.put_slice(digits.as_bytes());
        out.put_bytes(b'0', whole - digits.len());
    } else {
        out.put_slice(&digits.as_bytes()[..whole]);
        out.put_u8(b'.');
        out.put_slice(&digits.as_bytes()[whole..]);
    }
}

/// `\x` and hexadecimal digits.
pub fn bytea(bytes: &[u8], out: &mut BytesMut) {
    out.put_slice(b"\\x");
    hex(bytes, out);
}

pub fn uuid(bytes: &[u8], out: &mut BytesMut) {
    for (index, part) in [(0, 4), (4, 6), (6, 8), (8, 10), (10, 16)]
        .iter()
        .enumerate()
    {
        if index > 0 {
            out.put_u8(b'-');
        }
        hex(&bytes[part.0..part.1], out);
    }
}

fn hex(bytes: &[u8], out: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.put_u8(DIGITS[usize::from(byte >> 4)]);
        out.put_u8(DIGITS[usize::from(byte & 15)]);
    }
}
