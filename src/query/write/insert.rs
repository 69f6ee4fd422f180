//! INSERT: rows planned as a query over the columns that are named, the others filled in, written
//! as files that the transaction adds.

use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    self, OnConflictAction, OnInsert, SelectItem, SetExpr, Statement, TableObject,
};

use super::assign::{Slot, assigned};
use super::defaults::Defaults;
use super::rewrite::{self, Caster, query_of};
use super::sink::Sink;
use super::target::Target;
use super::{Result, Returned, Writer, Written, folded, parse, refuse, unsupported};
use crate::query::loader::Own;

/// Rows on their way into a table: a plan with the table's columns, in its order.
pub(super) struct Rows {
    pub plan: LogicalPlan,
    /// Columns whose values come from their sequences.
    pub sequences: Vec<(String, i64)>,
    pub defaults: Defaults,
}

impl Writer<'_> {
    pub(super) async fn insert(&self, insert: &ast::Insert) -> Result<Written> {
        let mut target = self.insert_target(insert).await?;
        let rows = self.insert_rows(insert, &target).await?;
        let alias = alias_of(insert, &target);
        if let Some(OnInsert::OnConflict(conflict)) = &insert.on {
            return match &conflict.action {
                OnConflictAction::DoNothing => {
                    self.insert_missing(insert, target, rows, conflict).await
                }
                OnConflictAction::DoUpdate(update) => {
                    self.insert_or_update(insert, target, rows, conflict, update)
                        .await
                }
            };
        }
        let lake = self.session.engine().lake();
        let sink = Sink::new(lake, &target, &rows.sequences)?;
        let stream = self.execute(rows.plan.clone()).await?;
        let (files, count) = self.fill(stream, sink, &target.draft).await?;
        self.check_rows(&mut target, &files).await?;
        target.draft.overlay.added.extend(files.iter().cloned());
        note_sequences(&mut target, rows, count)?;
        let returned = match &insert.returning {
            Some(items) => {
                let table = target.draft.readable_of(files)?;
                Some(self.returning(table, &alias, items).await?)
            }
            None => None,
        };
        self.put(target);
        Ok(Written {
            rows: returned,
            ..Written::tag(format!("INSERT 0 {count}"))
        })
    }

    pub(super) async fn insert_target(&self, insert: &ast::Insert) -> Result<Target> {
        let TableObject::TableName(name) = &insert.table else {
            return Err(unsupported("INSERT goes into a table"));
        };
        if insert.overwrite || insert.partitioned.is_some() || insert.replace_into {
            return Err(unsupported("this form of INSERT is not supported"));
        }
        if let Some(OnInsert::DuplicateKeyUpdate(_)) = &insert.on {
            return Err(refuse(
                "42601",
                "write ON CONFLICT instead of ON DUPLICATE KEY",
            ));
        }
        self.target(name).await
    }

    /// The rows to insert, planned.
    pub(super) async fn insert_rows(&self, insert: &ast::Insert, target: &Target) -> Result<Rows> {
        let slots = Slot::all(target)?;
        let named = named_columns(&insert.columns, target)?;
        let explicit = !insert.columns.is_empty();
        let mut defaults = Defaults::of(target);
        let (source, given) = match &insert.source {
            None => (None, Vec::new()),
            Some(query) => {
                let chosen: Vec<Slot> = named.iter().map(|at| slots[*at].clone()).collect();
                let mut query = query.as_ref().clone();
                rewrite::source(&mut query, &chosen, &mut defaults)?;
                if !matches!(query.body.as_ref(), SetExpr::Values(_)) {
                    for slot in &chosen {
                        defaults.check_given(&slot.name)?;
                    }
                }
                let given = Statement::Query(Box::new(query));
                (Some(self.plan(&given, Own::new()).await?), named)
            }
        };
        let width = source
            .as_ref()
            .map_or(0, |plan| plan.schema().fields().len());
        if width > given.len() {
            return Err(refuse(
                "42601",
                "INSERT has more expressions than target columns",
            ));
        }
        if explicit && width < given.len() {
            return Err(refuse(
                "42601",
                "INSERT has more target columns than expressions",
            ));
        }
        self.complete(source, &given[..width], &slots, defaults)
            .await
    }

    /// A query's columns put into their places, the others filled in.
    pub(super) async fn complete(
        &self,
        source: Option<LogicalPlan>,
        given: &[usize],
        slots: &[Slot],
        defaults: Defaults,
    ) -> Result<Rows> {
        let source = match source {
            Some(source) => source,
            None => LogicalPlanBuilder::empty(true).build()?,
        };
        let mut columns = Vec::with_capacity(slots.len());
        let mut sequences = Vec::new();
        for (at, slot) in slots.iter().enumerate() {
            let value = match given.iter().position(|given| *given == at) {
                Some(place) => {
                    let (qualifier, field) = source.schema().qualified_field(place);
                    Expr::Column(Column::new(qualifier.cloned(), field.name()))
                }
                None => {
                    if defaults.has_sequence(&slot.name) {
                        sequences.push((slot.name.clone(), defaults.next(&slot.name)));
                    }
                    self.default_of(slot, &defaults).await?
                }
            };
            columns.push(value.alias(format!("v{at}")));
        }
        let plan = LogicalPlanBuilder::from(source).project(columns)?.build()?;
        Ok(Rows {
            plan: assigned(plan, 0, slots)?,
            sequences,
            defaults,
        })
    }

    /// A column's default as a planned expression.
    async fn default_of(&self, slot: &Slot, defaults: &Defaults) -> Result<Expr> {
        let value = defaults.constant(&slot.name, &Caster::of(slot)?)?;
        let mut query = query_of(parse("SELECT 1")?)?;
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.projection = vec![SelectItem::UnnamedExpr(value)];
        }
        let plan = self
            .plan(&Statement::Query(Box::new(query)), Own::new())
            .await?;
        match plan {
            LogicalPlan::Projection(mut projection) if projection.expr.len() == 1 => {
                Ok(projection.expr.remove(0).unalias())
            }
            _ => Err(unsupported(format!(
                "the default of column \"{}\" is no plain expression",
                slot.name
            ))),
        }
    }

    /// Rows of a table as RETURNING asks for them.
    pub(super) async fn returning(
        &self,
        table: crate::query::scan::IcebergTable,
        alias: &str,
        items: &[SelectItem],
    ) -> Result<Returned> {
        let named_by = rewrite::select(items.to_vec(), "target", alias, &[], None)?;
        let plan = self.plan(&named_by, self.work("target", table)?).await?;
        Ok(Returned {
            rows: self.execute(plan).await?,
            named_by,
        })
    }
}

