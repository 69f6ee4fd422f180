//! Files without deletes, read by DataFusion's own Parquet source.

use std::cmp::Reverse;
use std::sync::Arc;

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
use iceberg::spec::DataFileFormat;
use object_store::ObjectStore;

use super::columns::FieldIdAdapterFactory;
use super::files::DataFileEntry;
use super::{IcebergTable, QueryError, QueryErrorKind, statistics};

/// A file, where it lies, and what is known of it.
struct Located {
    file: PartitionedFile,
    statistics: Arc<Statistics>,
    rows: u64,
}

/// The files of one object store.
struct OneStore {
    url: ObjectStoreUrl,
    store: Arc<dyn ObjectStore>,
    files: Vec<Located>,
}

pub(super) fn scan(
    table: &IcebergTable,
    state: &dyn Session,
    projection: Option<&Vec<usize>>,
    filters: &[Expr],
    limit: Option<usize>,
    files: Vec<DataFileEntry>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let files = enough_for(limit, files);
    let mut plans = Vec::new();
    for one in by_store(table, files)? {
        plans.push(scan_store(table, state, projection, filters, limit, one)?);
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
fn by_store(table: &IcebergTable, files: Vec<DataFileEntry>) -> Result<Vec<OneStore>> {
    let mut stores: Vec<OneStore> = Vec::new();
    for entry in files {
        let file = entry.file();
        if file.file_format() != DataFileFormat::Parquet {
            return Err(QueryError::new(
                QueryErrorKind::FeatureNotSupported,
                format!(
                    "the data file {} of table {} is no Parquet file",
                    file.file_path(),
                    table.table.name()
                ),
            )
            .into());
        }
        let (store, base, path) = table
            .table
            .store()
            .resolve(file.file_path())
            .map_err(QueryError::from)?;
        let url = ObjectStoreUrl::parse(base.as_str())?;
        let statistics = Arc::new(statistics::of_file(
            file,
            &table.schema,
            &table.iceberg_schema,
        ));
        let mut part = PartitionedFile::new("", file.file_size_in_bytes());
        part.object_meta.location = path;
        let located = Located {
            file: part.with_statistics(Arc::clone(&statistics)),
            statistics,
            rows: file.record_count(),
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

fn scan_store(
    table: &IcebergTable,
    state: &dyn Session,
    projection: Option<&Vec<usize>>,
    filters: &[Expr],
    limit: Option<usize>,
    one: OneStore,
) -> Result<Arc<dyn ExecutionPlan>> {
    let environment = state.runtime_env();
    environment.register_object_store(one.url.as_ref(), Arc::clone(&one.store));
    let footers = environment.cache_manager.get_file_metadata_cache();
    let mut options = state.table_options().parquet.clone();
    options.global = state.config_options().execution.parquet.clone();
    let source = ParquetSource::new(TableSchema::from_file_schema(Arc::clone(&table.schema)))
        .with_table_parquet_options(options)
        .with_parquet_file_reader_factory(Arc::new(CachedParquetFileReaderFactory::new(
            one.store, footers,
        )));
    let statistics = merged(table, &one.files, filters.is_empty())?;
    let groups = balanced(one.files, state.config().target_partitions());
    let config = FileScanConfigBuilder::new(one.url, Arc::new(source))
        .with_file_groups(groups)
        .with_projection_indices(projection.cloned())?
        .with_limit(limit)
        .with_statistics(statistics)
        .with_expr_adapter(Some(Arc::new(FieldIdAdapterFactory::new(&table.table))))
        .build();
    Ok(DataSourceExec::from_data_source(config))
}

/// Statistics of all files together. With filters they are no longer those of what comes out.
fn merged(table: &IcebergTable, files: &[Located], exact: bool) -> Result<Statistics> {
    let rows: u64 = files.iter().map(|file| file.rows).sum();
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
