//! `extract` and `date_trunc` over a whole column of timestamps at once: what every report groups
//! by. Must give what `times` gives row by row; what it doesn't know it leaves to the rows' way.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, PrimitiveArray};
use arrow::datatypes::{DataType, Decimal128Type, TimeUnit, TimestampMicrosecondType};
use chrono_tz::Tz;
use datafusion::logical_expr::ColumnarValue;

use super::civil::{DAY_MICROS, HOUR_MICROS, MINUTE_MICROS, SECOND_MICROS};
use super::datetime_in::{Context, instant, local};
use super::time_parts::{calendar_part, truncated, unit};

/// A unit of clocks or of calendars, and a column that isn't one constant.
struct Asked<'a> {
    unit: &'static str,
    column: &'a PrimitiveArray<TimestampMicrosecondType>,
    /// The zone whose clock counts; None: the values are clocks themselves, or UTC's.
    zone: Option<Tz>,
}

fn asked<'a>(args: &'a [ColumnarValue], context: &Context) -> Option<Asked<'a>> {
    let [ColumnarValue::Scalar(name), ColumnarValue::Array(column)] = args else {
        return None;
    };
    let DataType::Timestamp(TimeUnit::Microsecond, zone) = column.data_type() else {
        return None;
    };
    Some(Asked {
        unit: unit(name.try_as_str()??)?,
        column: column.as_primitive(),
        zone: (zone.is_some() && context.zone != Tz::UTC).then_some(context.zone),
    })
}

/// A day's value, which is worked out when the day changes: events come in the order of time.
struct OfDay<F> {
    day: Option<(i64, i64)>,
    work_out: F,
}

impl<F: FnMut(i64) -> Option<i64>> OfDay<F> {
    fn new(work_out: F) -> Self {
        Self {
            day: None,
            work_out,
        }
    }

    fn get(&mut self, day: i64) -> Option<i64> {
        if let Some((known, value)) = self.day
            && known == day
        {
            return Some(value);
        }
        let value = (self.work_out)(day)?;
        self.day = Some((day, value));
        Some(value)
    }
}

fn is_infinite(micros: i64) -> bool {
    matches!(micros, i64::MAX | i64::MIN)
}

/// The units that are whole numbers; an infinity has none.
pub(super) fn extract(args: &[ColumnarValue], context: &Context) -> Option<ArrayRef> {
    let asked = asked(args, context)?;
    let clock = |micros: i64| asked.zone.map_or(micros, |zone| local(micros, zone));
    let (unit, column) = (asked.unit, asked.column);
    let parts: Decimal128Array = match unit {
        "hour" | "minute" => {
            let (size, of) = match unit {
                "hour" => (HOUR_MICROS, 24),
                _ => (MINUTE_MICROS, 60),
            };
            column.unary_opt::<_, Decimal128Type>(|micros| {
                let part = clock(micros).div_euclid(size).rem_euclid(of);
                (!is_infinite(micros)).then_some(i128::from(part))
            })
        }
        "day" | "week" | "month" | "quarter" | "year" | "decade" | "century" | "millennium"
        | "dow" | "isodow" | "doy" | "isoyear" => {
            let mut of_day = OfDay::new(|day| Some(calendar_part(unit, day)));
            let mut part = |micros| of_day.get(clock(micros).div_euclid(DAY_MICROS));
            let of_row = |micros: Option<i64>| {
                let micros = micros.filter(|micros| !is_infinite(*micros))?;
                part(micros).map(i128::from)
            };
            column.iter().map(of_row).collect()
        }
        _ => return None,
    };
    Some(Arc::new(parts.with_precision_and_scale(38, 0).ok()?))
}

/// Timestamps and instants; an infinity stays one.
pub(super) fn truncate(args: &[ColumnarValue], context: &Context) -> Option<ArrayRef> {
    let asked = asked(args, context)?;
    let (unit, column) = (asked.unit, asked.column);
    let size = match unit {
        "second" => Some(SECOND_MICROS),
        "minute" => Some(MINUTE_MICROS),
        "hour" => Some(HOUR_MICROS),
        "day" => Some(DAY_MICROS),
        "week" | "month" | "quarter" | "year" => None,
        _ => return None,
    };
    let kept = |micros: i64, to: i64| if is_infinite(micros) { micros } else { to };
    let truncated: PrimitiveArray<TimestampMicrosecondType> = match (size, asked.zone) {
        (Some(size), None) => {
            column.unary(|micros| kept(micros, micros.wrapping_sub(micros.rem_euclid(size))))
        }
        (Some(size), Some(zone)) if size < DAY_MICROS => column.unary(|micros| {
            let clock = local(micros, zone);
            let start = clock.wrapping_sub(clock.rem_euclid(size));
            kept(micros, instant(start, zone))
        }),
        (_, zone) => {
            let mut of_day = OfDay::new(|day| {
                let start = truncated(unit, day.checked_mul(DAY_MICROS)?).ok()?;
                Some(zone.map_or(start, |zone| instant(start, zone)))
            });
            let mut of_row = |micros: i64| {
                if is_infinite(micros) {
                    return Some(micros);
                }
                let clock = zone.map_or(micros, |zone| local(micros, zone));
                of_day.get(clock.div_euclid(DAY_MICROS))
            };
            let rows = column.iter().map(|micros| match micros {
                Some(micros) => of_row(micros).map(Some),
                None => Some(None),
            });
            rows.collect::<Option<_>>()?
        }
    };
    Some(Arc::new(match column.data_type() {
        DataType::Timestamp(_, Some(_)) => truncated.with_timezone("UTC"),
        _ => truncated.with_timezone_opt(None::<&str>),
    }))
}

