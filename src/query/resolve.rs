//! From a syntax tree to a plan: every table that a statement names is loaded once, then
//! DataFusion's planner sees those and nothing else.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, Result as DfResult, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::{
    ContextProvider, ExprPlanner, RelationPlanner, TypePlanner,
};
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF,
};
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::planner::{ParserOptions, SqlToRel};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast;

use super::catalog::{CATALOG_NAME, LakeCatalog};
use super::loader::{Found, Loader, Own, Tables};
use super::session::readable;
use super::travel::TimeTravel;
use super::views::{Expansion, Meanings, View};
use super::write::TEMPORARY;
use super::zone::Types;
use super::{QueryError, QueryErrorKind};
use crate::domain::TableName;

/// Where Postgres looks before the search path.
const ALWAYS_FIRST: [&str; 2] = [TEMPORARY, "pg_catalog"];

pub(super) async fn plan(
    state: &SessionState,
    catalog: &LakeCatalog,
    statement: ast::Statement,
    search_path: &[String],
    loaded: Tables<'_>,
    expansion: Expansion,
) -> Result<LogicalPlan, QueryError> {
    let relations = relations(&statement)?;
    let mut loader = Loader::new(catalog, state, loaded);
    let candidates = relations.iter().flat_map(|r| candidates(r, search_path));
    Box::pin(loader.look(candidates)).await?;
    let mut planning = Planning {
        state,
        loader,
        expansion,
    };
    Box::pin(planning.plan(statement, relations, search_path)).await
}

/// Schema and name of what each table's name means; names without a meaning are left out.
pub(super) async fn meanings(
    state: &SessionState,
    catalog: &LakeCatalog,
    statement: &ast::Statement,
    search_path: &[String],
    loaded: Tables<'_>,
) -> Result<Meanings, QueryError> {
    let relations = relations(statement)?;
    let mut loader = Loader::new(catalog, state, loaded);
    let all = relations.iter().flat_map(|r| candidates(r, search_path));
    loader.look(all).await?;
    let mut meanings = Meanings::new();
    for relation in &relations {
        for (schema, table) in candidates(relation, search_path) {
            if loader.load(schema, table).await?.is_some() {
                let meaning = (schema.to_owned(), table.to_owned());
                meanings.insert(relation.to_vec(), meaning);
                break;
            }
        }
    }
    Ok(meanings)
}

/// The columns of a view's text, for lists of views.
pub(super) async fn columns_of_view(
    state: &SessionState,
    query: &ast::Statement,
) -> Result<SchemaRef, QueryError> {
    let catalog = state.catalog_list().catalog(CATALOG_NAME);
    let catalog = catalog
        .as_ref()
        .and_then(|catalog| catalog.downcast_ref::<LakeCatalog>())
        .ok_or_else(|| QueryError::new(QueryErrorKind::Internal, "the session has no catalog"))?;
    let (pins, own) = (HashMap::new(), Own::new());
    let tables = Tables::new(&pins, None, &own).without_lists();
    let statement = readable(query.clone())?;
    let plan = plan(state, catalog, statement, &[], tables, Expansion::default()).await?;
    let named = super::views::named(plan, query)?;
    Ok(Arc::clone(named.schema().inner()))
}

fn relations(statement: &ast::Statement) -> Result<Vec<TableReference>, QueryError> {
    let statement = DfStatement::Statement(Box::new(statement.clone()));
    Ok(resolve_table_references(&statement, true)?.0)
}

/// A statement on its way, with the views that it reads.
struct Planning<'a> {
    state: &'a SessionState,
    loader: Loader<'a>,
    expansion: Expansion,
}

