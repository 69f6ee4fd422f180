//! Intervals in the four styles of Postgres's `IntervalStyle`.

use std::fmt::Write;

use bytes::{BufMut, BytesMut};

use super::datetime;

/// How intervals are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IntervalStyle {
    #[default]
    Postgres,
    PostgresVerbose,
    SqlStandard,
    Iso8601,
}

impl IntervalStyle {
    /// By its name in the setting; what is no style is the first.
    pub fn of(name: &str) -> Self {
        match name {
            "postgres_verbose" => Self::PostgresVerbose,
            "sql_standard" => Self::SqlStandard,
            "iso_8601" => Self::Iso8601,
            _ => Self::Postgres,
        }
    }

    pub fn write(self, months: i32, days: i32, micros: i64, out: &mut BytesMut) {
        let parts = Parts::of(months, days, micros);
        match self {
            Self::Postgres => datetime::interval(months, days, micros, out),
            Self::PostgresVerbose => out.put_slice(parts.verbose().as_bytes()),
            Self::SqlStandard => out.put_slice(parts.sql_standard().as_bytes()),
            Self::Iso8601 => out.put_slice(parts.iso_8601().as_bytes()),
        }
    }
}

/// An interval by its units, each with its own sign.
#[derive(Clone, Copy)]
struct Parts {
    years: i64,
    months: i64,
    days: i64,
    hours: i64,
    minutes: i64,
    seconds: i64,
    micros: i64,
}

impl Parts {
    fn of(months: i32, days: i32, micros: i64) -> Self {
        Self {
            years: i64::from(months / 12),
            months: i64::from(months % 12),
            days: i64::from(days),
            hours: micros / 3_600_000_000,
            minutes: micros / 60_000_000 % 60,
            seconds: micros / 1_000_000 % 60,
            micros: micros % 1_000_000,
        }
    }

    fn all(&self) -> [i64; 7] {
        [
            self.years,
            self.months,
            self.days,
            self.hours,
            self.minutes,
            self.seconds,
            self.micros,
        ]
    }

    fn has_time(&self) -> bool {
        self.all()[3..].iter().any(|part| *part != 0)
    }

    /// Seconds without their sign, two digits before the point where `padded`.
    fn seconds(&self, padded: bool) -> String {
        let (seconds, micros) = (self.seconds.abs(), self.micros.abs());
        let mut text = match padded {
            true => format!("{seconds:02}"),
            false => seconds.to_string(),
        };
        if micros != 0 {
            let digits = format!(".{micros:06}");
            text.push_str(digits.trim_end_matches('0'));
        }
        text
    }

    /// `@ 1 year 2 mons -3 days`, `@ 1 day 2 hours ago`: the first part's sign is that of all.
    fn verbose(&self) -> String {
        let mut text = "@".to_owned();
        let mut ago = None;
        for (value, unit) in [
            (self.years, "year"),
            (self.months, "mon"),
            (self.days, "day"),
            (self.hours, "hour"),
            (self.minutes, "min"),
        ] {
            if value == 0 {
                continue;
            }
            let ago = *ago.get_or_insert(value < 0);
            let value = if ago { -value } else { value };
            let plural = if value == 1 { "" } else { "s" };
            let _ = write!(text, " {value} {unit}{plural}");
        }
        if self.seconds != 0 || self.micros != 0 {
            let below = self.seconds < 0 || self.micros < 0;
            let ago = *ago.get_or_insert(below);
            let sign = if below == ago { "" } else { "-" };
            let one = self.seconds.abs() == 1 && self.micros == 0;
            let plural = if one { "" } else { "s" };
            let _ = write!(text, " {sign}{} sec{plural}", self.seconds(false));
        }
        match ago {
            None => text.push_str(" 0"),
            Some(true) => text.push_str(" ago"),
            Some(false) => {}
        }
        text
    }

