//! Manifests: their lines, and their bytes made in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use iceberg::io::FileIO;
use iceberg::spec::{
    DataFile, Datum, FieldSummary, FormatVersion, Manifest, ManifestContentType, ManifestEntry,
    ManifestFile, ManifestMetadata, ManifestStatus, ManifestWriter, ManifestWriterBuilder,
    PartitionSpecRef, PrimitiveLiteral, SchemaRef, StructType, UNASSIGNED_SEQUENCE_NUMBER,
};
use uuid::Uuid;

use super::avro;
use super::encode::{NewFile, refused};
use crate::lake::{Result, partition};

/// Headers kept: a few for each table that is written to.
const MOST_HEADERS: usize = 256;

/// One line of a manifest to write.
pub(super) enum Line {
    Added(Box<DataFile>),
    /// Kept as it was: with the snapshot and the sequence numbers it came with.
    Existing(Arc<ManifestEntry>),
    Deleted(Arc<ManifestEntry>),
}

impl Line {
    fn entry(self, snapshot_id: i64) -> ManifestEntry {
        let with = |status, entry: &ManifestEntry, snapshot_id| ManifestEntry {
            status,
            snapshot_id: Some(snapshot_id),
            sequence_number: Some(entry.sequence_number.unwrap_or_default()),
            file_sequence_number: entry.file_sequence_number,
            data_file: entry.data_file.clone(),
        };
        match self {
            Self::Added(file) => ManifestEntry {
                status: ManifestStatus::Added,
                snapshot_id: Some(snapshot_id),
                // Told by the manifest list, once it is known.
                sequence_number: None,
                file_sequence_number: None,
                data_file: *file,
            },
            Self::Existing(entry) => {
                let added_by = entry.snapshot_id.unwrap_or_default();
                with(ManifestStatus::Existing, &entry, added_by)
            }
            Self::Deleted(entry) => with(ManifestStatus::Deleted, &entry, snapshot_id),
        }
    }
}

/// What a manifest is written for.
pub(super) struct ManifestShape {
    pub location: String,
    pub snapshot_id: i64,
    pub content: ManifestContentType,
    pub schema: SchemaRef,
    pub spec: PartitionSpecRef,
}

impl ManifestShape {
    fn metadata(&self) -> ManifestMetadata {
        ManifestMetadata::builder()
            .schema_id(self.schema.schema_id())
            .schema(self.schema.clone())
            .partition_spec(self.spec.as_ref().clone())
            .format_version(FormatVersion::V2)
            .content(self.content)
            .build()
    }

    fn writer(&self, scratch: &FileIO) -> iceberg::Result<ManifestWriter> {
        let builder = ManifestWriterBuilder::new(
            scratch.new_output(&self.location)?,
            Some(self.snapshot_id),
            self.schema.clone(),
            self.spec.as_ref().clone(),
        );
        Ok(match self.content {
            ManifestContentType::Data => builder.build_v2_data(),
            ManifestContentType::Deletes => builder.build_v2_deletes(),
        })
    }
}

/// Headers of manifests, which tell their schemas: made once for each shape of a table.
#[derive(Debug, Default)]
pub(in crate::lake) struct Headers(Mutex<VecDeque<Header>>);

#[derive(Debug)]
struct Header {
    schema: SchemaRef,
    spec: PartitionSpecRef,
    content: ManifestContentType,
    bytes: Bytes,
}

