//! Aggregates that hold all that they have seen, counted against the memory limit by themselves.
//!
//! DataFusion asks an accumulator for its size only after a batch, takes texts in views for 16 bytes
//! each, and when groups grow too large spills them: arrays it can't merge again but all at once.
//! Here the limit is looked at before anything is kept, and what doesn't fit fails.

use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::{AggregateFunctionParams, WindowFunctionParams};
use datafusion::logical_expr::function::{
    AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs,
};
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator,
    ReversedUDAF, Signature,
};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::frames::{Framed, Frames};
use super::given;

const ALL: [&str; 2] = ["array_agg", "string_agg"];

/// Puts the counted ones in the place of DataFusion's.
pub(super) fn install(state: &mut SessionState, pool: &Arc<dyn MemoryPool>) -> Result<()> {
    for name in ALL {
        if let Ok(inner) = state.udaf(name) {
            let counted = Gather::new(inner, Arc::clone(pool));
            state.register_udaf(Arc::new(AggregateUDF::from(counted)))?;
        }
    }
    Ok(())
}

/// Bytes of the values themselves: arrays may be slices of larger buffers, or share them.
pub(super) fn bytes(array: &ArrayRef) -> usize {
    let views = |views: &[u128]| -> usize {
        // The lower half of a view is the length.
        views.iter().map(|view| *view as u32 as usize + 16).sum()
    };
    match array.data_type() {
        DataType::Utf8View => views(array.as_string_view().views()),
        DataType::BinaryView => views(array.as_binary_view().views()),
        _ => {
            let data = array.to_data();
            data.get_slice_memory_size()
                .unwrap_or_else(|_| array.get_array_memory_size())
        }
    }
}

/// An aggregate whose values count against the memory limit.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Gather {
    inner: Arc<AggregateUDF>,
    /// Its result is given to every row that it has seen.
    repeats: bool,
    pool: Pool,
    /// For one over a sliding frame, of which only the frame's rows are counted.
    frames: Sliding,
}

/// Is no part of what a function is.
#[derive(Clone, Debug, Default)]
struct Sliding(Option<Arc<Frames>>);

impl PartialEq for Sliding {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_some() == other.0.is_some()
    }
}

impl Eq for Sliding {}

impl std::hash::Hash for Sliding {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.is_some().hash(state);
    }
}

/// The frames of an aggregate whose frame slides.
pub(super) fn frames(aggregate: &AggregateFunctionExpr) -> Option<Arc<Frames>> {
    let gather = aggregate.fun().inner().downcast_ref::<Gather>()?;
    gather.frames.0.clone()
}

/// Is no part of what a function is.
#[derive(Debug)]
struct Pool(Arc<dyn MemoryPool>);

impl PartialEq for Pool {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Pool {}

impl std::hash::Hash for Pool {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl Gather {
    pub fn new(inner: Arc<AggregateUDF>, pool: Arc<dyn MemoryPool>) -> Self {
        Self {
            inner,
            repeats: false,
            pool: Pool(pool),
            frames: Sliding::default(),
        }
    }

    /// The aggregate over a sliding frame, whose rows are counted.
    pub fn sliding(inner: Arc<AggregateUDF>, pool: Arc<dyn MemoryPool>) -> Self {
        let frames = Frames::new(inner.name(), &pool);
        Self {
            frames: Sliding(Some(frames)),
            ..Self::new(inner, pool)
        }
    }

    /// The one for whole windows; None when it is that already.
    pub fn repeated(&self) -> Option<Self> {
        (!self.repeats).then(|| Self {
            repeats: true,
            ..self.of(Arc::clone(&self.inner))
        })
    }

    fn of(&self, inner: Arc<AggregateUDF>) -> Self {
        Self {
            inner,
            repeats: self.repeats,
            pool: Pool(Arc::clone(&self.pool.0)),
            frames: self.frames.clone(),
        }
    }

    /// The same, counted by another pool.
    pub fn counted_by(&self, pool: &Arc<dyn MemoryPool>) -> Self {
        let frames = self.frames.0.as_ref();
        Self {
            pool: Pool(Arc::clone(pool)),
            frames: Sliding(frames.map(|_| Frames::new(self.inner.name(), pool))),
            ..self.of(Arc::clone(&self.inner))
        }
    }

    fn held(&self) -> Held {
        Held {
            reservation: MemoryConsumer::new(self.inner.name()).register(&self.pool.0),
            bytes: 0,
            given: 0,
        }
    }

    fn counted(&self, inner: Box<dyn Accumulator>) -> Box<dyn Accumulator> {
        Box::new(Counted {
            gathers: ALL.contains(&self.inner.name()),
            inner,
            repeats: self.repeats,
            rows: 0,
            held: self.held(),
        })
    }
}

impl AggregateUDFImpl for Gather {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.schema_name(params)
    }

    fn human_display(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.human_display(params)
    }

    fn display_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.display_name(params)
    }

