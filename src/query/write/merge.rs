//! MERGE: rows of the table that a source meets are changed or go, those of the source that meet
//! none are inserted. Both are asked of the table as it was before.

use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    self, Expr, MergeAction, MergeClause, MergeClauseKind, MergeInsertKind, TableWithJoins,
};

use super::assign::{Slot, assigned};
use super::change::Twice;
use super::defaults::Defaults;
use super::insert::named_columns;
use super::rewrite::{self, Caster, expression, is_default, item};
use super::target::Target;
use super::update::{Finding, assigned_values, place_items};
use super::{Result, WORK, Writer, Written, parse, quoted, refuse, unsupported};
use crate::query::loader::Own;
use crate::query::scan::RowTable;

/// A MERGE, planned.
pub(super) struct Merging {
    pub finding: Finding,
    pub inserted: Option<LogicalPlan>,
}

impl Writer<'_> {
    pub(super) async fn merge(&self, merge: &ast::Merge) -> Result<Written> {
        let Merging {
            mut finding,
            inserted,
        } = self.plan_merge(merge).await?;
        let fresh = match inserted {
            Some(plan) => self.insert_plan(&finding.target, plan).await?,
            None => Vec::new(),
        };
        let found = self.execute(finding.plan.clone()).await?;
        let twice = Twice::Refuse("21000", "MERGE command cannot affect row a second time");
        let Finding { target, table, .. } = &mut finding;
        let changed = self.change(target, table, found, twice, false).await?;
        let mut target = finding.target;
        let inserted: u64 = fresh
            .iter()
            .map(iceberg::spec::DataFile::record_count)
            .sum();
        let mut files = changed.new;
        files.extend(fresh);
        self.check_rows(&mut target, &files).await?;
        target.draft.overlay.added.extend(files);
        target.draft.depends = true;
        self.put(target);
        let count = inserted + changed.updated + changed.deleted;
        Ok(Written::tag(format!("MERGE {count}")))
    }

    pub(super) async fn plan_merge(&self, merge: &ast::Merge) -> Result<Merging> {
        if merge.output.is_some() {
            return Err(refuse("42601", "MERGE has no RETURNING"));
        }
        let (name, alias) = rewrite::changed(&merge.table)?;
        let target = self.target(&name).await?;
        let (matched, missed) = apart(&merge.clauses)?;
        let inserted = if missed.is_empty() {
            None
        } else {
            Some(self.plan_missed(merge, &target, &alias, &missed).await?)
        };
        let values = matched
            .iter()
            .map(|clause| match &clause.action {
                MergeAction::Update(update) => assigned_values(&update.assignments, &target),
                _ => Ok(Vec::new()),
            })
            .collect::<Result<Vec<_>>>()?;
        let mut items = place_items(&alias, false)?;
        items.pop();
        let goes = |clause: &MergeClause| matches!(clause.action, MergeAction::Delete { .. });
        let goes: Vec<String> = matched
            .iter()
            .map(|clause| goes(clause).to_string())
            .collect();
        items.push(item(chosen(&matched, &goes, "false")?, "goes"));
        for (at, field) in target.fields().iter().enumerate() {
            let own = format!("{}.{}", quoted(&alias), quoted(&field.name));
            let branches: Vec<String> = values
                .iter()
                .map(|values| match values.get(at) {
                    Some(Some(value)) => format!("({value})"),
                    _ => own.clone(),
                })
                .collect();
            items.push(item(chosen(&matched, &branches, &own)?, &format!("n{at}")));
        }
        let applies = vec!["true".to_owned(); matched.len()];
        let applies = chosen(&matched, &applies, "false")?;
        let condition = expression(&format!("({}) AND ({applies})", merge.on))?;
        let source = TableWithJoins {
            relation: merge.source.clone(),
            joins: Vec::new(),
        };
        let finding = self
            .find(
                target,
                alias,
                items,
                &[source],
                Some(&condition),
                Own::new(),
            )
            .await?;
        Ok(Merging { finding, inserted })
    }

    /// Rows of the source that meet none, as they are to be inserted.
    async fn plan_missed(
        &self,
        merge: &ast::Merge,
        target: &Target,
        alias: &str,
        clauses: &[&MergeClause],
    ) -> Result<LogicalPlan> {
        let slots = Slot::all(target)?;
        let defaults = Defaults::of(target);
        let mut rows = Vec::with_capacity(clauses.len());
        for clause in clauses {
            rows.push(inserted_values(clause, target, &slots, &defaults)?);
        }
        let mut columns = Vec::with_capacity(slots.len());
        for at in 0..slots.len() {
            let branches: Vec<String> = rows.iter().map(|row| format!("({})", row[at])).collect();
            columns.push(format!("{} AS n{at}", chosen(clauses, &branches, "NULL")?));
        }
        let applies = chosen(clauses, &vec!["true".to_owned(); clauses.len()], "false")?;
        let text = format!(
            "SELECT {} FROM {} WHERE NOT EXISTS (SELECT 1 FROM {WORK}.target AS {} WHERE {}) AND ({applies})",
            columns.join(", "),
            merge.source,
            quoted(alias),
            merge.on
        );
        let table = RowTable::new(target.draft.readable()?).await?;
        let plan = self
            .plan(&parse(&text)?, self.work("target", table)?)
            .await?;
        assigned(plan, 0, &slots)
    }
}

