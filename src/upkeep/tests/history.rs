//! Random histories of commits, tags, orphans and passes. The oracle is a plain map of what each
//! snapshot holds, kept by the test from what it did.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::seams::Clock;

const TABLE: &str = "shop.events";

struct Story {
    house: House,
    random: ChaCha8Rng,
    /// What each snapshot ever made holds.
    holds: BTreeMap<i64, BTreeSet<String>>,
    head: Option<i64>,
    /// Former heads, with the time when they were the head last.
    superseded: Vec<(i64, i64)>,
    tags: BTreeMap<String, i64>,
    /// Of no table, with the time of their making.
    orphans: Vec<(String, i64)>,
    foreign: BTreeSet<String>,
}

impl Story {
    async fn begin(seed: u64) -> Self {
        let mut house = House::new(seed);
        // Few stay whole where a table is only added to: that must cost no reader a file.
        house.options.policy.keep_all_most = 3;
        house.create(TABLE).await;
        Self {
            house,
            random: ChaCha8Rng::seed_from_u64(seed),
            holds: BTreeMap::new(),
            head: None,
            superseded: Vec::new(),
            tags: BTreeMap::new(),
            orphans: Vec::new(),
            foreign: BTreeSet::new(),
        }
    }

    fn current(&self) -> BTreeSet<String> {
        self.head
            .map(|head| self.holds[&head].clone())
            .unwrap_or_default()
    }

    fn some_of(&mut self, files: &BTreeSet<String>) -> Vec<String> {
        files
            .iter()
            .filter(|_| self.random.random_bool(0.4))
            .cloned()
            .collect()
    }

    async fn commit(&mut self) {
        let mut holds = self.current();
        let mut add = Vec::new();
        for _ in 0..self.random.random_range(0..3) {
            add.push(self.house.data_file(TABLE).await);
        }
        let remove = self.some_of(&holds);
        let files = match self.random.random_range(0..10) {
            0..5 => FileChange::Append(add.clone()),
            5 => {
                holds.clear();
                FileChange::OverwriteAll { add: add.clone() }
            }
            6 => {
                holds.retain(|file| !remove.contains(file));
                add.clear();
                FileChange::Delete { remove }
            }
            7 => {
                holds.retain(|file| !remove.contains(file));
                FileChange::Replace {
                    remove,
                    add: add.clone(),
                }
            }
            _ => {
                holds.retain(|file| !remove.contains(file));
                FileChange::Overwrite {
                    remove,
                    add: add.clone(),
                }
            }
        };
        holds.extend(add.iter().map(|file| file.file_path().to_owned()));
        let table = self.house.commit(change(TABLE, files)).await;
        let id = table.metadata().current_snapshot_id().unwrap();
        self.holds.insert(id, holds);
        let now_ms = self.house.clock.now_ms();
        self.superseded
            .extend(self.head.replace(id).map(|head| (head, now_ms)));
    }

    async fn tag(&mut self) {
        let table = self.house.table(TABLE).await;
        let ids: Vec<i64> = table
            .metadata()
            .snapshots()
            .map(|s| s.snapshot_id())
            .collect();
        let name = format!("t{}", self.random.random_range(0..3));
        if self.random.random_bool(0.3) {
            if self.tags.remove(&name).is_some() {
                self.house.tag(TABLE, &name, None).await;
            }
        } else if !ids.is_empty() {
            let id = ids[self.random.random_range(0..ids.len())];
            self.house.tag(TABLE, &name, Some(id)).await;
            self.tags.insert(name, id);
        }
    }

    async fn litter(&mut self) {
        let n = self.house.files;
        self.house.files += 1;
        let path = match self.random.random_range(0..3) {
            0 => format!("/wh/shop/events/data/orphan{n}.parquet"),
            1 => format!("/wh/shop/events/metadata/orphan{n}.avro"),
            _ => {
                let path = format!("/wh/shop/events/data/.f{n}.parquet.crc");
                self.house.put(&path).await;
                self.foreign.insert(path);
                return;
            }
        };
        self.house.put(&path).await;
        self.orphans.push((path, self.house.clock.now_ms()));
    }

