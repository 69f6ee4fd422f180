//! Figures that must be asked of the control store: sampled now and then, so that a scrape answers
//! at once and asks nobody.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::process::Shared;
use super::supervisor::{Service, Stage};
use crate::jobs::Jobs;
use crate::lake::control::{RunRecord, RunState};
use crate::ops::{Figure, FigureSource};

const BEAT: Duration = Duration::from_secs(10);

/// Runs of one model that are looked at.
const RUNS: usize = 20;

#[derive(Debug, Default, Clone)]
pub(super) struct Samples(Arc<Mutex<Vec<Figure>>>);

impl Samples {
    pub(super) fn source(&self) -> FigureSource {
        let figures = Arc::clone(&self.0);
        Arc::new(move || {
            figures
                .lock()
                .expect("no holder of this lock panics")
                .clone()
        })
    }

    /// Renews the samples until it is told to stop.
    pub(super) fn service(&self, shared: &Shared, jobs: Arc<Jobs>) -> Service {
        let (shared, samples) = (shared.clone(), Arc::clone(&self.0));
        Service::new("samples", Stage::Ops, move |stop| async move {
            loop {
                let figures = models(&shared, &jobs).await;
                *samples.lock().expect("no holder of this lock panics") = figures;
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = shared.lake.clock.sleep(BEAT) => {}
                }
            }
        })
    }
}

/// Of files and of psql: whoever made a model wants to know when it fails.
async fn models(shared: &Shared, jobs: &Jobs) -> Vec<Figure> {
    let now_ms = shared.lake.clock.now_ms();
    let mut figures = Vec::new();
    // `/ready` says that the control store is away.
    let models = jobs.models().await.unwrap_or_else(|error| {
        tracing::debug!(%error, "no models can be sampled");
        Vec::new()
    });
    for model in models {
        let name = model.name.to_string();
        match shared.lake.control.runs(Some(&name), RUNS).await {
            Ok(runs) => figures.extend(model_figures(&name, &runs, now_ms)),
            Err(error) => tracing::debug!(%error, "no runs can be sampled"),
        }
    }
    figures
}

/// Newest runs come first.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of a run and of an age are small"
)]
fn model_figures(model: &str, runs: &[RunRecord], now_ms: i64) -> Vec<Figure> {
    let mut figures = Vec::new();
    let ended = runs.iter().find(|run| run.ended_at_ms.is_some());
    if let Some(run) = ended {
        let is_good = run.state == RunState::Succeeded;
        figures.push(Figure::gauge(
            "jobs_last_run_succeeded",
            "1 when the model's last ended run succeeded",
            f64::from(u8::from(is_good)),
        ));
        let took_ms = run.ended_at_ms.unwrap_or(run.started_at_ms) - run.started_at_ms;
        figures.push(Figure::gauge(
            "jobs_last_run_seconds",
            "How long the model's last ended run took",
            took_ms as f64 / 1_000.0,
        ));
    }
    let good = runs.iter().find(|run| run.state == RunState::Succeeded);
    if let Some(ended_at_ms) = good.and_then(|run| run.ended_at_ms) {
        figures.push(Figure::gauge(
            "jobs_last_success_age_seconds",
            "Since the model's last run that succeeded",
            (now_ms - ended_at_ms).max(0) as f64 / 1_000.0,
        ));
    }
    figures
        .into_iter()
        .map(|figure| figure.label("model", model))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(state: RunState, started_at_ms: i64, ended_at_ms: Option<i64>) -> RunRecord {
        RunRecord {
            run_id: format!("r{started_at_ms}"),
            model: "curated.m".into(),
            state,
            scheduled_at_ms: None,
            started_at_ms,
            ended_at_ms,
            source_snapshots: "{}".into(),
            target_snapshot: None,
            rows: None,
            error: None,
            holder: "h".into(),
        }
    }

    #[test]
    fn a_failure_after_a_success_shows_both() {
        let runs = [
            run(RunState::Running, 9_000, None),
            run(RunState::Failed, 6_000, Some(8_500)),
            run(RunState::Succeeded, 1_000, Some(2_000)),
        ];
        let figures = model_figures("curated.m", &runs, 10_000);
        let values: Vec<(&str, f64)> = figures.iter().map(|f| (f.name, f.value)).collect();
        assert_eq!(
            values,
            [
                ("jobs_last_run_succeeded", 0.0),
                ("jobs_last_run_seconds", 2.5),
                ("jobs_last_success_age_seconds", 8.0)
            ]
        );
        assert!(model_figures("curated.m", &[], 10_000).is_empty());
    }
}
