//! A query asked for a row's outer values, as a function of them.

use std::collections::HashMap;
use std::fmt::{self, Debug, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, StructArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use async_trait::async_trait;
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Column, Result, ScalarValue, internal_err};
use datafusion::execution::session_state::SessionState;
use datafusion::functions_aggregate::expr_fn::bool_or;
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use datafusion::physical_plan::collect;

use super::substitute::{Values, substituted};
use crate::query::{QueryError, QueryErrorKind};

/// Answers that are kept for rows with the same outer values.
const MOST_KEPT: usize = 10_000;
/// Rows of one lateral query, for one row: they are held as one list.
const MOST_ROWS: usize = 1_000_000;

/// What the query stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its one value; null of no row.
    Scalar,
    Exists,
    /// Whether the function's first argument is among its values.
    In,
    /// All its rows as a list, null of no row.
    Rows,
}

pub(super) struct Apply {
    kind: Kind,
    plan: LogicalPlan,
    /// The outer columns, in the order of the arguments.
    outer: Vec<Column>,
    returns: FieldRef,
    state: SessionState,
    known: Mutex<HashMap<Vec<ScalarValue>, ScalarValue>>,
    signature: Signature,
}

impl Apply {
    /// `returns` is the type of the plan's rows as it is planned in the end.
    pub(super) fn function(
        kind: Kind,
        plan: LogicalPlan,
        outer: Vec<Column>,
        state: &SessionState,
    ) -> Result<ScalarUDF> {
        let mut state = state.clone();
        // Small plans, many times.
        state.config_mut().options_mut().execution.target_partitions = 1;
        let nulls: Values = outer
            .iter()
            .map(|column| (column.clone(), ScalarValue::Null))
            .collect();
        let planned = optimized(&state, &substituted(&plan, &nulls)?)?;
        let returns = match kind {
            Kind::Exists | Kind::In => Field::new("found", DataType::Boolean, true),
            Kind::Scalar => {
                let field = planned.schema().field(0).as_ref().clone();
                field.with_name("value").with_nullable(true)
            }
            Kind::Rows => {
                let item = Field::new_list_field(row_type(&planned), true);
                Field::new("rows", DataType::List(Arc::new(item)), true)
            }
        };
        let apply = Self {
            kind,
            plan,
            outer,
            returns: Arc::new(returns),
            state,
            known: Mutex::default(),
            // Never folded nor moved: it reads tables.
            signature: Signature::variadic_any(Volatility::Volatile),
        };
        Ok(AsyncScalarUDF::new(Arc::new(apply)).into_scalar_udf())
    }

    async fn answer(&self, key: &[ScalarValue]) -> Result<ScalarValue> {
        let (tested, outer) = match (self.kind, key.split_first()) {
            (Kind::In, Some((tested, outer))) => (Some(tested), outer),
            _ => (None, key),
        };
        let values: Values = self
            .outer
            .iter()
            .cloned()
            .zip(outer.iter().cloned())
            .collect();
        let plan = substituted(&self.plan, &values)?;
        match self.kind {
            Kind::Scalar => self.scalar(plan).await,
            Kind::Exists => {
                let rows = self.rows(plan, 1).await?.num_rows();
                Ok(ScalarValue::Boolean(Some(rows > 0)))
            }
            Kind::In => match tested {
                Some(tested) => self.contains(plan, tested).await,
                None => internal_err!("IN of nothing"),
            },
            Kind::Rows => self.list(plan).await,
        }
    }

    async fn scalar(&self, plan: LogicalPlan) -> Result<ScalarValue> {
        let rows = self.rows(plan, 2).await?;
        match rows.num_rows() {
            0 => ScalarValue::try_from(self.returns.data_type()),
            1 => ScalarValue::try_from_array(rows.column(0), 0)?.cast_to(self.returns.data_type()),
            _ => Err(QueryError::new(
                QueryErrorKind::State("21000"),
                "more than one row returned by a subquery used as an expression",
            )
            .into()),
        }
    }

    /// True, false, or null where a null stands in the way of a no.
    async fn contains(&self, plan: LogicalPlan, tested: &ScalarValue) -> Result<ScalarValue> {
        let value = Expr::Column(Column::from(plan.schema().qualified_field(0)));
        let same = lit(tested.clone()).eq(value);
        let found = bool_or(same.clone()).alias("found");
        let open = bool_or(same.is_null()).alias("open");
        let plan = LogicalPlanBuilder::from(plan)
            .aggregate(Vec::<Expr>::new(), vec![found, open])?
            .build()?;
        let rows = self.rows(plan, 1).await?;
        let is_true = |column: usize| -> Result<bool> {
            let value = ScalarValue::try_from_array(rows.column(column), 0)?;
            Ok(value == ScalarValue::Boolean(Some(true)))
        };
        Ok(ScalarValue::Boolean(match (is_true(0)?, is_true(1)?) {
            (true, _) => Some(true),
            (_, true) => None,
            _ => Some(false),
        }))
    }

