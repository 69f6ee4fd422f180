use std::sync::Arc;

use arrow::array::types::IntervalMonthDayNano;
use arrow::array::*;
use arrow::datatypes::*;
use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

fn text_of(array: impl Array + 'static) -> Vec<Option<String>> {
    text_in(array, chrono_tz::UTC)
}

fn text_in(array: impl Array + 'static, zone: Tz) -> Vec<Option<String>> {
    let array: ArrayRef = Arc::new(array);
    let column = Column::new(&array).unwrap();
    (0..array.len())
        .map(|row| {
            let mut out = BytesMut::new();
            let style = Style {
                zone,
                ..Style::default()
            };
            field(&column, Format::Text, row, &style, &mut out).unwrap();
            let length = i32::from_be_bytes(out[..4].try_into().unwrap());
            (length >= 0).then(|| {
                assert_eq!(out.len(), 4 + length as usize);
                String::from_utf8(out[4..].to_vec()).unwrap()
            })
        })
        .collect()
}

fn binary_of(array: impl Array + 'static) -> Vec<u8> {
    let array: ArrayRef = Arc::new(array);
    let column = Column::new(&array).unwrap();
    let mut out = BytesMut::new();
    column.binary(0, &Style::default(), &mut out).unwrap();
    out.to_vec()
}

fn one(array: impl Array + 'static) -> String {
    text_of(array).remove(0).unwrap()
}

#[test]
fn integers_and_booleans() {
    assert_eq!(one(Int64Array::from(vec![i64::MIN])), i64::MIN.to_string());
    assert_eq!(one(Int16Array::from(vec![-5])), "-5");
    assert_eq!(one(UInt64Array::from(vec![u64::MAX])), u64::MAX.to_string());
    assert_eq!(one(UInt32Array::from(vec![u32::MAX])), u32::MAX.to_string());
    assert_eq!(
        text_of(BooleanArray::from(vec![Some(true), None, Some(false)])),
        [Some("t".into()), None, Some("f".into())]
    );
    assert_eq!(binary_of(Int32Array::from(vec![-2])), (-2i32).to_be_bytes());
    assert_eq!(binary_of(Int8Array::from(vec![-2])), (-2i16).to_be_bytes());
    assert_eq!(binary_of(BooleanArray::from(vec![true])), [1]);
}

/// Expected texts are what `select …::float8` prints on PostgreSQL 15.
#[test]
fn floats_are_shortest_and_laid_out_as_in_postgres() {
    for (value, expected) in [
        (0.1, "0.1"),
        (1.0, "1"),
        (-0.0, "-0"),
        (1e15, "1e+15"),
        (123456789012345.0, "123456789012345"),
        (1.5e300, "1.5e+300"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (0.1 + 0.2, "0.30000000000000004"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
        (5e-324, "5e-324"),
    ] {
        assert_eq!(one(Float64Array::from(vec![value])), expected);
    }
    assert_eq!(one(Float32Array::from(vec![0.1])), "0.1");
    assert_eq!(one(Float32Array::from(vec![1e6])), "1e+06");
    assert_eq!(one(Float32Array::from(vec![123456.0])), "123456");
}

#[test]
fn dates_and_times() {
    assert_eq!(one(Date32Array::from(vec![0])), "1970-01-01");
    assert_eq!(one(Date32Array::from(vec![11016])), "2000-02-29");
    assert_eq!(one(Date32Array::from(vec![-719_529])), "0002-12-31 BC");
    assert_eq!(one(Date32Array::from(vec![i32::MAX])), "infinity");
    assert_eq!(binary_of(Date32Array::from(vec![10_957])), [0; 4]);
    assert_eq!(
        one(TimestampMicrosecondArray::from(vec![1_500_000])),
        "1970-01-01 00:00:01.5"
    );
    assert_eq!(
        one(TimestampMicrosecondArray::from(vec![-1])),
        "1969-12-31 23:59:59.999999"
    );
    assert_eq!(
        one(TimestampNanosecondArray::from(vec![1_000_001_999])),
        "1970-01-01 00:00:01.000001"
    );
    assert_eq!(
        one(TimestampMicrosecondArray::from(vec![i64::MIN])),
        "-infinity"
    );
    assert_eq!(
        one(Time64NanosecondArray::from(vec![3_723_000_001_000])),
        "01:02:03.000001"
    );
    assert_eq!(one(Time32SecondArray::from(vec![86_399])), "23:59:59");
}

#[test]
fn timestamptz_is_shown_in_the_session_zone() {
    // 2026-07-01 12:00:00 UTC, 2026-01-01 12:00:00 UTC
    let array = TimestampMicrosecondArray::from(vec![1_782_907_200_000_000, 1_767_268_800_000_000])
        .with_timezone("UTC");
    let show = |zone| -> Vec<String> {
        text_in(array.clone(), zone)
            .into_iter()
            .map(Option::unwrap)
            .collect()
    };
    assert_eq!(show(Tz::UTC)[0], "2026-07-01 12:00:00+00");
    assert_eq!(
        show(Tz::Europe__Berlin),
        ["2026-07-01 14:00:00+02", "2026-01-01 13:00:00+01"]
    );
    assert_eq!(show(Tz::Asia__Kolkata)[0], "2026-07-01 17:30:00+05:30");
    assert_eq!(show(Tz::America__St_Johns)[1], "2026-01-01 08:30:00-03:30");
    assert_eq!(
        binary_of(array),
        (1_782_907_200_000_000i64 - 946_684_800_000_000).to_be_bytes()
    );
}

/// Expected texts are PostgreSQL 15's.
#[test]
fn intervals() {
    let show = |months, days, nanos| {
        one(IntervalMonthDayNanoArray::from(vec![
            IntervalMonthDayNano::new(months, days, nanos),
        ]))
    };
    assert_eq!(show(0, 0, 0), "00:00:00");
    assert_eq!(
        show(14, 3, 14_706_789_000_000),
        "1 year 2 mons 3 days 04:05:06.789"
    );
    assert_eq!(show(-14, 3, 0), "-1 years -2 mons +3 days");
    assert_eq!(show(0, 1, -1_000_000_000), "1 day -00:00:01");
    assert_eq!(show(0, -1, 1_000_000_000), "-1 days +00:00:01");
    assert_eq!(one(DurationSecondArray::from(vec![90_000])), "25:00:00");
    let bytes = binary_of(IntervalMonthDayNanoArray::from(vec![
        IntervalMonthDayNano::new(2, 3, 4_000),
    ]));
    assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 2]);
}

