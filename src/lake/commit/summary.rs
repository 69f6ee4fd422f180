//! The counts in a snapshot's summary, as Iceberg names them.

use std::collections::{BTreeMap, HashSet};

use iceberg::spec::{DataContentType, DataFile, Snapshot, Struct};

/// What a snapshot adds and removes.
#[derive(Debug, Default)]
pub(super) struct Counts {
    added: Side,
    removed: Side,
    partitions: HashSet<Struct>,
}

#[derive(Debug, Default)]
struct Side {
    data_files: i64,
    delete_files: i64,
    records: i64,
    position_deletes: i64,
    equality_deletes: i64,
    bytes: i64,
}

impl Side {
    fn count(&mut self, file: &DataFile) {
        let records = file.record_count() as i64;
        self.bytes += file.file_size_in_bytes() as i64;
        match file.content_type() {
            DataContentType::Data => {
                self.data_files += 1;
                self.records += records;
            }
            DataContentType::PositionDeletes => {
                self.delete_files += 1;
                self.position_deletes += records;
            }
            DataContentType::EqualityDeletes => {
                self.delete_files += 1;
                self.equality_deletes += records;
            }
        }
    }
}

impl Counts {
    pub fn add(&mut self, file: &DataFile) {
        self.added.count(file);
        self.partitions.insert(file.partition().clone());
    }

    pub fn remove(&mut self, file: &DataFile) {
        self.removed.count(file);
        self.partitions.insert(file.partition().clone());
    }

    /// Writes the counts, and the totals carried on from the parent. A total that the parent does
    /// not tell stays untold, as it can't be known without reading everything.
    pub fn write(&self, parent: Option<&Snapshot>, into: &mut BTreeMap<String, String>) {
        let (a, r) = (&self.added, &self.removed);
        let changes = [
            ("added-data-files", a.data_files),
            ("added-delete-files", a.delete_files),
            ("added-records", a.records),
            ("added-files-size", a.bytes),
            ("deleted-data-files", r.data_files),
            ("removed-delete-files", r.delete_files),
            ("deleted-records", r.records),
            ("removed-position-deletes", r.position_deletes),
            ("removed-equality-deletes", r.equality_deletes),
            ("removed-files-size", r.bytes),
            ("changed-partition-count", self.partitions.len() as i64),
        ];
        for (name, count) in changes {
            if count > 0 {
                into.insert(name.to_owned(), count.to_string());
            }
        }
        let totals = [
            ("total-data-files", a.data_files - r.data_files),
            ("total-delete-files", a.delete_files - r.delete_files),
            ("total-records", a.records - r.records),
            ("total-files-size", a.bytes - r.bytes),
            (
                "total-position-deletes",
                a.position_deletes - r.position_deletes,
            ),
            (
                "total-equality-deletes",
                a.equality_deletes - r.equality_deletes,
            ),
        ];
        for (name, change) in totals {
            let before = match parent {
                None => Some(0),
                Some(parent) => {
                    let told = parent.summary().additional_properties.get(name);
                    told.and_then(|text| text.parse::<i64>().ok())
                }
            };
            if let Some(before) = before {
                into.insert(name.to_owned(), (before + change).to_string());
            }
        }
    }
}
