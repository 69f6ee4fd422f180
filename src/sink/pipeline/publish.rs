//! One attempt to make a batch visible: closes its files, then one commit of both tables and the
//! ledger. Never retries by itself: what an outcome means is the pipeline's decision (I5).

use std::collections::BTreeMap;
use std::time::Duration;

use super::batch::{Batch, Began, Figures, Finished};
use crate::declare::stream::Stream;
use crate::lake::commit::{Commit, CommitError, Committed, FileChange, LedgerMove, TableChange};
use crate::lake::{self, Lake, Table};
use crate::sink::tables::Tables;

/// A batch that was cut: no more records come in.
pub(crate) struct Work {
    pub files: Files,
    /// The ledger's moves, one for each partition that was read (I3).
    pub moves: Vec<LedgerMove>,
    /// Properties of the event table that say what was read last, see [`last_read`].
    ///
    /// [`last_read`]: crate::sink::last_read
    pub last_read: BTreeMap<String, String>,
    /// The tables as they were when the batch began.
    pub tables: Tables,
    /// When its first record came: its files are not older.
    pub began: Began,
    /// When it was cut, for the time that commits take.
    pub cut: Duration,
}

/// The files of a cut batch.
pub(crate) enum Files {
    Open(Box<Batch>),
    Finished(Finished),
    /// An attempt took them and did not bring them back.
    Gone,
}

impl Work {
    pub fn memory_bytes(&self) -> usize {
        match &self.files {
            Files::Open(batch) => batch.memory_bytes(),
            Files::Finished(_) | Files::Gone => 0,
        }
    }

    pub fn figures(&self) -> Figures {
        match &self.files {
            Files::Open(batch) => batch.figures(),
            Files::Finished(finished) => finished.figures,
            Files::Gone => Figures::default(),
        }
    }
}

/// What an attempt came to.
pub(crate) enum Outcome {
    Committed(Committed),
    Failed(CommitError),
    /// The files could not be written; the batch must be read again.
    NoFiles(lake::Error),
    /// It took longer than allowed: unknown, like a lost reply.
    TimedOut(Duration),
}

/// Tries once; hands the work back for another try.
pub(crate) async fn attempt(
    lake: Lake,
    stream: std::sync::Arc<Stream>,
    mut work: Work,
    limit: Duration,
) -> (Work, Outcome) {
    let clock = lake.clock.clone();
    let outcome = tokio::select! {
        biased;
        outcome = finish_and_commit(&lake, &stream, &mut work) => outcome,
        () = clock.sleep(limit) => Outcome::TimedOut(limit),
    };
    (work, outcome)
}

async fn finish_and_commit(lake: &Lake, stream: &Stream, work: &mut Work) -> Outcome {
    let finished = match std::mem::replace(&mut work.files, Files::Gone) {
        Files::Finished(finished) => finished,
        Files::Open(batch) => match batch.finish().await {
            Ok(finished) => finished,
            Err(error) => return Outcome::NoFiles(error),
        },
        Files::Gone => {
            return Outcome::NoFiles(lake::Error::new(
                lake::ErrorKind::Internal,
                "the files of this batch are gone",
            ));
        }
    };
    let commit = Commit {
        id: lake.entropy.uuid(),
        changes: changes(stream, work, &finished),
        guards: Vec::new(),
    };
    work.files = Files::Finished(finished);
    match lake.commit(&commit).await {
        Ok(committed) => Outcome::Committed(committed),
        Err(error) => Outcome::Failed(error),
    }
}

/// The event table always changes, for it carries the ledger; the dead letters only if there are
/// any.
fn changes(stream: &Stream, work: &Work, finished: &Finished) -> Vec<TableChange> {
    let mut events = append(
        &work.tables.events,
        stream.table.clone(),
        finished.events.clone(),
    );
    events.ledger.clone_from(&work.moves);
    events.set_properties.clone_from(&work.last_read);
    let mut changes = vec![events];
    if !finished.dead_letters.is_empty() {
        changes.push(append(
            &work.tables.dead_letters,
            stream.dead_letters.clone(),
            finished.dead_letters.clone(),
        ));
    }
    changes
}

fn append(
    table: &Table,
    name: crate::domain::TableName,
    files: Vec<iceberg::spec::DataFile>,
) -> TableChange {
    let metadata = table.metadata();
    TableChange {
        expected_uuid: Some(metadata.uuid()),
        // The files are made for both; where others change them meanwhile, all is read again.
        expected_schema: Some(metadata.current_schema_id()),
        expected_spec_id: Some(metadata.default_partition_spec_id()),
        ..TableChange::new(name, FileChange::Append(files))
    }
}
