//! Tables made by hand with iceberg's own writers: as any engine may leave them, with deletes,
//! several specs, old schemas, and files without ids.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema as ArrowSchema, SchemaRef};
use arrow::json::ReaderBuilder;
use arrow::record_batch::RecordBatch;
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, FormatVersion, Literal,
    ManifestFile, ManifestListWriter, ManifestWriterBuilder, Operation, Schema, Snapshot,
    SnapshotReference, SnapshotRetention, SortOrder, Struct, Summary, TableMetadata,
    TableMetadataBuilder, Transform, UnboundPartitionSpec,
};
use iceberg::writer::file_writer::{FileWriter, FileWriterBuilder, ParquetWriterBuilder};
use parquet::file::properties::WriterProperties;

use crate::domain::TableName;
use crate::lake::Lake;
use crate::lake::catalog::{Swap, SwapOutcome};
use crate::query::tests::{lake, session, small};
use crate::query::{Engine, Session};

pub(super) struct Fixture {
    pub(super) lake: Lake,
    pub(super) session: Session,
    pub(super) name: TableName,
}

/// Snapshots are a minute apart, from this time on.
pub(super) const FIRST_MS: i64 = 1_700_000_000_000;

impl Fixture {
    pub(super) async fn new(schema: Schema, parts: &[(i32, &str, Transform)]) -> Self {
        let lake = lake();
        let engine = Engine::new(lake.clone(), small()).expect("starts");
        let fixture = Self {
            session: session(&engine),
            lake,
            name: "shop.events".parse().expect("a name"),
        };
        let metadata = TableMetadataBuilder::new(
            schema,
            spec(parts),
            SortOrder::unsorted_order(),
            "file:///warehouse/shop/events".to_owned(),
            FormatVersion::V2,
            HashMap::new(),
        )
        .expect("valid")
        .build()
        .expect("builds")
        .metadata;
        fixture.publish(None, &metadata).await;
        fixture
    }

    pub(super) async fn metadata(&self) -> TableMetadata {
        let table = self.lake.table(&self.name).await.expect("loads");
        table.metadata().as_ref().clone()
    }

    async fn publish(&self, base: Option<String>, metadata: &TableMetadata) {
        let location = format!(
            "file:///warehouse/shop/events/metadata/{}.metadata.json",
            self.lake.entropy.uuid()
        );
        // The builder stamps the time of day; the tests' snapshots have times of their own.
        let mut json = serde_json::to_value(metadata).expect("serialises");
        let newest = metadata.current_snapshot().map(|s| s.timestamp_ms());
        json["last-updated-ms"] = newest.unwrap_or(FIRST_MS).into();
        // iceberg's builder logs a rollback with the machine's clock.
        for entry in json["snapshot-log"].as_array_mut().into_iter().flatten() {
            let at = entry["timestamp-ms"].as_i64().min(newest);
            entry["timestamp-ms"] = at.into();
        }
        let bytes = serde_json::to_vec(&json).expect("serialises");
        self.lake
            .store
            .write(&location, bytes.into())
            .await
            .expect("writes");
        let swap = Swap {
            table: self.name.clone(),
            expected: base,
            new: Some(location),
            edit: None,
        };
        let outcome = self.lake.catalog.swap(&[swap], &[]).await.expect("swaps");
        assert_eq!(outcome, SwapOutcome::Swapped);
    }

    /// Changes the metadata.
    pub(super) async fn change(
        &self,
        change: impl FnOnce(TableMetadataBuilder) -> TableMetadataBuilder,
    ) {
        let table = self.lake.table(&self.name).await.expect("loads");
        let base = table.metadata_location().to_owned();
        let builder = table
            .metadata()
            .as_ref()
            .clone()
            .into_builder(Some(base.clone()));
        let metadata = change(builder).build().expect("builds").metadata;
        self.publish(Some(base), &metadata).await;
    }

