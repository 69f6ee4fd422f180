//! `system.queries`: what runs in this process and what ran lately.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Int64Array, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;

use super::live::{LiveRows, LiveTable};
use crate::query::QueryError;
use crate::query::log::{QueryLog, QueryState};
use crate::seams::Clock;

pub(super) fn queries(log: &Arc<QueryLog>, clock: &Arc<dyn Clock>) -> Arc<dyn TableProvider> {
    Arc::new(LiveTable(Arc::new(Queries {
        log: Arc::clone(log),
        clock: Arc::clone(clock),
    })))
}

#[derive(Debug)]
struct Queries {
    log: Arc<QueryLog>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl LiveRows for Queries {
    fn schema(&self) -> SchemaRef {
        let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        Arc::new(Schema::new(vec![
            Field::new("query_id", DataType::Int64, false),
            Field::new("user", DataType::Utf8, false),
            Field::new("application", DataType::Utf8, true),
            Field::new("text", DataType::Utf8, false),
            Field::new("state", DataType::Utf8, false),
            Field::new("error", DataType::Utf8, true),
            Field::new("started_at", time, false),
            Field::new("duration_ms", DataType::Int64, false),
            Field::new("rows", DataType::Int64, false),
            Field::new("memory_peak_bytes", DataType::Int64, false),
        ]))
    }

    async fn rows(&self) -> Result<RecordBatch, QueryError> {
        let entries = self.log.entries();
        let now = self.clock.elapsed();
        let ends: Vec<_> = entries.iter().map(|entry| entry.end()).collect();
        let long = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let states = ends.iter().map(|(state, _)| match state {
            QueryState::Running => "running",
            QueryState::Succeeded => "succeeded",
            QueryState::Cancelled => "cancelled",
            QueryState::Failed(_) => "failed",
        });
        let errors = ends.iter().map(|(state, _)| match state {
            QueryState::Failed(message) => Some(message.as_str()),
            _ => None,
        });
        let durations = entries.iter().zip(&ends).map(|(entry, (_, end))| {
            let taken = end.unwrap_or(now).saturating_sub(entry.started);
            i64::try_from(taken.as_millis()).unwrap_or(i64::MAX)
        });
        let rows = entries
            .iter()
            .map(|entry| i64::try_from(entry.rows.load(Ordering::Relaxed)).unwrap_or(i64::MAX));
        let peaks = entries
            .iter()
            .map(|entry| long(entry.memory_peak_bytes.load(Ordering::Relaxed)));
        Ok(RecordBatch::try_new(
            self.schema(),
            vec![
                Arc::new(Int64Array::from_iter_values(
                    entries
                        .iter()
                        .map(|e| i64::try_from(e.id).unwrap_or(i64::MAX)),
                )),
                Arc::new(StringArray::from_iter_values(
                    entries.iter().map(|e| &e.user),
                )),
                Arc::new(StringArray::from_iter(
                    entries.iter().map(|e| e.application.as_deref()),
                )),
                Arc::new(StringArray::from_iter_values(
                    entries.iter().map(|e| &e.text),
                )),
                Arc::new(StringArray::from_iter_values(states)),
                Arc::new(StringArray::from_iter(errors)),
                Arc::new(
                    TimestampMillisecondArray::from_iter_values(
                        entries.iter().map(|e| e.started_at_ms),
                    )
                    .with_timezone("UTC"),
                ),
                Arc::new(Int64Array::from_iter_values(durations)),
                Arc::new(Int64Array::from_iter_values(rows)),
                Arc::new(Int64Array::from_iter_values(peaks)),
            ],
        )
        .map_err(datafusion::error::DataFusionError::from)?)
    }
}
