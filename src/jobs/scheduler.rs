//! When which model runs. Ticks are the schedule's, not this process's: every process means the
//! same ones, the lease decides who runs, and the record of runs says what was run already.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::Jobs;
use super::runner::RunEnd;
use super::runs::{RUNS_LOOKED_AT, last_tick};
use crate::declare::model::{Model, Schedule};
use crate::domain::TableName;
use crate::lake::Result;

/// Longest pause: a model made through another process is seen within it.
const PAUSE: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
/// Until a model that another process runs is looked at again.
const BUSY_PAUSE_MS: i64 = 2_000;

/// The tick that is due: the latest one that has passed since `last`, however many were missed.
/// None: not yet. A model that never ran is due at once.
pub(super) fn due_tick(schedule: &Schedule, last: Option<i64>, now_ms: i64) -> Option<i64> {
    match last {
        None => Some(latest_tick(schedule, now_ms).unwrap_or(now_ms)),
        Some(last) => {
            let next = schedule.next_after(last)?;
            (next <= now_ms).then(|| latest_tick(schedule, now_ms).map_or(next, |at| at.max(next)))
        }
    }
}

/// The latest tick up to now, looked for in wider and wider windows, so that few are stepped over.
fn latest_tick(schedule: &Schedule, now_ms: i64) -> Option<i64> {
    const MINUTE_MS: i64 = 60_000;
    [1, 60, 24 * 60, 32 * 24 * 60, 366 * 24 * 60]
        .into_iter()
        .find_map(|minutes| {
            let mut latest = None;
            let mut at = now_ms.saturating_sub(minutes * MINUTE_MS);
            while let Some(next) = schedule.next_after(at).filter(|next| *next <= now_ms) {
                latest = Some(next);
                at = next;
            }
            latest
        })
}

/// What the loop knows between its rounds.
#[derive(Default)]
struct Rounds {
    running: JoinSet<Option<RunEnd>>,
    names: HashMap<Id, TableName>,
    /// Not to be looked at before this time: the next tick, or a pause.
    not_before: BTreeMap<TableName, i64>,
}

impl Rounds {
    fn is_running(&self, name: &TableName) -> bool {
        self.names.values().any(|running| running == name)
    }
}