impl Headers {
    fn known(&self, shape: &ManifestShape) -> Option<Bytes> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |header: &&Header| {
            header.content == shape.content
                && (Arc::ptr_eq(&header.spec, &shape.spec) || header.spec == shape.spec)
                && (Arc::ptr_eq(&header.schema, &shape.schema) || header.schema == shape.schema)
        };
        known.iter().find(fits).map(|header| header.bytes.clone())
    }

    /// The bytes of a manifest without entries.
    async fn of(&self, shape: &ManifestShape) -> iceberg::Result<Bytes> {
        if let Some(bytes) = self.known(shape) {
            return Ok(bytes);
        }
        let scratch = FileIO::new_with_memory();
        shape.writer(&scratch)?.write_manifest_file().await?;
        let bytes = scratch.new_input(&shape.location)?.read().await?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_HEADERS {
            known.pop_back();
        }
        known.push_front(Header {
            schema: shape.schema.clone(),
            spec: shape.spec.clone(),
            content: shape.content,
            bytes: bytes.clone(),
        });
        Ok(bytes)
    }
}

pub(super) async fn manifest(
    headers: &Headers,
    shape: ManifestShape,
    lines: Vec<Line>,
) -> Result<(ManifestFile, NewFile)> {
    let location = shape.location.clone();
    partition::check_names(&shape.spec)
        .map_err(|error| error.about(&format!("the manifest {location}")))?;
    let entries = lines.into_iter().map(|line| line.entry(shape.snapshot_id));
    let entries: Vec<ManifestEntry> = entries.collect();
    let made = match fits(&entries, &shape) {
        true => encoded(headers, &shape, &entries)
            .await
            .map(|made| (made, entries)),
        false => fitted(headers, &shape, &entries).await,
    };
    let ((file, bytes), entries) = made.map_err(|error| refused("manifest", &location, error))?;
    let manifest = Manifest::new(shape.metadata(), entries);
    debug_assert_eq!(
        Manifest::parse_avro(&bytes).ok().as_ref(),
        Some(&manifest),
        "what is written is what is remembered"
    );
    let written = NewFile {
        location,
        bytes,
        manifest: Some(Arc::new(manifest)),
    };
    Ok((file, written))
}

/// Whether bounds have the types of the schema: they haven't where a column was widened or left
/// out between the writing of a file and its commit.
fn fits(entries: &[ManifestEntry], shape: &ManifestShape) -> bool {
    let is_typed = |(id, bound): (&i32, &Datum)| {
        let field = shape.schema.field_by_id(*id);
        let kind = field.and_then(|field| field.field_type.as_primitive_type());
        kind == Some(bound.data_type())
    };
    entries.iter().all(|entry| {
        let file = &entry.data_file;
        file.lower_bounds()
            .iter()
            .chain(file.upper_bounds())
            .all(is_typed)
    })
}

/// As [`encoded`], with the bounds as whoever reads them by the schema has them: widened.
async fn fitted(
    headers: &Headers,
    shape: &ManifestShape,
    entries: &[ManifestEntry],
) -> iceberg::Result<((ManifestFile, Bytes), Vec<ManifestEntry>)> {
    let (_, bytes) = encoded(headers, shape, entries).await?;
    let (entries, _) = Manifest::parse_avro(&bytes)?.into_parts();
    let entries: Vec<_> = entries.into_iter().map(Arc::unwrap_or_clone).collect();
    Ok((encoded(headers, shape, &entries).await?, entries))
}

async fn encoded(
    headers: &Headers,
    shape: &ManifestShape,
    entries: &[ManifestEntry],
) -> iceberg::Result<(ManifestFile, Bytes)> {
    let partition = shape.spec.partition_type(&shape.schema)?;
    // The crate tells of a carried entry that lacks its sequence number.
    let whole = |entry: &ManifestEntry| {
        entry.status == ManifestStatus::Added || entry.file_sequence_number.is_some()
    };
    if avro::knows(&partition) && entries.iter().all(whole) {
        let header = headers.of(shape).await?;
        // Its own, as Avro wants it; the location has the commit's and the file's in it.
        let sync = Uuid::new_v5(&Uuid::NAMESPACE_URL, shape.location.as_bytes());
        if let Some(bytes) = avro::file(&header, sync.into_bytes(), &partition, entries) {
            let file = listed(shape, &partition, entries, bytes.len());
            #[cfg(debug_assertions)]
            check(shape, entries, &file).await?;
            return Ok((file, bytes.into()));
        }
    }
    by_the_crate(shape, entries).await
}

