//! Numbers are what Postgres takes them for: `1` an int4, `3000000000` an int8, `10^20` a numeric.
//! The planner takes all that fit for int8; here, right behind it, the plan's types are settled
//! anew, before anything is told to a client.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::RecursiveQuery;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableScan};

use super::marked::{Marks, marked};

/// The plan with its whole numbers typed as Postgres types them.
pub fn settle(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(node).data()?;
    outer_references(plan)
}

fn node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    Ok(Transformed::yes(match plan {
        LogicalPlan::Limit(_) | LogicalPlan::TableScan(_) => return Ok(Transformed::no(plan)),
        LogicalPlan::Values(values) => {
            let rows = values.values.into_iter();
            let rows = rows
                .map(|row| {
                    row.into_iter()
                        .map(|expr| numbers(bare(expr)))
                        .collect::<Result<Vec<_>>>()
                })
                .collect::<Result<Vec<_>>>()?;
            LogicalPlanBuilder::values(rows)?.build()?
        }
        LogicalPlan::RecursiveQuery(query) => recursive(query)?,
        LogicalPlan::Union(union) => LogicalPlan::Union(
            datafusion::logical_expr::Union::try_new_with_loose_types(union.inputs)?,
        ),
        plan => {
            let names = NamePreserver::new(&plan);
            let plan = plan
                .map_expressions(|expr| {
                    let name = names.save(&expr);
                    Ok(Transformed::yes(name.restore(numbers(expr)?)))
                })
                .data()?;
            plan.recompute_schema()?
        }
    }))
}

/// A literal without the cast by which the planner brought a column of VALUES to one type.
fn bare(expr: Expr) -> Expr {
    match expr {
        Expr::Cast(cast)
            if matches!(*cast.expr, Expr::Literal(ScalarValue::Int64(Some(_)), _))
                && cast.field.data_type().is_decimal() =>
        {
            *cast.expr
        }
        // A NULL has no say in its column's type.
        Expr::Cast(cast)
            if matches!(&*cast.expr, Expr::Literal(value, _) if value.is_null())
                && *cast.field.data_type() == DataType::Int64 =>
        {
            Expr::Literal(ScalarValue::Null, None)
        }
        Expr::Literal(ScalarValue::Int64(None), metadata) => {
            Expr::Literal(ScalarValue::Null, metadata)
        }
        other => other,
    }
}

fn numbers(expr: Expr) -> Result<Expr> {
    let down = |expr: Expr| {
        Ok(match expr {
            Expr::Literal(ScalarValue::Int64(Some(value)), metadata) => {
                match i32::try_from(value) {
                    Ok(value) => {
                        Transformed::yes(Expr::Literal(ScalarValue::Int32(Some(value)), metadata))
                    }
                    Err(_) => {
                        Transformed::no(Expr::Literal(ScalarValue::Int64(Some(value)), metadata))
                    }
                }
            }
            Expr::Literal(ScalarValue::UInt64(Some(value)), metadata) => {
                let value = ScalarValue::Decimal128(Some(i128::from(value)), 20, 0);
                Transformed::yes(Expr::Literal(value, metadata))
            }
            other => Transformed::no(other),
        })
    };
    // `count(*)` is known by its very argument.
    if is_count(&expr) {
        return Ok(expr);
    }
    expr.transform_down(|expr| {
        if is_count(&expr) {
            return Ok(Transformed::new(
                expr,
                false,
                datafusion::common::tree_node::TreeNodeRecursion::Jump,
            ));
        }
        down(expr)
    })
    .data()
}

fn is_count(expr: &Expr) -> bool {
    let plain = |args: &[Expr]| matches!(args, [Expr::Literal(ScalarValue::Int64(Some(1)), _)]);
    match expr {
        Expr::AggregateFunction(AggregateFunction { func, params }) => {
            func.name() == "count" && plain(&params.args) && params.filter.is_none()
        }
        _ => false,
    }
}

