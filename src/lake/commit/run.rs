//! The loop of a commit: load, prepare, write, swap; look where an outcome is unknown (I5), go
//! round again where somebody else was first. Must never delete a file that a swap may still make
//! visible.

mod authored;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use iceberg::spec::ManifestFile;
use uuid::Uuid;

use self::authored::Half;
use super::encode::{ManifestListFile, NewFile};
use super::prepare::{Prepared, Work, names_commit};
use super::views::{Standing, ViewChange, Views};
use super::{Commit, CommitError, Committed};
use crate::lake::catalog::{Swap, SwapOutcome};
use crate::lake::manifests::ManifestCache;
use crate::lake::store::Store;
use crate::lake::{Error, ErrorKind, Lake, Result, Table};

/// Rounds lost to others before giving up.
const MAX_CONFLICTS: u32 = 100;
/// Times that the catalog or the store may fail to answer before giving up.
const MAX_SILENCES: u32 = 6;
const MAX_TIME: Duration = Duration::from_secs(120);
const SWAP_TIMEOUT: Duration = Duration::from_secs(60);
const WRITES_AT_ONCE: usize = 8;

/// Runs a commit; see the module above.
pub async fn run(
    lake: &Lake,
    commit: &Commit,
    views: &[ViewChange],
) -> Result<Committed, CommitError> {
    check_shape(commit, views)?;
    let mut run = Run {
        lake,
        commit,
        views: Views::of(views)?,
        work: commit
            .changes
            .iter()
            .map(|change| Work::new(lake, change, commit.id))
            .collect(),
        started: lake.clock.elapsed(),
        attempts: 0,
        conflicts: 0,
        silences: 0,
        unresolved: None,
        half: None,
        shared: BTreeMap::new(),
        authored: lake.catalog.writes_metadata(),
    };
    loop {
        match run.attempt().await {
            Ok(Some(committed)) => return Ok(committed),
            Ok(None) => {}
            Err(error) => return Err(run.give_up(error).await),
        }
    }
}

fn check_shape(commit: &Commit, views: &[ViewChange]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for change in &commit.changes {
        if !seen.insert(&change.table) {
            return Err(Error::invalid(format!(
                "one commit changes {} twice",
                change.table
            )));
        }
    }
    if seen.is_empty() && views.is_empty() {
        return Err(Error::invalid("a commit of no changes"));
    }
    Ok(())
}

struct Run<'a> {
    lake: &'a Lake,
    commit: &'a Commit,
    views: Views,
    work: Vec<Work<'a>>,
    started: Duration,
    attempts: u32,
    conflicts: u32,
    silences: u32,
    unresolved: Option<Unresolved>,
    /// Since when a part of the commit has been visible without the rest.
    half: Option<Half>,
    /// Files that more than one attempt uses, and whether they are known to be written.
    shared: BTreeMap<String, bool>,
    /// Whether the catalog's server writes the metadata files.
    authored: bool,
}

/// Attempts whose outcome was unknown when they ended.
struct Unresolved {
    /// One without swaps is known by what it has left only, and stays open.
    swaps: Vec<Vec<Swap>>,
    cause: Error,
}

type Bases = Vec<Option<Table>>;

// Owned arguments: a stream of futures that borrow can't be sent between threads.
async fn delete(store: Store, location: String) -> Result<()> {
    store.delete(&location).await
}

async fn write(store: Store, file: NewFile) -> Result<()> {
    store.write(&file.location, file.bytes).await
}

async fn remember(cache: &ManifestCache, file: NewFile, listed: &[ManifestFile]) {
    let as_listed = |one: &&ManifestFile| one.manifest_path == file.location;
    let (Some(manifest), Some(as_listed)) = (file.manifest, listed.iter().find(as_listed)) else {
        return;
    };
    let bytes = file.bytes.len() as u64;
    cache
        .put_manifest(bytes, Arc::unwrap_or_clone(manifest), as_listed)
        .await;
}

async fn remember_all(
    cache: &ManifestCache,
    files: impl Iterator<Item = NewFile>,
    list: ManifestListFile,
) {
    for file in files {
        remember(cache, file, &list.manifests).await;
    }
    let bytes = list.file.bytes.len() as u64;
    cache
        .put_list(&list.file.location, bytes, list.manifests)
        .await;
}

