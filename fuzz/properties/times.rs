//! Dates and times as `src/sink/decode/temporal.rs` promises to read them, put together by chrono.

use chrono::{NaiveDate, NaiveTime};

use super::numbers::Number;

const DAY_US: i64 = 86_400_000_000;

/// Days since 1970 of `YYYY-MM-DD`.
pub fn date(text: &str) -> Option<i128> {
    if !shape(text, "dddd-dd-dd") {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<u32>().ok();
    let year = i32::try_from(number(0, 4)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(5, 7)?, number(8, 10)?)?;
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1)?;
    Some((date - epoch).num_days().into())
}

/// Microseconds since midnight of `HH:MM:SS` with a fraction or none, below a whole day.
pub fn time(text: &str) -> Option<i128> {
    clock(text).filter(|us| *us < DAY_US).map(i128::from)
}

/// A second of 60 counts on.
fn clock(text: &str) -> Option<i64> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    if !shape(whole, "dd:dd:dd") {
        return None;
    }
    let number = |from: usize, to: usize| whole[from..to].parse::<u32>().ok();
    let second = number(6, 8).filter(|second| *second <= 60)?;
    let time = NaiveTime::from_hms_opt(number(0, 2)?, number(3, 5)?, second.min(59))?;
    let mut us = (time - NaiveTime::MIN).num_microseconds()?;
    if second == 60 {
        us += 1_000_000;
    }
    if let Some(fraction) = fraction {
        if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        us += format!("{fraction:0<6}")[..6].parse::<i64>().ok()?;
    }
    Some(us)
}

/// Microseconds since 1970; `zone`: the text must have an offset, else it must have none.
pub fn timestamp(text: &str, zone: bool) -> Option<i128> {
    let day = date(text.get(..10)?)?;
    let rest = text[10..].strip_prefix(['T', 't', ' '])?;
    let at = rest.find(['Z', 'z', '+', '-']);
    let (time, offset) = rest.split_at(at.unwrap_or(rest.len()));
    if zone == offset.is_empty() {
        return None;
    }
    let minutes = if zone { minutes(offset)? } else { 0 };
    Some(day * i128::from(DAY_US) + i128::from(clock(time)? - minutes * 60_000_000))
}

fn minutes(offset: &str) -> Option<i64> {
    if offset.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = match offset.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, offset.strip_prefix('+')?),
    };
    let known = ["dd", "dddd", "dd:dd"]
        .iter()
        .any(|known| shape(rest, known));
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    let number: i64 = format!("{digits:0<4}").parse().ok().filter(|_| known)?;
    let (hours, minutes) = (number / 100, number % 100);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// Microseconds since 1970 of a number, whose unit follows its size.
pub fn epoch(number: &Number) -> Option<i128> {
    let whole = number.floor(0)?.unsigned_abs();
    let us = match whole {
        0..100_000_000_000 => number.floor(6)?,
        100_000_000_000..100_000_000_000_000 => number.floor(3)?,
        100_000_000_000_000..100_000_000_000_000_000 => number.floor(0)?,
        _ => number.floor(0)?.div_euclid(1_000),
    };
    i64::try_from(us).ok().map(i128::from)
}

/// Whether a text is of this shape, where `d` is a digit.
fn shape(text: &str, shape: &str) -> bool {
    let fits = |(byte, wanted): (u8, u8)| match wanted {
        b'd' => byte.is_ascii_digit(),
        _ => byte == wanted,
    };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}
