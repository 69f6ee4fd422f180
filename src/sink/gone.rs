//! A topic that isn't there (any more): what a person is told of it, from what was last seen of
//! it. Moves nothing: a cluster that lost its way, or a permission that was taken back, looks the
//! same.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat};

use super::halt::Halt;
use crate::declare::stream::Stream;
use crate::domain::Ledger;
use crate::lake::control::StreamStatus;
use crate::lake::{self, ErrorKind, Lake};

/// Partitions whose unread records are named; of others there is only the number.
const NAMED: usize = 20;

/// Why the stream can't go on after this error of its source.
pub(crate) async fn halt(lake: &Lake, stream: &Stream, error: lake::Error) -> Halt {
    if error.kind() != ErrorKind::NotFound {
        return error.into();
    }
    let seen = match look(lake, stream).await {
        Ok(seen) => seen,
        Err(unread) => {
            tracing::debug!(error = %unread, "where the stream stood can't be read");
            Vec::new()
        }
    };
    Halt::Stopped(text(stream, &error.to_string(), &seen))
}

/// The partitions as they were seen last, and as far as the table itself says that they are
/// committed: a status is older than that.
async fn look(lake: &Lake, stream: &Stream) -> lake::Result<Vec<StreamStatus>> {
    let lines = lake.control.stream_status().await?;
    let ledger = match lake.find(&stream.table).await? {
        Some(events) => events.stored_ledger()?,
        None => Ledger::default(),
    };
    Ok(last_seen(stream, &lines, &ledger))
}

/// The partitions of the topic of this name that was seen last.
fn last_seen(stream: &Stream, lines: &[StreamStatus], ledger: &Ledger) -> Vec<StreamStatus> {
    let of_topic = |line: &&StreamStatus| {
        line.stream == stream.name && line.topic == stream.topic && line.partition >= 0
    };
    let newest = lines.iter().filter(of_topic).max_by_key(|l| l.seen_at_ms);
    let Some(newest) = newest else {
        return Vec::new();
    };
    let same = |line: &&StreamStatus| of_topic(line) && line.topic_id == newest.topic_id;
    let mut seen: Vec<StreamStatus> = lines.iter().filter(same).cloned().collect();
    for entry in ledger.entries() {
        let next = entry.position.next;
        let of_entry = seen.iter_mut().filter(|line| {
            (&line.topic_id, line.partition) == (&entry.source.topic_id, entry.source.partition)
        });
        of_entry.for_each(|line| line.committed_offset = line.committed_offset.max(next));
    }
    seen
}

fn text(stream: &Stream, error: &str, seen: &[StreamStatus]) -> String {
    let Stream {
        name, topic, table, ..
    } = stream;
    let Some(newest) = seen.iter().max_by_key(|line| line.seen_at_ms) else {
        return format!(
            "topic {topic} is not there: {error}. Make it, or name another in the file of stream {name}"
        );
    };
    let mut said = format!(
        "topic {topic} is gone: {error}. It was last seen at {} (topic id {})",
        time(newest.seen_at_ms),
        newest.topic_id
    );
    let unread: Vec<_> = seen
        .iter()
        .filter(|line| line.committed_offset < line.high_watermark)
        .collect();
    if unread.is_empty() {
        said += ", and all that it was seen to hold is committed.";
    } else {
        said += "; of what it was seen to hold, these offsets were not committed, and went with it if it was deleted:";
    }
    for (place, line) in unread.iter().take(NAMED).enumerate() {
        let _ = write!(
            said,
            "{} [{}] {} to {}",
            if place == 0 { "" } else { "," },
            line.partition,
            line.committed_offset,
            line.high_watermark - 1
        );
    }
    match unread.len().saturating_sub(NAMED) {
        0 if unread.is_empty() => {}
        0 => said.push('.'),
        more => {
            let _ = write!(said, ", and of {more} partitions more.");
        }
    }
    let _ = write!(
        said,
        " If the connection leads elsewhere or may not see it, put that right. If it is made again, accept the new one with `frazil stream accept-topic {name}`. If it is gone for good, take away the file of stream {name}: the rows in {table} stay"
    );
    said
}

fn time(at_ms: i64) -> String {
    match DateTime::from_timestamp_millis(at_ms) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Secs, true),
        None => format!("{at_ms} ms after 1970"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declare::parse_stream;
    use crate::domain::{Position, SourcePartition};

    fn stream() -> Stream {
        let text = "topic = \"t\"\ntable = \"shop.events\"\ndead_letters = \"shop.bad\"\n\
                    format = \"json\"\n[[columns]]\nname = \"n\"\ntype = \"long\"\n";
        parse_stream(std::path::Path::new("catalog/shop.toml"), text.to_owned()).unwrap()
    }

    fn line(topic_id: &str, partition: i32, committed: i64, seen_at_ms: i64) -> StreamStatus {
        StreamStatus {
            stream: "shop".into(),
            topic: "t".into(),
            topic_id: topic_id.into(),
            partition,
            committed_offset: committed,
            low_watermark: 0,
            high_watermark: 120,
            holder: "h".into(),
            state: "reading".into(),
            message: None,
            seen_at_ms,
        }
    }

    #[test]
    fn it_says_since_when_and_what_was_unread() {
        let stream = stream();
        let lines = vec![
            line("old", 0, 7, 1_767_000_000_000),
            line("new", 0, 100, 1_767_571_200_000),
            line("new", 1, 120, 1_767_571_199_000),
            line("new", -1, 0, 1_767_571_900_000),
        ];
        let none = Ledger::default();
        let said = text(&stream, "no topic t", &last_seen(&stream, &lines, &none));
        assert!(
            said.starts_with("topic t is gone: no topic t. It was last seen at 2026-01-05T00:00:00Z (topic id new)"),
            "{said}"
        );
        assert!(
            said.contains("went with it if it was deleted: [0] 100 to 119. If"),
            "{said}"
        );
        assert!(said.contains("frazil stream accept-topic shop"), "{said}");

        // The table knows better than a status that is a moment old.
        let mut ledger = Ledger::default();
        let source = SourcePartition {
            cluster_id: "c".into(),
            topic_id: "new".into(),
            partition: 0,
        };
        let position = Position {
            next: 120,
            epoch: 0,
        };
        ledger.set(source, "t", position);
        let said = text(&stream, "no topic t", &last_seen(&stream, &lines, &ledger));
        assert!(
            said.contains("all that it was seen to hold is committed. If"),
            "{said}"
        );

        let many: Vec<_> = (0..30).map(|p| line("new", p, 1, 5)).collect();
        let said = text(&stream, "no topic t", &last_seen(&stream, &many, &none));
        assert!(
            said.contains("[19] 1 to 119, and of 10 partitions more. If"),
            "{said}"
        );
    }

    #[test]
    fn one_that_was_never_seen_is_not_said_to_be_gone() {
        let said = text(&stream(), "no topic t", &[]);
        assert!(
            said.starts_with("topic t is not there: no topic t. Make it"),
            "{said}"
        );
    }
}
