//! Whatever bytes come: the reader against serde_json, and I6 on arbitrary records.

use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::record_batch::RecordBatch;
use proptest::prelude::*;
use serde_json::Value;

use super::{chunk, decode, decoder, every_type, identity, reasons};
use crate::sink::decode::Decoded;
use crate::sink::decode::json::Reader;

/// Texts that are JSON, nearly, or not at all.
fn nearly_json() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u",
        "d800",
        "dc00",
        "0041",
        "\"a\"",
        "\"s\":",
        "\"i\":",
        "\"st\":",
        "\"items\":",
        "\"tags\":",
        "\"r\":",
        "\"sku\":",
        "null",
        "true",
        "false",
        "nul",
        "0",
        "-",
        "12",
        "1.5",
        "1e5",
        "1e400",
        ".",
        "e",
        " ",
        "\n",
        "é",
        "\u{1}",
        "\u{feff}",
    ]);
    prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "b", "i", "l", "s", "st", "items", "tags", "r", "a", "sku"
        ])
        .prop_map(str::to_owned),
        "\\PC{0,5}",
    ];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..5)
                .prop_map(|map| Value::from(serde_json::Map::from_iter(map))),
        ]
    })
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        nearly_json().prop_map(String::into_bytes),
        nearly_json().prop_map(|text| format!("{{{text}}}").into_bytes()),
        any_json().prop_map(|value| value.to_string().into_bytes()),
    ]
}

fn accepted(text: &str) -> bool {
    let mut reader = Reader::new(text);
    reader.skip().is_ok() && reader.end().is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The reader takes what serde_json takes, and nothing else.
    #[test]
    fn agrees_with_serde_json(text in prop_oneof![
        nearly_json(),
        nearly_json().prop_map(|text| format!("[{text}]")),
        nearly_json().prop_map(|text| format!("{{\"a\":{text}}}")),
        any_json().prop_map(|value| value.to_string()),
        any_json().prop_map(|value| format!("{value:#}")),
    ]) {
        match serde_json::from_str::<Value>(&text) {
            Ok(_) => prop_assert!(accepted(&text)),
            // A number too big for serde_json's f64 is still a number.
            Err(error) if error.to_string().starts_with("number out of range") => {}
            Err(error) => prop_assert!(!accepted(&text), "{}", error),
        }
    }

    #[test]
    fn strings_come_out_as_they_went_in(text in any::<String>(), ascii in any::<bool>()) {
        let mut quoted = serde_json::to_string(&text).unwrap();
        if ascii {
            let escape = |unit: u16| format!("\\u{unit:04X}");
            quoted = format!("\"{}\"", text.encode_utf16().map(escape).collect::<String>());
        }
        let mut reader = Reader::new(&quoted);
        reader.peek().unwrap();
        let found = reader.string().unwrap();
        prop_assert_eq!(found.raw(), &quoted);
        prop_assert_eq!(reader.text_of(found).unwrap(), &text);
    }

    /// I6: whatever comes, each record is one row or one dead letter, and rows are whole.
    #[test]
    fn each_record_ends_exactly_once(payloads in prop::collection::vec(payload(), 0..20)) {
        let mut decoder = decoder(every_type());
        decoder.push(&identity(), &chunk(&payloads), 0);
        prop_assert_eq!(decoder.rows(), payloads.len());
        let decoded = decoder.take().unwrap();
        let offsets = |batch: &RecordBatch| {
            let column = batch.column_by_name("_offset").unwrap();
            column.as_primitive::<Int64Type>().values().to_vec()
        };
        let rows = offsets(&decoded.events);
        let mut all = [rows.clone(), offsets(&decoded.dead_letters)].concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..payloads.len() as i64).collect::<Vec<_>>());
        // Rows are what each good record makes alone: the bad ones left no trace.
        let good = rows.iter().map(|at| &payloads[*at as usize]);
        let again = decode(&mut decoder, good);
        prop_assert_eq!(again.dead_letters.num_rows(), 0);
        for (column, name) in decoded.events.columns().iter().zip(wanted_names(&decoded)) {
            if name != "_offset" && name != "_timestamp" {
                prop_assert_eq!(column, again.events.column_by_name(&name).unwrap());
            }
        }
    }

    #[test]
    fn numbers_and_texts_round_trip(
        i in any::<i32>(), l in any::<i64>(), cents in -999_999_999_999i64..=999_999_999_999,
        s in any::<String>(), d in prop::num::f64::NORMAL,
    ) {
        let m = format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100);
        let payload = format!(
            r#"{{"m":{m},"l":{l},"s":{},"d":{},"i":{i}}}"#,
            serde_json::to_string(&s).unwrap(), serde_json::to_string(&d).unwrap(),
        );
        let decoded = decode(&mut decoder(every_type()), [payload]);
        prop_assert_eq!(decoded.events.num_rows(), 1, "{:?}", reasons(&decoded));
        let column = |name| decoded.events.column_by_name(name).unwrap();
        prop_assert_eq!(column("i").as_primitive::<Int32Type>().value(0), i);
        prop_assert_eq!(column("l").as_primitive::<Int64Type>().value(0), l);
        prop_assert_eq!(column("s").as_string::<i32>().value(0), &s);
        let found = column("m").as_primitive::<arrow::datatypes::Decimal128Type>().value(0);
        prop_assert_eq!(found, i128::from(cents));
        let found = column("d").as_primitive::<arrow::datatypes::Float64Type>().value(0);
        prop_assert_eq!(found, d);
    }
}

fn wanted_names(decoded: &Decoded) -> Vec<String> {
    let schema = decoded.events.schema();
    schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect()
}
