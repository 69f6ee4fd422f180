//! The engine of a process: limits, the runtime on which queries execute, shared caches.
//! Must never run a query's work on its caller's threads.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::catalog::TableProvider;
use datafusion::config::Dialect as DialectOption;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::optimizer::analyzer::resolve_grouping_function::ResolveGroupingFunction;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion::prelude::SessionConfig;
use std::time::Duration;

use super::catalog::CATALOG_NAME;
use super::log::{QueryFigures, QueryLog};
use super::runtime::QueryRuntime;
use super::session::{Session, SessionOptions};
use super::statement::ModelAdmin;
use super::stores::LakeStores;
use super::system;
use super::views::ViewCache;
use super::{
    QueryError, QueryErrorKind, bags, bounded, coalesced, doubles, exact, gather, joined, literals,
    merged, postgres, window, zeros, zone,
};
use crate::lake::Lake;

/// Limits of an engine. Every one has a default that holds on a small machine.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// What all queries together may hold in memory; beyond it they spill, or fail with 53200.
    pub memory_bytes: usize,
    /// Where queries spill; None: a folder of the operating system's for temporary files.
    pub spill_directory: Option<PathBuf>,
    /// What all queries together may spill.
    pub spill_bytes: u64,
    /// Threads of the runtime on which queries execute, apart from the caller's.
    pub threads: usize,
    /// Where queries execute; None: on threads of the engine's own, so that one that computes for
    /// long keeps nobody from being heard. For a simulation, that everything happens in one order.
    pub runtime: Option<tokio::runtime::Handle>,
    /// A transaction that began to write files longer ago can't be committed: upkeep deletes files
    /// that nothing reaches once they are old, so this is at most half of its safety age (I9).
    pub oldest_write: Duration,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            spill_directory: None,
            spill_bytes: 16 << 30,
            threads: std::thread::available_parallelism().map_or(2, NonZeroUsize::get),
            runtime: None,
            oldest_write: Duration::from_secs(30 * 60),
        }
    }
}

/// The engine of a process: shared by all its sessions.
pub struct Engine {
    lake: Lake,
    runtime: QueryRuntime,
    environment: Arc<RuntimeEnv>,
    template: SessionState,
    oldest_write: Duration,
    log: Arc<QueryLog>,
    views: ViewCache,
    model_admin: RwLock<Option<Arc<dyn ModelAdmin>>>,
    system_tables: RwLock<BTreeMap<String, Arc<dyn TableProvider>>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// Below this DataFusion's sorts can't even reserve what they need to spill.
const LEAST_MEMORY_BYTES: usize = 16 << 20;

impl Engine {
    pub fn new(lake: Lake, options: EngineOptions) -> Result<Arc<Self>, QueryError> {
        if options.memory_bytes < LEAST_MEMORY_BYTES {
            return Err(QueryError::new(
                QueryErrorKind::InvalidParameter,
                format!(
                    "the memory limit of queries is {} bytes, the least is {LEAST_MEMORY_BYTES}",
                    options.memory_bytes
                ),
            ));
        }
        let environment = environment(&options)?;
        let log = Arc::new(QueryLog::default());
        let engine = Arc::new(Self {
            template: template(&options, &environment)?,
            runtime: match &options.runtime {
                Some(handle) => QueryRuntime::of(handle.clone()),
                None => QueryRuntime::new(options.threads.max(1))?,
            },
            environment,
            oldest_write: options.oldest_write,
            log: Arc::clone(&log),
            views: ViewCache::default(),
            model_admin: RwLock::new(None),
            system_tables: RwLock::new(BTreeMap::new()),
            lake,
        });
        system::register(&engine);
        Ok(engine)
    }

    /// Gives the engine somebody who carries out model statements; without, they are refused.
    pub fn set_model_admin(&self, admin: Arc<dyn ModelAdmin>) {
        *self
            .model_admin
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(admin);
    }

