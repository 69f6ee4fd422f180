//! Files with delete files, of writers that merge on read: read like all others, without the rows
//! that are gone. Position deletes become the rows that a file's reader takes, equality deletes a
//! filter over what was read.

mod equality;
mod load;
mod plan;
mod positions;
mod shape;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::catalog::Session;
use datafusion::common::{Result, ScalarValue, Statistics};
use datafusion::datasource::physical_plan::parquet::ParquetFileReaderFactory;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::union::UnionExec;
use futures::{StreamExt, TryStreamExt};
use iceberg::spec::{DataFile, Schema as IcebergSchema};

use self::load::Deletes;
use self::plan::DeleteScan;
use self::shape::Shape;
use super::files::DataFileEntry;
use super::parquet::{self, Located, OneStore, Wanted};
use super::{IcebergTable, QueryError, QueryErrorKind};

/// What went wrong in a file, to which its name is added.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Delete files, and footers of data files, read at a time.
const READS_AT_ONCE: usize = 8;
/// Columns that only the filter of equality deletes sees; a zero is in nobody's name of a column.
const HIDDEN: [(&str, DataType); 2] = [
    ("\0sequence number", DataType::Int64),
    ("\0partition", DataType::Int32),
];

/// Data files with the delete files that apply to them.
type Files = Vec<(DataFileEntry, Vec<DataFileEntry>)>;

pub(super) async fn scan(
    table: &IcebergTable,
    state: &dyn Session,
    projection: Option<&Vec<usize>>,
    files: Files,
) -> Result<Arc<dyn ExecutionPlan>> {
    let memory = MemoryConsumer::new("delete files").register(&state.runtime_env().memory_pool);
    let mut shape = Shape::new(table, projection);
    let asked = shape.projection().len();
    let deletes = Deletes::load(table, &files, &mut shape, &memory).await?;

    let hidden: Vec<FieldRef> = HIDDEN
        .into_iter()
        .filter(|_| !deletes.equality.is_empty())
        .map(|(name, kind)| Arc::new(Field::new(name, kind, false)))
        .collect();
    let file_schema = shape.schema();
    let mut projection = shape.projection().to_vec();
    projection.extend((0..hidden.len()).map(|number| file_schema.fields().len() + number));
    let schema = TableSchema::new(Arc::clone(&file_schema), hidden);

    let data = files.iter().map(|(data, _)| data.clone()).collect();
    let by_path: HashMap<&str, &Vec<DataFileEntry>> = files
        .iter()
        .map(|(data, deletes)| (data.file().file_path(), deletes))
        .collect();
    let (memory, mut plans) = (Arc::new(memory), Vec::new());
    let unknown =
        |_: &DataFile, schema: &Schema, _: &IcebergSchema| Statistics::new_unknown(schema);
    for mut one in parquet::by_store(table, &file_schema, data, unknown)? {
        mark(state, &deletes, &by_path, &mut one).await?;
        let wanted = Wanted {
            projection: Some(&projection),
            limit: None,
            // Rows are counted by their place in the file.
            filters_first: false,
            statistics: Statistics::new_unknown(schema.table_schema()),
            schema: schema.clone(),
        };
        let input = parquet::source(table, state, wanted, one)?;
        let (keys, memory) = (Arc::clone(&deletes.equality), Arc::clone(&memory));
        plans.push(Arc::new(DeleteScan::new(input, asked, keys, memory)) as _);
    }
    match plans.len() {
        1 => Ok(plans.remove(0)),
        _ => UnionExec::try_new(plans),
    }
}

/// Says of each file which of its rows to read, and what its equality deletes need to know.
async fn mark(
    state: &dyn Session,
    deletes: &Deletes,
    by_path: &HashMap<&str, &Vec<DataFileEntry>>,
    one: &mut OneStore,
) -> Result<()> {
    let reader = one.reader(state);
    let unread = std::mem::take(&mut one.files);
    let marked: Vec<_> = unread
        .into_iter()
        .map(|mut located| {
            let path = located.entry.file().file_path();
            let applying = by_path
                .get(path)
                .map_or(&[][..], |deletes| deletes.as_slice());
            let gone = deletes.positions_of(path, applying);
            if !deletes.equality.is_empty() {
                let number = located.entry.entry.sequence_number().unwrap_or(0);
                located.file.partition_values = vec![
                    ScalarValue::Int64(Some(number)),
                    ScalarValue::Int32(Some(deletes.scope_of(&located.entry))),
                ];
            }
            without_positions(&reader, located, gone)
        })
        .collect();
    let marked = futures::stream::iter(marked).buffered(READS_AT_ONCE);
    one.files = marked.try_collect().await?;
    Ok(())
}

async fn without_positions(
    reader: &impl ParquetFileReaderFactory,
    mut located: Located,
    gone: Vec<u64>,
) -> Result<Located> {
    if !gone.is_empty() {
        let metrics = ExecutionPlanMetricsSet::new();
        let mut opened = reader.create_reader(0, located.file.clone(), None, &metrics)?;
        let footer = opened.get_metadata(None).await?;
        located.file = located
            .file
            .with_extension(positions::all_but(gone, &footer));
    }
    Ok(located)
}
