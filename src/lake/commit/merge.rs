//! Small manifests become few, a bounded piece of work in each commit (I10), so that planning a
//! query and committing cost the same after ten thousand commits as after ten.
//!
//! Manifests stand in tiers by their number of entries, each tier [`Settings::fan_in`] times the one
//! below. A tier that is full becomes one manifest of the next: an entry is rewritten once a tier,
//! and a list holds less than `commit.manifest.min-count-to-merge` manifests below the target size.

use std::collections::BTreeMap;

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

/// The full tiers, the lowest first: indexes of manifests of one partition spec, the newest first
/// (as a list has them), no more than a commit may look into.
fn full_tiers(manifests: &[ManifestFile], settings: &Settings) -> Vec<Vec<usize>> {
    let mut tiers: BTreeMap<(u32, i32), Vec<usize>> = BTreeMap::new();
    for (index, manifest) in manifests.iter().enumerate() {
        let small = manifest.manifest_length < settings.target_bytes;
        if manifest.content == ManifestContentType::Data && small {
            let tier = tier(entries(manifest), settings.fan_in);
            let key = (tier, manifest.partition_spec_id);
            tiers.entry(key).or_default().push(index);
        }
    }
    tiers.retain(|_, tier| tier.len() >= settings.fan_in);
    for tier in tiers.values_mut() {
        let mut bytes = 0;
        let fits = tier.iter().take_while(|index| {
            bytes += manifests[**index].manifest_length;
            bytes <= settings.target_bytes * 2
        });
        let most = fits.count().min(settings.fan_in * MOST_TIMES_FAN_IN);
        tier.truncate(most.max(2));
    }
    tiers.into_values().collect()
}

/// Which of a full tier's manifests become one: as many of one schema as make a tier full, or what
/// is left of a schema that gets no more; the oldest first, up to the target size. Others are left
/// alone, and must not keep the tiers above from being merged.
fn pick(
    tier: &[usize],
    schema_ids: &[i32],
    current: i32,
    manifests: &[ManifestFile],
    settings: &Settings,
) -> Vec<usize> {
    let mut by_schema: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for (index, schema_id) in tier.iter().zip(schema_ids) {
        by_schema.entry(*schema_id).or_default().push(*index);
    }
    let wanted = |schema_id: i32| {
        if schema_id == current {
            settings.fan_in.min(tier.len())
        } else {
            2
        }
    };
    let group = by_schema
        .into_iter()
        .filter(|(schema_id, group)| group.len() >= wanted(*schema_id))
        .map(|(_, group)| group)
        .max_by_key(Vec::len);
    let (mut bytes, mut chosen) = (0, Vec::new());
    for index in group.unwrap_or_default().into_iter().rev() {
        let length = manifests[index].manifest_length;
        if bytes + length > settings.target_bytes && chosen.len() >= 2 {
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
    let current = base.metadata().current_schema_id();
    for tier in full_tiers(kept, &settings) {
        let mut manifests = BTreeMap::new();
        let mut schema_ids = Vec::with_capacity(tier.len());
        for index in &tier {
            let manifest = base.manifest(&kept[*index]).await?;
            schema_ids.push(manifest.metadata().schema_id());
            manifests.insert(*index, manifest);
        }
        // Bounds are read with the manifest's own schema, so those of different schemas stay apart.
        let chosen = pick(&tier, &schema_ids, current, kept, &settings);
        manifests.retain(|index, _| chosen.contains(index));
        let Some(first) = manifests.values().next() else {
            continue;
        };
        let spec_id = kept[chosen[0]].partition_spec_id;
        let Some(spec) = base.metadata().partition_spec_by_id(spec_id) else {
            continue;
        };
        let shape = ManifestShape {
            location: name(),
            snapshot_id,
            content: ManifestContentType::Data,
            schema: first.metadata().schema().clone(),
            spec: spec.clone(),
        };
        let alive = manifests.values().flat_map(|manifest| manifest.entries());
        let lines = alive
            .filter(|entry| entry.is_alive())
            .map(|entry| Line::Existing(entry.clone()))
            .collect();
        let headers = base.store().manifests().headers();
        let (merged, file) = manifest::manifest(headers, shape, lines).await?;
        for index in chosen.into_iter().rev() {
            kept.remove(index);
        }
        kept.insert(0, merged);
        return Ok(vec![file]);
    }
    Ok(Vec::new())
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
            sequence_number: 9,
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

    /// Of manifests whose schema is told by their sequence number; the current one is 9.
    fn choose(manifests: &[ManifestFile], settings: &Settings) -> Vec<usize> {
        let tiers = full_tiers(manifests, settings);
        let mut chosen = tiers.iter().map(|tier| {
            let ids = tier.iter().map(|i| manifests[*i].sequence_number as i32);
            let ids: Vec<i32> = ids.collect();
            pick(tier, &ids, 9, manifests, settings)
        });
        chosen.find(|chosen| !chosen.is_empty()).unwrap_or_default()
    }

    fn of_schema(schema_id: i64, entries: u32, bytes: i64) -> ManifestFile {
        ManifestFile {
            sequence_number: schema_id,
            ..manifest(entries, bytes)
        }
    }

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
        assert_eq!(choose(&many, &SETTINGS), (0..128).collect::<Vec<_>>());
        let large: Vec<_> = (0..20).map(|_| manifest(10_000, 5 << 20)).collect();
        assert_eq!(choose(&large, &SETTINGS), [1, 2], "within what may be read");
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

    /// A table that gets another column every twenty commits.
    #[test]
    fn many_schemas_do_not_keep_manifests_from_merging() {
        for fan_in in [2, 16] {
            let settings = Settings { fan_in, ..SETTINGS };
            let mut manifests: Vec<ManifestFile> = Vec::new();
            let mut most = 0;
            for commit in 0..20_000_i64 {
                let current = if commit < 2_000 {
                    commit / 20 - 1_000
                } else {
                    9
                };
                let tiers = full_tiers(&manifests, &settings);
                let chosen = tiers.iter().find_map(|tier| {
                    let ids = tier.iter().map(|i| manifests[*i].sequence_number as i32);
                    let ids: Vec<i32> = ids.collect();
                    let chosen = pick(tier, &ids, current as i32, &manifests, &settings);
                    (!chosen.is_empty()).then_some(chosen)
                });
                if let Some(chosen) = chosen {
                    let schema_id = manifests[chosen[0]].sequence_number;
                    let all = chosen.iter().map(|i| &manifests[*i]);
                    assert!(all.clone().all(|m| m.sequence_number == schema_id));
                    let count: i64 = all.map(entries).sum();
                    for index in chosen.into_iter().rev() {
                        manifests.remove(index);
                    }
                    let bytes = 5_000 + count * 500;
                    manifests.insert(0, of_schema(schema_id, count as u32, bytes));
                }
                manifests.insert(0, of_schema(current, 1, 5_500));
                most = most.max(manifests.len());
            }
            // Each of the hundred schemas may leave a few; the rest is as in any table.
            assert!(most < 100 * 4 + 100, "{most} manifests at once");
            let of_old = manifests.iter().filter(|m| m.sequence_number != 9).count();
            assert!(manifests.len() - of_old < 100, "{}", manifests.len());
        }
    }
}
