//! Functions of dates, times and intervals.

use datafusion::common::{Result, ScalarValue};

use super::civil::{
    DAY_MICROS, HOUR_MICROS, JULIAN_EPOCH_DAYS, MINUTE_MICROS, SECOND_MICROS, add_months,
    day_of_year, days_in, days_of, iso_week, iso_weekday, ymd_of,
};
use super::datetime_in::{instant, local, zone_named};
use super::function::{
    Function, Overload, Row, T, boolean, float8, interval, null, on, refuse, timestamp, timestamptz,
};
use super::interval_in::Interval;
use super::times_columns;
use crate::query::{QueryError, QueryErrorKind as Kind};

pub fn all() -> Vec<Function> {
    vec![
        Function::new(&["date_part"], PART),
        Function::new(&["frazil_extract"], EXTRACT).by_column(times_columns::extract),
        Function::new(&["frazil_extract_ms"], EXTRACT_MS),
        Function::new(&["frazil_extract_us"], EXTRACT_US),
        Function::new(&["frazil_date_trunc"], TRUNC).by_column(times_columns::truncate),
        Function::new(&["age"], AGE),
        Function::new(
            &["justify_days"],
            [on(&[T::Interval], T::Interval, |row| {
                interval(justify_days(row.interval(0)))
            })],
        ),
        Function::new(
            &["justify_hours"],
            [on(&[T::Interval], T::Interval, |row| {
                interval(justify_hours(row.interval(0)))
            })],
        ),
        Function::new(
            &["justify_interval"],
            [on(&[T::Interval], T::Interval, |row| {
                interval(justify_interval(row.interval(0)))
            })],
        ),
        Function::new(
            &["make_date"],
            [on(&[T::Int4, T::Int4, T::Int4], T::Date, |row| {
                let days = made_date(row.int(0), row.int(1), row.int(2))?;
                Ok(ScalarValue::Date32(i32::try_from(days).ok()))
            })],
        ),
        Function::new(
            &["make_time"],
            [on(&[T::Int4, T::Int4, T::Float8], T::Time, |row| {
                Ok(ScalarValue::Time64Microsecond(Some(made_time(
                    row.int(0),
                    row.int(1),
                    row.float(2),
                )?)))
            })],
        ),
        Function::new(
            &["make_timestamp"],
            [on(MAKE, T::Timestamp, |row| timestamp(made(row)?))],
        ),
        Function::new(
            &["make_timestamptz"],
            [
                on(MAKE, T::TimestampTz, |row| {
                    timestamptz(instant(made(row)?, row.context.zone))
                }),
                on(
                    &[
                        T::Int4,
                        T::Int4,
                        T::Int4,
                        T::Int4,
                        T::Int4,
                        T::Float8,
                        T::Text,
                    ],
                    T::TimestampTz,
                    |row| timestamptz(instant(made(row)?, zone(row.text(6))?)),
                ),
            ],
        ),
        Function::new(&["make_interval"], INTERVAL),
        Function::new(
            &["isfinite"],
            [
                on(&[T::Date], T::Bool, |row| {
                    boolean(!matches!(row.date(0), i32::MAX | i32::MIN))
                }),
                on(&[T::Timestamp], T::Bool, |row| {
                    boolean(!matches!(row.micros(0), i64::MAX | i64::MIN))
                }),
                on(&[T::TimestampTz], T::Bool, |row| {
                    boolean(!matches!(row.micros(0), i64::MAX | i64::MIN))
                }),
                on(&[T::Interval], T::Bool, |_| boolean(true)),
            ],
        ),
        Function::new(
            &["date_bin"],
            [
                on(
                    &[T::Interval, T::Timestamp, T::Timestamp],
                    T::Timestamp,
                    |row| timestamp(bin(row)?),
                ),
                on(
                    &[T::Interval, T::TimestampTz, T::TimestampTz],
                    T::TimestampTz,
                    |row| timestamptz(bin(row)?),
                ),
            ],
        ),
        Function::new(
            &["to_timestamp"],
            [
                on(&[T::Float8], T::TimestampTz, |row| {
                    timestamptz((row.float(0) * 1e6).round_ties_even() as i64)
                }),
                on(&[T::Text, T::Text], T::TimestampTz, |row| {
                    let clock = super::from_char::moment(row.text(0), row.text(1))?;
                    match clock.zone {
                        Some(seconds) => timestamptz(clock.micros - seconds * SECOND_MICROS),
                        None => timestamptz(instant(clock.micros, row.context.zone)),
                    }
                }),
            ],
        ),
        Function::new(
            &["to_date"],
            [on(&[T::Text, T::Text], T::Date, |row| {
                let days = super::from_char::moment(row.text(0), row.text(1))?
                    .micros
                    .div_euclid(DAY_MICROS);
                Ok(ScalarValue::Date32(i32::try_from(days).ok()))
            })],
        ),
        Function::new(
            &["to_number"],
            [on(&[T::Text, T::Text], T::Numeric(10), |row| {
                super::number_format::read(row.text(0), row.text(1))
            })],
        ),
        Function::new(
            &["to_char"],
            [
                on(&[T::Timestamp, T::Text], T::Text, |row| {
                    super::to_char::timestamp(row.micros(0), row.text(1), None)
                }),
                on(&[T::TimestampTz, T::Text], T::Text, |row| {
                    let clock = local(row.micros(0), row.context.zone);
                    super::to_char::timestamp(
                        clock,
                        row.text(1),
                        Some((row.micros(0), row.context.zone)),
                    )
                }),
                on(&[T::Interval, T::Text], T::Text, |row| {
                    super::to_char::span(row.interval(0), row.text(1))
                }),
                on(&[T::Int4, T::Text], T::Text, |row| {
                    super::number_format::whole(row.int(0), row.text(1))
                }),
                on(&[T::Int8, T::Text], T::Text, |row| {
                    super::number_format::whole(row.int(0), row.text(1))
                }),
                on(&[T::Numeric(16), T::Text], T::Text, |row| {
                    super::number_format::numeric(row.numeric(0), row.text(1))
                }),
                on(&[T::Float8, T::Text], T::Text, |row| {
                    super::number_format::double(row.float(0), row.text(1))
                }),
            ],
        ),
        Function::new(&["overlaps"], OVERLAPS),
    ]
}