    pub fn model_admin(&self) -> Option<Arc<dyn ModelAdmin>> {
        self.model_admin
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    /// What its queries come to, for metrics.
    pub fn figures(&self) -> QueryFigures {
        self.log.figures()
    }

    pub fn session(self: &Arc<Self>, options: SessionOptions) -> Result<Session, QueryError> {
        Session::new(Arc::clone(self), options)
    }

    /// Adds `system.<name>`, or replaces it. Rooms above give their figures as tables this way.
    pub fn register_system_table(&self, name: &str, provider: Arc<dyn TableProvider>) {
        self.system_tables
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), provider);
    }

    pub(super) fn system_table(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        self.system_tables
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    pub(super) fn system_table_names(&self) -> Vec<String> {
        self.system_tables
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .keys()
            .cloned()
            .collect()
    }

    pub(super) fn views(&self) -> &ViewCache {
        &self.views
    }

    pub(super) fn runtime(&self) -> &QueryRuntime {
        &self.runtime
    }

    pub(super) fn oldest_write(&self) -> Duration {
        self.oldest_write
    }

    pub(super) fn environment(&self) -> &Arc<RuntimeEnv> {
        &self.environment
    }

    pub(super) fn template(&self) -> &SessionState {
        &self.template
    }

    pub(super) fn log(&self) -> &Arc<QueryLog> {
        &self.log
    }
}

fn environment(options: &EngineOptions) -> Result<Arc<RuntimeEnv>, QueryError> {
    let mode = match &options.spill_directory {
        Some(directory) => DiskManagerMode::Directories(vec![directory.clone()]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    let consumers_named = NonZeroUsize::new(3).expect("three is not zero");
    let pool = TrackConsumersPool::new(FairSpillPool::new(options.memory_bytes), consumers_named);
    Ok(RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(
            DiskManagerBuilder::default()
                .with_mode(mode)
                .with_max_temp_directory_size(options.spill_bytes),
        )
        .with_metadata_cache_limit((options.memory_bytes / 16).min(64 << 20))
        .with_object_store_registry(Arc::new(LakeStores::default()))
        .build_arc()?)
}

fn template(
    options: &EngineOptions,
    environment: &Arc<RuntimeEnv>,
) -> Result<SessionState, QueryError> {
    let mut config = SessionConfig::new()
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG_NAME, "public")
        .with_information_schema(true)
        .with_target_partitions(options.threads.max(1));
    let set = config.options_mut();
    set.sql_parser.dialect = DialectOption::PostgreSQL;
    set.sql_parser.parse_float_as_decimal = true;
    set.sql_parser.collect_spans = true;
    // `SELECT … FROM a view with ORDER BY` comes in its order in Postgres, and people rely on it.
    set.sql_parser.enable_subquery_sort_elimination = false;
    set.execution.time_zone = Some("UTC".to_owned());
    // Each sort keeps this much to merge its spilled runs: it must fit several times into a share
    // of the pool, or small limits fail where they could spill.
    set.execution.sort_spill_reservation_bytes =
        (options.memory_bytes / 64).clamp(1 << 20, 10 << 20);
    set.execution.sort_pushdown_buffer_capacity = (options.memory_bytes / 16).min(64 << 20);
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(Arc::clone(environment))
        .with_default_features()
        .with_optimizer_rules(exact::optimizer_rules())
        .with_analyzer_rules(vec![
            Arc::new(bags::Bags),
            Arc::new(merged::MergedKeys),
            Arc::new(ResolveGroupingFunction::new()),
            Arc::new(literals::Literals),
            Arc::new(postgres::Operators),
            Arc::new(exact::averages()),
            Arc::new(doubles::Doubles),
            Arc::new(TypeCoercion::new()),
            Arc::new(postgres::Casts),
            Arc::new(zone::InZone),
            Arc::new(zeros::Zeros),
            Arc::new(exact::Exact),
            Arc::new(joined::Joins),
            Arc::new(window::Windows(Arc::clone(&environment.memory_pool))),
        ])
        .build();
    bounded::hold(&mut state)?;
    coalesced::install(&mut state)?;
    exact::install(&mut state)?;
    postgres::install(&mut state)?;
    gather::install(&mut state, &environment.memory_pool)?;
    state.register_udf(Arc::new(ScalarUDF::from(zone::TimeZone::default())))?;
    Ok(state)
}
