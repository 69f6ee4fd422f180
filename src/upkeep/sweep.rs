//! Goes through a table's folder for files that nothing reaches: of attempts that failed or whose
//! outcome stayed unknown (I5), of writers that died, of expiries that were cut off.
//!
//! Deletes only what an Iceberg writer makes, by its name; what others keep in the folder
//! (checksums beside their files, notes, whole other tables) is left alone.

use futures::TryStreamExt;

use super::Error;
use super::delete::{BATCH, Deleter};
use super::table::Task;
use crate::lake::Table;
use crate::lake::store::normalise;

const DATA_ENDINGS: [&str; 4] = [".parquet", ".orc", ".avro", ".puffin"];
const METADATA_ENDINGS: [&str; 5] = [
    ".metadata.json",
    ".metadata.json.gz",
    ".avro",
    ".stats",
    ".puffin",
];

pub(super) async fn sweep(
    task: &Task<'_>,
    table: &Table,
    deleter: &mut Deleter<'_>,
) -> Result<(), Error> {
    let location = table.metadata().location();
    if !is_a_folder_of_its_own(location) {
        tracing::warn!(
            table = %task.table, location,
            "orphans are not looked for: the table has a whole store for its folder"
        );
        return Ok(());
    }
    let folder = format!("{}/", normalise(location).trim_end_matches('/'));
    let mut files = task.lake.store.list(location)?;
    let mut batch = Vec::new();
    // A batch is listed before the table is read afresh: what was old then and is not reached
    // after was not on its way into the table.
    while let Some(file) = files.try_next().await? {
        if task.stop.is_cancelled() {
            return Ok(());
        }
        task.options.totals.listed_one();
        if !deleter.is_deletable(&file.location) {
            continue;
        }
        if !is_a_writers(&normalise(&file.location), &folder) {
            deleter.report().files_foreign += 1;
        } else if deleter.old_enough(file.last_modified_ms) {
            batch.push(file.location);
        }
        if batch.len() >= BATCH {
            deleter.delete_old(std::mem::take(&mut batch)).await?;
        }
    }
    deleter.delete_old(batch).await?;
    deleter.report().swept = true;
    Ok(())
}

/// Not `/`, not a whole bucket.
fn is_a_folder_of_its_own(location: &str) -> bool {
    let place = normalise(location);
    let key = match place.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, key)| key),
        None => place.as_str(),
    };
    !key.trim_matches('/').is_empty()
}

/// Whether a file's name is one that an Iceberg writer gives. Both normalised; `folder` is the
/// table's, with a slash at its end.
fn is_a_writers(place: &str, folder: &str) -> bool {
    let Some(path) = place.strip_prefix(folder) else {
        return false;
    };
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    if name.starts_with(['.', '_']) || directory.split('/').any(|part| part.starts_with('.')) {
        return false;
    }
    let endings: &[&str] = match directory.split('/').next() {
        Some("metadata") => &METADATA_ENDINGS,
        _ => &DATA_ENDINGS,
    };
    endings.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_writers_files_are_its() {
        let folder = "/w/shop/events/";
        for place in [
            "/w/shop/events/metadata/00001-a.metadata.json",
            "/w/shop/events/metadata/00001-a.gz.metadata.json",
            "/w/shop/events/metadata/snap-1-0-a.avro",
            "/w/shop/events/data/day=2026-01-01/a.parquet",
            "/w/shop/events/a.orc",
        ] {
            assert!(is_a_writers(place, folder), "{place}");
        }
        for place in [
            "/w/shop/events/data/.a.parquet.crc",
            "/w/shop/events/metadata/version-hint.text",
            "/w/shop/events/README.md",
            "/w/shop/events/data/_SUCCESS",
            "/w/shop/events/data/.tmp/a.parquet",
            "/w/shop/events/metadata/a.parquet",
            "/w/shop/events2/data/a.parquet",
            "/w/shop/events/data/a.metadata.json",
        ] {
            assert!(!is_a_writers(place, folder), "{place}");
        }
    }

    #[test]
    fn a_whole_store_is_nobodys_folder() {
        for location in ["/", "file:///", "s3://bucket", "s3://bucket/"] {
            assert!(!is_a_folder_of_its_own(location), "{location}");
        }
        for location in ["/a", "file:///a", "s3://bucket/a"] {
            assert!(is_a_folder_of_its_own(location), "{location}");
        }
    }
}
