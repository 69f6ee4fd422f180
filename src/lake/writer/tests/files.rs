//! Files: their sizes, names, and what other engines read in them.

use super::*;

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
