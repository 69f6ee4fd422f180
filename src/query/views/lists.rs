//! Views and tables as lists of them show them: columns, comment and, of a view, its text.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, not_impl_err};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use iceberg::arrow::schema_to_arrow_schema;

use super::View;
use crate::query::resolve;
use crate::query::scan::IcebergTable;

/// Only asked what it is.
#[derive(Debug)]
struct Listed {
    view: Arc<View>,
    columns: SchemaRef,
}

/// The entry of a listed table's or view's schema that holds its comment, and the property of its
/// metadata.
const COMMENT: &str = "comment";

/// A table with its comment.
#[derive(Debug)]
struct Commented {
    table: IcebergTable,
    columns: SchemaRef,
}

/// A table as lists show it.
pub(in crate::query) fn listed_table(table: Arc<dyn TableProvider>) -> Arc<dyn TableProvider> {
    let Some(own) = table.downcast_ref::<IcebergTable>() else {
        return table;
    };
    let Some(comment) = own.table().metadata().properties().get(COMMENT) else {
        return table;
    };
    let comment = (COMMENT.to_owned(), comment.clone());
    let columns = table.schema().as_ref().clone();
    Arc::new(Commented {
        columns: Arc::new(columns.with_metadata([comment].into())),
        table: own.clone(),
    })
}

#[async_trait]
impl TableProvider for Commented {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.columns)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.table.scan(state, projection, filters, limit).await
    }
}

/// The view with the columns that it has now or, where it can't be planned any more, had when it
/// was made: it must not fall out of lists.
pub(in crate::query) async fn listed(
    view: &Arc<View>,
    state: Option<SessionState>,
) -> Arc<dyn TableProvider> {
    let columns = match view.columns.get() {
        Some(known) => Arc::clone(known),
        None => match planned(view, state).await {
            Some(planned) => Arc::clone(view.columns.get_or_init(|| planned)),
            None => as_made(view),
        },
    };
    Arc::new(Listed {
        view: Arc::clone(view),
        columns,
    })
}

async fn planned(view: &View, state: Option<SessionState>) -> Option<SchemaRef> {
    let (state, query) = (state?, view.query.as_ref().ok()?);
    match resolve::columns_of_view(&state, query).await {
        Ok(planned) => Some(with_comment(planned.as_ref(), view)),
        Err(error) => {
            tracing::debug!("a view is listed as it was made: {error}");
            None
        }
    }
}

fn as_made(view: &View) -> SchemaRef {
    let made = view.stored.schema().map(schema_to_arrow_schema);
    let made = made
        .and_then(std::result::Result::ok)
        .unwrap_or_else(Schema::empty);
    let fields = made.fields().iter();
    let bare: Vec<_> = fields
        .map(|field| field.as_ref().clone().with_metadata(Default::default()))
        .collect();
    with_comment(&Schema::new(bare), view)
}

fn with_comment(schema: &Schema, view: &View) -> SchemaRef {
    let comment = view.stored.comment();
    let comment = comment.map(|text| (COMMENT.to_owned(), text.to_owned()));
    let schema = schema.clone();
    Arc::new(schema.with_metadata(comment.into_iter().collect()))
}

#[async_trait]
impl TableProvider for Listed {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.columns)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn get_table_definition(&self) -> Option<&str> {
        self.view.stored.sql().ok()
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        not_impl_err!("a listed view has no rows: name it in a statement")
    }
}
