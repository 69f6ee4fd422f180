use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::*;

struct Line {
    bytes: Vec<u8>,
    key: Vec<u8>,
    record: Record,
}

fn lines(seed: u64, records: u64) -> (Vec<Line>, Counts) {
    let mut generator = Generator::history(seed, records);
    let lines = (0..records)
        .map(|_| {
            let (mut bytes, mut key) = (Vec::new(), Vec::new());
            let record = generator.next_record(&mut bytes);
            record.key(&mut key);
            Line { bytes, key, record }
        })
        .collect();
    (lines, generator.counts())
}

fn digest(seed: u64, records: u64) -> String {
    let mut sha = Sha256::new();
    for line in lines(seed, records).0 {
        sha.update(&line.bytes);
        sha.update(b"\n");
    }
    sha.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// Golden: benchmarks and results elsewhere are told by seed and count.
#[test]
fn same_seed_same_bytes() {
    assert_eq!(digest(7, 3_000), digest(7, 3_000));
    assert_ne!(digest(7, 3_000), digest(8, 3_000));
    assert_eq!(
        digest(1, 2_000),
        "d1c644890d92fdfcbd89da47146c400de9228718a5c771632faefafde7c36434"
    );
}

#[test]
fn one_in_so_many_goes_wrong_and_the_sums_add_up() {
    let (lines, counts) = lines(3, 50_000);
    assert_eq!(counts.records(), 50_000);
    // One in each whole block; a neighbour block's may slip over the end.
    assert!((249..=250).contains(&counts.late), "{counts:?}");
    assert!((99..=100).contains(&counts.repeats), "{counts:?}");
    assert!((49..=50).contains(&counts.malformed), "{counts:?}");
    let of = |kind| lines.iter().filter(|l| l.record.kind == kind).count() as u64;
    assert_eq!(of(Kind::Late), counts.late);
    assert_eq!(of(Kind::Repeat), counts.repeats);
    assert_eq!(of(Kind::Malformed), counts.malformed);
}

fn parsed(line: &Line) -> Option<Value> {
    serde_json::from_slice(&line.bytes).ok()
}

fn timestamp_ms(event: &Value) -> i64 {
    let text = event["timestamp"].as_str().expect("a text");
    assert_eq!(text.len(), "2026-10-25T08:09:10.123Z".len());
    chrono::DateTime::parse_from_rfc3339(text)
        .expect("RFC 3339")
        .timestamp_millis()
}

#[test]
fn records_are_events_of_the_contract() {
    let (lines, _) = lines(5, 20_000);
    let mut bytes = 0;
    for line in &lines {
        bytes += line.bytes.len();
        assert!(!line.bytes.contains(&b'\n'));
        if line.record.kind == Kind::Malformed {
            continue;
        }
        let event = parsed(line).expect("JSON");
        assert_eq!(
            event["user_id"].as_str().map(str::as_bytes),
            Some(&line.key[..])
        );
        event["event_id"]
            .as_str()
            .expect("text")
            .parse::<uuid::Uuid>()
            .expect("a UUID");
        event["correlation_id"]
            .as_str()
            .expect("text")
            .parse::<uuid::Uuid>()
            .expect("a UUID");
        let late_ms = line.record.sent_ms - timestamp_ms(&event);
        match line.record.kind {
            Kind::Late => assert!((3_600_000..=72 * 3_600_000).contains(&late_ms)),
            Kind::Ordinary => assert_eq!(late_ms, 0),
            Kind::Repeat | Kind::Malformed => {}
        }
        let properties = &event["properties"];
        let kind = event["type"].as_str().expect("text");
        assert_eq!(properties["amount"].is_number(), kind == "purchase");
        assert_eq!(properties["product_id"].is_string(), kind != "page_view");
        assert_eq!(properties["category"].is_string(), kind != "page_view");
        for field in ["page", "device", "ip", "region", "session_id"] {
            assert!(properties[field].is_string(), "{field}");
        }
        assert!(event["metadata"]["source"].is_string());
        assert!(event["metadata"]["version"].is_u64());
    }
    let mean = bytes / lines.len();
    assert!((380..=460).contains(&mean), "{mean} bytes a record");
}

#[test]
fn amounts_have_two_digits() {
    let (lines, _) = lines(5, 20_000);
    let mut seen = 0;
    for line in lines.iter().filter(|l| l.record.kind == Kind::Ordinary) {
        let text = std::str::from_utf8(&line.bytes).expect("text");
        if let Some((_, rest)) = text.split_once("\"amount\":") {
            let amount = rest.split('}').next().expect("a number");
            let (whole, cents) = amount.split_once('.').expect("a point");
            assert!(whole.parse::<u32>().is_ok() && cents.len() == 2, "{amount}");
            assert_ne!(amount, "0.00");
            seen += 1;
        }
    }
    assert!(seen > 500, "{seen} purchases");
}

/// No decoder may take one of these: each breaks JSON, UTF-8, or a required field.
#[test]
fn malformed_ones_are_malformed() {
    let (lines, _) = lines(9, 60_000);
    let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
    for line in lines.iter().filter(|l| l.record.kind == Kind::Malformed) {
        let why = match parsed(line) {
            None if std::str::from_utf8(&line.bytes).is_err() => "not UTF-8",
            None => "not JSON",
            Some(event) if !event.is_object() => "not an object",
            Some(event) if !event["event_id"].is_string() => "no event_id",
            Some(event) if !event["type"].is_string() => "no type",
            Some(event) if !event["properties"].is_object() => "properties",
            Some(event) if !event["timestamp"].is_string() => "timestamp's type",
            Some(event) if event["timestamp"] == "yesterday" => "timestamp's text",
            Some(event) => panic!("nothing is wrong with {event}"),
        };
        *kinds.entry(why).or_default() += 1;
    }
    assert_eq!(kinds.len(), 8, "{kinds:?}");
}

#[test]
fn an_event_is_sent_at_most_twice_and_close_by() {
    let (lines, counts) = lines(11, 40_000);
    let mut first: HashMap<String, (usize, u32)> = HashMap::new();
    let mut repeats = 0;
    for (index, line) in lines.iter().enumerate() {
        if line.record.kind == Kind::Malformed {
            continue;
        }
        let id = parsed(line).expect("JSON")["event_id"]
            .as_str()
            .expect("text")
            .to_owned();
        let seen = first.entry(id).or_insert((index, 0));
        seen.1 += 1;
        if seen.1 > 1 {
            assert_eq!(seen.1, 2);
            assert_eq!(line.record.kind, Kind::Repeat);
            assert_eq!(
                (&lines[seen.0].bytes, &lines[seen.0].key),
                (&line.bytes, &line.key)
            );
            assert!(index - seen.0 < 64);
            repeats += 1;
        }
    }
    assert_eq!(repeats, counts.repeats);
}

#[test]
fn a_history_fills_its_four_weeks_and_ends_at_its_end() {
    for records in [2_000, 100_000] {
        let (lines, _) = lines(2, records);
        let sent: Vec<i64> = lines.iter().map(|l| l.record.sent_ms).collect();
        assert!(sent.is_sorted());
        let day_ms = 86_400_000;
        assert!(sent[0] < BASE_TIME_MS - HISTORY_MS + day_ms);
        let end_ms = *sent.last().expect("not empty");
        assert!(
            (end_ms - BASE_TIME_MS).abs() < day_ms / 2,
            "{}",
            end_ms - BASE_TIME_MS
        );
        let days: std::collections::BTreeSet<i64> = sent.iter().map(|ms| ms / day_ms).collect();
        assert!(days.len() >= 28, "{} days", days.len());
    }
}

#[test]
fn the_shop_lives_like_a_shop() {
    let (lines, _) = lines(4, 60_000);
    let mut types: HashMap<String, u64> = HashMap::new();
    let mut products: HashMap<String, u64> = HashMap::new();
    let mut hours = [0_u64; 24];
    let mut sessions = std::collections::HashSet::new();
    let mut users = std::collections::HashSet::new();
    let mut events = 0;
    for line in lines.iter().filter(|l| l.record.kind == Kind::Ordinary) {
        let event = parsed(line).expect("JSON");
        events += 1;
        *types
            .entry(event["type"].as_str().expect("text").to_owned())
            .or_default() += 1;
        if let Some(product) = event["properties"]["product_id"].as_str() {
            *products.entry(product.to_owned()).or_default() += 1;
        }
        if event["properties"]["region"] == "eu-west" {
            let hour = timestamp_ms(&event) / 3_600_000 % 24;
            hours[usize::try_from(hour).expect("below 24")] += 1;
        }
        sessions.insert(event["properties"]["session_id"].to_string());
        users.insert(line.key.clone());
    }
    // A funnel narrows.
    assert!(types["product_view"] > types["add_to_cart"] * 3);
    assert!(types["add_to_cart"] > types["purchase"]);
    assert!(types["purchase"] * 100 > events, "{types:?}");
    let mut counts: Vec<u64> = products.values().copied().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let head: u64 = counts.iter().take(100).sum();
    assert!(head * 3 > counts.iter().sum(), "no product is popular");
    assert!(
        hours[19] > hours[2] * 4,
        "day and night are alike: {hours:?}"
    );
    let mean = events as f64 / sessions.len() as f64;
    assert!(
        (mean - session::MEAN_EVENTS).abs() < 0.25,
        "{mean} events a session"
    );
    assert!(
        users.len() * 2 < sessions.len(),
        "visitors don't come again"
    );
}

#[test]
fn a_live_stream_keeps_its_rate_from_its_first_second() {
    let start_ms = BASE_TIME_MS + 12 * 3_600_000;
    let pace = Pace::Live {
        start_ms,
        per_second: 100.0,
        known_users: 500,
    };
    let mut generator = Generator::new(6, pace);
    let mut out = Vec::new();
    let mut first_minute = 0;
    loop {
        out.clear();
        let record = generator.next_record(&mut out);
        assert!(record.sent_ms >= start_ms);
        if record.sent_ms >= start_ms + 60_000 {
            break;
        }
        first_minute += 1;
    }
    // Noon in UTC has a little more than the mean of the day.
    assert!((4_500..12_000).contains(&first_minute), "{first_minute}");
}

#[test]
fn partitions_are_used_alike() {
    let (lines, _) = lines(4, 20_000);
    let mut counts = [0_u32; 4];
    for line in &lines {
        counts[usize::try_from(partition_of(&line.key, 4)).expect("below 4")] += 1;
    }
    assert!(counts.iter().all(|count| *count > 3_000), "{counts:?}");
}
