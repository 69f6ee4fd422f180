//! Functions of numbers, with Postgres's errors where a value has none.

use arrow::datatypes::i256;
use datafusion::common::{Result, ScalarValue};

use super::function::{Function, Overload, Row, T, float8, int4, int8, on, refuse};
use crate::query::QueryErrorKind as Kind;

const FLOAT: &[T] = &[T::Float8];

macro_rules! floats {
    ($($name:literal => $body:expr;)*) => {
        vec![$(Function::new(&[$name], &[on(FLOAT, T::Float8, |row| {
            let body: fn(f64) -> Result<f64> = $body;
            float8(body(row.float(0))?)
        })])),*]
    };
}

pub fn all() -> Vec<Function> {
    let mut all = floats! {
        "sqrt" => |x| if x < 0.0 { refuse(Kind::State("2201F"), "cannot take square root of a negative number") } else { Ok(x.sqrt()) };
        "ln" => |x| Ok(positive(x)?.ln());
        "log10" => |x| Ok(positive(x)?.log10());
        "exp" => |x| fits(x.exp(), x);
        "cbrt" => |x| Ok(x.cbrt());
        "acos" => |x| Ok(within(x)?.acos());
        "asin" => |x| Ok(within(x)?.asin());
        "acosh" => |x| if x < 1.0 { refuse(Kind::NumericOutOfRange, "input is out of range") } else { Ok(x.acosh()) };
        "atanh" => |x| Ok(within(x)?.atanh());
        "sind" => |x| Ok(exact_degrees(x, f64::sin));
        "cosd" => |x| Ok(exact_degrees(x + 90.0, f64::sin));
        "tand" => |x| Ok(exact_degrees(x, f64::sin) / exact_degrees(x + 90.0, f64::sin));
        "cotd" => |x| Ok(exact_degrees(x + 90.0, f64::sin) / exact_degrees(x, f64::sin));
        "asind" => |x| Ok(near(within(x)?.asin().to_degrees()));
        "acosd" => |x| Ok(near(within(x)?.acos().to_degrees()));
        "atand" => |x| Ok(near(x.atan().to_degrees()));
        "setseed" => |x| if x.abs() > 1.0 { refuse(Kind::InvalidParameter, "setseed parameter is out of allowed range [-1,1]") } else { refuse(Kind::FeatureNotSupported, "setseed is not supported: random() can't be repeated") };
    };
    all.extend([
        Function::new(
            &["atan2"],
            [on(&[T::Float8, T::Float8], T::Float8, |row| {
                float8(row.float(0).atan2(row.float(1)))
            })],
        ),
        Function::new(
            &["atan2d"],
            [on(&[T::Float8, T::Float8], T::Float8, |row| {
                float8(near(row.float(0).atan2(row.float(1)).to_degrees()))
            })],
        ),
        Function::new(
            &["log"],
            [
                on(FLOAT, T::Float8, |row| {
                    float8(positive(row.float(0))?.log10())
                }),
                on(&[T::Float8, T::Float8], T::Float8, |row| {
                    let (base, x) = (positive(row.float(0))?, positive(row.float(1))?);
                    if base == 1.0 {
                        return refuse(Kind::DivisionByZero, "division by zero");
                    }
                    float8(near(x.ln() / base.ln()))
                }),
            ],
        ),
        Function::new(
            &["power", "pow", "dpow"],
            [on(&[T::Float8, T::Float8], T::Float8, |row| {
                power(row.float(0), row.float(1))
            })],
        ),
        Function::new(&["mod"], MOD),
        Function::new(
            &["div"],
            [on(&[T::Numeric(0), T::Numeric(0)], T::Numeric(0), |row| {
                let (left, right, _) = aligned(row);
                if right == i256::ZERO {
                    return refuse(Kind::DivisionByZero, "division by zero");
                }
                decimal(left.wrapping_div(right), 0)
            })],
        ),
        Function::new(
            &["sign"],
            [
                on(FLOAT, T::Float8, |row| {
                    float8(if row.float(0) == 0.0 {
                        0.0
                    } else {
                        row.float(0).signum()
                    })
                }),
                on(&[T::Numeric(0)], T::Numeric(0), |row| {
                    let value = row.numeric(0).0;
                    decimal(
                        if value > i256::ZERO {
                            i256::ONE
                        } else if value < i256::ZERO {
                            i256::MINUS_ONE
                        } else {
                            i256::ZERO
                        },
                        0,
                    )
                }),
            ],
        ),
        Function::new(
            &["ceil", "ceiling"],
            [
                on(FLOAT, T::Float8, |row| float8(row.float(0).ceil())),
                on(&[T::Numeric(0)], T::Numeric(0), |row| {
                    let (whole, rest) = split(row);
                    decimal(
                        if rest > i256::ZERO {
                            whole.wrapping_add(i256::ONE)
                        } else {
                            whole
                        },
                        0,
                    )
                }),
            ],
        ),
        Function::new(
            &["floor"],
            [
                on(FLOAT, T::Float8, |row| float8(row.float(0).floor())),
                on(&[T::Numeric(0)], T::Numeric(0), |row| {
                    let (whole, rest) = split(row);
                    decimal(
                        if rest < i256::ZERO {
                            whole.wrapping_sub(i256::ONE)
                        } else {
                            whole
                        },
                        0,
                    )
                }),
            ],
        ),
        Function::new(
            &["frazil_trunc"],
            [
                on(FLOAT, T::Float8, |row| float8(row.float(0).trunc())),
                on(&[T::Numeric(0)], T::Numeric(0), |row| {
                    decimal(split(row).0, 0)
                }),
            ],
        ),
        Function::new(
            &["frazil_round"],
            [
                on(FLOAT, T::Float8, |row| {
                    float8(row.float(0).round_ties_even())
                }),
                on(&[T::Numeric(0)], T::Numeric(0), |row| {
                    let (value, scale) = row.numeric(0);
                    let size = power_of_ten(scale);
                    let half = size.wrapping_div(i256::from(2));
                    let up = if value < i256::ZERO {
                        value.wrapping_sub(half)
                    } else {
                        value.wrapping_add(half)
                    };
                    decimal(
                        if scale > 0 {
                            up.wrapping_div(size)
                        } else {
                            value
                        },
                        0,
                    )
                }),
            ],
        ),
        Function::new(
            &["factorial"],
            [on(&[T::Int8], T::Numeric(0), |row| factorial(row.int(0)))],
        ),
        Function::new(
            &["scale"],
            [on(&[T::Numeric(0)], T::Int4, |row| {
                int4(i64::from(row.numeric(0).1))
            })],
        ),
        Function::new(
            &["min_scale"],
            [on(&[T::Numeric(0)], T::Int4, |row| {
                let (mut value, mut scale) = row.numeric(0);
                let ten = i256::from(10);
                while scale > 0 && value.wrapping_rem(ten) == i256::ZERO {
                    value = value.wrapping_div(ten);
                    scale -= 1;
                }
                int4(i64::from(scale))
            })],
        ),
        Function::new(
            &["width_bucket"],
            [
                on(&[T::Float8, T::Float8, T::Float8, T::Int4], T::Int4, bucket),
                on(&[T::Int4, T::IntArray], T::Int4, |row| {
                    let bounds = row.ints(1);
                    int4(
                        bounds
                            .iter()
                            .flatten()
                            .filter(|bound| **bound <= row.int(0))
                            .count() as i64,
                    )
                }),
            ],
        ),
        Function::new(
            &["frazil_bit_xor"],
            [
                on(&[T::Int4, T::Int4], T::Int4, |row| {
                    int4(row.int(0) ^ row.int(1))
                }),
                on(&[T::Int8, T::Int8], T::Int8, |row| {
                    int8(row.int(0) ^ row.int(1))
                }),
            ],
        ),
        Function::new(
            &["frazil_bit_not"],
            [
                on(&[T::Int4], T::Int4, |row| int4(!row.int(0))),
                on(&[T::Int8], T::Int8, |row| int8(!row.int(0))),
            ],
        ),
        Function::new(
            &["numeric_inc"],
            [on(&[T::Numeric(0)], T::Numeric(10), |row| {
                let (value, scale) = row.numeric(0);
                decimal(
                    value
                        .wrapping_add(power_of_ten(scale))
                        .wrapping_mul(power_of_ten(10 - scale.min(10))),
                    10,
                )
            })],
        ),
    ]);
    all
}