    /// `1-2`, `3 4:05:06`, and with signs of its own for each group where both stand.
    fn sql_standard(&self) -> String {
        let below = self.all().iter().any(|part| *part < 0);
        let above = self.all().iter().any(|part| *part > 0);
        let has_months = self.years != 0 || self.months != 0;
        let has_rest = self.days != 0 || self.has_time();
        let (hours, minutes, seconds) = (self.hours.abs(), self.minutes.abs(), self.seconds(true));
        if !below && !above {
            return "0".to_owned();
        }
        if (below && above) || (has_months && has_rest) {
            let sign = |below: bool| if below { '-' } else { '+' };
            let time_below = self.all()[3..].iter().any(|part| *part < 0);
            return format!(
                "{}{}-{} {}{} {}{hours}:{minutes:02}:{seconds}",
                sign(self.years < 0 || self.months < 0),
                self.years.abs(),
                self.months.abs(),
                sign(self.days < 0),
                self.days.abs(),
                sign(time_below),
            );
        }
        let sign = if below { "-" } else { "" };
        if has_months {
            format!("{sign}{}-{}", self.years.abs(), self.months.abs())
        } else if self.days != 0 {
            format!("{sign}{} {hours}:{minutes:02}:{seconds}", self.days.abs())
        } else {
            format!("{sign}{hours}:{minutes:02}:{seconds}")
        }
    }

    /// `P1Y2M3DT4H5M6.7S`.
    fn iso_8601(&self) -> String {
        if self.all().iter().all(|part| *part == 0) {
            return "PT0S".to_owned();
        }
        let mut text = "P".to_owned();
        let mut put = |value: i64, unit: char| {
            if value != 0 {
                let _ = write!(text, "{value}{unit}");
            }
        };
        put(self.years, 'Y');
        put(self.months, 'M');
        put(self.days, 'D');
        if self.has_time() {
            text.push('T');
            let mut put = |value: i64, unit: char| {
                if value != 0 {
                    let _ = write!(text, "{value}{unit}");
                }
            };
            put(self.hours, 'H');
            put(self.minutes, 'M');
            if self.seconds != 0 || self.micros != 0 {
                let below = self.seconds < 0 || self.micros < 0;
                let sign = if below { "-" } else { "" };
                let _ = write!(text, "{sign}{}S", self.seconds(false));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(style: IntervalStyle, (months, days, micros): (i32, i32, i64)) -> String {
        let mut out = BytesMut::new();
        style.write(months, days, micros, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    /// Expected texts are what PostgreSQL 15 prints.
    #[test]
    fn intervals_are_written_as_in_postgres() {
        use IntervalStyle::{Iso8601, PostgresVerbose, SqlStandard};
        let hms = |h: i64, m: i64, s: i64| ((h * 60 + m) * 60 + s) * 1_000_000;
        for (value, verbose, standard, iso) in [
            ((0, 0, 0), "@ 0", "0", "PT0S"),
            (
                (14, 3, hms(4, 5, 6) + 700_000),
                "@ 1 year 2 mons 3 days 4 hours 5 mins 6.7 secs",
                "+1-2 +3 +4:05:06.7",
                "P1Y2M3DT4H5M6.7S",
            ),
            ((14, 0, 0), "@ 1 year 2 mons", "1-2", "P1Y2M"),
            ((-14, 0, 0), "@ 1 year 2 mons ago", "-1-2", "P-1Y-2M"),
            (
                (0, 3, hms(4, 5, 6)),
                "@ 3 days 4 hours 5 mins 6 secs",
                "3 4:05:06",
                "P3DT4H5M6S",
            ),
            (
                (0, -3, hms(4, 0, 0)),
                "@ 3 days -4 hours ago",
                "+0-0 -3 +4:00:00",
                "P-3DT4H",
            ),
            (
                (0, 0, -hms(1, 0, 1)),
                "@ 1 hour 1 sec ago",
                "-1:00:01",
                "PT-1H-1S",
            ),
            ((0, 0, -500_000), "@ 0.5 secs ago", "-0:00:00.5", "PT-0.5S"),
        ] {
            assert_eq!(shown(PostgresVerbose, value), verbose);
            assert_eq!(shown(SqlStandard, value), standard);
            assert_eq!(shown(Iso8601, value), iso);
        }
        assert_eq!(
            shown(IntervalStyle::of("postgres"), (1, 1, 0)),
            "1 mon 1 day"
        );
    }
}
