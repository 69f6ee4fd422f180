//! Data files, read by DataFusion's own Parquet source.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::{Result, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use iceberg::spec::{DataFile, DataFileFormat, PrimitiveType, Schema as IcebergSchema, Type};
use object_store::ObjectStore;

use super::columns::FieldIdAdapterFactory;
use super::files::DataFileEntry;
use super::predicate::Predicate;
use super::{IcebergTable, QueryError, QueryErrorKind, selectivity, statistics};

/// A file, where it lies, and what is known of it.
pub(super) struct Located {
    pub(super) file: PartitionedFile,
    pub(super) entry: DataFileEntry,
    statistics: Arc<Statistics>,
}

/// The files of one object store.
pub(super) struct OneStore {
    url: ObjectStoreUrl,
    store: Arc<dyn ObjectStore>,
    pub(super) files: Vec<Located>,
}

/// What is read of files.
pub(super) struct Wanted<'a> {
    /// The files' columns, as the table has them now; then those that each file has one value of.
    pub(super) schema: TableSchema,
    pub(super) projection: Option<&'a Vec<usize>>,
    pub(super) limit: Option<usize>,
    /// Filters' columns are decoded before the others, and of those only what the filters keep.
    pub(super) filters_first: bool,
    /// Of all the files together.
    pub(super) statistics: Statistics,
}

/// A query's filters, and what is understood of them.
pub(super) struct Filters<'a> {
    pub(super) given: &'a [Expr],
    pub(super) understood: &'a Predicate,
}

/// Filters that keep less than this part of the rows are applied while decoding: a guess on the safe
/// side, as skipping rows here and there costs more than decoding them (benchmarks/RESULTS.md,
/// "Filters first", has what other bounds did).
const FIRST_BELOW: f64 = 0.05;

pub(super) fn scan(
    table: &IcebergTable,
    state: &dyn Session,
    projection: Option<&Vec<usize>>,
    filters: Filters<'_>,
    limit: Option<usize>,
    files: Vec<DataFileEntry>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let files = enough_for(limit, files);
    let first = applied_first(filters.understood, &files, &table.iceberg_schema);
    let mut plans = Vec::new();
    for one in by_store(table, &table.schema, files, statistics::of_file)? {
        let wanted = Wanted {
            schema: TableSchema::from_file_schema(Arc::clone(&table.schema)),
            projection,
            limit,
            filters_first: first,
            statistics: merged(table, &one.files, filters.given.is_empty())?,
        };
        plans.push(source(table, state, wanted, one)?);
    }
    match plans.len() {
        0 => {
            let schema = match projection {
                Some(indices) => Arc::new(table.schema.project(indices)?),
                None => Arc::clone(&table.schema),
            };
            Ok(Arc::new(EmptyExec::new(schema)))
        }
        1 => Ok(plans.remove(0)),
        _ => UnionExec::try_new(plans),
    }
}

/// Whether filters are applied while decoding, with no other filter behind. Only where all of them
/// are understood: DataFusion leaves out a filter that the decoder can't apply without a word, and
/// an error raised inside of the decoder would lose its SQLSTATE.
fn applied_first(filters: &Predicate, files: &[DataFileEntry], schema: &IcebergSchema) -> bool {
    filters.is_whole() && selectivity::kept(filters, files, schema) < FIRST_BELOW
}

/// With a limit, only as many files as have that many rows.
fn enough_for(limit: Option<usize>, mut files: Vec<DataFileEntry>) -> Vec<DataFileEntry> {
    let Some(limit) = limit else { return files };
    let wanted = limit as u64;
    let mut rows = 0;
    let mut needed = 0;
    for file in &files {
        if rows >= wanted {
            break;
        }
        rows += file.file().record_count();
        needed += 1;
    }
    files.truncate(needed);
    files
}

/// A table's files may lie in several buckets (another engine's, or a table that was moved).
pub(super) fn by_store(
    table: &IcebergTable,
    schema: &SchemaRef,
    files: Vec<DataFileEntry>,
    known: impl Fn(&DataFile, &Schema, &IcebergSchema) -> Statistics,
) -> Result<Vec<OneStore>> {
    let metadata = table.table.metadata();
    let mut stores: Vec<OneStore> = Vec::new();
    for entry in files {
        let file = entry.file();
        if file.file_format() != DataFileFormat::Parquet {
            return Err(no_parquet(table, "data", file).into());
        }
        let (store, base, path) = table
            .table
            .store()
            .resolve(file.file_path())
            .map_err(QueryError::from)?;
        let url = ObjectStoreUrl::parse(base.as_str())?;
        let statistics = known(file, schema, &table.iceberg_schema);
        let mut constant = statistics.clone();
        if let Some(spec) = metadata.partition_spec_by_id(entry.partition_spec_id) {
            let iceberg = &table.iceberg_schema;
            statistics::add_partition_values(&mut constant, file, spec, schema, iceberg);
        }
        let mut part = PartitionedFile::new("", file.file_size_in_bytes());
        part.object_meta.location = path;
        let located = Located {
            file: part.with_statistics(Arc::new(constant)),
            statistics: Arc::new(statistics),
            entry,
        };
        match stores.iter_mut().find(|one| one.url == url) {
            Some(one) => one.files.push(located),
            None => stores.push(OneStore {
                url,
                store,
                files: vec![located],
            }),
        }
    }
    Ok(stores)
}

