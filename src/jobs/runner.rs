//! One run of one model from lease to record: tried, bounded in time, ended on record.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::RunError;
use super::lease::Held;
use super::materialise::{self, Outcome};
use super::runs::{RUNS_LOOKED_AT, last_tick, settle};
use super::state::run_of;
use super::{Jobs, JobsOptions};
use crate::declare::model::Model;
use crate::lake::Lake;
use crate::lake::control::{RunRecord, RunState};
use crate::query::{QueryError, QueryErrorKind};

/// What became of the wish to run a model.
#[derive(Debug)]
pub(super) enum RunEnd {
    /// Another run has the lease.
    Busy,
    /// The tick was run by somebody else meanwhile.
    TickIsDone,
    /// It ran: the record as stored, and the error that is in it.
    Ran(Box<RunRecord>, Option<RunError>),
}

/// Pause between asking for a lease that another run has.
const LEASE_PAUSE: Duration = Duration::from_millis(200);

/// A run that takes long is said so often.
const PROGRESS_BEAT: Duration = Duration::from_secs(15);

impl Jobs {
    /// Runs a model once if its lease is free. `tick`: the time of the schedule that it is for.
    pub(super) async fn run_model(
        &self,
        model: &Model,
        tick: Option<i64>,
        stop: &CancellationToken,
    ) -> Result<RunEnd, RunError> {
        let lake = self.engine.lake();
        let run_id = lake.entropy.uuid().to_string();
        let holder = format!("{}/{run_id}", self.options.holder);
        let ttl = self.options.lease_ttl;
        let Some(held) = Held::acquire(lake, &model.name, &holder, ttl).await? else {
            return Ok(RunEnd::Busy);
        };
        let end = self.run_held(model, tick, &run_id, &held, stop).await;
        held.release().await;
        end
    }

    /// Runs a model once, waiting for its lease as long as a run may take.
    pub(super) async fn run_waiting(
        &self,
        model: &Model,
        stop: &CancellationToken,
    ) -> Result<(RunRecord, Option<RunError>), RunError> {
        let clock = &self.engine.lake().clock;
        let started = clock.elapsed();
        loop {
            if let RunEnd::Ran(record, error) = self.run_model(model, None, stop).await? {
                return Ok((*record, error));
            }
            if clock.elapsed().saturating_sub(started) > self.options.timeout {
                let message = format!("{} is being run and did not end in time", model.name);
                return Err(RunError::failed(QueryErrorKind::Unavailable, message));
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(RunError::Stopped),
                () = clock.sleep(LEASE_PAUSE) => {}
            }
        }
    }

    async fn run_held(
        &self,
        model: &Model,
        tick: Option<i64>,
        run_id: &str,
        held: &Held,
        stop: &CancellationToken,
    ) -> Result<RunEnd, RunError> {
        let lake = self.engine.lake();
        settle(lake, &model.name).await?;
        if let Some(tick) = tick {
            let name = model.name.to_string();
            let runs = lake.control.runs(Some(&name), RUNS_LOOKED_AT).await?;
            if last_tick(&runs).is_some_and(|last| last >= tick) {
                return Ok(RunEnd::TickIsDone);
            }
        }
        let mut record = RunRecord {
            run_id: run_id.to_owned(),
            model: model.name.to_string(),
            state: RunState::Running,
            scheduled_at_ms: tick,
            started_at_ms: lake.clock.now_ms(),
            ended_at_ms: None,
            source_snapshots: "{}".to_owned(),
            target_snapshot: None,
            rows: None,
            error: None,
            holder: held.lease().holder.clone(),
        };
        lake.control.put_run(&record).await?;
        let result = self.attempts(model, held, stop, &mut record).await;
        if !matches!(result, Err(RunError::Unknown(_))) {
            record.ended_at_ms = Some(lake.clock.now_ms());
        }
        let error = match result {
            Ok(outcome) => {
                record.state = RunState::Succeeded;
                record.target_snapshot = outcome.target_snapshot;
                record.rows = outcome.rows;
                None
            }
            Err(error) => {
                record.state = match error {
                    RunError::Displaced | RunError::Stopped => RunState::Abandoned,
                    // The next holder of the lease finds out from the table.
                    RunError::Unknown(_) => RunState::Running,
                    _ => RunState::Failed,
                };
                record.error = Some(error.to_string());
                Some(error)
            }
        };
        self.end(&record).await;
        Ok(RunEnd::Ran(Box::new(record), error))
    }

