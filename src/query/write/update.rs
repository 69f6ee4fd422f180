//! UPDATE and DELETE: a query that finds the rows, and what they become.

use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    self, AssignmentTarget, Expr, FromTable, SelectItem, TableWithJoins, UpdateTableFromKind,
};

use super::assign::{Slot, assigned};
use super::change::{Changed, FIRST_COLUMN, Twice};
use super::defaults::Defaults;
use super::rewrite::{self, Caster, column_item, column_of, expression, is_default, item};
use super::target::Target;
use super::{Result, Writer, Written, folded, refuse, unsupported};
use crate::query::loader::Own;
use crate::query::scan::{FILE_COLUMN, ROW_COLUMN, RowTable};

/// The rows that a statement changes, planned.
pub(super) struct Finding {
    pub target: Target,
    pub table: RowTable,
    pub alias: String,
    pub plan: LogicalPlan,
}

impl Writer<'_> {
    pub(super) async fn update(&self, update: &ast::Update) -> Result<Written> {
        let mut finding = self.find_updated(update).await?;
        let found = self.execute(finding.plan.clone()).await?;
        let Finding { target, table, .. } = &mut finding;
        let changed = self
            .change(target, table, found, Twice::Skip, false)
            .await?;
        let Finding {
            mut target, alias, ..
        } = finding;
        let Changed { new, updated, .. } = changed;
        self.check_rows(&mut target, &new).await?;
        target.draft.overlay.added.extend(new.iter().cloned());
        let returned = match &update.returning {
            Some(items) => {
                let table = target.draft.readable_of(new)?;
                Some(self.returning(table, &alias, items).await?)
            }
            None => None,
        };
        self.put(target);
        Ok(Written {
            rows: returned,
            ..Written::tag(format!("UPDATE {updated}"))
        })
    }

    pub(super) async fn find_updated(&self, update: &ast::Update) -> Result<Finding> {
        if !update.table.joins.is_empty() || update.limit.is_some() || !update.order_by.is_empty() {
            return Err(refuse(
                "42601",
                "UPDATE changes one table: name others in FROM",
            ));
        }
        let (name, alias) = rewrite::changed(&update.table.relation)?;
        let target = self.target(&name).await?;
        let others: &[TableWithJoins] = match &update.from {
            None => &[],
            Some(UpdateTableFromKind::AfterSet(from) | UpdateTableFromKind::BeforeSet(from)) => {
                from
            }
        };
        let items = assigned_items(&update.assignments, &target, &alias)?;
        let condition = update.selection.as_ref();
        self.find(target, alias, items, others, condition, Own::new())
            .await
    }

    pub(super) async fn delete(&self, delete: &ast::Delete) -> Result<Written> {
        let plain = delete.using.is_none() && delete.selection.is_none();
        if plain && delete.returning.is_none() {
            let (name, _) = rewrite::changed(&deleted_from(delete)?.relation)?;
            let target = self.target(&name).await?;
            let count = self.count_all(&target).await?;
            self.empty(target);
            return Ok(Written::tag(format!("DELETE {count}")));
        }
        let mut finding = self.find_deleted(delete).await?;
        let found = self.execute(finding.plan.clone()).await?;
        let returning = delete.returning.as_deref();
        let Finding { target, table, .. } = &mut finding;
        let changed = self
            .change(target, table, found, Twice::Skip, returning.is_some())
            .await?;
        let Finding { target, alias, .. } = finding;
        let mut written = Written::tag(format!("DELETE {}", changed.deleted));
        if let (Some(items), Some((draft, files))) = (returning, changed.gone) {
            let table = draft.readable_of(files)?;
            written.rows = Some(self.returning(table, &alias, items).await?);
        }
        self.put(target);
        Ok(written)
    }

    pub(super) async fn find_deleted(&self, delete: &ast::Delete) -> Result<Finding> {
        if !delete.tables.is_empty() || delete.limit.is_some() || !delete.order_by.is_empty() {
            return Err(refuse(
                "42601",
                "DELETE takes rows of one table by a condition",
            ));
        }
        let (name, alias) = rewrite::changed(&deleted_from(delete)?.relation)?;
        let target = self.target(&name).await?;
        let others = delete.using.as_deref().unwrap_or_default();
        let items = row_items(&target, &alias, true)?;
        let condition = delete.selection.as_ref();
        self.find(target, alias, items, others, condition, Own::new())
            .await
    }

    /// Plans the query that finds rows, `items` being what [`super::change`] wants of each.
    pub(super) async fn find(
        &self,
        target: Target,
        alias: String,
        items: Vec<SelectItem>,
        others: &[TableWithJoins],
        condition: Option<&Expr>,
        mut own: Own,
    ) -> Result<Finding> {
        let table = RowTable::new(target.draft.readable()?).await?;
        let statement = rewrite::select(items, "target", &alias, others, condition)?;
        own.extend(self.work("target", table.clone())?);
        let plan = self.plan(&statement, own).await?;
        let plan = assigned(plan, FIRST_COLUMN, &Slot::all(&target)?)?;
        Ok(Finding {
            target,
            table,
            alias,
            plan,
        })
    }
}

