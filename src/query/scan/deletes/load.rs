//! Reads the delete files of a scan, each once. What they hold counts against the query's memory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use futures::{StreamExt, TryStreamExt};
use iceberg::spec::{DataContentType, DataFileFormat};

use super::equality::{DeletedKeys, EVERYWHERE, Reach};
use super::positions::{self, Positions};
use super::shape::Shape;
use super::{Files, IcebergTable, QueryError, QueryErrorKind, READS_AT_ONCE};
use crate::lake::store::Store;
use crate::query::scan::columns::FieldIdAdapterFactory;
use crate::query::scan::files::{DataFileEntry, PartitionKey};
use crate::query::scan::parquet::no_parquet;

/// Of a partition that no equality delete is about alone.
const NOWHERE: i32 = -2;

/// What is gone.
#[derive(Debug, Default)]
pub(super) struct Deletes {
    /// By delete file.
    positions: HashMap<String, Positions>,
    pub(super) equality: Arc<Vec<DeletedKeys>>,
    /// Numbers of the partitions that equality deletes are about.
    scopes: HashMap<PartitionKey, i32>,
}

impl Deletes {
    pub(super) async fn load(
        table: &IcebergTable,
        files: &Files,
        shape: &mut Shape<'_>,
        memory: &MemoryReservation,
    ) -> Result<Self> {
        let mut once = BTreeMap::new();
        for delete in files.iter().flat_map(|(_, deletes)| deletes) {
            if delete.file().file_format() != DataFileFormat::Parquet {
                return Err(no_parquet(table, "delete", delete.file()).into());
            }
            once.insert(delete.file().file_path(), delete);
        }
        let data = files.iter().map(|(data, _)| data.file().file_path());
        let about: HashSet<&str> = data.collect();
        let names = FieldIdAdapterFactory::new(&table.table);
        let mut found = Self::default();
        let mut equality: BTreeMap<Vec<i32>, DeletedKeys> = BTreeMap::new();

        let reads: Vec<_> = once
            .into_values()
            .map(|delete| fetch(table.table.store(), delete))
            .collect();
        let mut reads = futures::stream::iter(reads).buffered(READS_AT_ONCE);
        while let Some((delete, bytes)) = reads.try_next().await? {
            let file_bytes = bytes.len();
            memory.try_grow(file_bytes)?;
            let taken = if delete.file().content_type() == DataContentType::EqualityDeletes {
                let keys = keys_of(delete, shape, &mut equality)?;
                let reach = found.reach(table, delete);
                keys.add(bytes, reach, &names)
            } else {
                positions::read(bytes, &about).map(|positions| found.keep(delete, positions))
            };
            memory.shrink(file_bytes);
            memory.try_grow(taken.map_err(|error| unreadable(delete, error.as_ref()))?)?;
        }
        found.equality = Arc::new(equality.into_values().collect());
        Ok(found)
    }

    fn keep(&mut self, delete: &DataFileEntry, positions: Positions) -> usize {
        let rows: usize = positions.values().map(Vec::len).sum();
        let path = delete.file().file_path().to_owned();
        self.positions.insert(path, positions);
        // As a number here, and as a range of rows to read in the plan.
        rows * (size_of::<u64>() + 4 * size_of::<usize>())
    }

    fn reach(&mut self, table: &IcebergTable, delete: &DataFileEntry) -> Reach {
        let scope = if delete.is_global(table.table.metadata()) {
            EVERYWHERE
        } else {
            let next = i32::try_from(self.scopes.len()).expect("delete files are fewer");
            *self.scopes.entry(delete.partition_key()).or_insert(next)
        };
        Reach {
            sequence_number: delete.entry.sequence_number().unwrap_or(i64::MAX),
            scope,
        }
    }

    /// The number of the partition that a data file is of.
    pub(super) fn scope_of(&self, data: &DataFileEntry) -> i32 {
        let scope = self.scopes.get(&data.partition_key());
        scope.copied().unwrap_or(NOWHERE)
    }

    /// The rows of a data file that these delete files name.
    pub(super) fn positions_of(&self, path: &str, applying: &[DataFileEntry]) -> Vec<u64> {
        let of = |delete: &DataFileEntry| self.positions.get(delete.file().file_path())?.get(path);
        applying.iter().filter_map(of).flatten().copied().collect()
    }
}

async fn fetch<'a>(store: &Store, delete: &'a DataFileEntry) -> Result<(&'a DataFileEntry, Bytes)> {
    let read = store.read(delete.file().file_path()).await;
    Ok((delete, read.map_err(QueryError::from)?))
}

/// The keys that are deleted by the columns of this file.
fn keys_of<'a>(
    delete: &DataFileEntry,
    shape: &mut Shape<'_>,
    equality: &'a mut BTreeMap<Vec<i32>, DeletedKeys>,
) -> Result<&'a mut DeletedKeys> {
    let mut ids = delete.file().equality_ids().unwrap_or_default();
    ids.sort_unstable();
    if ids.is_empty() {
        return Err(unreadable(delete, "it names no columns").into());
    }
    if !equality.contains_key(&ids) {
        let columns: Result<Vec<_>> = ids.iter().map(|id| shape.key(*id)).collect();
        equality.insert(ids.clone(), DeletedKeys::new(columns?)?);
    }
    Ok(equality.get_mut(&ids).expect("it was just put there"))
}

fn unreadable(delete: &DataFileEntry, error: impl std::fmt::Display) -> QueryError {
    let path = delete.file().file_path();
    QueryError::new(
        QueryErrorKind::Corrupt,
        format!("the delete file {path} can't be read: {error}"),
    )
}