const MAKE: &[T] = &[T::Int4, T::Int4, T::Int4, T::Int4, T::Int4, T::Float8];

const PART: &[Overload] = &[
    on(&[T::Text, T::Date], T::Float8, |row| {
        part_of(row, false)?.map_or_else(null, |v| float8(v as f64 / 1e6))
    }),
    on(&[T::Text, T::Time], T::Float8, |row| {
        time_part(row)?.map_or_else(null, |v| float8(v as f64 / 1e6))
    }),
    on(&[T::Text, T::Timestamp], T::Float8, |row| {
        part_of(row, false)?.map_or_else(null, |v| float8(v as f64 / 1e6))
    }),
    on(&[T::Text, T::TimestampTz], T::Float8, |row| {
        part_of(row, true)?.map_or_else(null, |v| float8(v as f64 / 1e6))
    }),
    on(&[T::Text, T::Interval], T::Float8, |row| {
        span_part(row)?.map_or_else(null, |v| float8(v as f64 / 1e6))
    }),
];

const EXTRACT: &[Overload] = &[
    on(&[T::Text, T::Date], T::Numeric(0), |row| {
        numeric(part_of(row, false)?, 0)
    }),
    on(&[T::Text, T::Time], T::Numeric(0), |row| {
        numeric(time_part(row)?, 0)
    }),
    on(&[T::Text, T::Timestamp], T::Numeric(0), |row| {
        numeric(part_of(row, false)?, 0)
    }),
    on(&[T::Text, T::TimestampTz], T::Numeric(0), |row| {
        numeric(part_of(row, true)?, 0)
    }),
    on(&[T::Text, T::Interval], T::Numeric(0), |row| {
        numeric(span_part(row)?, 0)
    }),
];

