//! Looks whether retention is about to take what is not committed. The source is asked rarely, for
//! a bounded time, and whatever comes of it stops nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::task::Pipeline;
use crate::lake::{Error, Result};
use crate::seams::Clock;
use crate::sink::positions::source_partition;
use crate::sink::risk::{Risk, alarm_age_ms};
use crate::sink::source::{Retention, Source, SourceIdentity};
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

impl Asked {
    /// Asks about these partitions, for a bounded time. What went wrong, if anything did but that
    /// of many partitions some had no time.
    async fn ask(
        &mut self,
        source: &mut dyn Source,
        clock: &Arc<dyn Clock>,
        mut partitions: Vec<i32>,
    ) -> Option<Error> {
        let now_ms = clock.now_ms();
        let (mut known, mut old_below, mut failed) = (None, Vec::new(), None);
        partitions.sort_unstable_by_key(|partition| (Some(*partition) <= self.last, *partition));
        let last = &mut self.last;
        let asked = async {
            let retention = source.retention().await?;
            known = Some(retention);
            let Some(age_ms) = retention.age_ms else {
                return Ok(());
            };
            let from_ms = now_ms.saturating_sub(alarm_age_ms(age_ms));
            for partition in partitions {
                // Before the answer: one that never gives any must not be the first next time too.
                *last = Some(partition);
                match source.offset_at(partition, from_ms).await {
                    Ok(first_younger) => old_below.push((partition, first_younger)),
                    Err(error) => failed = failed.take().or(Some(error)),
                }
            }
            Ok(())
        };
        let asked: Result<()> = tokio::select! {
            biased;
            asked = asked => asked,
            () = clock.sleep(OFFSETS_LIMIT) => Err(Error::unavailable("no answer in time")),
        };
        let late = asked.err().filter(|_| old_below.is_empty());
        let mut pause = LONGEST_PAUSE;
        if let Some(retention) = known {
            if self.retention.age_ms != retention.age_ms {
                self.old_below.clear();
            }
            self.retention = retention;
            self.old_below.extend(old_below);
            if let Some(age_ms) = retention.age_ms {
                let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
                pause = (age / PAUSE_PART).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
            }
        }
        self.due = Some(clock.elapsed() + pause);
        failed.or(late)
    }
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
        let context = self.context;
        let unread = views.iter().filter(|view| view.lag() > 0);
        let unread = unread.map(|view| view.partition).collect();
        let asked = self
            .asked
            .ask(self.source.as_mut(), &context.lake.clock, unread);
        let failed = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return,
            failed = asked => failed,
        };
        if let (Some(error), false) = (&failed, self.asked.failed) {
            tracing::warn!(stream = context.stream.name, %error, "the topic's retention can't be looked at: there may be no alarm before it takes unread records");
        }
        self.asked.failed = failed.is_some();
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use async_trait::async_trait;

    use super::*;
    use crate::seams::ManualClock;
    use crate::sink::source::{SourceEvent, Watermarks};

    /// A topic of which some partitions give no answer, or a bad one.
    #[derive(Default)]
    struct Topic {
        silent: BTreeSet<i32>,
        broken: BTreeSet<i32>,
    }

    #[async_trait]
    impl Source for Topic {
        async fn identity(&mut self) -> Result<SourceIdentity> {
            Err(Error::invalid("not asked here"))
        }
        async fn poll(&mut self, _wait: Duration) -> Result<SourceEvent> {
            Ok(SourceEvent::Idle)
        }
        async fn seek(&mut self, _partition: i32, _offset: i64) -> Result<()> {
            Ok(())
        }
        async fn pause(&mut self, _partitions: &[i32]) -> Result<()> {
            Ok(())
        }
        async fn resume(&mut self, _partitions: &[i32]) -> Result<()> {
            Ok(())
        }
        async fn release(&mut self, _partitions: &[i32]) -> Result<()> {
            Ok(())
        }
        async fn watermarks(&mut self, _partition: i32) -> Result<Watermarks> {
            Ok(Watermarks { low: 0, high: 0 })
        }
        async fn offset_at(&mut self, partition: i32, _timestamp_ms: i64) -> Result<i64> {
            if self.silent.contains(&partition) {
                std::future::pending::<()>().await;
            }
            if self.broken.contains(&partition) {
                return Err(Error::unavailable("no leader"));
            }
            Ok(i64::from(partition) * 100)
        }
        async fn retention(&mut self) -> Result<Retention> {
            Ok(Retention {
                age_ms: Some(3_600_000),
                partition_bytes: None,
            })
        }
        async fn publish(&mut self, _next_offsets: &[(i32, i64)]) -> Result<()> {
            Ok(())
        }
        async fn close(&mut self) -> Result<()> {
            Ok(())
        }
    }

    /// After so many times of asking: what is known, and whether the last time is a failure.
    async fn ask(mut topic: Topic, times: usize) -> (Vec<i32>, bool) {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(1_750_000_000_000));
        let (mut asked, mut failed) = (Asked::default(), None);
        for _ in 0..times {
            failed = asked.ask(&mut topic, &clock, vec![0, 1, 2, 3]).await;
        }
        (asked.old_below.into_keys().collect(), failed.is_some())
    }

    #[tokio::test]
    async fn a_silent_partition_does_not_starve_those_behind_it() {
        let silent = |partition| Topic {
            silent: [partition].into(),
            ..Topic::default()
        };
        assert_eq!(ask(silent(0), 1).await, (vec![], true));
        assert_eq!(ask(silent(0), 2).await, (vec![1, 2, 3], false));
        assert_eq!(ask(silent(1), 1).await, (vec![0], false));
        assert_eq!(ask(silent(1), 2).await, (vec![0, 2, 3], false));
    }

    #[tokio::test]
    async fn a_broken_partition_is_told_and_the_others_are_asked() {
        let broken = Topic {
            broken: [0, 2].into(),
            ..Topic::default()
        };
        assert_eq!(ask(broken, 1).await, (vec![1, 3], true));
        assert_eq!(ask(Topic::default(), 1).await, (vec![0, 1, 2, 3], false));
    }
}
