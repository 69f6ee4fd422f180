//! One attempt at a run: compute with every source pinned, write, publish in one commit (I8).
//! Must never publish what was not planned on the very tables it names.

use std::collections::BTreeMap;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use iceberg::spec::{DataFile, Schema, SortOrder};

use super::error::RunError;
use super::plan::{Action, Plan};
use super::shape;
use super::state::{PublishedState, RUN_ID_SUMMARY, SOURCES_SUMMARY, STATE_PROPERTY};
use crate::declare::layout::partition_spec;
use crate::declare::model::Model;
use crate::lake::catalog::Guard;
use crate::lake::commit::{Commit, FileChange, NewTable, TableChange};
use crate::lake::control::Lease;
use crate::lake::writer::TableWriter;
use crate::lake::{Lake, Table};
use crate::query::statement::{self, Statement};
use crate::query::{Access, Engine, QueryErrorKind, Session, SessionOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a run left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub target_snapshot: Option<i64>,
    /// Rows written; None when nothing had to be.
    pub rows: Option<i64>,
}

/// Rows written and everything else that a commit needs.
#[derive(Debug)]
pub(super) struct Ready {
    pub plan: Plan,
    create: Option<NewTable>,
    schema: Option<Schema>,
    files: Vec<DataFile>,
    rows: i64,
}

/// Plans, computes and writes; `written` counts the rows meanwhile. Can be dropped at any moment:
/// what it wrote are orphans then.
pub(super) async fn compute(
    engine: &Arc<Engine>,
    model: &Model,
    written: &AtomicUsize,
) -> Result<Ready, RunError> {
    let lake = engine.lake();
    let mut plan = Plan::make(lake, model).await?;
    let (mut session, mut logical) = pinned(engine, model, &plan).await?;
    if let (Action::Append { .. }, Some(base)) = (plan.action, &plan.base) {
        let columns = logical.schema().as_arrow().fields();
        let target = Target::of(lake, model, Some(base), columns)?;
        if target.leaves_rows_behind(base) {
            tracing::warn!(model = %model.name, "a column has another type now: all rows are read anew");
            plan.action = Action::Replace;
            (session, logical) = pinned(engine, model, &plan).await?;
        }
    }
    if plan.action == Action::Unchanged {
        if plan.cursor.is_some() || !asks_clock_or_chance(&logical)? {
            return Ok(Ready {
                plan,
                create: None,
                schema: None,
                files: Vec::new(),
                rows: 0,
            });
        }
        plan.action = Action::Replace;
    }
    let mut rows = session.execute(logical, &model.query).await?;
    let target = Target::of(lake, model, plan.base.as_ref(), rows.schema().fields())?;
    if target.create.is_some() {
        // Before its files: there are REST catalogs that take a folder with files in it, which they
        // did not make, for a namespace that is broken.
        let namespace = model.name.namespace();
        lake.catalog.create_namespace(namespace).await?;
    }
    let mut writer = TableWriter::new(&target.table)?.with_entropy(Arc::clone(&lake.entropy));
    let schema = writer.schema();
    let mut count = 0_usize;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        count += batch.num_rows();
        let fitted = shape::fit(&batch, &schema)
            .map_err(|message| RunError::failed(QueryErrorKind::DatatypeMismatch, message))?;
        writer.write(fitted).await?;
        written.store(count, Ordering::Relaxed);
    }
    Ok(Ready {
        create: target.create,
        schema: target.schema,
        files: writer.finish().await?,
        rows: i64::try_from(count).unwrap_or(i64::MAX),
        plan,
    })
}

/// The model's query in a session that reads what was planned.
async fn pinned(
    engine: &Arc<Engine>,
    model: &Model,
    plan: &Plan,
) -> Result<(Session, LogicalPlan), RunError> {
    let session = session(engine, model)?;
    for (table, pin) in plan.pins() {
        session.pin_to(table, pin);
    }
    let logical = logical_plan(&session, model).await?;
    Ok((session, logical))
}

/// Makes the rows visible, all or none, if target and lease stand as planned. Must be let run to
/// its end: it knows best whether it took place.
pub(super) async fn publish(
    lake: &Lake,
    model: &Model,
    run_id: &str,
    lease: &Lease,
    ready: Ready,
) -> Result<Outcome, RunError> {
    let Ready {
        plan,
        create,
        schema,
        files,
        rows,
    } = ready;
    let base = plan.base.as_ref().map(|table| table.metadata());
    if plan.action == Action::Unchanged {
        return Ok(Outcome {
            target_snapshot: base.and_then(|metadata| metadata.current_snapshot_id()),
            rows: None,
        });
    }
    let state = PublishedState {
        sources: plan.sources.clone(),
        sequence_number: base.map_or(1, |metadata| metadata.last_sequence_number() + 1),
        cursor: plan.cursor.clone(),
        ..PublishedState::new(model, run_id)
    };
    let sources = serde_json::to_string(&plan.sources).expect("names and numbers serialise");
    let files = match plan.action {
        Action::Append { .. } => FileChange::Append(files),
        Action::Replace | Action::Unchanged => FileChange::OverwriteAll { add: files },
    };
    let mut change = TableChange::new(model.name.clone(), files);
    change.create = create;
    change.expected_snapshot = Some(base.and_then(|metadata| metadata.current_snapshot_id()));
    change.expected_uuid = base.map(|metadata| metadata.uuid());
    change.expected_schema = base.map(|metadata| metadata.current_schema_id());
    change.expected_spec_id = base.map(|metadata| metadata.default_partition_spec_id());
    change.schema = schema;
    change.set_properties = BTreeMap::from([(STATE_PROPERTY.to_owned(), state.to_json())]);
    change.summary = BTreeMap::from([
        (RUN_ID_SUMMARY.to_owned(), run_id.to_owned()),
        (SOURCES_SUMMARY.to_owned(), sources),
    ]);
    let commit = Commit {
        id: lake.entropy.uuid(),
        changes: vec![change],
        guards: vec![Guard::Lease(lease.clone())],
    };
    let committed = lake.commit(&commit).await?;
    let table = committed.tables.first();
    Ok(Outcome {
        target_snapshot: table.and_then(|table| table.metadata().current_snapshot_id()),
        rows: Some(rows),
    })
}

