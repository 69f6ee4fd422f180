//! Dates, times and timestamps from JSON.
//!
//! - `timestamptz`: RFC 3339 with an offset (`T`, `t` or a space between date and time; `Z`, `z`,
//!   `+hh:mm`, `+hhmm` or `+hh`), or a number since 1970-01-01 UTC.
//! - `timestamp`: the same without any offset. A text with one is refused: dropping the offset
//!   and applying it are both guesses; declare the column `timestamptz`.
//! - The unit of a number follows its size: below 10^11 seconds, below 10^14 milliseconds, below
//!   10^17 microseconds, else nanoseconds. That is right for all times between March 1973 and the
//!   year 5138. Fractions count (`1764000000.25`).
//! - `date`: `YYYY-MM-DD`, or whole days since 1970. `time`: `HH:MM:SS` with a fraction or none.
//! - What is finer than a microsecond is rounded down. A leap second is the next minute's start.

use super::number;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Days since 1970 of `YYYY-MM-DD`.
pub(super) fn date(text: &str) -> Option<i32> {
    let (days, rest) = split_date(text.as_bytes())?;
    rest.is_empty().then_some(days)
}

/// Microseconds since midnight of `HH:MM:SS[.f]`.
pub(super) fn time(text: &str) -> Option<i64> {
    let (micros, rest) = split_time(text.as_bytes())?;
    (rest.is_empty() && micros < SECONDS_PER_DAY * MICROS_PER_SECOND).then_some(micros)
}

/// Why a text is no timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTimestamp {
    Malformed,
    NoOffset,
    Offset,
}

/// Microseconds since 1970; `zone`: whether the text must or must not have an offset.
pub(super) fn timestamp(text: &str, zone: bool) -> Result<i64, NoTimestamp> {
    let malformed = NoTimestamp::Malformed;
    let (days, rest) = split_date(text.as_bytes()).ok_or(malformed)?;
    let rest = match rest {
        [b'T' | b't' | b' ', rest @ ..] => rest,
        _ => return Err(malformed),
    };
    let (micros, rest) = split_time(rest).ok_or(malformed)?;
    let local = i64::from(days) * SECONDS_PER_DAY * MICROS_PER_SECOND + micros;
    match (rest.is_empty(), zone) {
        (true, false) => Ok(local),
        (true, true) => Err(NoTimestamp::NoOffset),
        (false, _) => {
            let offset_minutes = offset_minutes(rest).ok_or(malformed)?;
            if !zone {
                return Err(NoTimestamp::Offset);
            }
            Ok(local - offset_minutes * 60 * MICROS_PER_SECOND)
        }
    }
}

/// Microseconds since 1970 of a JSON number, by the rule above.
pub(super) fn epoch(number: &str) -> Option<i64> {
    let whole = number::scaled(number, 0)?.value.unsigned_abs();
    let (scale, divisor) = match whole {
        0..100_000_000_000 => (6, 1),
        100_000_000_000..100_000_000_000_000 => (3, 1),
        100_000_000_000_000..100_000_000_000_000_000 => (0, 1),
        _ => (0, 1_000),
    };
    let units = number::scaled(number, scale)?.value;
    i64::try_from(units.div_euclid(divisor)).ok()
}

fn digit(byte: u8) -> Option<i64> {
    byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    Some(digit(tens)? * 10 + digit(ones)?)
}

fn split_date(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let [c, y, a, r, b'-', m, o, b'-', d, e, rest @ ..] = bytes else {
        return None;
    };
    let year = two(*c, *y)? * 100 + two(*a, *r)?;
    let month = two(*m, *o)?;
    let day = two(*d, *e)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=longest).contains(&day) {
        return None;
    }
    Some((days_since_1970(year, month, day), rest))
}

/// Of the proleptic Gregorian calendar, counting years from March so that leap days come last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    const DAYS_FROM_0000_03_01: i64 = 719_468;
    i32::try_from(era * 146_097 + day_of_era - DAYS_FROM_0000_03_01)
        .expect("four digits of a year make at most 3.7 million days")
}

