//! What window functions give to the rows of a whole partition (`first_value`, `nth_value` …),
//! counted before it is there: each row gets a value of its own, and 100,000 rows get as many
//! copies of one long text. DataFusion makes them all before anybody could look, and panics where
//! 32-bit offsets end.

use std::any::Any;
use std::fmt;
use std::mem::size_of;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::logical_expr::window_state::WindowAggState;
use datafusion::logical_expr::{LimitEffect, PartitionEvaluator};
use datafusion::physical_expr::window::{
    StandardWindowExpr, StandardWindowFunctionExpr, WindowExpr,
};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};

use super::frames::{Frames, Held};
use super::{QueryError, QueryErrorKind, gather};

/// The same function over a window, its values counted; None when they are of a fixed size.
pub(super) fn counted(
    window: &Arc<dyn WindowExpr>,
    pool: &Arc<dyn MemoryPool>,
) -> Result<Option<Arc<dyn WindowExpr>>> {
    let Some(standard) = window.as_any().downcast_ref::<StandardWindowExpr>() else {
        return Ok(None);
    };
    let inner = standard.get_standard_func_expr();
    if inner.field()?.data_type().is_primitive() {
        return Ok(None);
    }
    let reservation = Arc::new(MemoryConsumer::new(inner.name()).register(pool));
    Ok(Some(over(standard, Counts::Given(reservation))))
}

/// The same function over a window that goes along with its input, the rows that it holds counted;
/// None when it is an aggregate, or needs no rows.
pub(super) fn framed(
    window: &Arc<dyn WindowExpr>,
    pool: &Arc<dyn MemoryPool>,
) -> Option<(Arc<dyn WindowExpr>, Arc<Frames>)> {
    let standard = window.as_any().downcast_ref::<StandardWindowExpr>()?;
    let inner = standard.get_standard_func_expr();
    if inner.expressions().is_empty() {
        return None;
    }
    let frames = Frames::new(inner.name(), pool);
    let framed = over(standard, Counts::Frames(Arc::clone(&frames)));
    Some((framed, frames))
}

fn over(standard: &StandardWindowExpr, counts: Counts) -> Arc<dyn WindowExpr> {
    let given = Given {
        inner: Arc::clone(standard.get_standard_func_expr()),
        counts,
    };
    Arc::new(StandardWindowExpr::new(
        Arc::new(given),
        standard.partition_by(),
        standard.order_by(),
        Arc::clone(standard.get_window_frame()),
    ))
}

/// Whether so many copies of a value fit into one array: where its offsets have 32 bits, they end
/// at 2 GiB of text or as many elements.
pub(super) fn check_copies(name: &str, value: &ScalarValue, times: usize) -> Result<()> {
    let each = match value {
        ScalarValue::Utf8(Some(text)) => text.len(),
        ScalarValue::Binary(Some(bytes)) => bytes.len(),
        ScalarValue::List(list) => list.values().len(),
        _ => 0,
    };
    check_total(name, each.saturating_mul(times))
}

fn check_total(name: &str, total: usize) -> Result<()> {
    if i32::try_from(total).is_ok() {
        return Ok(());
    }
    let message = format!("{name} would give more than 2 GiB to the rows of one window");
    Err(QueryError::new(QueryErrorKind::OutOfMemory, message).into())
}

/// A function that counts against the memory limit.
struct Given {
    inner: Arc<dyn StandardWindowFunctionExpr>,
    counts: Counts,
}