/// Clauses for rows that meet one, and for those that meet none.
fn apart(clauses: &[MergeClause]) -> Result<(Vec<&MergeClause>, Vec<&MergeClause>)> {
    let (mut matched, mut missed) = (Vec::new(), Vec::new());
    for clause in clauses {
        match (clause.clause_kind, &clause.action) {
            (MergeClauseKind::Matched, MergeAction::Update(update))
                if update.update_predicate.is_none() && update.delete_predicate.is_none() =>
            {
                matched.push(clause);
            }
            (MergeClauseKind::Matched, MergeAction::Delete { .. }) => matched.push(clause),
            (
                MergeClauseKind::NotMatched | MergeClauseKind::NotMatchedByTarget,
                MergeAction::Insert(insert),
            ) if insert.insert_predicate.is_none() => missed.push(clause),
            _ => return Err(unsupported(format!("{clause} is not supported"))),
        }
    }
    Ok((matched, missed))
}

/// The value of the first clause whose condition holds.
fn chosen(clauses: &[&MergeClause], values: &[String], otherwise: &str) -> Result<Expr> {
    if clauses.is_empty() {
        return expression(otherwise);
    }
    let branches = clauses.iter().zip(values).map(|(clause, value)| {
        let condition = clause
            .predicate
            .as_ref()
            .map_or_else(|| "true".to_owned(), Expr::to_string);
        format!("WHEN {condition} THEN {value}")
    });
    let branches: Vec<String> = branches.collect();
    expression(&format!("CASE {} ELSE {otherwise} END", branches.join(" ")))
}

/// One value a column of the table.
fn inserted_values(
    clause: &MergeClause,
    target: &Target,
    slots: &[Slot],
    defaults: &Defaults,
) -> Result<Vec<Expr>> {
    let MergeAction::Insert(insert) = &clause.action else {
        return Err(unsupported(format!("{clause} is not supported")));
    };
    let MergeInsertKind::Values(values) = &insert.kind else {
        return Err(unsupported("INSERT ROW is not supported: name the values"));
    };
    let [row] = values.rows.as_slice() else {
        return Err(refuse("42601", "MERGE inserts one row of VALUES"));
    };
    let places = named_columns(&insert.columns, target)?;
    if row.content.len() > places.len() {
        return Err(refuse(
            "42601",
            "INSERT has more expressions than target columns",
        ));
    }
    if !insert.columns.is_empty() && row.content.len() < places.len() {
        return Err(refuse(
            "42601",
            "INSERT has more target columns than expressions",
        ));
    }
    let mut all = Vec::with_capacity(slots.len());
    for (at, slot) in slots.iter().enumerate() {
        let caster = Caster::of(slot)?;
        let place = places.iter().position(|place| *place == at);
        let given = place.and_then(|place| row.content.get(place));
        all.push(match given {
            Some(value) if !is_default(value) => caster.typed(value.clone()),
            _ if defaults.has_sequence(&slot.name) => {
                return Err(unsupported(format!(
                    "MERGE must give a value to column \"{}\": it takes none from a sequence",
                    slot.name
                )));
            }
            _ => defaults.constant(&slot.name, &caster)?,
        });
    }
    Ok(all)
}
