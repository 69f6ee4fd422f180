//! Dates, times and intervals in Postgres's ISO style.

use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

const DAY_MICROS: i64 = 86_400_000_000;
/// Days from 1970-01-01 to 2000-01-01, where Postgres counts from.
pub const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
pub const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * DAY_MICROS;

/// Days since 1970 as `YYYY-MM-DD`, with ` BC` behind where it applies.
pub fn date(days: i32, out: &mut BytesMut) {
    match days {
        i32::MAX => out.put_slice(b"infinity"),
        i32::MIN => out.put_slice(b"-infinity"),
        _ => {
            if ymd(i64::from(days), out) {
                out.put_slice(b" BC");
            }
        }
    }
}

/// Microseconds since midnight as `HH:MM:SS[.ffffff]`.
pub fn time(micros: i64, out: &mut BytesMut) {
    let seconds = micros / 1_000_000;
    padded(seconds / 3600, 2, out);
    out.put_u8(b':');
    padded(seconds / 60 % 60, 2, out);
    out.put_u8(b':');
    padded(seconds % 60, 2, out);
    fraction(micros % 1_000_000, out);
}

/// Microseconds since 1970 as a timestamp; `separator` is a space, or `T` within JSON.
pub fn timestamp(micros: i64, separator: u8, out: &mut BytesMut) {
    if !infinite(micros, out) && clock(micros, separator, out) {
        out.put_slice(b" BC");
    }
}

/// Microseconds since 1970 UTC as a timestamp in a zone, its offset behind.
pub fn timestamptz(micros: i64, zone: Tz, separator: u8, out: &mut BytesMut) {
    if infinite(micros, out) {
        return;
    }
    let offset_s = DateTime::from_timestamp_micros(micros).map_or(0, |utc| {
        zone.offset_from_utc_datetime(&utc.naive_utc())
            .fix()
            .local_minus_utc()
    });
    let local = micros.saturating_add(i64::from(offset_s) * 1_000_000);
    let before_christ = clock(local, separator, out);
    out.put_u8(if offset_s < 0 { b'-' } else { b'+' });
    let offset_s = i64::from(offset_s).abs();
    padded(offset_s / 3600, 2, out);
    if offset_s % 3600 != 0 || separator == b'T' {
        out.put_u8(b':');
        padded(offset_s / 60 % 60, 2, out);
    }
    if offset_s % 60 != 0 {
        out.put_u8(b':');
        padded(offset_s % 60, 2, out);
    }
    if before_christ {
        out.put_slice(b" BC");
    }
}

/// An interval in the style `postgres`: `1 year 2 mons -3 days 04:05:06.789`.
pub fn interval(months: i32, days: i32, micros: i64, out: &mut BytesMut) {
    let start = out.len();
    let mut negative_before = false;
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value == 0 {
            continue;
        }
        if out.len() > start {
            out.put_u8(b' ');
        }
        // After a negative field Postgres marks the positive ones, lest the sign seem to carry on.
        if negative_before && value > 0 {
            out.put_u8(b'+');
        }
        super::integer(i64::from(value), out);
        out.put_u8(b' ');
        out.put_slice(unit.as_bytes());
        if value != 1 {
            out.put_u8(b's');
        }
        negative_before = value < 0;
    }
    if micros != 0 || out.len() == start {
        if out.len() > start {
            out.put_u8(b' ');
        }
        if micros < 0 {
            out.put_u8(b'-');
        } else if negative_before {
            out.put_u8(b'+');
        }
        let micros = micros.unsigned_abs() as i64;
        let micros = if micros < 0 { i64::MAX } else { micros };
        time(micros, out);
    }
}

fn infinite(micros: i64, out: &mut BytesMut) -> bool {
    match micros {
        i64::MAX => out.put_slice(b"infinity"),
        i64::MIN => out.put_slice(b"-infinity"),
        _ => return false,
    }
    true
}

/// Writes date and time of day; true when the year lies before Christ.
fn clock(micros: i64, separator: u8, out: &mut BytesMut) -> bool {
    let before_christ = ymd(micros.div_euclid(DAY_MICROS), out);
    out.put_u8(separator);
    time(micros.rem_euclid(DAY_MICROS), out);
    before_christ
}

/// Writes a civil date from days since 1970; true when the year lies before Christ.
fn ymd(days: i64, out: &mut BytesMut) -> bool {
    // Days since 0000-03-01 in eras of 400 years, so that the leap day ends each year.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let before_christ = year <= 0;
    padded(if before_christ { 1 - year } else { year }, 4, out);
    out.put_u8(b'-');
    padded(month, 2, out);
    out.put_u8(b'-');
    padded(day, 2, out);
    before_christ
}

fn padded(value: i64, width: usize, out: &mut BytesMut) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    while rest > 0 {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let at = at.min(digits.len() - width);
    out.put_slice(&digits[at..]);
}

fn fraction(micros: i64, out: &mut BytesMut) {
    if micros == 0 {
        return;
    }
    out.put_u8(b'.');
    let start = out.len();
    padded(micros, 6, out);
    while out.len() > start && out[out.len() - 1] == b'0' {
        out.truncate(out.len() - 1);
    }
}
