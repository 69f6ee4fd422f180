//! The pipeline of one stream: source → decoder → files → one commit with its offsets.
//!
//! Life cycle: connect; *sync* (tables, ledger, starts, seeks) for partitions that were assigned;
//! read into a batch; *cut* it when it is due; *attempt* the commit while the next batch fills.
//! Whatever can't be told for sure ends in one way: drop what is in hand, sync again from the
//! ledger. So nothing here remembers offsets across a doubt (I1, I3, I5).

mod batch;
mod commit;
mod events;
mod publish;
mod report;
mod retention;
mod sync;
mod task;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use self::report::Reporter;
use self::task::Pipeline;
use super::gone;
use super::halt::Halt;
use super::source::Connector;
use super::status::StreamState;
use super::{SinkMetrics, SinkSettings};
use crate::declare::stream::Stream;
use crate::domain::{Position, SourcePartition};
use crate::lake::Lake;

/// What all parts of a pipeline share.
pub(crate) struct Context {
    pub lake: Lake,
    pub stream: Arc<Stream>,
    pub settings: SinkSettings,
    pub metrics: Arc<SinkMetrics>,
    pub cancel: CancellationToken,
}

/// What must be remembered beyond one connection, so that a stop stays one until the table, not
/// time, says otherwise.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Partitions whose log did not have the position wanted, until it is known why; and the
    /// ledger's position then.
    out_of_range: BTreeMap<SourcePartition, Option<Position>>,
}

/// Sinks one stream until `cancel`; then flushes in bounded time and leaves its group in order.
///
/// Never gives up by itself: what is away is tried again, and a stream that a person must look at
/// shows that in its status and looks for itself whether it was put right.
pub async fn run_stream(
    lake: Lake,
    stream: Arc<Stream>,
    connector: Arc<dyn Connector>,
    settings: SinkSettings,
    metrics: Arc<SinkMetrics>,
    cancel: CancellationToken,
) {
    let context = Context {
        lake,
        stream,
        settings,
        metrics,
        cancel,
    };
    let mut memory = Memory::default();
    let mut reporter = Reporter::default();
    let mut failures = 0;
    while !context.cancel.is_cancelled() {
        let end = connect_and_run(&context, connector.as_ref(), &mut memory, &mut reporter).await;
        let pause = match end {
            Ok(()) => break,
            Err(Halt::Again(reason)) => {
                failures += 1;
                tracing::warn!(stream = context.stream.name, %reason, "stream waits");
                reporter.set(StreamState::Waiting, Some(reason));
                context
                    .settings
                    .pause(failures, context.lake.entropy.as_ref())
            }
            Err(Halt::Stopped(reason)) => {
                failures = 0;
                tracing::error!(stream = context.stream.name, %reason, "stream stopped");
                reporter.set(StreamState::Stopped, Some(reason));
                context.settings.stopped_retry
            }
        };
        reporter.publish(&context).await;
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => {}
            () = context.lake.clock.sleep(pause) => {}
        }
    }
    if !reporter.is(StreamState::Stopped) {
        reporter.set(StreamState::Ended, None);
        reporter.publish(&context).await;
    }
}

async fn connect_and_run(
    context: &Context,
    connector: &dyn Connector,
    memory: &mut Memory,
    reporter: &mut Reporter,
) -> Result<(), Halt> {
    let source = tokio::select! {
        biased;
        () = context.cancel.cancelled() => return Ok(()),
        source = connector.connect() => source,
    };
    let source = match source {
        Ok(source) => source,
        Err(error) => return Err(gone::halt(&context.lake, &context.stream, error).await),
    };
    let mut pipeline = Pipeline::new(context, memory, reporter, source);
    let end = pipeline.run().await;
    if matches!(end, Err(Halt::Stopped(_))) {
        pipeline.look_while_stopped().await;
    }
    pipeline.close().await;
    end
}
