//! The lake: Iceberg tables on an object store behind a catalog, and the one commit path.
//! Everything that changes a table goes through [`Lake::commit`] (invariant I2).

pub mod catalog;
pub mod commit;
pub mod control;
pub mod database;
pub mod deletes;
mod error;
pub mod history;
pub mod manifests;
pub mod partition;
pub mod refs;
pub mod schema;
pub mod store;
pub mod table;
pub mod view;
pub mod writer;

pub use error::{Error, ErrorKind, Result};
pub use table::Table;
pub use view::View;

use std::sync::Arc;

use crate::domain::TableName;
use crate::seams::{Clock, Entropy};

/// An opened lake: cheap to clone, shared by all roles of a process.
#[derive(Clone, Debug)]
pub struct Lake {
    pub catalog: Arc<dyn catalog::Catalog>,
    pub control: Arc<dyn control::Control>,
    pub store: store::Store,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    /// Where new tables are placed: `<warehouse>/<namespace>/<name>`, with no slash at its end.
    pub warehouse: String,
}

impl Lake {
    /// The table as the catalog points to it now. `NotFound` when there is none.
    pub async fn table(&self, name: &TableName) -> Result<Table> {
        let found = self.find(name).await?;
        found.ok_or_else(|| Error::not_found(format!("there is no table {name}")))
    }

    /// The table as the catalog points to it now, if there is one. `Corrupt` when the catalog
    /// points to a file that is not there.
    pub async fn find(&self, name: &TableName) -> Result<Option<Table>> {
        let Some(pointer) = self.catalog.load(name).await? else {
            return Ok(None);
        };
        let error = match Table::at(&self.store, name, &pointer).await {
            Err(error) if error.kind() == ErrorKind::NotFound => error,
            read => return read.map(Some),
        };
        let location = pointer.metadata_location;
        // It was the current one a moment ago: many commits, or a drop, may have come between.
        match self.catalog.load(name).await? {
            None => Ok(None),
            Some(now) if now.metadata_location != location => {
                let read = Table::at(&self.store, name, &now);
                read.await.map(Some)
            }
            Some(_) => Err(Error::corrupt(format!(
                "the catalog points {name} to {location}, which is not there"
            ))
            .with_source(error)),
        }
    }

    /// The table as its creation will make it, before anything is written: its field ids and
    /// location are final, so data files can be written for the very commit that creates it.
    pub fn stage(&self, name: &TableName, new: &commit::NewTable) -> Result<Table> {
        commit::stage(self, name, new)
    }

    /// Makes a set of changes visible together or not at all; see [`commit`].
    pub async fn commit(
        &self,
        commit: &commit::Commit,
    ) -> std::result::Result<commit::Committed, commit::CommitError> {
        commit::run(self, commit, &[]).await
    }

    /// [`Self::commit`] with views that change in the very same moment.
    pub async fn commit_with_views(
        &self,
        commit: &commit::Commit,
        views: &[commit::ViewChange],
    ) -> std::result::Result<commit::Committed, commit::CommitError> {
        commit::run(self, commit, views).await
    }

    /// What bears a name now: a table, or where a view's metadata stands.
    pub async fn relation(&self, name: &TableName) -> Result<Option<catalog::Relation>> {
        let mut found = self
            .catalog
            .load_relations(std::slice::from_ref(name))
            .await?;
        Ok(found.pop().flatten())
    }
}