/// Writes down how far the table's sequences have come.
pub(super) fn note_sequences(target: &mut Target, rows: Rows, count: u64) -> Result<()> {
    let Rows {
        mut defaults,
        sequences,
        ..
    } = rows;
    for (name, _) in &sequences {
        defaults.advance(name, i64::try_from(count).unwrap_or(i64::MAX));
    }
    if defaults.note(&mut target.declared) {
        let declared = target.declared.clone();
        target.draft.declare(&declared)?;
    }
    Ok(())
}

/// The places of the columns that are named; all where none is.
pub(super) fn named_columns(names: &[ast::ObjectName], target: &Target) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok((0..target.fields().len()).collect());
    }
    let mut places = Vec::with_capacity(names.len());
    for name in names {
        let [part] = name.0.as_slice() else {
            return Err(unsupported(format!(
                "{name}: only whole columns can be written"
            )));
        };
        let column = part.as_ident().map(folded).unwrap_or_default();
        let place = target.column(&column)?;
        if places.contains(&place) {
            let message = format!("column \"{column}\" specified more than once");
            return Err(refuse("42701", message));
        }
        places.push(place);
    }
    Ok(places)
}

/// What RETURNING and ON CONFLICT call the table.
pub(super) fn alias_of(insert: &ast::Insert, target: &Target) -> String {
    match &insert.table_alias {
        Some(alias) => folded(&alias.alias),
        None => target.name.name().to_owned(),
    }
}
