//! `to_timestamp` and `to_date`: a text read by a template.

use super::civil::{
    DAY_MICROS, HOUR_MICROS, JULIAN_EPOCH_DAYS, MINUTE_MICROS, SECOND_MICROS, days_in, days_of,
    is_leap, iso_week_start,
};
use super::to_char::{DAYS, MONTHS, Piece, ROMAN, pieces};
use crate::query::{QueryError, QueryErrorKind as Kind};

/// What was read: a wall clock, and the offset that the text named, seconds east of UTC.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub micros: i64,
    pub zone: Option<i64>,
}

#[derive(Default)]
struct Parts {
    year: Option<i64>,
    century: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    week: Option<i64>,
    iso_year: Option<i64>,
    iso_week: Option<i64>,
    iso_day: Option<i64>,
    julian: Option<i64>,
    hour: i64,
    twelve: bool,
    minute: i64,
    second: i64,
    seconds_of_day: Option<i64>,
    micros: i64,
    afternoon: Option<bool>,
    before_christ: bool,
    zone_hours: Option<i64>,
    zone_minutes: i64,
}

type Read<T> = Result<T, QueryError>;

fn invalid(value: &str, pattern: &str) -> QueryError {
    QueryError::new(
        Kind::DatetimeInvalid,
        format!("invalid value \"{value}\" for \"{pattern}\""),
    )
}

fn out_of_range(text: &str) -> QueryError {
    QueryError::new(
        Kind::State("22008"),
        format!("date/time field value out of range: \"{text}\""),
    )
}

struct Reader<'a> {
    rest: &'a str,
    /// The next field follows at once: this one has all its digits.
    tight: bool,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// A number of at most so many digits.
    fn number(&mut self, width: usize, pattern: &str) -> Read<(i64, usize)> {
        self.skip_space();
        let signed = self.rest.strip_prefix(['-', '+']);
        let negative = self.rest.starts_with('-');
        let body = signed.unwrap_or(self.rest);
        let end = body
            .bytes()
            .take(width)
            .take_while(u8::is_ascii_digit)
            .count();
        if end == 0 || (self.tight && end < width && width <= 4) {
            let shown: String = self.rest.chars().take(width).collect();
            return Err(invalid(&shown, pattern));
        }
        let value: i64 = body[..end]
            .parse()
            .map_err(|_| invalid(&body[..end], pattern))?;
        self.rest = &body[end..];
        Ok((if negative { -value } else { value }, end))
    }

    fn one_of(&mut self, names: &[&str], pattern: &str) -> Read<i64> {
        self.skip_space();
        let mut best: Option<(usize, usize)> = None;
        for (index, name) in names.iter().enumerate() {
            let matches = self
                .rest
                .get(..name.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(name));
            if matches && best.is_none_or(|(_, length)| name.len() > length) {
                best = Some((index, name.len()));
            }
        }
        match best {
            Some((index, length)) => {
                self.rest = &self.rest[length..];
                Ok(index as i64)
            }
            None => {
                let shown: String = self
                    .rest
                    .chars()
                    .take_while(|c| c.is_alphabetic())
                    .collect();
                Err(invalid(&shown, pattern))
            }
        }
    }
}

pub fn moment(text: &str, template: &str) -> Read<Moment> {
    let template = pieces(template);
    let mut reader = Reader {
        rest: text,
        tight: false,
    };
    let mut parts = Parts::default();
    for (index, piece) in template.iter().enumerate() {
        match piece {
            Piece::Text(quoted) => {
                reader.skip_space();
                let skip: usize = quoted.trim_start().chars().count();
                let end = reader
                    .rest
                    .char_indices()
                    .nth(skip)
                    .map_or(reader.rest.len(), |(at, _)| at);
                reader.rest = &reader.rest[end..];
            }
            Piece::Other(c) => {
                if c.is_alphabetic() {
                    let mut chars = reader.rest.chars();
                    chars.next();
                    reader.rest = chars.as_str();
                } else {
                    separator(&mut reader);
                }
            }
            Piece::Field { name, .. } => {
                // Digits of one field run into the next only where a pattern follows at once.
                let tight = matches!(template.get(index + 1), Some(Piece::Field { name, .. }) if is_number(name));
                if reader.rest.trim().is_empty() {
                    break;
                }
                reader.tight = tight;
                field(&mut reader, &mut parts, name, tight)?;
            }
        }
    }
    settled(&parts, text)
}