    /// Puts the end on record. When the store stays away, the next holder of the lease finds out
    /// from the table what became of the run.
    async fn end(&self, record: &RunRecord) {
        let lake = self.engine.lake();
        let model = record.model.as_str();
        match record.error.as_deref() {
            None => tracing::info!(model, run = record.run_id, rows = record.rows, "model run"),
            Some(error) => tracing::warn!(model, run = record.run_id, error, "model run failed"),
        }
        for attempt in 0..3 {
            match lake.control.put_run(record).await {
                Ok(()) => break,
                Err(error) => tracing::warn!(model, %error, "a run's end could not be recorded"),
            }
            lake.clock
                .sleep(Duration::from_millis(200 << attempt))
                .await;
        }
        if let Err(error) = lake.control.prune_runs(self.options.keep_runs).await {
            tracing::debug!(%error, "old runs could not be forgotten");
        }
    }

    /// Tries until it is published, hopeless, or tried often enough.
    async fn attempts(
        &self,
        model: &Model,
        held: &Held,
        stop: &CancellationToken,
        record: &mut RunRecord,
    ) -> Result<Outcome, RunError> {
        let lake = self.engine.lake();
        let (mut attempt, mut unknown) = (1, false);
        loop {
            let cause = match self.attempt(model, held, stop, record, unknown).await {
                Ok(outcome) => return Ok(outcome),
                Err(RunError::Unknown(cause)) => {
                    unknown = true;
                    cause
                }
                Err(RunError::Transient(cause)) => cause,
                Err(hopeless) => return Err(hopeless),
            };
            if attempt >= self.options.attempts {
                return Err(if unknown {
                    RunError::Unknown(cause)
                } else {
                    RunError::Failed(cause)
                });
            }
            tracing::info!(model = %model.name, attempt, %cause, "model run is tried again");
            let pause = self.options.backoff.saturating_mul(1 << attempt.min(6));
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(RunError::Stopped),
                () = lake.clock.sleep(pause) => {}
            }
            attempt += 1;
        }
    }

    /// `unknown`: an earlier attempt may have been published. A late one and this one can't both
    /// win, since each asserts the target's snapshot (I5).
    async fn attempt(
        &self,
        model: &Model,
        held: &Held,
        stop: &CancellationToken,
        record: &mut RunRecord,
        unknown: bool,
    ) -> Result<Outcome, RunError> {
        let lake = self.engine.lake();
        if unknown && let Some(outcome) = look(lake, model, &record.run_id).await? {
            return Ok(outcome);
        }
        let JobsOptions { timeout, .. } = self.options;
        let written = AtomicUsize::new(0);
        // On a task of the caller: dropped with it, and the query with that.
        let ready = tokio::select! {
            biased;
            ready = materialise::compute(&self.engine, model, &written) => ready?,
            () = stop.cancelled() => return Err(RunError::Stopped),
            () = held.keep() => return Err(RunError::Displaced),
            () = lake.clock.sleep(timeout) => {
                let message = format!("cancelled: the run took longer than {timeout:?}");
                return Err(RunError::Failed(QueryError::new(QueryErrorKind::Cancelled, message)));
            }
            never = say_on(lake, record, &written) => match never {},
        };
        record.source_snapshots =
            serde_json::to_string(&ready.plan.sources).expect("names and numbers serialise");
        materialise::publish(lake, model, &record.run_id, held.lease(), ready).await
    }
}

/// Says now and then that a run takes long, and how far it is. `system.queries` shows the same of
/// its query.
async fn say_on(lake: &Lake, run: &RunRecord, written: &AtomicUsize) -> Infallible {
    loop {
        lake.clock.sleep(PROGRESS_BEAT).await;
        tracing::info!(
            model = run.model,
            run = run.run_id,
            seconds = (lake.clock.now_ms() - run.started_at_ms) / 1_000,
            rows_written = written.load(Ordering::Relaxed),
            "model run goes on"
        );
    }
}

/// Whether a run is in its table.
async fn look(lake: &Lake, model: &Model, run_id: &str) -> Result<Option<Outcome>, RunError> {
    let table = match lake.table(&model.name).await {
        Ok(table) => table,
        Err(error) if error.kind() == crate::lake::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut snapshots = table.metadata().snapshots();
    let found = snapshots.find(|snapshot| run_of(snapshot) == Some(run_id));
    Ok(found.map(|snapshot| {
        let summary = &snapshot.summary().additional_properties;
        Outcome {
            target_snapshot: Some(snapshot.snapshot_id()),
            rows: summary
                .get("added-records")
                .and_then(|text| text.parse().ok()),
        }
    }))
}

/// Runs every model once, in an order in which each comes behind those it reads.
pub(super) async fn all_once(
    jobs: &Arc<Jobs>,
    stop: &CancellationToken,
) -> Result<Vec<RunRecord>, QueryError> {
    let mut records = Vec::new();
    for model in jobs.models().await? {
        let (record, _) = jobs
            .run_waiting(&model, stop)
            .await
            .map_err(RunError::into_query_error)?;
        records.push(record);
    }
    Ok(records)
}
