//! A session: one client's context over the shared engine.
//! Must never let one session's settings, search path or pins reach another.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast;
use futures::future::BoxFuture;

use super::catalog::{CATALOG_NAME, LakeCatalog};
use super::engine::Engine;
use super::loader::{Held, Own, Tables};
use super::pin::Pin;
use super::resolve;
use super::stream::{self, RowStream};
use super::views::{Expansion, Meanings};
use super::write::Writes;
use super::{QueryError, QueryErrorKind, merged, postgres, refuse, zone};
use crate::domain::TableName;
use crate::lake::Table;

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
    engine: Arc<Engine>,
    options: SessionOptions,
    application: Mutex<Option<String>>,
    context: SessionContext,
    catalog: Arc<LakeCatalog>,
    search_path: Mutex<Vec<String>>,
    pins: Mutex<HashMap<TableName, Pin>>,
    held: Mutex<Option<Held>>,
    pub(super) writes: Mutex<Writes>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    pub(super) fn new(engine: Arc<Engine>, options: SessionOptions) -> Result<Self, QueryError> {
        let catalog = Arc::new(LakeCatalog::new(Arc::clone(&engine)));
        let catalogs = datafusion::catalog::MemoryCatalogProviderList::new();
        let state = SessionStateBuilder::new_from_existing(engine.template().clone())
            .with_session_id(engine.lake().entropy.uuid().to_string())
            .with_catalog_list(Arc::new(catalogs))
            .build();
        let context = SessionContext::new_with_state(state);
        context.register_catalog(CATALOG_NAME, Arc::clone(&catalog) as _);
        let own = context.state_weak_ref();
        catalog.belongs_to(Arc::new(move || {
            own.upgrade().map(|state| state.read().clone())
        }));
        Ok(Self {
            application: Mutex::new(options.application.clone()),
            search_path: Mutex::new(vec!["public".to_owned()]),
            pins: Mutex::new(HashMap::new()),
            held: Mutex::new(None),
            writes: Mutex::default(),
            engine,
            options,
            context,
            catalog,
        })
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Who this session is and what it may do.
    pub fn options(&self) -> &SessionOptions {
        &self.options
    }

    /// DataFusion's context of this session, for settings, extra functions and catalogs.
    ///
    /// Statements must not be run through it: only [`Self::plan`] and [`Self::execute`] refuse
    /// what SQL may not do here. Schemas registered in its catalog (`pg_catalog`) are found by
    /// [`Self::plan`].
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// Lists namespaces and tables anew, so that the context's catalog shows them all. A statement
    /// that reads lists does it by itself.
    pub async fn refresh_names(&self) -> Result<(), QueryError> {
        self.catalog.refresh().await
    }

    /// The client's `application_name` from now on, for `system.queries`.
    pub fn set_application(&self, application: Option<String>) {
        *lock(&self.application) = application;
    }

    /// Schemas in which a bare table name is looked for, in this order (`pg_catalog` is always
    /// looked into first, as in Postgres). Unknown ones are passed over.
    pub fn set_search_path(&self, schemas: Vec<String>) {
        *lock(&self.search_path) = schemas;
    }

    pub fn search_path(&self) -> Vec<String> {
        lock(&self.search_path).clone()
    }

    /// The time zone in which times without one are read, `UTC` or an IANA name.
    pub fn set_time_zone(&self, zone: &str) -> Result<(), QueryError> {
        zone::named(zone)?;
        let state = self.context.state_ref();
        let mut state = state.write();
        state.config_mut().options_mut().execution.time_zone = Some(zone.to_owned());
        Ok(())
    }

    /// Pins a table for all later statements: they read this snapshot of it, whatever is
    /// committed meanwhile; None reads it as if it had no snapshot. A version that a statement
    /// names itself goes before the pin.
    pub fn pin(&self, table: TableName, snapshot_id: Option<i64>) {
        self.pin_to(
            table,
            Pin {
                snapshot_id,
                after_sequence_number: None,
            },
        );
    }

    /// Pins a table and leaves out files that an incremental reader has passed; see [`Pin`].
    pub fn pin_to(&self, table: TableName, pin: Pin) {
        lock(&self.pins).insert(table, pin);
    }

    /// From now on each table is read as it stands when a statement first names it: a transaction
    /// begins (repeatable read).
    pub fn hold_tables(&self) {
        *lock(&self.held) = Some(Held::default());
    }

    /// From now on each statement reads tables as they are: the transaction has ended.
    pub fn let_tables_go(&self) {
        *lock(&self.held) = None;
    }

    /// A table of the lake as the open transaction reads it.
    pub(super) async fn held_table(&self, name: &TableName) -> Result<Option<Table>, QueryError> {
        let held = lock(&self.held).clone();
        let known = held.as_ref().and_then(|held| lock(held).get(name).cloned());
        if let Some(known) = known {
            return Ok(known);
        }
        let table = self.engine.lake().find(name).await?;
        if let Some(held) = held {
            lock(&held).insert(name.clone(), table.clone());
        }
        Ok(table)
    }

    /// Plans a statement; refuses what this session may not do. Parameters stay placeholders.
    ///
    /// Every table is loaded once and stays at the snapshot it had then: a plan is for running
    /// soon, a prepared statement is to be planned again for each execution.
    pub async fn plan(&self, statement: &ast::Statement) -> Result<LogicalPlan, QueryError> {
        Box::pin(self.plan_with(statement, Own::new())).await
    }

    /// Plans a statement that sees tables of its own, before all others.
    pub(super) async fn plan_with(
        &self,
        statement: &ast::Statement,
        mut own: Own,
    ) -> Result<LogicalPlan, QueryError> {
        let search_path = self.search_path();
        let planned = self.plan_in(statement, &mut own, &search_path, Expansion::default());
        Box::pin(planned).await
    }

    /// Plans the text of a view that is about to be made.
    pub(super) async fn plan_view(
        &self,
        view: &TableName,
        query: &ast::Statement,
    ) -> Result<LogicalPlan, QueryError> {
        self.plan_view_with(view, query, Own::new()).await
    }

    /// [`Self::plan_view`] over tables as they would be.
    pub(super) async fn plan_view_with(
        &self,
        view: &TableName,
        query: &ast::Statement,
        mut own: Own,
    ) -> Result<LogicalPlan, QueryError> {
        let expansion = Expansion::of(view.clone());
        Box::pin(self.plan_in(query, &mut own, &[], expansion)).await
    }

    async fn plan_in(
        &self,
        statement: &ast::Statement,
        own: &mut Own,
        search_path: &[String],
        expansion: Expansion,
    ) -> Result<LogicalPlan, QueryError> {
        refuse::statement(statement)?;
        let statement = readable(statement.clone())?;
        let state = self.state();
        let pins = lock(&self.pins).clone();
        let tables = self.tables(&pins, own)?;
        let catalog = &self.catalog;
        let planned = resolve::plan(&state, catalog, statement, search_path, tables, expansion);
        // Boxed, as room for all of it would stand on every caller's stack, and its type forgotten:
        // the compiler looks only so deep into futures.
        let planned: BoxFuture<'_, _> = Box::pin(planned);
        let plan = planned.await?;
        refuse::plan(&plan)?;
        Ok(plan)
    }

    /// What each table's name in a statement means.
    pub(super) async fn meanings(
        &self,
        statement: &ast::Statement,
    ) -> Result<Meanings, QueryError> {
        let (pins, mut own) = (HashMap::new(), Own::new());
        let tables = self.tables(&pins, &mut own)?;
        let (state, search_path) = (self.state(), self.search_path());
        let meanings = resolve::meanings(&state, &self.catalog, statement, &search_path, tables);
        let meanings: BoxFuture<'_, _> = Box::pin(meanings);
        meanings.await
    }

    /// What a statement sees of tables and views, with `own` before all.
    fn tables<'a>(
        &self,
        pins: &'a HashMap<TableName, Pin>,
        own: &'a mut Own,
    ) -> Result<Tables<'a>, QueryError> {
        let writes = lock(&self.writes);
        for (name, draft) in writes.own() {
            let table = draft.map(|draft| draft.readable()).transpose()?;
            own.entry(name.clone())
                .or_insert_with(|| table.map(|table| Arc::new(table) as _));
        }
        let views = writes.own_views();
        drop(writes);
        let held = lock(&self.held).clone();
        Ok(Tables::new(pins, held, own).with_views(views))
    }

    /// Optimises and starts the plan. `text` is what `system.queries` shows.
    ///
    /// Returns once the plan is optimised, so that its errors come from here; rows follow through
    /// the stream. Dropping this future stops the query as dropping the stream does.
    pub async fn execute(&self, plan: LogicalPlan, text: &str) -> Result<RowStream, QueryError> {
        refuse::plan(&plan)?;
        let lake = self.engine.lake();
        let entry = self.engine.log().start(
            &self.options.user,
            lock(&self.application).clone(),
            text,
            lake.clock.now_ms(),
            lake.clock.elapsed(),
        );
        stream::start(&self.engine, self.state(), plan, entry).await
    }

    /// Parses, plans and starts one statement.
    pub async fn sql(&self, text: &str) -> Result<RowStream, QueryError> {
        let mut statements = super::statement::parse(text)?;
        if statements.len() > 1 {
            return Err(QueryError::new(
                QueryErrorKind::Syntax,
                "only one statement can be run at a time here",
            ));
        }
        match statements.pop() {
            Some(super::statement::Statement::Sql(statement)) => {
                let plan = self.plan(&statement).await?;
                self.execute(plan, text).await
            }
            Some(super::statement::Statement::Model(_)) => Err(QueryError::new(
                QueryErrorKind::FeatureNotSupported,
                "statements about materialized views give no rows: run them with run_model",
            )),
            None => Err(QueryError::new(
                QueryErrorKind::Syntax,
                "there is no statement in this text",
            )),
        }
    }

    /// Carries out a statement about models and gives its command tag. Needs write access.
    pub async fn run_model(
        &self,
        statement: &crate::declare::model::ModelStatement,
    ) -> Result<String, QueryError> {
        if self.options.access != Access::Write {
            return Err(QueryError::new(
                QueryErrorKind::InsufficientPrivilege,
                format!(
                    "user \"{}\" may only read: models need write access",
                    self.options.user
                ),
            ));
        }
        match self.engine.model_admin() {
            Some(admin) => admin.execute(&self.options.user, statement).await,
            None => Err(QueryError::new(
                QueryErrorKind::FeatureNotSupported,
                "this process does not run models",
            )
            .with_hint("Start frazil with the role jobs, or put the statement into sql/.")),
        }
    }

    /// The session's state as it is now, with the time at which a statement starts.
    fn state(&self) -> SessionState {
        let mut state = self.context.state();
        let now_ms = self.engine.lake().clock.now_ms();
        state.mark_start_execution();
        state.execution_props_mut().query_execution_start_time =
            chrono::DateTime::from_timestamp_millis(now_ms);
        state
    }
}

