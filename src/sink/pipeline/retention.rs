//! Looks whether retention is about to take what is not committed. The source is asked rarely, for
//! a bounded time, and whatever comes of it stops nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::task::Pipeline;
use crate::lake::{Error, Result};
use crate::sink::positions::source_partition;
use crate::sink::risk::{Risk, alarm_age_ms};
use crate::sink::source::{Retention, SourceIdentity};
use crate::sink::status::PartitionView;
use crate::sink::tables;

/// The source is not waited for longer: records are.
const LIMIT: Duration = Duration::from_secs(10);
/// Nor are the offsets of old records, while records flow; what is missing is asked the next time.
const OFFSETS_LIMIT: Duration = Duration::from_secs(3);
/// The source is asked this often while something is unread, or oftener where records live short.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const SHORTEST_PAUSE: Duration = Duration::from_secs(5);
/// Of a record's life.
const PAUSE_PART: u32 = 20;

/// What the source said last.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// When to ask again; None before the first time.
    due: Option<Duration>,
    retention: Retention,
    /// Records below these offsets are nearly as old as retention allows: so they stay.
    old_below: BTreeMap<i32, i64>,
    /// The partition asked about last: the next time begins behind it.
    last: Option<i32>,
    failed: bool,
}

impl Pipeline<'_> {
    /// Sets the risk of each view.
    pub(super) async fn look_at_retention(&mut self, views: &mut [PartitionView]) {
        let now = self.now();
        let unread = views.iter().any(|view| view.lag() > 0);
        if unread && self.asked.due.is_none_or(|due| due <= now) {
            self.ask_retention(views).await;
        }
        let metrics = &self.context.metrics;
        let read = i64::try_from(metrics.records_read()).unwrap_or(i64::MAX);
        let bytes = i64::try_from(metrics.bytes_read()).unwrap_or(i64::MAX);
        let record_bytes = (read > 0).then(|| bytes / read);
        for view in views {
            view.risk = Risk::of(
                view.committed,
                view.watermarks,
                self.asked.retention,
                self.asked.old_below.get(&view.partition).copied(),
                record_bytes,
            );
        }
    }

    async fn ask_retention(&mut self, views: &[PartitionView]) {
        let clock = self.context.lake.clock.clone();
        let now_ms = clock.now_ms();
        let cancel = self.context.cancel.clone();
        let source = self.source.as_mut();
        let unread = views.iter().filter(|view| view.lag() > 0);
        let mut unread: Vec<i32> = unread.map(|view| view.partition).collect();
        unread.sort_unstable_by_key(|partition| (Some(*partition) <= self.asked.last, *partition));
        let (mut known, mut old_below) = (None, Vec::new());
        let asked = async {
            let retention = source.retention().await?;
            known = Some(retention);
            if let Some(age_ms) = retention.age_ms {
                let from_ms = now_ms.saturating_sub(alarm_age_ms(age_ms));
                for partition in unread {
                    let first_younger = source.offset_at(partition, from_ms).await?;
                    old_below.push((partition, first_younger));
                }
            }
            Ok(())
        };
        let asked: Result<()> = tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            asked = asked => asked,
            () = clock.sleep(OFFSETS_LIMIT) => Err(Error::unavailable("no answer in time")),
        };
        self.asked.last = old_below.last().map(|(partition, _)| *partition);
        // Of many partitions some are known.
        let failed = asked.err().filter(|_| old_below.is_empty());
        let mut pause = LONGEST_PAUSE;
        if let Some(retention) = known {
            if self.asked.retention.age_ms != retention.age_ms {
                self.asked.old_below.clear();
            }
            self.asked.retention = retention;
            self.asked.old_below.extend(old_below);
            if let Some(age_ms) = retention.age_ms {
                let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
                pause = (age / PAUSE_PART).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
            }
        }
        if let (Some(error), false) = (&failed, self.asked.failed) {
            tracing::warn!(stream = self.context.stream.name, %error, "the topic's retention can't be looked at: there may be no alarm before it takes unread records");
        }
        self.asked.failed = failed.is_some();
        self.asked.due = Some(self.now() + pause);
    }

    /// For a stream that has stopped: it holds no partition, and the log is cut all the same.
    pub(super) async fn look_while_stopped(&mut self) {
        let context = self.context;
        let looked = async {
            let (identity, mut views) = self.views_by_ledger().await?;
            self.look_at_retention(&mut views).await;
            self.reporter.see(context, identity, views);
            Ok::<_, Error>(())
        };
        let looked = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return,
            looked = looked => looked,
            () = context.lake.clock.sleep(LIMIT) => Err(Error::unavailable("no answer in time")),
        };
        if let Err(error) = looked {
            tracing::debug!(stream = context.stream.name, %error, "the stopped stream's lag is not known");
        }
    }

    /// All partitions that the ledger knows, trusted or not.
    async fn views_by_ledger(&mut self) -> Result<(SourceIdentity, Vec<PartitionView>)> {
        let context = self.context;
        let identity = self.source.identity().await?;
        let mut views = Vec::new();
        // Without it nothing is known anew: what was seen last stays.
        let Some(events) = tables::load(&context.lake, &context.stream.table).await? else {
            return Err(Error::not_found("the event table is gone"));
        };
        let ledger = events.stored_ledger()?;
        for partition in 0..identity.partitions {
            let source = source_partition(&identity, partition);
            let Some(position) = ledger.get(&source) else {
                continue;
            };
            views.push(PartitionView {
                partition,
                committed: position.next,
                watermarks: self.source.watermarks(partition).await?,
                seen_at_ms: context.lake.clock.now_ms(),
                risk: None,
            });
        }
        Ok((identity, views))
    }
}
