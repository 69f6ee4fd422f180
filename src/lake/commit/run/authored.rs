//! The loop's steps where the catalog's server writes metadata files (a REST catalog): tables are
//! made before their first rows, a commit is known by what the tables say of it, and a server whose
//! transactions are not atomic may have carried out half of one.

use std::time::Duration;

use super::{Bases, Prepared, Run, Work, remember_all};
use crate::lake::catalog::{Swap, SwapOutcome};
use crate::lake::commit::{CommitError, Committed};
use crate::lake::{Error, Result, Table};

/// So long a commit of which only a part is visible is looked at again: the server may be between
/// two tables, or about to take the part back. Longer than our client waits for an answer (30 s).
const HALF_TIME: Duration = Duration::from_secs(45);

/// A part of a commit, seen without the rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Half {
    since: Duration,
    looks: u32,
}

impl Run<'_> {
    /// Makes the tables that this commit is to make, without rows: the rows then come to what
    /// stands in the catalog, with the ids that its server gave.
    pub(super) async fn make_missing(&mut self, mut bases: Bases) -> Result<Bases, CommitError> {
        let missing = |(work, base): (&Work<'_>, &Option<Table>)| {
            work.change.create.is_some() && !work.change.drop && base.is_none()
        };
        if !self.authored || !self.work.iter().zip(&bases).any(missing) {
            return self.none_is_taken(bases);
        }
        // Who has been displaced makes nothing.
        match self.lake.catalog.swap(&[], &self.commit.guards).await? {
            SwapOutcome::GuardFailed(guard) => return Err(CommitError::Displaced(guard)),
            SwapOutcome::Swapped | SwapOutcome::Moved(_) => {}
        }
        for (work, base) in self.work.iter_mut().zip(&mut bases) {
            let change = work.change;
            if change.create.is_none() || change.drop {
                continue;
            }
            if base.is_some() {
                continue;
            }
            if change.replaces.is_some() {
                return Err(taken(work));
            }
            let staged = work.staged(self.lake)?;
            let (catalog, table) = (&self.lake.catalog, &change.table);
            let made = catalog.make(table, staged.metadata()).await?;
            *base = self.lake.find(table).await?;
            if base.is_none() && !made {
                return Err(Error::conflict(format!("another makes {table} just now")).into());
            }
        }
        self.none_is_taken(bases)
    }

    fn none_is_taken(&self, bases: Bases) -> Result<Bases, CommitError> {
        for (work, base) in self.work.iter().zip(&bases) {
            let news = self.authored && work.change.must_create && !work.change.drop;
            let other = base.as_ref().is_some_and(|there| !work.has_made(there));
            if news && other {
                return Err(taken(work));
            }
        }
        Ok(bases)
    }

    /// Takes back tables that were made for rows that never came. Best effort: an empty table is
    /// in nobody's way but that of its name. Only those that must be new: any other one may be
    /// filled by whoever else was about to make it, and a server drops a table whatever is in it.
    pub(super) async fn unmake(&self) {
        for work in &self.work {
            if !self.authored || !work.change.must_create || work.only_makes() {
                continue;
            }
            let Ok(Some(table)) = self.lake.find(&work.change.table).await else {
                continue;
            };
            if work.has_made(&table) && table.metadata().current_snapshot_id().is_none() {
                let swap = Swap {
                    table: work.change.table.clone(),
                    expected: Some(table.metadata_location().to_owned()),
                    new: None,
                    edit: None,
                };
                if let Err(error) = self.lake.catalog.swap(&[swap], &[]).await {
                    tracing::debug!(%error, "an empty table is left behind");
                }
            }
        }
    }

    /// Which changes are visible already.
    pub(super) fn done_already(&self, bases: &Bases) -> Vec<bool> {
        let done = |(work, base): (&Work<'_>, &Option<Table>)| {
            self.authored && work.is_done(base.as_ref())
        };
        self.work.iter().zip(bases).map(done).collect()
    }

    /// Whether all of the commit is. What leaves no trace, a drop or a rename, is taken as done
    /// once it was tried and things are as it would have them, whoever did it.
    pub(super) fn all_done(&self, bases: &Bases) -> bool {
        let tried = self.unresolved.is_some();
        let done = self.done_already(bases);
        let pairs = self.work.iter().zip(bases).zip(done);
        pairs.into_iter().all(|((work, base), done)| {
            let change = work.change;
            let named = |base: &Table| base.name() == &change.table;
            let gone = tried && change.drop && base.is_none();
            let renamed =
                tried && change.renamed_from.is_some() && base.as_ref().is_some_and(named);
            done || gone || renamed
        })
    }

    /// Whether some of the commit is visible, more than that its tables were made.
    pub(super) fn shows_some(&self, done: &[bool]) -> bool {
        let mut pairs = self.work.iter().zip(done);
        pairs.any(|(work, done)| *done && !work.only_makes())
    }

    /// A part of the commit is visible: from now on nobody may say that nothing took place. True
    /// while it is too early to send the rest after it. What moves a ledger is never sent so: were
    /// the part, dead letters, taken back after all, its records would be gone; the other way
    /// round they come again.
    pub(super) async fn waits_for_the_rest(
        &mut self,
        bases: &Bases,
        done: &[bool],
    ) -> Result<bool, CommitError> {
        let torn = || Error::unavailable("the catalog shows a part of the commit only");
        if self.unresolved.is_none() {
            self.note_unresolved(Vec::new(), &torn());
        }
        let gone = |(work, base): (&Work<'_>, &Option<Table>)| base.is_none() && !work.change.drop;
        if self.work.iter().zip(bases).any(gone) {
            let error = "a part of the commit is visible, and one of its tables is gone";
            return Err(Error::conflict(error).into());
        }
        let now = self.lake.clock.elapsed();
        let half = self.half.get_or_insert(Half {
            since: now,
            looks: 0,
        });
        half.looks += 1;
        let (since, looks) = (half.since, half.looks);
        if now.saturating_sub(since) < HALF_TIME {
            self.pause(Duration::from_millis(50), looks).await;
            return Ok(true);
        }
        let mut missing = self.work.iter().zip(done).filter(|(_, done)| !**done);
        if missing.any(|(work, _)| !work.change.ledger.is_empty()) {
            return Err(torn().into());
        }
        Ok(false)
    }

    /// Whether a commit that the catalog refused is there all the same: something between us and the
    /// server may have sent a request twice, and the second is refused because of the first. Where
    /// that can't be seen it may be so.
    pub(super) async fn is_there(&mut self, swaps: &[Swap]) -> bool {
        let there = match self.load().await {
            Ok(bases) => self.shows_some(&self.done_already(&bases)),
            Err(_) => true,
        };
        if there {
            let error = Error::unavailable("the catalog refused a commit that it shows");
            self.note_unresolved(swaps.to_vec(), &error);
        }
        there
    }

    /// The server has said yes: what it made is to be looked at. Where that can't be done, the
    /// commit is searched for like one of an unknown outcome.
    pub(super) async fn look_back(
        &mut self,
        prepared: Vec<Prepared>,
        swaps: Vec<Swap>,
    ) -> Result<Option<Committed>, CommitError> {
        let cache = self.lake.store.manifests();
        for part in prepared {
            if let Some(list) = part.list {
                let files = part.files.into_iter().chain(part.shared_file);
                remember_all(cache, files, list).await;
            }
        }
        // Whatever comes now, it is not that nothing took place.
        let unseen = || Error::unavailable("the catalog took the commit and does not show it");
        self.note_unresolved(swaps, &unseen());
        match self.load().await {
            Ok(bases) if self.shows_snapshots(&bases) => self.found(bases).map(Some),
            Ok(_) => self.silence(unseen()).await,
            Err(error) => self.silence(error).await,
        }
    }

    /// Whether each snapshot of the commit is where it belongs. What makes none is taken at the
    /// server's word: its mark may have been overwritten by the next comer's.
    fn shows_snapshots(&self, bases: &Bases) -> bool {
        let shows = |(work, base): (&Work<'_>, &Option<Table>)| {
            base.is_none() || !work.makes_snapshot() || work.is_done(base.as_ref())
        };
        self.work.iter().zip(bases).all(shows)
    }
}

fn taken(work: &Work<'_>) -> CommitError {
    let table = work.change.table.clone();
    if work.change.replaces.is_some() {
        return Error::invalid(format!(
            "{table}: a REST catalog can't put a new table in another's place in one commit; drop \
             the old one first, in a transaction of its own"
        ))
        .into();
    }
    CommitError::Stale {
        table,
        reason: "another table has taken this name meanwhile".into(),
    }
}
