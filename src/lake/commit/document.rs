//! The JSON of a table's metadata (Iceberg's specification, format 2). The crate's own way to it
//! copies and writes every snapshot with all of its strings, which made a commit on a table of a
//! thousand snapshots twice as dear as on a new one. Here a snapshot's text is made once and goes
//! along from commit to commit; all is written in a fixed order.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use iceberg::spec::{
    FormatVersion, MetadataLog, PartitionSpec, PartitionStatisticsFile, Schema, Snapshot,
    SnapshotLog, SnapshotRef, SortOrder, StatisticsFile, TableMetadata,
};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::lake::refs::Refs;
use crate::lake::{Error, Result};

/// A v2 metadata file's fields, in the specification's order.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'a> {
    format_version: u8,
    table_uuid: Uuid,
    location: &'a str,
    last_sequence_number: i64,
    last_updated_ms: i64,
    last_column_id: i32,
    schemas: Vec<&'a Schema>,
    current_schema_id: i32,
    partition_specs: Vec<&'a PartitionSpec>,
    default_spec_id: i32,
    last_partition_id: i32,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    properties: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_snapshot_id: Option<i64>,
    /// Oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    snapshots: Vec<&'a RawValue>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    snapshot_log: &'a [SnapshotLog],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    metadata_log: &'a [MetadataLog],
    sort_orders: Vec<&'a SortOrder>,
    default_sort_order_id: i64,
    refs: &'a Refs,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statistics: Vec<&'a StatisticsFile>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    partition_statistics: Vec<&'a PartitionStatisticsFile>,
}

/// The JSON of snapshots, made once for each.
#[derive(Clone, Debug, Default)]
pub(in crate::lake) struct SnapshotTexts(HashMap<i64, (SnapshotRef, Arc<RawValue>)>);

impl SnapshotTexts {
    /// Those of `metadata`'s snapshots, taken over where they are known.
    fn of(metadata: &TableMetadata, known: &Self) -> serde_json::Result<Self> {
        let mut texts = HashMap::with_capacity(metadata.snapshots().len());
        for snapshot in metadata.snapshots() {
            let id = snapshot.snapshot_id();
            let text = match known.0.get(&id) {
                // The very same, not one that another engine has changed.
                Some((same, text)) if Arc::ptr_eq(same, snapshot) => text.clone(),
                _ => serde_json::value::to_raw_value(&SnapshotEntry::of(snapshot))?.into(),
            };
            texts.insert(id, (snapshot.clone(), text));
        }
        Ok(Self(texts))
    }

    fn oldest_first(&self) -> Vec<&RawValue> {
        let mut all: Vec<_> = self.0.values().collect();
        all.sort_unstable_by_key(|(snapshot, _)| {
            let id = snapshot.snapshot_id();
            (snapshot.sequence_number(), snapshot.timestamp_ms(), id)
        });
        all.into_iter().map(|(_, text)| text.as_ref()).collect()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct SnapshotEntry<'a> {
    snapshot_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_snapshot_id: Option<i64>,
    sequence_number: i64,
    timestamp_ms: i64,
    manifest_list: &'a str,
    summary: Summary<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_id: Option<i32>,
}

impl<'a> SnapshotEntry<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot_id: snapshot.snapshot_id(),
            parent_snapshot_id: snapshot.parent_snapshot_id(),
            sequence_number: snapshot.sequence_number(),
            timestamp_ms: snapshot.timestamp_ms(),
            manifest_list: snapshot.manifest_list(),
            summary: Summary(snapshot),
            schema_id: snapshot.schema_id(),
        }
    }
}

/// The operation, then the properties by name.
struct Summary<'a>(&'a Snapshot);

