//! Arithmetic with intervals, times and dates, as Postgres has it: days are not 24 hours, months
//! are 30 days only where they are compared or cut.

use std::sync::LazyLock;

use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ScalarUDF;

use super::civil::DAY_MICROS;
use super::function::{Function, Overload, T, interval, on, refuse};
use super::interval_in::Interval;
use crate::query::QueryErrorKind as Kind;

macro_rules! functions {
    ($($name:ident = $text:literal, $overloads:expr;)*) => {
        $(pub fn $name() -> ScalarUDF {
            static FUNCTION: LazyLock<ScalarUDF> = LazyLock::new(|| {
                const OVERLOADS: &[Overload] = $overloads;
                Function::new(&[$text], OVERLOADS).build()
            });
            FUNCTION.clone()
        })*
    };
}

functions! {
    key = "interval_key", &[on(&[T::Interval], T::Numeric(0), |row| {
        Ok(ScalarValue::Decimal128(Some(total(row.interval(0))), 38, 0))
    })];
    scaled = "interval_mul", &[on(&[T::Interval, T::Float8], T::Interval, |row| {
        interval(times(row.interval(0), row.float(1))?)
    })];
    divided = "interval_div", &[on(&[T::Interval, T::Float8], T::Interval, |row| {
        if row.float(1) == 0.0 {
            return refuse(Kind::DivisionByZero, "division by zero");
        }
        interval(times(row.interval(0), 1.0 / row.float(1))?)
    })];
    difference = "timestamp_mi", &[
        on(&[T::Timestamp, T::Timestamp], T::Interval, |row| between(row.micros(0), row.micros(1))),
        on(&[T::TimestampTz, T::TimestampTz], T::Interval, |row| between(row.micros(0), row.micros(1))),
    ];
    time_difference = "time_mi_time", &[on(&[T::Time, T::Time], T::Interval, |row| {
        interval(Interval { months: 0, days: 0, micros: row.time(0) - row.time(1) })
    })];
    time_of = "interval_time", &[on(&[T::Interval], T::Time, |row| {
        Ok(ScalarValue::Time64Microsecond(Some(row.interval(0).micros.rem_euclid(DAY_MICROS))))
    })];
    of_time = "time_interval", &[on(&[T::Time], T::Interval, |row| {
        interval(Interval { months: 0, days: 0, micros: row.time(0) })
    })];
    plus = "interval_pl", &[on(&[T::Interval, T::Interval], T::Interval, |row| added(row.interval(0), row.interval(1), 1))];
    minus = "interval_mi", &[on(&[T::Interval, T::Interval], T::Interval, |row| added(row.interval(0), row.interval(1), -1))];
    later = "time_pl_interval", &[on(&[T::Time, T::Interval], T::Time, |row| time_moved(row.time(0), row.interval(1).micros))];
    earlier = "time_mi_interval", &[on(&[T::Time, T::Interval], T::Time, |row| time_moved(row.time(0), -row.interval(1).micros))];
    days_later = "date_pli", &[on(&[T::Date, T::Int4], T::Date, |row| date_moved(row.date(0), row.int(1)))];
    days_earlier = "date_mii", &[on(&[T::Date, T::Int4], T::Date, |row| date_moved(row.date(0), -row.int(1)))];
}

pub fn sum(negative: bool) -> ScalarUDF {
    if negative { minus() } else { plus() }
}

pub fn time_shift(negative: bool) -> ScalarUDF {
    if negative { earlier() } else { later() }
}

pub fn date_shift(negative: bool) -> ScalarUDF {
    if negative {
        days_earlier()
    } else {
        days_later()
    }
}

/// Microseconds, a month being 30 days: how Postgres compares intervals.
pub fn total(value: Interval) -> i128 {
    (i128::from(value.months) * 30 + i128::from(value.days)) * i128::from(DAY_MICROS)
        + i128::from(value.micros)
}

fn added(left: Interval, right: Interval, sign: i64) -> Result<ScalarValue> {
    interval(Interval {
        months: left.months + sign * right.months,
        days: left.days + sign * right.days,
        micros: left.micros.saturating_add(sign * right.micros),
    })
}

fn between(later: i64, earlier: i64) -> Result<ScalarValue> {
    let Some(micros) = later.checked_sub(earlier) else {
        return refuse(Kind::State("22008"), "interval out of range");
    };
    interval(Interval {
        months: 0,
        days: micros / DAY_MICROS,
        micros: micros % DAY_MICROS,
    })
}

fn time_moved(time: i64, micros: i64) -> Result<ScalarValue> {
    Ok(ScalarValue::Time64Microsecond(Some(
        (time + micros).rem_euclid(DAY_MICROS),
    )))
}

fn date_moved(date: i32, days: i64) -> Result<ScalarValue> {
    if matches!(date, i32::MAX | i32::MIN) {
        return Ok(ScalarValue::Date32(Some(date)));
    }
    let moved = i64::from(date) + days;
    match i32::try_from(moved) {
        Ok(moved) if (-2_451_545 - 10_957..=2_145_042_541).contains(&i64::from(moved)) => {
            Ok(ScalarValue::Date32(Some(moved)))
        }
        _ => refuse(Kind::State("22008"), "date out of range"),
    }
}

/// Parts of a month become days, parts of a day time, as Postgres spills them over.
fn times(value: Interval, factor: f64) -> Result<Interval> {
    let months = value.months as f64 * factor;
    let days = value.days as f64 * factor;
    if !months.is_finite() || !days.is_finite() || months.abs() > 2e9 || days.abs() > 2e9 {
        return refuse(Kind::State("22008"), "interval out of range");
    }
    let whole_months = months.trunc();
    let whole_days = days.trunc();
    let round = |x: f64| (x * 1e6).round_ties_even() / 1e6;
    let month_days = round((months - whole_months) * 30.0);
    let mut day_part = (days - whole_days) + month_days - month_days.trunc();
    let mut all_days = whole_days + month_days.trunc();
    day_part = round(day_part);
    if day_part.abs() >= 1.0 {
        all_days += day_part.trunc();
        day_part -= day_part.trunc();
    }
    let micros = value.micros as f64 * factor + day_part * DAY_MICROS as f64;
    if micros.abs() > 9e18 {
        return refuse(Kind::State("22008"), "interval out of range");
    }
    Ok(Interval {
        months: whole_months as i64,
        days: all_days as i64,
        micros: micros.round_ties_even() as i64,
    })
}
