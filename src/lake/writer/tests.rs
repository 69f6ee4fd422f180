use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    FixedSizeBinaryArray, Float32Array, Float64Array, Int32Array, Int64Array, ListArray,
    StringArray, StringViewArray, StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields, Int64Type};
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

/// The trap: one row group of long texts beside short ones. Bounds of the short ones alone would
/// make every engine that prunes lose the long ones.
#[tokio::test]
async fn bounds_enclose_long_texts_beside_short_ones() {
    let table = Layout::of(vec![
        optional(1, "s", PrimitiveType::String),
        optional(2, "b", PrimitiveType::Binary),
    ])
    .set("write.parquet.row-group-size-bytes", "1")
    .table();
    let high = "\u{10ffff}".repeat(40);
    let groups: [&[&str]; 4] = [
        &["m", "n"],
        &[
            &format!("a{}", "x".repeat(100)),
            &format!("z{}", "y".repeat(100)),
        ],
        &["k", "l"],
        &[&high],
    ];
    for count in 1..=groups.len() {
        let texts = &groups[..count];
        let batches = texts.iter().map(|group| {
            let bytes: Vec<&[u8]> = group.iter().map(|text| text.as_bytes()).collect();
            rows(vec![
                ("s", Arc::new(StringArray::from(group.to_vec()))),
                ("b", Arc::new(BinaryArray::from(bytes))),
            ])
        });
        let files = write(&table, batches.collect()).await;
        let file = &files[0];
        assert_eq!(
            file.split_offsets().unwrap().len(),
            count,
            "a row group for each batch"
        );
        let least = *texts.concat().iter().min().unwrap();
        let most = *texts.concat().iter().max().unwrap();
        assert!(file.lower_bounds()[&1] <= Datum::string(least));
        assert!(file.lower_bounds()[&2] <= Datum::binary(least.bytes()));
        match file.upper_bounds().get(&1) {
            Some(upper) => assert!(*upper >= Datum::string(most), "{upper}"),
            None => assert_eq!(count, 4, "only where no text is above"),
        }
        assert!(file.upper_bounds()[&2] >= Datum::binary(most.bytes()));
        for datum in file.lower_bounds().values() {
            assert!(datum.to_bytes().unwrap().len() <= 64);
        }
    }
}

