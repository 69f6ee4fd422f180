//! Intervals as people write them: `1 day 2 hours ago`, `1-2`, `P1Y2M`, `01:02:03`.

use crate::query::{QueryError, QueryErrorKind as Kind};

use super::civil::{DAY_MICROS, HOUR_MICROS, MINUTE_MICROS, SECOND_MICROS};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    pub months: i64,
    pub days: i64,
    pub micros: i64,
}

/// The unit that a number without one is of, from `interval '5' day`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

fn syntax(text: &str) -> QueryError {
    QueryError::new(
        Kind::DatetimeInvalid,
        format!("invalid input syntax for type interval: \"{text}\""),
    )
}

fn range(text: &str) -> QueryError {
    QueryError::new(
        Kind::State("22008"),
        format!("interval field value out of range: \"{text}\""),
    )
}

/// Sums in floating point as Postgres does for fractions, exactly for whole numbers.
#[derive(Default)]
struct Sum {
    months: i64,
    days: i64,
    micros: i64,
    seen: Vec<&'static str>,
}

impl Sum {
    fn add(&mut self, value: &Number, unit: &str) -> Option<()> {
        let name = canonical(unit)?;
        if self.seen.contains(&name) {
            return None;
        }
        self.seen.push(name);
        match name {
            "millennium" => self.add_months(value, 12_000),
            "century" => self.add_months(value, 1200),
            "decade" => self.add_months(value, 120),
            "year" => self.add_months(value, 12),
            "month" => {
                self.months = self.months.checked_add(value.whole)?;
                self.add_days(value.fraction * 30.0)
            }
            "week" => {
                self.days = self.days.checked_add(value.whole.checked_mul(7)?)?;
                self.add_days(value.fraction * 7.0)
            }
            "day" => {
                self.days = self.days.checked_add(value.whole)?;
                self.add_micros(value.fraction * DAY_MICROS as f64)
            }
            "hour" => self.add_time(value, HOUR_MICROS),
            "minute" => self.add_time(value, MINUTE_MICROS),
            "second" => self.add_time(value, SECOND_MICROS),
            "millisecond" => self.add_time(value, 1000),
            _ => self.add_time(value, 1),
        }
    }

    fn add_months(&mut self, value: &Number, months: i64) -> Option<()> {
        self.months = self.months.checked_add(value.whole.checked_mul(months)?)?;
        self.months = self
            .months
            .checked_add((value.fraction * months as f64).round_ties_even() as i64)?;
        Some(())
    }

    fn add_days(&mut self, days: f64) -> Option<()> {
        self.days = self.days.checked_add(days.trunc() as i64)?;
        self.add_micros((days - days.trunc()) * DAY_MICROS as f64)
    }

    fn add_micros(&mut self, micros: f64) -> Option<()> {
        self.micros = self.micros.checked_add(micros.round_ties_even() as i64)?;
        Some(())
    }

    fn add_time(&mut self, value: &Number, unit: i64) -> Option<()> {
        self.micros = self.micros.checked_add(value.whole.checked_mul(unit)?)?;
        self.add_micros(value.fraction * unit as f64)
    }
}

struct Number {
    whole: i64,
    /// With the number's sign.
    fraction: f64,
}

fn number(text: &str) -> Option<Number> {
    let negative = text.starts_with('-');
    let bare = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let sign = if negative { -1 } else { 1 };
    let whole: i64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let fraction: f64 = if fraction.is_empty() {
        0.0
    } else {
        format!("0.{fraction}").parse().ok()?
    };
    Some(Number {
        whole: whole * sign,
        fraction: fraction * sign as f64,
    })
}

fn canonical(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "millennium" | "millennia" | "mil" | "mils" | "millenniums" => "millennium",
        "century" | "centuries" | "c" | "cent" => "century",
        "decade" | "decades" | "dec" | "decs" => "decade",
        "year" | "years" | "y" | "yr" | "yrs" => "year",
        "month" | "months" | "mon" | "mons" => "month",
        "week" | "weeks" | "w" => "week",
        "day" | "days" | "d" => "day",
        "hour" | "hours" | "h" | "hr" | "hrs" => "hour",
        "minute" | "minutes" | "m" | "min" | "mins" => "minute",
        "second" | "seconds" | "s" | "sec" | "secs" => "second",
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" | "mseconds" => "millisecond",
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" | "useconds" => "microsecond",
        _ => return None,
    })
}

/// Reads an interval. `unit` is what a lone number counts.
pub fn interval(text: &str, unit: Option<Unit>) -> Result<Interval, QueryError> {
    if text.len() > 256 {
        return Err(syntax(text));
    }
    let lower = text.trim().to_ascii_lowercase();
    if lower.is_empty() {
        return Err(syntax(text));
    }
    let sum = if let Some(iso) = lower.strip_prefix('p') {
        iso_8601(iso)
    } else {
        words(&lower, unit)
    };
    let sum = sum.ok_or_else(|| syntax(text))?;
    let fits = i32::try_from(sum.months).is_ok() && i32::try_from(sum.days).is_ok();
    // Nanoseconds carry an interval's time here: 292 years of it.
    if !fits || sum.micros.checked_mul(1000).is_none() {
        return Err(range(text));
    }
    Ok(Interval {
        months: sum.months,
        days: sum.days,
        micros: sum.micros,
    })
}