const MOD: &[Overload] = &[
    on(&[T::Int4, T::Int4], T::Int4, |row| int4(remainder(row)?)),
    on(&[T::Int8, T::Int8], T::Int8, |row| int8(remainder(row)?)),
];

fn remainder(row: &Row<'_>) -> Result<i64> {
    match row.int(1) {
        0 => refuse(Kind::DivisionByZero, "division by zero"),
        by => Ok(row.int(0).checked_rem(by).unwrap_or(0)),
    }
}

fn positive(x: f64) -> Result<f64> {
    if x == 0.0 {
        return refuse(Kind::State("2201E"), "cannot take logarithm of zero");
    }
    if x < 0.0 {
        return refuse(
            Kind::State("2201E"),
            "cannot take logarithm of a negative number",
        );
    }
    Ok(x)
}

fn within(x: f64) -> Result<f64> {
    if x.abs() > 1.0 {
        return refuse(Kind::NumericOutOfRange, "input is out of range");
    }
    Ok(x)
}

fn fits(result: f64, from: f64) -> Result<f64> {
    if result.is_infinite() && from.is_finite() {
        return refuse(Kind::NumericOutOfRange, "value out of range: overflow");
    }
    if result == 0.0 && from.is_finite() && from != 0.0 {
        return refuse(Kind::NumericOutOfRange, "value out of range: underflow");
    }
    Ok(result)
}

