//! Numbers from their JSON text, exact: no float between a text and an integer or a decimal.

/// A number as a whole count of units of 10^-scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scaled {
    /// Rounded down (towards negative infinity) when `exact` is false.
    pub value: i128,
    /// Whether nothing but zeros was cut off.
    pub exact: bool,
}

/// Whether a text is a JSON number (used for numbers inside strings).
pub(super) fn is_number(text: &str) -> bool {
    fn digits(text: &str) -> Option<&str> {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        (rest.len() < text.len()).then_some(rest)
    }
    fn parse(text: &str) -> Option<&str> {
        let text = text.strip_prefix('-').unwrap_or(text);
        let mut rest = match text.strip_prefix('0') {
            Some(rest) => rest,
            None => digits(text)?,
        };
        if let Some(fraction) = rest.strip_prefix('.') {
            rest = digits(fraction)?;
        }
        if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
            rest = digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))?;
        }
        Some(rest)
    }
    parse(text).is_some_and(str::is_empty)
}

/// `text`, a valid JSON number, as a count of units of 10^-`scale`. None when it doesn't fit.
pub(super) fn scaled(text: &str, scale: u32) -> Option<Scaled> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes()).map(|b| b - b'0');
    if digits().all(|digit| digit == 0) {
        return Some(Scaled {
            value: 0,
            exact: true,
        });
    }
    // A number of digits is at most the payload's length, far below these bounds.
    let shift = parse_exponent(exponent) + i64::from(scale) - fraction.len() as i64;
    let count = (whole.len() + fraction.len()) as i64;
    let kept = if shift < 0 { count + shift } else { count };
    let mut value: i128 = 0;
    let mut exact = true;
    for (at, digit) in (0_i64..).zip(digits()) {
        if at < kept {
            value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
        } else {
            exact &= digit == 0;
        }
    }
    for _ in 0..shift.max(0) {
        value = value.checked_mul(10)?;
    }
    if negative {
        value = -value - i128::from(!exact);
    }
    Some(Scaled { value, exact })
}

/// Saturates far beyond everything that fits, so that sums with it can't overflow.
fn parse_exponent(text: &str) -> i64 {
    const BOUND: i64 = 1 << 40;
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let value = digits.iter().fold(0_i64, |value, digit| {
        (value * 10 + i64::from(digit - b'0')).min(BOUND)
    });
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(value: i128) -> Option<Scaled> {
        Some(Scaled { value, exact: true })
    }

    #[test]
    fn keeps_every_digit() {
        assert_eq!(scaled("12.34", 2), exact(1234));
        assert_eq!(scaled("-12.340", 2), exact(-1234));
        assert_eq!(scaled("1e2", 0), exact(100));
        assert_eq!(scaled("1.5E+1", 1), exact(150));
        assert_eq!(scaled("1500e-2", 0), exact(15));
        assert_eq!(
            scaled("99999999999999999999999999999999999999", 0),
            exact(99_999_999_999_999_999_999_999_999_999_999_999_999)
        );
    }

    #[test]
    fn says_what_was_cut_and_rounds_down() {
        let cut = |value| {
            Some(Scaled {
                value,
                exact: false,
            })
        };
        assert_eq!(scaled("12.345", 2), cut(1234));
        assert_eq!(scaled("-12.345", 2), cut(-1235));
        assert_eq!(scaled("1e-400", 2), cut(0));
        assert_eq!(scaled("-1e-400", 2), cut(-1));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        assert_eq!(scaled("1e400", 0), None);
        assert_eq!(scaled("1e9999999999999999999999", 0), None);
        assert_eq!(scaled("0e9999999999999999999999", 0), exact(0));
        assert_eq!(scaled("0.0e-99999999999999999999", 0), exact(0));
        assert_eq!(scaled(&"9".repeat(60), 0), None);
    }

    #[test]
    fn knows_the_grammar() {
        for good in ["0", "-0", "10", "1.50", "1e5", "1E-5", "-0.1e+10"] {
            assert!(is_number(good), "{good}");
        }
        for bad in [
            "", "-", "01", "+1", "1.", ".5", "1e", "NaN", "1 ", "0x1", "1e+",
        ] {
            assert!(!is_number(bad), "{bad}");
        }
    }
}
