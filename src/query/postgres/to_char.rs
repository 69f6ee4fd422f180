//! `to_char` of dates, times and intervals: Postgres's template patterns.

use chrono::{Offset, TimeZone as _};
use chrono_tz::{OffsetName, Tz};
use datafusion::common::{Result, ScalarValue};

use super::civil::{
    DAY_MICROS, HOUR_MICROS, JULIAN_EPOCH_DAYS, MINUTE_MICROS, SECOND_MICROS, day_of_year,
    iso_week, iso_weekday, ymd_of,
};
use super::function::{null, text};
use super::interval_in::Interval;

pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
pub const ROMAN: [&str; 12] = [
    "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII",
];

/// The patterns, longer ones before those that they begin with.
pub const KEYWORDS: [&str; 53] = [
    "A.D.", "A.M.", "AD", "AM", "B.C.", "BC", "CC", "DAY", "DDD", "DD", "DY", "Day", "Dy", "D",
    "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "HH24", "HH12", "HH", "IDDD", "ID", "IW", "IYYY",
    "IYY", "IY", "I", "J", "MI", "MM", "MONTH", "MON", "MS", "Month", "Mon", "OF", "P.M.", "PM",
    "Q", "RM", "SSSSS", "SSSS", "SS", "TZH", "TZM", "TZ", "US", "WW", "W", "Y,YYY",
];
const YEARS: [&str; 4] = ["YYYY", "YYY", "YY", "Y"];

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    Field {
        /// In upper case but for `Day`, `Dy`, `Month`, `Mon`.
        name: &'static str,
        /// As written in lower case.
        lower: bool,
        fill: bool,
        /// `TH` or `th` behind it.
        ordinal: Option<bool>,
    },
    Text(String),
    /// One character that separates.
    Other(char),
}

pub fn pieces(template: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some(c) = rest.chars().next() {
        if c == '"' {
            let (quoted, after) = quoted(&rest[1..]);
            out.push(Piece::Text(quoted));
            rest = after;
            continue;
        }
        if c == '\\' && rest[1..].starts_with('"') {
            out.push(Piece::Text("\"".to_owned()));
            rest = &rest[2..];
            continue;
        }
        let (mut body, mut fill) = (rest, false);
        loop {
            if let Some(after) = strip(body, "FM") {
                fill = true;
                body = after;
            } else if let Some(after) = strip(body, "TM").or_else(|| strip(body, "FX")) {
                body = after;
            } else {
                break;
            }
        }
        match keyword(body) {
            Some((name, lower, after)) => {
                let (ordinal, after) = match after.get(..2) {
                    Some("TH") => (Some(true), &after[2..]),
                    Some("th") => (Some(false), &after[2..]),
                    _ => (None, after),
                };
                out.push(Piece::Field {
                    name,
                    lower,
                    fill,
                    ordinal,
                });
                rest = after;
            }
            None if body.len() < rest.len() => rest = body,
            None => {
                out.push(Piece::Other(c));
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| &text[prefix.len()..])
}

fn quoted(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (out, &text[at + 1..]),
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            c => out.push(c),
        }
    }
    (out, "")
}

fn keyword(text: &str) -> Option<(&'static str, bool, &str)> {
    for name in KEYWORDS.iter().chain(YEARS.iter()) {
        let Some(head) = text.get(..name.len()) else {
            continue;
        };
        if head == *name {
            return Some((name, false, &text[name.len()..]));
        }
        let mixed = name.chars().any(|c| c.is_ascii_lowercase());
        if mixed || !head.eq_ignore_ascii_case(name) {
            continue;
        }
        // `Day` and `Mon` are patterns of their own.
        let capital = head.starts_with(|c: char| c.is_ascii_uppercase());
        let lower = !capital;
        if capital && matches!(*name, "DAY" | "DY" | "MONTH" | "MON") {
            let mixed = match *name {
                "DAY" => "Day",
                "DY" => "Dy",
                "MONTH" => "Month",
                _ => "Mon",
            };
            let same = head.chars().skip(1).all(|c| c.is_ascii_lowercase());
            return Some((if same { mixed } else { name }, false, &text[name.len()..]));
        }
        return Some((name, lower, &text[name.len()..]));
    }
    None
}

