//! INSERT … ON CONFLICT: proposed rows are written aside, then told apart by a declared key into
//! those that are new and those that meet a row.

use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    self, ConflictTarget, DoUpdate, Expr, OnConflict, SetExpr, TableWithJoins,
};
use iceberg::spec::DataFile;

use super::assign::{Slot, assigned};
use super::change::Twice;
use super::checks::key_columns;
use super::insert::{Rows, alias_of, note_sequences};
use super::rewrite::{expression, query_of};
use super::sink::Sink;
use super::target::Target;
use super::update::{Finding, assigned_items};
use super::{Result, WORK, Writer, Written, folded, parse, quoted, refuse};
use crate::query::declared::Key;
use crate::query::loader::Own;
use crate::query::scan::{FILE_COLUMN, ROW_COLUMN, RowTable};

impl Writer<'_> {
    /// ON CONFLICT DO NOTHING.
    pub(super) async fn insert_missing(
        &self,
        insert: &ast::Insert,
        mut target: Target,
        rows: Rows,
        conflict: &OnConflict,
    ) -> Result<Written> {
        let keys = meant_keys(&target, conflict)?;
        let (proposed, count) = self.propose(&target, &rows).await?;
        let plan = self.missing(&target, &proposed, &keys, true).await?;
        let files = self.insert_plan(&target, plan).await?;
        self.check_rows(&mut target, &files).await?;
        target.draft.overlay.added.extend(files.iter().cloned());
        note_sequences(&mut target, rows, count)?;
        self.inserted(insert, target, files).await
    }

    /// ON CONFLICT DO UPDATE.
    pub(super) async fn insert_or_update(
        &self,
        insert: &ast::Insert,
        target: Target,
        rows: Rows,
        conflict: &OnConflict,
        update: &DoUpdate,
    ) -> Result<Written> {
        let (proposed, count) = self.propose(&target, &rows).await?;
        let keys = meant_keys(&target, conflict)?;
        self.refuse_twice(&target, &proposed, &keys).await?;
        let missing = self.missing(&target, &proposed, &keys, false).await?;
        let mut finding = self
            .find_met(insert, target, &proposed, conflict, update)
            .await?;
        let found = self.execute(finding.plan.clone()).await?;
        let fresh = self.insert_plan(&finding.target, missing).await?;
        let Finding { target, table, .. } = &mut finding;
        let changed = self
            .change(target, table, found, Twice::Skip, false)
            .await?;
        let mut target = finding.target;
        let mut files = changed.new;
        files.extend(fresh);
        self.check_rows(&mut target, &files).await?;
        target.draft.overlay.added.extend(files.iter().cloned());
        note_sequences(&mut target, rows, count)?;
        self.inserted(insert, target, files).await
    }

    /// Plans the query that finds the rows which proposed ones meet, as they are to become.
    pub(super) async fn find_met(
        &self,
        insert: &ast::Insert,
        target: Target,
        proposed: &RowTable,
        conflict: &OnConflict,
        update: &DoUpdate,
    ) -> Result<Finding> {
        if conflict.conflict_target.is_none() {
            return Err(refuse(
                "42601",
                "ON CONFLICT DO UPDATE requires inference specification or constraint name",
            ));
        }
        let keys = meant_keys(&target, conflict)?;
        let alias = alias_of(insert, &target);
        let items = assigned_items(&update.assignments, &target, &alias)?;
        let same = keys.iter().flat_map(|key| key_columns(&target, key));
        let same = same.map(|c| format!("{0}.{1} = excluded.{1}", quoted(&alias), quoted(&c)));
        let mut condition = expression(&same.collect::<Vec<_>>().join(" AND "))?;
        if let Some(selection) = &update.selection {
            condition = Expr::BinaryOp {
                left: Box::new(condition),
                op: ast::BinaryOperator::And,
                right: Box::new(Expr::Nested(Box::new(selection.clone()))),
            };
        }
        let excluded = excluded()?;
        let own = self.work("proposed", proposed.clone())?;
        self.find(target, alias, items, &excluded, Some(&condition), own)
            .await
    }

    /// Writes proposed rows aside; held to NOT NULL and types as rows of the table are.
    async fn propose(&self, target: &Target, rows: &Rows) -> Result<(RowTable, u64)> {
        let scratch = self.scratch(target)?;
        let lake = self.session.engine().lake();
        let sink = Sink::over(lake, target, &scratch.draft.table, &rows.sequences)?;
        let stream = self.execute(rows.plan.clone()).await?;
        let (files, count) = self.fill(stream, sink, &scratch.draft).await?;
        let table = scratch.draft.readable_of(files)?;
        Ok((RowTable::new(table).await?, count))
    }

    /// State `21000` where two proposed rows have one key.
    async fn refuse_twice(&self, target: &Target, proposed: &RowTable, keys: &[Key]) -> Result<()> {
        for key in keys {
            let columns: Vec<_> = key_columns(target, key).iter().map(|c| quoted(c)).collect();
            let known: Vec<_> = columns.iter().map(|c| format!("{c} IS NOT NULL")).collect();
            let sql = format!(
                "SELECT '1' FROM {WORK}.proposed WHERE {} GROUP BY {} HAVING count(*) > 1 LIMIT 1",
                known.join(" AND "),
                columns.join(", ")
            );
            let own = self.work("proposed", proposed.clone())?;
            if self.first_row(&sql, own).await?.is_some() {
                return Err(refuse(
                    "21000",
                    "ON CONFLICT DO UPDATE command cannot affect row a second time",
                )
                .with_hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values."));
            }
        }
        Ok(())
    }

    /// Proposed rows that meet none; of several with one key the first, where asked for.
    async fn missing(
        &self,
        target: &Target,
        proposed: &RowTable,
        keys: &[Key],
        first: bool,
    ) -> Result<LogicalPlan> {
        let names: Vec<_> = target.fields().iter().map(|f| quoted(&f.name)).collect();
        let (mut numbers, mut conditions) = (Vec::new(), Vec::new());
        for (at, key) in keys.iter().enumerate() {
            let columns: Vec<_> = key_columns(target, key).iter().map(|c| quoted(c)).collect();
            let same: Vec<_> = columns.iter().map(|c| format!("o.{c} = p.{c}")).collect();
            conditions.push(format!(
                "NOT EXISTS (SELECT 1 FROM {WORK}.old AS o WHERE {})",
                same.join(" AND ")
            ));
            if first {
                numbers.push(format!(
                    "row_number() OVER (PARTITION BY {} ORDER BY {FILE_COLUMN}, {ROW_COLUMN}) AS frazil_n{at}",
                    columns.join(", ")
                ));
                let open: Vec<_> = columns.iter().map(|c| format!("p.{c} IS NULL")).collect();
                conditions.push(format!("(p.frazil_n{at} = 1 OR {})", open.join(" OR ")));
            }
        }
        let inner: Vec<_> = names.iter().cloned().chain(numbers).collect();
        let outer: Vec<_> = names.iter().map(|name| format!("p.{name}")).collect();
        let mut sql = format!(
            "SELECT {} FROM (SELECT {} FROM {WORK}.proposed) AS p",
            outer.join(", "),
            inner.join(", ")
        );
        if !conditions.is_empty() {
            sql = format!("{sql} WHERE {}", conditions.join(" AND "));
        }
        let mut own: Own = self.work("proposed", proposed.clone())?;
        own.extend(self.work("old", target.draft.readable()?)?);
        let plan = self.plan(&parse(&sql)?, own).await?;
        assigned(plan, 0, &Slot::all(target)?)
    }

    /// Writes a plan's rows as files of the table, which it does not hold yet.
    pub(super) async fn insert_plan(
        &self,
        target: &Target,
        plan: LogicalPlan,
    ) -> Result<Vec<DataFile>> {
        let sink = Sink::new(self.session.engine().lake(), target, &[])?;
        let stream = self.execute(plan).await?;
        Ok(self.fill(stream, sink, &target.draft).await?.0)
    }

    async fn inserted(
        &self,
        insert: &ast::Insert,
        mut target: Target,
        files: Vec<DataFile>,
    ) -> Result<Written> {
        let count: u64 = files.iter().map(DataFile::record_count).sum();
        target.draft.depends = true;
        let alias = alias_of(insert, &target);
        let mut written = Written::tag(format!("INSERT 0 {count}"));
        if let Some(items) = &insert.returning {
            let table = target.draft.readable_of(files)?;
            written.rows = Some(self.returning(table, &alias, items).await?);
        }
        self.put(target);
        Ok(written)
    }
}