const EXTRACT_MS: &[Overload] = &[
    on(&[T::Text, T::Date], T::Numeric(3), |row| {
        numeric(part_of(row, false)?, 3)
    }),
    on(&[T::Text, T::Time], T::Numeric(3), |row| {
        numeric(time_part(row)?, 3)
    }),
    on(&[T::Text, T::Timestamp], T::Numeric(3), |row| {
        numeric(part_of(row, false)?, 3)
    }),
    on(&[T::Text, T::TimestampTz], T::Numeric(3), |row| {
        numeric(part_of(row, true)?, 3)
    }),
    on(&[T::Text, T::Interval], T::Numeric(3), |row| {
        numeric(span_part(row)?, 3)
    }),
];

const EXTRACT_US: &[Overload] = &[
    on(&[T::Text, T::Date], T::Numeric(0), |row| {
        numeric(part_of(row, false)?, 0)
    }),
    on(&[T::Text, T::Time], T::Numeric(6), |row| {
        numeric(time_part(row)?, 6)
    }),
    on(&[T::Text, T::Timestamp], T::Numeric(6), |row| {
        numeric(part_of(row, false)?, 6)
    }),
    on(&[T::Text, T::TimestampTz], T::Numeric(6), |row| {
        numeric(part_of(row, true)?, 6)
    }),
    on(&[T::Text, T::Interval], T::Numeric(6), |row| {
        numeric(span_part(row)?, 6)
    }),
];

const TRUNC: &[Overload] = &[
    on(&[T::Text, T::Timestamp], T::Timestamp, |row| {
        timestamp(truncated(row.text(0), row.micros(1))?)
    }),
    on(&[T::Text, T::TimestampTz], T::TimestampTz, |row| {
        let zone = row.context.zone;
        timestamptz(instant(
            truncated(row.text(0), local(row.micros(1), zone))?,
            zone,
        ))
    }),
    on(&[T::Text, T::TimestampTz, T::Text], T::TimestampTz, |row| {
        let zone = zone(row.text(2))?;
        timestamptz(instant(
            truncated(row.text(0), local(row.micros(1), zone))?,
            zone,
        ))
    }),
    on(&[T::Text, T::Interval], T::Interval, |row| {
        interval(truncated_span(row.text(0), row.interval(1))?)
    }),
];

const AGE: &[Overload] = &[
    on(&[T::Timestamp, T::Timestamp], T::Interval, |row| {
        interval(age(row.micros(0), row.micros(1)))
    }),
    on(&[T::TimestampTz, T::TimestampTz], T::Interval, |row| {
        let zone = row.context.zone;
        interval(age(local(row.micros(0), zone), local(row.micros(1), zone)))
    }),
];

const INTERVAL: &[Overload] = &[
    on(&[], T::Interval, |_| interval(Interval::default())),
    on(&[T::Int4], T::Interval, made_interval),
    on(&[T::Int4, T::Int4], T::Interval, made_interval),
    on(&[T::Int4, T::Int4, T::Int4], T::Interval, made_interval),
    on(
        &[T::Int4, T::Int4, T::Int4, T::Int4],
        T::Interval,
        made_interval,
    ),
    on(
        &[T::Int4, T::Int4, T::Int4, T::Int4, T::Int4],
        T::Interval,
        made_interval,
    ),
    on(
        &[T::Int4, T::Int4, T::Int4, T::Int4, T::Int4, T::Int4],
        T::Interval,
        made_interval,
    ),
    on(
        &[
            T::Int4,
            T::Int4,
            T::Int4,
            T::Int4,
            T::Int4,
            T::Int4,
            T::Float8,
        ],
        T::Interval,
        made_interval,
    ),
];