    pub(super) async fn set_property(&self, key: &str, value: &str) {
        let pair = HashMap::from([(key.to_owned(), value.to_owned())]);
        self.change(|b| b.set_properties(pair).expect("valid"))
            .await;
    }

    pub(super) async fn set_schema(&self, schema: Schema) {
        self.change(|b| b.add_current_schema(schema).expect("valid"))
            .await;
    }

    pub(super) async fn set_spec(&self, parts: &[(i32, &str, Transform)]) {
        let spec = spec(parts);
        self.change(|b| b.add_default_partition_spec(spec).expect("valid"))
            .await;
    }

    pub(super) async fn set_ref(&self, name: &str, snapshot_id: i64, branch: bool) {
        let retention = if branch {
            SnapshotRetention::Branch {
                min_snapshots_to_keep: None,
                max_snapshot_age_ms: None,
                max_ref_age_ms: None,
            }
        } else {
            SnapshotRetention::Tag {
                max_ref_age_ms: None,
            }
        };
        let reference = SnapshotReference {
            snapshot_id,
            retention,
        };
        self.change(|b| b.set_ref(name, reference).expect("valid"))
            .await;
    }

    /// The table's current schema in Arrow's words, with ids.
    pub(super) async fn arrow_schema(&self) -> SchemaRef {
        let metadata = self.metadata().await;
        let schema = iceberg::arrow::schema_to_arrow_schema(metadata.current_schema());
        Arc::new(schema.expect("converts"))
    }

    /// Writes JSON lines as one data file with the current schema.
    pub(super) async fn file(&self, rows: &str, partition: &[Option<Literal>]) -> DataFile {
        let metadata = self.metadata().await;
        let batch = batch(self.arrow_schema().await, rows);
        self.write(
            metadata.current_schema().clone(),
            batch,
            DataContentType::Data,
            partition,
            None,
        )
        .await
    }

    pub(super) async fn write(
        &self,
        schema: Arc<Schema>,
        batch: RecordBatch,
        content: DataContentType,
        partition: &[Option<Literal>],
        equality_ids: Option<Vec<i32>>,
    ) -> DataFile {
        let location = self.new_location("parquet");
        let output = self
            .lake
            .store
            .file_io()
            .new_output(location)
            .expect("valid");
        // Cut bounds are no bounds to iceberg's writer, and paths are long.
        let properties = WriterProperties::builder().set_statistics_truncate_length(None);
        let mut writer = ParquetWriterBuilder::new(properties.build(), schema)
            .build(output)
            .await
            .expect("opens");
        writer.write(&batch).await.expect("writes");
        let mut builder = writer.close().await.expect("closes").remove(0);
        let spec_id = self.metadata().await.default_partition_spec_id();
        builder
            .content(content)
            .partition(Struct::from_iter(partition.iter().cloned()))
            .partition_spec_id(spec_id)
            .equality_ids(equality_ids)
            .build()
            .expect("complete")
    }

    /// A file as a writer leaves it that knows nothing of Iceberg: no ids, no bounds.
    pub(super) async fn foreign_file(&self, batch: RecordBatch) -> DataFile {
        let mut bytes = Vec::new();
        let mut writer =
            parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("opens");
        writer.write(&batch).expect("writes");
        writer.close().expect("closes");
        let location = self.new_location("parquet");
        let size = bytes.len() as u64;
        self.lake
            .store
            .write(&location, bytes.into())
            .await
            .expect("writes");
        DataFileBuilder::default()
            .content(DataContentType::Data)
            .file_path(location)
            .file_format(DataFileFormat::Parquet)
            .record_count(batch.num_rows() as u64)
            .file_size_in_bytes(size)
            .partition_spec_id(0)
            .build()
            .expect("complete")
    }

    fn new_location(&self, ending: &str) -> String {
        format!(
            "file:///warehouse/shop/events/data/{}.{ending}",
            self.lake.entropy.uuid()
        )
    }

