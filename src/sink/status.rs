//! What people see of a stream: state, message, positions, and the alarm before retention takes
//! unread records. Never read back by the sink.

use crate::lake::control::StreamStatus;
use crate::sink::source::{SourceIdentity, Watermarks};

/// How a stream is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// No partition has been assigned yet, or its position is being looked up.
    Starting,
    Reading,
    /// Reads, but retention is about to take what was not read yet.
    AtRisk,
    /// Something is away; it is tried again and again.
    Waiting,
    /// A person must act.
    Stopped,
    /// Ended in order.
    Ended,
}

impl StreamState {
    /// The word as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Reading => "reading",
            Self::AtRisk => "at_risk",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
            Self::Ended => "ended",
        }
    }
}

/// The line of a stream as a whole has this in place of a partition: what its sink last said,
/// whichever process it was.
pub const WHOLE_STREAM: i32 = -1;

/// Retention is near when less than this part of what the log holds lies between its start and
/// the committed position.
const RISK_PART: i64 = 10;

/// Whether retention is about to take unread records: it has begun to take some (`low` above 0),
/// there is something unread, and the committed position lies in the first tenth of the log.
pub fn is_at_risk(committed: i64, watermarks: Watermarks) -> bool {
    let Watermarks { low, high } = watermarks;
    low > 0
        && committed < high
        && committed.saturating_sub(low) < high.saturating_sub(low) / RISK_PART
}

/// Where one partition stands, as last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartitionView {
    pub partition: i32,
    pub committed: i64,
    pub watermarks: Watermarks,
    /// When the watermarks were asked for.
    pub seen_at_ms: i64,
}

impl PartitionView {
    pub fn lag(&self) -> i64 {
        self.watermarks.high.saturating_sub(self.committed).max(0)
    }
}

/// What all lines of a stream share.
#[derive(Clone, Debug)]
pub(crate) struct StreamView<'a> {
    pub stream: &'a str,
    pub topic: &'a str,
    pub identity: Option<&'a SourceIdentity>,
    pub holder: &'a str,
    pub state: StreamState,
    pub message: Option<&'a str>,
    pub now_ms: i64,
}

impl StreamView<'_> {
    /// The line of one partition.
    pub fn line(&self, view: PartitionView) -> StreamStatus {
        let at_risk = is_at_risk(view.committed, view.watermarks);
        let (state, message) = match (self.state, at_risk) {
            (StreamState::Reading, true) => (
                StreamState::AtRisk,
                Some(format!(
                    "retention is about to take unread records: the log starts at {}, committed is {}, it ends at {}; give the sink more room or lengthen the topic's retention",
                    view.watermarks.low, view.committed, view.watermarks.high
                )),
            ),
            (state, _) => (state, self.message.map(str::to_owned)),
        };
        self.status(view, state, message)
    }

    /// The line of the stream as a whole, which is there even when no partition is known.
    pub fn whole(&self) -> StreamStatus {
        let view = PartitionView {
            partition: WHOLE_STREAM,
            committed: 0,
            watermarks: Watermarks { low: 0, high: 0 },
            seen_at_ms: self.now_ms,
        };
        let mut line = self.status(view, self.state, self.message.map(str::to_owned));
        line.topic_id.clear();
        line
    }

    fn status(
        &self,
        view: PartitionView,
        state: StreamState,
        message: Option<String>,
    ) -> StreamStatus {
        StreamStatus {
            stream: self.stream.to_owned(),
            topic: self.topic.to_owned(),
            topic_id: self
                .identity
                .map(|identity| identity.topic_id.clone())
                .unwrap_or_default(),
            partition: view.partition,
            committed_offset: view.committed,
            low_watermark: view.watermarks.low,
            high_watermark: view.watermarks.high,
            holder: self.holder.to_owned(),
            state: state.as_str().to_owned(),
            message,
            seen_at_ms: view.seen_at_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarm_only_when_retention_is_near_unread_records() {
        let log = |low, high| Watermarks { low, high };
        assert!(is_at_risk(100, log(100, 1_000)));
        assert!(is_at_risk(189, log(100, 1_000)));
        assert!(!is_at_risk(190, log(100, 1_000)), "a tenth is left");
        assert!(!is_at_risk(0, log(0, 1_000)), "nothing was ever removed");
        assert!(!is_at_risk(1_000, log(1_000, 1_000)), "all is read");
    }
}
