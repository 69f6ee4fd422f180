//! What a window over whole partitions holds, counted against the memory limit: DataFusion gathers
//! all of its input and counts nothing. Windows that go along with their input
//! (`BoundedWindowAggExec`: running sums, row numbers) get it in portions so small that what they
//! give to the rows of one fits, and count the rows in their frames.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::window::SlidingAggregateWindowExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};

use super::frames::Frames;
use super::{gather, given};

/// What a window that goes along with its input may give to the rows of one portion.
const PORTION_BYTES: usize = 64 << 20;

/// The same window over a counted input; None for what is no window.
pub(super) fn counted(
    node: &Arc<dyn ExecutionPlan>,
    pool: &Arc<dyn MemoryPool>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(window) = node.downcast_ref::<BoundedWindowAggExec>() {
        return Ok(Some(framed(window, pool)?));
    }
    let Some(window) = node.downcast_ref::<WindowAggExec>() else {
        return Ok(None);
    };
    let mut functions = Vec::with_capacity(window.window_expr().len());
    for function in window.window_expr() {
        let counted = given::counted(function, pool)?;
        functions.push(counted.unwrap_or_else(|| Arc::clone(function)));
    }
    let input = Kept::over(window.input(), Hold::All);
    // An aggregate whose frame slides finds no rows of its own to count here.
    let counted = WindowAggExec::try_new(functions, input, !window.partition_keys().is_empty())?;
    Ok(Some(Arc::new(counted)))
}

/// A window that goes along with its input, the rows in its frames counted.
fn framed(
    window: &BoundedWindowAggExec,
    pool: &Arc<dyn MemoryPool>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let mut functions = Vec::with_capacity(window.window_expr().len());
    let mut frames = Vec::new();
    for function in window.window_expr() {
        let aggregate = function
            .as_any()
            .downcast_ref::<SlidingAggregateWindowExpr>();
        if let Some(of_aggregate) = aggregate.and_then(|f| gather::frames(f.get_aggregate_expr())) {
            frames.push(of_aggregate);
        }
        match given::framed(function, pool) {
            Some((framed, of_function)) => {
                frames.push(of_function);
                functions.push(framed);
            }
            None => functions.push(Arc::clone(function)),
        }
    }
    let input = Kept::over(window.input(), Hold::Frames(frames.into()));
    let mode = window.input_order_mode.clone();
    let can_repartition = !window.partition_keys().is_empty();
    let framed = BoundedWindowAggExec::try_new(functions, input, mode, can_repartition)?;
    Ok(Arc::new(framed))
}

/// What the window above holds of its input.
#[derive(Clone, Debug)]
enum Hold {
    /// All, until the stream is dropped: it is counted.
    All,
    /// Frames, which are told how large rows are: its input comes in portions.
    Frames(Arc<[Arc<Frames>]>),
}

/// Stands between a window and its input.
struct Kept {
    input: Arc<dyn ExecutionPlan>,
    hold: Hold,
}

impl Kept {
    fn over(input: &Arc<dyn ExecutionPlan>, hold: Hold) -> Arc<dyn ExecutionPlan> {
        Arc::new(Self {
            input: Arc::clone(input),
            hold,
        })
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").field(&self.input).finish()
    }
}

impl DisplayAs for Kept {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CountedExec")
    }
}

impl ExecutionPlan for Kept {
    fn name(&self) -> &str {
        "CountedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(input) = children.pop() else {
            return internal_err!("a counted plan has one child");
        };
        Ok(Self::over(&input, self.hold.clone()))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let reservation =
            MemoryConsumer::new(format!("Window[{partition}]")).register(context.memory_pool());
        let rows = self.input.execute(partition, context)?;
        let schema = self.input.schema();
        if let Hold::Frames(frames) = &self.hold {
            let (mut longest, mut seen) = (0, Seen::default());
            let frames = Arc::clone(frames);
            let portions = rows
                .map_ok(move |batch| {
                    seen.tell(&batch, &frames);
                    stream::iter(portions(&batch, &mut longest).map(Ok))
                })
                .try_flatten();
            return Ok(Box::pin(RecordBatchStreamAdapter::new(schema, portions)));
        }
        let rows = rows.map(move |batch| {
            let batch = batch?;
            reservation.try_grow(batch.columns().iter().map(gather::bytes).sum())?;
            Ok(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

/// How much came so far.
#[derive(Default)]
struct Seen {
    rows: usize,
    bytes: usize,
}

impl Seen {
    fn tell(&mut self, batch: &RecordBatch, frames: &[Arc<Frames>]) {
        if frames.is_empty() {
            return;
        }
        self.rows += batch.num_rows();
        self.bytes += batch.columns().iter().map(gather::bytes).sum::<usize>();
        let each = self.bytes / self.rows.max(1) / frames.len();
        frames.iter().for_each(|frames| frames.set_row_bytes(each));
    }
}

/// A batch in portions of so many rows that each could be given the longest text that was ever
/// seen: a running `max` gives one long text to all rows that follow.
fn portions(batch: &RecordBatch, longest: &mut usize) -> impl Iterator<Item = RecordBatch> + use<> {
    for column in batch.columns() {
        *longest = longest_text(column).max(*longest);
    }
    let rows = (PORTION_BYTES / (*longest).max(1)).max(1);
    let batch = batch.clone();
    (0..batch.num_rows())
        .step_by(rows)
        .map(move |from| batch.slice(from, rows.min(batch.num_rows() - from)))
}

fn longest_text(column: &dyn Array) -> usize {
    let offsets = |offsets: &[i32]| {
        let lengths = offsets.windows(2).map(|pair| pair[1] - pair[0]);
        usize::try_from(lengths.max().unwrap_or(0)).unwrap_or(0)
    };
    let large = |offsets: &[i64]| {
        let lengths = offsets.windows(2).map(|pair| pair[1] - pair[0]);
        usize::try_from(lengths.max().unwrap_or(0)).unwrap_or(0)
    };
    // The lower half of a view is the length.
    let views = |views: &[u128]| views.iter().map(|view| *view as u32 as usize).max();
    match column.data_type() {
        DataType::Utf8 => offsets(column.as_string::<i32>().value_offsets()),
        DataType::Binary => offsets(column.as_binary::<i32>().value_offsets()),
        DataType::LargeUtf8 => large(column.as_string::<i64>().value_offsets()),
        DataType::LargeBinary => large(column.as_binary::<i64>().value_offsets()),
        DataType::Utf8View => views(column.as_string_view().views()).unwrap_or(0),
        DataType::BinaryView => views(column.as_binary_view().views()).unwrap_or(0),
        _ => 0,
    }
}
