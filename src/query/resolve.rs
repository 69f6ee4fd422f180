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

use super::catalog::{CATALOG_NAME, LakeCatalog, Loader, Tables};
use super::travel::TimeTravel;
use super::write::TEMPORARY;
use super::zone::Types;
use super::{QueryError, QueryErrorKind};

/// Where Postgres looks before the search path.
const ALWAYS_FIRST: [&str; 2] = [TEMPORARY, "pg_catalog"];

pub(super) async fn plan(
    state: &SessionState,
    catalog: &LakeCatalog,
    statement: ast::Statement,
    search_path: &[String],
    loaded: Tables<'_>,
) -> Result<LogicalPlan, QueryError> {
    let (relations, _) =
        resolve_table_references(&DfStatement::Statement(Box::new(statement.clone())), true)?;
    let mut loader = Loader::new(catalog, state, loaded);
    let candidates = relations.iter().flat_map(|r| candidates(r, search_path));
    loader.look(candidates).await?;
    let mut tables = HashMap::with_capacity(relations.len());
    for relation in relations {
        if let Some(source) = source_of(&mut loader, &relation, search_path).await? {
            tables.insert(relation, source);
        }
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

async fn source_of(
    loader: &mut Loader<'_>,
    relation: &TableReference,
    search_path: &[String],
) -> Result<Option<Arc<dyn TableSource>>, QueryError> {
    for (schema, table) in candidates(relation, search_path) {
        if let Some(provider) = loader.load(schema, table).await? {
            return Ok(Some(provider_as_source(provider)));
        }
    }
    Ok(None)
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