/// The table that a recursive query reads itself from gets the types of its first part.
fn recursive(query: RecursiveQuery) -> Result<LogicalPlan> {
    let RecursiveQuery {
        name,
        static_term,
        recursive_term,
        is_distinct,
        ..
    } = query;
    let schema = static_term.schema();
    let wanted: Vec<DataType> = schema
        .fields()
        .iter()
        .map(|f| f.data_type().clone())
        .collect();
    let term = Arc::unwrap_or_clone(recursive_term);
    let term = term
        .transform_up_with_subqueries(|plan| work_table(plan, &name, &wanted))
        .data()?;
    let marks: Vec<Marks> = schema
        .fields()
        .iter()
        .zip(term.schema().fields())
        .map(|(first, second)| {
            let both = second.metadata().iter().chain(first.metadata());
            both.map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        })
        .collect();
    let static_term = alike(Arc::unwrap_or_clone(static_term), &marks)?;
    let term = alike(term, &marks)?;
    // What the second part gives must be of the first's types.
    let matches = term
        .schema()
        .fields()
        .iter()
        .zip(&wanted)
        .all(|(f, kind)| f.data_type() == kind);
    let term = if matches || term.schema().fields().len() != wanted.len() {
        term
    } else {
        let columns = term.schema().columns();
        let fields: Vec<_> = columns
            .into_iter()
            .zip(&wanted)
            .map(|(column, kind)| {
                let name = column.name.clone();
                datafusion::logical_expr::cast(Expr::Column(column), kind.clone()).alias(name)
            })
            .collect();
        LogicalPlanBuilder::from(term).project(fields)?.build()?
    };
    let query = RecursiveQuery::try_new(name, Arc::new(static_term), Arc::new(term), is_distinct)?;
    Ok(LogicalPlan::RecursiveQuery(query))
}

/// Both parts must mark their columns alike: that one is an OID, say.
fn alike(plan: LogicalPlan, marks: &[Marks]) -> Result<LogicalPlan> {
    let fields = plan.schema().fields();
    let is_alike = |(field, marks): (&FieldRef, &Marks)| {
        let own = field.metadata();
        own.len() == marks.len() && own.iter().all(|(key, value)| marks.get(key) == Some(value))
    };
    if fields.len() != marks.len() || fields.iter().zip(marks).all(is_alike) {
        return Ok(plan);
    }
    let columns = plan.schema().columns().into_iter().zip(marks);
    let columns: Vec<_> = columns
        .map(|(column, marks)| {
            let name = column.name.clone();
            marked(Expr::Column(column), marks.clone()).alias(name)
        })
        .collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

fn work_table(
    plan: LogicalPlan,
    name: &str,
    wanted: &[DataType],
) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::TableScan(scan) = &plan else {
        return match plan {
            LogicalPlan::Values(_) | LogicalPlan::Limit(_) => Ok(Transformed::no(plan)),
            plan => Ok(Transformed::yes(plan.recompute_schema()?)),
        };
    };
    let Ok(provider) = source_as_provider(&scan.source) else {
        return Ok(Transformed::no(plan));
    };
    let is_work_table = provider
        .downcast_ref::<CteWorkTable>()
        .is_some_and(|table| table.name() == name);
    if !is_work_table {
        return Ok(Transformed::no(plan));
    }
    let old = provider.schema();
    let fields: Vec<Field> = old
        .fields()
        .iter()
        .zip(wanted)
        .map(|(field, kind)| field.as_ref().clone().with_data_type(kind.clone()))
        .collect();
    let table = CteWorkTable::new(name, Arc::new(Schema::new(fields)));
    let scan = TableScan::try_new(
        scan.table_name.clone(),
        provider_as_source(Arc::new(table)),
        scan.projection.clone(),
        scan.filters.clone(),
        scan.fetch,
    )?;
    Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
}

/// References to columns of an outer query keep a type of their own: it follows the column's.
fn outer_references(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut found = false;
    let mut types: HashMap<Column, DataType> = HashMap::new();
    plan.apply_with_subqueries(|node| {
        let schema = node.schema();
        for (column, field) in schema.columns().into_iter().zip(schema.fields()) {
            types
                .entry(column)
                .or_insert_with(|| field.data_type().clone());
        }
        node.apply_expressions(|expr| {
            found |= expr.exists(|e| Ok(matches!(e, Expr::OuterReferenceColumn(..))))?;
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        })
    })?;
    if !found {
        return Ok(plan);
    }
    plan.transform_up_with_subqueries(|plan| {
        if matches!(plan, LogicalPlan::Values(_)) {
            return Ok(Transformed::no(plan));
        }
        let names = NamePreserver::new(&plan);
        let plan = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let expr = expr
                .transform_up(|expr| {
                    Ok(match expr {
                        Expr::OuterReferenceColumn(field, column) => match types.get(&column) {
                            Some(kind) if kind != field.data_type() => {
                                let field = field.as_ref().clone().with_data_type(kind.clone());
                                Transformed::yes(Expr::OuterReferenceColumn(
                                    Arc::new(field),
                                    column,
                                ))
                            }
                            _ => Transformed::no(Expr::OuterReferenceColumn(field, column)),
                        },
                        other => Transformed::no(other),
                    })
                })
                .data()?;
            Ok(Transformed::yes(name.restore(expr)))
        });
        Ok(Transformed::yes(plan.data()?.recompute_schema()?))
    })
    .data()
}
