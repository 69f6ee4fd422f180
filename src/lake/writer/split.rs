//! Rows by partition.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use arrow::compute::take_record_batch;
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use iceberg::arrow::{PartitionValueCalculator, arrow_struct_to_literal};
use iceberg::spec::{Literal, PartitionSpecRef, Struct, TableMetadata, Type};
use uuid::Uuid;

use crate::lake::partition::value_text;
use crate::lake::{Error, ErrorKind, Result};

const DATA_PATH: &str = "write.data.path";
/// Of a partition's value in a file's path, which is for people only.
const MAX_VALUE_CHARS: usize = 64;

/// Rows of one partition.
pub(super) struct Piece {
    pub key: Vec<u8>,
    pub partition: Struct,
    pub rows: RecordBatch,
}

pub(super) struct Splitter {
    spec: PartitionSpecRef,
    partition: Option<PartitionValueCalculator>,
}

fn failed(what: &str, error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Invalid, format!("{what}: {error}"))
}

impl Splitter {
    pub fn new(metadata: &TableMetadata) -> Result<Self> {
        let spec = metadata.default_partition_spec().clone();
        let schema = metadata.current_schema();
        let partition = if spec.is_unpartitioned() {
            None
        } else {
            let made = PartitionValueCalculator::try_new(&spec, schema);
            Some(made.map_err(|error| failed("the table's partitioning", error))?)
        };
        Ok(Self { spec, partition })
    }

    /// The batch by partition, in the order of the partitions' values.
    pub fn split(&self, batch: &RecordBatch) -> Result<Vec<Piece>> {
        let Some(calculator) = &self.partition else {
            return Ok(vec![Piece {
                key: Vec::new(),
                partition: Struct::empty(),
                rows: batch.clone(),
            }]);
        };
        let told = |error: &dyn std::fmt::Display| failed("partitioning rows", error);
        let values = calculator.calculate(batch).map_err(|error| told(&error))?;
        let columns = values.as_struct().columns().to_vec();
        let fields = columns
            .iter()
            .map(|column| SortField::new(column.data_type().clone()))
            .collect();
        let keys = RowConverter::new(fields)
            .and_then(|converter| converter.convert_columns(&columns))
            .map_err(|error| told(&error))?;
        let mut groups: BTreeMap<&[u8], Vec<u64>> = BTreeMap::new();
        for (index, key) in keys.iter().enumerate() {
            groups.entry(key.data()).or_default().push(index as u64);
        }
        let mut pieces = Vec::with_capacity(groups.len());
        for (key, rows) in groups {
            let first = values.slice(rows[0] as usize, 1);
            let partition = self.literal(calculator, &first)?;
            let taken = if rows.len() == batch.num_rows() {
                batch.clone()
            } else {
                take_record_batch(batch, &UInt64Array::from(rows)).map_err(|error| told(&error))?
            };
            pieces.push(Piece {
                key: key.to_owned(),
                partition,
                rows: taken,
            });
        }
        Ok(pieces)
    }

    fn literal(&self, calculator: &PartitionValueCalculator, value: &ArrayRef) -> Result<Struct> {
        let literals = arrow_struct_to_literal(value, calculator.partition_type())
            .map_err(|error| failed("partitioning rows", error))?;
        match literals.into_iter().next().flatten() {
            Some(Literal::Struct(value)) => Ok(value),
            _ => Err(failed(
                "partitioning rows",
                "a partition value is no struct",
            )),
        }
    }

    /// Where a new file of this partition goes. The directories are for people: Iceberg reads
    /// partitions from metadata, so characters that readers decode differently are replaced.
    pub fn location(&self, metadata: &TableMetadata, partition: &Struct, id: Uuid) -> String {
        let mut location = match metadata.properties().get(DATA_PATH) {
            Some(path) => path.trim_end_matches('/').to_owned(),
            None => format!("{}/data", metadata.location()),
        };
        let types = metadata.default_partition_type().fields();
        for ((field, value), kind) in self.spec.fields().iter().zip(partition.iter()).zip(types) {
            let kind: &Type = &kind.field_type;
            let text = value_text(field.transform, kind, value);
            location.push('/');
            location.extend(harmless(&field.name));
            location.push('=');
            location.extend(harmless(&text).take(MAX_VALUE_CHARS));
        }
        format!("{location}/{id}.parquet")
    }
}

fn harmless(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().map(|c| {
        let fine = c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if fine { c } else { '_' }
    })
}
