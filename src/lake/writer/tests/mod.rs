//! Rows into files: what is written, where it goes, and what stands in the manifest of it.

mod figures;
mod files;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    FixedSizeBinaryArray, Float32Array, Float64Array, Int32Array, Int64Array, ListArray,
    StringArray, StringViewArray, StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields, Float64Type, Int64Type};
use iceberg::spec::{
    Datum, ListType, Literal, NestedField, NullOrder, PrimitiveLiteral, PrimitiveType, Schema,
    SortDirection, SortField, SortOrder, StructType, Transform, Type, UnboundPartitionField,
    UnboundPartitionSpec,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use crate::lake::Lake;
use crate::lake::commit::NewTable;
use crate::lake::database::MemoryDatabase;
use crate::seams::{ManualClock, SeededEntropy};

fn lake() -> Lake {
    let clock = Arc::new(ManualClock::at(1_750_000_000_000));
    let database = MemoryDatabase::new(clock.clone());
    Lake {
        catalog: database.catalog(),
        control: database.control(),
        store: Store::memory(),
        clock,
        entropy: Arc::new(SeededEntropy::new(1)),
        warehouse: "/wh".to_owned(),
    }
}

fn optional(id: i32, name: &str, kind: PrimitiveType) -> Arc<NestedField> {
    Arc::new(NestedField::optional(id, name, Type::Primitive(kind)))
}

struct Layout {
    fields: Vec<Arc<NestedField>>,
    partition: Vec<(i32, &'static str, Transform)>,
    sort: Vec<i32>,
    properties: BTreeMap<String, String>,
}

impl Layout {
    fn of(fields: Vec<Arc<NestedField>>) -> Self {
        Self {
            fields,
            partition: Vec::new(),
            sort: Vec::new(),
            properties: BTreeMap::new(),
        }
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.properties.insert(name.to_owned(), value.to_owned());
        self
    }

    fn table(self) -> Table {
        let schema = Schema::builder().with_fields(self.fields).build().unwrap();
        let partition = self
            .partition
            .into_iter()
            .map(|(source_id, name, transform)| UnboundPartitionField {
                source_id,
                field_id: None,
                name: name.to_owned(),
                transform,
            });
        let partition = UnboundPartitionSpec::builder()
            .add_partition_fields(partition)
            .unwrap()
            .build();
        let mut order = SortOrder::builder();
        for source_id in self.sort {
            order.with_sort_field(
                SortField::builder()
                    .source_id(source_id)
                    .transform(Transform::Identity)
                    .direction(SortDirection::Ascending)
                    .null_order(NullOrder::First)
                    .build(),
            );
        }
        let sort_order = order.build(&schema).unwrap();
        let new = NewTable {
            schema,
            partition,
            sort_order,
            properties: self.properties,
        };
        lake().stage(&"a.t".parse().unwrap(), &new).unwrap()
    }
}

/// Rows in a schema of plain names and types, as a stranger would give them.
fn rows(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap()
}

async fn write(table: &Table, batches: Vec<RecordBatch>) -> Vec<DataFile> {
    let mut writer = TableWriter::new(table).unwrap();
    for batch in batches {
        writer.write(batch).await.unwrap();
    }
    writer.finish().await.unwrap()
}

async fn read(table: &Table, file: &DataFile) -> Vec<RecordBatch> {
    let bytes = table.store().read(file.file_path()).await.unwrap();
    assert_eq!(bytes.len() as u64, file.file_size_in_bytes());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .unwrap()
        .build()
        .unwrap();
    reader.map(Result::unwrap).collect()
}

fn shop() -> Vec<Arc<NestedField>> {
    let inner = StructType::new(vec![
        optional(4, "category", PrimitiveType::String),
        optional(
            5,
            "amount",
            PrimitiveType::Decimal {
                precision: 12,
                scale: 2,
            },
        ),
        optional(6, "score", PrimitiveType::Double),
    ]);
    let tags = ListType::new(optional_element(8, PrimitiveType::String));
    vec![
        Arc::new(NestedField::required(
            1,
            "id",
            Type::Primitive(PrimitiveType::Long),
        )),
        optional(2, "at", PrimitiveType::Timestamptz),
        Arc::new(NestedField::optional(3, "properties", Type::Struct(inner))),
        Arc::new(NestedField::optional(7, "tags", Type::List(tags))),
    ]
}

fn optional_element(id: i32, kind: PrimitiveType) -> Arc<NestedField> {
    Arc::new(NestedField::list_element(id, Type::Primitive(kind), false))
}

fn id_of(table: &Table, name: &str) -> i32 {
    table
        .metadata()
        .current_schema()
        .field_id_by_name(name)
        .unwrap()
}

fn shop_rows(ids: &[i64], days: &[i64]) -> RecordBatch {
    let category: ArrayRef = Arc::new(StringViewArray::from_iter(
        ids.iter().map(|id| Some(format!("c{}", id % 3))),
    ));
    let score: ArrayRef = Arc::new(Float32Array::from_iter(
        ids.iter().map(|id| (id % 2 == 0).then_some(f32::NAN)),
    ));
    let fields: Fields = vec![
        Field::new("score", DataType::Float32, true),
        Field::new("category", DataType::Utf8View, true),
    ]
    .into();
    let nulls = ids.iter().map(|id| id % 5 != 0).collect::<Vec<bool>>();
    let properties =
        StructArray::try_new(fields, vec![score, category], Some(nulls.into())).unwrap();
    let values = StringArray::from_iter_values(ids.iter().map(i64::to_string));
    let element = Arc::new(Field::new("item", DataType::Utf8, true));
    let tags = ListArray::try_new(
        element,
        OffsetBuffer::from_lengths(ids.iter().map(|_| 1)),
        Arc::new(values),
        None,
    )
    .unwrap();
    rows(vec![
        ("tags", Arc::new(tags)),
        ("id", Arc::new(Int64Array::from(ids.to_vec()))),
        (
            "at",
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(
                    days.iter().map(|day| day * 86_400_000_000),
                )
                .with_timezone("UTC"),
            ),
        ),
        ("properties", Arc::new(properties)),
    ])
}
