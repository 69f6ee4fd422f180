//! Publishes how the stream is to the control store, for people; never read back, never waited
//! for long, and its failures stop nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Context;
use crate::sink::source::SourceIdentity;
use crate::sink::status::{PartitionView, StreamState, StreamView};

/// The control store is not waited for longer.
const PUBLISH_LIMIT: Duration = Duration::from_secs(5);

/// What was last said about a stream.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    state: Option<StreamState>,
    message: Option<String>,
    /// The last lost range, which stays to be read while the sink runs (I6).
    lost: Option<String>,
    identity: Option<SourceIdentity>,
    views: Vec<PartitionView>,
    /// Partitions for which the alarm has been raised.
    at_risk: BTreeSet<i32>,
}

impl Reporter {
    pub fn set(&mut self, state: StreamState, message: Option<String>) {
        self.state = Some(state);
        self.message = message;
    }

    pub fn is(&self, state: StreamState) -> bool {
        self.state == Some(state)
    }

    /// A lost range is said beside whatever else there is to say.
    pub fn lost(&mut self, text: String) {
        self.lost = Some(text);
    }

    /// The partitions held, as seen now.
    pub fn see(&mut self, context: &Context, identity: SourceIdentity, views: Vec<PartitionView>) {
        let at_risk = self.sound_alarms(context, &views);
        context.metrics.set_lag(
            views.iter().map(PartitionView::lag).sum(),
            u64::try_from(at_risk).unwrap_or(u64::MAX),
        );
        self.identity = Some(identity);
        self.views = views;
    }

    /// What is committed of a partition held, as it was last seen.
    pub fn committed(&self, partition: i32) -> Option<i64> {
        let seen = self.views.iter().find(|view| view.partition == partition);
        seen.map(|view| view.committed)
    }

    /// Logs partitions that have come to be at risk, and those that are no longer; how many are.
    fn sound_alarms(&mut self, context: &Context, views: &[PartitionView]) -> usize {
        let stream = context.stream.name.as_str();
        let mut at_risk = BTreeSet::new();
        for view in views {
            let Some(alarm) = view.alarm() else { continue };
            at_risk.insert(view.partition);
            if !self.at_risk.contains(&view.partition) {
                tracing::error!(stream, partition = view.partition, "{alarm}");
            }
        }
        // Of one that was not seen nothing is known.
        let seen = |partition: &&i32| views.iter().any(|view| view.partition == **partition);
        for partition in self.at_risk.difference(&at_risk).filter(seen) {
            tracing::info!(stream, partition, "no longer at risk from retention");
        }
        self.at_risk = at_risk;
        self.at_risk.len()
    }

    /// Writes the lines; a failure is logged.
    pub async fn publish(&mut self, context: &Context) {
        let message = match (&self.message, &self.lost) {
            (Some(message), Some(lost)) => Some(format!("{message}; {lost}")),
            (message, lost) => message.clone().or_else(|| lost.clone()),
        };
        let view = StreamView {
            stream: &context.stream.name,
            topic: &context.stream.topic,
            identity: self.identity.as_ref(),
            holder: &context.settings.holder,
            state: self.state.unwrap_or(StreamState::Starting),
            message: message.as_deref(),
            now_ms: context.lake.clock.now_ms(),
        };
        let mut lines: Vec<_> = self.views.iter().map(|seen| view.line(*seen)).collect();
        lines.push(view.whole(&self.views));
        let published = tokio::select! {
            biased;
            published = context.lake.control.put_stream_status(&lines) => published,
            () = context.lake.clock.sleep(PUBLISH_LIMIT) => {
                tracing::warn!(stream = context.stream.name, "the control store took too long for the stream's status");
                return;
            }
        };
        if let Err(error) = published {
            tracing::warn!(stream = context.stream.name, %error, "the stream's status was not published");
        }
    }
}
