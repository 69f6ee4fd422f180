//! Dates and times as people write them, read by Postgres's rules: in any order that is clear,
//! months as words, BC, zones by name or offset, `epoch`, `infinity`, `today`.
//! Knows no clock: what depends on now is given.

use chrono::{MappedLocalTime, Offset, TimeZone as _};
use chrono_tz::Tz;

use super::civil::{
    DAY_MICROS, HOUR_MICROS, JULIAN_EPOCH_DAYS, MINUTE_MICROS, SECOND_MICROS, days_in, days_of,
};
use crate::query::{QueryError, QueryErrorKind as Kind};

/// Which of `1/2/2003`'s numbers is the month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    #[default]
    Mdy,
    Dmy,
    Ymd,
}

/// What a text without a date or a zone of its own is read by.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    pub zone: Tz,
    pub order: Order,
    /// Microseconds since 1970 UTC.
    pub now: i64,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            zone: Tz::UTC,
            order: Order::Mdy,
            now: 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Zone {
    Offset(i64),
    Named(Tz),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Special {
    Epoch,
    Infinity,
    MinusInfinity,
    Now,
}

#[derive(Debug, Default)]
struct Parts {
    /// Numbers that are a day, month or year: value and digits as written.
    numbers: Vec<(i64, usize)>,
    month: Option<i64>,
    /// True where a word named the month behind two numbers: `99-08-Jan`.
    month_last: bool,
    date: Option<i64>,
    time: Option<i64>,
    afternoon: Option<bool>,
    before_christ: bool,
    zone: Option<Zone>,
    special: Option<Special>,
}

enum Fault {
    Syntax,
    Range,
    Zone(String),
}

type Found<T> = Result<T, Fault>;

fn told(fault: Fault, kind: &str, text: &str) -> QueryError {
    match fault {
        Fault::Syntax => QueryError::new(
            Kind::DatetimeInvalid,
            format!("invalid input syntax for type {kind}: \"{text}\""),
        ),
        Fault::Range => QueryError::new(
            Kind::State("22008"),
            format!("date/time field value out of range: \"{text}\""),
        ),
        Fault::Zone(zone) => QueryError::new(
            Kind::InvalidParameter,
            format!("time zone \"{zone}\" not recognized"),
        ),
    }
}

fn out_of_range(kind: &str, text: &str) -> QueryError {
    QueryError::new(
        Kind::State("22008"),
        format!("{kind} out of range: \"{text}\""),
    )
}

/// Days since 1970-01-01; `i32::MAX` and `MIN` are the infinities.
pub fn date(text: &str, context: &Context) -> Result<i32, QueryError> {
    let parts = parse(text, context).map_err(|fault| told(fault, "date", text))?;
    let days = match parts.special {
        Some(Special::Infinity) => return Ok(i32::MAX),
        Some(Special::MinusInfinity) => return Ok(i32::MIN),
        Some(Special::Epoch) => 0,
        Some(Special::Now) => local(context.now, context.zone).div_euclid(DAY_MICROS),
        None => parts
            .date
            .ok_or_else(|| told(Fault::Syntax, "date", text))?,
    };
    let least = days_of(-4713, 11, 24);
    let most = days_of(5_874_897, 12, 31);
    match i32::try_from(days) {
        Ok(days) if (least..=most).contains(&i64::from(days)) => Ok(days),
        _ => Err(out_of_range("date", text)),
    }
}

/// Microseconds since midnight, up to and with 24:00.
pub fn time(text: &str, context: &Context) -> Result<i64, QueryError> {
    let name = "time";
    let parts = parse(text, context).map_err(|fault| told(fault, name, text))?;
    match (parts.special, parts.time) {
        (Some(Special::Now), _) => Ok(local(context.now, context.zone).rem_euclid(DAY_MICROS)),
        (None, Some(time)) => Ok(time),
        _ => Err(told(Fault::Syntax, name, text)),
    }
}

/// Microseconds since 1970 of a wall clock; a zone in the text is passed over, as in Postgres.
pub fn timestamp(text: &str, context: &Context) -> Result<i64, QueryError> {
    let name = "timestamp";
    let parts = parse(text, context).map_err(|fault| told(fault, name, text))?;
    let micros = match parts.special {
        Some(Special::Infinity) => return Ok(i64::MAX),
        Some(Special::MinusInfinity) => return Ok(i64::MIN),
        Some(Special::Epoch) => 0,
        Some(Special::Now) => local(context.now, context.zone),
        None => wall_clock(&parts).ok_or_else(|| told(Fault::Syntax, name, text))?,
    };
    checked(micros, name, text)
}

/// Microseconds since 1970 UTC.
pub fn timestamptz(text: &str, context: &Context) -> Result<i64, QueryError> {
    let name = "timestamp with time zone";
    let parts = parse(text, context).map_err(|fault| told(fault, name, text))?;
    let micros = match parts.special {
        Some(Special::Infinity) => return Ok(i64::MAX),
        Some(Special::MinusInfinity) => return Ok(i64::MIN),
        Some(Special::Epoch) => 0,
        Some(Special::Now) => context.now,
        None => {
            let clock = wall_clock(&parts).ok_or_else(|| told(Fault::Syntax, name, text))?;
            match parts.zone {
                Some(Zone::Offset(seconds)) => clock - seconds * SECOND_MICROS,
                Some(Zone::Named(zone)) => instant(clock, zone),
                None => instant(clock, context.zone),
            }
        }
    };
    checked(micros, "timestamp", text)
}

fn checked(micros: i64, name: &str, text: &str) -> Result<i64, QueryError> {
    let days = micros.div_euclid(DAY_MICROS);
    if days < days_of(-4713, 11, 24) || days > days_of(294_276, 12, 31) {
        return Err(out_of_range(name, text));
    }
    Ok(micros)
}

fn wall_clock(parts: &Parts) -> Option<i64> {
    let days = parts.date?;
    days.checked_mul(DAY_MICROS)?
        .checked_add(parts.time.unwrap_or(0))
}

/// What a zone's clock shows at an instant.
pub fn local(micros: i64, zone: Tz) -> i64 {
    let offset = chrono::DateTime::from_timestamp_micros(micros).map_or(0, |utc| {
        zone.offset_from_utc_datetime(&utc.naive_utc())
            .fix()
            .local_minus_utc()
    });
    micros.saturating_add(i64::from(offset) * SECOND_MICROS)
}

/// The instant at which a zone's clock shows this; of an hour shown twice the second.
pub fn instant(clock: i64, zone: Tz) -> i64 {
    let Some(utc) = chrono::DateTime::from_timestamp_micros(clock) else {
        return clock;
    };
    let naive = utc.naive_utc();
    let offset = match zone.offset_from_local_datetime(&naive) {
        MappedLocalTime::Single(offset) => offset,
        MappedLocalTime::Ambiguous(_, second) => second,
        MappedLocalTime::None => {
            let before = naive - chrono::Duration::days(1);
            zone.offset_from_utc_datetime(&before)
        }
    };
    clock - i64::from(offset.fix().local_minus_utc()) * SECOND_MICROS
}

/// A zone by its IANA name, whatever its case; None when there is none.
pub fn zone_named(name: &str) -> Option<Tz> {
    if let Ok(zone) = name.parse() {
        return Some(zone);
    }
    chrono_tz::TZ_VARIANTS
        .iter()
        .find(|zone| zone.name().eq_ignore_ascii_case(name))
        .copied()
}

/// Seconds east of UTC of the abbreviations that Postgres knows by default.
pub fn abbreviation(word: &str) -> Option<i64> {
    let hours = match word {
        "z" | "zulu" | "utc" | "ut" | "gmt" | "uct" | "wet" => 0.0,
        "cet" | "bst" | "met" | "west" => 1.0,
        "cest" | "eet" | "sast" | "ist" | "mest" => 2.0,
        "eest" | "msk" | "eat" => 3.0,
        "msd" => 4.0,
        "pkt" => 5.0,
        "hkt" | "sgt" | "awst" => 8.0,
        "jst" | "kst" => 9.0,
        "acst" => 9.5,
        "aest" => 10.0,
        "acdt" => 10.5,
        "aedt" => 11.0,
        "nzst" => 12.0,
        "nzdt" => 13.0,
        "brt" | "art" | "adt" => -3.0,
        "nst" => -3.5,
        "ast" | "edt" => -4.0,
        "est" | "cdt" => -5.0,
        "cst" | "mdt" => -6.0,
        "mst" | "pdt" => -7.0,
        "pst" | "akdt" => -8.0,
        "akst" => -9.0,
        "hst" => -10.0,
        _ => return None,
    };
    Some((hours * 3600.0) as i64)
}

pub fn month_named(word: &str) -> Option<i64> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let found = |name: &&str| {
        **name == *word || word == &name[..3] || (word == "sept" && **name == *"september")
    };
    NAMES.iter().position(found).map(|index| index as i64 + 1)
}

