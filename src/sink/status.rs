//! What people see of a stream: state, message, positions, and the alarm before retention takes
//! unread records. Never read back by the sink.

use super::risk::Risk;
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

/// Where one partition stands, as last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartitionView {
    pub partition: i32,
    pub committed: i64,
    pub watermarks: Watermarks,
    /// When the watermarks were asked for.
    pub seen_at_ms: i64,
    /// Whether retention is about to take unread records.
    pub risk: Option<Risk>,
}

impl PartitionView {
    pub fn lag(&self) -> i64 {
        self.watermarks.high.saturating_sub(self.committed).max(0)
    }

    /// The alarm, for a person.
    pub fn alarm(&self) -> Option<String> {
        let risk = self.risk?;
        Some(risk.text(self.committed, self.watermarks))
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
        self.status(view, view.alarm())
    }

    /// The line of the stream as a whole, which is there even when no partition is known; it
    /// speaks of the first partition that is at risk.
    pub fn whole(&self, views: &[PartitionView]) -> StreamStatus {
        let alarm = views.iter().find_map(|view| {
            let alarm = view.alarm()?;
            Some(format!("partition {}: {alarm}", view.partition))
        });
        let view = PartitionView {
            partition: WHOLE_STREAM,
            committed: 0,
            watermarks: Watermarks { low: 0, high: 0 },
            seen_at_ms: self.now_ms,
            risk: None,
        };
        let mut line = self.status(view, alarm);
        line.topic_id.clear();
        line
    }

    /// The alarm stands beside whatever else there is to say: a stream that is stopped or waits is
    /// the likeliest to lose records.
    fn status(&self, view: PartitionView, alarm: Option<String>) -> StreamStatus {
        let state = match (self.state, &alarm) {
            (StreamState::Reading, Some(_)) => StreamState::AtRisk,
            (state, _) => state,
        };
        let message = match (self.message, alarm) {
            (Some(message), Some(alarm)) => Some(format!("{message}; {alarm}")),
            (message, alarm) => alarm.or_else(|| message.map(str::to_owned)),
        };
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