/// The crate tells the same of these entries, but for how long they are in its blocks.
#[cfg(debug_assertions)]
async fn check(
    shape: &ManifestShape,
    entries: &[ManifestEntry],
    ours: &ManifestFile,
) -> iceberg::Result<()> {
    let (mut theirs, _) = by_the_crate(shape, entries).await?;
    theirs.manifest_length = ours.manifest_length;
    assert_eq!(*ours, theirs);
    Ok(())
}

/// How a list tells of this manifest.
fn listed(
    shape: &ManifestShape,
    partition: &StructType,
    entries: &[ManifestEntry],
    length: usize,
) -> ManifestFile {
    let count = |status| {
        let of = entries.iter().filter(|entry| entry.status == status);
        let (files, rows) = of.fold((0, 0), |(files, rows), entry| {
            (files + 1, rows + entry.data_file.record_count())
        });
        (Some(files), Some(rows))
    };
    let (added_files_count, added_rows_count) = count(ManifestStatus::Added);
    let (existing_files_count, existing_rows_count) = count(ManifestStatus::Existing);
    let (deleted_files_count, deleted_rows_count) = count(ManifestStatus::Deleted);
    let alive = entries.iter().filter(|entry| entry.is_alive());
    let oldest = alive.filter_map(|entry| entry.sequence_number).min();
    ManifestFile {
        manifest_path: shape.location.clone(),
        manifest_length: length as i64,
        partition_spec_id: shape.spec.spec_id(),
        content: shape.content,
        sequence_number: UNASSIGNED_SEQUENCE_NUMBER,
        min_sequence_number: oldest.unwrap_or(UNASSIGNED_SEQUENCE_NUMBER),
        added_snapshot_id: shape.snapshot_id,
        added_files_count,
        existing_files_count,
        deleted_files_count,
        added_rows_count,
        existing_rows_count,
        deleted_rows_count,
        partitions: Some(summaries(partition, entries)),
        key_metadata: None,
        first_row_id: None,
    }
}

/// What values the files have of each partition field.
fn summaries(partition: &StructType, entries: &[ManifestEntry]) -> Vec<FieldSummary> {
    let mut summaries = Vec::new();
    for index in 0..partition.fields().len() {
        let (mut null, mut nan) = (false, false);
        let (mut lower, mut upper): (Option<PrimitiveLiteral>, Option<PrimitiveLiteral>) =
            (None, None);
        for entry in entries {
            let value = entry.data_file.partition().fields().get(index);
            let literal = value.and_then(Option::as_ref);
            let Some(value) = literal.and_then(|value| value.as_primitive_literal()) else {
                null = true;
                continue;
            };
            if value.is_nan() {
                nan = true;
                continue;
            }
            if lower.as_ref().is_none_or(|lower| value < *lower) {
                lower = Some(value.clone());
            }
            if upper.as_ref().is_none_or(|upper| value > *upper) {
                upper = Some(value);
            }
        }
        let bytes = |bound: Option<PrimitiveLiteral>| bound.as_ref().and_then(avro::single_value);
        summaries.push(FieldSummary {
            contains_null: null,
            contains_nan: Some(nan),
            lower_bound: bytes(lower).map(Into::into),
            upper_bound: bytes(upper).map(Into::into),
        });
    }
    summaries
}

