//! Whether retention is about to take records that are not committed yet: said before the first is
//! gone, while there is time to act. Reads nothing and moves nothing.

use crate::sink::source::{Retention, Watermarks};

/// Retention is near when less than this part of what the log holds lies between its start and
/// the committed position.
const NEAR_PART: i64 = 10;
/// Or when this part of its limit is left, of age or of bytes.
const LEFT_PART: i64 = 5;

/// Why unread records are about to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Risk {
    /// Retention has begun to take records, and is close to the position.
    Near,
    /// By age.
    Old { retention_ms: i64 },
    /// By size, as far as that can be told from the records that were read.
    Large {
        retention_bytes: i64,
        unread_bytes: i64,
    },
}

impl Risk {
    /// What is known of a partition that is committed up to here. `old_below`: records below this
    /// offset have reached [`alarm_age_ms`]; `record_bytes`: what a record takes, if that is known.
    pub fn of(
        committed: i64,
        watermarks: Watermarks,
        retention: Retention,
        old_below: Option<i64>,
        record_bytes: Option<i64>,
    ) -> Option<Self> {
        let Watermarks { low, high } = watermarks;
        if committed >= high {
            return None;
        }
        if let (Some(retention_ms), Some(old_below)) = (retention.age_ms, old_below)
            && committed < old_below
        {
            return Some(Self::Old { retention_ms });
        }
        if let (Some(retention_bytes), Some(record_bytes)) =
            (retention.partition_bytes, record_bytes)
        {
            let unread_bytes = (high - committed.max(low)).saturating_mul(record_bytes);
            if unread_bytes >= retention_bytes - retention_bytes / LEFT_PART {
                return Some(Self::Large {
                    retention_bytes,
                    unread_bytes,
                });
            }
        }
        let near = committed.saturating_sub(low) < high.saturating_sub(low) / NEAR_PART;
        (low > 0 && near).then_some(Self::Near)
    }

    /// For a person: what is about to happen to which records, and what to do.
    pub fn text(self, committed: i64, watermarks: Watermarks) -> String {
        let Watermarks { low, high } = watermarks;
        let why = match self {
            Self::Near => {
                format!("the log starts at {low}, committed is {committed}, it ends at {high}")
            }
            Self::Old { retention_ms } => format!(
                "of offsets {committed} to {}, which are not committed, the first is older than {} of the topic's retention.ms of {retention_ms}",
                high - 1,
                used()
            ),
            Self::Large {
                retention_bytes,
                unread_bytes,
            } => format!(
                "offsets {committed} to {}, which are not committed, are about {unread_bytes} bytes, more than {} of the topic's retention.bytes of {retention_bytes}",
                high - 1,
                used()
            ),
        };
        format!(
            "retention is about to take unread records: {why}; mend what holds the stream up, give the sink more room or lengthen the topic's retention"
        )
    }
}

fn used() -> String {
    format!("{} %", 100 - 100 / LEFT_PART)
}

/// The age from which on an unread record is at risk.
pub(crate) fn alarm_age_ms(retention_ms: i64) -> i64 {
    retention_ms - retention_ms / LEFT_PART
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOR_EVER: Retention = Retention {
        age_ms: None,
        partition_bytes: None,
    };

    fn log(low: i64, high: i64) -> Watermarks {
        Watermarks { low, high }
    }

    #[test]
    fn alarm_when_the_start_of_the_log_comes_near_to_unread_records() {
        let risk = |committed, log| Risk::of(committed, log, FOR_EVER, None, Some(100));
        assert_eq!(risk(100, log(100, 1_000)), Some(Risk::Near));
        assert_eq!(risk(189, log(100, 1_000)), Some(Risk::Near));
        assert_eq!(risk(190, log(100, 1_000)), None, "a tenth is left");
        assert_eq!(risk(0, log(0, 1_000)), None, "nothing was ever removed");
        assert_eq!(risk(1_000, log(1_000, 1_000)), None, "all is read");
    }

    #[test]
    fn alarm_by_age_before_anything_is_removed() {
        let day_ms = 86_400_000;
        let retention = Retention {
            age_ms: Some(day_ms),
            partition_bytes: None,
        };
        let risk = |committed, old_below| {
            Risk::of(committed, log(0, 100), retention, old_below, None).is_some()
        };
        assert!(risk(0, Some(1)));
        assert!(risk(99, Some(100)), "the last one");
        assert!(!risk(40, Some(40)), "what is old is committed");
        assert!(!risk(0, Some(0)), "nothing is old");
        assert!(!risk(100, Some(100)), "all is committed");
        assert!(!risk(0, None), "nobody was asked yet");
        assert_eq!(alarm_age_ms(day_ms), day_ms / 5 * 4);
        let text = Risk::Old {
            retention_ms: day_ms,
        }
        .text(3, log(0, 100));
        assert!(text.contains("offsets 3 to 99"), "{text}");
        assert!(
            text.contains("80 %") && text.contains("retention.ms of 86400000"),
            "{text}"
        );
    }

    #[test]
    fn alarm_by_size_before_anything_is_removed() {
        let retention = Retention {
            age_ms: None,
            partition_bytes: Some(1_000_000),
        };
        let risk = |committed, bytes| Risk::of(committed, log(0, 10_000), retention, None, bytes);
        assert_eq!(risk(2_000, Some(99)), None);
        assert_eq!(
            risk(2_000, Some(100)),
            Some(Risk::Large {
                retention_bytes: 1_000_000,
                unread_bytes: 800_000
            })
        );
        assert_eq!(risk(0, None), None, "no record was read yet");
    }
}