#[tokio::test]
async fn numbers_have_exact_counts_and_bounds() {
    let decimal = |precision, scale| PrimitiveType::Decimal { precision, scale };
    let table = Layout::of(vec![
        optional(1, "f", PrimitiveType::Float),
        optional(2, "d", PrimitiveType::Double),
        optional(3, "small", decimal(7, 2)),
        optional(4, "middle", decimal(15, 2)),
        optional(5, "large", decimal(30, 2)),
        optional(6, "i", PrimitiveType::Int),
        optional(7, "date", PrimitiveType::Date),
        optional(8, "at", PrimitiveType::Timestamptz),
        optional(9, "yes", PrimitiveType::Boolean),
        optional(10, "id", PrimitiveType::Uuid),
        optional(11, "none", PrimitiveType::Long),
        optional(12, "nan", PrimitiveType::Double),
    ])
    .table();
    let cents = |precision, values: Vec<Option<i128>>| -> ArrayRef {
        Arc::new(
            Decimal128Array::from(values)
                .with_precision_and_scale(precision, 2)
                .unwrap(),
        )
    };
    let values = vec![Some(-1250_i128), Some(300), None];
    let uuid = |byte: u8| Some(vec![byte; 16]);
    let batch = rows(vec![
        (
            "f",
            Arc::new(Float32Array::from(vec![Some(f32::NAN), Some(-0.0), None])),
        ),
        (
            "d",
            Arc::new(Float64Array::from(vec![1.5, f64::NAN, f64::NEG_INFINITY])),
        ),
        ("small", cents(7, values.clone())),
        ("middle", cents(15, values.clone())),
        ("large", cents(30, values)),
        (
            "i",
            Arc::new(Int32Array::from(vec![Some(-5), None, Some(7)])),
        ),
        ("date", Arc::new(Date32Array::from(vec![-1, 0, 20_000]))),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from(vec![-5, 0, 5]).with_timezone("+00:00")),
        ),
        ("yes", Arc::new(BooleanArray::from(vec![true, false, true]))),
        (
            "id",
            Arc::new(
                FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                    [uuid(200), uuid(3), None].into_iter(),
                    16,
                )
                .unwrap(),
            ),
        ),
        ("none", Arc::new(Int64Array::from(vec![None, None, None]))),
        ("nan", Arc::new(Float64Array::from(vec![f64::NAN; 3]))),
    ]);
    let files = write(&table, vec![batch]).await;
    let file = &files[0];
    assert_eq!(file.record_count(), 3);
    assert_eq!(file.sort_order_id(), Some(0));
    let number = |bounds: &std::collections::HashMap<i32, Datum>, id| match bounds[&id].literal() {
        PrimitiveLiteral::Int128(value) => *value,
        other => panic!("{other:?}"),
    };
    for id in 3..=5 {
        assert_eq!(number(file.lower_bounds(), id), -1250, "column {id}");
        assert_eq!(number(file.upper_bounds(), id), 300, "column {id}");
    }
    assert!(file.lower_bounds()[&1] <= Datum::float(-0.0_f32));
    assert!(file.upper_bounds()[&1] >= Datum::float(0.0_f32));
    assert_eq!(file.lower_bounds()[&2], Datum::double(f64::NEG_INFINITY));
    assert_eq!(file.upper_bounds()[&2], Datum::double(1.5));
    assert_eq!(file.lower_bounds()[&6], Datum::int(-5));
    assert_eq!(file.upper_bounds()[&7], Datum::date(20_000));
    assert_eq!(file.lower_bounds()[&8], Datum::timestamptz_micros(-5));
    assert_eq!(file.upper_bounds()[&9], Datum::bool(true));
    assert_eq!(
        file.upper_bounds()[&10],
        Datum::uuid(uuid::Uuid::from_bytes([200; 16]))
    );
    assert!(!file.lower_bounds().contains_key(&11) && !file.upper_bounds().contains_key(&11));
    assert!(!file.lower_bounds().contains_key(&12) && !file.upper_bounds().contains_key(&12));
    assert_eq!(
        (
            file.nan_value_counts()[&1],
            file.nan_value_counts()[&2],
            file.nan_value_counts()[&12]
        ),
        (1, 1, 3)
    );
    assert!(!file.nan_value_counts().contains_key(&6));
    assert_eq!(
        (
            file.null_value_counts()[&1],
            file.null_value_counts()[&11],
            file.null_value_counts()[&7]
        ),
        (1, 3, 0)
    );
    assert_eq!(file.value_counts()[&1], 3);
    assert!(file.column_sizes()[&1] > 0);
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

