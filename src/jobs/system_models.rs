//! `system.models`: every model, from files and from psql, with its last run.

use std::sync::{Arc, Weak};

use arrow::array::{ArrayRef, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;

use super::Jobs;
use super::runs::{RUNS_LOOKED_AT, last_tick};
use crate::declare::model::Model;
use crate::lake::control::{RunRecord, RunState};
use crate::query::{LiveRows, QueryError};

#[derive(Debug)]
pub(super) struct Models(pub Weak<Jobs>);

fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

#[async_trait]
impl LiveRows for Models {
    fn schema(&self) -> SchemaRef {
        let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
        Arc::new(Schema::new(vec![
            text("name", false),
            text("kind", false),
            text("schedule", true),
            text("origin", false),
            text("sources", false),
            text("last_state", true),
            Field::new("last_run_at", time(), true),
            text("last_error", true),
            Field::new("next_run_at", time(), true),
            text("comment", true),
            text("statement", false),
        ]))
    }

    async fn rows(&self) -> Result<RecordBatch, QueryError> {
        let Some(jobs) = self.0.upgrade() else {
            return Ok(RecordBatch::new_empty(self.schema()));
        };
        let models = jobs.models().await?;
        let mut lasts: Vec<Vec<RunRecord>> = Vec::with_capacity(models.len());
        for model in &models {
            let control = &jobs.engine.lake().control;
            let name = model.name.to_string();
            lasts.push(control.runs(Some(&name), RUNS_LOOKED_AT).await?);
        }
        let columns: Vec<ArrayRef> = vec![
            text(models.iter().map(|m| Some(m.name.to_string()))),
            text(models.iter().map(|m| Some(m.kind.as_str().to_owned()))),
            text(
                models
                    .iter()
                    .map(|m| m.schedule.as_ref().map(ToString::to_string)),
            ),
            text(models.iter().map(|m| Some(origin(m)))),
            text(models.iter().map(|m| Some(sources(m)))),
            text(
                lasts
                    .iter()
                    .map(|runs| runs.first().map(|run| state(run.state))),
            ),
            at(lasts
                .iter()
                .map(|runs| runs.first().map(|run| run.started_at_ms))),
            text(
                lasts
                    .iter()
                    .map(|runs| runs.first().and_then(|run| run.error.clone())),
            ),
            at(models
                .iter()
                .zip(&lasts)
                .map(|(model, runs)| next(model, runs))),
            text(models.iter().map(|m| m.comment.clone())),
            text(models.iter().map(|m| Some(m.statement.clone()))),
        ];
        RecordBatch::try_new(self.schema(), columns)
            .map_err(|error| datafusion::error::DataFusionError::from(error).into())
    }
}

fn text(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn at(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    let times = values.collect::<TimestampMillisecondArray>();
    Arc::new(times.with_timezone("UTC"))
}

fn origin(model: &Model) -> String {
    match &model.file {
        Some(file) => file.display().to_string(),
        None => "psql".to_owned(),
    }
}

fn sources(model: &Model) -> String {
    let names: Vec<String> = model.sources.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn state(state: RunState) -> String {
    match state {
        RunState::Running => "running",
        RunState::Succeeded => "succeeded",
        RunState::Failed => "failed",
        RunState::Abandoned => "abandoned",
    }
    .to_owned()
}

fn next(model: &Model, runs: &[RunRecord]) -> Option<i64> {
    model.schedule.as_ref()?.next_after(last_tick(runs)?)
}