fn padded(value: i64, width: usize, fill: bool) -> String {
    if fill {
        return value.to_string();
    }
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{:0width$}", value.unsigned_abs())
}

fn ordinal_of(number: &str) -> &'static str {
    let digits: Vec<u8> = number.bytes().filter(u8::is_ascii_digit).collect();
    let teen = digits.len() > 1 && digits[digits.len() - 2] == b'1';
    match digits.last() {
        Some(b'1') if !teen => "st",
        Some(b'2') if !teen => "nd",
        Some(b'3') if !teen => "rd",
        _ => "th",
    }
}

/// What a template is filled from.
struct Values {
    days: i64,
    year: i64,
    month: i64,
    day: i64,
    time: i64,
    zone: Option<(i64, Tz)>,
    is_span: bool,
}

/// `clock` is what a wall clock shows, in microseconds; `zone` the instant and zone behind it.
pub fn timestamp(clock: i64, template: &str, zone: Option<(i64, Tz)>) -> Result<ScalarValue> {
    if matches!(clock, i64::MAX | i64::MIN) || template.is_empty() {
        return null();
    }
    let days = clock.div_euclid(DAY_MICROS);
    let (year, month, day) = ymd_of(days);
    let values = Values {
        days,
        year,
        month,
        day,
        time: clock.rem_euclid(DAY_MICROS),
        zone,
        is_span: false,
    };
    filled(&values, template)
}

pub fn span(value: Interval, template: &str) -> Result<ScalarValue> {
    if template.is_empty() {
        return null();
    }
    let values = Values {
        days: value.days,
        year: value.months / 12,
        month: value.months % 12,
        day: value.days,
        time: value.micros,
        zone: None,
        is_span: true,
    };
    filled(&values, template)
}

fn filled(values: &Values, template: &str) -> Result<ScalarValue> {
    let mut out = String::new();
    for piece in pieces(template) {
        match piece {
            Piece::Text(text) => out.push_str(&text),
            Piece::Other(c) => out.push(c),
            Piece::Field {
                name,
                lower,
                fill,
                ordinal,
            } => {
                let mut field = field(values, name, fill);
                if lower {
                    field = field.to_lowercase();
                }
                if let Some(upper) = ordinal {
                    let ending = ordinal_of(&field);
                    field.push_str(&if upper {
                        ending.to_uppercase()
                    } else {
                        ending.to_owned()
                    });
                }
                out.push_str(&field);
            }
        }
    }
    text(out)
}

fn named(name: &str, fill: bool, width: usize) -> String {
    if fill {
        name.to_owned()
    } else {
        format!("{name:<width$}")
    }
}

