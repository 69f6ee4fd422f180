//! What a client is told of a statement before it is run: parameters and the columns of RETURNING.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{self, OnConflictAction, OnInsert, SelectItem, Statement};

use super::insert::alias_of;
use super::rewrite;
use super::target::Target;
use super::{Result, Writer};
use crate::query::loader::Own;
use crate::query::scan::RowTable;
use crate::query::session::Session;

/// A statement that writes, planned and not run.
#[derive(Debug)]
pub struct Described {
    /// The queries that it is made of, in which its parameters stand.
    pub plans: Vec<LogicalPlan>,
    /// The columns of RETURNING, and the SELECT that names them.
    pub returning: Option<(SchemaRef, Statement)>,
}

impl Session {
    /// Plans a statement that writes without running it; see [`Self::write`].
    pub async fn describe_write(&self, statement: &Statement) -> Result<Described> {
        let writer = Writer {
            session: self,
            parameters: None,
            text: "",
        };
        let mut described = Described {
            plans: Vec::new(),
            returning: None,
        };
        match statement {
            Statement::Insert(insert) => writer.describe_insert(insert, &mut described).await?,
            Statement::Update(update) => {
                let finding = writer.find_updated(update).await?;
                described.plans.push(finding.plan);
                let items = update.returning.as_deref();
                writer
                    .describe_returning(&finding.target, &finding.alias, items, &mut described)
                    .await?;
            }
            Statement::Delete(delete) => {
                let finding = writer.find_deleted(delete).await?;
                described.plans.push(finding.plan);
                let items = delete.returning.as_deref();
                writer
                    .describe_returning(&finding.target, &finding.alias, items, &mut described)
                    .await?;
            }
            Statement::Merge(merge) => {
                let merging = writer.plan_merge(merge).await?;
                described.plans.push(merging.finding.plan);
                described.plans.extend(merging.inserted);
            }
            Statement::CreateTable(create) => {
                if let Some(query) = &create.query {
                    let query = Statement::Query(query.clone());
                    described.plans.push(writer.plan(&query, Own::new()).await?);
                }
            }
            Statement::CreateView(create) => {
                let query = Statement::Query(create.query.clone());
                writer.plan(&query, Own::new()).await?;
            }
            // Clients whose COPY fails only once it is run lose step with the protocol.
            Statement::Copy { .. } => {
                self.copy_columns(statement).await?;
            }
            _ => {}
        }
        Ok(described)
    }
}

impl Writer<'_> {
    async fn describe_insert(&self, insert: &ast::Insert, described: &mut Described) -> Result<()> {
        let target = self.insert_target(insert).await?;
        let rows = self.insert_rows(insert, &target).await?;
        described.plans.push(rows.plan);
        if let Some(OnInsert::OnConflict(conflict)) = &insert.on
            && let OnConflictAction::DoUpdate(update) = &conflict.action
        {
            let scratch = self.scratch(&target)?;
            let proposed = RowTable::new(scratch.draft.readable()?).await?;
            let finding = self
                .find_met(insert, target.clone(), &proposed, conflict, update)
                .await?;
            described.plans.push(finding.plan);
        }
        let alias = alias_of(insert, &target);
        let items = insert.returning.as_deref();
        self.describe_returning(&target, &alias, items, described)
            .await
    }

    async fn describe_returning(
        &self,
        target: &Target,
        alias: &str,
        items: Option<&[SelectItem]>,
        described: &mut Described,
    ) -> Result<()> {
        let Some(items) = items else {
            return Ok(());
        };
        let named_by = rewrite::select(items.to_vec(), "target", alias, &[], None)?;
        let table = target.draft.readable_of(Vec::new())?;
        let plan = self.plan(&named_by, self.work("target", table)?).await?;
        let schema: SchemaRef = Arc::new(plan.schema().as_arrow().clone());
        described.plans.push(plan);
        described.returning = Some((schema, named_by));
        Ok(())
    }
}