    /// Appends files as one snapshot and gives its id.
    pub(super) async fn append(&self, files: Vec<DataFile>) -> i64 {
        self.commit(vec![files]).await
    }

    /// Appends one snapshot whose manifests hold these files.
    pub(super) async fn commit(&self, manifests: Vec<Vec<DataFile>>) -> i64 {
        let metadata = self.metadata().await;
        let parent = metadata.current_snapshot().cloned();
        let number = metadata.next_sequence_number();
        let id = 1000 + number;
        let table = self.lake.table(&self.name).await.expect("loads");
        let mut all: Vec<ManifestFile> = match &parent {
            None => Vec::new(),
            Some(parent) => {
                let list = table.manifest_list(parent).await.expect("reads");
                list.to_vec()
            }
        };
        for files in manifests {
            all.push(self.manifest(&metadata, files, id).await);
        }
        let list = self.new_location("avro");
        let output = self
            .lake
            .store
            .file_io()
            .new_output(&list)
            .expect("valid")
            .writer()
            .await
            .expect("opens");
        let parent_id = parent.as_ref().map(|p| p.snapshot_id());
        let mut writer = ManifestListWriter::v2(output, id, parent_id, number);
        writer.add_manifests(all.into_iter()).expect("adds");
        writer.close().await.expect("closes");
        let snapshot = Snapshot::builder()
            .with_snapshot_id(id)
            .with_parent_snapshot_id(parent_id)
            .with_sequence_number(number)
            .with_timestamp_ms(FIRST_MS + number * 60_000)
            .with_manifest_list(list)
            .with_summary(Summary {
                operation: Operation::Append,
                additional_properties: HashMap::new(),
            })
            .with_schema_id(metadata.current_schema_id())
            .build();
        self.change(|b| b.set_branch_snapshot(snapshot, "main").expect("valid"))
            .await;
        id
    }

    async fn manifest(
        &self,
        metadata: &TableMetadata,
        files: Vec<DataFile>,
        snapshot_id: i64,
    ) -> ManifestFile {
        let output = self
            .lake
            .store
            .file_io()
            .new_output(self.new_location("avro"))
            .expect("valid");
        let builder = ManifestWriterBuilder::new(
            output,
            Some(snapshot_id),
            metadata.current_schema().clone(),
            metadata.default_partition_spec().as_ref().clone(),
        );
        let data = files
            .iter()
            .all(|f| f.content_type() == DataContentType::Data);
        let mut writer = if data {
            builder.build_v2_data()
        } else {
            builder.build_v2_deletes()
        };
        let number = metadata.next_sequence_number();
        for file in files {
            writer.add_file(file, number).expect("adds");
        }
        writer.write_manifest_file().await.expect("writes")
    }
}

fn spec(parts: &[(i32, &str, Transform)]) -> UnboundPartitionSpec {
    let mut builder = UnboundPartitionSpec::builder();
    for (source, name, transform) in parts {
        builder = builder
            .add_partition_field(*source, name.to_string(), *transform)
            .expect("valid");
    }
    builder.build()
}

/// JSON lines as rows.
pub(super) fn batch(schema: SchemaRef, rows: &str) -> RecordBatch {
    ReaderBuilder::new(schema)
        .with_batch_size(1 << 20)
        .build(rows.as_bytes())
        .expect("builds")
        .next()
        .expect("has rows")
        .expect("parses")
}

/// The schema without ids, as another engine's.
pub(super) fn without_ids(schema: &ArrowSchema) -> SchemaRef {
    fn strip(field: &Field) -> Field {
        use arrow::datatypes::DataType;
        let data_type = match field.data_type() {
            DataType::Struct(fields) => DataType::Struct(fields.iter().map(|f| strip(f)).collect()),
            other => other.clone(),
        };
        Field::new(field.name(), data_type, field.is_nullable())
    }
    Arc::new(ArrowSchema::new(
        schema.fields().iter().map(|f| strip(f)).collect::<Vec<_>>(),
    ))
}