/// A separator in the template stands for any run of them, or none.
fn separator(reader: &mut Reader<'_>) {
    reader.skip_space();
    let c = reader.rest.chars().next();
    if let Some(c) = c.filter(|c| !c.is_alphanumeric() && *c != '-' && *c != '+') {
        reader.rest = &reader.rest[c.len_utf8()..];
    } else if let Some(after) = reader.rest.strip_prefix(['-', '+']) {
        // A sign before digits separates here; a negative year has one more.
        reader.rest = after;
    }
}

fn is_number(name: &str) -> bool {
    !matches!(
        name,
        "MONTH"
            | "Month"
            | "MON"
            | "Mon"
            | "DAY"
            | "Day"
            | "DY"
            | "Dy"
            | "RM"
            | "AM"
            | "PM"
            | "A.M."
            | "P.M."
            | "AD"
            | "BC"
            | "A.D."
            | "B.C."
            | "TZ"
    )
}

fn field(reader: &mut Reader<'_>, parts: &mut Parts, name: &str, tight: bool) -> Read<()> {
    let wide = |width: usize| if tight { width } else { 18 };
    let short: Vec<&str> = MONTHS.iter().map(|name| &name[..3]).collect();
    match name {
        "YYYY" | "IYYY" => {
            let (year, digits) = reader.number(wide(4), name)?;
            set_year(
                parts,
                name,
                if digits <= 2 && name == "YYYY" {
                    near(year, digits)
                } else {
                    year
                },
            );
        }
        "Y,YYY" => {
            let (thousands, _) = reader.number(3, name)?;
            reader.rest = reader
                .rest
                .strip_prefix(',')
                .ok_or_else(|| invalid(reader.rest, name))?;
            let (rest, _) = reader.number(3, name)?;
            parts.year = Some(thousands * 1000 + rest);
        }
        "YYY" | "YY" | "Y" | "IYY" | "IY" | "I" => {
            let width = name
                .trim_start_matches('I')
                .len()
                .max(usize::from(name == "I"));
            let width = if name.starts_with('I') {
                name.len()
            } else {
                width
            };
            let (year, digits) = reader.number(wide(width), name)?;
            set_year(parts, name, near(year, digits));
        }
        "CC" => parts.century = Some(reader.number(wide(2), name)?.0),
        "MM" => parts.month = Some(reader.number(wide(2), name)?.0),
        "MONTH" | "Month" | "MON" | "Mon" => {
            let full = name.len() > 3;
            let month = if full {
                reader.one_of(&MONTHS, name)?
            } else {
                reader.one_of(&short, name)?
            };
            parts.month = Some(month + 1);
        }
        "RM" => parts.month = Some(reader.one_of(&ROMAN, name)? + 1),
        "DAY" | "Day" => {
            reader.one_of(&DAYS, name)?;
        }
        "DY" | "Dy" => {
            let short: Vec<&str> = DAYS.iter().map(|name| &name[..3]).collect();
            reader.one_of(&short, name)?;
        }
        "DD" => parts.day = Some(reader.number(wide(2), name)?.0),
        "DDD" => parts.day_of_year = Some(reader.number(wide(3), name)?.0),
        "WW" => parts.week = Some(reader.number(wide(2), name)?.0),
        "W" => {
            let (week, _) = reader.number(wide(1), name)?;
            parts.day = Some((week - 1) * 7 + 1);
        }
        "D" | "Q" => {
            reader.number(wide(1), name)?;
        }
        "IW" => parts.iso_week = Some(reader.number(wide(2), name)?.0),
        "ID" => parts.iso_day = Some(reader.number(wide(1), name)?.0),
        "IDDD" => parts.day_of_year = Some(reader.number(wide(3), name)?.0),
        "J" => parts.julian = Some(reader.number(18, name)?.0),
        "HH24" => parts.hour = reader.number(wide(2), name)?.0,
        "HH12" | "HH" => {
            parts.hour = reader.number(wide(2), name)?.0;
            parts.twelve = true;
        }
        "MI" => parts.minute = reader.number(wide(2), name)?.0,
        "SS" => parts.second = reader.number(wide(2), name)?.0,
        "SSSSS" | "SSSS" => parts.seconds_of_day = Some(reader.number(wide(5), name)?.0),
        "MS" => parts.micros += fraction(reader, 3, name)?,
        "US" => parts.micros += fraction(reader, 6, name)?,
        "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => {
            parts.micros += fraction(reader, usize::from(name.as_bytes()[2] - b'0'), name)?;
        }
        "AM" | "PM" => parts.afternoon = Some(reader.one_of(&["AM", "PM"], name)? == 1),
        "A.M." | "P.M." => parts.afternoon = Some(reader.one_of(&["A.M.", "P.M."], name)? == 1),
        "AD" | "BC" => parts.before_christ = reader.one_of(&["AD", "BC"], name)? == 1,
        "A.D." | "B.C." => parts.before_christ = reader.one_of(&["A.D.", "B.C."], name)? == 1,
        "TZH" => parts.zone_hours = Some(reader.number(2, name)?.0),
        "TZM" => parts.zone_minutes = reader.number(2, name)?.0,
        _ => {
            return Err(QueryError::new(
                Kind::FeatureNotSupported,
                format!("formatting field \"{name}\" is only supported in to_char"),
            ));
        }
    }
    Ok(())
}

