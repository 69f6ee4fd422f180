//! Curated tables: when a model runs, and how its result is published.
//!
//! A run takes the model's lease, pins one snapshot of each source, computes, and publishes in
//! one commit that names those snapshots and asserts target, cursor and lease as planned (I8).
//! Rooms beside this one are met only through tables, the catalog and the control store.

mod admin;
mod error;
mod lease;
mod materialise;
mod plan;
mod runner;
mod runs;
mod scheduler;
mod shape;
pub mod state;
mod system_models;

#[cfg(test)]
mod shipped_models_tests;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::ModelsConfig;
use crate::declare::graph;
use crate::declare::model::{Model, ModelStatement, parse_statement};
use crate::lake;
use crate::lake::control::{RunRecord, RunState};
use crate::query::{Engine, LiveTable, QueryError};

/// Limits of the jobs of a process.
#[derive(Clone, Debug)]
pub struct JobsOptions {
    /// Who this process is among those that share the control store.
    pub holder: String,
    /// Runs at the same time, at most.
    pub concurrency: usize,
    /// Longest time that a run may compute and write.
    pub timeout: Duration,
    /// Tries of one run, the first included.
    pub attempts: usize,
    /// Pause after the first try; it doubles.
    pub backoff: Duration,
    /// A lease runs out after this time, and is renewed at a third of it.
    pub lease_ttl: Duration,
    /// Ended runs kept of each model.
    pub keep_runs: usize,
}

impl JobsOptions {
    pub fn new(holder: impl Into<String>, config: &ModelsConfig) -> Self {
        Self {
            holder: holder.into(),
            concurrency: config.concurrency,
            timeout: config.timeout,
            attempts: config.attempts,
            backoff: Duration::from_millis(500),
            lease_ttl: Duration::from_secs(30),
            keep_runs: config.keep_runs,
        }
    }
}

/// The models of a process and what runs them.
#[derive(Debug)]
pub struct Jobs {
    engine: Arc<Engine>,
    /// Models of files, which the control store does not hold.
    files: Vec<Model>,
    options: JobsOptions,
    /// When the schedules were last looked at, by the clock's `elapsed`.
    looked: Mutex<Option<Duration>>,
}

impl Jobs {
    /// Takes the models of files; gives the engine `system.models` and who carries out CREATE,
    /// REFRESH, ALTER and DROP MATERIALIZED VIEW.
    pub fn new(engine: Arc<Engine>, files: Vec<Model>, options: JobsOptions) -> Arc<Self> {
        let jobs = Arc::new(Self {
            engine,
            files,
            options,
            looked: Mutex::default(),
        });
        let models = system_models::Models(Arc::downgrade(&jobs));
        let engine = &jobs.engine;
        engine.register_system_table("models", Arc::new(LiveTable(Arc::new(models))));
        engine.set_model_admin(Arc::new(admin::Admin(Arc::downgrade(&jobs))));
        jobs
    }

    /// All models, of files and of psql, each behind those that it reads. A file's model goes
    /// before one of psql that has its name. One that psql stored and that can't be read any more
    /// is left out, and said.
    pub async fn models(&self) -> lake::Result<Vec<Model>> {
        let mut models = self.files.clone();
        for stored in self.engine.lake().control.models().await? {
            match parse_statement(&stored.statement) {
                Ok(ModelStatement::Create { model, .. }) => {
                    if !models.iter().any(|other| other.name == model.name) {
                        models.push(*model);
                    }
                }
                Ok(_) => tracing::warn!(model = stored.name, "is stored with another statement"),
                Err(error) => {
                    tracing::warn!(model = stored.name, %error, "is stored and can't be read");
                }
            }
        }
        Ok(match graph::order(&models) {
            Ok(order) => order
                .into_iter()
                .map(|index| models[index].clone())
                .collect(),
            // Only two processes with other files could make a circle: each still runs.
            Err(_) => models,
        })
    }

    /// When this process last looked what is due, by the clock's `elapsed`; None: never so far.
    pub fn last_look(&self) -> Option<Duration> {
        *self.looked.lock().expect("no holder of this lock panics")
    }

    /// Runs every model once now, those first that others read, and gives the records of these
    /// runs, failed ones among them. What was committed to a source before the call is in the
    /// result: each run pins its sources after it.
    pub async fn run_all_once(
        self: &Arc<Self>,
        stop: &CancellationToken,
    ) -> Result<Vec<RunRecord>, QueryError> {
        runner::all_once(self, stop).await
    }

    /// Runs on record that succeeded, of all models.
    pub async fn succeeded_runs(&self) -> lake::Result<usize> {
        let runs = self.engine.lake().control.runs(None, 100_000).await?;
        let succeeded = |run: &&RunRecord| run.state == RunState::Succeeded;
        Ok(runs.iter().filter(succeeded).count())
    }
}