#[test]
fn bytes_uuids_and_texts() {
    assert_eq!(one(BinaryArray::from(vec![&b"\x00\xffA"[..]])), "\\x00ff41");
    assert_eq!(
        binary_of(BinaryViewArray::from(vec![&b"\x00\xff"[..]])),
        b"\x00\xff"
    );
    let id = uuid::Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    let array = FixedSizeBinaryArray::try_from_iter([id.as_bytes()].into_iter()).unwrap();
    assert_eq!(one(array.clone()), id.to_string());
    assert_eq!(binary_of(array), id.as_bytes());
    assert_eq!(one(StringViewArray::from(vec!["grüße"])), "grüße");
    let dictionary: DictionaryArray<Int32Type> = vec!["a", "b"].into_iter().collect();
    assert_eq!(text_of(dictionary)[1].as_deref(), Some("b"));
    assert_eq!(text_of(NullArray::new(1)), [None]);
}

#[test]
fn arrays_quote_what_needs_it() {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for value in ["plain", "a b", "", "NULL", "q\"\\", "x,y", "{}"] {
        builder.values().append_value(value);
    }
    builder.values().append_null();
    builder.append(true);
    builder.append(true);
    builder.append(false);
    assert_eq!(
        text_of(builder.finish()),
        [
            Some(r#"{plain,"a b","","NULL","q\"\\","x,y","{}",NULL}"#.into()),
            Some("{}".into()),
            None
        ]
    );
    let numbers =
        ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None, Some(3)])]);
    assert_eq!(one(numbers.clone()), "{1,NULL,3}");
    assert_eq!(
        binary_of(numbers),
        [
            &[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 23, 0, 0, 0, 3, 0, 0, 0, 1][..],
            &[
                0, 0, 0, 4, 0, 0, 0, 1, 255, 255, 255, 255, 0, 0, 0, 4, 0, 0, 0, 3
            ],
        ]
        .concat()
    );
    let empty = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![])]);
    assert_eq!(binary_of(empty), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20]);
}

#[test]
fn lists_of_lists_are_arrays_of_two_dimensions() {
    let build = |rows: &[&[i32]]| {
        let mut builder = ListBuilder::new(ListBuilder::new(Int32Builder::new()));
        for row in rows {
            builder.values().values().append_slice(row);
            builder.values().append(true);
        }
        builder.append(true);
        builder.finish()
    };
    assert_eq!(one(build(&[&[1, 2], &[3, 4]])), "{{1,2},{3,4}}");
    let bytes = binary_of(build(&[&[1, 2], &[3, 4]]));
    assert_eq!(bytes[..12], [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 23]);
    assert_eq!(
        bytes[12..28],
        [0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1]
    );
    let jagged: ArrayRef = Arc::new(build(&[&[1, 2], &[3]]));
    let column = Column::new(&jagged).unwrap();
    let error = column
        .binary(0, &Style::default(), &mut BytesMut::new())
        .unwrap_err();
    assert_eq!(error.sqlstate, "2202E");
}

