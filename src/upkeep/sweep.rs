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
use crate::lake::commit::SCRATCH;
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

/// Folders of a table, in its own, that hold an Iceberg writer's files.
const DATA: &str = "data";
const METADATA: &str = "metadata";

/// Whether a file's name is one that an Iceberg writer gives, in a place where it puts files of this
/// table. Both normalised; `folder` is the table's, with a slash at its end. What else lies there
/// may be another table's: those of a namespace that has this table's name lie within its folder,
/// and no catalog lists nested namespaces for us.
fn is_a_writers(place: &str, folder: &str) -> bool {
    let Some((directory, name)) = place
        .strip_prefix(folder)
        .and_then(|path| path.rsplit_once('/'))
    else {
        return false;
    };
    if name.starts_with(['.', '_']) || directory.split('/').any(|part| part.starts_with('.')) {
        return false;
    }
    let mut parts = directory.split('/');
    let endings: &[&str] = match parts.next() {
        Some(DATA) => &DATA_ENDINGS,
        Some(METADATA) => &METADATA_ENDINGS,
        _ => return false,
    };
    // A nested table may itself be called so.
    let nested = parts.clone().any(|part| matches!(part, DATA | METADATA));
    (!nested || parts.next().is_some_and(|part| part.starts_with(SCRATCH)))
        && endings.iter().any(|ending| name.ends_with(ending))
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
            "/w/shop/events/data/0110/1010/a.orc",
            "/w/shop/events/data/scratch-0f/data/a.parquet",
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
            "/w/shop/events/a.parquet",
            // Tables of the namespaces shop.events and shop.events.data.
            "/w/shop/events/clicks/data/a.parquet",
            "/w/shop/events/clicks/metadata/snap-1-0-a.avro",
            "/w/shop/events/data/data/a.parquet",
            "/w/shop/events/data/metadata/snap-1-0-a.avro",
            "/w/shop/events/metadata/metadata/00001-a.metadata.json",
            "/w/shop/events/data/clicks/data/a.parquet",
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
