//! A session: one client's context over the shared engine.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast;

use super::QueryError;
use super::statement::ModelAdmin;
use crate::lake::Lake;

/// Limits of an engine. Every one has a default that holds on a small machine.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    pub memory_bytes: usize,
    pub spill_directory: Option<PathBuf>,
    pub spill_bytes: u64,
    /// Threads of the runtime on which queries execute, apart from the caller's.
    pub threads: usize,
}

/// The engine of a process: shared by all its sessions.
#[derive(Debug)]
pub struct Engine {
    _todo: (),
}

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

#[derive(Clone, Debug)]
pub struct SessionOptions {
    pub user: String,
    pub access: Access,
    /// The client's `application_name`, for `system.queries`.
    pub application: Option<String>,
}

/// One client's session: its own settings, search path and time zone.
pub struct Session {
    _todo: (),
}

/// Rows as they come: produced on the engine's own runtime, handed over through a bounded channel.
/// Dropping it aborts the query within a second, a blocking aggregate too.
pub struct RowStream {
    _todo: (),
}

impl Engine {
    pub fn new(_lake: Lake, _options: EngineOptions) -> Result<Arc<Self>, QueryError> {
        todo!("the query helper writes this")
    }

    /// Gives the engine somebody who carries out model statements; without, they are refused.
    pub fn set_model_admin(&self, _admin: Arc<dyn ModelAdmin>) {
        todo!("the query helper writes this")
    }

    pub fn lake(&self) -> &Lake {
        todo!("the query helper writes this")
    }

    pub fn session(self: &Arc<Self>, _options: SessionOptions) -> Result<Session, QueryError> {
        todo!("the query helper writes this")
    }
}

impl Session {
    pub fn engine(&self) -> &Arc<Engine> {
        todo!("the query helper writes this")
    }

    /// DataFusion's context of this session, for settings, extra functions and catalogs.
    pub fn context(&self) -> &SessionContext {
        todo!("the query helper writes this")
    }

    /// Plans a statement; refuses what this session may not do. Parameters stay placeholders.
    pub async fn plan(&self, _statement: &ast::Statement) -> Result<LogicalPlan, QueryError> {
        todo!("the query helper writes this")
    }

    /// Optimises and starts the plan. `text` is what `system.queries` shows.
    pub async fn execute(&self, _plan: LogicalPlan, _text: &str) -> Result<RowStream, QueryError> {
        todo!("the query helper writes this")
    }
}

impl RowStream {
    pub fn schema(&self) -> &SchemaRef {
        todo!("the query helper writes this")
    }

    pub async fn next(&mut self) -> Option<Result<RecordBatch, QueryError>> {
        todo!("the query helper writes this")
    }
}
