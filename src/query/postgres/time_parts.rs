//! Units of dates, times and intervals: `extract`'s parts and `date_trunc`'s beginnings.

use datafusion::common::{Result, ScalarValue};

use super::civil::{
    DAY_MICROS, HOUR_MICROS, JULIAN_EPOCH_DAYS, MINUTE_MICROS, SECOND_MICROS, day_of_year, days_of,
    iso_week, iso_weekday, ymd_of,
};
use super::datetime_in::local;
use super::function::Row;
use super::interval_in::Interval;
use crate::query::{QueryError, QueryErrorKind as Kind};

/// Millionths of a field, at a scale.
pub(super) fn numeric(millionths: Option<i128>, scale: i8) -> Result<ScalarValue> {
    let value = millionths.map(|value| value / 10_i128.pow(6 - u32::from(scale.unsigned_abs())));
    Ok(ScalarValue::Decimal128(value, 38, scale))
}

fn unknown_unit(unit: &str, kind: &str) -> QueryError {
    QueryError::new(
        Kind::InvalidParameter,
        format!("unit \"{unit}\" not recognized for type {kind}"),
    )
}

fn unsupported_unit(unit: &str, kind: &str) -> QueryError {
    QueryError::new(
        Kind::FeatureNotSupported,
        format!("unit \"{unit}\" not supported for type {kind}"),
    )
}

/// The one name of a unit.
pub fn unit(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" => "microseconds",
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" => "milliseconds",
        "second" | "seconds" | "s" | "sec" | "secs" => "second",
        "minute" | "minutes" | "m" | "min" | "mins" => "minute",
        "hour" | "hours" | "h" | "hr" | "hrs" => "hour",
        "day" | "days" | "d" => "day",
        "week" | "weeks" | "w" => "week",
        "month" | "months" | "mon" | "mons" => "month",
        "quarter" | "qtr" => "quarter",
        "year" | "years" | "y" | "yr" | "yrs" => "year",
        "decade" | "decades" | "dec" | "decs" => "decade",
        "century" | "centuries" | "c" | "cent" => "century",
        "millennium" | "millennia" | "mil" | "mils" => "millennium",
        "dow" => "dow",
        "isodow" => "isodow",
        "doy" => "doy",
        "isoyear" => "isoyear",
        "epoch" => "epoch",
        "julian" | "j" => "julian",
        "timezone" | "tz" => "timezone",
        "timezone_hour" | "timezone_h" => "timezone_hour",
        "timezone_minute" | "timezone_m" => "timezone_minute",
        _ => return None,
    })
}

const MILLION: i128 = 1_000_000;

/// A unit of a date or timestamp in millionths; None for what an infinity has none of.
pub(super) fn part_of(row: &Row<'_>, zoned: bool) -> Result<Option<i128>> {
    let name = row.text(0);
    let is_date = matches!(row.kind(1), arrow::datatypes::DataType::Date32);
    let kind = match (is_date, zoned) {
        (true, _) => "date",
        (_, true) => "timestamp with time zone",
        _ => "timestamp without time zone",
    };
    let unit = unit(name).ok_or_else(|| unknown_unit(name, kind))?;
    let time_units = ["microseconds", "milliseconds", "second", "minute", "hour"];
    let zone_units = ["timezone", "timezone_hour", "timezone_minute"];
    if (is_date && time_units.contains(&unit)) || (!zoned && zone_units.contains(&unit)) {
        return Err(unsupported_unit(name, kind).into());
    }
    let instant = if is_date {
        match row.date(1) {
            i32::MAX | i32::MIN => return Ok(None),
            days => i64::from(days) * DAY_MICROS,
        }
    } else {
        row.micros(1)
    };
    if matches!(instant, i64::MAX | i64::MIN) {
        return Ok(None);
    }
    let clock = if zoned {
        local(instant, row.context.zone)
    } else {
        instant
    };
    if unit == "epoch" {
        return Ok(Some(i128::from(if zoned { instant } else { clock })));
    }
    let offset = (clock - instant) / SECOND_MICROS;
    let time = clock.rem_euclid(DAY_MICROS);
    let days = clock.div_euclid(DAY_MICROS);
    if unit == "julian" {
        let whole = i128::from(days + JULIAN_EPOCH_DAYS) * MILLION;
        return Ok(Some(
            whole + i128::from(time) * MILLION / i128::from(DAY_MICROS),
        ));
    }
    if let Some(value) = clock_part(unit, time) {
        return Ok(Some(value));
    }
    Ok(Some(
        MILLION
            * i128::from(match unit {
                "timezone" => offset,
                "timezone_hour" => offset / 3600,
                "timezone_minute" => offset / 60 % 60,
                unit => calendar_part(unit, days),
            }),
    ))
}

fn clock_part(unit: &str, time: i64) -> Option<i128> {
    let seconds = i128::from(time % MINUTE_MICROS);
    Some(match unit {
        "microseconds" => seconds * MILLION,
        "milliseconds" => seconds * 1000,
        "second" => seconds,
        "minute" => i128::from(time / MINUTE_MICROS % 60) * MILLION,
        "hour" => i128::from(time / HOUR_MICROS) * MILLION,
        _ => return None,
    })
}

