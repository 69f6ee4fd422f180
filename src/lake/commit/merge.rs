//! Small manifests become few, a bounded piece of work in each commit (I10), so that planning a
//! query and committing cost the same after ten thousand commits as after ten.
//!
//! Once there are `commit.manifest.min-count-to-merge` manifests below the target size, the
//! smallest are merged, and larger ones only while they aren't larger than what is merged already:
//! an entry is rewritten a logarithmic number of times in its life.

use std::collections::BTreeMap;
use std::sync::Arc;

use iceberg::spec::{ManifestContentType, ManifestFile, TableMetadata};

use super::encode::{self, Line, ManifestShape, NewFile};
use crate::lake::{Result, Table};

const MIN_COUNT: &str = "commit.manifest.min-count-to-merge";
const TARGET_BYTES: &str = "commit.manifest.target-size-bytes";
const ENABLED: &str = "commit.manifest-merge.enabled";
const DEFAULT_MIN_COUNT: usize = 100;
const DEFAULT_TARGET_BYTES: i64 = 8 << 20;
/// About what an entry takes, where a foreign manifest doesn't tell how many it has.
const ENTRY_BYTES: i64 = 400;

struct Settings {
    min_count: usize,
    target_bytes: i64,
}

impl Settings {
    fn of(metadata: &TableMetadata) -> Option<Self> {
        let properties = metadata.properties();
        if properties.get(ENABLED).is_some_and(|text| text == "false") {
            return None;
        }
        let min_count = properties.get(MIN_COUNT).and_then(|text| text.parse().ok());
        let target = properties
            .get(TARGET_BYTES)
            .and_then(|text| text.parse().ok());
        Some(Self {
            min_count: min_count.unwrap_or(DEFAULT_MIN_COUNT).max(2),
            target_bytes: target.unwrap_or(DEFAULT_TARGET_BYTES).max(1 << 10),
        })
    }
}

fn entries(manifest: &ManifestFile) -> i64 {
    match (manifest.added_files_count, manifest.existing_files_count) {
        (Some(added), Some(existing)) => i64::from(added) + i64::from(existing),
        _ => manifest.manifest_length / ENTRY_BYTES,
    }
}

/// The indexes of the manifests to merge, which share a partition spec; empty when there is
/// nothing to do.
fn choose(manifests: &[ManifestFile], settings: &Settings) -> Vec<usize> {
    let mut by_spec: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for (index, manifest) in manifests.iter().enumerate() {
        let small = manifest.manifest_length < settings.target_bytes;
        if manifest.content == ManifestContentType::Data && small {
            by_spec
                .entry(manifest.partition_spec_id)
                .or_default()
                .push(index);
        }
    }
    let crowded = by_spec.into_values().max_by_key(Vec::len);
    let Some(mut small) = crowded.filter(|small| small.len() >= settings.min_count) else {
        return Vec::new();
    };
    small.sort_by_key(|index| (entries(&manifests[*index]), *index));
    let (mut bytes, mut gathered, mut chosen) = (0, 0, Vec::new());
    for index in small {
        let manifest = &manifests[index];
        bytes += manifest.manifest_length;
        let enough = chosen.len() >= settings.min_count / 2;
        let too_large = bytes > settings.target_bytes || entries(manifest) > gathered;
        let too_many = chosen.len() >= settings.min_count * 2;
        if (enough && too_large) || too_many || bytes > settings.target_bytes * 2 {
            break;
        }
        gathered += entries(manifest);
        chosen.push(index);
    }
    if chosen.len() < 2 {
        return Vec::new();
    }
    chosen.sort_unstable();
    chosen
}

