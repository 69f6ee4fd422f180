//! A table whose rows are made when it is read.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::TableType;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use crate::query::QueryError;

/// Where the rows come from.
#[async_trait]
pub trait LiveRows: Debug + Send + Sync {
    fn schema(&self) -> SchemaRef;

    /// All rows as of now, in [`Self::schema`]; few enough to be held in memory.
    async fn rows(&self) -> std::result::Result<RecordBatch, QueryError>;
}

/// [`LiveRows`] as a table.
#[derive(Debug)]
pub struct LiveTable(pub Arc<dyn LiveRows>);

#[async_trait]
impl TableProvider for LiveTable {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let batch = self.0.rows().await?;
        MemTable::try_new(self.0.schema(), vec![vec![batch]])?
            .scan(state, projection, filters, limit)
            .await
    }
}