fn words(text: &str, unit: Option<Unit>) -> Option<Sum> {
    let mut sum = Sum::default();
    let spaced = spaced(text);
    let mut tokens = spaced.split_whitespace().peekable();
    let mut ago = false;
    let mut any = false;
    while let Some(token) = tokens.next() {
        if token == "@" {
            continue;
        }
        if token == "ago" {
            ago = true;
            if tokens.peek().is_some() {
                return None;
            }
            break;
        }
        any = true;
        if token.contains(':') {
            add_clock(&mut sum, token, unit)?;
            continue;
        }
        let bare = token.strip_prefix(['-', '+']).unwrap_or(token);
        if let Some((years, months)) = bare.split_once('-') {
            let months_total = years.parse::<i64>().ok()? * 12 + months.parse::<i64>().ok()?;
            let sign = if token.starts_with('-') { -1 } else { 1 };
            sum.months = sum.months.checked_add(sign * months_total)?;
            continue;
        }
        let value = number(token)?;
        match tokens.peek() {
            Some(word) if canonical(word).is_some() => {
                let word = tokens.next()?;
                sum.add(&value, word)?;
            }
            // `1 02:03:04` and `1-2 3 4:05:06`: a bare number before a clock counts days.
            Some(next) if next.contains(':') => sum.add(&value, "day")?,
            None => sum.add(&value, unit_name(unit))?,
            _ => return None,
        }
    }
    if !any {
        return None;
    }
    if ago {
        sum.months = -sum.months;
        sum.days = -sum.days;
        sum.micros = -sum.micros;
    }
    Some(sum)
}

fn unit_name(unit: Option<Unit>) -> &'static str {
    match unit {
        Some(Unit::Year) => "year",
        Some(Unit::Month) => "month",
        Some(Unit::Day) => "day",
        Some(Unit::Hour) => "hour",
        Some(Unit::Minute) => "minute",
        Some(Unit::Second) | None => "second",
    }
}

/// A space between a number and the unit that is written to it: `1d 2h`; commas as spaces.
fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut last = ' ';
    for c in text.chars() {
        let c = if c == ',' { ' ' } else { c };
        if (c.is_ascii_alphabetic() && (last.is_ascii_digit() || last == '.'))
            || (c.is_ascii_digit() && last.is_ascii_alphabetic())
        {
            out.push(' ');
        }
        // A sign stands with the number behind it.
        if c == ' ' && matches!(last, '+' | '-') {
            continue;
        }
        out.push(c);
        last = c;
    }
    out
}

/// `h:m`, `h:m:s`, or `m:s.f`.
fn add_clock(sum: &mut Sum, token: &str, unit: Option<Unit>) -> Option<()> {
    let negative = token.starts_with('-');
    let bare = token.strip_prefix(['-', '+']).unwrap_or(token);
    let parts: Vec<&str> = bare.split(':').collect();
    let whole = |text: &str| -> Option<i64> {
        text.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse().ok())?
    };
    let seconds = |text: &str| -> Option<i64> {
        let value = number(text)?;
        let fraction = (value.fraction * SECOND_MICROS as f64).round_ties_even() as i64;
        value
            .whole
            .checked_mul(SECOND_MICROS)?
            .checked_add(fraction)
    };
    let micros = match parts.as_slice() {
        [hours, minutes, rest] => {
            let minutes = whole(minutes)?;
            if minutes > 59 {
                return None;
            }
            whole(hours)?.checked_mul(HOUR_MICROS)? + minutes * MINUTE_MICROS + seconds(rest)?
        }
        [minutes, rest] if rest.contains('.') || unit == Some(Unit::Second) => {
            whole(minutes)?.checked_mul(MINUTE_MICROS)? + seconds(rest)?
        }
        [hours, minutes] => {
            let minutes = whole(minutes)?;
            if minutes > 59 {
                return None;
            }
            whole(hours)?.checked_mul(HOUR_MICROS)? + minutes * MINUTE_MICROS
        }
        _ => return None,
    };
    sum.micros = sum
        .micros
        .checked_add(if negative { -micros } else { micros })?;
    Some(())
}

/// What stands behind the P.
fn iso_8601(text: &str) -> Option<Sum> {
    let mut sum = Sum::default();
    let (date, time) = text.split_once('t').unwrap_or((text, ""));
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let is_clock = time.contains(':');
    let dashed = date.get(1..).is_some_and(|rest| rest.contains('-'))
        && !date.ends_with(|c: char| c.is_ascii_alphabetic());
    if dashed {
        let fields: Vec<i64> = date
            .split('-')
            .map(|f| f.parse().ok())
            .collect::<Option<_>>()?;
        let [years, months, days] = fields[..] else {
            return None;
        };
        sum.months = years * 12 + months;
        sum.days = days;
    } else {
        designated(
            &mut sum,
            date,
            &[('y', "year"), ('m', "month"), ('w', "week"), ('d', "day")],
        )?;
    }
    if is_clock {
        add_clock(&mut sum, time, None)?;
    } else {
        designated(
            &mut sum,
            time,
            &[('h', "hour"), ('m', "minute"), ('s', "second")],
        )?;
    }
    Some(sum)
}

fn designated(sum: &mut Sum, text: &str, units: &[(char, &str)]) -> Option<()> {
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let letter = rest[end..].chars().next()?;
        let (_, unit) = units.iter().find(|(c, _)| *c == letter)?;
        let value = number(&rest[..end])?;
        sum.add(&value, unit)?;
        rest = &rest[end + 1..];
    }
    Some(())
}