#[test]
fn structs_and_maps_are_json() {
    let properties = StructArray::from(vec![
        (
            Arc::new(Field::new("name", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec![Some("a\"b\n\u{1}")])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("amount", DataType::Decimal128(12, 2), true)),
            Arc::new(
                Decimal128Array::from(vec![1250])
                    .with_precision_and_scale(12, 2)
                    .unwrap(),
            ),
        ),
        (
            Arc::new(Field::new(
                "at",
                DataType::Timestamp(TimeUnit::Microsecond, None),
                true,
            )),
            Arc::new(TimestampMicrosecondArray::from(vec![0])),
        ),
        (
            Arc::new(Field::new("score", DataType::Float64, true)),
            Arc::new(Float64Array::from(vec![f64::NAN])),
        ),
        (
            Arc::new(Field::new("none", DataType::Int32, true)),
            Arc::new(Int32Array::from(vec![None])),
        ),
    ]);
    assert_eq!(
        one(properties.clone()),
        r#"{"name":"a\"b\n\u0001","amount":12.50,"at":"1970-01-01T00:00:00","score":"NaN","none":null}"#
    );
    let parsed: serde_json::Value = serde_json::from_slice(&binary_of(properties)).unwrap();
    assert_eq!(parsed["amount"], 12.5);
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("k");
    map.values().append_value(1);
    map.append(true).unwrap();
    assert_eq!(one(map.finish()), r#"{"k":1}"#);
}

#[test]
fn a_failed_row_leaves_nothing_behind() {
    let mut builder = ListBuilder::new(ListBuilder::new(Int32Builder::new()));
    builder.values().values().append_slice(&[1, 2]);
    builder.values().append(true);
    builder.values().append(false);
    builder.append(true);
    let array: ArrayRef = Arc::new(builder.finish());
    let column = Column::new(&array).unwrap();
    let mut out = BytesMut::from(&b"before"[..]);
    let result = data_row(&[column], &[Format::Binary], 0, &Style::default(), &mut out);
    assert!(result.is_err());
    assert_eq!(&out[..], b"before");
}

#[test]
fn types_carry_oids_and_modifiers() {
    let numeric = of_type(&DataType::Decimal128(38, 6));
    assert_eq!((numeric.oid, numeric.modifier), (1700, (38 << 16 | 6) + 4));
    let list = DataType::new_list(DataType::Utf8View, true);
    assert_eq!(of_type(&list).oid, 1009);
    let json_list = DataType::new_list(DataType::Struct(Fields::empty()), true);
    assert_eq!(of_type(&json_list).oid, 199);
    assert_eq!(of_type(&DataType::FixedSizeBinary(16)).oid, 2950);
    assert_eq!(of_type(&DataType::FixedSizeBinary(8)).oid, 17);
}

/// Known forms of `numeric_send` on PostgreSQL 15.
#[test]
fn numeric_binary_is_postgres_form() {
    let bytes = |value: i128, scale| {
        let mut out = BytesMut::new();
        numeric::binary(&value.to_string(), scale, &mut out);
        out.iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    assert_eq!(bytes(0, 2), "0000000000000002");
    assert_eq!(bytes(1, 0), "00010000000000000001");
    assert_eq!(bytes(123_456_789, 2), "0003000100000002007b11d722c4");
    assert_eq!(bytes(-1, 4), "0001ffff400000040001");
    assert_eq!(bytes(10_000, 0), "00010001000000000001");
}

fn decimal_text(value: i128, scale: i8) -> String {
    let mut out = BytesMut::new();
    crate::query::output::numeric(&value.to_string(), scale, &mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn wide_decimals_are_exact() {
    let widest = 10i128.pow(38) - 1;
    let array = Decimal128Array::from(vec![-widest])
        .with_precision_and_scale(38, 6)
        .unwrap();
    assert_eq!(one(array), format!("-{}.{}", "9".repeat(32), "9".repeat(6)));
    let wider = i256::from_string(&"9".repeat(70)).unwrap();
    let array = Decimal256Array::from(vec![wider])
        .with_precision_and_scale(76, 3)
        .unwrap();
    assert_eq!(one(array), format!("{}.999", "9".repeat(67)));
    assert_eq!(decimal_text(5, -3), "5000");
    assert_eq!(decimal_text(0, -3), "0");
}

proptest! {
    #[test]
    fn numeric_text_and_binary_agree(value: i128, scale in 0i8..39) {
        let text = decimal_text(value, scale);
        // The text reads back as the unscaled value.
        let unscaled: i128 = text.replace('.', "").parse().unwrap();
        prop_assert_eq!(unscaled, value);
        let mut out = BytesMut::new();
        numeric::binary(&value.to_string(), scale, &mut out);
        let back = numeric::from_binary(&out).unwrap();
        prop_assert_eq!(back, text);
        // No leading or trailing zero group, as Postgres stores it.
        if out.len() > 8 {
            prop_assert_ne!(&out[8..10], &[0, 0]);
            prop_assert_ne!(&out[out.len() - 2..], &[0, 0]);
        }
    }

    #[test]
    fn floats_read_back(value: f64) {
        let text = one(Float64Array::from(vec![value]));
        let back: f64 = text.parse().unwrap();
        prop_assert!(back == value || back.is_nan() && value.is_nan());
    }

    #[test]
    fn binary_numerics_of_garbage_never_panic(data: Vec<u8>) {
        let _ = numeric::from_binary(&data);
    }
}