fn set_year(parts: &mut Parts, name: &str, year: i64) {
    if name.starts_with('I') {
        parts.iso_year = Some(year);
    } else {
        parts.year = Some(year);
    }
}

/// A year of less than four digits lies near 2020.
fn near(year: i64, digits: usize) -> i64 {
    match (digits, year) {
        (1 | 2, 0..=69) => year + 2000,
        (1 | 2, 70..=99) => year + 1900,
        (3, 100..=519) => year + 2000,
        (3, 520..=999) => year + 1000,
        _ => year,
    }
}

/// Digits behind the point, as microseconds.
fn fraction(reader: &mut Reader<'_>, width: usize, name: &str) -> Read<i64> {
    let (value, digits) = reader.number(width, name)?;
    let power = 6_u32.saturating_sub(u32::try_from(digits).unwrap_or(6));
    Ok(value * 10_i64.pow(power))
}

fn settled(parts: &Parts, text: &str) -> Read<Moment> {
    let wrong = || out_of_range(text);
    let mut hour = parts.hour;
    if parts.twelve {
        if !(1..=12).contains(&hour) && hour != 0 {
            return Err(QueryError::new(
                Kind::DatetimeInvalid,
                format!("hour \"{hour}\" is invalid for the 12-hour clock"),
            )
            .with_hint("Use the 24-hour clock, or give an hour between 1 and 12."));
        }
        if let Some(afternoon) = parts.afternoon {
            hour = hour % 12 + if afternoon { 12 } else { 0 };
        }
    }
    let clock_fits = (0..24).contains(&hour)
        && (0..60).contains(&parts.minute)
        && (0..60).contains(&parts.second);
    if !clock_fits {
        return Err(wrong());
    }
    let mut time = hour * HOUR_MICROS
        + parts.minute * MINUTE_MICROS
        + parts.second * SECOND_MICROS
        + parts.micros;
    if let Some(seconds) = parts.seconds_of_day {
        if !(0..86_400).contains(&seconds) {
            return Err(wrong());
        }
        time = seconds * SECOND_MICROS + parts.micros;
    }
    let days = days(parts).ok_or_else(wrong)?;
    let zone = parts.zone_hours.map(|hours| {
        let minutes = if hours < 0 {
            -parts.zone_minutes
        } else {
            parts.zone_minutes
        };
        hours * 3600 + minutes * 60
    });
    Ok(Moment {
        micros: days * DAY_MICROS + time,
        zone,
    })
}

fn days(parts: &Parts) -> Option<i64> {
    if let Some(julian) = parts.julian {
        return Some(julian - JULIAN_EPOCH_DAYS);
    }
    if let (Some(year), Some(week)) = (parts.iso_year, parts.iso_week) {
        let day = parts.iso_day.unwrap_or(1);
        return ((1..=53).contains(&week)).then(|| iso_week_start(year, week) + day - 1);
    }
    let mut year = parts.year.or(parts.iso_year).unwrap_or(0);
    if let Some(century) = parts.century {
        year = if parts.year.is_some() {
            (century - 1) * 100 + year.rem_euclid(100)
        } else {
            (century - 1) * 100 + 1
        };
    }
    // Years before Christ are counted without a year 0; no year at all is 1 BC.
    let year = match (parts.before_christ, year) {
        (true, year) if year > 0 => 1 - year,
        (false, year) if year < 0 => year + 1,
        (_, year) => year,
    };
    if let Some(week) = parts.week {
        return ((1..=53).contains(&week)).then(|| days_of(year, 1, 1) + (week - 1) * 7);
    }
    if let Some(day) = parts.day_of_year {
        let most = if is_leap(year) { 366 } else { 365 };
        return ((1..=most).contains(&day)).then(|| days_of(year, 1, 1) + day - 1);
    }
    let (month, day) = (parts.month.unwrap_or(1), parts.day.unwrap_or(1));
    let fits = (1..=12).contains(&month)
        && day >= 1
        && day <= days_in(year, month)
        && year.abs() < 300_000;
    fits.then(|| days_of(year, month, day))
}
