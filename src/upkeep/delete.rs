//! Deletes files in batches. Before each batch the lease is renewed and the table read afresh, and
//! only what it does not reach, and what is old enough, goes (I9).

use std::collections::HashSet;
use std::time::Duration;

use futures::{StreamExt, stream};
use object_store::ObjectStoreExt;

use super::Error;
use super::reach::{self, Reach};
use super::report::TableReport;
use super::table::Task;
use crate::lake::control::Lease;
use crate::lake::store::normalise;
use crate::lake::{self, Lake, Table};

/// So many files between two looks at the table.
pub(super) const BATCH: usize = 500;
/// Calls of the store at once.
const AT_ONCE: usize = 8;

pub(super) struct Deleter<'a> {
    task: &'a Task<'a>,
    lease: &'a Lease,
    report: &'a mut TableReport,
    /// Snapshots that a dry run would have removed.
    without: Vec<i64>,
    /// What the table reached when it stood so.
    known: Option<(Table, Reach)>,
    /// What a dry run has counted already.
    counted: HashSet<u64>,
}

impl<'a> Deleter<'a> {
    pub fn new(task: &'a Task<'a>, lease: &'a Lease, report: &'a mut TableReport) -> Self {
        Self {
            task,
            lease,
            report,
            without: Vec::new(),
            known: None,
            counted: HashSet::new(),
        }
    }

    pub fn without(&mut self, snapshots: Vec<i64>) {
        self.without = snapshots;
    }

    pub fn report(&mut self) -> &mut TableReport {
        self.report
    }

    /// Whether this program may ever delete this file for this table.
    pub fn is_deletable(&self, location: &str) -> bool {
        let place = normalise(location);
        let neighbours = &self.task.neighbours;
        !neighbours.shared
            && !neighbours
                .within
                .iter()
                .any(|folder| place.starts_with(folder))
    }

    /// Deletes files whose age is not known: each is looked at first.
    pub async fn delete_unlisted(&mut self, files: Vec<String>) -> Result<(), Error> {
        for batch in files.chunks(BATCH) {
            if self.task.stop.is_cancelled() {
                return Ok(());
            }
            let (lake, safety_age) = (self.task.lake.clone(), self.task.options.safety_age);
            let deletable = batch.iter().filter(|file| self.is_deletable(file)).cloned();
            let deletable: Vec<String> = deletable.collect();
            let mut looks = stream::iter(deletable)
                .map(move |file| {
                    let lake = lake.clone();
                    async move {
                        let old = is_old(&lake, &file, safety_age).await;
                        (file, old)
                    }
                })
                .buffer_unordered(AT_ONCE);
            let (mut old, mut young, mut failures) = (Vec::new(), 0, 0);
            while let Some((file, is_old)) = looks.next().await {
                match is_old {
                    Ok(Some(true)) => old.push(file),
                    // The sweep finds it again when it is old enough.
                    Ok(Some(false)) => young += 1,
                    Ok(None) => {}
                    Err(error) => {
                        tracing::debug!(file, %error, "could not look at a file");
                        failures += 1;
                    }
                }
            }
            self.report.files_too_young += young;
            self.report.delete_failures += failures;
            self.delete_old(old).await?;
        }
        Ok(())
    }

    /// Deletes those of these files, known to be old enough before this call, that the table does
    /// not reach now.
    pub async fn delete_old(&mut self, mut files: Vec<String>) -> Result<(), Error> {
        if let Some((_, reach)) = &self.known {
            files.retain(|file| !reach.contains(file));
        }
        if files.is_empty() {
            return Ok(());
        }
        self.task.still_ours(self.lease).await?;
        let table = self.task.fresh().await?;
        let reach = self.reach(&table).await?;
        files.retain(|file| !reach.contains(file));
        if self.task.options.dry_run {
            let new = files
                .iter()
                .filter(|file| self.counted.insert(reach::hash(file)));
            self.report.files_deleted += new.count() as u64;
            return Ok(());
        }
        let store = self.task.lake.store.clone();
        let mut deletes = stream::iter(files)
            .map(move |file| {
                let store = store.clone();
                async move {
                    let deleted = store.delete(&file).await;
                    (file, deleted)
                }
            })
            .buffer_unordered(AT_ONCE);
        while let Some((file, deleted)) = deletes.next().await {
            match deleted {
                Ok(()) => {
                    tracing::trace!(file, "deleted");
                    self.report.files_deleted += 1;
                    self.task.options.totals.deleted_one();
                }
                Err(error) => {
                    tracing::debug!(file, %error, "could not delete a file");
                    self.report.delete_failures += 1;
                }
            }
        }
        Ok(())
    }

    /// What the table reaches; worked out again only when it has moved.
    async fn reach(&mut self, table: &Table) -> Result<&Reach, Error> {
        // Both: where a catalog's server writes metadata files, it may write one anew.
        let same = |at: &Table| {
            at.metadata_location() == table.metadata_location() && at.metadata() == table.metadata()
        };
        let stands = matches!(&self.known, Some((at, _)) if same(at));
        if !stands {
            let reach = reach::reachable(table, &self.without).await?;
            self.known = Some((table.clone(), reach));
        }
        let (_, reach) = self.known.as_ref().expect("it was just set");
        Ok(reach)
    }

    pub fn old_enough(&self, modified_ms: i64) -> bool {
        old_enough(self.task.lake, modified_ms, self.task.options.safety_age)
    }
}

fn old_enough(lake: &Lake, modified_ms: i64, safety_age: Duration) -> bool {
    let age_ms = lake.clock.now_ms().saturating_sub(modified_ms);
    age_ms >= super::ms(safety_age)
}

/// None when there is no such file.
async fn is_old(lake: &Lake, file: &str, safety_age: Duration) -> lake::Result<Option<bool>> {
    let (store, _, path) = lake.store.resolve(file)?;
    match store.head(&path).await {
        Ok(meta) => {
            let modified_ms = meta.last_modified.timestamp_millis();
            Ok(Some(old_enough(lake, modified_ms, safety_age)))
        }
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(lake::Error::unavailable(format!("{file}: {error}"))),
    }
}