fn split_time(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let [h, o, b':', m, i, b':', s, e, rest @ ..] = bytes else {
        return None;
    };
    let (hour, minute, second) = (two(*h, *o)?, two(*m, *i)?, two(*s, *e)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let whole = ((hour * 60 + minute) * 60 + second) * MICROS_PER_SECOND;
    let [b'.', fraction @ ..] = rest else {
        return Some((whole, rest));
    };
    let length = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let (fraction, rest) = fraction.split_at(length);
    let micros = fraction
        .iter()
        .chain(std::iter::repeat(&b'0'))
        .take(6)
        .fold(0, |micros, b| micros * 10 + i64::from(b - b'0'));
    Some((whole + micros, rest))
}

fn offset_minutes(bytes: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match bytes {
        [b'Z' | b'z'] => return Some(0),
        [sign, h, o] => (sign, two(*h, *o)?, 0),
        [sign, h, o, m, i] | [sign, h, o, b':', m, i] => (sign, two(*h, *o)?, two(*m, *i)?),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    match sign {
        b'+' => Some(hours * 60 + minutes),
        b'-' => Some(-(hours * 60 + minutes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spells_of_one_moment() {
        let moment = 1_767_323_045_123_456;
        for text in [
            "2026-01-02T03:04:05.123456Z",
            "2026-01-02t03:04:05.123456z",
            "2026-01-02 03:04:05.123456789+00:00",
            "2026-01-02T05:34:05.123456+02:30",
            "2026-01-02T05:34:05.123456+0230",
            "2026-01-01T22:04:05.123456-05",
        ] {
            assert_eq!(timestamp(text, true), Ok(moment), "{text}");
        }
        assert_eq!(timestamp("2026-01-02T03:04:05.123456", false), Ok(moment));
    }

    #[test]
    fn an_offset_is_wanted_or_refused() {
        assert_eq!(
            timestamp("2026-01-02T03:04:05", true),
            Err(NoTimestamp::NoOffset)
        );
        assert_eq!(
            timestamp("2026-01-02T03:04:05Z", false),
            Err(NoTimestamp::Offset)
        );
        for text in [
            "",
            "2026-01-02",
            "2026-01-02T03:04Z",
            "2026-02-29T00:00:00Z",
            "2026-01-02T24:00:00Z",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05 Z",
            "2026-01-02T03:04:05+25:00",
            "26-01-02T03:04:05Z",
            "2026-01-02T03:04:05Zé",
        ] {
            assert_eq!(timestamp(text, true), Err(NoTimestamp::Malformed), "{text}");
        }
    }

    #[test]
    fn the_unit_of_a_number_follows_its_size() {
        let moment = 1_767_323_045_123_456;
        for number in [
            "1767323045.123456",
            "1767323045.1234569",
            "1767323045123.456",
            "1767323045123456",
            "1767323045123456789",
            "1.767323045123456e9",
        ] {
            assert_eq!(epoch(number), Some(moment), "{number}");
        }
        assert_eq!(epoch("0"), Some(0));
        assert_eq!(epoch("-1.0000005"), Some(-1_000_001));
        assert_eq!(epoch("1e400"), None);
        assert_eq!(epoch("99999999999999999999999999"), None);
    }

    #[test]
    fn times_of_day() {
        assert_eq!(time("00:00:00"), Some(0));
        assert_eq!(time("23:59:59.9999999"), Some(86_399_999_999));
        for text in [
            "24:00:00",
            "23:59:60",
            "1:00:00",
            "01:00",
            "01:00:00Z",
            "01:00:00.",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn dates_agree_with_chrono(year in 0..=9999i32, month in 0..=13u32, day in 0..=32u32) {
            let text = format!("{year:04}-{month:02}-{day:02}");
            let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
            let wanted = NaiveDate::from_ymd_opt(year, month, day)
                .map(|date| (date - epoch).num_days() as i32);
            prop_assert_eq!(date(&text), wanted);
        }

        #[test]
        fn timestamps_agree_with_chrono(micros in -62_135_596_800_000_000..253_402_300_800_000_000i64) {
            let text = DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339();
            prop_assert_eq!(timestamp(&text, true), Ok(micros));
        }

        #[test]
        fn any_text_is_answered(text in "\\PC{0,40}") {
            let _ = (date(&text), time(&text), timestamp(&text, true), timestamp(&text, false));
        }
    }
}