impl Jobs {
    /// Runs models as they fall due, until told to stop; then waits for those that are publishing.
    /// A model that fails stops no other.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let clock = Arc::clone(&self.engine.lake().clock);
        let mut rounds = Rounds::default();
        while !stop.is_cancelled() {
            let pause = match self.round(&mut rounds, &stop).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "models can't be scheduled now");
                    PAUSE
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = clock.sleep(pause) => {}
                Some(ended) = rounds.running.join_next_with_id() => self.ended(&mut rounds, ended),
            }
        }
        while let Some(ended) = rounds.running.join_next_with_id().await {
            self.ended(&mut rounds, ended);
        }
    }

    /// Starts what is due; gives the time until the next look.
    async fn round(
        self: &Arc<Self>,
        rounds: &mut Rounds,
        stop: &CancellationToken,
    ) -> Result<Duration> {
        let models = self.models().await?;
        let now_ms = self.engine.lake().clock.now_ms();
        let mut waiting: BTreeSet<TableName> = rounds.names.values().cloned().collect();
        let mut next_look = now_ms + i64::try_from(PAUSE.as_millis()).unwrap_or(1_000);
        for model in &models {
            let Some(schedule) = &model.schedule else {
                continue;
            };
            if rounds.is_running(&model.name) {
                continue;
            }
            if let Some(not_before) = rounds.not_before.get(&model.name)
                && *not_before > now_ms
            {
                next_look = next_look.min(*not_before);
                continue;
            }
            let name = model.name.to_string();
            let runs = self
                .engine
                .lake()
                .control
                .runs(Some(&name), RUNS_LOOKED_AT)
                .await?;
            let last = last_tick(&runs);
            let Some(tick) = due_tick(schedule, last, now_ms) else {
                let next = last
                    .and_then(|last| schedule.next_after(last))
                    .unwrap_or(i64::MAX);
                // A clock that is set back, or a schedule that is changed, is noticed in time.
                let next = next.min(now_ms + 60_000);
                rounds.not_before.insert(model.name.clone(), next);
                next_look = next_look.min(next);
                continue;
            };
            // It reads what is about to change: after that. Models come in this order.
            let behind = model.sources.iter().any(|source| waiting.contains(source));
            waiting.insert(model.name.clone());
            if behind || rounds.names.len() >= self.options.concurrency {
                continue;
            }
            self.start(rounds, model.clone(), tick, stop.clone());
        }
        let looked = self.engine.lake().clock.elapsed();
        *self.looked.lock().expect("no holder of this lock panics") = Some(looked);
        let pause = u64::try_from(next_look - now_ms).unwrap_or(0);
        Ok(Duration::from_millis(pause).clamp(SHORTEST_PAUSE, PAUSE))
    }

    fn start(
        self: &Arc<Self>,
        rounds: &mut Rounds,
        model: Model,
        tick: i64,
        stop: CancellationToken,
    ) {
        let jobs = Arc::clone(self);
        let name = model.name.clone();
        let task = rounds.running.spawn(async move {
            match jobs.run_model(&model, Some(tick), &stop).await {
                Ok(end) => Some(end),
                Err(error) => {
                    tracing::warn!(model = %model.name, %error, "a model could not be run");
                    None
                }
            }
        });
        rounds.names.insert(task.id(), name);
    }

    fn ended(
        &self,
        rounds: &mut Rounds,
        ended: std::result::Result<(Id, Option<RunEnd>), tokio::task::JoinError>,
    ) {
        let (id, end) = match ended {
            Ok((id, end)) => (id, end),
            Err(error) => {
                tracing::error!(%error, "a model's run ended by itself");
                (error.id(), None)
            }
        };
        let Some(name) = rounds.names.remove(&id) else {
            return;
        };
        match end {
            Some(RunEnd::Ran(..) | RunEnd::TickIsDone) => {
                rounds.not_before.remove(&name);
            }
            Some(RunEnd::Busy) | None => {
                let now_ms = self.engine.lake().clock.now_ms();
                rounds.not_before.insert(name, now_ms + BUSY_PAUSE_MS);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(time: &str) -> i64 {
        chrono::DateTime::parse_from_rfc3339(time)
            .unwrap()
            .timestamp_millis()
    }

    #[test]
    fn many_missed_ticks_are_one_run() {
        let hourly = Schedule::parse("0 * * * *", None).unwrap();
        let now = ms("2026-03-10T12:34:00Z");
        let last = Some(ms("2026-01-01T00:00:00Z"));
        let tick = due_tick(&hourly, last, now).unwrap();
        assert_eq!(tick, ms("2026-03-10T12:00:00Z"));
        assert_eq!(due_tick(&hourly, Some(tick), now), None, "and then none");
        assert_eq!(
            due_tick(&hourly, Some(tick), ms("2026-03-10T13:00:00Z")),
            Some(ms("2026-03-10T13:00:00Z"))
        );
    }

    #[test]
    fn rare_and_frequent_schedules_find_their_tick() {
        let yearly = Schedule::parse("0 0 1 1 *", None).unwrap();
        let now = ms("2026-12-30T00:00:00Z");
        let last = Some(ms("2025-01-01T00:00:00Z"));
        assert_eq!(
            due_tick(&yearly, last, now),
            Some(ms("2026-01-01T00:00:00Z"))
        );
        let every = Schedule::parse("every 2s", None).unwrap();
        assert_eq!(due_tick(&every, Some(0), 11_000), Some(10_000));
        assert_eq!(due_tick(&every, Some(10_000), 11_999), None);
        assert_eq!(due_tick(&every, Some(10_000), 12_000), Some(12_000));
    }

    #[test]
    fn a_model_that_never_ran_is_due_at_once() {
        let yearly = Schedule::parse("0 0 1 1 *", None).unwrap();
        let now = ms("2026-12-30T00:00:00Z");
        let tick = due_tick(&yearly, None, now).unwrap();
        assert_eq!(tick, ms("2026-01-01T00:00:00Z"));
        assert_eq!(due_tick(&yearly, Some(tick), now), None);
    }
}