    async fn thin(&mut self) {
        let stop = CancellationToken::new();
        let (lake, options) = (&self.house.lake, &self.house.options);
        thin(lake, options, &stop).await.unwrap();
    }

    async fn pass(&mut self) {
        let sweep = self.random.random_bool(0.5);
        let report = self.house.pass_one(sweep).await;
        assert_eq!(report.error, None);
        assert_eq!(report.delete_failures, 0);
        let now_ms = self.house.clock.now_ms();
        let safety_ms = ms(self.house.options.safety_age);
        for (path, made_ms) in &self.orphans {
            let young = now_ms - made_ms < safety_ms;
            if young {
                assert!(self.house.exists(path).await, "{path} was too young to go");
            } else if sweep {
                assert!(!self.house.exists(path).await, "{path} was left");
            }
        }
        if sweep {
            self.orphans
                .retain(|(_, made_ms)| now_ms - made_ms < safety_ms);
        }
    }

    /// Every snapshot that is still there holds what it held, and those that must be are there.
    async fn check(&self) -> BTreeSet<String> {
        let (snapshots, needed) = self.house.read_all(TABLE).await;
        for (id, files) in &snapshots {
            assert_eq!(files, &self.holds[id], "snapshot {id}");
        }
        for id in self.tags.values().chain(&self.head) {
            assert!(snapshots.contains_key(id), "snapshot {id} must stay");
        }
        for path in &self.foreign {
            assert!(self.house.exists(path).await, "{path} is not ours");
        }
        let now_ms = self.house.clock.now_ms();
        let keep_ms = self.house.options.policy.keep_all_ms;
        for (id, ended_ms) in &self.superseded {
            for path in self.holds[id]
                .iter()
                .filter(|_| now_ms - ended_ms < keep_ms)
            {
                let there = self.house.exists(path).await;
                assert!(there, "{path} of {id} was taken from who reads it");
            }
        }
        needed
    }

    async fn tell(mut self) {
        for _ in 0..50 {
            match self.random.random_range(0..14) {
                12 => {
                    // Enough to be worth a commit.
                    for _ in 0..self.random.random_range(0..40) {
                        self.commit().await;
                    }
                }
                13 => {
                    self.thin().await;
                    self.check().await;
                }
                0..6 => self.commit().await,
                6 => self.tag().await,
                7 => self.litter().await,
                8 => {
                    self.pass().await;
                    self.check().await;
                }
                9 | 10 => {
                    let minutes = self.random.random_range(1..90);
                    self.house.pass_time(minutes * MINUTE);
                }
                _ => {
                    let hours = self.random.random_range(1..60);
                    self.house.pass_time(hours * HOUR);
                }
            }
        }
        self.end().await;
    }

    /// In the end, when all is old: nothing is left but what is needed, and what is not ours.
    async fn end(mut self) {
        self.commit().await;
        self.house.pass_time(30 * DAY);
        // The first pass expires, the second finds what that one's metadata file pushed out.
        self.house.pass_one(true).await;
        self.house.pass_time(2 * DAY);
        self.house.pass_one(true).await;
        let needed = self.check().await;
        let expected: BTreeSet<String> = needed
            .iter()
            .map(|path| normalise(path))
            .chain(self.foreign.clone())
            .collect();
        assert_eq!(self.house.files().await, expected);
        let (snapshots, _) = self.house.read_all(TABLE).await;
        let tagged: BTreeSet<i64> = self.tags.values().chain(&self.head).copied().collect();
        assert_eq!(snapshots.into_keys().collect::<BTreeSet<_>>(), tagged);
    }
}

#[tokio::test]
async fn no_reachable_file_is_ever_deleted_and_in_the_end_no_other_is_left() {
    for seed in 0..12 {
        let _named = NameOnPanic(seed);
        Story::begin(seed).await.tell().await;
    }
}

struct NameOnPanic(u64);

impl Drop for NameOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was seed {}", self.0);
        }
    }
}
