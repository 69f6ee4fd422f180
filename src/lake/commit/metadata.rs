//! Metadata files: what a table is made as, where the next file goes, which instant it bears.

use std::collections::HashMap;
use std::sync::Arc;

use iceberg::spec::{FormatVersion, TableMetadata, TableMetadataBuilder};
use serde_json::Value;
use uuid::Uuid;

use super::{LOCATION, NewTable};
use crate::domain::TableName;
use crate::lake::{Error, Lake, Result, Table};
use crate::seams::{Clock, SystemClock};

/// Kept unless a table says otherwise (I10): this many older metadata files, and not one more.
const DEFAULTS: [(&str, &str); 3] = [
    ("write.metadata.previous-versions-max", "50"),
    (DELETE_AFTER_COMMIT, "true"),
    ("write.parquet.compression-codec", "zstd"),
];
const DELETE_AFTER_COMMIT: &str = "write.metadata.delete-after-commit.enabled";
const METADATA_PATH: &str = "write.metadata.path";
/// A base further ahead of this clock than that was written by a clock that runs fast.
const MAX_SKEW_MS: i64 = 60_000;
/// iceberg takes a snapshot up to a minute older than the one before.
const HEALING_STEP_MS: i64 = 30_000;
const METADATA_LOG: &str = "metadata-log";
/// The logs of a metadata file, and what an entry is told from others by.
const LOGS: [(&str, &str); 2] = [
    ("snapshot-log", "snapshot-id"),
    (METADATA_LOG, "metadata-file"),
];

fn refused(what: impl std::fmt::Display, error: iceberg::Error) -> Error {
    Error::invalid(format!("{what}: {}", error.message())).with_source(error)
}

/// The table as its creation makes it, with the field ids it will have, before anything is
/// written: so that data files can be written for the very commit that creates it.
pub(in crate::lake) fn stage(lake: &Lake, name: &TableName, new: &NewTable) -> Result<Table> {
    let default = || format!("{}/{}/{}", lake.warehouse, name.namespace(), name.name());
    let location = new.properties.get(LOCATION).cloned();
    let location = location.unwrap_or_else(default);
    let mut properties: HashMap<String, String> = DEFAULTS
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    properties.extend(new.properties.clone());
    properties.remove(LOCATION);
    let built = TableMetadataBuilder::new(
        new.schema.clone(),
        new.partition.clone(),
        new.sort_order.clone(),
        location,
        FormatVersion::V2,
        properties,
    )
    .map(|builder| builder.assign_uuid(lake.entropy.uuid()))
    .and_then(TableMetadataBuilder::build)
    .map_err(|error| refused(format!("the table {name} can't be made"), error))?;
    let metadata = stamped(built.metadata, lake.clock.now_ms())?;
    Ok(Table::new(
        lake.store.clone(),
        name.clone(),
        metadata.into(),
        Arc::default(),
        String::new(),
    ))
}

/// iceberg's builder takes the machine's clock where there is no snapshot; time is ours to give.
pub(super) fn stamped(metadata: TableMetadata, now_ms: i64) -> Result<TableMetadata> {
    let mut document = serde_json::to_value(&metadata).map_err(json)?;
    document["last-updated-ms"] = Value::from(now_ms);
    serde_json::from_value(document).map_err(json)
}

/// What iceberg's builder can build on. It takes the machine's clock wherever no snapshot is added
/// and refuses a table whose logs are more than a minute ahead of it: one that a fast clock wrote to,
/// or after whose last commit the clock was set back. Here the logs stand at that clock at most;
/// [`restored`] undoes it. None where the base will do as it is.
pub(super) fn buildable(base: &TableMetadata) -> Result<Option<TableMetadata>> {
    let machine_ms = SystemClock::default().now_ms();
    let latest_ms = latest(base);
    if latest_ms.saturating_sub(machine_ms) <= HEALING_STEP_MS {
        return Ok(None);
    }
    let mut document = serde_json::to_value(base).map_err(json)?;
    let clamp = |time: &mut Value| {
        if time.as_i64().is_some_and(|ms| ms > machine_ms) {
            *time = Value::from(machine_ms);
        }
    };
    clamp(&mut document["last-updated-ms"]);
    for log in LOGS {
        for entry in document[log.0].as_array_mut().into_iter().flatten() {
            clamp(&mut entry["timestamp-ms"]);
        }
    }
    serde_json::from_value(document).map(Some).map_err(json)
}

/// What was built on a [`buildable`], with the base's own times in its logs again, and changed at
/// `now_ms`.
pub(super) fn restored(
    built: &TableMetadata,
    base: &TableMetadata,
    now_ms: i64,
) -> Result<TableMetadata> {
    let mut document = serde_json::to_value(built).map_err(json)?;
    let original = serde_json::to_value(base).map_err(json)?;
    for (log, key) in LOGS {
        let mut known = original[log].as_array().into_iter().flatten().rev();
        let entries = document[log].as_array_mut().into_iter().flatten().rev();
        // The builder drops entries and adds to the end: both lists have one order. The base's own
        // file, which it adds, was never in the log.
        for entry in entries {
            let before = known.clone();
            match known.find(|old| old[key] == entry[key]) {
                Some(old) => entry["timestamp-ms"] = old["timestamp-ms"].clone(),
                None => {
                    known = before;
                    if log == METADATA_LOG {
                        entry["timestamp-ms"] = Value::from(base.last_updated_ms());
                    }
                }
            }
        }
    }
    document["last-updated-ms"] = Value::from(now_ms);
    serde_json::from_value(document).map_err(json)
}

fn json(error: serde_json::Error) -> Error {
    Error::corrupt(format!("table metadata: {error}"))
}

/// The latest time that iceberg holds a new one against.
fn latest(base: &TableMetadata) -> i64 {
    let logged = base.history().last().map(|entry| entry.timestamp_ms());
    base.last_updated_ms().max(logged.unwrap_or(i64::MIN))
}

/// The instant of the next change. Never before the last one, which readers rely on; but where a
/// fast clock has pushed a table into the future, each commit steps back as far as iceberg allows,
/// so that time travel heals.
pub(super) fn instant(base: &TableMetadata, now_ms: i64) -> i64 {
    let last = latest(base);
    if last.saturating_sub(now_ms) <= MAX_SKEW_MS {
        now_ms.max(last)
    } else {
        now_ms.max(last - HEALING_STEP_MS)
    }
}

/// Where manifests and metadata files go.
pub(super) fn directory(metadata: &TableMetadata) -> String {
    match metadata.properties().get(METADATA_PATH) {
        Some(path) => path.trim_end_matches('/').to_owned(),
        None => format!("{}/metadata", metadata.location()),
    }
}

/// A new name after `current` (empty: the first), in the form all Iceberg writers use.
pub(super) fn next_location(metadata: &TableMetadata, current: &str, id: Uuid) -> String {
    let name = current.rsplit('/').next().unwrap_or_default();
    let digits = name.trim_start_matches('v');
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let version = match digits[..end].parse::<u64>() {
        Ok(version) => version + 1,
        Err(_) => metadata.metadata_log().len() as u64,
    };
    format!("{}/{version:05}-{id}.metadata.json", directory(metadata))
}

pub(super) fn deletes_old_files(metadata: &TableMetadata) -> bool {
    metadata
        .properties()
        .get(DELETE_AFTER_COMMIT)
        .is_some_and(|text| text.eq_ignore_ascii_case("true"))
}