fn power(base: f64, exponent: f64) -> Result<ScalarValue> {
    if base == 0.0 && exponent < 0.0 {
        return refuse(
            Kind::State("2201F"),
            "zero raised to a negative power is undefined",
        );
    }
    if base < 0.0 && base.is_finite() && exponent.is_finite() && exponent.fract() != 0.0 {
        return refuse(
            Kind::State("2201F"),
            "a negative number raised to a non-integer power yields a complex result",
        );
    }
    let result = base.powf(exponent);
    if !exponent.is_finite() {
        return float8(result);
    }
    float8(fits(result, base)?)
}

/// A whole number where the rounding of floats left one by a hair.
fn near(x: f64) -> f64 {
    let whole = x.round();
    if (x - whole).abs() < 1e-13 * whole.abs().max(1.0) {
        whole
    } else {
        x
    }
}

/// Degrees that have an exact answer give it.
fn exact_degrees(degrees: f64, function: fn(f64) -> f64) -> f64 {
    let turned = degrees.rem_euclid(360.0);
    for (at, value) in [
        (0.0, 0.0),
        (30.0, 0.5),
        (90.0, 1.0),
        (150.0, 0.5),
        (180.0, 0.0),
        (210.0, -0.5),
        (270.0, -1.0),
        (330.0, -0.5),
    ] {
        if turned == at {
            return value;
        }
    }
    function(degrees.to_radians())
}

fn power_of_ten(scale: i8) -> i256 {
    (0..scale.max(0)).fold(i256::ONE, |power, _| power.wrapping_mul(i256::from(10)))
}

/// Both numbers at one scale.
fn aligned(row: &Row<'_>) -> (i256, i256, i8) {
    let ((left, left_scale), (right, right_scale)) = (row.numeric(0), row.numeric(1));
    let scale = left_scale.max(right_scale);
    (
        left.wrapping_mul(power_of_ten(scale - left_scale)),
        right.wrapping_mul(power_of_ten(scale - right_scale)),
        scale,
    )
}

fn split(row: &Row<'_>) -> (i256, i256) {
    let (value, scale) = row.numeric(0);
    let size = power_of_ten(scale);
    (value.wrapping_div(size), value.wrapping_rem(size))
}

fn decimal(value: i256, scale: i8) -> Result<ScalarValue> {
    match value.to_i128() {
        Some(value) if value.unsigned_abs() < 10_u128.pow(38) => {
            Ok(ScalarValue::Decimal128(Some(value), 38, scale))
        }
        _ => refuse(Kind::NumericOutOfRange, "numeric field overflow"),
    }
}

/// The most that 38 digits hold.
const MOST_FACTORIAL: i64 = 33;

fn factorial(of: i64) -> Result<ScalarValue> {
    if of < 0 {
        return refuse(
            Kind::NumericOutOfRange,
            "factorial of a negative number is undefined",
        );
    }
    if of > MOST_FACTORIAL {
        return refuse(Kind::NumericOutOfRange, "value overflows numeric format");
    }
    Ok(ScalarValue::Decimal128(
        Some((1..=i128::from(of)).product()),
        38,
        0,
    ))
}

fn bucket(row: &Row<'_>) -> Result<ScalarValue> {
    let (x, low, high, count) = (row.float(0), row.float(1), row.float(2), row.int(3));
    let wrong = |message: &str| refuse(Kind::State("2201G"), message);
    if count <= 0 {
        return wrong("count must be greater than zero");
    }
    if x.is_nan() || low.is_nan() || high.is_nan() {
        return wrong("operand, lower bound, and upper bound cannot be NaN");
    }
    if !low.is_finite() || !high.is_finite() {
        return wrong("lower and upper bounds must be finite");
    }
    if low == high {
        return wrong("lower bound cannot equal upper bound");
    }
    let (position, width) = if low < high {
        (x - low, high - low)
    } else {
        (low - x, low - high)
    };
    if position < 0.0 {
        return int4(0);
    }
    if position >= width {
        return int4(count + 1);
    }
    int4((position / width * count as f64).floor() as i64 + 1)
}