const OVERLAPS: &[Overload] = &[
    on(
        &[T::Timestamp, T::Timestamp, T::Timestamp, T::Timestamp],
        T::Bool,
        |row| {
            boolean(overlap(
                row.micros(0),
                row.micros(1),
                row.micros(2),
                row.micros(3),
            ))
        },
    ),
    on(
        &[
            T::TimestampTz,
            T::TimestampTz,
            T::TimestampTz,
            T::TimestampTz,
        ],
        T::Bool,
        |row| {
            boolean(overlap(
                row.micros(0),
                row.micros(1),
                row.micros(2),
                row.micros(3),
            ))
        },
    ),
    on(
        &[T::Timestamp, T::Interval, T::Timestamp, T::Timestamp],
        T::Bool,
        |row| {
            let end = moved(row.micros(0), row.interval(1));
            boolean(overlap(row.micros(0), end, row.micros(2), row.micros(3)))
        },
    ),
    on(
        &[T::Timestamp, T::Interval, T::Timestamp, T::Interval],
        T::Bool,
        |row| {
            let ends = (
                moved(row.micros(0), row.interval(1)),
                moved(row.micros(2), row.interval(3)),
            );
            boolean(overlap(row.micros(0), ends.0, row.micros(2), ends.1))
        },
    ),
    on(&[T::Time, T::Time, T::Time, T::Time], T::Bool, |row| {
        boolean(overlap(row.time(0), row.time(1), row.time(2), row.time(3)))
    }),
];

fn overlap(a: i64, b: i64, c: i64, d: i64) -> bool {
    let (a, b) = (a.min(b), a.max(b));
    let (c, d) = (c.min(d), c.max(d));
    if a == c {
        true
    } else if a < c {
        c < b
    } else {
        a < d
    }
}

/// A wall clock later by an interval.
pub fn moved(micros: i64, by: Interval) -> i64 {
    let days = add_months(micros.div_euclid(DAY_MICROS), by.months) + by.days;
    days * DAY_MICROS + micros.rem_euclid(DAY_MICROS) + by.micros
}

fn zone(name: &str) -> Result<chrono_tz::Tz> {
    match zone_named(name) {
        Some(zone) => Ok(zone),
        None => refuse(
            Kind::InvalidParameter,
            format!("time zone \"{name}\" not recognized"),
        ),
    }
}