/// A row's file and place, whether it goes, and its columns as they are.
pub(super) fn row_items(target: &Target, alias: &str, goes: bool) -> Result<Vec<SelectItem>> {
    let mut items = place_items(alias, goes)?;
    for (at, field) in target.fields().iter().enumerate() {
        items.push(column_item(alias, &field.name, &format!("n{at}")));
    }
    Ok(items)
}

pub(super) fn place_items(alias: &str, goes: bool) -> Result<Vec<SelectItem>> {
    Ok(vec![
        column_item(alias, FILE_COLUMN, "file"),
        column_item(alias, ROW_COLUMN, "row"),
        item(expression(if goes { "true" } else { "false" })?, "goes"),
    ])
}

/// A row's file and place, and its columns as the assignments make them.
pub(super) fn assigned_items(
    assignments: &[ast::Assignment],
    target: &Target,
    alias: &str,
) -> Result<Vec<SelectItem>> {
    let values = assigned_values(assignments, target)?;
    let mut items = place_items(alias, false)?;
    for (at, (field, value)) in target.fields().iter().zip(values).enumerate() {
        let value = value.unwrap_or_else(|| column_of(alias, &field.name));
        items.push(item(value, &format!("n{at}")));
    }
    Ok(items)
}

/// The new value of each of the table's columns, where the assignments give one.
pub(super) fn assigned_values(
    assignments: &[ast::Assignment],
    target: &Target,
) -> Result<Vec<Option<Expr>>> {
    let slots = Slot::all(target)?;
    let defaults = Defaults::of(target);
    let mut values: Vec<Option<Expr>> = vec![None; slots.len()];
    for assignment in assignments {
        for (name, value) in pairs(assignment)? {
            let at = target.column(&name)?;
            let caster = Caster::of(&slots[at])?;
            let value = if is_default(&value) {
                if defaults.has_sequence(&name) {
                    return Err(unsupported(format!(
                        "SET {name} = DEFAULT of a column with a sequence is not supported"
                    )));
                }
                defaults.constant(&name, &caster)?
            } else {
                caster.typed(value)
            };
            if values[at].replace(value).is_some() {
                let message = format!("multiple assignments to same column \"{name}\"");
                return Err(refuse("42601", message));
            }
        }
    }
    Ok(values)
}

/// `a = x`, and `(a, b) = (x, y)` taken apart.
fn pairs(assignment: &ast::Assignment) -> Result<Vec<(String, Expr)>> {
    let column = |name: &ast::ObjectName| -> Result<String> {
        match name.0.as_slice() {
            [part] => Ok(part.as_ident().map(folded).unwrap_or_default()),
            _ => Err(refuse(
                "42703",
                format!("{name} is no column of the table: SET takes its own columns, unqualified"),
            )),
        }
    };
    match (&assignment.target, &assignment.value) {
        (AssignmentTarget::ColumnName(name), value) => Ok(vec![(column(name)?, value.clone())]),
        (AssignmentTarget::Tuple(names), Expr::Tuple(values)) if names.len() == values.len() => {
            let pairs = names.iter().zip(values);
            pairs
                .map(|(name, value)| Ok((column(name)?, value.clone())))
                .collect()
        }
        (AssignmentTarget::Tuple(names), Expr::Nested(value)) if names.len() == 1 => {
            Ok(vec![(column(&names[0])?, value.as_ref().clone())])
        }
        (AssignmentTarget::Tuple(_), Expr::Tuple(_)) => Err(refuse(
            "42601",
            "number of columns does not match number of values",
        )),
        (AssignmentTarget::Tuple(_), _) => Err(unsupported(
            "SET (a, b) = (SELECT …) is not supported: write one subquery a column",
        )),
    }
}

fn deleted_from(delete: &ast::Delete) -> Result<&TableWithJoins> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    match from.as_slice() {
        [table] if table.joins.is_empty() => Ok(table),
        _ => Err(refuse(
            "42601",
            "DELETE takes rows of one table: name others in USING",
        )),
    }
}
