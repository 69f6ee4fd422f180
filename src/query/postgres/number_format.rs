//! `to_char` and `to_number` of numbers: Postgres's template patterns.

use arrow::datatypes::i256;
use datafusion::common::{Result, ScalarValue};

use super::function::{null, refuse, text};
use crate::query::{QueryError, QueryErrorKind as Kind};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sign {
    /// A minus or a space before the number.
    Usual,
    /// `S`: a sign in any case, before or behind.
    Before,
    Behind,
    /// `MI`, `PL`, `SG` at their place; `PR`: angle brackets.
    Placed,
    Brackets,
}

#[derive(Clone, Debug, PartialEq)]
enum Item {
    Nine,
    Zero,
    Point,
    Group,
    Minus,
    Plus,
    Signed,
    Currency,
    Ordinal(bool),
    Text(String),
}

struct Template {
    items: Vec<Item>,
    before: usize,
    behind: usize,
    /// Digits from the first `0` on are always shown: its index among those before the point.
    first_zero: Option<usize>,
    /// The last `0` behind the point.
    last_zero: usize,
    has_point: bool,
    sign: Sign,
    fill: bool,
    shift: usize,
    exponent: bool,
    roman: Option<bool>,
}

fn parse(template: &str) -> Result<Template> {
    let mut t = Template {
        items: Vec::new(),
        before: 0,
        behind: 0,
        first_zero: None,
        last_zero: 0,
        has_point: false,
        sign: Sign::Usual,
        fill: false,
        shift: 0,
        exponent: false,
        roman: None,
    };
    let mut rest = template;
    let mut shifting = false;
    while let Some(c) = rest.chars().next() {
        let upper: String = rest.chars().take(4).collect::<String>().to_uppercase();
        let take = |count: usize| &rest[count..];
        match c {
            '"' => {
                let end = rest[1..].find('"').map_or(rest.len(), |at| at + 1);
                t.items.push(Item::Text(rest[1..end].to_owned()));
                rest = rest.get(end + 1..).unwrap_or("");
                continue;
            }
            '\\' if rest.len() > 1 => {
                let next: String = rest.chars().skip(1).take(1).collect();
                rest = &rest[1 + next.len()..];
                t.items.push(Item::Text(next));
                continue;
            }
            '9' | '0' => {
                if t.exponent {
                    return refuse(Kind::Syntax, "\"EEEE\" must be the last pattern used");
                }
                if t.has_point {
                    t.behind += 1;
                    if c == '0' {
                        t.last_zero = t.behind;
                    }
                } else {
                    if c == '0' && t.first_zero.is_none() {
                        t.first_zero = Some(t.before);
                    }
                    t.before += 1;
                    if shifting {
                        t.shift += 1;
                    }
                }
                t.items.push(if c == '9' { Item::Nine } else { Item::Zero });
                rest = take(1);
                continue;
            }
            _ => {}
        }
        let mut length = 1;
        if upper.starts_with("FM") {
            t.fill = true;
            length = 2;
        } else if upper == "EEEE" {
            t.exponent = true;
            length = 4;
        } else if upper.starts_with("MI") {
            t.sign = Sign::Placed;
            t.items.push(Item::Minus);
            length = 2;
        } else if upper.starts_with("PL") {
            t.sign = Sign::Placed;
            t.items.push(Item::Plus);
            length = 2;
        } else if upper.starts_with("SG") {
            t.sign = Sign::Placed;
            t.items.push(Item::Signed);
            length = 2;
        } else if upper.starts_with("PR") {
            t.sign = Sign::Brackets;
            length = 2;
        } else if upper.starts_with("TH") {
            t.items.push(Item::Ordinal(c == 'T'));
            length = 2;
        } else if upper.starts_with("RN") {
            t.roman = Some(c == 'R');
            length = 2;
        } else if matches!(c, '.' | 'D' | 'd') {
            if t.has_point {
                return refuse(Kind::Syntax, "multiple decimal points");
            }
            t.has_point = true;
            t.items.push(Item::Point);
        } else if matches!(c, ',' | 'G' | 'g') {
            t.items.push(Item::Group);
        } else if matches!(c, 'S' | 's') {
            t.sign = if t.before + t.behind == 0 {
                Sign::Before
            } else {
                Sign::Behind
            };
        } else if matches!(c, 'L' | 'l') {
            t.items.push(Item::Currency);
        } else if matches!(c, 'V' | 'v') {
            shifting = true;
        } else {
            length = c.len_utf8();
            t.items.push(Item::Text(c.to_string()));
        }
        rest = take(length);
    }
    Ok(t)
}