async fn by_the_crate(
    shape: &ManifestShape,
    entries: &[ManifestEntry],
) -> iceberg::Result<(ManifestFile, Bytes)> {
    let scratch = FileIO::new_with_memory();
    let mut writer = shape.writer(&scratch)?;
    for entry in entries {
        let file = entry.data_file.clone();
        let number = entry.sequence_number.unwrap_or_default();
        match entry.status {
            ManifestStatus::Added => writer.add_file(file, -1)?,
            ManifestStatus::Existing => writer.add_existing_file(
                file,
                entry.snapshot_id.unwrap_or_default(),
                number,
                entry.file_sequence_number,
            )?,
            ManifestStatus::Deleted => {
                writer.add_delete_file(file, number, entry.file_sequence_number)?;
            }
        }
    }
    let file = writer.write_manifest_file().await?;
    let bytes = scratch.new_input(&shape.location)?.read().await?;
    Ok((file, bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use iceberg::spec::{
        DataContentType, DataFileBuilder, DataFileFormat, Literal, NestedField, PartitionSpec,
        PrimitiveType, Schema, Struct, Transform, Type,
    };

    use super::*;

    const TYPES: [PrimitiveType; 13] = [
        PrimitiveType::Boolean,
        PrimitiveType::Int,
        PrimitiveType::Long,
        PrimitiveType::Float,
        PrimitiveType::Double,
        PrimitiveType::Date,
        PrimitiveType::Time,
        PrimitiveType::Timestamp,
        PrimitiveType::Timestamptz,
        PrimitiveType::String,
        PrimitiveType::Fixed(3),
        PrimitiveType::Binary,
        PrimitiveType::Decimal {
            precision: 20,
            scale: 2,
        },
    ];

    /// A table partitioned by a column of each type.
    fn shape(content: ManifestContentType) -> ManifestShape {
        let columns = (1..).zip(TYPES).map(|(id, kind)| {
            NestedField::optional(id, format!("c{id}"), Type::Primitive(kind)).into()
        });
        let schema = Schema::builder().with_fields(columns).build().unwrap();
        let schema = SchemaRef::new(schema);
        let mut spec = PartitionSpec::builder(schema.clone()).with_spec_id(7);
        for id in 1..=TYPES.len() {
            let (column, field) = (format!("c{id}"), format!("p{id}"));
            spec = spec
                .add_partition_field(column, field, Transform::Identity)
                .unwrap();
        }
        ManifestShape {
            location: "/wh/a/metadata/m0.avro".into(),
            snapshot_id: i64::MAX,
            content,
            schema,
            spec: spec.build().unwrap().into(),
        }
    }

    fn values(number: i64) -> Vec<Option<Literal>> {
        let odd = number % 2 == 1;
        let small = i32::try_from(number).unwrap();
        let double = if number == 2 { f64::NAN } else { -0.5 };
        let all = vec![
            Literal::bool(odd),
            Literal::int(if odd { i32::MIN } else { small }),
            Literal::long(if odd { i64::MIN } else { i64::MAX - number }),
            Literal::float(1.5),
            Literal::double(double),
            Literal::date(-small),
            Literal::time(number),
            Literal::timestamp(-number),
            Literal::timestamptz(number << 40),
            Literal::string("é\0".repeat(usize::try_from(number).unwrap() * 30)),
            Literal::fixed([0, 255, 7]),
            Literal::binary(vec![0xff; usize::try_from(number).unwrap()]),
            Literal::decimal(if odd { -129 } else { i128::from(i64::MAX) * 9 }),
        ];
        all.into_iter()
            .map(|value| (number != 3).then_some(value))
            .collect()
    }

    fn entry(number: i64, content: DataContentType) -> ManifestEntry {
        let counts: HashMap<i32, u64> = (1..=9).map(|id| (id, 1 << (6 * id))).collect();
        let bounds = HashMap::from([(2, Datum::int(-5)), (10, Datum::string("é"))]);
        let deletes = content != DataContentType::Data;
        let mut builder = DataFileBuilder::default();
        if number != 6 {
            builder.sort_order_id(0);
        }
        let data_file = builder
            .content(content)
            .file_path(format!("/wh/a/data/{number}.parquet"))
            .file_format(DataFileFormat::Parquet)
            .partition(Struct::from_iter(values(number)))
            .partition_spec_id(7)
            .record_count(u64::try_from(number).unwrap())
            .file_size_in_bytes(u64::MAX >> 1)
            .column_sizes(counts.clone())
            .value_counts(counts)
            .lower_bounds(bounds.clone())
            .upper_bounds(bounds)
            .key_metadata((number == 4).then(|| vec![1, 2]))
            .split_offsets((number != 5).then(|| vec![4, 1 << 40]))
            .equality_ids(deletes.then(|| vec![1, 2]))
            .referenced_data_file(deletes.then(|| "/wh/a/data/x".to_owned()))
            .build()
            .unwrap();
        let status = match number % 3 {
            0 => ManifestStatus::Added,
            1 => ManifestStatus::Existing,
            _ => ManifestStatus::Deleted,
        };
        let carried = status != ManifestStatus::Added;
        ManifestEntry {
            status,
            snapshot_id: Some(if carried { -number } else { i64::MAX }),
            sequence_number: carried.then_some(number),
            file_sequence_number: carried.then_some(number),
            data_file,
        }
    }

    /// What the crate reads in our bytes is what it was given, for each type and each block.
    #[tokio::test]
    async fn the_crate_reads_what_was_meant() {
        for (content, of) in [
            (ManifestContentType::Data, DataContentType::Data),
            (
                ManifestContentType::Deletes,
                DataContentType::EqualityDeletes,
            ),
        ] {
            let shape = shape(content);
            let partition = shape.spec.partition_type(&shape.schema).unwrap();
            assert!(avro::knows(&partition));
            let headers = Headers::default();
            for count in [0, 1, 400] {
                let entries: Vec<_> = (1..=count).map(|number| entry(number, of)).collect();
                let (file, bytes) = encoded(&headers, &shape, &entries).await.unwrap();
                let read = Manifest::parse_avro(&bytes).unwrap();
                assert_eq!(read, Manifest::new(shape.metadata(), entries.clone()));
                assert_eq!(file.manifest_length, bytes.len() as i64);
                let (theirs, _) = by_the_crate(&shape, &entries).await.unwrap();
                assert_eq!(file.partitions, theirs.partitions);
            }
            assert_eq!(headers.0.lock().unwrap().len(), 1, "made once");
        }
    }

    /// A file whose column was an int when it was written and is a long now, and one that is gone.
    #[tokio::test]
    async fn bounds_are_widened_with_their_columns() {
        let schema = Schema::builder().with_fields([NestedField::optional(
            2,
            "n",
            Type::Primitive(PrimitiveType::Long),
        )
        .into()]);
        let schema = SchemaRef::new(schema.build().unwrap());
        let shape = || ManifestShape {
            schema: schema.clone(),
            spec: PartitionSpec::unpartition_spec().into(),
            ..shape(ManifestContentType::Data)
        };
        let data_file = DataFileBuilder::default()
            .content(DataContentType::Data)
            .file_path("/wh/a/data/1.parquet".into())
            .file_format(DataFileFormat::Parquet)
            .partition(Struct::empty())
            .record_count(1)
            .file_size_in_bytes(1)
            .lower_bounds(HashMap::from([(2, Datum::int(-5)), (3, Datum::int(1))]))
            .upper_bounds(HashMap::from([(2, Datum::int(7))]))
            .build()
            .unwrap();
        let lines = vec![Line::Added(Box::new(data_file))];
        let (_, written) = manifest(&Headers::default(), shape(), lines).await.unwrap();
        let read = Manifest::parse_avro(&written.bytes).unwrap();
        let file = &read.entries()[0].data_file;
        assert_eq!(*file.lower_bounds(), HashMap::from([(2, Datum::long(-5))]));
        assert_eq!(*file.upper_bounds(), HashMap::from([(2, Datum::long(7))]));
        assert_eq!(written.manifest.as_deref(), Some(&read));
        let eight = 7_i64.to_le_bytes();
        let found = written.bytes.windows(8).filter(|bytes| *bytes == eight);
        assert_eq!(found.count(), 1, "all eight bytes");
    }
}