/// A session that only reads, in which times are UTC.
pub(super) fn session(engine: &Arc<Engine>, model: &Model) -> Result<Session, RunError> {
    Ok(engine.session(SessionOptions {
        user: "jobs".to_owned(),
        access: Access::Read,
        application: Some(format!("model {}", model.name)),
    })?)
}

pub(super) async fn logical_plan(
    session: &Session,
    model: &Model,
) -> Result<LogicalPlan, RunError> {
    match statement::parse(&model.query)?.as_slice() {
        [Statement::Sql(statement)] => Ok(session.plan(statement).await?),
        _ => Err(RunError::invalid("a model's query is one SELECT")),
    }
}

/// Whether the same sources may give other rows another time: now(), random() and the like.
fn asks_clock_or_chance(plan: &LogicalPlan) -> Result<bool, RunError> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                if let Expr::ScalarFunction(call) = part
                    && call.func.signature().volatility != Volatility::Immutable
                {
                    found = true;
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map_err(|error| RunError::from(crate::query::QueryError::from(error)))?;
    Ok(found)
}

/// The table that is written to, as it will be once the run is published.
pub(super) struct Target {
    pub table: Table,
    pub create: Option<NewTable>,
    /// The schema that replaces the current one.
    pub schema: Option<Schema>,
}

impl Target {
    /// Whether a column would become another one of the same name: rows that stay would show null
    /// there.
    fn leaves_rows_behind(&self, base: &Table) -> bool {
        let Some(schema) = &self.schema else {
            return false;
        };
        let old = base.metadata().current_schema();
        let mut fields = old.as_struct().fields().iter();
        fields.any(|field| {
            let new = schema.field_by_name(&field.name);
            new.is_some_and(|new| new.id != field.id)
        })
    }

    /// From the query's columns; errors are for the person who wrote the model.
    pub fn of(
        lake: &Lake,
        model: &Model,
        base: Option<&Table>,
        columns: &arrow::datatypes::Fields,
    ) -> Result<Self, RunError> {
        let wrong = |message: String| RunError::failed(QueryErrorKind::DatatypeMismatch, message);
        let Some(base) = base else {
            let schema = shape::schema(columns, None, 0).map_err(wrong)?;
            let partition = spec(model, &schema).map_err(wrong)?;
            let new = NewTable {
                schema,
                partition,
                sort_order: SortOrder::unsorted_order(),
                properties: BTreeMap::new(),
            };
            return Ok(Self {
                table: lake.stage(&model.name, &new)?,
                create: Some(new),
                schema: None,
            });
        };
        let metadata = base.metadata();
        let current = metadata.current_schema();
        let schema =
            shape::schema(columns, Some(current), metadata.last_column_id()).map_err(wrong)?;
        check_partition(model, base, &schema)?;
        if shape::same(&schema, current) {
            return Ok(Self {
                table: base.clone(),
                create: None,
                schema: None,
            });
        }
        let location = base.metadata_location().to_owned();
        let evolved = metadata
            .as_ref()
            .clone()
            .into_builder(Some(location.clone()))
            .add_current_schema(schema.clone())
            .and_then(|builder| builder.build())
            .map_err(|error| wrong(format!("{}: {}", model.name, error.message())))?;
        let store = base.store().clone();
        let (name, refs) = (model.name.clone(), base.refs().clone());
        Ok(Self {
            table: Table::new(store, name, evolved.metadata.into(), refs, location),
            create: None,
            schema: Some(schema),
        })
    }
}

fn spec(model: &Model, schema: &Schema) -> Result<iceberg::spec::UnboundPartitionSpec, String> {
    partition_spec(schema, model.partition_by.iter().map(String::as_str))
        .map_err(|(_, message)| format!("partition_by: {message}"))
}

/// A living table keeps its partitioning: a commit moves schema and rows, not specs.
fn check_partition(model: &Model, base: &Table, schema: &Schema) -> Result<(), RunError> {
    let wanted = spec(model, schema).map_err(RunError::invalid)?;
    let current = base.metadata().default_partition_spec();
    let wanted = wanted
        .fields()
        .iter()
        .map(|field| (field.source_id, field.transform));
    let have = current
        .fields()
        .iter()
        .map(|field| (field.source_id, field.transform));
    if wanted.eq(have) {
        return Ok(());
    }
    let name = &model.name;
    let how = match &model.file {
        Some(file) => format!(
            "give the model another name in {file}; or take {file} away, start frazil, DROP \
             MATERIALIZED VIEW {name}, put the file back and start again",
            file = file.display()
        ),
        None => format!(
            "create the model under another name; or DROP MATERIALIZED VIEW {name} and create it \
             again"
        ),
    };
    Err(RunError::invalid(format!(
        "{name} is partitioned otherwise than the model says now, and a table keeps its \
         partitioning: {how}"
    )))
}