fn is_weekday(word: &str) -> bool {
    const NAMES: [&str; 7] = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    let short = ["tues", "weds", "wednes", "thur", "thurs"];
    NAMES.iter().any(|name| *name == word || &name[..3] == word) || short.contains(&word)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn digits(&mut self) -> &'a str {
        self.take_while(|c| c.is_ascii_digit())
    }

    fn skip(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

fn number(digits: &str) -> Found<i64> {
    digits.parse().map_err(|_| Fault::Syntax)
}

fn parse(text: &str, context: &Context) -> Found<Parts> {
    if text.len() > 128 {
        return Err(Fault::Syntax);
    }
    let lower = text.trim().to_ascii_lowercase();
    let mut parts = Parts::default();
    let mut reader = Reader { rest: &lower };
    if lower.is_empty() {
        return Err(Fault::Syntax);
    }
    while let Some(next) = reader.peek() {
        match next {
            ' ' | ',' | '\t' | '\n' => {
                reader.rest = &reader.rest[1..];
            }
            c if c.is_ascii_digit() => numeral(&mut reader, &mut parts, context)?,
            c if c.is_ascii_alphabetic() => word(&mut reader, &mut parts, context)?,
            '+' | '-' => sign(&mut reader, &mut parts)?,
            _ => return Err(Fault::Syntax),
        }
    }
    settle(&mut parts, context.order)?;
    Ok(parts)
}

/// A sign begins an offset from UTC, or separates the parts of a date with a word in it.
fn sign(reader: &mut Reader<'_>, parts: &mut Parts) -> Found<()> {
    let negative = reader.peek() == Some('-');
    reader.rest = &reader.rest[1..];
    if reader.rest.starts_with("infinity") && negative {
        reader.rest = &reader.rest["infinity".len()..];
        parts.special = Some(Special::MinusInfinity);
        return Ok(());
    }
    if parts.time.is_none() && parts.date.is_none() {
        return if negative && parts.month.is_some() {
            Ok(())
        } else {
            Err(Fault::Syntax)
        };
    }
    let digits = reader.digits();
    let (hours, mut minutes, mut seconds) = match digits.len() {
        1 | 2 => (number(digits)?, 0, 0),
        3 | 4 => {
            let (hours, minutes) = digits.split_at(digits.len() - 2);
            (number(hours)?, number(minutes)?, 0)
        }
        _ => return Err(Fault::Syntax),
    };
    if reader.skip(':') {
        minutes = number(reader.digits())?;
        if reader.skip(':') {
            seconds = number(reader.digits())?;
        }
    }
    if hours > 15 || minutes > 59 || seconds > 59 {
        return Err(Fault::Range);
    }
    let offset = hours * 3600 + minutes * 60 + seconds;
    parts.zone = Some(Zone::Offset(if negative { -offset } else { offset }));
    Ok(())
}

fn numeral(reader: &mut Reader<'_>, parts: &mut Parts, context: &Context) -> Found<()> {
    let digits = reader.digits();
    match reader.peek() {
        Some(':') => return clock(reader, parts, digits),
        Some(separator @ ('-' | '/' | '.')) if parts.date.is_none() && parts.numbers.is_empty() => {
            return separated(reader, parts, digits, separator, context);
        }
        Some('-') if parts.date.is_none() && parts.month.is_some() => {
            reader.rest = &reader.rest[1..];
        }
        _ => {}
    }
    let has_date = parts.date.is_some() || parts.numbers.len() >= 2;
    match digits.len() {
        8 if !has_date && parts.numbers.is_empty() => compact(parts, &digits[..4], &digits[4..]),
        6 if !has_date && parts.numbers.is_empty() && parts.month.is_none() => {
            compact(parts, &digits[..2], &digits[2..])
        }
        6 if parts.time.is_none() => {
            let fields = (
                number(&digits[..2])?,
                number(&digits[2..4])?,
                number(&digits[4..])?,
            );
            let fraction = fraction(reader)?;
            set_time(parts, fields.0, fields.1, fields.2, fraction)
        }
        4 if parts.time.is_none() && parts.date.is_some() => {
            set_time(parts, number(&digits[..2])?, number(&digits[2..])?, 0, 0)
        }
        length => {
            parts.numbers.push((number(digits)?, length));
            Ok(())
        }
    }
}

fn compact(parts: &mut Parts, year: &str, rest: &str) -> Found<()> {
    let wide = year.len() == 4;
    let year = number(year)?;
    let year = if wide { year } else { windowed(year) };
    set_date(parts, year, number(&rest[..2])?, number(&rest[2..4])?)
}

fn fraction(reader: &mut Reader<'_>) -> Found<i64> {
    if !reader.skip('.') {
        return Ok(0);
    }
    let digits = reader.digits();
    let padded: String = digits.chars().chain("000000".chars()).take(6).collect();
    let seventh = digits.as_bytes().get(6).is_some_and(|d| *d >= b'5');
    Ok(number(&padded[..6])? + i64::from(seventh))
}

fn clock(reader: &mut Reader<'_>, parts: &mut Parts, hours: &str) -> Found<()> {
    if parts.time.is_some() || hours.len() > 3 {
        return Err(Fault::Syntax);
    }
    let hours = number(hours)?;
    reader.skip(':');
    let minutes = number(reader.digits())?;
    let (mut seconds, mut micros) = (0, 0);
    if reader.skip(':') {
        seconds = number(reader.digits())?;
        micros = fraction(reader)?;
    }
    set_time(parts, hours, minutes, seconds, micros)
}

fn set_time(parts: &mut Parts, hours: i64, minutes: i64, seconds: i64, micros: i64) -> Found<()> {
    let all = hours * HOUR_MICROS + minutes * MINUTE_MICROS + seconds * SECOND_MICROS + micros;
    if hours > 24 || minutes > 59 || seconds > 60 || all > DAY_MICROS {
        return Err(Fault::Range);
    }
    parts.time = Some(all);
    Ok(())
}

/// `1999-01-08`, `1/8/1999`, `08-Jan-1999`, `1997.041`.
fn separated(
    reader: &mut Reader<'_>,
    parts: &mut Parts,
    first: &str,
    separator: char,
    context: &Context,
) -> Found<()> {
    reader.skip(separator);
    let second = reader.take_while(|c| c.is_ascii_alphanumeric());
    let third = if reader.skip(separator) {
        let mut third = reader.digits();
        if third.is_empty() {
            third = reader.take_while(|c| c.is_ascii_alphabetic());
        }
        third
    } else {
        ""
    };
    if reader.peek() == Some('t') && reader.rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
        reader.rest = &reader.rest[1..];
    }
    if third.is_empty() {
        // The year and the day in it.
        if first.len() >= 4 && second.len() == 3 && second.bytes().all(|b| b.is_ascii_digit()) {
            let (year, day) = (number(first)?, number(second)?);
            if !(1..=366).contains(&day) {
                return Err(Fault::Range);
            }
            parts.date = Some(days_of(year, 1, 1) + day - 1);
            return Ok(());
        }
        return Err(Fault::Syntax);
    }
    for field in [first, second, third] {
        if let Some(month) = month_named(field) {
            parts.month = Some(month);
            parts.month_last = parts.numbers.len() == 2;
        } else {
            parts.numbers.push((number(field)?, field.len()));
        }
    }
    if parts.month_last && context.order != Order::Ymd {
        return Err(Fault::Syntax);
    }
    Ok(())
}

