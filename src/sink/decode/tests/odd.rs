//! What producers should never send and some do: each becomes a row with the right value, or a dead
//! letter that says why, and the records around it are untouched.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Date32Type, TimestampMicrosecondType};

use super::{decode, decoder, every_type, reason, reasons, rows};

#[test]
fn numbers_beyond_their_column() {
    let mut decoder = decoder(every_type());
    for (payload, wanted) in [
        (
            r#"{"l":18446744073709551616}"#,
            "l: 18446744073709551616 does not fit a long",
        ),
        (
            r#"{"l":9223372036854775808}"#,
            "l: 9223372036854775808 does not fit a long",
        ),
        (
            r#"{"l":-9223372036854775809}"#,
            "l: -9223372036854775809 does not fit a long",
        ),
        (
            r#"{"i":18446744073709551616}"#,
            "i: 18446744073709551616 does not fit an int",
        ),
        (
            r#"{"m":18446744073709551616}"#,
            "m: 18446744073709551616 does not fit decimal(12, 2)",
        ),
        (
            r#"{"tz":18446744073709551616e9}"#,
            "tz: 18446744073709551616e9 does not fit a timestamp",
        ),
        (
            r#"{"date":2147483648}"#,
            "date: 2147483648 does not fit a date",
        ),
        (r#"{"l":0.1}"#, "l: 0.1 is not whole"),
        (r#"{"d":-1e400}"#, "d: -1e400 does not fit a double"),
        (
            r#"{"d":1e99999999999999999999}"#,
            "d: 1e99999999999999999999 does not fit a double",
        ),
    ] {
        assert_eq!(reason(&mut decoder, payload), wanted, "{payload}");
    }
    let fits = [
        r#"{"l":9223372036854775807}"#,
        r#"{"l":-9223372036854775808}"#,
        r#"{"l":9.223372036854775807e18}"#,
        r#"{"l":10000000000000000000000e-22}"#,
        r#"{"d":18446744073709551616}"#,
        r#"{"d":1e-400}"#,
        r#"{"zz":18446744073709551616,"yy":1e400}"#,
    ];
    let decoded = decode(&mut decoder, fits);
    assert_eq!(reasons(&decoded), Vec::<String>::new());
    let found = rows(&decoded.events);
    assert_eq!(found[0]["l"], i64::MAX);
    assert_eq!(found[1]["l"], i64::MIN);
    assert_eq!(found[2]["l"], i64::MAX);
    assert_eq!(found[3]["l"], 1);
    assert_eq!(found[4]["d"], 18_446_744_073_709_551_616_f64);
    assert_eq!(found[5]["d"], 0.0);
    assert_eq!(
        found[6]["_extra"],
        r#"{"zz":18446744073709551616,"yy":1e400}"#
    );
}

#[test]
fn what_other_writers_call_json() {
    let mut decoder = decoder(every_type());
    for bad in [
        r#"{"d":NaN}"#,
        r#"{"d":-NaN}"#,
        r#"{"d":Infinity}"#,
        r#"{"d":-Infinity}"#,
        r#"{"d":inf}"#,
        r#"{"zz":NaN}"#,
        r#"{"d":+1}"#,
        r#"{"d":.5}"#,
        r#"{"d":5.}"#,
        r#"{"d":0x10}"#,
        r#"{"d":1_000}"#,
        r#"{"d":01}"#,
        r#"{"d":1e}"#,
        r#"{'d':1}"#,
        r#"{d:1}"#,
        r#"{"d":1,}"#,
        r#"{"d":1 "i":2}"#,
        r#"{"d":1}{"d":2}"#,
        r#"{"d":1} // why"#,
        r#"{"b":True}"#,
        r#"{"b":None}"#,
        r#"{"d":undefined}"#,
        "{\"s\":\"a\nb\"}",
        "{\"s\":\"a\0b\"}",
        "{\"s\":\"\\x41\"}",
        "{\"s\":\"\\u12g4\"}",
        "\0{}",
        "{}\0",
    ] {
        let why = reason(&mut decoder, bad);
        assert!(
            why.contains("not JSON") || why.contains("no JSON"),
            "{bad}: {why}"
        );
    }
    // In a string they are a string.
    assert_eq!(
        reason(&mut decoder, r#"{"d":"NaN"}"#),
        "d: a number expected, found a string"
    );
    let decoded = decode(&mut decoder, [r#"{"s":"NaN"}"#]);
    assert_eq!(rows(&decoded.events)[0]["s"], "NaN");
}

#[test]
fn keys_that_stand_twice() {
    let mut decoder = decoder(every_type());
    for (payload, wanted) in [
        (r#"{"i":1,"i":1}"#, "i: stands twice in one object"),
        (r#"{"i":null,"i":1}"#, "i: stands twice in one object"),
        // The same key in another spelling.
        (r#"{"i":1,"\u0069":2}"#, "i: stands twice in one object"),
        (
            r#"{"st":{"r":"x"},"st":{"r":"y"}}"#,
            "st: stands twice in one object",
        ),
        (
            r#"{"st":{"r":"x","a":1,"a":2}}"#,
            "st.a: stands twice in one object",
        ),
        (
            r#"{"items":[{"sku":"x","sku":"y"}]}"#,
            "items[0].sku: stands twice in one object",
        ),
        (
            r#"{"tags":{"a":"1","a":"2"}}"#,
            r#"tags["a"]: this key stands twice"#,
        ),
        (
            r#"{"tags":{"a":"1","\u0061":"2"}}"#,
            r#"tags["a"]: this key stands twice"#,
        ),
    ] {
        assert_eq!(reason(&mut decoder, payload), wanted, "{payload}");
    }
    // What isn't declared is nobody's to choose between: both are kept. Case tells names apart.
    let decoded = decode(&mut decoder, [r#"{"I":1,"zz":1,"zz":{"a":1,"a":2},"i":3}"#]);
    let found = &rows(&decoded.events)[0];
    assert_eq!(found["i"], 3);
    assert_eq!(found["_extra"], r#"{"I":1,"zz":1,"zz":{"a":1,"a":2}}"#);
}

#[test]
fn texts_that_are_none() {
    let mut decoder = decoder(every_type());
    let lone = "a lone surrogate in a string, which no UTF-8 text can hold";
    for payload in [
        r#"{"s":"\ud800"}"#,
        r#"{"s":"\udc00"}"#,
        r#"{"s":"\udc00\ud800"}"#,
        r#"{"s":"\ud800\ud800"}"#,
        r#"{"s":"\ud800x"}"#,
        r#"{"s":"\ud83d\u0041"}"#,
        r#"{"\ud800":1}"#,
        r#"{"zz":"\ud800"}"#,
        r#"{"zz":[{"a":{"\udfff":1}}]}"#,
        r#"{"tags":{"\ud800":"x"}}"#,
        r#"{"date":"\udbff"}"#,
    ] {
        let why = reason(&mut decoder, payload);
        assert!(why.ends_with(lone), "{payload}: {why}");
    }
    let utf8 = |bytes: &[u8]| [&b"{\"s\":\""[..], bytes, b"\"}"].concat();
    for (bytes, from) in [
        (&b"\xff"[..], 6),
        (b"a\xc3", 7),            // cut off
        (b"\xc0\xaf", 6),         // longer than it need be
        (b"\xed\xa0\x80", 6),     // a surrogate
        (b"\xf4\x90\x80\x80", 6), // beyond the last character
        (b"\xe9", 6),             // Latin-1
    ] {
        let why = reason(&mut decoder, utf8(bytes));
        assert_eq!(why, format!("not UTF-8 from byte {from} on"), "{bytes:?}");
    }
    let utf16 = [0xff, 0xfe, b'{', 0, b'}', 0];
    assert_eq!(reason(&mut decoder, utf16), "not UTF-8 from byte 0 on");
    assert_eq!(
        reason(&mut decoder, b"\xef\xbb\xbf{\"s\":\"a\"}"),
        "not JSON: it begins with a byte order mark"
    );
    // Inside a string it is a character, as are the highest one, NUL and those without a name.
    let all = r#"{"s":"\ufeff|\udbff\udfff|\u0000|\uffff|\ud83d\ude00"}"#;
    let decoded = decode(&mut decoder, [all]);
    let found = &rows(&decoded.events)[0]["s"];
    assert_eq!(found, "\u{feff}|\u{10ffff}|\0|\u{ffff}|😀");
}

/// 50 MB in one string, declared and not, plain and with escapes: rows where the contract allows
/// them, each value whole.
#[test]
fn strings_of_50_megabytes() {
    const LENGTH: usize = 50_000_000;
    let mut decoder = decoder(every_type());
    let big = |key: &str, unit: &str| {
        let text = unit.repeat(LENGTH / unit.len());
        format!("{{\"i\":1,\"{key}\":\"{text}\"}}")
    };
    let why = reason(&mut decoder, big("s", "a"));
    assert!(
        why.starts_with("the payload has 50000014 bytes, the contract's largest_record is"),
        "{why}"
    );
    decoder.largest_record_bytes = 64 << 20;
    let decoded = decode(
        &mut decoder,
        [
            big("s", "a"),
            big("s", "\\u00e9\\n"),
            big("zz", "é"),
            "{\"i\":2}".to_owned(),
        ],
    );
    assert_eq!(reasons(&decoded), Vec::<String>::new());
    let texts = decoded
        .events
        .column_by_name("s")
        .unwrap()
        .as_string::<i32>();
    assert_eq!(texts.value_length(0), LENGTH as i32);
    assert!(texts.value(0).bytes().all(|byte| byte == b'a'));
    assert_eq!(texts.value(1), "é\n".repeat(LENGTH / 8));
    assert!(texts.is_null(2) && texts.is_null(3));
    let extra = decoded
        .events
        .column_by_name("_extra")
        .unwrap()
        .as_string::<i32>();
    assert_eq!(extra.value(2).len(), LENGTH + r#"{"zz":""}"#.len());
    // One that never ends, and one that no column wants.
    let open = format!("{{\"s\":\"{}", "a".repeat(LENGTH));
    assert_eq!(
        reason(&mut decoder, open),
        "s: not JSON: the string at byte 5 has no end"
    );
    let why = reason(&mut decoder, big("date", "9"));
    assert_eq!(
        why,
        format!(
            "date: a date YYYY-MM-DD expected, found \"{}…\"",
            "9".repeat(60)
        )
    );
}

/// Deeper than any stack: said, for what is declared and what is not.
#[test]
fn ten_thousand_levels() {
    let mut decoder = decoder(every_type());
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for key in ["zz", "st", "items", "tags", "s"] {
            let payload = format!(
                "{{\"{key}\":{}1{}}}",
                open.repeat(10_000),
                close.repeat(10_000)
            );
            // Either it is too deep, or not what the column wants.
            let why = reason(&mut decoder, &payload);
            assert!(
                why.contains("nested deeper than 128") || why.contains("expected"),
                "{key}: {why}"
            );
            assert!(why.len() < 1_000, "{key}: {} bytes of reason", why.len());
        }
    }
}

#[test]
fn timestamps_in_all_spellings() {
    let mut decoder = decoder(every_type());
    let mut us = |column: &str, payload: String| {
        let decoded = decode(&mut decoder, [payload]);
        let times = decoded.events.column_by_name(column).unwrap();
        let times = times.as_primitive::<TimestampMicrosecondType>();
        (times.len() == 1 && times.is_valid(0)).then(|| times.value(0))
    };
    let mut tz = |text: &str| us("tz", format!("{{\"tz\":{text}}}"));
    let moment = 1_767_323_045_000_000;
    for text in [
        r#""2026-01-02T03:04:05Z""#,
        r#""2026-01-02t03:04:05z""#,
        r#""2026-01-02 03:04:05Z""#,
        r#""2026-01-02T03:04:05.000000000Z""#,
        r#""2026-01-02T03:04:05+00:00""#,
        r#""2026-01-02T03:04:05-00:00""#,
        r#""2026-01-02T08:49:05+05:45""#,
        r#""2026-01-02T08:49:05+0545""#,
        r#""2026-01-02T05:04:05+02""#,
        r#""2026-01-01T15:04:05-12:00""#,
        r#""2026-01-02T03:03:65Z""#,
        r#""\u0032026-01-02T03:04:05Z""#,
        "1767323045",
        "1767323045000",
        "1767323045000000",
        "1767323045000000000",
        "1767323045.0",
        "1.767323045e9",
        "17673230450e-1",
    ] {
        // A second of 65 is none.
        let wanted = (!text.contains(":65")).then_some(moment);
        assert_eq!(tz(text), wanted, "{text}");
    }
    for (text, wanted) in [
        (r#""1969-12-31T23:59:59.999999Z""#, -1),
        (r#""0001-01-01T00:00:00Z""#, -62_135_596_800_000_000),
        (
            r#""9999-12-31T23:59:59.999999999Z""#,
            253_402_300_799_999_999,
        ),
        (r#""2024-02-29T00:00:00Z""#, 1_709_164_800_000_000),
        // A leap second is the next minute's first.
        (r#""2016-12-31T23:59:60Z""#, 1_483_228_800_000_000),
        ("0", 0),
        ("-1", -1_000_000),
        ("1767323045.1234567", 1_767_323_045_123_456),
    ] {
        assert_eq!(tz(text), Some(wanted), "{text}");
    }
    for text in [
        r#""2026-01-02""#,
        r#""2026-01-02T03:04Z""#,
        r#""2026-01-02T03:04:05""#,
        r#""20260102T030405Z""#,
        r#""2026-1-2T03:04:05Z""#,
        r#""2026-02-29T00:00:00Z""#,
        r#""2026-13-01T00:00:00Z""#,
        r#""2026-01-02T24:00:00Z""#,
        r#""2026-01-02T03:04:05,5Z""#,
        r#""2026-01-02T03:04:05+24:00""#,
        r#""2026-01-02T03:04:05 Z""#,
        r#"" 2026-01-02T03:04:05Z""#,
        r#""+2026-01-02T03:04:05Z""#,
        r#""02/01/2026 03:04:05""#,
        r#""2026-W01-5""#,
        r#""2026-01-02T03:04:05[Europe/Berlin]""#,
        r#""2026-01-02T03:04:05−01:00""#,
        r#""1767323045""#,
        r#""now""#,
        r#""""#,
        "1e30",
        "[2026,1,2]",
        "true",
    ] {
        assert_eq!(tz(text), None, "{text}");
    }
}

#[test]
fn dates_and_local_times_in_all_spellings() {
    let mut decoder = decoder(every_type());
    let good = [
        (r#"{"date":"1970-01-02"}"#, 1),
        (r#"{"date":1}"#, 1),
        (r#"{"date":-1}"#, -1),
        (r#"{"date":"0001-01-01"}"#, -719_162),
        (r#"{"date":1.0}"#, 1),
    ];
    for (payload, days) in good {
        let decoded = decode(&mut decoder, [payload]);
        let dates = decoded.events.column_by_name("date").unwrap();
        assert_eq!(
            dates.as_primitive::<Date32Type>().value(0),
            days,
            "{payload}"
        );
    }
    for bad in [
        r#"{"date":"1970-1-2"}"#,
        r#"{"date":"19700102"}"#,
        r#"{"date":"1970-01-02T00:00:00Z"}"#,
        r#"{"date":"1900-02-29"}"#,
        r#"{"date":1.5}"#,
        r#"{"date":"1"}"#,
        r#"{"time":"1:02:03"}"#,
        r#"{"time":"24:00:00"}"#,
        r#"{"time":"01:02:03Z"}"#,
        r#"{"time":3600}"#,
        r#"{"ts":"2026-01-01"}"#,
        r#"{"ts":"2026-01-01T00:00:00+01:00"}"#,
    ] {
        let why = reason(&mut decoder, bad);
        assert!(
            why.contains("expected") || why.contains("is not whole"),
            "{bad}: {why}"
        );
    }
}
