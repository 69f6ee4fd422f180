//! The end of a transaction: all that it changed in one commit, or nothing of it.
//! Must never tell of success or failure where it isn't known (I5).

use std::collections::BTreeMap;
use std::time::Duration;

use super::state::{Pending, Writes};
use super::{Error, refuse};
use crate::domain::TableName;
use crate::lake::commit::{Commit, CommitError, TableChange};
use crate::lake::store::Store;
use crate::query::session::{Session, lock};
use crate::query::{QueryError, QueryErrorKind};

/// A transaction's tables at a savepoint.
#[derive(Clone, Debug, Default)]
pub struct Savepoint(BTreeMap<TableName, Pending>);

impl Session {
    /// Whether the open transaction has written anything.
    pub fn has_writes(&self) -> bool {
        lock(&self.writes).is_open()
    }

    /// Publishes what the transaction has written, in one commit. Must be let run to its end.
    ///
    /// `SerializationFailure` where a table has changed since; nothing is left then. State `08007`
    /// where it isn't known whether the commit took place.
    pub async fn commit_writes(&self) -> Result<(), QueryError> {
        let (changes, since) = {
            let writes = lock(&self.writes);
            (writes.changes(), writes.since_ms)
        };
        if !changes.is_empty() {
            let now = self.engine().lake().clock.now_ms();
            let age =
                Duration::from_millis(now.saturating_sub(since.unwrap_or(now)).unsigned_abs());
            let longest = self.engine().oldest_write();
            let done = if age > longest {
                Err(refuse(
                    "25P03",
                    format!(
                        "the transaction has written for more than {longest:?} and can't be committed any more"
                    ),
                ))
            } else {
                self.publish(changes).await
            };
            if let Err(error) = done {
                // Files of an unknown outcome may be a table's by now.
                if error.kind != QueryErrorKind::State("08007") {
                    self.discard_writes().await;
                } else {
                    lock(&self.writes).abandon();
                }
                return Err(error);
            }
        }
        let unused = lock(&self.writes).settle();
        self.delete_files(unused).await;
        Ok(())
    }

    async fn publish(&self, changes: Vec<TableChange>) -> Result<(), Error> {
        let lake = self.engine().lake();
        let creates = changes.iter().filter(|change| change.must_create);
        for change in creates {
            let namespace = change.table.namespace();
            lake.catalog.create_namespace(namespace).await?;
        }
        let commit = Commit {
            id: lake.entropy.uuid(),
            changes,
            guards: Vec::new(),
        };
        match lake.commit(&commit).await {
            Ok(_) => Ok(()),
            Err(error) => Err(told(error)),
        }
    }

    /// Forgets what the transaction has written, and deletes its files.
    pub async fn discard_writes(&self) {
        let files = lock(&self.writes).abandon();
        self.delete_files(files).await;
    }

    /// Best effort: what stays is an orphan for upkeep.
    async fn delete_files(&self, files: Vec<(Store, String)>) {
        for (store, location) in files {
            if let Err(error) = store.delete(&location).await {
                tracing::debug!("{location} is left to upkeep: {error}");
            }
        }
    }

    /// What [`Self::restore_writes`] goes back to.
    pub fn save_writes(&self) -> Savepoint {
        Savepoint(lock(&self.writes).tables.clone())
    }

    /// ROLLBACK TO a savepoint. Files written since are deleted at the transaction's end.
    pub fn restore_writes(&self, savepoint: &Savepoint) {
        lock(&self.writes).tables = savepoint.0.clone();
    }

    /// Drops the session's temporary tables.
    pub fn drop_temporary(&self) {
        let mut writes = lock(&self.writes);
        let kept = |pending: &Pending| pending.draft.as_ref().is_none_or(|draft| !draft.temporary);
        writes.tables.retain(|_, pending| kept(pending));
        writes.temporary.clear();
        if writes.tables.is_empty() {
            *writes = Writes::default();
        }
    }
}

fn told(error: CommitError) -> QueryError {
    let conflict = |reason: String| {
        QueryError {
            detail: Some(reason),
            ..QueryError::new(
                QueryErrorKind::SerializationFailure,
                "could not serialize access due to concurrent update",
            )
        }
        .with_hint("Nothing of the transaction took place: run it again.")
    };
    match error {
        CommitError::Stale { table, reason } => conflict(format!("{table}: {reason}")),
        CommitError::Fenced { .. } | CommitError::Displaced(_) => conflict(error.to_string()),
        CommitError::Unknown { .. } => QueryError {
            detail: Some(error.to_string()),
            ..QueryError::new(
                QueryErrorKind::State("08007"),
                "it is not known whether the transaction took place: the catalog did not answer",
            )
        }
        .with_hint("Look at the tables before you run it again."),
        CommitError::Failed(error) => error.into(),
    }
}
