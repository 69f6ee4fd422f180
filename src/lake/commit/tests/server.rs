//! A catalog whose server writes the metadata, played here: it applies updates where requirements
//! hold, and fails in all the ways that a real one can.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use iceberg::spec::TableMetadata;

use super::*;
use crate::lake::catalog::{Edit, Pointer, Swap, SwapOutcome};
use crate::lake::refs::{self, Refs};
use crate::lake::{Error, Result};
use crate::seams::Clock;

/// What becomes of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// It takes place, its answer is lost.
    Lost,
    /// It does not take place, and nobody says so.
    Ignored,
    /// Sent twice by something between: the second is refused because of the first.
    Twice,
    /// Refused, though nothing stands against it.
    Refused,
    /// The first table only, as a server without real transactions may do it.
    Half,
    /// The same, and it says that all is well.
    HalfTaken,
}

#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub version: u64,
    pub metadata: TableMetadata,
    pub refs: Refs,
}

type Tables = BTreeMap<TableName, Stored>;
type Deed = Box<dyn FnOnce(&mut Tables) + Send>;

#[derive(Default)]
pub(super) struct Server {
    tables: Mutex<Tables>,
    moods: Mutex<VecDeque<Mood>>,
    /// What happens to the tables behind the next change, and at some time.
    next: Mutex<Option<Deed>>,
    later: Mutex<Option<(Arc<ManualClock>, Duration, Deed)>>,
    /// Whether guards hold no longer.
    pub displaced: Mutex<bool>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Server {
    pub fn tables(&self) -> MutexGuard<'_, BTreeMap<TableName, Stored>> {
        self.tables.lock().unwrap()
    }

    fn next_mood(&self) -> Option<Mood> {
        self.moods.lock().unwrap().pop_front()
    }

    pub fn no_moods(&self) {
        self.moods.lock().unwrap().clear();
    }

    /// Done by others just behind the next change.
    pub fn then(&self, deed: impl FnOnce(&mut Tables) + Send + 'static) {
        *self.next.lock().unwrap() = Some(Box::new(deed));
    }

    /// Done by the server itself at this time.
    pub fn at(
        &self,
        clock: &Arc<ManualClock>,
        time: Duration,
        deed: impl FnOnce(&mut Tables) + Send + 'static,
    ) {
        *self.later.lock().unwrap() = Some((Arc::clone(clock), time, Box::new(deed)));
    }

    fn do_what_is_due(&self) {
        let mut later = self.later.lock().unwrap();
        if let Some((_, _, deed)) = later.take_if(|(clock, time, _)| clock.elapsed() >= *time) {
            deed(&mut self.tables());
        }
    }

    /// The tables as another one's commits would make them of what stands now.
    pub async fn as_if<F: Future>(&self, lake: &Lake, work: impl FnOnce(Lake) -> F) -> Tables {
        let copy = Arc::new(Server {
            tables: Mutex::new(self.tables().clone()),
            ..Server::default()
        });
        work(over(lake, copy.clone())).await;
        copy.tables().clone()
    }

    fn apply(&self, swaps: &[&Swap]) -> SwapOutcome {
        let mut tables = self.tables();
        let mut new = tables.clone();
        for swap in swaps {
            let Some(edit) = &swap.edit else {
                new.remove(&swap.table);
                continue;
            };
            match tables.get(&swap.table).and_then(|base| edited(base, edit)) {
                Some(stored) => new.insert(swap.table.clone(), stored),
                None => return SwapOutcome::Moved(swap.table.clone()),
            };
        }
        *tables = new;
        SwapOutcome::Swapped
    }
}

