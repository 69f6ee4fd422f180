//! Rows that windows with sliding frames hold (`ROWS 100000 PRECEDING`, `lag(x, 100000)`), counted
//! against the memory limit. DataFusion keeps them in buffers of its own that nobody else sees; but
//! it tells accumulators which rows come into a frame and go out of it, and evaluators how many
//! there are. Their size is that of the input's rows so far, on average.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::logical_expr::window_state::WindowAggState;
use datafusion::logical_expr::{Accumulator, PartitionEvaluator};

/// Steps in which memory is asked for and given back: rows come one by one.
const STEP_BYTES: usize = 256 << 10;

/// The rows in the frames of one window function, in all partitions.
#[derive(Debug)]
pub(super) struct Frames {
    rows: AtomicUsize,
    row_bytes: AtomicUsize,
    reserved: AtomicUsize,
    reservation: Mutex<MemoryReservation>,
}

impl Frames {
    pub fn new(name: &str, pool: &Arc<dyn MemoryPool>) -> Arc<Self> {
        let consumer = MemoryConsumer::new(format!("frames of {name}"));
        Arc::new(Self {
            rows: AtomicUsize::new(0),
            row_bytes: AtomicUsize::new(0),
            reserved: AtomicUsize::new(0),
            reservation: Mutex::new(consumer.register(pool)),
        })
    }

    /// What a row takes, of which several functions of one window each count their share.
    pub fn set_row_bytes(&self, bytes: usize) {
        self.row_bytes.store(bytes, Ordering::Relaxed);
    }

    fn wanted(&self) -> usize {
        let row_bytes = self.row_bytes.load(Ordering::Relaxed);
        self.rows.load(Ordering::Relaxed).saturating_mul(row_bytes)
    }

    fn add(&self, rows: usize) -> Result<()> {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        if self.wanted() <= self.reserved.load(Ordering::Relaxed) {
            return Ok(());
        }
        let reservation = self.lock();
        let (wanted, reserved) = (self.wanted(), self.reserved.load(Ordering::Relaxed));
        if wanted > reserved {
            let step = (wanted - reserved).max(STEP_BYTES);
            reservation.try_grow(step)?;
            self.reserved.store(reserved + step, Ordering::Relaxed);
        }
        Ok(())
    }

    fn remove(&self, rows: usize) {
        self.rows.fetch_sub(rows, Ordering::Relaxed);
        let enough = |wanted: usize| wanted.saturating_mul(2).saturating_add(4 * STEP_BYTES);
        if self.reserved.load(Ordering::Relaxed) <= enough(self.wanted()) {
            return;
        }
        let reservation = self.lock();
        let (wanted, reserved) = (self.wanted(), self.reserved.load(Ordering::Relaxed));
        if reserved > enough(wanted) {
            let keep = wanted + STEP_BYTES;
            reservation.shrink(reserved - keep);
            self.reserved.store(keep, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, MemoryReservation> {
        self.reservation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// An aggregate's frame.
#[derive(Debug)]
pub(super) struct Framed {
    pub inner: Box<dyn Accumulator>,
    pub frames: Arc<Frames>,
    pub rows: usize,
}

impl Drop for Framed {
    fn drop(&mut self) {
        self.frames.remove(self.rows);
    }
}

fn rows_of(values: &[ArrayRef]) -> usize {
    values.first().map_or(0, |values| values.len())
}

impl Accumulator for Framed {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = rows_of(values);
        self.rows += rows;
        self.frames.add(rows)?;
        self.inner.update_batch(values)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = rows_of(values).min(self.rows);
        self.rows -= rows;
        self.frames.remove(rows);
        self.inner.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.inner.evaluate()
    }

    fn size(&self) -> usize {
        self.inner.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }
}

/// What a window function (`lag`, `nth_value`) is given of a partition: all rows that are held.
#[derive(Debug)]
pub(super) struct Held {
    pub inner: Box<dyn PartitionEvaluator>,
    pub frames: Arc<Frames>,
    pub rows: usize,
}

impl Held {
    fn look(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = rows_of(values);
        let before = std::mem::replace(&mut self.rows, rows);
        if rows > before {
            return self.frames.add(rows - before);
        }
        if rows < before {
            self.frames.remove(before - rows);
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.frames.remove(self.rows);
    }
}

impl PartitionEvaluator for Held {
    fn memoize(&mut self, state: &mut WindowAggState) -> Result<()> {
        self.inner.memoize(state)
    }

    fn get_range(&self, index: usize, rows: usize) -> Result<Range<usize>> {
        self.inner.get_range(index, rows)
    }

    fn is_causal(&self) -> bool {
        self.inner.is_causal()
    }

    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        self.inner.evaluate_all(values, rows)
    }

    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> Result<ScalarValue> {
        self.look(values)?;
        self.inner.evaluate(values, range)
    }

    fn evaluate_all_with_rank(&self, rows: usize, ranks: &[Range<usize>]) -> Result<ArrayRef> {
        self.inner.evaluate_all_with_rank(rows, ranks)
    }

    fn supports_bounded_execution(&self) -> bool {
        self.inner.supports_bounded_execution()
    }

    fn uses_window_frame(&self) -> bool {
        self.inner.uses_window_frame()
    }

    fn include_rank(&self) -> bool {
        self.inner.include_rank()
    }
}