impl Planning<'_> {
    async fn plan(
        &mut self,
        statement: ast::Statement,
        relations: Vec<TableReference>,
        search_path: &[String],
    ) -> Result<LogicalPlan, QueryError> {
        let found = Box::pin(self.find(relations, search_path)).await?;
        let mut reads_views = false;
        for (_, found) in &found {
            let Found::View(name, view) = found else {
                continue;
            };
            reads_views = true;
            // Those that it stands on come first: none is planned within another.
            for (name, view) in self.expansion.order(name, view, &self.loader)? {
                Box::pin(self.expand(name, &view)).await?;
            }
        }
        match reads_views {
            false => self.finish(statement, found),
            true => stacker::grow(VIEW_STACK_BYTES, || self.finish(statement, found)),
        }
    }

    async fn expand(&mut self, name: TableName, view: &View) -> Result<(), QueryError> {
        let query = view.query.clone()?;
        let statement = readable(query.clone())?;
        let found = Box::pin(self.find(relations(&statement)?, &[])).await?;
        let plan = stacker::grow(VIEW_STACK_BYTES, || self.finish(statement, found));
        let plan = plan.map_err(|error| within(&name, error))?;
        self.expansion.add(name, &query, plan)
    }

    /// What the names mean; those without a meaning are left out.
    async fn find(
        &mut self,
        relations: Vec<TableReference>,
        search_path: &[String],
    ) -> Result<Vec<(TableReference, Found)>, QueryError> {
        let mut all = Vec::with_capacity(relations.len());
        for relation in relations {
            for (schema, table) in candidates(&relation, search_path) {
                if let Some(found) = self.loader.load(schema, table).await? {
                    all.push((relation, found));
                    break;
                }
            }
        }
        Ok(all)
    }

    /// The plan over what was found; its views must have been expanded.
    fn finish(
        &self,
        statement: ast::Statement,
        found: Vec<(TableReference, Found)>,
    ) -> Result<LogicalPlan, QueryError> {
        let state = self.state;
        let mut tables = HashMap::with_capacity(found.len());
        for (relation, found) in found {
            let source = match found {
                Found::Table(provider) => provider_as_source(provider),
                Found::View(name, _) => self.expansion.known(&name)?,
            };
            tables.insert(relation, source);
        }
        let mut relation_planners = vec![Arc::new(TimeTravel {
            now: state.execution_props().query_execution_start_time,
        }) as Arc<dyn RelationPlanner>];
        relation_planners.extend(state.relation_planners().iter().cloned());
        let zone = state.config_options().execution.time_zone.as_deref();
        let context = StatementContext {
            types: Arc::new(Types {
                zone: zone.unwrap_or("UTC").into(),
            }),
            state,
            tables,
            relation_planners,
        };
        let planned = SqlToRel::new_with_options(&context, parser_options(state))
            .sql_statement_to_plan(statement);
        Ok(super::postgres::settle(planned?)?)
    }
}

/// Views make plans deeper than any text. Reserved, and used only as far as a plan is deep.
const VIEW_STACK_BYTES: usize = 32 << 20;

/// An error in a view's text, which stands at no place of the statement.
fn within(view: &TableName, mut error: QueryError) -> QueryError {
    error.position = None;
    let detail = error.detail.take();
    error.detail = detail.or_else(|| Some(format!("The error is in the text of the view {view}.")));
    error
}

/// Schema and name of each table that a relation may mean; the first that exists is meant.
fn candidates<'a>(
    relation: &'a TableReference,
    search_path: &'a [String],
) -> Vec<(&'a str, &'a str)> {
    match relation {
        TableReference::Bare { table } => ALWAYS_FIRST
            .into_iter()
            .chain(search_path.iter().map(String::as_str))
            .map(|schema| (schema, table.as_ref()))
            .collect(),
        TableReference::Partial { schema, table } => vec![(schema, table)],
        TableReference::Full {
            catalog,
            schema,
            table,
        } if catalog.as_ref() == CATALOG_NAME => vec![(schema, table)],
        TableReference::Full { .. } => Vec::new(),
    }
}

fn parser_options(state: &SessionState) -> ParserOptions {
    let options = &state.config_options().sql_parser;
    ParserOptions {
        parse_float_as_decimal: options.parse_float_as_decimal,
        enable_ident_normalization: true,
        support_varchar_with_length: options.support_varchar_with_length,
        map_string_types_to_utf8view: options.map_string_types_to_utf8view,
        collect_spans: options.collect_spans,
        default_null_ordering: options.default_null_ordering.as_str().into(),
        ..ParserOptions::default()
    }
}

/// What DataFusion's planner may see: the loaded tables, and the session's functions.
struct StatementContext<'a> {
    state: &'a SessionState,
    types: Arc<dyn TypePlanner>,
    tables: HashMap<TableReference, Arc<dyn TableSource>>,
    relation_planners: Vec<Arc<dyn RelationPlanner>>,
}

impl ContextProvider for StatementContext<'_> {
    fn get_table_source(&self, name: TableReference) -> DfResult<Arc<dyn TableSource>> {
        self.tables.get(&name).cloned().ok_or_else(|| {
            let text = match &name {
                TableReference::Bare { table } => table.to_string(),
                TableReference::Partial { schema, table }
                | TableReference::Full { schema, table, .. } => format!("{schema}.{table}"),
            };
            QueryError::new(
                QueryErrorKind::UndefinedTable,
                format!("relation \"{text}\" does not exist"),
            )
            .into()
        })
    }

    fn get_table_function_source(
        &self,
        name: &str,
        args: Vec<Expr>,
    ) -> DfResult<Arc<dyn TableSource>> {
        super::functions::table_function(self.state, name, args)
    }

    fn create_cte_work_table(
        &self,
        name: &str,
        schema: SchemaRef,
    ) -> DfResult<Arc<dyn TableSource>> {
        let table = datafusion::datasource::cte_worktable::CteWorkTable::new(name, schema);
        Ok(provider_as_source(Arc::new(table)))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relation_planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::clone(&self.types))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state
            .higher_order_functions()
            .keys()
            .cloned()
            .collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}

/// A schema without columns, in which constants are evaluated.
pub(super) fn no_columns() -> DFSchema {
    DFSchema::empty()
}
