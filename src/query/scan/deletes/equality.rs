//! Equality deletes: rows that are gone by their values in some columns.
//! Null equals null. A delete is about rows that were written before it, in its own partition or,
//! where its spec doesn't partition, in all.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, make_array};
use arrow::buffer::NullBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Fields, Int32Type, Int64Type};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use bytes::Bytes;
use datafusion::common::{DataFusionError, Result, internal_err};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::Failure;
use crate::query::scan::columns::FieldIdAdapterFactory;
use crate::query::scan::schema::field_id;
use crate::query::scan::structs::Conversion;

/// The partitions that equality deletes are about, by number; this one stands for all.
pub(super) const EVERYWHERE: i32 = -1;
/// Memory of a key beside its bytes, about.
const KEY_BYTES: usize = 64;

/// A column that a delete compares, as the table has it.
#[derive(Clone, Debug)]
pub(super) struct KeyColumn {
    /// The column that it is, or the struct that it lies in.
    pub(super) root: Field,
    /// Where the root stands among the scan's columns.
    pub(super) place: usize,
    /// Ids of the fields below the root.
    pub(super) path: Vec<i32>,
}

/// A delete file's sequence number, and the partition that it is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) sequence_number: i64,
    pub(super) scope: i32,
}

/// Keys that are deleted, of one set of columns.
#[derive(Debug)]
pub(super) struct DeletedKeys {
    columns: Vec<KeyColumn>,
    converter: RowConverter,
    /// By partition and key: the newest delete of it.
    newest: HashMap<i32, HashMap<Box<[u8]>, i64>>,
}

impl DeletedKeys {
    pub(super) fn new(columns: Vec<KeyColumn>) -> Result<Self> {
        let kinds = columns.iter().map(|column| {
            let kind = leaf_type(column.root.data_type(), &column.path)?;
            Ok(SortField::new(kind.clone()))
        });
        Ok(Self {
            converter: RowConverter::new(kinds.collect::<Result<Vec<_>>>()?)?,
            columns,
            newest: HashMap::new(),
        })
    }

    /// Takes the keys of a delete file; gives the memory that they take.
    pub(super) fn add(
        &mut self,
        bytes: Bytes,
        reach: Reach,
        names: &FieldIdAdapterFactory,
    ) -> Result<usize, Failure> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
        let finder = names.finder(builder.schema());
        let fields = builder.schema().fields();
        let mut places = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let name = column.root.name();
            let place = finder.find(&column.root, fields);
            places.push(place.ok_or(format!("it has no column {name}, by which it deletes"))?);
        }
        // Others may hold the whole rows that were deleted.
        let mask = ProjectionMask::roots(builder.parquet_schema(), places.iter().copied());
        let mut kept = places.clone();
        kept.sort_unstable();
        kept.dedup();
        let mut taken = 0;
        for batch in builder.with_projection(mask).build()? {
            let batch = batch?;
            let mut keys = Vec::with_capacity(places.len());
            for (column, place) in self.columns.iter().zip(&places) {
                let at = kept.binary_search(place).expect("all places are kept");
                let (found, wanted) = (batch.column(at), column.root.data_type());
                let conversion = Conversion::between(found.data_type(), wanted, &finder)?;
                keys.push(leaf(&conversion.apply(found)?, &column.path)?);
            }
            taken += self.put(&keys, reach)?;
        }
        Ok(taken)
    }

    fn put(&mut self, keys: &[ArrayRef], reach: Reach) -> Result<usize> {
        let rows = self.converter.convert_columns(keys)?;
        let newest = self.newest.entry(reach.scope).or_default();
        let mut taken = 0;
        for row in &rows {
            let number = match newest.get_mut(row.as_ref()) {
                Some(number) => number,
                None => {
                    taken += row.as_ref().len() + KEY_BYTES;
                    newest.entry(row.as_ref().into()).or_insert(i64::MIN)
                }
            };
            *number = reach.sequence_number.max(*number);
        }
        Ok(taken)
    }

    /// Which rows stay: those of a file that is as new as the delete, or newer.
    fn stay(&self, batch: &RecordBatch, numbers: &[i64], scopes: &[i32]) -> Result<BooleanArray> {
        let keys = self
            .columns
            .iter()
            .map(|column| leaf(batch.column(column.place), &column.path))
            .collect::<Result<Vec<_>>>()?;
        let rows = self.converter.convert_columns(&keys)?;
        let deleted = |scope: i32, key: &[u8], written: i64| {
            let newest = self.newest.get(&scope).and_then(|keys| keys.get(key));
            newest.is_some_and(|deleted| *deleted > written)
        };
        let stays = rows.iter().zip(numbers.iter().zip(scopes));
        Ok(stays
            .map(|(row, (written, scope))| {
                let gone = deleted(EVERYWHERE, row.as_ref(), *written)
                    || deleted(*scope, row.as_ref(), *written);
                Some(!gone)
            })
            .collect())
    }
}

/// The rows that no delete is about. The last two columns are the sequence number of the row's
/// file and the number of its partition.
pub(super) fn without(deleted: &[DeletedKeys], batch: RecordBatch) -> Result<RecordBatch> {
    let mut batch = batch;
    for keys in deleted {
        let columns = batch.num_columns();
        if columns < 2 {
            return internal_err!(
                "a file's sequence number and partition stand behind its columns"
            );
        }
        let numbers = batch.column(columns - 2).as_primitive::<Int64Type>();
        let scopes = batch.column(columns - 1).as_primitive::<Int32Type>();
        let stay = keys.stay(&batch, numbers.values(), scopes.values())?;
        batch = filter_record_batch(&batch, &stay)?;
    }
    Ok(batch)
}

fn child(fields: &Fields, id: i32) -> Result<(usize, &Field)> {
    let place = fields.iter().position(|field| field_id(field) == Some(id));
    match place {
        Some(place) => Ok((place, &fields[place])),
        None => internal_err!("a path of field ids was made from this very schema"),
    }
}

fn leaf_type<'a>(kind: &'a DataType, path: &[i32]) -> Result<&'a DataType> {
    match (path.split_first(), kind) {
        (None, kind) => Ok(kind),
        (Some((id, rest)), DataType::Struct(fields)) => {
            leaf_type(child(fields, *id)?.1.data_type(), rest)
        }
        _ => internal_err!("a path of field ids leads through structs only"),
    }
}

/// The values at the end of a path; what lies in a struct that is null is null.
fn leaf(array: &ArrayRef, path: &[i32]) -> Result<ArrayRef> {
    let Some((id, rest)) = path.split_first() else {
        return Ok(array.clone());
    };
    let Some(structs) = array.as_struct_opt() else {
        return internal_err!("a path of field ids leads through structs only");
    };
    let inner = structs.column(child(structs.fields(), *id)?.0);
    let nulls = NullBuffer::union(structs.nulls(), inner.nulls());
    let data = inner.to_data().into_builder().nulls(nulls).build();
    leaf(&make_array(data.map_err(DataFusionError::from)?), rest)
}
