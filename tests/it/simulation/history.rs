//! Every swap that took place, in order, with the metadata that it made current: what the oracle
//! judges does not depend on what expiry leaves.

use std::sync::{Arc, Mutex};

use frazil::domain::{OffsetRange, SourcePartition, TableName};
use frazil::lake::Table;
use frazil::lake::catalog::Swap;
use frazil::lake::store::Store;
use serde::Deserialize;

/// What one snapshot's summary says about offsets.
#[derive(Clone, Debug)]
pub struct Told {
    pub source: SourcePartition,
    pub range: OffsetRange,
    pub lost: bool,
    pub snapshot: i64,
}

#[derive(Debug)]
pub struct History {
    store: Store,
    swapped: Mutex<Vec<Table>>,
    lines: Mutex<Vec<String>>,
}

#[derive(Deserialize)]
struct Document {
    sources: Vec<Source>,
}

#[derive(Deserialize)]
struct Source {
    cluster_id: String,
    topic_id: String,
    ranges: Vec<(i32, i64, i64)>,
}

impl History {
    /// Over a store without faults.
    pub fn new(store: Store) -> Arc<Self> {
        Arc::new(Self {
            store,
            swapped: Mutex::default(),
            lines: Mutex::default(),
        })
    }

    pub async fn swapped(&self, swaps: &[Swap]) {
        for swap in swaps {
            let Some(new) = &swap.new else { continue };
            let table = Table::read(&self.store, &swap.table, new)
                .await
                .expect("what was swapped in can be read");
            let metadata = table.metadata();
            let summary = metadata.current_snapshot().map(|s| s.summary().clone());
            let told = summary.map(|s| {
                let of = |key: &str| {
                    s.additional_properties
                        .get(key)
                        .cloned()
                        .unwrap_or_default()
                };
                format!("{} lost {}", of("frazil.offsets"), of("frazil.lost"))
            });
            self.note(format!(
                "{} v{} snapshot {:?} {}",
                swap.table,
                metadata.last_sequence_number(),
                metadata.current_snapshot_id(),
                told.unwrap_or_default()
            ));
            self.swapped.lock().unwrap().push(table);
        }
    }

    /// Adds a line to the short history that a failing seed prints.
    pub fn note(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// All tables that were ever current, in order of their swaps.
    pub fn tables(&self) -> Vec<Table> {
        self.swapped.lock().unwrap().clone()
    }

    /// The offsets told by all snapshots of a table so far, in order.
    pub fn told(&self, name: &TableName) -> Vec<Told> {
        let mut told = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for table in self
            .swapped
            .lock()
            .unwrap()
            .iter()
            .filter(|t| t.name() == name)
        {
            let Some(snapshot) = table.metadata().current_snapshot() else {
                continue;
            };
            if !seen.insert(snapshot.snapshot_id()) {
                continue;
            }
            let summary = &snapshot.summary().additional_properties;
            for (key, lost) in [("frazil.offsets", false), ("frazil.lost", true)] {
                let Some(text) = summary.get(key) else {
                    continue;
                };
                let document: Document = serde_json::from_str(text).expect("a summary's offsets");
                for source in document.sources {
                    for (partition, from, to) in source.ranges {
                        told.push(Told {
                            source: SourcePartition {
                                cluster_id: source.cluster_id.clone(),
                                topic_id: source.topic_id.clone(),
                                partition,
                            },
                            range: OffsetRange { from, to },
                            lost,
                            snapshot: snapshot.snapshot_id(),
                        });
                    }
                }
            }
        }
        told
    }
}
