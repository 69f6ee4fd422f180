//! Notices what others did to the event table: moved offsets, set the table back, took it away.
//! A commit would find out too, but only of the partitions it moves, and an idle stream has none.
//! Never decides what to do: the sync that follows does.

use std::time::Duration;

use super::task::{CommitState, Pipeline};
use crate::lake::{Error, Result, Table};
use crate::sink::positions::source_partition;
use crate::sink::tables;

/// The catalog is not waited for longer: records are.
const LIMIT: Duration = Duration::from_secs(5);

impl Pipeline<'_> {
    /// Looks at the table as it is now, while no commit is under way.
    pub(super) async fn look_at_table(&mut self) {
        if !matches!(self.commit, CommitState::Idle) || self.wants_sync() {
            return;
        }
        let clock = self.context.lake.clock.clone();
        let looked = tokio::select! {
            biased;
            looked = self.is_as_left() => looked,
            () = clock.sleep(LIMIT) => Err(Error::unavailable("no answer in time")),
        };
        match looked {
            Ok(true) => {}
            Ok(false) => self.discard("the table or its offsets were changed").await,
            // Who commits or syncs next tells it, if it lasts.
            Err(error) => tracing::debug!(%error, "the table could not be looked at"),
        }
    }

    async fn is_as_left(&mut self) -> Result<bool> {
        let context = self.context;
        let name = &context.stream.table;
        let pointer = context.lake.catalog.load(name).await?;
        let Some(pointer) = pointer else {
            return Ok(false);
        };
        if self.looked_at.as_ref() == Some(&pointer) {
            return Ok(true);
        }
        let Some(events) = tables::load(&context.lake, name).await? else {
            return Ok(false);
        };
        let agrees = self.agrees(&events);
        self.looked_at = Some(pointer);
        Ok(agrees)
    }

    /// Whether the ledger stands where this sink has left it, for all partitions that it reads.
    pub(super) fn agrees(&self, events: &Table) -> bool {
        let (Some(identity), Ok(ledger)) = (&self.identity, events.ledger()) else {
            return false;
        };
        self.partitions.iter().all(|(partition, reading)| {
            let left = reading.map(|reading| reading.expected);
            left.is_none() || left == ledger.get(&source_partition(identity, *partition))
        })
    }
}