    async fn list(&self, plan: LogicalPlan) -> Result<ScalarValue> {
        let DataType::List(item) = self.returns.data_type() else {
            return internal_err!("rows of {}", self.returns.data_type());
        };
        let DataType::Struct(fields) = item.data_type() else {
            return internal_err!("rows of {item}");
        };
        let rows = self.rows(plan, MOST_ROWS + 1).await?;
        if rows.num_rows() > MOST_ROWS {
            let message = format!("a LATERAL query gave more than {MOST_ROWS} rows for one row");
            return Err(QueryError::new(QueryErrorKind::State("54000"), message).into());
        }
        if rows.num_rows() == 0 {
            return ScalarValue::try_from(self.returns.data_type());
        }
        let columns = rows.columns().iter().zip(fields);
        let columns: Vec<ArrayRef> = columns
            .map(|(column, field)| Ok(cast(column, field.data_type())?))
            .collect::<Result<_>>()?;
        let rows =
            StructArray::try_new_with_length(fields.clone(), columns, None, rows.num_rows())?;
        let list = SingleRowListArrayBuilder::new(Arc::new(rows)).build_list_array();
        Ok(ScalarValue::List(Arc::new(list)))
    }

    /// At most so many rows of a plan.
    async fn rows(&self, plan: LogicalPlan, most: usize) -> Result<RecordBatch> {
        let plan = LogicalPlanBuilder::from(plan)
            .limit(0, Some(most))?
            .build()?;
        let plan = optimized(&self.state, &plan)?;
        let planner = Arc::clone(self.state.query_planner());
        let physical = planner.create_physical_plan(&plan, &self.state).await?;
        let schema = physical.schema();
        let batches = collect(physical, self.state.task_ctx()).await?;
        Ok(concat_batches(&schema, &batches)?)
    }

    fn known(&self, key: &[ScalarValue]) -> Option<ScalarValue> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).cloned()
    }

    fn keep(&self, key: Vec<ScalarValue>, answer: ScalarValue) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KEPT {
            known.clear();
        }
        known.insert(key, answer);
    }
}

fn optimized(state: &SessionState, plan: &LogicalPlan) -> Result<LogicalPlan> {
    match super::optimized(state, plan)? {
        Some(plan) => Ok(plan),
        None => state.optimize(plan),
    }
}

/// A plan's row; its columns may have one name, so each has a name of its own.
fn row_type(plan: &LogicalPlan) -> DataType {
    let fields = plan.schema().fields().iter().enumerate();
    let fields = fields.map(|(at, field)| {
        let field = field.as_ref().clone();
        field.with_name(place(at)).with_nullable(true)
    });
    DataType::Struct(fields.collect::<Fields>())
}

/// The name of a column in the rows of a list.
pub(super) fn place(at: usize) -> String {
    format!("c{at}")
}

impl ScalarUDFImpl for Apply {
    fn name(&self) -> &str {
        "frazil_apply"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.returns.data_type().clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::clone(&self.returns))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("a query can't be asked in between")
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Apply {
    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns: Vec<ArrayRef> = args
            .args
            .into_iter()
            .map(|arg| arg.into_array(rows))
            .collect::<Result<_>>()?;
        let mut answers = Vec::with_capacity(rows);
        for row in 0..rows {
            let key: Vec<ScalarValue> = columns
                .iter()
                .map(|column| ScalarValue::try_from_array(column, row))
                .collect::<Result<_>>()?;
            if let Some(answer) = self.known(&key) {
                answers.push(answer);
                continue;
            }
            let answer = self.answer(&key).await?;
            answers.push(answer.clone());
            self.keep(key, answer);
        }
        if answers.is_empty() {
            return Ok(ColumnarValue::Array(arrow::array::new_empty_array(
                self.returns.data_type(),
            )));
        }
        ScalarValue::iter_to_array(answers).map(ColumnarValue::Array)
    }
}

impl PartialEq for Apply {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.outer == other.outer && self.plan == other.plan
    }
}

impl Eq for Apply {}

impl Hash for Apply {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.outer.hash(state);
        self.plan.hash(state);
    }
}

impl Debug for Apply {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Apply({:?}, {:?})", self.kind, self.outer)
    }
}