fn word(reader: &mut Reader<'_>, parts: &mut Parts, context: &Context) -> Found<()> {
    let before = reader.rest;
    let word = reader.take_while(|c| c.is_ascii_alphabetic());
    if let Some(month) = month_named(word) {
        parts.month = Some(month);
        reader.skip('.');
        return Ok(());
    }
    match word {
        "t" if reader.peek().is_some_and(|c| c.is_ascii_digit()) => return Ok(()),
        "j" if reader.peek().is_some_and(|c| c.is_ascii_digit()) => {
            let days = number(reader.digits())?;
            parts.date = Some(days - JULIAN_EPOCH_DAYS);
            return Ok(());
        }
        "am" | "pm" => {
            parts.afternoon = Some(word == "pm");
            return Ok(());
        }
        "ad" => return Ok(()),
        "bc" => {
            parts.before_christ = true;
            return Ok(());
        }
        "at" | "on" | "dst" => return Ok(()),
        "epoch" => return special(parts, Special::Epoch),
        "infinity" | "inf" => return special(parts, Special::Infinity),
        "now" => return special(parts, Special::Now),
        "today" | "tomorrow" | "yesterday" => {
            let today = local(context.now, context.zone).div_euclid(DAY_MICROS);
            parts.date = Some(match word {
                "tomorrow" => today + 1,
                "yesterday" => today - 1,
                _ => today,
            });
            return Ok(());
        }
        "allballs" => {
            parts.time = Some(0);
            parts.zone = Some(Zone::Offset(0));
            return Ok(());
        }
        _ => {}
    }
    if is_weekday(word) {
        return Ok(());
    }
    // A zone may hold signs and digits: `America/Port-au-Prince`, `Etc/GMT+5`.
    let is_path = reader.rest.starts_with(['/', '_']);
    let name = if is_path {
        let more = reader.take_while(|c| c.is_ascii_alphanumeric() || "/_+-".contains(c));
        &before[..word.len() + more.len()]
    } else {
        word
    };
    if !is_path && let Some(seconds) = abbreviation(name) {
        parts.zone = Some(Zone::Offset(seconds));
        return Ok(());
    }
    match zone_named(name) {
        Some(zone) => {
            parts.zone = Some(Zone::Named(zone));
            Ok(())
        }
        None if is_path => Err(Fault::Zone(name.to_owned())),
        None => Err(Fault::Syntax),
    }
}