/// Replaces many small data manifests by few. `kept` are those that this commit takes over
/// unchanged; what it writes itself is merged by a later one.
pub(super) async fn merge(
    base: &Table,
    snapshot_id: i64,
    kept: &mut Vec<ManifestFile>,
    mut name: impl FnMut() -> String,
) -> Result<Vec<NewFile>> {
    let Some(settings) = Settings::of(base.metadata()) else {
        return Ok(Vec::new());
    };
    let chosen = choose(kept, &settings);
    // Bounds are read with the manifest's own schema, so those of different schemas stay apart.
    let mut by_schema: BTreeMap<i32, Vec<(usize, Arc<iceberg::spec::Manifest>)>> = BTreeMap::new();
    for index in chosen {
        let manifest = base.manifest(&kept[index]).await?;
        let schema_id = manifest.metadata().schema_id();
        by_schema
            .entry(schema_id)
            .or_default()
            .push((index, manifest));
    }
    let (mut files, mut merged, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for group in by_schema.into_values().filter(|group| group.len() > 1) {
        let (first, first_manifest) = (&kept[group[0].0], &group[0].1);
        let Some(spec) = base
            .metadata()
            .partition_spec_by_id(first.partition_spec_id)
        else {
            continue;
        };
        let shape = ManifestShape {
            location: name(),
            snapshot_id,
            content: ManifestContentType::Data,
            schema: first_manifest.metadata().schema().clone(),
            spec: spec.clone(),
        };
        let lines = group
            .iter()
            .flat_map(|(_, manifest)| manifest.entries())
            .filter(|entry| entry.is_alive())
            .map(|entry| Line::Existing(entry.clone()))
            .collect();
        let (manifest, file) = encode::manifest(shape, lines).await?;
        merged.push(manifest);
        files.push(file);
        gone.extend(group.iter().map(|(index, _)| *index));
    }
    gone.sort_unstable();
    for index in gone.into_iter().rev() {
        kept.remove(index);
    }
    merged.append(kept);
    *kept = merged;
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(entries: u32, bytes: i64) -> ManifestFile {
        ManifestFile {
            manifest_path: format!("/m-{entries}-{bytes}"),
            manifest_length: bytes,
            partition_spec_id: 0,
            content: ManifestContentType::Data,
            sequence_number: 1,
            min_sequence_number: 1,
            added_snapshot_id: 1,
            added_files_count: Some(entries),
            existing_files_count: Some(0),
            deleted_files_count: Some(0),
            added_rows_count: Some(1),
            existing_rows_count: Some(0),
            deleted_rows_count: Some(0),
            partitions: None,
            key_metadata: None,
            first_row_id: None,
        }
    }

    const SETTINGS: Settings = Settings {
        min_count: 100,
        target_bytes: 8 << 20,
    };

    #[test]
    fn few_are_left_alone() {
        let few: Vec<_> = (0..99).map(|_| manifest(1, 5_000)).collect();
        assert!(choose(&few, &SETTINGS).is_empty());
    }

    /// 100,000 commits of one file each: manifests stay few, and each commit's work bounded.
    #[test]
    fn many_commits_stay_cheap() {
        let mut manifests: Vec<ManifestFile> = Vec::new();
        let (mut most, mut work, mut worst) = (0, 0_i64, 0_i64);
        for _ in 0..100_000 {
            let chosen = choose(&manifests, &SETTINGS);
            if !chosen.is_empty() {
                let count: i64 = chosen.iter().map(|i| entries(&manifests[*i])).sum();
                let bytes: i64 = chosen.iter().map(|i| manifests[*i].manifest_length).sum();
                worst = worst.max(bytes);
                work += count;
                for index in chosen.into_iter().rev() {
                    manifests.remove(index);
                }
                manifests.push(manifest(count as u32, 5_000 + count * 500));
            }
            manifests.push(manifest(1, 5_500));
            most = most.max(manifests.len());
        }
        assert!(most < 120, "{most} manifests at once");
        assert!(work < 100_000 * 20, "{work} entries rewritten");
        assert!(worst <= 16 << 20, "{worst} bytes rewritten in one commit");
    }

    #[test]
    fn other_specs_and_delete_manifests_are_left_alone() {
        let mut manifests: Vec<_> = (0..100).map(|_| manifest(1, 5_000)).collect();
        manifests[3].content = ManifestContentType::Deletes;
        manifests[4].partition_spec_id = 1;
        manifests.extend((0..5).map(|_| manifest(1, 5_000)));
        let chosen = choose(&manifests, &SETTINGS);
        assert!(chosen.len() >= 50);
        assert!(!chosen.contains(&3) && !chosen.contains(&4));
    }
}