impl Serialize for Summary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let summary = self.0.summary();
        let mut properties: Vec<_> = summary.additional_properties.iter().collect();
        properties.sort_unstable();
        let mut map = serializer.serialize_map(Some(properties.len() + 1))?;
        map.serialize_entry("operation", summary.operation.as_str())?;
        for (name, value) in properties {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The bytes of a metadata file, and the texts in it for the next one.
pub(super) fn to_json(
    metadata: &TableMetadata,
    refs: &Refs,
    known: &SnapshotTexts,
) -> Result<(Vec<u8>, SnapshotTexts)> {
    let written = match metadata.format_version() {
        FormatVersion::V2 => SnapshotTexts::of(metadata, known).and_then(|texts| {
            let json = serde_json::to_vec(&document(metadata, refs, &texts))?;
            Ok((json, texts))
        }),
        _ => serde_json::to_vec(metadata).map(|json| (json, SnapshotTexts::default())),
    };
    let (json, texts) =
        written.map_err(|error| Error::corrupt(format!("table metadata: {error}")))?;
    debug_assert_eq!(
        serde_json::from_slice::<TableMetadata>(&json).ok().as_ref(),
        Some(metadata),
        "what is written is what is meant"
    );
    Ok((json, texts))
}

fn document<'a>(
    metadata: &'a TableMetadata,
    refs: &'a Refs,
    texts: &'a SnapshotTexts,
) -> Document<'a> {
    let properties = metadata.properties().iter();
    let mut schemas: Vec<&Schema> = metadata.schemas_iter().map(AsRef::as_ref).collect();
    schemas.sort_unstable_by_key(|schema| schema.schema_id());
    let specs = metadata.partition_specs_iter();
    let mut partition_specs: Vec<&PartitionSpec> = specs.map(AsRef::as_ref).collect();
    partition_specs.sort_unstable_by_key(|spec| spec.spec_id());
    let mut sort_orders: Vec<&SortOrder> = metadata.sort_orders_iter().map(AsRef::as_ref).collect();
    sort_orders.sort_unstable_by_key(|order| order.order_id);
    let mut statistics: Vec<&StatisticsFile> = metadata.statistics_iter().collect();
    statistics.sort_unstable_by_key(|file| file.snapshot_id);
    let mut partition_statistics: Vec<_> = metadata.partition_statistics_iter().collect();
    partition_statistics.sort_unstable_by_key(|file| file.snapshot_id);
    Document {
        format_version: 2,
        table_uuid: metadata.uuid(),
        location: metadata.location(),
        last_sequence_number: metadata.last_sequence_number(),
        last_updated_ms: metadata.last_updated_ms(),
        last_column_id: metadata.last_column_id(),
        schemas,
        current_schema_id: metadata.current_schema_id(),
        partition_specs,
        default_spec_id: metadata.default_partition_spec_id(),
        last_partition_id: metadata.last_partition_id(),
        properties: properties.map(|(k, v)| (k.as_str(), v.as_str())).collect(),
        current_snapshot_id: metadata.current_snapshot_id(),
        snapshots: texts.oldest_first(),
        snapshot_log: metadata.history(),
        metadata_log: metadata.metadata_log(),
        sort_orders,
        default_sort_order_id: metadata.default_sort_order_id(),
        refs,
        statistics,
        partition_statistics,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::refs;

    /// All that a v2 file can have, read by the crate, written by us, read by the crate again.
    #[test]
    fn nothing_is_left_out() {
        let text = r#"{
          "format-version": 2, "table-uuid": "00000000-0000-0000-0000-000000000001",
          "location": "s3://lake/a", "last-sequence-number": 3, "last-updated-ms": 1700000003000,
          "last-column-id": 4, "current-schema-id": 1,
          "schemas": [
            {"type": "struct", "schema-id": 0, "fields": [
              {"id": 1, "name": "a", "required": true, "type": "long"}]},
            {"type": "struct", "schema-id": 1, "identifier-field-ids": [1], "fields": [
              {"id": 1, "name": "a", "required": true, "type": "long", "doc": "\"quoted\" \u00e9"},
              {"id": 2, "name": "b", "required": false, "type":
                {"type": "list", "element-id": 3, "element-required": false, "element": "decimal(12, 2)"}},
              {"id": 4, "name": "at", "required": false, "type": "timestamptz"}]}],
          "default-spec-id": 1, "last-partition-id": 1000,
          "partition-specs": [
            {"spec-id": 0, "fields": []},
            {"spec-id": 1, "fields": [
              {"source-id": 4, "field-id": 1000, "name": "at_day", "transform": "day"}]}],
          "default-sort-order-id": 1,
          "sort-orders": [
            {"order-id": 0, "fields": []},
            {"order-id": 1, "fields": [
              {"transform": "bucket[4]", "source-id": 1, "direction": "desc", "null-order": "nulls-last"}]}],
          "properties": {"owner": "x\ny", "empty": ""},
          "current-snapshot-id": 12,
          "snapshots": [
            {"snapshot-id": 12, "parent-snapshot-id": 11, "sequence-number": 3, "schema-id": 1,
             "timestamp-ms": 1700000002000, "manifest-list": "s3://lake/a/metadata/12.avro",
             "summary": {"operation": "overwrite", "added-records": "5", "note": "\u0001"}},
            {"snapshot-id": 11, "sequence-number": 1, "timestamp-ms": 1700000001000,
             "manifest-list": "s3://lake/a/metadata/11.avro", "summary": {"operation": "append"}}],
          "snapshot-log": [
            {"snapshot-id": 11, "timestamp-ms": 1700000001000},
            {"snapshot-id": 12, "timestamp-ms": 1700000002000}],
          "metadata-log": [
            {"metadata-file": "s3://lake/a/metadata/1.json", "timestamp-ms": 1700000001000}],
          "refs": {
            "main": {"snapshot-id": 12, "type": "branch", "min-snapshots-to-keep": 3,
                     "max-snapshot-age-ms": 9, "max-ref-age-ms": 10},
            "audit": {"snapshot-id": 11, "type": "branch"},
            "end-of-year": {"snapshot-id": 11, "type": "tag", "max-ref-age-ms": 11}},
          "statistics": [
            {"snapshot-id": 12, "statistics-path": "s3://lake/a/12.puffin", "file-size-in-bytes": 9,
             "file-footer-size-in-bytes": 3, "blob-metadata": [
               {"type": "apache-datasketches-theta-v1", "snapshot-id": 12, "sequence-number": 3,
                "fields": [1], "properties": {"ndv": "5"}}]}],
          "partition-statistics": [
            {"snapshot-id": 12, "statistics-path": "s3://lake/a/12.parquet", "file-size-in-bytes": 7}]
        }"#;
        let metadata: TableMetadata = serde_json::from_str(text).unwrap();
        let refs = refs::read(text.as_bytes(), &metadata).unwrap();
        assert_eq!(refs.len(), 3);
        let (json, texts) = to_json(&metadata, &refs, &SnapshotTexts::default()).unwrap();
        let again: TableMetadata = serde_json::from_slice(&json).unwrap();
        assert_eq!(again, metadata);
        // The crate's own way says the same, but for the order.
        let ours: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let mut theirs = serde_json::to_value(&metadata).unwrap();
        let by_sequence = |s: &serde_json::Value| s["sequence-number"].as_i64();
        let snapshots = theirs["snapshots"].as_array_mut().unwrap();
        snapshots.sort_by_key(by_sequence);
        for (list, id) in [
            ("schemas", "schema-id"),
            ("partition-specs", "spec-id"),
            ("sort-orders", "order-id"),
        ] {
            let all = theirs[list].as_array_mut().unwrap();
            all.sort_by_key(|entry| entry[id].as_i64());
        }
        assert_eq!(ours, theirs);
        let (same, _) = to_json(&metadata, &refs, &texts).unwrap();
        assert_eq!(same, json, "in a fixed order");
        // One that came from elsewhere under a known id is written as it is now.
        let moved = text.replace(r#""added-records": "5""#, r#""added-records": "6""#);
        let moved: TableMetadata = serde_json::from_str(&moved).unwrap();
        let (json, _) = to_json(&moved, &refs, &texts).unwrap();
        let again: TableMetadata = serde_json::from_slice(&json).unwrap();
        assert_eq!(again, moved);
    }

    #[test]
    fn a_new_table_has_no_snapshots() {
        let text = r#"{"format-version": 2, "table-uuid": "00000000-0000-0000-0000-000000000001",
          "location": "/a", "last-sequence-number": 0, "last-updated-ms": 1, "last-column-id": 1,
          "current-schema-id": 0, "schemas": [{"type": "struct", "schema-id": 0, "fields": [
            {"id": 1, "name": "a", "required": true, "type": "long"}]}],
          "default-spec-id": 0, "partition-specs": [{"spec-id": 0, "fields": []}],
          "last-partition-id": 999, "default-sort-order-id": 0,
          "sort-orders": [{"order-id": 0, "fields": []}]}"#;
        let metadata: TableMetadata = serde_json::from_str(text).unwrap();
        let (json, _) = to_json(&metadata, &Refs::new(), &SnapshotTexts::default()).unwrap();
        let ours: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(ours, serde_json::to_value(&metadata).unwrap());
    }
}
