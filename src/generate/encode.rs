//! An event as one line of JSON, written straight into a buffer.

use std::io::Write;
use std::ops::Range;

use chrono::{DateTime, NaiveDate};
use uuid::Uuid;

use super::session::{EventType, Session};

/// Where parts of a written record lie, for those who spoil it.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    /// `"event_id":"…",` whole.
    pub event_id: Range<usize>,
    /// The value of `type`, quotes included.
    pub kind: Range<usize>,
    /// The value of `timestamp`, quotes included.
    pub timestamp: Range<usize>,
    /// The value of `user_id`, quotes included.
    pub user_id: Range<usize>,
    /// The value of `properties`, braces included.
    pub properties: Range<usize>,
}

/// Writes records; keeps the text of the day it last wrote.
#[derive(Debug, Clone, Default)]
pub(super) struct Encoder {
    day: i64,
    date: String,
}

const DAY_MS: i64 = 86_400_000;

impl Encoder {
    /// Appends the session's current event, as of `timestamp_ms`, to `out`.
    pub(super) fn event(
        &mut self,
        out: &mut Vec<u8>,
        session: &Session,
        event_id: Uuid,
        timestamp_ms: i64,
    ) -> Parts {
        let mut uuid_text = Uuid::encode_buffer();
        let start = out.len();
        out.push(b'{');
        let id_start = out.len();
        out.extend_from_slice(b"\"event_id\":\"");
        out.extend_from_slice(
            event_id
                .hyphenated()
                .encode_lower(&mut uuid_text)
                .as_bytes(),
        );
        out.extend_from_slice(b"\",");
        let event_id = id_start - start..out.len() - start;
        let kind = value(out, start, "\"type\":", |out| {
            quoted(out, session.step.name());
        });
        let timestamp = value(out, start, ",\"timestamp\":", |out| {
            self.timestamp(out, timestamp_ms);
        });
        out.extend_from_slice(b",\"correlation_id\":\"");
        let text = session.correlation_id.hyphenated();
        out.extend_from_slice(text.encode_lower(&mut uuid_text).as_bytes());
        out.push(b'"');
        let user_id = value(out, start, ",\"user_id\":", |out| {
            out.push(b'"');
            user_key(out, session.user.number);
            out.push(b'"');
        });
        let properties = value(out, start, ",\"properties\":", |out| {
            properties(out, session);
        });
        out.extend_from_slice(b",\"metadata\":{\"source\":");
        quoted(out, session.user.device().1);
        out.extend_from_slice(b",\"version\":");
        digits(out, session.version, 1);
        out.extend_from_slice(b"}}");
        Parts {
            event_id,
            kind,
            timestamp,
            user_id,
            properties,
        }
    }

    /// RFC 3339 with milliseconds, in quotes.
    fn timestamp(&mut self, out: &mut Vec<u8>, timestamp_ms: i64) {
        let day = timestamp_ms.div_euclid(DAY_MS);
        if day != self.day || self.date.is_empty() {
            self.day = day;
            self.date = DateTime::from_timestamp_millis(day * DAY_MS)
                .map_or(NaiveDate::MAX, |time| time.date_naive())
                .format("%Y-%m-%d")
                .to_string();
        }
        let millis = timestamp_ms.rem_euclid(DAY_MS) as u64;
        out.push(b'"');
        out.extend_from_slice(self.date.as_bytes());
        out.push(b'T');
        digits(out, millis / 3_600_000, 2);
        out.push(b':');
        digits(out, millis / 60_000 % 60, 2);
        out.push(b':');
        digits(out, millis / 1_000 % 60, 2);
        out.push(b'.');
        digits(out, millis % 1_000, 3);
        out.extend_from_slice(b"Z\"");
    }
}

/// The key of a user's records, which is the user's id.
pub(super) fn user_key(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(b"user-");
    digits(out, number, 7);
}

fn value(
    out: &mut Vec<u8>,
    start: usize,
    name: &str,
    write: impl FnOnce(&mut Vec<u8>),
) -> Range<usize> {
    out.extend_from_slice(name.as_bytes());
    let from = out.len() - start;
    write(out);
    from..out.len() - start
}

fn properties(out: &mut Vec<u8>, session: &Session) {
    let about_product = session.step != EventType::PageView;
    out.extend_from_slice(b"{\"page\":\"");
    match session.step {
        EventType::PageView => out.extend_from_slice(session.page().as_bytes()),
        EventType::ProductView | EventType::AddToCart => {
            out.extend_from_slice(b"/products/");
            product_id(out, session);
        }
        EventType::Purchase => out.extend_from_slice(b"/checkout/thank-you"),
    }
    out.extend_from_slice(b"\",\"referrer\":");
    if session.referrer.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        quoted(out, session.referrer);
    }
    out.extend_from_slice(b",\"device\":");
    quoted(out, session.user.device().0);
    let [a, b, c, d] = session.user.ip();
    write!(out, ",\"ip\":\"{a}.{b}.{c}.{d}\"").expect("a Vec takes all bytes");
    out.extend_from_slice(b",\"region\":");
    quoted(out, session.user.region());
    write!(out, ",\"session_id\":\"s-{:016x}\"", session.id).expect("a Vec takes all bytes");
    if about_product {
        out.extend_from_slice(b",\"product_id\":\"");
        product_id(out, session);
        out.extend_from_slice(b"\",\"category\":");
        quoted(out, session.product.category());
    }
    if session.step == EventType::Purchase {
        out.extend_from_slice(b",\"amount\":");
        let cents = session.cart_cents;
        write!(out, "{}.", cents / 100).expect("a Vec takes all bytes");
        digits(out, cents % 100, 2);
    }
    out.push(b'}');
}

fn product_id(out: &mut Vec<u8>, session: &Session) {
    out.extend_from_slice(b"p-");
    digits(out, session.product.number, 5);
}

/// Our texts have nothing to escape.
fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Decimal digits, zeros in front up to `width`.
fn digits(out: &mut Vec<u8>, number: u64, width: usize) {
    let mut text = [b'0'; 20];
    let mut left = number;
    let mut at = text.len();
    while left > 0 || text.len() - at < width {
        at -= 1;
        text[at] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    out.extend_from_slice(&text[at..]);
}
