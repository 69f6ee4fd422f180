//! Numbers by their digits alone: how the oracle reads what the decoder reads by arithmetic.

/// A JSON number as `digits` times a power of ten, neither with zeros around it.
#[derive(Clone, Debug)]
pub struct Number {
    negative: bool,
    digits: String,
    exponent: i128,
}

impl Number {
    /// None when the text is no JSON number and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
            && text.ends_with(|c: char| c.is_ascii_digit());
        if !plain || serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
            return None;
        }
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let far = if exponent.starts_with('-') { -1 } else { 1 } * (1_i128 << 90);
        let mut exponent: i128 = exponent.parse().unwrap_or(far);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        exponent -= fraction.len() as i128;
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        let trimmed = digits.trim_end_matches('0');
        exponent += (digits.len() - trimmed.len()) as i128;
        Some(Self {
            negative,
            digits: trimmed.to_owned(),
            exponent,
        })
    }

    /// Its value in units of 10^-`scale` when it is a whole number of them and fits 38 digits.
    pub fn units(&self, scale: u32) -> Option<i128> {
        let exponent = self.exponent + i128::from(scale);
        if self.digits.is_empty() {
            return Some(0);
        }
        let zeros = usize::try_from(exponent).ok()?;
        if self.digits.len() + zeros.min(39) > 38 {
            return None;
        }
        let value: i128 = format!("{}{}", self.digits, "0".repeat(zeros))
            .parse()
            .ok()?;
        Some(if self.negative { -value } else { value })
    }

    /// The same, rounded towards negative infinity.
    pub fn floor(&self, scale: u32) -> Option<i128> {
        let exponent = self.exponent + i128::from(scale);
        if self.digits.is_empty() || exponent >= 0 {
            return self.units(scale);
        }
        // Digits are cut off, and the last of them is no zero.
        let kept = self.digits.len() as i128 + exponent;
        let kept = &self.digits[..usize::try_from(kept).unwrap_or(0)];
        let value: i128 = if kept.is_empty() {
            0
        } else {
            kept.parse().ok()?
        };
        Some(if self.negative { -value - 1 } else { value })
    }
}
