//! The end of a transaction: all that it changed in one commit, or nothing of it.
//! Must never tell of success or failure where it isn't known (I5).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::BoxFuture;

use super::pending_views::PendingView;
use super::state::{Pending, Writes};
use super::{Error, TEMPORARY, refuse};
use crate::domain::TableName;
use crate::lake::commit::{Commit, CommitError, TableChange, ViewChange};
use crate::lake::store::Store;
use crate::query::session::{Session, lock};
use crate::query::{QueryError, QueryErrorKind};

/// What a transaction had changed at a savepoint.
#[derive(Clone, Debug, Default)]
pub struct Savepoint {
    tables: BTreeMap<TableName, Pending>,
    views: BTreeMap<TableName, PendingView>,
    schemas: BTreeMap<String, bool>,
}

/// What COMMIT publishes.
struct Changes {
    tables: Vec<TableChange>,
    views: Vec<ViewChange>,
    schemas: BTreeMap<String, bool>,
}

impl Changes {
    fn are_none(&self) -> bool {
        self.tables.is_empty() && self.views.is_empty() && self.schemas.is_empty()
    }
}

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
            let changes = Changes {
                tables: writes.changes(),
                views: writes.view_changes(),
                schemas: writes.schemas.clone(),
            };
            (changes, writes.since_ms)
        };
        if !changes.are_none() {
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

    async fn publish(&self, changes: Changes) -> Result<(), Error> {
        let lake = self.engine().lake();
        let made = changes.tables.iter().filter(|change| change.must_create);
        let made = made.map(|change| change.table.namespace());
        let views = changes.views.iter().filter(|change| change.new.is_some());
        let views = views.map(|change| change.view.namespace());
        let own = changes.schemas.iter();
        let own = own.filter_map(|(schema, made)| made.then_some(schema.as_str()));
        let namespaces: BTreeSet<&str> = made.chain(views).chain(own).collect();
        for namespace in namespaces {
            lake.catalog.create_namespace(namespace).await?;
        }
        if !changes.tables.is_empty() || !changes.views.is_empty() {
            let commit = Commit {
                id: lake.entropy.uuid(),
                changes: changes.tables,
                guards: Vec::new(),
            };
            let done: BoxFuture<'_, _> = Box::pin(lake.commit_with_views(&commit, &changes.views));
            done.await.map_err(told)?;
        }
        for (schema, made) in &changes.schemas {
            // Somebody has made a table in it meanwhile: the schema stays with it.
            if !made && !lake.catalog.drop_namespace(schema).await? {
                tracing::info!("schema {schema} stays: it is in use again");
            }
        }
        Ok(())
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
        let writes = lock(&self.writes);
        Savepoint {
            tables: writes.tables.clone(),
            views: writes.views.clone(),
            schemas: writes.schemas.clone(),
        }
    }

    /// ROLLBACK TO a savepoint. Files written since are deleted at the transaction's end.
    pub fn restore_writes(&self, savepoint: &Savepoint) {
        let mut writes = lock(&self.writes);
        writes.tables = savepoint.tables.clone();
        writes.views = savepoint.views.clone();
        writes.schemas = savepoint.schemas.clone();
    }

    /// Drops the session's temporary tables.
    pub fn drop_temporary(&self) {
        let mut writes = lock(&self.writes);
        let kept = |pending: &Pending| pending.draft.as_ref().is_none_or(|draft| !draft.temporary);
        writes.tables.retain(|_, pending| kept(pending));
        writes.temporary.clear();
        writes.views.retain(|name, _| name.namespace() != TEMPORARY);
        writes.temporary_views.clear();
        if writes.tables.is_empty() && writes.views.is_empty() && writes.schemas.is_empty() {
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
