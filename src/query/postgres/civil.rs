//! Days, months and years: the proleptic Gregorian calendar as Postgres counts it.
//! Years are astronomical here: 0 is 1 BC.

pub const DAY_MICROS: i64 = 86_400_000_000;
pub const HOUR_MICROS: i64 = 3_600_000_000;
pub const MINUTE_MICROS: i64 = 60_000_000;
pub const SECOND_MICROS: i64 = 1_000_000;

/// Days since 1970-01-01.
pub fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a number of days since 1970-01-01.
pub fn ymd_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

pub fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

pub fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// 1 is Monday, 7 Sunday.
pub fn iso_weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

/// 1 is the first of January.
pub fn day_of_year(days: i64) -> i64 {
    let (year, ..) = ymd_of(days);
    days - days_of(year, 1, 1) + 1
}

/// ISO year and week.
pub fn iso_week(days: i64) -> (i64, i64) {
    // The week belongs to the year in which its Thursday lies.
    let thursday = days - iso_weekday(days) + 4;
    let (year, ..) = ymd_of(thursday);
    (year, (thursday - days_of(year, 1, 1)) / 7 + 1)
}

/// The Monday of an ISO week.
pub fn iso_week_start(year: i64, week: i64) -> i64 {
    let fourth = days_of(year, 1, 4);
    fourth - iso_weekday(fourth) + 1 + (week - 1) * 7
}

/// Months added to a date; the day is cut to the month's length.
pub fn add_months(days: i64, months: i64) -> i64 {
    let (year, month, day) = ymd_of(days);
    let count = year * 12 + month - 1 + months;
    let (year, month) = (count.div_euclid(12), count.rem_euclid(12) + 1);
    days_of(year, month, day.min(days_in(year, month)))
}

/// The Julian day number that Postgres's `J` means.
pub const JULIAN_EPOCH_DAYS: i64 = 2_440_588;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_each_others_inverse() {
        for days in (-1_000_000..3_000_000).step_by(997) {
            let (year, month, day) = ymd_of(days);
            assert_eq!(days_of(year, month, day), days);
            assert!((1..=days_in(year, month)).contains(&day));
        }
        assert_eq!(days_of(1970, 1, 1), 0);
        assert_eq!(iso_weekday(0), 4);
        assert_eq!(iso_week(days_of(2021, 1, 1)), (2020, 53));
        assert_eq!(iso_week_start(2020, 53), days_of(2020, 12, 28));
        assert_eq!(ymd_of(add_months(days_of(2020, 1, 31), 1)), (2020, 2, 29));
    }
}
