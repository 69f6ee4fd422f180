//! Position deletes: rows that are gone by their numbers in a data file.

use std::collections::{HashMap, HashSet};

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use iceberg::metadata_columns::{
    RESERVED_FIELD_ID_DELETE_FILE_PATH as PATH, RESERVED_FIELD_ID_DELETE_FILE_POS as POSITION,
};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection};
use parquet::file::metadata::ParquetMetaData;

use crate::query::scan::schema::field_id;

/// Row numbers by data file, in the spelling of the delete file, in no order.
pub(super) type Positions = HashMap<String, Vec<u64>>;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a delete file says of these data files.
pub(super) fn read(bytes: Bytes, about: &HashSet<&str>) -> Result<Positions, Failure> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    // A third column may hold the rows themselves.
    let place = |id, name| {
        let fields = builder.schema().fields();
        let by_id = fields.iter().position(|field| field_id(field) == Some(id));
        let by_name = || fields.iter().position(|field| field.name() == name);
        by_id
            .or_else(by_name)
            .ok_or(format!("it has no column {name}"))
    };
    let (path, position) = (place(PATH, "file_path")?, place(POSITION, "pos")?);
    let mask = ProjectionMask::roots(builder.parquet_schema(), [path, position]);
    let (path, position) = if path < position { (0, 1) } else { (1, 0) };
    let mut found = Positions::new();
    for batch in builder.with_projection(mask).build()? {
        add(&batch?, path, position, about, &mut found)?;
    }
    Ok(found)
}

fn add(
    batch: &RecordBatch,
    path: usize,
    position: usize,
    about: &HashSet<&str>,
    found: &mut Positions,
) -> Result<(), Failure> {
    let paths = cast(batch.column(path), &DataType::Utf8)?;
    let positions = cast(batch.column(position), &DataType::Int64)?;
    if paths.null_count() > 0 || positions.null_count() > 0 {
        return Err("it has a null for a file or a position".into());
    }
    let (paths, positions) = (
        paths.as_string::<i32>(),
        positions.as_primitive::<Int64Type>(),
    );
    for (path, position) in paths.iter().flatten().zip(positions.values()) {
        if about.contains(path) {
            let position =
                u64::try_from(*position).map_err(|_| format!("it has the position {position}"))?;
            match found.get_mut(path) {
                Some(known) => known.push(position),
                None => {
                    found.insert(path.to_owned(), vec![position]);
                }
            }
        }
    }
    Ok(())
}

/// Reads all rows of a file but these; row numbers behind the file's end name nothing.
pub(super) fn all_but(mut gone: Vec<u64>, footer: &ParquetMetaData) -> ParquetAccessPlan {
    gone.sort_unstable();
    gone.dedup();
    let mut first = 0;
    let groups = footer.row_groups().iter().map(|group| {
        let rows = u64::try_from(group.num_rows()).unwrap_or(0);
        let here = gone.partition_point(|row| *row < first)
            ..gone.partition_point(|row| *row < first + rows);
        let access = access(&gone[here], first, rows);
        first += rows;
        access
    });
    ParquetAccessPlan::new(groups.collect())
}

fn access(gone: &[u64], first: u64, rows: u64) -> RowGroupAccess {
    if gone.is_empty() {
        return RowGroupAccess::Scan;
    }
    if gone.len() as u64 == rows {
        return RowGroupAccess::Skip;
    }
    let within = |row: u64| usize::try_from(row - first).expect("a row group fits into memory");
    let mut kept = Vec::new();
    let mut from = first;
    for row in gone {
        if from < *row {
            kept.push(within(from)..within(*row));
        }
        from = row + 1;
    }
    if from < first + rows {
        kept.push(within(from)..within(first + rows));
    }
    let rows = within(first + rows);
    RowGroupAccess::Selection(RowSelection::from_consecutive_ranges(
        kept.into_iter(),
        rows,
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    use super::*;

    /// Eight rows in row groups of three.
    fn eight_rows() -> Bytes {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..8));
        let batch = RecordBatch::try_from_iter([("n", column)]).expect("fits");
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(3));
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build()))
            .expect("opens");
        writer.write(&batch).expect("writes");
        writer.close().expect("closes");
        bytes.into()
    }

    #[test]
    fn all_rows_but_those_that_are_gone_are_read() {
        let file = eight_rows();
        for mask in 0_u64..256 {
            // In no order, twice, and one behind the end.
            let mut gone: Vec<u64> = (0..8).rev().filter(|row| mask & (1 << row) != 0).collect();
            gone.extend(gone.clone());
            gone.push(8);
            let builder = ParquetRecordBatchReaderBuilder::try_new(file.clone()).expect("opens");
            let footer = builder.metadata().clone();
            let plan = all_but(gone, &footer);
            let groups = plan.row_group_indexes();
            let selection = plan
                .into_overall_row_selection(footer.row_groups())
                .expect("fits");
            let mut builder = builder.with_row_groups(groups);
            if let Some(selection) = selection {
                builder = builder.with_row_selection(selection);
            }
            let mut read = Vec::new();
            for batch in builder.build().expect("builds") {
                let batch = batch.expect("reads");
                read.extend(
                    batch
                        .column(0)
                        .as_primitive::<Int64Type>()
                        .values()
                        .iter()
                        .copied(),
                );
            }
            let kept: Vec<i64> = (0..8).filter(|row| mask & (1 << row) == 0).collect();
            assert_eq!(read, kept, "{mask:b}");
        }
    }
}