fn edited(base: &Stored, edit: &Edit) -> Option<Stored> {
    for required in &edit.requirements {
        // The crate's check knows no null.
        let holds = match required {
            iceberg::TableRequirement::RefSnapshotIdMatch { r#ref, snapshot_id } => {
                base.refs.get(r#ref).map(|at| at.snapshot_id) == *snapshot_id
            }
            other => other.check(Some(&base.metadata)).is_ok(),
        };
        if !holds {
            return None;
        }
    }
    let mut builder = base.metadata.clone().into_builder(None);
    for update in edit.updates.clone() {
        builder = update.apply(builder).unwrap();
    }
    let built = builder.build().unwrap();
    Some(Stored {
        version: base.version + 1,
        refs: refs::after(&base.refs, &built.changes, &built.metadata),
        metadata: built.metadata,
    })
}

#[async_trait]
impl Catalog for Server {
    async fn load_all(&self, tables: &[TableName]) -> Result<Vec<Option<Pointer>>> {
        self.do_what_is_due();
        let known = self.tables();
        let pointer = |table: &TableName| {
            let stored = known.get(table)?;
            let none = document::SnapshotTexts::default();
            let json = document::to_json(&stored.metadata, &stored.refs, &none);
            Some(Pointer {
                metadata_location: format!("/server/{table}/{}.json", stored.version),
                metadata: Some(json.unwrap().0.into()),
            })
        };
        Ok(tables.iter().map(pointer).collect())
    }

    async fn list(&self) -> Result<Vec<TableName>> {
        Ok(self.tables().keys().cloned().collect())
    }

    async fn namespaces(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn create_namespace(&self, _namespace: &str) -> Result<()> {
        Ok(())
    }

    fn writes_metadata(&self) -> bool {
        true
    }

    async fn swap(&self, swaps: &[Swap], guards: &[Guard]) -> Result<SwapOutcome> {
        if let (Some(guard), true) = (guards.first(), *self.displaced.lock().unwrap()) {
            return Ok(SwapOutcome::GuardFailed(guard.clone()));
        }
        if swaps.is_empty() {
            return Ok(SwapOutcome::Swapped);
        }
        let answer = self.answer(swaps);
        if let Some(deed) = self.next.lock().unwrap().take() {
            deed(&mut self.tables());
        }
        answer
    }

    async fn make(&self, table: &TableName, metadata: &TableMetadata) -> Result<bool> {
        let mood = self.next_mood();
        if matches!(mood, Some(Mood::Ignored | Mood::Half)) {
            return Err(Error::unavailable("no answer"));
        }
        let mut tables = self.tables();
        if mood == Some(Mood::Refused) || tables.contains_key(table) {
            return Ok(false);
        }
        let stored = Stored {
            version: 1,
            metadata: metadata.clone(),
            refs: Refs::new(),
        };
        tables.insert(table.clone(), stored);
        match mood {
            Some(Mood::Lost) => Err(Error::unavailable("no answer")),
            Some(Mood::Twice) => Ok(false),
            _ => Ok(true),
        }
    }
}

impl Server {
    fn answer(&self, swaps: &[Swap]) -> Result<SwapOutcome> {
        let all: Vec<&Swap> = swaps.iter().collect();
        let silent = || Err(Error::unavailable("no answer"));
        let refused = SwapOutcome::Moved(swaps[0].table.clone());
        match self.next_mood() {
            None => Ok(self.apply(&all)),
            Some(Mood::Lost) => {
                self.apply(&all);
                silent()
            }
            Some(Mood::Ignored) => silent(),
            Some(Mood::Twice) => {
                self.apply(&all);
                Ok(refused)
            }
            Some(Mood::Refused) => Ok(refused),
            Some(Mood::Half) => {
                self.apply(&all[..1]);
                silent()
            }
            Some(Mood::HalfTaken) => Ok(self.apply(&all[..1])),
        }
    }
}

pub(super) fn world() -> (Lake, Arc<Server>) {
    let (lake, server, _) = world_in_time();
    (lake, server)
}

pub(super) fn world_in_time() -> (Lake, Arc<Server>, Arc<ManualClock>) {
    let (lake, clock) = lake();
    let server = Arc::new(Server::default());
    (over(&lake, server.clone()), server, clock)
}

pub(super) fn moods(server: &Server, moods: &[Mood]) {
    server.moods.lock().unwrap().extend(moods);
}

pub(super) fn snapshots(server: &Server, table: &str) -> usize {
    server.tables()[&name(table)].metadata.snapshots().len()
}