#[tokio::test]
async fn nested_rows_of_a_stranger_are_made_to_fit() {
    let table = Layout::of(shop()).table();
    let ids: Vec<i64> = (1..=10).collect();
    let files = write(&table, vec![shop_rows(&ids, &[1; 10])]).await;
    let file = &files[0];
    let category = id_of(&table, "properties.category");
    assert_eq!(file.lower_bounds()[&category], Datum::string("c0"));
    assert_eq!(file.upper_bounds()[&category], Datum::string("c2"));
    assert_eq!(
        file.null_value_counts()[&category],
        2,
        "a null struct has a null child"
    );
    let score = id_of(&table, "properties.score");
    // 2, 4, 6, 8: 10 is under a null struct.
    assert_eq!(file.nan_value_counts()[&score], 4);
    let element = id_of(&table, "tags.element");
    assert!(
        !file.lower_bounds().contains_key(&element) && !file.value_counts().contains_key(&element)
    );
    assert!(file.column_sizes()[&element] > 0);

    let batches = read(&table, file).await;
    let schema = batches[0].schema();
    let ids_in_file: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| conform::field_id(field).unwrap())
        .collect();
    let wanted = ["id", "at", "properties", "tags"].map(|name| id_of(&table, name));
    assert_eq!(ids_in_file, wanted);
    assert_eq!(
        batches[0].column(0).as_primitive::<Int64Type>().values(),
        ids.as_slice()
    );
    let amount = batches[0]
        .column(2)
        .as_struct()
        .column_by_name("amount")
        .unwrap();
    assert_eq!(amount.null_count(), 10, "a column that was not given");
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let table = Layout::of(shop()).table();
    let id: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let bad: Vec<(Vec<(&str, ArrayRef)>, &str)> = vec![
        (
            vec![("id", id.clone()), ("other", id.clone())],
            "no column other",
        ),
        (
            vec![(
                "at",
                Arc::new(TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC")),
            )],
            "id is required",
        ),
        (vec![("id", Arc::new(Int64Array::from(vec![None])))], "null"),
        (
            vec![("id", Arc::new(Float64Array::from(vec![1.5])))],
            "the column id is Float64",
        ),
        (
            vec![("id", id.clone()), ("at", id)],
            "the column at is Int64",
        ),
    ];
    for (columns, reason) in bad {
        let mut writer = TableWriter::new(&table).unwrap();
        let error = writer.write(rows(columns)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(reason), "{error}");
        assert!(error.to_string().contains("a.t"), "{error}");
    }
}

#[tokio::test]
async fn rows_go_to_their_partitions_in_order() {
    let layout = Layout {
        partition: vec![
            (2, "day", Transform::Day),
            (4, "cat", Transform::Identity),
            (1, "b", Transform::Bucket(4)),
        ],
        sort: vec![1],
        ..Layout::of(shop())
    };
    let table = layout.table();
    let ids: Vec<i64> = (0..200).rev().collect();
    let days: Vec<i64> = ids.iter().map(|id| id % 2).collect();
    let files = write(&table, vec![shop_rows(&ids, &days)]).await;
    let mut seen = BTreeSet::new();
    for file in &files {
        let day = match file.partition().iter().next().unwrap() {
            Some(Literal::Primitive(PrimitiveLiteral::Int(day))) => i64::from(*day),
            other => panic!("{other:?}"),
        };
        let category = match file.partition().iter().nth(1).unwrap() {
            Some(Literal::Primitive(PrimitiveLiteral::String(text))) => Some(text.clone()),
            None => None,
            other => panic!("{other:?}"),
        };
        let mut last = i64::MIN;
        for batch in read(&table, file).await {
            for id in batch.column(0).as_primitive::<Int64Type>().values() {
                assert_eq!(id % 2, day);
                let expected = (id % 5 != 0).then(|| format!("c{}", id % 3));
                assert_eq!(category, expected, "row {id}");
                assert!(*id > last, "sorted");
                last = *id;
                seen.insert(*id);
            }
        }
        assert!(
            file.file_path()
                .contains(&format!("/data/day=1970-01-0{}/cat=", day + 1)),
            "{}",
            file.file_path()
        );
    }
    assert_eq!(seen.len(), 200);
    let partitions: BTreeSet<_> = files
        .iter()
        .map(|file| format!("{:?}", file.partition()))
        .collect();
    assert_eq!(partitions.len(), files.len(), "one file for each");
}

#[tokio::test]
async fn partition_values_never_become_path_segments() {
    let layout = Layout {
        partition: vec![(1, "s", Transform::Identity)],
        ..Layout::of(vec![optional(1, "s", PrimitiveType::String)])
    };
    let table = layout.table();
    let odd = StringArray::from(vec![Some("../x"), Some("a/b c%20"), None, Some("")]);
    let files = write(&table, vec![rows(vec![("s", Arc::new(odd))])]).await;
    assert_eq!(files.len(), 4);
    for file in &files {
        assert_eq!(
            file.file_path().split('/').count(),
            "/wh/a/t/data/s=/f".split('/').count()
        );
        assert!(table.store().exists(file.file_path()).await.unwrap());
    }
}

