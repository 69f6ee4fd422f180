//! Small manifests become few, a bounded piece of work in each commit (I10), so that planning a
//! query and committing cost the same after ten thousand commits as after ten.
//!
//! Manifests stand in tiers by their number of entries, each tier [`Settings::fan_in`] times the one
//! below. A tier that is full becomes one manifest of the next: an entry is rewritten once a tier,
//! and a list holds less than `commit.manifest.min-count-to-merge` manifests below the target size.

use std::collections::BTreeMap;
use std::sync::Arc;

use iceberg::spec::{ManifestContentType, ManifestFile, TableMetadata};

use super::encode::NewFile;
use super::manifest::{self, Line, ManifestShape};
use crate::lake::{Result, Table};

const MIN_COUNT: &str = "commit.manifest.min-count-to-merge";
const TARGET_BYTES: &str = "commit.manifest.target-size-bytes";
const ENABLED: &str = "commit.manifest-merge.enabled";
const DEFAULT_MIN_COUNT: usize = 100;
const DEFAULT_TARGET_BYTES: i64 = 8 << 20;
/// About what an entry takes, where a foreign manifest doesn't tell how many it has.
const ENTRY_BYTES: i64 = 400;

/// A commit merges no more manifests than this times the fan-in, where another engine left many.
const MOST_TIMES_FAN_IN: usize = 8;
/// Tiers up to the target size, about, at the default fan-in: 1, 16, 256, 4,096 and more entries.
const TIERS: usize = 6;

struct Settings {
    /// So many manifests of a tier become one. A larger number means fewer rewrites and longer
    /// lists, each of which a commit writes whole.
    fan_in: usize,
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
            fan_in: (min_count.unwrap_or(DEFAULT_MIN_COUNT) / TIERS).max(2),
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

/// The tier of a manifest of so many entries.
fn tier(entries: i64, fan_in: usize) -> u32 {
    u64::try_from(entries)
        .unwrap_or(0)
        .max(1)
        .ilog(fan_in as u64)
}

/// The indexes of the manifests to merge: those of the lowest full tier, which share a partition
/// spec, the oldest first up to the target size. Empty when there is nothing to do.
fn choose(manifests: &[ManifestFile], settings: &Settings) -> Vec<usize> {
    let mut tiers: BTreeMap<(u32, i32), Vec<usize>> = BTreeMap::new();
    for (index, manifest) in manifests.iter().enumerate() {
        let small = manifest.manifest_length < settings.target_bytes;
        if manifest.content == ManifestContentType::Data && small {
            let tier = tier(entries(manifest), settings.fan_in);
            let key = (tier, manifest.partition_spec_id);
            tiers.entry(key).or_default().push(index);
        }
    }
    let full = tiers
        .into_values()
        .find(|tier| tier.len() >= settings.fan_in);
    let (mut bytes, mut chosen) = (0, Vec::new());
    // A list has the newest first.
    for index in full.unwrap_or_default().into_iter().rev() {
        let length = manifests[index].manifest_length;
        let too_large = bytes + length > settings.target_bytes && chosen.len() >= 2;
        if too_large || chosen.len() >= settings.fan_in * MOST_TIMES_FAN_IN {
            break;
        }
        bytes += length;
        chosen.push(index);
    }
    chosen.reverse();
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
        let headers = base.store().manifests().headers();
        let (manifest, file) = manifest::manifest(headers, shape, lines).await?;
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
        fan_in: 16,
        target_bytes: 8 << 20,
    };

    #[test]
    fn few_are_left_alone() {
        let mut few: Vec<_> = (0..15).map(|_| manifest(1, 5_000)).collect();
        few.extend((0..15).map(|_| manifest(16, 13_000)));
        assert!(choose(&few, &SETTINGS).is_empty());
        few.push(manifest(1, 5_000));
        assert_eq!(choose(&few, &SETTINGS).len(), 16);
    }

    /// What others left in great number is merged in parts.
    #[test]
    fn many_at_once_are_merged_in_parts() {
        let many: Vec<_> = (0..1_000).map(|_| manifest(1, 5_000)).collect();
        assert_eq!(choose(&many, &SETTINGS), (872..1_000).collect::<Vec<_>>());
        let large: Vec<_> = (0..20).map(|_| manifest(10_000, 5 << 20)).collect();
        assert_eq!(choose(&large, &SETTINGS), [18, 19]);
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
                manifests.insert(0, manifest(count as u32, 5_000 + count * 500));
            }
            manifests.insert(0, manifest(1, 5_500));
            most = most.max(manifests.len());
        }
        assert!(most < 100, "{most} manifests at once");
        assert!(work < 100_000 * 5, "{work} entries rewritten");
        assert!(worst <= 16 << 20, "{worst} bytes rewritten in one commit");
    }

    #[test]
    fn other_specs_and_delete_manifests_are_left_alone() {
        let mut manifests: Vec<_> = (0..100).map(|_| manifest(1, 5_000)).collect();
        manifests[3].content = ManifestContentType::Deletes;
        manifests[4].partition_spec_id = 1;
        manifests.extend((0..5).map(|_| manifest(1, 5_000)));
        let chosen = choose(&manifests, &SETTINGS);
        assert_eq!(chosen.len(), 103);
        assert!(!chosen.contains(&3) && !chosen.contains(&4));
    }
}