fn special(parts: &mut Parts, special: Special) -> Found<()> {
    parts.special = Some(special);
    Ok(())
}

/// Two digits of a year: 1970 to 2069.
pub fn windowed(year: i64) -> i64 {
    if year < 70 { year + 2000 } else { year + 1900 }
}

/// Finds out which number is what, and applies BC and PM.
fn settle(parts: &mut Parts, order: Order) -> Found<()> {
    let numbers = std::mem::take(&mut parts.numbers);
    let year_of = |(value, digits): (i64, usize), before_christ: bool| {
        if digits <= 2 && !before_christ {
            windowed(value)
        } else {
            value
        }
    };
    let bc = parts.before_christ;
    match (parts.month, numbers.as_slice()) {
        (None, []) => {
            if bc && let Some(days) = parts.date {
                let (year, month, day) = super::civil::ymd_of(days);
                parts.date = None;
                set_date(parts, 1 - year, month, day)?;
            }
        }
        (Some(month), [a, b]) => {
            let (day, year) = if a.1 >= 3 || (order == Order::Ymd && b.1 <= 2) {
                (b.0, *a)
            } else {
                (a.0, *b)
            };
            let year = astronomical(year_of(year, bc), bc)?;
            set_date(parts, year, month, day)?;
        }
        (None, [a, b, c]) => {
            let (year, month, day) = if a.1 >= 3 || order == Order::Ymd {
                (*a, b.0, c.0)
            } else if order == Order::Dmy {
                (*c, b.0, a.0)
            } else {
                (*c, a.0, b.0)
            };
            let year = astronomical(year_of(year, bc), bc)?;
            set_date(parts, year, month, day)?;
        }
        _ => return Err(Fault::Syntax),
    }
    if let (Some(afternoon), Some(time)) = (parts.afternoon, parts.time) {
        let hour = time / HOUR_MICROS;
        let earliest = i64::from(afternoon);
        if !(earliest..=12).contains(&hour) {
            return Err(Fault::Range);
        }
        let twelve = 12 * HOUR_MICROS;
        parts.time = Some(match (hour, afternoon) {
            (12, false) => time - twelve,
            (12, true) => time,
            (_, true) => time + twelve,
            _ => time,
        });
    }
    Ok(())
}

fn astronomical(year: i64, before_christ: bool) -> Found<i64> {
    if year == 0 {
        return Err(Fault::Range);
    }
    Ok(if before_christ { 1 - year } else { year })
}

fn set_date(parts: &mut Parts, year: i64, month: i64, day: i64) -> Found<()> {
    if parts.date.is_some() {
        return Err(Fault::Syntax);
    }
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) || year > 10_000_000 {
        return Err(Fault::Range);
    }
    parts.date = Some(days_of(year, month, day));
    Ok(())
}