#[tokio::test]
async fn memory_and_files_are_bounded() {
    let layout = Layout {
        partition: vec![(1, "k", Transform::Identity)],
        ..Layout::of(vec![
            optional(1, "k", PrimitiveType::Int),
            optional(2, "s", PrimitiveType::String),
        ])
    };
    let table = layout.table();
    let mut writer = TableWriter::new(&table).unwrap();
    writer.options.max_open_files = 8;
    writer.options.max_open_bytes = 1 << 20;
    for round in 0..20 {
        let keys = Int32Array::from_iter_values(0..100);
        let texts =
            StringArray::from_iter_values((0..100).map(|i| format!("{round}-{i}-").repeat(50)));
        writer
            .write(rows(vec![("k", Arc::new(keys)), ("s", Arc::new(texts))]))
            .await
            .unwrap();
        assert!(writer.open.len() <= 8);
        assert!(
            writer.memory_bytes() <= 1 << 20,
            "{}",
            writer.memory_bytes()
        );
    }
    let files = writer.finish().await.unwrap();
    let told: u64 = files.iter().map(DataFile::record_count).sum();
    assert_eq!(told, 2000);
}

#[tokio::test]
async fn files_close_at_their_target_size() {
    let table = Layout::of(vec![optional(1, "s", PrimitiveType::String)])
        .set("write.target-file-size-bytes", "100000")
        .set("write.parquet.compression-codec", "uncompressed")
        .table();
    let mut batches = Vec::new();
    for round in 0..40 {
        let texts =
            StringArray::from_iter_values((0..100).map(|i| format!("{round}/{i}/").repeat(20)));
        batches.push(rows(vec![("s", Arc::new(texts))]));
    }
    let files = write(&table, batches).await;
    assert!(files.len() >= 3, "{} files", files.len());
    for file in &files {
        assert!(file.file_size_in_bytes() < 200_000);
    }
}

#[tokio::test]
async fn uuids_are_annotated_and_codecs_checked() {
    let table = Layout::of(vec![
        optional(1, "u", PrimitiveType::Uuid),
        optional(2, "x", PrimitiveType::Fixed(16)),
    ])
    .table();
    let sixteen = || -> ArrayRef {
        Arc::new(FixedSizeBinaryArray::try_from_iter([vec![1_u8; 16]].into_iter()).unwrap())
    };
    let files = write(&table, vec![rows(vec![("u", sixteen()), ("x", sixteen())])]).await;
    let bytes = table.store().read(files[0].file_path()).await.unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    let columns = reader.parquet_schema().columns();
    assert_eq!(
        columns[0].logical_type_ref(),
        Some(&parquet::basic::LogicalType::Uuid)
    );
    assert_eq!(columns[1].logical_type_ref(), None);
    let chunk = reader.metadata().row_group(0).column(0);
    assert!(matches!(
        chunk.compression(),
        parquet::basic::Compression::ZSTD(_)
    ));

    let odd = Layout::of(vec![optional(1, "x", PrimitiveType::Int)])
        .set("write.parquet.compression-codec", "rar")
        .table();
    assert!(
        TableWriter::new(&odd)
            .unwrap_err()
            .to_string()
            .contains("rar")
    );
}

#[tokio::test]
async fn the_same_entropy_writes_the_same_names() {
    let table = Layout::of(vec![optional(1, "x", PrimitiveType::Int)]).table();
    let mut names = BTreeSet::new();
    for _ in 0..2 {
        table.store();
        let entropy = Arc::new(SeededEntropy::new(7));
        let mut writer =
            TableWriter::new(&Layout::of(vec![optional(1, "x", PrimitiveType::Int)]).table())
                .unwrap()
                .with_entropy(entropy);
        writer
            .write(rows(vec![("x", Arc::new(Int32Array::from(vec![1])))]))
            .await
            .unwrap();
        names.insert(writer.finish().await.unwrap()[0].file_path().to_owned());
    }
    assert_eq!(names.len(), 1);
}