/// Refuses a file of a format that is not read.
pub(super) fn no_parquet(table: &IcebergTable, what: &str, file: &DataFile) -> QueryError {
    QueryError::new(
        QueryErrorKind::FeatureNotSupported,
        format!(
            "the {what} file {} of table {} is no Parquet file: its format is {}",
            file.file_path(),
            table.table.name(),
            file.file_format()
        ),
    )
    .with_hint("Another engine can write the table's files anew as Parquet.")
}

impl OneStore {
    /// Opens files, with footers that are read once.
    pub(super) fn reader(&self, state: &dyn Session) -> CachedParquetFileReaderFactory {
        let environment = state.runtime_env();
        environment.register_object_store(self.url.as_ref(), Arc::clone(&self.store));
        let footers = environment.cache_manager.get_file_metadata_cache();
        CachedParquetFileReaderFactory::new(Arc::clone(&self.store), footers)
    }
}

pub(super) fn source(
    table: &IcebergTable,
    state: &dyn Session,
    wanted: Wanted<'_>,
    one: OneStore,
) -> Result<Arc<dyn ExecutionPlan>> {
    let mut options = state.table_options().parquet.clone();
    options.global = state.config_options().execution.parquet.clone();
    // Times of Spark's own files: in nanoseconds they would not reach the years that microseconds do.
    options.global.coerce_int96 = Some("us".to_owned());
    let source = ParquetSource::new(wanted.schema)
        .with_table_parquet_options(options)
        .with_pushdown_filters(wanted.filters_first)
        .with_parquet_file_reader_factory(Arc::new(one.reader(state)));
    let columns = FieldIdAdapterFactory::new(&table.table).unbounded(with_nan(table, &one.files));
    let groups = balanced(one.files, state.config().target_partitions());
    let config = FileScanConfigBuilder::new(one.url, Arc::new(source))
        .with_file_groups(groups)
        .with_projection_indices(wanted.projection.cloned())?
        .with_limit(wanted.limit)
        .with_statistics(wanted.statistics)
        .with_expr_adapter(Some(Arc::new(columns)))
        .build();
    Ok(DataSourceExec::from_data_source(config))
}

/// Columns of floats that hold NaN in one of these files, or may.
fn with_nan(table: &IcebergTable, files: &[Located]) -> HashSet<i32> {
    let fields = table.iceberg_schema.as_struct().fields().iter();
    let floats = fields.filter(|field| {
        matches!(
            field.field_type.as_ref(),
            Type::Primitive(PrimitiveType::Float | PrimitiveType::Double)
        )
    });
    let may = |id: &i32| {
        files.iter().any(|located| {
            let file = located.entry.file();
            let lacks = !file.value_counts().is_empty() && !file.value_counts().contains_key(id);
            !lacks && file.nan_value_counts().get(id) != Some(&0)
        })
    };
    floats.map(|field| field.id).filter(may).collect()
}

/// Statistics of all files together. With filters they are no longer those of what comes out.
fn merged(table: &IcebergTable, files: &[Located], exact: bool) -> Result<Statistics> {
    let rows: u64 = files
        .iter()
        .map(|one| one.entry.file().record_count())
        .sum();
    let mut all = Statistics::try_merge_iter(
        files.iter().map(|file| file.statistics.as_ref()),
        &table.schema,
    )?;
    all.num_rows = Precision::Exact(usize::try_from(rows).unwrap_or(usize::MAX));
    Ok(if exact { all } else { all.to_inexact() })
}

/// Spreads files over as many groups as the query has threads, the largest first, each to the
/// group that has least.
fn balanced(mut files: Vec<Located>, partitions: usize) -> Vec<FileGroup> {
    files.sort_by_key(|located| Reverse(located.file.object_meta.size));
    let count = partitions.max(1).min(files.len().max(1));
    let mut groups: Vec<(u64, Vec<PartitionedFile>)> = vec![(0, Vec::new()); count];
    for located in files {
        let lightest = groups
            .iter_mut()
            .min_by_key(|(bytes, _)| *bytes)
            .expect("there is at least one group");
        lightest.0 += located.file.object_meta.size.max(1);
        lightest.1.push(located.file);
    }
    groups
        .into_iter()
        .map(|(_, files)| FileGroup::new(files))
        .collect()
}
