//! When a model runs: five-field cron in a time zone, or an interval. Pure arithmetic on
//! instants; must never ask what time it is.
//!
//! **At a change to or from summer time** a cron schedule goes by the clock on the wall:
//! - a local time that the change skips runs once, at the first instant after the gap;
//! - a local time that comes twice runs once, the first time;
//! - with `*` as its hour a schedule means every hour that passes: nothing is made up for the
//!   hour that does not exist, and both of the hours that look alike have their runs.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::model::Schedule;
use crate::config::parse_duration;

/// More often than this is a mistake: a run has a commit, and commits are not free.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

impl Schedule {
    /// `every 5 minutes`, or cron's five fields.
    pub fn parse(text: &str, time_zone: Option<&str>) -> Result<Self, String> {
        let text = text.trim();
        if let Some(interval) = text.strip_prefix("every ") {
            if time_zone.is_some() {
                return Err("an interval has no time zone: leave time_zone out".to_owned());
            }
            let interval = parse_duration(interval)?;
            if interval < SHORTEST_INTERVAL {
                return Err(format!("{text:?} is too often: 1s is the shortest"));
            }
            return Ok(Self::Every(interval));
        }
        let time_zone = match time_zone {
            None => Tz::UTC,
            Some(name) => Tz::from_str(name).map_err(|_| {
                format!("there is no time zone {name:?}: write one such as Europe/Berlin")
            })?,
        };
        let expression = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let cron = cron(&expression)?;
        let schedule = Self::Cron {
            expression,
            time_zone,
        };
        // The calendar repeats after 28 years at most (but for centuries): what never comes in
        // that time was not meant.
        let start = DateTime::from_timestamp(0, 0).expect("1970 is a time");
        cron.find_next_occurrence(&start, false)
            .map_err(|_| format!("{text:?} never comes"))?;
        Ok(schedule)
    }

    /// The first tick after an instant, both in milliseconds since 1970 UTC. Intervals tick at
    /// multiples of their length since 1970, so that every process means the same ticks.
    /// None: it never comes again.
    pub fn next_after(&self, after_ms: i64) -> Option<i64> {
        match self {
            Self::Every(interval) => {
                let interval_ms = i64::try_from(interval.as_millis()).ok()?;
                (after_ms.div_euclid(interval_ms) + 1).checked_mul(interval_ms)
            }
            Self::Cron {
                expression,
                time_zone,
            } => {
                let after = DateTime::from_timestamp_millis(after_ms)?;
                next_cron(expression, *time_zone, after).map(|next| next.timestamp_millis())
            }
        }
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Every(interval) => write!(f, "every {}ms", interval.as_millis()),
            Self::Cron {
                expression,
                time_zone,
            } => write!(f, "{expression} ({time_zone})"),
        }
    }
}

fn cron(expression: &str) -> Result<Cron, String> {
    let wrong = |reason: String| {
        format!(
            "{expression:?} is not a schedule ({reason}): write cron's five fields such as \"*/5 * * * *\", or \"every 5 minutes\""
        )
    };
    let fields = expression.split(' ').count();
    if fields != 5 {
        return Err(wrong(format!("{fields} fields")));
    }
    // croner takes such a part for nothing at all, and looks for it through three thousand years.
    if expression.split([' ', ',']).any(str::is_empty) {
        return Err(wrong("a list has an empty part".to_owned()));
    }
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build()
        .parse(expression)
        .map_err(|error| wrong(error.to_string()))
}

/// The first wall-clock time of the schedule after one; a pure calendar, without time zone.
fn next_local(cron: &Cron, after: NaiveDateTime) -> Option<NaiveDateTime> {
    cron.find_next_occurrence(&after.and_utc(), false)
        .ok()
        .map(|next| next.naive_utc())
}

fn next_cron(expression: &str, zone: Tz, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let cron = cron(expression).ok()?;
    let every_hour = expression.split(' ').nth(1) == Some("*");
    let start = wall(zone, after);
    let mut local = start;
    // The first local time may lie in a gap or be the first of two: a few steps at most.
    let plain = loop {
        local = next_local(&cron, local)?;
        let instant = match zone.from_local_datetime(&local) {
            MappedLocalTime::Single(instant) => Some(instant),
            MappedLocalTime::Ambiguous(first, second) if every_hour => {
                [first, second].into_iter().find(|instant| *instant > after)
            }
            MappedLocalTime::Ambiguous(first, _) => Some(first),
            MappedLocalTime::None if every_hour => None,
            MappedLocalTime::None => Some(behind_gap(zone, local)?),
        };
        if let Some(instant) = instant.map(|instant| instant.to_utc())
            && instant > after
        {
            break instant;
        }
    };
    if every_hour && plain - after > local - start {
        // The clock is turned back on the way there: its second pass has ticks too.
        if let Some(turned) = turned_back(zone, after, plain) {
            let local = wall(zone, turned);
            let again = next_local(&cron, local - TimeDelta::seconds(1))?;
            return Some(plain.min(turned + (again - local)));
        }
    }
    Some(plain)
}

fn wall(zone: Tz, instant: DateTime<Utc>) -> NaiveDateTime {
    instant.with_timezone(&zone).naive_local()
}