pub(super) fn calendar_part(unit: &str, days: i64) -> i64 {
    let (year, month, day) = ymd_of(days);
    // Postgres has no year 0.
    let shown = if year > 0 { year } else { year - 1 };
    match unit {
        "day" => day,
        "week" => iso_week(days).1,
        "month" => month,
        "quarter" => (month + 2) / 3,
        "year" => shown,
        "decade" => year.div_euclid(10),
        "century" => {
            if shown > 0 {
                (shown + 99) / 100
            } else {
                -((99 - shown) / 100)
            }
        }
        "millennium" => {
            if shown > 0 {
                (shown + 999) / 1000
            } else {
                -((999 - shown) / 1000)
            }
        }
        "dow" => iso_weekday(days) % 7,
        "isodow" => iso_weekday(days),
        "doy" => day_of_year(days),
        "isoyear" => {
            let year = iso_week(days).0;
            if year > 0 { year } else { year - 1 }
        }
        _ => 0,
    }
}

pub(super) fn time_part(row: &Row<'_>) -> Result<Option<i128>> {
    let (name, kind) = (row.text(0), "time without time zone");
    let unit = unit(name).ok_or_else(|| unknown_unit(name, kind))?;
    if unit == "epoch" {
        return Ok(Some(i128::from(row.time(1))));
    }
    match clock_part(unit, row.time(1)) {
        Some(value) => Ok(Some(value)),
        None => Err(unsupported_unit(name, kind).into()),
    }
}

pub(super) fn span_part(row: &Row<'_>) -> Result<Option<i128>> {
    let (name, kind) = (row.text(0), "interval");
    let unit = unit(name).ok_or_else(|| unknown_unit(name, kind))?;
    let value = row.interval(1);
    let whole = |value: i64| Ok(Some(i128::from(value) * MILLION));
    match unit {
        "epoch" => {
            // A year is 365.25 days here, a month 30.
            let years = i128::from(value.months / 12) * 31_557_600 * MILLION;
            let months = i128::from(value.months % 12) * 30 * 86_400 * MILLION;
            Ok(Some(
                years
                    + months
                    + i128::from(value.days) * 86_400 * MILLION
                    + i128::from(value.micros),
            ))
        }
        "microseconds" => Ok(Some(i128::from(value.micros % MINUTE_MICROS) * MILLION)),
        "milliseconds" => Ok(Some(i128::from(value.micros % MINUTE_MICROS) * 1000)),
        "second" => Ok(Some(i128::from(value.micros % MINUTE_MICROS))),
        "minute" => whole(value.micros / MINUTE_MICROS % 60),
        "hour" => whole(value.micros / HOUR_MICROS),
        "day" => whole(value.days),
        "month" => whole(value.months % 12),
        "quarter" => whole(value.months % 12 / 3 + 1),
        "year" => whole(value.months / 12),
        "decade" => whole(value.months / 120),
        "century" => whole(value.months / 1200),
        "millennium" => whole(value.months / 12_000),
        _ => Err(unsupported_unit(name, kind).into()),
    }
}

pub(super) fn truncated(name: &str, micros: i64) -> Result<i64> {
    if matches!(micros, i64::MAX | i64::MIN) {
        return Ok(micros);
    }
    let kind = "timestamp without time zone";
    let unit = unit(name).ok_or_else(|| unknown_unit(name, kind))?;
    let to = |size: i64| micros - micros.rem_euclid(size);
    let days = micros.div_euclid(DAY_MICROS);
    let (year, month, _) = ymd_of(days);
    let first = |year: i64, month: i64| days_of(year, month, 1) * DAY_MICROS;
    Ok(match unit {
        "microseconds" => micros,
        "milliseconds" => to(1000),
        "second" => to(SECOND_MICROS),
        "minute" => to(MINUTE_MICROS),
        "hour" => to(HOUR_MICROS),
        "day" => to(DAY_MICROS),
        "week" => (days - iso_weekday(days) + 1) * DAY_MICROS,
        "month" => first(year, month),
        "quarter" => first(year, (month - 1) / 3 * 3 + 1),
        "year" => first(year, 1),
        "decade" => first(year.div_euclid(10) * 10, 1),
        "century" => first((year - 1).div_euclid(100) * 100 + 1, 1),
        "millennium" => first((year - 1).div_euclid(1000) * 1000 + 1, 1),
        _ => return Err(unsupported_unit(name, kind).into()),
    })
}

pub(super) fn truncated_span(name: &str, value: Interval) -> Result<Interval> {
    let unit = unit(name).ok_or_else(|| unknown_unit(name, "interval"))?;
    let months = |size: i64| Interval {
        months: value.months / size * size,
        days: 0,
        micros: 0,
    };
    let micros = |size: i64| Interval {
        micros: value.micros / size * size,
        ..value
    };
    Ok(match unit {
        "microseconds" => value,
        "milliseconds" => micros(1000),
        "second" => micros(SECOND_MICROS),
        "minute" => micros(MINUTE_MICROS),
        "hour" => micros(HOUR_MICROS),
        "day" => Interval { micros: 0, ..value },
        "month" => months(1),
        "quarter" => months(3),
        "year" => months(12),
        "decade" => months(120),
        "century" => months(1200),
        "millennium" => months(12_000),
        _ => return Err(unsupported_unit(name, "interval").into()),
    })
}