/// The proposed rows as ON CONFLICT calls them.
fn excluded() -> Result<Vec<TableWithJoins>> {
    let text = format!("SELECT 1 FROM {WORK}.proposed AS excluded");
    match *query_of(parse(&text)?)?.body {
        SetExpr::Select(select) => Ok(select.from),
        _ => Err(refuse("XX000", "no SELECT")),
    }
}

/// The keys that a conflict is about: the one that is named, else all.
fn meant_keys(target: &Target, conflict: &OnConflict) -> Result<Vec<Key>> {
    let keys = &target.declared.keys;
    match &conflict.conflict_target {
        None => Ok(keys.clone()),
        Some(ConflictTarget::OnConstraint(name)) => {
            let name = super::target::shown(name);
            let found = keys.iter().find(|key| key.name == name).cloned();
            let message = || {
                let table = target.name.name();
                format!("constraint \"{name}\" for table \"{table}\" does not exist")
            };
            found
                .map(|key| vec![key])
                .ok_or_else(|| refuse("42704", message()))
        }
        Some(ConflictTarget::Columns(columns)) => {
            let mut ids = Vec::with_capacity(columns.len());
            for column in columns {
                ids.push(target.fields()[target.column(&folded(column))?].id);
            }
            ids.sort_unstable();
            let same = |key: &&Key| {
                let mut own = key.columns.clone();
                own.sort_unstable();
                own == ids
            };
            let found = keys.iter().find(same).cloned();
            found.map(|key| vec![key]).ok_or_else(|| {
                refuse(
                    "42P10",
                    "there is no unique or exclusion constraint matching the ON CONFLICT specification",
                )
            })
        }
    }
}