/// The first instant after the gap in which a local time lies. Gaps end on whole minutes.
fn behind_gap(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Tz>> {
    let minute = TimeDelta::minutes(1);
    let mut candidate = local;
    // The widest gap ever was a day long (Samoa, 2011).
    for _ in 0..=25 * 60 {
        candidate += minute;
        if let Some(instant) = zone.from_local_datetime(&candidate).earliest() {
            return Some(instant);
        }
    }
    None
}

/// The instant between two at which the clock is turned back, to the minute.
fn turned_back(zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let offset = |instant: DateTime<Utc>| {
        let local = zone.offset_from_utc_datetime(&instant.naive_utc());
        local.fix().local_minus_utc()
    };
    let mut before = from - TimeDelta::milliseconds(from.timestamp_millis().rem_euclid(60_000));
    while before < to {
        let hour_later = before + TimeDelta::hours(1);
        if offset(hour_later) < offset(before) {
            return (1..=60)
                .map(|minutes| before + TimeDelta::minutes(minutes))
                .find(|instant| offset(*instant) < offset(before));
        }
        before = hour_later;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first ticks after an instant, as UTC.
    fn ticks(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(expression, Some(zone)).expect(expression);
        let mut at = DateTime::parse_from_rfc3339(after)
            .expect(after)
            .timestamp_millis();
        (0..count)
            .map(|_| {
                let next = schedule.next_after(at).expect("a tick");
                assert!(next > at, "a tick must come after");
                at = next;
                let time = DateTime::from_timestamp_millis(at).expect("in range");
                time.format("%m-%d %H:%M").to_string()
            })
            .collect()
    }

    // In Berlin, 2026-03-29 02:00 is 03:00, and 2026-10-25 03:00 is 02:00 again.

    #[test]
    fn plain_days() {
        assert_eq!(
            ticks("30 2 * * *", "Europe/Berlin", "2026-01-10T01:30:00Z", 2),
            ["01-11 01:30", "01-12 01:30"]
        );
        assert_eq!(
            ticks("*/5 * * * *", "UTC", "2026-01-10T01:33:20Z", 2),
            ["01-10 01:35", "01-10 01:40"]
        );
        assert_eq!(
            ticks("0 9 * * 1", "America/New_York", "2026-06-01T00:00:00Z", 2),
            ["06-01 13:00", "06-08 13:00"]
        );
    }

    #[test]
    fn a_skipped_time_runs_once_behind_the_gap() {
        assert_eq!(
            ticks("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3),
            ["03-28 01:30", "03-29 01:00", "03-30 00:30"],
            "02:30 does not exist on the 29th: 03:00 summer time is 01:00 UTC"
        );
        assert_eq!(
            ticks("*/15 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
            ["03-29 01:00", "03-30 00:00"],
            "four skipped times are one run"
        );
        assert_eq!(
            ticks("30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 3),
            ["03-29 01:00", "03-29 01:30", "03-30 00:30"]
        );
    }

    #[test]
    fn a_repeated_time_runs_once() {
        assert_eq!(
            ticks("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            ["10-25 00:30", "10-26 01:30"]
        );
        assert_eq!(
            ticks("30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", 1),
            ["10-26 01:30"],
            "asked between the two"
        );
    }

    #[test]
    fn every_hour_means_every_hour_that_passes() {
        assert_eq!(
            ticks("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 3),
            ["03-29 00:30", "03-29 01:30", "03-29 02:30"]
        );
        assert_eq!(
            ticks("30 * * * *", "Europe/Berlin", "2026-10-24T23:00:00Z", 4),
            ["10-24 23:30", "10-25 00:30", "10-25 01:30", "10-25 02:30"]
        );
        assert_eq!(
            ticks("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:15:00Z", 5),
            [
                "10-25 00:30",
                "10-25 01:00",
                "10-25 01:30",
                "10-25 02:00",
                "10-25 02:30"
            ]
        );
        assert_eq!(
            ticks(
                "*/30 * * * *",
                "Australia/Lord_Howe",
                "2026-04-04T14:30:00Z",
                3
            ),
            ["04-04 15:00", "04-04 15:30", "04-04 16:00"],
            "a change of half an hour"
        );
    }

    #[test]
    fn a_day_that_never_was() {
        assert_eq!(
            ticks("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", 1),
            ["12-30 10:00"],
            "Samoa skipped the 30th: its first instant after is the 31st 00:00, UTC+14"
        );
    }

    #[test]
    fn intervals_tick_alike_everywhere() {
        let schedule = Schedule::parse("every 5 minutes", None).expect("valid");
        assert_eq!(schedule, Schedule::Every(Duration::from_secs(300)));
        assert_eq!(schedule.next_after(0), Some(300_000));
        assert_eq!(schedule.next_after(299_999), Some(300_000));
        assert_eq!(schedule.next_after(300_000), Some(600_000));
    }

    #[test]
    fn a_day_fits_by_either_of_its_fields() {
        // The 1st of the month, and each Monday (2 March 2026 is one).
        assert_eq!(
            ticks("0 0 1 * 1", "UTC", "2026-02-27T00:00:00Z", 3),
            ["03-01 00:00", "03-02 00:00", "03-09 00:00"]
        );
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for (text, zone, part) in [
            ("* * * *", None, "4 fields"),
            ("* * * * * *", None, "6 fields"),
            ("61 * * * *", None, "not a schedule"),
            ("*/6 * , * *", None, "an empty part"),
            ("1,,2 * * * *", None, "an empty part"),
            ("* * * * 1,", None, "an empty part"),
            ("@daily", None, "1 fields"),
            ("0 0 30 2 *", None, "never comes"),
            ("every blue moon", None, "not a duration"),
            ("every 0s", None, "too often"),
            ("0 0 * * *", Some("Europe/Brelin"), "no time zone"),
            ("every 1h", Some("UTC"), "no time zone: leave"),
        ] {
            let error = Schedule::parse(text, zone).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