impl Run<'_> {
    /// One round. `None`: go round again.
    async fn attempt(&mut self) -> Result<Option<Committed>, CommitError> {
        let loaded = async {
            let bases = self.load().await?;
            let standing = self.views.standing(self.lake).await?;
            if self.shows_some(&self.done_already(&bases)) {
                return Ok((bases, standing));
            }
            Ok((self.make_missing(bases).await?, standing))
        };
        let loaded = loaded.await;
        let (bases, standing) = match loaded {
            Ok(loaded) => loaded,
            Err(CommitError::Failed(error)) => return self.silence(error).await,
            Err(error) => return Err(error),
        };
        if self.took_place(&bases, &standing) {
            return self.found(bases).map(Some);
        }
        let done = self.done_already(&bases);
        if self.shows_some(&done) {
            if self.waits_for_the_rest(&bases, &done).await? {
                return Ok(None);
            }
        } else {
            if let Some(moved) = self.views.moved(&standing) {
                return Err(self.displaced(moved));
            }
            self.half = None;
            self.settle(&bases);
        }

        self.attempts += 1;
        let mut prepared = Vec::with_capacity(bases.len());
        for ((work, base), done) in self.work.iter_mut().zip(bases).zip(done) {
            if done {
                continue;
            }
            match work.prepare(self.lake, base).await {
                Ok(part) => prepared.push(part),
                Err(CommitError::Failed(error)) if error.kind() == ErrorKind::Unavailable => {
                    return self.silence(error).await;
                }
                Err(error) => return Err(error),
            }
        }
        if let Err(error) = self.write(&prepared).await {
            self.discard(&prepared).await;
            return self.silence(error).await;
        }
        self.swap(prepared).await
    }

    async fn load(&self) -> Result<Bases> {
        let mut bases = Vec::with_capacity(self.work.len());
        for work in &self.work {
            let change = work.change;
            let base = match &change.renamed_from {
                None => self.lake.find(&change.table).await?,
                Some(old) => match self.lake.find(old).await? {
                    Some(base) => Some(base),
                    // Where this very commit took place the table has its new name.
                    None => self.lake.find(&change.table).await?,
                },
            };
            bases.push(base);
        }
        Ok(bases)
    }

    /// A view stands elsewhere than planned, and so no attempt can win any more. Where one has been
    /// unknown and no table tells, it may have won before the view moved on.
    fn displaced(&mut self, moved: CommitError) -> CommitError {
        if self.work.iter().any(Work::makes_snapshot) {
            self.unresolved = None;
        }
        moved
    }

    /// Whether this commit is visible already: a snapshot bears its id or, where it makes none,
    /// one of its own metadata files is or was the current one.
    fn took_place(&self, bases: &Bases, standing: &Standing) -> bool {
        if self.authored {
            return self.all_done(bases);
        }
        let id = self.commit.id.to_string();
        if self.work.iter().any(Work::makes_snapshot) {
            let mut tables = bases.iter().flatten();
            return tables.any(|table| names_commit(table, &id));
        }
        let Some(unresolved) = &self.unresolved else {
            return false;
        };
        if let Some(seen) = self.views.took_place(standing) {
            return seen;
        }
        // A drop leaves nothing that it could be known by. Whoever did it, the tables are gone.
        if self.work.iter().all(|work| work.change.drop) {
            return bases.iter().all(Option::is_none) && self.views.are_gone(standing);
        }
        let written: BTreeSet<&str> = unresolved
            .swaps
            .iter()
            .flatten()
            .filter_map(|swap| swap.new.as_deref())
            .collect();
        bases.iter().flatten().any(|table| {
            let log = table.metadata().metadata_log().iter();
            written.contains(table.metadata_location())
                || log
                    .map(|entry| entry.metadata_file.as_str())
                    .any(|file| written.contains(file))
        })
    }

    fn found(&self, bases: Bases) -> Result<Committed, CommitError> {
        let kept = bases.into_iter().zip(&self.work);
        let kept = kept.filter(|(_, work)| !work.change.drop);
        let tables = kept.map(|(base, _)| base).collect::<Option<Vec<_>>>();
        let tables = tables.ok_or_else(|| {
            Error::conflict("the commit took place, and one of its tables was dropped after it")
        })?;
        Ok(Committed {
            tables,
            attempts: self.attempts,
        })
    }

    /// An unresolved attempt can't win any more once one of the pointers it expects has moved:
    /// names of metadata files never come back. Where the server writes the metadata all of them
    /// must have: it may carry out a part. Only for a commit of which nothing is visible, as what
    /// moved the pointer may have been the attempt itself.
    fn settle(&mut self, bases: &Bases) {
        let Some(unresolved) = &mut self.unresolved else {
            return;
        };
        let stands = |swap: &Swap| {
            let index = self
                .commit
                .changes
                .iter()
                .position(|change| change.table == swap.table);
            // The base of a rename stands under its old name, whose own swap tells.
            if index.is_some_and(|index| self.commit.changes[index].renamed_from.is_some()) {
                return true;
            }
            let base = index.and_then(|index| bases[index].as_ref());
            if self.authored {
                // A drop has no requirement that could fail it.
                let edit = swap.edit.as_ref();
                let now = base.map(|base| base.metadata().as_ref());
                return edit.is_none_or(|edit| !edit.has_lapsed(now));
            }
            swap.expected.as_deref() == base.map(Table::metadata_location)
        };
        unresolved.swaps.retain(|swaps| {
            if self.authored {
                swaps.is_empty() || swaps.iter().any(stands)
            } else {
                swaps.iter().all(stands)
            }
        });
        if unresolved.swaps.is_empty() {
            self.unresolved = None;
        }
    }

    async fn write(&mut self, prepared: &[Prepared]) -> Result<()> {
        let shared: Vec<&NewFile> = prepared
            .iter()
            .filter_map(|part| part.shared_file.as_ref())
            .filter(|file| self.shared.get(&file.location) != Some(&true))
            .collect();
        // Noted before: a write that reports failure may have been carried out.
        let views = self.views.files.clone();
        let views = views
            .iter()
            .filter(|file| self.shared.get(&file.location) != Some(&true));
        let shared: Vec<&NewFile> = shared.into_iter().chain(views).collect();
        for file in &shared {
            self.shared.insert(file.location.clone(), false);
        }
        let own = prepared.iter().flat_map(|part| &part.files);
        let writes: Vec<_> = own
            .chain(shared.iter().copied())
            .map(|file| write(self.lake.store.clone(), file.clone()))
            .collect();
        let _: Vec<()> = futures::stream::iter(writes)
            .buffered(WRITES_AT_ONCE)
            .try_collect()
            .await?;
        for file in shared {
            self.shared.insert(file.location.clone(), true);
        }
        Ok(())
    }

    async fn swap(&mut self, prepared: Vec<Prepared>) -> Result<Option<Committed>, CommitError> {
        let swaps: Vec<Swap> = prepared.iter().map(|part| part.swap.clone()).collect();
        // A safety net over a backend that hangs, not logic: a simulation's clock has no part in it.
        let (views, guards) = (&self.views.swaps, &self.commit.guards);
        let asked = self.lake.catalog.swap_all(&swaps, views, guards);
        let answer = tokio::time::timeout(SWAP_TIMEOUT, asked).await;
        let answer = answer.unwrap_or_else(|_| {
            Err(Error::unavailable(format!(
                "the catalog did not answer within {SWAP_TIMEOUT:?}"
            )))
        });
        match answer {
            Ok(SwapOutcome::Swapped) if self.authored => self.look_back(prepared, swaps).await,
            Ok(SwapOutcome::Swapped) => Ok(Some(self.done(prepared).await)),
            Ok(SwapOutcome::Moved(table)) => {
                if !self.authored || !self.is_there(&swaps).await {
                    self.discard(&prepared).await;
                }
                self.conflicts += 1;
                if self.conflicts > MAX_CONFLICTS || self.is_late() {
                    return Err(Error::conflict(format!(
                        "{table}: others were first {} times",
                        self.conflicts
                    ))
                    .into());
                }
                self.pause(Duration::from_millis(2), self.conflicts).await;
                Ok(None)
            }
            Ok(SwapOutcome::GuardFailed(guard)) => {
                self.discard(&prepared).await;
                // An earlier attempt may have won before the guard fell.
                if self.unresolved.is_some() {
                    let bases = self.load().await.map_err(CommitError::Failed)?;
                    let standing = self.views.standing(self.lake).await?;
                    if self.took_place(&bases, &standing) {
                        return self.found(bases).map(Some);
                    }
                    // A late arrival would meet the same guard, unless that is kept elsewhere.
                    if !self.authored {
                        self.unresolved = None;
                    }
                }
                Err(CommitError::Displaced(guard))
            }
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                self.note_unresolved(swaps, &error);
                self.silence(error).await
            }
            // Nothing moved. A conflict here is the database being busy, or away before the end.
            Err(error) => {
                self.discard(&prepared).await;
                self.silence(error).await
            }
        }
    }

    fn note_unresolved(&mut self, swaps: Vec<Swap>, error: &Error) {
        match &mut self.unresolved {
            Some(unresolved) => unresolved.swaps.push(swaps),
            None => {
                self.unresolved = Some(Unresolved {
                    swaps: vec![swaps],
                    cause: Error::unavailable(error.to_string()),
                });
            }
        }
    }

    /// The commit is visible; what follows is tidying, and its failure no failure of the commit.
    async fn done(&mut self, prepared: Vec<Prepared>) -> Committed {
        let cache = self.lake.store.manifests();
        let mut tables = Vec::with_capacity(prepared.len());
        for part in prepared {
            if part.swap.new.is_none() {
                continue;
            }
            let replaced = part.swap.expected.as_deref();
            cache
                .put_commit(&part.table, part.metadata_bytes, replaced)
                .await;
            if let Some(list) = part.list {
                let files = part.files.into_iter().chain(part.shared_file);
                remember_all(cache, files, list).await;
            }
            self.remove(part.obsolete.iter().map(String::as_str)).await;
            tables.push(part.table);
        }
        self.remove(self.views.obsolete()).await;
        Committed {
            tables,
            attempts: self.attempts,
        }
    }

    /// Removes what a lost attempt wrote. Only where the outcome is certain.
    async fn discard(&self, prepared: &[Prepared]) {
        let own = prepared.iter().flat_map(|part| &part.files);
        self.remove(own.map(|file| file.location.as_str())).await;
    }

    /// Best effort: what stays is an orphan for upkeep.
    async fn remove(&self, locations: impl Iterator<Item = &str>) {
        let deletes: Vec<_> = locations
            .map(|location| delete(self.lake.store.clone(), location.to_owned()))
            .collect();
        let _: Vec<Result<()>> = futures::stream::iter(deletes)
            .buffered(WRITES_AT_ONCE)
            .collect()
            .await;
    }

    /// Store or catalog did not answer: once more after a pause, if there is patience left.
    async fn silence(&mut self, error: Error) -> Result<Option<Committed>, CommitError> {
        self.silences += 1;
        let passing = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Conflict);
        let patient = passing && self.silences <= MAX_SILENCES && !self.is_late();
        if !patient {
            return Err(error.into());
        }
        self.pause(Duration::from_millis(50), self.silences).await;
        Ok(None)
    }

    fn is_late(&self) -> bool {
        self.lake.clock.elapsed().saturating_sub(self.started) > MAX_TIME
    }

    /// Doubles with each time up to 2 s, and draws the second half by lot.
    async fn pause(&self, first: Duration, times: u32) {
        let ceiling = first.saturating_mul(1 << times.min(10));
        let ceiling = ceiling.min(Duration::from_secs(2));
        let lot = (self.lake.entropy.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        self.lake
            .clock
            .sleep(ceiling.mul_f64(0.5 + lot / 2.0))
            .await;
    }

    /// The last word: while an attempt may still win, only that nobody knows.
    async fn give_up(&mut self, error: CommitError) -> CommitError {
        let Some(unresolved) = self.unresolved.take() else {
            self.unmake().await;
            self.remove(self.shared.keys().map(String::as_str)).await;
            return error;
        };
        let id: Uuid = self.commit.id;
        let cause = match error {
            CommitError::Failed(last) => Error::new(
                unresolved.cause.kind(),
                format!("{}; then: {last}", unresolved.cause),
            ),
            _ => unresolved.cause,
        };
        CommitError::Unknown { id, cause }
    }
}