/// What of it counts.
enum Counts {
    /// What it gives, until the query ends.
    Given(Arc<MemoryReservation>),
    /// The rows that are held for it.
    Frames(Arc<Frames>),
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl StandardWindowFunctionExpr for Given {
    fn as_any(&self) -> &dyn Any {
        self.inner.as_any()
    }

    fn field(&self) -> Result<FieldRef> {
        self.inner.field()
    }

    fn expressions(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        self.inner.expressions()
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn evaluate_args(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        self.inner.evaluate_args(batch)
    }

    fn create_evaluator(&self) -> Result<Box<dyn PartitionEvaluator>> {
        let reservation = match &self.counts {
            Counts::Given(reservation) => Arc::clone(reservation),
            Counts::Frames(frames) => {
                return Ok(Box::new(Held {
                    inner: self.inner.create_evaluator()?,
                    frames: Arc::clone(frames),
                    rows: 0,
                }));
            }
        };
        let has_offsets = matches!(
            self.inner.field()?.data_type(),
            DataType::Utf8 | DataType::Binary
        );
        Ok(Box::new(Counted {
            inner: self.inner.create_evaluator()?,
            name: self.inner.name().to_owned(),
            has_offsets,
            bytes: 0,
            reserved: 0,
            reservation,
        }))
    }

    fn get_result_ordering(&self, schema: &SchemaRef) -> Option<PhysicalSortExpr> {
        self.inner.get_result_ordering(schema)
    }

    fn limit_effect(&self) -> LimitEffect {
        self.inner.limit_effect()
    }
}

/// Steps in which memory is asked for: the pool is shared, and asking takes its lock.
const STEP_BYTES: usize = 64 << 10;

#[derive(Debug)]
struct Counted {
    inner: Box<dyn PartitionEvaluator>,
    name: String,
    /// Whether its results have offsets of 32 bits.
    has_offsets: bool,
    /// Values given one by one. They are there twice, until they are brought into one array.
    bytes: usize,
    reserved: usize,
    reservation: Arc<MemoryReservation>,
}

impl Counted {
    fn give(&mut self, bytes: usize) -> Result<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.has_offsets {
            check_total(&self.name, self.bytes)?;
        }
        let wanted = self.bytes.saturating_mul(2);
        if wanted > self.reserved {
            let step = (wanted - self.reserved).max(STEP_BYTES);
            self.reservation.try_grow(step)?;
            self.reserved += step;
        }
        Ok(())
    }
}

impl Drop for Counted {
    /// What is left is the array.
    fn drop(&mut self) {
        if self.reserved > self.bytes {
            self.reservation.shrink(self.reserved - self.bytes);
        }
    }
}

impl PartitionEvaluator for Counted {
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
        let given = self.inner.evaluate_all(values, rows)?;
        self.give(gather::bytes(&given))?;
        Ok(given)
    }

    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> Result<ScalarValue> {
        let value = self.inner.evaluate(values, range)?;
        self.give(value.size().saturating_sub(size_of::<ScalarValue>()))?;
        Ok(value)
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

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;

    /// Gives one text, whatever the frame.
    #[derive(Debug)]
    struct Same(ScalarValue);

    impl PartitionEvaluator for Same {
        fn evaluate(&mut self, _: &[ArrayRef], _: &Range<usize>) -> Result<ScalarValue> {
            Ok(self.0.clone())
        }
    }

    fn evaluator(value: ScalarValue, pool: &Arc<dyn MemoryPool>, has_offsets: bool) -> Counted {
        Counted {
            inner: Box::new(Same(value)),
            name: "first_value(t)".to_owned(),
            has_offsets,
            bytes: 0,
            reserved: 0,
            reservation: Arc::new(MemoryConsumer::new("first_value").register(pool)),
        }
    }

    #[test]
    fn two_gibibytes_of_text_are_the_end_where_offsets_have_32_bits() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(100 << 30));
        let long = "x".repeat(64 << 20);
        let mut texts = evaluator(ScalarValue::Utf8(Some(long.clone())), &pool, true);
        let given = (0..40).find_map(|row| texts.evaluate(&[], &(row..row + 1)).err());
        let error = given.expect("31 fit").to_string();
        assert!(
            error.contains("first_value(t) would give more than 2 GiB"),
            "{error}"
        );
        assert!(texts.bytes > 31 * long.len());
        drop(texts);
        let mut views = evaluator(ScalarValue::Utf8View(Some(long)), &pool, false);
        assert!((0..40).all(|row| views.evaluate(&[], &(row..row + 1)).is_ok()));
    }

    #[test]
    fn what_is_left_reserved_is_the_array() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1 << 20));
        let text = ScalarValue::Utf8(Some("x".repeat(1_000)));
        let mut texts = evaluator(text, &pool, true);
        for row in 0..200 {
            texts.evaluate(&[], &(row..row + 1)).expect("it fits");
        }
        assert!(pool.reserved() >= 2 * 200 * 1_000);
        let keeps = Arc::clone(&texts.reservation);
        drop(texts);
        assert_eq!(pool.reserved(), 200 * 1_000);
        drop(keeps);
        assert_eq!(pool.reserved(), 0);
    }

    #[test]
    fn copies_are_counted_by_what_their_offsets_count() {
        let text = ScalarValue::Utf8(Some("x".repeat(1 << 20)));
        assert!(check_copies("max", &text, 2_047).is_ok());
        assert!(check_copies("max", &text, 2_048).is_err());
        let view = ScalarValue::Utf8View(Some("x".repeat(1 << 20)));
        assert!(check_copies("max", &view, 1 << 30).is_ok());
        assert!(check_copies("max", &ScalarValue::Int64(Some(1)), usize::MAX).is_ok());
    }
}
