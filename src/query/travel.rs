//! Time travel: `t FOR SYSTEM_TIME AS OF …`, `t TIMESTAMP AS OF …`, `t VERSION AS OF id`,
//! `t AT(TAG => 'x')`.
//! DataFusion itself drops a version in silence and reads today's data: every versioned reference
//! must end here, planned or refused.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use chrono::{DateTime, Utc};
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, FunctionArguments, TableFactor, TableVersion,
};

use super::functions::constant_in;
use super::resolve::no_columns;
use super::scan::{At, IcebergTable};
use super::{QueryError, QueryErrorKind};

/// Plans versioned references of one statement.
#[derive(Debug)]
pub(super) struct TimeTravel {
    /// When the statement started: what `now()` means in a version.
    pub(super) now: Option<DateTime<Utc>>,
}

/// The planner's context and the statement's start, handed down together.
struct Planning<'a> {
    context: &'a mut dyn RelationPlannerContext,
    now: Option<DateTime<Utc>>,
}

impl RelationPlanner for TimeTravel {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let TableFactor::Table {
            name,
            alias,
            args,
            with_hints,
            version: Some(version),
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } = relation
        else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let shown = name.to_string();
        let today = context.plan(TableFactor::Table {
            name,
            alias: None,
            args,
            with_hints,
            version: None,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        })?;
        let at = moment(
            version,
            &mut Planning {
                context,
                now: self.now,
            },
        )?;
        let plan = travel(&today, &shown, &at)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
            plan, alias,
        ))))
    }
}

/// The same scan at another moment. A CTE or a function of that name has no versions.
fn travel(today: &LogicalPlan, shown: &str, at: &At) -> Result<LogicalPlan> {
    let table = match today {
        LogicalPlan::TableScan(scan) => source_as_provider(&scan.source)
            .ok()
            .filter(|provider| provider.downcast_ref::<IcebergTable>().is_some())
            .map(|provider| (scan.table_name.clone(), provider)),
        _ => None,
    };
    let Some((name, provider)) = table else {
        return Err(QueryError::new(
            QueryErrorKind::FeatureNotSupported,
            format!("{shown} is not a table of the lake: it has no versions to travel to"),
        )
        .into());
    };
    let table = provider
        .downcast_ref::<IcebergTable>()
        .expect("filtered just above");
    let then = table.at(at)?;
    LogicalPlanBuilder::scan(name, provider_as_source(Arc::new(then)), None)?.build()
}

/// What a version names.
fn moment(version: TableVersion, planning: &mut Planning<'_>) -> Result<At> {
    match version {
        TableVersion::ForSystemTimeAsOf(expr) | TableVersion::TimestampAsOf(expr) => {
            Ok(At::Time(time(expr, planning)?))
        }
        TableVersion::VersionAsOf(expr) => match value(expr, planning)? {
            ScalarValue::Utf8(Some(name)) | ScalarValue::Utf8View(Some(name)) => Ok(At::Ref(name)),
            number => Ok(At::Snapshot(snapshot_id(&number)?)),
        },
        TableVersion::Function(ast::Expr::Function(function)) => named(&function, planning),
        TableVersion::Function(_) | TableVersion::Changes { .. } => Err(unknown_form()),
    }
}

fn unknown_form() -> datafusion::error::DataFusionError {
    QueryError::new(
        QueryErrorKind::FeatureNotSupported,
        "this form of time travel is not supported",
    )
    .with_hint(
        "Write FOR SYSTEM_TIME AS OF '2026-01-31 12:00', VERSION AS OF 123, AT(TAG => 'name') \
         or AT(BRANCH => 'name') behind the table's name.",
    )
    .into()
}

/// `AT(TAG => 'x')`, `AT(BRANCH => 'x')`, `AT(TIMESTAMP => '…')`, `AT(VERSION => 5)`.
fn named(function: &ast::Function, planning: &mut Planning<'_>) -> Result<At> {
    let FunctionArguments::List(list) = &function.args else {
        return Err(unknown_form());
    };
    let [argument] = list.args.as_slice() else {
        return Err(unknown_form());
    };
    let (name, expr) = match argument {
        FunctionArg::Named {
            name,
            arg: FunctionArgExpr::Expr(expr),
            ..
        } => (name.value.to_uppercase(), expr.clone()),
        _ => return Err(unknown_form()),
    };
    let at = function.name.to_string().eq_ignore_ascii_case("at");
    match (at, name.as_str()) {
        (true, "TAG" | "BRANCH" | "REF") => match value(expr, planning)? {
            ScalarValue::Utf8(Some(name)) | ScalarValue::Utf8View(Some(name)) => Ok(At::Ref(name)),
            _ => Err(unknown_form()),
        },
        (true, "TIMESTAMP") => Ok(At::Time(time(expr, planning)?)),
        (true, "VERSION" | "SNAPSHOT") => Ok(At::Snapshot(snapshot_id(&value(expr, planning)?)?)),
        _ => Err(unknown_form()),
    }
}

fn snapshot_id(value: &ScalarValue) -> Result<i64> {
    match value.cast_to(&DataType::Int64)? {
        ScalarValue::Int64(Some(id)) => Ok(id),
        _ => Err(unknown_form()),
    }
}

/// Milliseconds since 1970 UTC.
fn time(expr: ast::Expr, planning: &mut Planning<'_>) -> Result<i64> {
    let zone = planning
        .context
        .context_provider()
        .options()
        .execution
        .time_zone
        .clone()
        .unwrap_or_else(|| "UTC".to_owned());
    let expr = planning.context.sql_to_expr(expr, &no_columns())?;
    let local = DataType::Timestamp(TimeUnit::Millisecond, Some(zone.into()));
    let instant = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    // A time without a zone is one of the session's zone.
    let expr = if expr.get_type(&no_columns())? == instant {
        expr
    } else {
        cast(expr, local)
    };
    match folded(cast(expr, instant), planning)? {
        ScalarValue::TimestampMillisecond(Some(at), _) => Ok(at),
        _ => Err(QueryError::new(
            QueryErrorKind::DatetimeInvalid,
            "the time to travel to must be a constant time, and not null",
        )
        .into()),
    }
}

fn value(expr: ast::Expr, planning: &mut Planning<'_>) -> Result<ScalarValue> {
    let expr = planning.context.sql_to_expr(expr, &no_columns())?;
    folded(expr, planning)
}

fn folded(expr: Expr, planning: &mut Planning<'_>) -> Result<ScalarValue> {
    let options = planning.context.context_provider().options().clone();
    match constant_in(Arc::new(options), planning.now, expr)? {
        Expr::Literal(value, _) => Ok(value),
        Expr::Placeholder(_) => Err(QueryError::new(
            QueryErrorKind::FeatureNotSupported,
            "a version can't be a parameter: write it into the statement",
        )
        .into()),
        _ => Err(QueryError::new(
            QueryErrorKind::FeatureNotSupported,
            "a version must be a constant",
        )
        .into()),
    }
}
