//! Durations ("30s", "1h 30m") and sizes ("128 MiB") as people write them.

use std::time::Duration;

/// Milliseconds in each unit; the first spelling is the one that error messages name.
const TIME_UNITS: [(&[&str], u64); 5] = [
    (&["ms", "millisecond", "milliseconds"], 1),
    (&["s", "sec", "second", "seconds"], 1_000),
    (&["m", "min", "minute", "minutes"], 60_000),
    (&["h", "hour", "hours"], 3_600_000),
    (&["d", "day", "days"], 86_400_000),
];

const SIZE_UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// A duration: numbers with units, added up. Whole numbers only; "0s" is a duration.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "{text:?} is not a duration: write a number with ms, s, m, h or d, such as \"30s\" or \"1h 30m\""
        )
    };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total_ms: u64 = 0;
    while !rest.is_empty() {
        let (number, unit, behind) = split_term(rest).ok_or_else(wrong)?;
        let (_, factor) = TIME_UNITS
            .iter()
            .find(|(names, _)| names.contains(&unit.to_lowercase().as_str()))
            .ok_or_else(wrong)?;
        total_ms = number
            .checked_mul(*factor)
            .and_then(|ms| total_ms.checked_add(ms))
            .ok_or_else(|| format!("{text:?} is too long a duration"))?;
        rest = behind;
    }
    Ok(Duration::from_millis(total_ms))
}

/// A size in bytes: one number with a unit.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("{text:?} is not a size: write a number with B, KiB, MiB, GiB, kB, MB or GB");
    let (number, unit, behind) = split_term(text.trim()).ok_or_else(wrong)?;
    let (_, factor) = SIZE_UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))
        .filter(|_| behind.is_empty())
        .ok_or_else(wrong)?;
    number
        .checked_mul(*factor)
        .ok_or_else(|| format!("{text:?} is too big a size"))
}

/// `12 ab rest` → (12, "ab", "rest").
fn split_term(text: &str) -> Option<(u64, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_');
    let (number, rest) = text.split_at(digits.unwrap_or(text.len()));
    let number = number.replace('_', "").parse().ok()?;
    let rest = rest.trim_start();
    let letters = rest.find(|c: char| !c.is_alphabetic());
    let (unit, rest) = rest.split_at(letters.unwrap_or(rest.len()));
    Some((number, unit, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        for (text, ms) in [
            ("30s", 30_000),
            ("250ms", 250),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            ("5 minutes", 300_000),
            ("1 day", 86_400_000),
            ("0s", 0),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(ms)),
                "{text}"
            );
        }
        for text in [
            "",
            "30",
            "s",
            "-1s",
            "1.5h",
            "1 fortnight",
            "99999999999999999999s",
            "999999999999999d",
        ] {
            assert!(parse_duration(text).is_err(), "{text} was taken");
        }
    }

    #[test]
    fn reads_sizes() {
        for (text, bytes) in [
            ("128 MiB", 128 << 20),
            ("128MiB", 128 << 20),
            ("1024", 1024),
            ("1_000 B", 1_000),
            ("2 gb", 2_000_000_000),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "MiB",
            "1 MiB 2 KiB",
            "1.5 GiB",
            "-1",
            "1 Mib/s",
            "99999999 TiB",
        ] {
            assert!(parse_bytes(text).is_err(), "{text} was taken");
        }
    }
}