/// Millionths of a field, at a scale.
fn numeric(millionths: Option<i128>, scale: i8) -> Result<ScalarValue> {
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
fn part_of(row: &Row<'_>, zoned: bool) -> Result<Option<i128>> {
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

fn time_part(row: &Row<'_>) -> Result<Option<i128>> {
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

fn span_part(row: &Row<'_>) -> Result<Option<i128>> {
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

fn truncated_span(name: &str, value: Interval) -> Result<Interval> {
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

/// Years, months and days between two wall clocks, as people count them.
fn age(later: i64, earlier: i64) -> Interval {
    let (sign, later, earlier) = if later >= earlier {
        (1, later, earlier)
    } else {
        (-1, earlier, later)
    };
    let split = |micros: i64| {
        let (year, month, day) = ymd_of(micros.div_euclid(DAY_MICROS));
        (
            year * 12 + month,
            year,
            month,
            day,
            micros.rem_euclid(DAY_MICROS),
        )
    };
    let (later_months, .., later_day, later_time) = split(later);
    let (earlier_months, year, month, earlier_day, earlier_time) = split(earlier);
    let (mut months, mut days, mut time) = (
        later_months - earlier_months,
        later_day - earlier_day,
        later_time - earlier_time,
    );
    if time < 0 {
        time += DAY_MICROS;
        days -= 1;
    }
    if days < 0 {
        // Days are borrowed from the month in which the earlier of the two lies.
        days += days_in(year, month);
        months -= 1;
    }
    Interval {
        months: sign * months,
        days: sign * days,
        micros: sign * time,
    }
}

fn justify_hours(value: Interval) -> Interval {
    let mut days = value.days + value.micros / DAY_MICROS;
    let mut micros = value.micros % DAY_MICROS;
    if days > 0 && micros < 0 {
        micros += DAY_MICROS;
        days -= 1;
    } else if days < 0 && micros > 0 {
        micros -= DAY_MICROS;
        days += 1;
    }
    Interval {
        months: value.months,
        days,
        micros,
    }
}

fn justify_days(value: Interval) -> Interval {
    let mut months = value.months + value.days / 30;
    let mut days = value.days % 30;
    if months > 0 && days < 0 {
        days += 30;
        months -= 1;
    } else if months < 0 && days > 0 {
        days -= 30;
        months += 1;
    }
    Interval {
        months,
        days,
        micros: value.micros,
    }
}

fn justify_interval(value: Interval) -> Interval {
    let mut days = value.days + value.micros / DAY_MICROS;
    let mut micros = value.micros % DAY_MICROS;
    let mut months = value.months + days / 30;
    days %= 30;
    if months > 0 && (days < 0 || (days == 0 && micros < 0)) {
        days += 30;
        months -= 1;
    } else if months < 0 && (days > 0 || (days == 0 && micros > 0)) {
        days -= 30;
        months += 1;
    }
    if days > 0 && micros < 0 {
        micros += DAY_MICROS;
        days -= 1;
    } else if days < 0 && micros > 0 {
        micros -= DAY_MICROS;
        days += 1;
    }
    Interval {
        months,
        days,
        micros,
    }
}

fn made_date(year: i64, month: i64, day: i64) -> Result<i64> {
    let astronomical = if year < 0 { year + 1 } else { year };
    let fits =
        year != 0 && (1..=12).contains(&month) && day >= 1 && day <= days_in(astronomical, month);
    if !fits || year.abs() > 5_874_897 {
        return refuse(
            Kind::State("22008"),
            format!("date field value out of range: {year}-{month:02}-{day:02}"),
        );
    }
    Ok(days_of(astronomical, month, day))
}

fn made_time(hour: i64, minute: i64, second: f64) -> Result<i64> {
    let micros = (second * 1e6).round_ties_even();
    let fits =
        (0..=24).contains(&hour) && (0..60).contains(&minute) && (0.0..=6e7).contains(&micros);
    let all =
        hour.saturating_mul(HOUR_MICROS) + minute.saturating_mul(MINUTE_MICROS) + micros as i64;
    if !fits || all > DAY_MICROS {
        return refuse(
            Kind::State("22008"),
            format!("time field value out of range: {hour}:{minute:02}:{second:02}"),
        );
    }
    Ok(all)
}

fn made(row: &Row<'_>) -> Result<i64> {
    let days = made_date(row.int(0), row.int(1), row.int(2))?;
    Ok(days * DAY_MICROS + made_time(row.int(3), row.int(4), row.float(5))?)
}

fn made_interval(row: &Row<'_>) -> Result<ScalarValue> {
    let at = |index: usize| if index < row.len() { row.int(index) } else { 0 };
    let seconds = if row.len() > 6 { row.float(6) } else { 0.0 };
    if !seconds.is_finite() {
        return refuse(Kind::State("22008"), "interval out of range");
    }
    interval(Interval {
        months: at(0) * 12 + at(1),
        days: at(2) * 7 + at(3),
        micros: at(4) * HOUR_MICROS
            + at(5) * MINUTE_MICROS
            + (seconds * 1e6).round_ties_even() as i64,
    })
}

fn bin(row: &Row<'_>) -> Result<i64> {
    let (stride, at, origin) = (row.interval(0), row.micros(1), row.micros(2));
    if stride.months != 0 {
        return refuse(
            Kind::FeatureNotSupported,
            "timestamps cannot be binned into intervals containing months or years",
        );
    }
    let size = stride
        .days
        .saturating_mul(DAY_MICROS)
        .saturating_add(stride.micros);
    if size <= 0 {
        return refuse(Kind::State("22008"), "stride must be greater than zero");
    }
    Ok(at - (at - origin).rem_euclid(size))
}
