//! Decimals of any width as Postgres's base-10000 digits.

use bytes::{BufMut, BytesMut};

/// Writes `numeric_send`'s form: number of base-10000 digits, weight, sign, display scale, digits.
pub fn binary(unscaled: &str, scale: i8, out: &mut BytesMut) {
    let (sign, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => (0x4000u16, digits),
        None => (0, unscaled),
    };
    let mut digits = digits.as_bytes().to_vec();
    if scale < 0 {
        digits.extend(std::iter::repeat_n(b'0', usize::from(scale.unsigned_abs())));
    }
    let scale = usize::try_from(scale).unwrap_or(0);
    if digits.len() < scale {
        let missing = scale - digits.len();
        digits.splice(0..0, std::iter::repeat_n(b'0', missing));
    }
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let mut groups: Vec<u16> = Vec::new();
    // Groups of four start at the point: whole ones are padded before, fractions behind.
    let head = whole.len() % 4;
    if head > 0 {
        groups.push(group(&whole[..head]));
    }
    groups.extend(whole[head..].chunks(4).map(group));
    let mut weight = groups.len() as i32 - 1;
    for chunk in fraction.chunks(4) {
        let padding = 10u16.pow(4 - chunk.len() as u32);
        groups.push(group(chunk) * padding);
    }
    let leading = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..leading);
    weight -= leading as i32;
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() {
        weight = 0;
    }
    out.put_u16(groups.len() as u16);
    out.put_i16(weight as i16);
    out.put_u16(if groups.is_empty() { 0 } else { sign });
    out.put_u16(scale as u16);
    for group in groups {
        out.put_u16(group);
    }
}

fn group(digits: &[u8]) -> u16 {
    digits
        .iter()
        .fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'))
}

/// A numeric in its binary form as plain decimal text. `None` when malformed or not finite.
pub fn from_binary(bytes: &[u8]) -> Option<String> {
    let half = |index: usize| -> Option<u16> {
        let part = bytes.get(index * 2..index * 2 + 2)?;
        Some(u16::from_be_bytes([part[0], part[1]]))
    };
    let count = usize::from(half(0)?);
    let weight = i32::from(half(1)?.cast_signed());
    let sign = half(2)?;
    let scale = usize::from(half(3)?);
    if bytes.len() != 8 + count * 2 || !matches!(sign, 0 | 0x4000) || scale > 1000 {
        return None;
    }
    if !(-300..=300).contains(&weight) {
        return None;
    }
    let mut text = String::new();
    if sign == 0x4000 {
        text.push('-');
    }
    let digit = |position: i32| -> Option<u16> {
        let index = weight - position;
        match usize::try_from(index) {
            Ok(index) if index < count => half(4 + index).filter(|group| *group < 10_000),
            _ => Some(0),
        }
    };
    let mut whole = String::new();
    for position in (0..=weight.max(0)).rev() {
        whole.push_str(&format!("{:04}", digit(position)?));
    }
    let trimmed = whole.trim_start_matches('0');
    text.push_str(if trimmed.is_empty() { "0" } else { trimmed });
    if scale > 0 {
        text.push('.');
        let mut fraction = String::new();
        for position in 1..=scale.div_ceil(4) {
            fraction.push_str(&format!("{:04}", digit(-(position as i32))?));
        }
        text.push_str(&fraction[..scale]);
    }
    Some(text)
}