    fn window_function_schema_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.inner.window_function_schema_name(params)
    }

    fn window_function_display_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.inner.window_function_display_name(params)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        self.inner.return_field(fields)
    }

    fn is_nullable(&self) -> bool {
        self.inner.is_nullable()
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let inner = self.inner.accumulator(args)?;
        Ok(match self.frames.0 {
            None => self.counted(inner),
            Some(_) => inner,
        })
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let inner = self.inner.create_sliding_accumulator(args)?;
        Ok(match &self.frames.0 {
            None => self.counted(inner),
            Some(frames) => Box::new(Framed {
                inner,
                frames: Arc::clone(frames),
                rows: 0,
            }),
        })
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(CountedGroups {
            inner: self.inner.create_groups_accumulator(args)?,
            held: self.held(),
        }))
    }

    fn with_beneficial_ordering(
        self: Arc<Self>,
        beneficial: bool,
    ) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        let inner = self.inner.as_ref().clone();
        let inner = inner.with_beneficial_ordering(beneficial)?;
        Ok(inner.map(|inner| Arc::new(self.of(Arc::new(inner))) as _))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        self.inner.simplify()
    }

    /// None: DataFusion's own reversed one gathers distinct values in the wrong order.
    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }

    fn is_descending(&self) -> Option<bool> {
        self.inner.is_descending()
    }

    fn default_value(&self, kind: &DataType) -> Result<ScalarValue> {
        self.inner.default_value(kind)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.inner.supports_null_handling_clause()
    }

    fn supports_within_group_clause(&self) -> bool {
        self.inner.supports_within_group_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

/// What an accumulator holds and has given away.
#[derive(Debug)]
struct Held {
    reservation: MemoryReservation,
    bytes: usize,
    /// Values given: rows go on in batches, so they may all still be in memory.
    given: usize,
}

impl Held {
    /// Makes room for values before they are kept.
    fn keep(&mut self, values: &[ArrayRef]) -> Result<()> {
        let more: usize = values.iter().map(bytes).sum();
        self.bytes = self.bytes.saturating_add(more);
        self.resize()
    }

    fn give(&mut self, bytes: usize, times: usize) -> Result<()> {
        self.given = self.given.saturating_add(bytes.saturating_mul(times));
        self.resize()
    }

    fn resize(&mut self) -> Result<()> {
        self.reservation
            .try_resize(self.bytes.saturating_add(self.given))
    }
}

#[derive(Debug)]
struct Counted {
    inner: Box<dyn Accumulator>,
    /// Whether it holds all that it has seen, and not one value of it.
    gathers: bool,
    repeats: bool,
    rows: usize,
    held: Held,
}

impl Counted {
    /// Ordered and distinct ones hold more than the values.
    fn check(&mut self) -> Result<()> {
        if self.gathers {
            self.held.bytes = self.held.bytes.max(self.inner.size());
            self.held.resize()?;
        }
        Ok(())
    }
}

impl Accumulator for Counted {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if self.gathers {
            self.held.keep(values)?;
        }
        self.rows += values.first().map_or(0, |values| values.len());
        self.inner.update_batch(values)?;
        self.check()
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let gone: usize = values.iter().map(bytes).sum();
        self.held.bytes = self.held.bytes.saturating_sub(gone);
        self.rows = self
            .rows
            .saturating_sub(values.first().map_or(0, |values| values.len()));
        self.inner.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let times = if self.repeats { self.rows.max(1) } else { 1 };
        if self.gathers {
            // Room for it before it is made.
            self.held.give(self.held.bytes, times)?;
        }
        let value = self.inner.evaluate()?;
        given::check_copies(self.held.reservation.consumer().name(), &value, times)?;
        if self.gathers {
            return Ok(value);
        }
        let beyond = value.size().saturating_sub(size_of::<ScalarValue>());
        self.held.give(beyond, times)?;
        Ok(value)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.held.keep(states)?;
        self.inner.merge_batch(states)?;
        self.check()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.held.give(self.held.bytes, 1)?;
        self.inner.state()
    }

    fn size(&self) -> usize {
        // What it holds is counted already.
        size_of::<Self>()
    }
}

struct CountedGroups {
    inner: Box<dyn GroupsAccumulator>,
    held: Held,
}

impl CountedGroups {
    /// Groups have gone: what is left is what the inner one says.
    fn emitted(&mut self) -> Result<()> {
        self.held.bytes = self.inner.size().min(self.held.bytes);
        self.held.resize()
    }
}

impl GroupsAccumulator for CountedGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total_groups: usize,
    ) -> Result<()> {
        self.held.keep(values)?;
        self.inner
            .update_batch(values, groups, filter, total_groups)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let values = self.inner.evaluate(emit)?;
        self.emitted()?;
        Ok(values)
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let state = self.inner.state(emit)?;
        self.emitted()?;
        Ok(state)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total_groups: usize,
    ) -> Result<()> {
        self.held.keep(values)?;
        self.inner.merge_batch(values, groups, filter, total_groups)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(values, filter)
    }

    fn supports_convert_to_state(&self) -> bool {
        self.inner.supports_convert_to_state()
    }

    fn size(&self) -> usize {
        // What it holds is counted already, and must not be spilled.
        size_of::<Self>()
    }
}
