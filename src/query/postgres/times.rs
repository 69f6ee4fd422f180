//! Functions of dates, times and intervals.

use datafusion::common::{Result, ScalarValue};

use super::civil::{
    DAY_MICROS, HOUR_MICROS, MINUTE_MICROS, SECOND_MICROS, add_months, days_in, days_of, ymd_of,
};
use super::datetime_in::{instant, local, zone_named};
use super::function::{
    Function, Overload, Row, T, boolean, float8, interval, null, on, refuse, timestamp, timestamptz,
};
use super::interval_in::Interval;
use super::time_parts::{numeric, part_of, span_part, time_part, truncated, truncated_span};
use super::times_columns;
use crate::query::QueryErrorKind as Kind;

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