#[cfg(test)]
mod tests {
    use arrow::array::{StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::Field;
    use datafusion::common::ScalarValue;
    use datafusion::common::config::ConfigOptions;
    use datafusion::logical_expr::ScalarFunctionArgs;

    use super::*;
    use crate::query::postgres::datetime_in::zone_named;
    use crate::query::postgres::times;

    /// Around changes to and from summer time, before the common era, and the ends of time.
    fn instants() -> Vec<Option<i64>> {
        let mut all = vec![None, Some(i64::MAX), Some(i64::MIN), Some(0), Some(-1)];
        // 29 March and 25 October 2026, from an hour before to three after 0:00 UTC.
        for start in [1_774_742_400, 1_792_886_400_i64] {
            all.extend((-60..180).map(|minute| Some((start + minute * 60) * SECOND_MICROS + 7)));
        }
        all.extend((-4_000..4_000).map(|n: i64| Some(n * 12_345_678_901_234)));
        all
    }

    fn column(zoned: bool) -> ColumnarValue {
        let array = TimestampMicrosecondArray::from(instants());
        ColumnarValue::Array(Arc::new(if zoned {
            array.with_timezone("UTC")
        } else {
            array
        }))
    }

    fn contexts() -> Vec<Context> {
        ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"]
            .map(|name| Context {
                zone: zone_named(name).expect("a zone"),
                ..Context::default()
            })
            .to_vec()
    }

    #[test]
    fn columns_are_truncated_as_rows_are() {
        let units = [
            "second", "minute", "hour", "day", "week", "month", "quarter", "year",
        ];
        for context in contexts() {
            for (unit, zoned) in units
                .iter()
                .flat_map(|unit| [(*unit, true), (*unit, false)])
            {
                let args = [
                    ColumnarValue::Scalar(ScalarValue::from(unit)),
                    column(zoned),
                ];
                let found = truncate(&args, &context).expect("a column");
                let found: &TimestampMicrosecondArray = found.as_primitive();
                for (row, micros) in instants().into_iter().enumerate() {
                    let expected = micros.map(|micros| {
                        if zoned {
                            let clock = local(micros, context.zone);
                            let start = truncated(unit, clock).expect("a unit");
                            if is_infinite(micros) {
                                micros
                            } else {
                                instant(start, context.zone)
                            }
                        } else {
                            truncated(unit, micros).expect("a unit")
                        }
                    });
                    let found = found.is_valid(row).then(|| found.value(row));
                    assert_eq!(found, expected, "{unit} of {micros:?} in {}", context.zone);
                }
            }
        }
    }

    /// A function's answer over `instants`, where the unit is one for all or, the same for each,
    /// a column: then all goes row by row.
    fn asked_of(name: &str, unit: ColumnarValue, zoned: bool, zone: &str) -> ArrayRef {
        let function = times::all()
            .into_iter()
            .find(|function| function.names()[0] == name)
            .expect("a function")
            .build();
        let column = column(zoned);
        let kind = column.data_type();
        let mut options = ConfigOptions::default();
        options.execution.time_zone = Some(zone.to_owned());
        let returns = match name {
            "frazil_extract" => DataType::Decimal128(38, 0),
            _ => kind.clone(),
        };
        let args = ScalarFunctionArgs {
            args: vec![unit, column],
            arg_fields: vec![
                Arc::new(Field::new("unit", DataType::Utf8, true)),
                Arc::new(Field::new("at", kind, true)),
            ],
            number_rows: instants().len(),
            return_field: Arc::new(Field::new("part", returns, true)),
            config_options: Arc::new(options),
        };
        let answer = function.invoke_with_args(args).expect("parts");
        answer.into_array(instants().len()).expect("a column")
    }

    #[test]
    fn columns_are_taken_apart_as_rows_are() {
        let mut units = vec!["hour", "minute", "day", "week", "month", "quarter", "year"];
        units.extend(["decade", "century", "millennium", "dow", "isodow", "doy"]);
        units.push("isoyear");
        for zone in ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"] {
            for unit in &units {
                for zoned in [true, false] {
                    let one = ColumnarValue::Scalar(ScalarValue::from(*unit));
                    let each = StringArray::from(vec![*unit; instants().len()]);
                    let each = ColumnarValue::Array(Arc::new(each));
                    let found = asked_of("frazil_extract", one, zoned, zone);
                    let rows = asked_of("frazil_extract", each, zoned, zone);
                    assert_eq!(&found, &rows, "{unit} in {zone}");
                }
            }
        }
    }

    #[test]
    fn a_unit_that_is_not_known_is_left_to_the_rows() {
        for unit in ["fortnight", "epoch", "timezone"] {
            let args = [ColumnarValue::Scalar(ScalarValue::from(unit)), column(true)];
            assert!(truncate(&args, &Context::default()).is_none());
            assert!(extract(&args, &Context::default()).is_none());
        }
        let args = [column(true), column(true)];
        assert!(extract(&args, &Context::default()).is_none());
    }

    #[test]
    fn an_infinity_has_no_parts_and_stays_when_truncated() {
        let args = [
            ColumnarValue::Scalar(ScalarValue::from("hour")),
            column(true),
        ];
        for context in contexts() {
            let hours = extract(&args, &context).expect("a column");
            let starts = truncate(&args, &context).expect("a column");
            let starts: &TimestampMicrosecondArray = starts.as_primitive();
            assert!(hours.is_null(1) && hours.is_null(2));
            assert_eq!([starts.value(1), starts.value(2)], [i64::MAX, i64::MIN]);
        }
    }
}
