//! `system.runs`, `system.models` and `system.streams`, from the control store.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;

use super::live::{LiveRows, LiveTable};
use crate::lake::control::{Control, RunState};
use crate::query::QueryError;

/// Runs that `system.runs` shows, the newest first.
const RUNS_SHOWN: usize = 10_000;

pub(super) fn runs(control: &Arc<dyn Control>) -> Arc<dyn TableProvider> {
    Arc::new(LiveTable(Arc::new(Runs(Arc::clone(control)))))
}

pub(super) fn models(control: &Arc<dyn Control>) -> Arc<dyn TableProvider> {
    Arc::new(LiveTable(Arc::new(Models(Arc::clone(control)))))
}

pub(super) fn streams(control: &Arc<dyn Control>) -> Arc<dyn TableProvider> {
    Arc::new(LiveTable(Arc::new(Streams(Arc::clone(control)))))
}

fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

fn text<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn long(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<Int64Array>())
}

fn at(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(
        values
            .collect::<TimestampMillisecondArray>()
            .with_timezone("UTC"),
    )
}

fn batch(schema: SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch, QueryError> {
    Ok(RecordBatch::try_new(schema, columns).map_err(DataFusionError::from)?)
}

#[derive(Debug)]
struct Runs(Arc<dyn Control>);

#[async_trait]
impl LiveRows for Runs {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("run_id", DataType::Utf8, false),
            Field::new("model", DataType::Utf8, false),
            Field::new("state", DataType::Utf8, false),
            Field::new("scheduled_at", time(), true),
            Field::new("started_at", time(), false),
            Field::new("ended_at", time(), true),
            Field::new("duration_ms", DataType::Int64, true),
            Field::new("source_snapshots", DataType::Utf8, false),
            Field::new("target_snapshot", DataType::Int64, true),
            Field::new("rows", DataType::Int64, true),
            Field::new("error", DataType::Utf8, true),
            Field::new("holder", DataType::Utf8, false),
        ]))
    }

    async fn rows(&self) -> Result<RecordBatch, QueryError> {
        let runs = self.0.runs(None, RUNS_SHOWN).await?;
        let state = |state| match state {
            RunState::Running => "running",
            RunState::Succeeded => "succeeded",
            RunState::Failed => "failed",
            RunState::Abandoned => "abandoned",
        };
        batch(
            self.schema(),
            vec![
                text(runs.iter().map(|r| Some(r.run_id.as_str()))),
                text(runs.iter().map(|r| Some(r.model.as_str()))),
                text(runs.iter().map(|r| Some(state(r.state)))),
                at(runs.iter().map(|r| r.scheduled_at_ms)),
                at(runs.iter().map(|r| Some(r.started_at_ms))),
                at(runs.iter().map(|r| r.ended_at_ms)),
                long(
                    runs.iter()
                        .map(|r| r.ended_at_ms.map(|end| end - r.started_at_ms)),
                ),
                text(runs.iter().map(|r| Some(r.source_snapshots.as_str()))),
                long(runs.iter().map(|r| r.target_snapshot)),
                long(runs.iter().map(|r| r.rows)),
                text(runs.iter().map(|r| r.error.as_deref())),
                text(runs.iter().map(|r| Some(r.holder.as_str()))),
            ],
        )
    }
}

/// Models that psql made; the jobs room registers a table over these that knows the files' too.
#[derive(Debug)]
struct Models(Arc<dyn Control>);

#[async_trait]
impl LiveRows for Models {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("name", DataType::Utf8, false),
            Field::new("owner", DataType::Utf8, false),
            Field::new("changed_at", time(), false),
            Field::new("statement", DataType::Utf8, false),
        ]))
    }

    async fn rows(&self) -> Result<RecordBatch, QueryError> {
        let models = self.0.models().await?;
        batch(
            self.schema(),
            vec![
                text(models.iter().map(|m| Some(m.name.as_str()))),
                text(models.iter().map(|m| Some(m.owner.as_str()))),
                at(models.iter().map(|m| Some(m.changed_at_ms))),
                text(models.iter().map(|m| Some(m.statement.as_str()))),
            ],
        )
    }
}

#[derive(Debug)]
struct Streams(Arc<dyn Control>);

#[async_trait]
impl LiveRows for Streams {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("stream", DataType::Utf8, false),
            Field::new("topic", DataType::Utf8, false),
            Field::new("topic_id", DataType::Utf8, false),
            Field::new("partition", DataType::Int32, false),
            Field::new("committed_offset", DataType::Int64, false),
            Field::new("low_watermark", DataType::Int64, false),
            Field::new("high_watermark", DataType::Int64, false),
            Field::new("lag", DataType::Int64, false),
            Field::new("state", DataType::Utf8, false),
            Field::new("message", DataType::Utf8, true),
            Field::new("holder", DataType::Utf8, false),
            Field::new("seen_at", time(), false),
        ]))
    }

    async fn rows(&self) -> Result<RecordBatch, QueryError> {
        let all = self.0.stream_status().await?;
        batch(
            self.schema(),
            vec![
                text(all.iter().map(|s| Some(s.stream.as_str()))),
                text(all.iter().map(|s| Some(s.topic.as_str()))),
                text(all.iter().map(|s| Some(s.topic_id.as_str()))),
                Arc::new(Int32Array::from_iter_values(
                    all.iter().map(|s| s.partition),
                )),
                long(all.iter().map(|s| Some(s.committed_offset))),
                long(all.iter().map(|s| Some(s.low_watermark))),
                long(all.iter().map(|s| Some(s.high_watermark))),
                long(
                    all.iter()
                        .map(|s| Some((s.high_watermark - s.committed_offset).max(0))),
                ),
                text(all.iter().map(|s| Some(s.state.as_str()))),
                text(all.iter().map(|s| s.message.as_deref())),
                text(all.iter().map(|s| Some(s.holder.as_str()))),
                at(all.iter().map(|s| Some(s.seen_at_ms))),
            ],
        )
    }
}