/// What DataFusion would not plan though it is a plain read, or plan wrongly: `COPY … TO STDOUT`
/// becomes the query behind it, `FETCH FIRST` becomes LIMIT, `AT TIME ZONE` a function.
pub(super) fn readable(statement: ast::Statement) -> Result<ast::Statement, QueryError> {
    let mut statement = match statement {
        ast::Statement::Copy { source, .. } => match source {
            ast::CopySource::Query(query) => ast::Statement::Query(query),
            ast::CopySource::Table {
                table_name,
                columns,
            } => select_columns(table_name, columns),
        },
        other => other,
    };
    match ast::VisitMut::visit(&mut statement, &mut Respell) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(statement),
    }
}

fn select_columns(table: ast::ObjectName, columns: Vec<ast::Ident>) -> ast::Statement {
    let projection = if columns.is_empty() {
        "*".to_owned()
    } else {
        let names: Vec<_> = columns.iter().map(ToString::to_string).collect();
        names.join(", ")
    };
    let text = format!("SELECT {projection} FROM {table}");
    match super::statement::parse(&text).map(|mut parsed| parsed.pop()) {
        Ok(Some(super::statement::Statement::Sql(statement))) => *statement,
        _ => unreachable!("names that were parsed parse again"),
    }
}

struct Respell;