fn field(v: &Values, name: &str, fill: bool) -> String {
    let hour = v.time / HOUR_MICROS;
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let minute = v.time / MINUTE_MICROS % 60;
    let second = v.time / SECOND_MICROS % 60;
    let micros = v.time % SECOND_MICROS;
    let year = if v.year > 0 || v.is_span {
        v.year
    } else {
        1 - v.year
    };
    let month_name = || {
        MONTHS
            .get(usize::try_from(v.month - 1).unwrap_or(99))
            .copied()
            .unwrap_or("")
    };
    let weekday = iso_weekday(v.days);
    let day_name = || DAYS[usize::try_from(weekday % 7).unwrap_or(0)];
    let iso_year = || iso_week(v.days).0;
    let (afternoon, before) = (hour % 24 >= 12, v.year <= 0 && !v.is_span);
    match name {
        "HH24" => padded(hour, 2, fill),
        "HH12" | "HH" => padded(twelve, 2, fill),
        "MI" => padded(minute, 2, fill),
        "SS" => padded(second, 2, fill),
        "SSSSS" | "SSSS" => (v.time / SECOND_MICROS).to_string(),
        "MS" => format!("{:03}", micros / 1000),
        "US" => format!("{micros:06}"),
        "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => {
            let digits = usize::from(name.as_bytes()[2] - b'0');
            format!("{micros:06}")[..digits].to_owned()
        }
        "AM" | "PM" => (if afternoon { "PM" } else { "AM" }).to_owned(),
        "A.M." | "P.M." => (if afternoon { "P.M." } else { "A.M." }).to_owned(),
        "AD" | "BC" => (if before { "BC" } else { "AD" }).to_owned(),
        "A.D." | "B.C." => (if before { "B.C." } else { "A.D." }).to_owned(),
        "YYYY" => padded(year, 4, fill),
        "YYY" => padded(year % 1000, 3, fill),
        "YY" => padded(year % 100, 2, fill),
        "Y" => padded(year % 10, 1, fill),
        "Y,YYY" => format!("{},{:03}", year / 1000, year % 1000),
        "IYYY" => padded(iso_year(), 4, fill),
        "IYY" => padded(iso_year() % 1000, 3, fill),
        "IY" => padded(iso_year() % 100, 2, fill),
        "I" => padded(iso_year() % 10, 1, fill),
        "CC" => {
            let century = if v.is_span {
                year / 100
            } else if before {
                -((year - 1) / 100 + 1)
            } else {
                (year - 1) / 100 + 1
            };
            padded(century, 2, fill)
        }
        "Q" => ((v.month + 2) / 3).to_string(),
        "MM" => padded(v.month, 2, fill),
        "MONTH" => named(&month_name().to_uppercase(), fill, 9),
        "Month" => named(month_name(), fill, 9),
        "MON" => month_name().get(..3).unwrap_or("").to_uppercase(),
        "Mon" => month_name().get(..3).unwrap_or("").to_owned(),
        "RM" => {
            let roman = ROMAN
                .get(usize::try_from(v.month - 1).unwrap_or(99))
                .copied()
                .unwrap_or("");
            named(roman, fill, 4)
        }
        "DAY" => named(&day_name().to_uppercase(), fill, 9),
        "Day" => named(day_name(), fill, 9),
        "DY" => day_name()[..3].to_uppercase(),
        "Dy" => day_name()[..3].to_owned(),
        "DDD" => padded(
            if v.is_span {
                v.days
            } else {
                day_of_year(v.days)
            },
            3,
            fill,
        ),
        "DD" => padded(v.day, 2, fill),
        "D" => (weekday % 7 + 1).to_string(),
        "ID" => weekday.to_string(),
        "IDDD" => {
            let (year, _) = iso_week(v.days);
            padded(v.days - super::civil::iso_week_start(year, 1) + 1, 3, fill)
        }
        "IW" => padded(iso_week(v.days).1, 2, fill),
        "WW" => padded((day_of_year(v.days) - 1) / 7 + 1, 2, fill),
        "W" => ((v.day - 1) / 7 + 1).to_string(),
        "J" => (v.days + JULIAN_EPOCH_DAYS).to_string(),
        "TZ" | "OF" | "TZH" | "TZM" => zone(v, name),
        _ => String::new(),
    }
}

fn zone(v: &Values, name: &str) -> String {
    let Some((instant, zone)) = v.zone else {
        return match name {
            "OF" | "TZH" => "+00".to_owned(),
            "TZM" => "00".to_owned(),
            _ => String::new(),
        };
    };
    let Some(utc) = chrono::DateTime::from_timestamp_micros(instant) else {
        return String::new();
    };
    let offset = zone.offset_from_utc_datetime(&utc.naive_utc());
    let seconds = i64::from(offset.fix().local_minus_utc());
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
    match name {
        "TZ" => offset.abbreviation().unwrap_or("").to_owned(),
        "TZH" => format!("{sign}{hours:02}"),
        "TZM" => format!("{minutes:02}"),
        _ if minutes != 0 => format!("{sign}{hours:02}:{minutes:02}"),
        _ => format!("{sign}{hours:02}"),
    }
}