/// A number in decimal digits.
struct Number {
    negative: bool,
    whole: String,
    fraction: String,
}

impl Number {
    /// Rounded half away from zero to so many digits behind the point.
    fn rounded(digits: &str, scale: usize, to: usize) -> Self {
        let negative = digits.starts_with('-');
        let bare = digits.trim_start_matches('-');
        let padded = format!("{bare:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        let mut all: Vec<u8> = whole.bytes().collect();
        all.extend(fraction.bytes().chain(std::iter::repeat(b'0')).take(to));
        if fraction.as_bytes().get(to).is_some_and(|d| *d >= b'5') {
            increment(&mut all);
        }
        let all = String::from_utf8_lossy(&all).into_owned();
        let (whole, fraction) = all.split_at(all.len() - to);
        let whole = whole.trim_start_matches('0').to_owned();
        let zero = whole.is_empty() && fraction.bytes().all(|b| b == b'0');
        Self {
            negative: negative && !zero,
            whole,
            fraction: fraction.to_owned(),
        }
    }
}

fn increment(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
}

pub fn whole(value: i64, template: &str) -> Result<ScalarValue> {
    formatted(&value.to_string(), 0, template)
}

pub fn numeric((value, scale): (i256, i8), template: &str) -> Result<ScalarValue> {
    formatted(
        &value.to_string(),
        usize::try_from(scale).unwrap_or(0),
        template,
    )
}

pub fn double(value: f64, template: &str) -> Result<ScalarValue> {
    if !value.is_finite() {
        if template.is_empty() {
            return null();
        }
        return refuse(
            Kind::FeatureNotSupported,
            "to_char of NaN and infinity is not supported",
        );
    }
    // As many digits as a double has: 15.
    let shown = format!("{value:.14e}");
    let (mantissa, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let scale = 14 - exponent;
    if scale >= 0 {
        formatted(&digits, usize::try_from(scale).unwrap_or(0), template)
    } else {
        let zeros = "0".repeat(usize::try_from(-scale).unwrap_or(0).min(400));
        formatted(&(digits + &zeros), 0, template)
    }
}

fn formatted(digits: &str, scale: usize, template: &str) -> Result<ScalarValue> {
    if template.is_empty() {
        return null();
    }
    let t = parse(template)?;
    if let Some(upper) = t.roman {
        return roman(&Number::rounded(digits, scale, 0), upper, t.fill);
    }
    if t.exponent {
        return scientific(digits, scale, &t);
    }
    let shifted = scale.saturating_sub(t.shift);
    let digits = format!("{digits}{}", "0".repeat(t.shift.saturating_sub(scale)));
    let number = Number::rounded(&digits, shifted, t.behind);
    if number.whole.len() > t.before {
        return text(overflowed(&t, &number));
    }
    text(laid_out(&t, &number))
}

/// What doesn't fit is shown as hashes.
fn overflowed(t: &Template, number: &Number) -> String {
    let hashes = Number {
        negative: number.negative,
        whole: "#".repeat(t.before),
        fraction: "#".repeat(t.behind),
    };
    laid_out(t, &hashes)
}

fn laid_out(t: &Template, number: &Number) -> String {
    let missing = t.before - number.whole.len();
    let mut out = String::new();
    let (mut before, mut behind) = (0, 0);
    let mut in_fraction = false;
    let mut started = false;
    let shown_from = t.first_zero.map_or(missing, |zero| zero.min(missing));
    let sign = if number.negative { "-" } else { "+" };
    // A sign of its own place comes right before the first digit.
    let own_sign = match t.sign {
        Sign::Usual if number.negative => "-",
        Sign::Usual if t.fill => "",
        Sign::Usual => " ",
        Sign::Before => sign,
        Sign::Brackets if number.negative => "<",
        Sign::Brackets if t.fill => "",
        Sign::Brackets => " ",
        _ => "",
    };
    let fraction_end = if t.fill {
        number.fraction.trim_end_matches('0').len().max(t.last_zero)
    } else {
        t.behind
    };
    let mut first_digit_at = None;
    for item in &t.items {
        match item {
            Item::Nine | Item::Zero if !in_fraction => {
                let at = before;
                before += 1;
                // A lone zero before the point stands only where nothing stands behind it.
                let last = before == t.before;
                let blank_zero =
                    number.whole.is_empty() && last && !t.has_point && at < shown_from.max(missing);
                if at >= shown_from || blank_zero || started {
                    if !started {
                        first_digit_at = Some(out.len());
                        started = true;
                    }
                    let digit = at
                        .checked_sub(missing)
                        .and_then(|i| number.whole.as_bytes().get(i));
                    out.push(digit.map_or('0', |d| char::from(*d)));
                } else if !t.fill {
                    out.push(' ');
                }
            }
            Item::Nine | Item::Zero => {
                if behind < fraction_end {
                    out.push(
                        number
                            .fraction
                            .as_bytes()
                            .get(behind)
                            .map_or('0', |d| char::from(*d)),
                    );
                }
                behind += 1;
            }
            Item::Point => {
                in_fraction = true;
                if !started {
                    started = true;
                    first_digit_at = Some(out.len());
                    // `FM9.99` of 0.1 shows its zero, `9.99` doesn't.
                }
                out.push('.');
            }
            Item::Group => {
                if started {
                    out.push(',');
                } else if !t.fill {
                    out.push(' ');
                }
            }
            Item::Minus => {
                if number.negative {
                    out.push('-');
                } else if !t.fill {
                    out.push(' ');
                }
            }
            Item::Plus => {
                if !number.negative {
                    out.push('+');
                } else if !t.fill {
                    out.push(' ');
                }
            }
            Item::Signed => out.push_str(sign),
            Item::Currency => {
                if !t.fill {
                    out.push(' ');
                }
            }
            Item::Ordinal(upper) => {
                if !number.negative && !t.has_point {
                    let ending = ordinal(&number.whole);
                    out.push_str(&if *upper {
                        ending.to_uppercase()
                    } else {
                        ending.to_owned()
                    });
                }
            }
            Item::Text(text) => out.push_str(text),
        }
    }
    let at = first_digit_at.unwrap_or(out.len());
    out.insert_str(at, own_sign);
    match t.sign {
        Sign::Behind => out.push_str(sign),
        Sign::Brackets if number.negative => out.push('>'),
        Sign::Brackets if !t.fill => out.push(' '),
        _ => {}
    }
    out
}

fn ordinal(digits: &str) -> &'static str {
    let bytes = digits.as_bytes();
    let teen = bytes.len() > 1 && bytes[bytes.len() - 2] == b'1';
    match bytes.last() {
        Some(b'1') if !teen => "st",
        Some(b'2') if !teen => "nd",
        Some(b'3') if !teen => "rd",
        _ => "th",
    }
}

fn roman(number: &Number, upper: bool, fill: bool) -> Result<ScalarValue> {
    let mut value: i64 = number.whole.parse().unwrap_or(0);
    let mut out = String::new();
    if number.negative || !(1..=3999).contains(&value) {
        out = "#".repeat(15);
    } else {
        for (size, letters) in [
            (1000, "M"),
            (900, "CM"),
            (500, "D"),
            (400, "CD"),
            (100, "C"),
            (90, "XC"),
            (50, "L"),
            (40, "XL"),
            (10, "X"),
            (9, "IX"),
            (5, "V"),
            (4, "IV"),
            (1, "I"),
        ] {
            while value >= size {
                value -= size;
                out.push_str(letters);
            }
        }
    }
    let out = if upper { out } else { out.to_lowercase() };
    text(if fill { out } else { format!("{out:>15}") })
}

fn scientific(digits: &str, scale: usize, t: &Template) -> Result<ScalarValue> {
    let negative = digits.starts_with('-');
    let bare = digits.trim_start_matches('-').trim_start_matches('0');
    let (mantissa, exponent) = if bare.is_empty() {
        (Number::rounded("0", 0, t.behind), 0)
    } else {
        let exponent = bare.len() as i64 - 1 - scale as i64;
        let mut mantissa = Number::rounded(bare, bare.len() - 1, t.behind);
        let mut exponent = exponent;
        if mantissa.whole.len() > 1 {
            mantissa.whole.truncate(1);
            exponent += 1;
        }
        (mantissa, exponent)
    };
    let whole = if mantissa.whole.is_empty() {
        "0"
    } else {
        &mantissa.whole
    };
    let point = if t.behind > 0 { "." } else { "" };
    let sign = if negative {
        "-"
    } else if t.fill {
        ""
    } else {
        " "
    };
    let mark = if exponent < 0 { '-' } else { '+' };
    text(format!(
        "{sign}{whole}{point}{}e{mark}{:02}",
        mantissa.fraction,
        exponent.abs()
    ))
}

/// `to_number`.
pub fn read(value: &str, template: &str) -> Result<ScalarValue> {
    if template.is_empty() {
        return null();
    }
    let whole = digits(value, template)?;
    super::text_in::value_of(
        &whole,
        &arrow::datatypes::DataType::Decimal128(38, 10),
        &super::datetime_in::Context::default(),
    )
}

/// The number that a text holds by a template, in decimal digits.
pub fn digits(value: &str, template: &str) -> Result<String> {
    let wrong = || {
        QueryError::new(
            Kind::InvalidText,
            format!("invalid input syntax for type numeric: \"{value}\""),
        )
    };
    let t = parse(template)?;
    let (mut digits, mut negative, mut point) = (String::new(), false, false);
    let mut rest = value.trim_start();
    let (mut before, mut behind) = (t.before, t.behind);
    for item in std::iter::once(&Item::Text(String::new())).chain(&t.items) {
        rest = sign_of(rest, &mut negative);
        match item {
            Item::Nine | Item::Zero => {
                rest = rest.trim_start();
                rest = sign_of(rest, &mut negative);
                if rest.starts_with('.') && !point && t.has_point {
                    continue;
                }
                let room = if point { &mut behind } else { &mut before };
                if *room > 0 && rest.starts_with(|c: char| c.is_ascii_digit()) {
                    digits.push_str(&rest[..1]);
                    rest = &rest[1..];
                    *room -= 1;
                }
            }
            Item::Point => {
                rest = rest.trim_start();
                if let Some(after) = rest.strip_prefix('.') {
                    rest = after;
                }
                point = true;
                digits.push('.');
            }
            Item::Group => {
                rest = rest.trim_start();
                rest = rest.strip_prefix(',').unwrap_or(rest);
            }
            Item::Currency => rest = rest.trim_start().strip_prefix('$').unwrap_or(rest),
            Item::Text(text) if !text.is_empty() => {
                let mut chars = rest.chars();
                chars.next();
                rest = chars.as_str();
            }
            _ => {}
        }
    }
    sign_of(rest.trim_start(), &mut negative);
    if !digits.bytes().any(|b| b.is_ascii_digit()) {
        return Err(wrong().into());
    }
    let digits = digits.trim_end_matches('.').to_owned();
    Ok(if negative {
        format!("-{digits}")
    } else {
        digits
    })
}

fn sign_of<'a>(rest: &'a str, negative: &mut bool) -> &'a str {
    match rest.chars().next() {
        Some('-' | '<') => {
            *negative = true;
            &rest[1..]
        }
        Some('+' | '>') => &rest[1..],
        _ => rest,
    }
}