impl ast::VisitorMut for Respell {
    type Break = QueryError;

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<QueryError> {
        zone::as_function(expr);
        postgres::syntax::expression(expr)
    }

    fn post_visit_table_factor(
        &mut self,
        factor: &mut ast::TableFactor,
    ) -> ControlFlow<QueryError> {
        postgres::table_factor(factor);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<QueryError> {
        postgres::syntax::bind_minus(expr);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<QueryError> {
        merged::check(select)?;
        postgres::lists::check_counted_rows(select)?;
        postgres::lists::merged_columns_first(select);
        postgres::lists::qualify_merged(select);
        postgres::lists::name_elements(select);
        postgres::syntax::select(select);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<QueryError> {
        postgres::syntax::tell_apart(select);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<QueryError> {
        postgres::syntax::set_expression(&mut query.body);
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<QueryError> {
        if let Some(with) = &mut query.with {
            postgres::syntax::recursive_names(with);
        }
        let plain = query
            .fetch
            .as_ref()
            .is_some_and(|fetch| !fetch.with_ties && !fetch.percent);
        if plain && let Some(fetch) = query.fetch.take() {
            let count = fetch
                .quantity
                .unwrap_or_else(|| ast::Expr::value(ast::Value::Number("1".to_owned(), false)));
            match &mut query.limit_clause {
                Some(ast::LimitClause::LimitOffset { limit, .. }) => *limit = Some(count),
                Some(ast::LimitClause::OffsetCommaLimit { .. }) => {}
                None => {
                    query.limit_clause = Some(ast::LimitClause::LimitOffset {
                        limit: Some(count),
                        offset: None,
                        limit_by: Vec::new(),
                    });
                }
            }
        }
        ControlFlow::Continue(())
    }
}
