//! The views of a commit: each moves from the file that was planned on to a new one, in the swap
//! of its tables. Views aren't merged: one that has moved meanwhile makes the commit stale.

use std::collections::BTreeSet;

use super::CommitError;
use super::encode::NewFile;
use crate::domain::TableName;
use crate::lake::catalog::{Relation, ViewSwap};
use crate::lake::{Error, Lake, Result, View};

/// What happens to one view.
#[derive(Clone, Debug)]
pub struct ViewChange {
    pub view: TableName,
    /// The metadata file that must be its current one; None: no view may have the name.
    pub expected: Option<String>,
    /// None: the view goes.
    pub new: Option<View>,
}

/// The views of one commit.
pub(super) struct Views {
    pub swaps: Vec<ViewSwap>,
    /// Written once, whatever the attempts.
    pub files: Vec<NewFile>,
}

/// Where the names stand: a view's metadata file, or something else.
pub(super) type Standing = Vec<Option<String>>;

impl Views {
    pub fn of(changes: &[ViewChange]) -> Result<Self> {
        let mut seen = BTreeSet::new();
        let mut views = Self {
            swaps: Vec::new(),
            files: Vec::new(),
        };
        for change in changes {
            if !seen.insert(&change.view) {
                let message = format!("one commit changes the view {} twice", change.view);
                return Err(Error::invalid(message));
            }
            views.swaps.push(ViewSwap {
                view: change.view.clone(),
                expected: change.expected.clone(),
                new: change
                    .new
                    .as_ref()
                    .map(|view| view.metadata_location().to_owned()),
            });
            if let Some(view) = &change.new {
                views.files.push(NewFile {
                    location: view.metadata_location().to_owned(),
                    bytes: view.to_json()?,
                    manifest: None,
                });
            }
        }
        Ok(views)
    }

    pub async fn standing(&self, lake: &Lake) -> Result<Standing> {
        if self.swaps.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<TableName> = self.swaps.iter().map(|swap| swap.view.clone()).collect();
        let found = lake.catalog.load_relations(&names).await?;
        let at = |relation| match relation {
            Some(Relation::View(at)) => Some(at),
            Some(Relation::Table(_)) | None => None,
        };
        Ok(found.into_iter().map(at).collect())
    }

    /// Whether the swap of an earlier attempt is seen: names of metadata files never come back.
    /// None where the views tell nothing, as all of them only went.
    pub fn took_place(&self, standing: &Standing) -> Option<bool> {
        let mut made = self.swaps.iter().zip(standing);
        let any_made = self.swaps.iter().any(|swap| swap.new.is_some());
        any_made.then(|| made.any(|(swap, at)| swap.new.is_some() && swap.new == *at))
    }

    /// Whether none of the views that go is there any more.
    pub fn are_gone(&self, standing: &Standing) -> bool {
        standing.iter().all(Option::is_none)
    }

    /// The first view that has moved since the change was planned.
    pub fn moved(&self, standing: &Standing) -> Option<CommitError> {
        let mut both = self.swaps.iter().zip(standing);
        let (moved, _) = both.find(|(swap, at)| swap.expected != **at)?;
        Some(CommitError::Stale {
            table: moved.view.clone(),
            reason: "the view has been changed, dropped or made meanwhile".into(),
        })
    }

    /// Files that the commit has replaced.
    pub fn obsolete(&self) -> impl Iterator<Item = &str> {
        let old = self.swaps.iter();
        old.filter_map(|swap| swap.expected.as_deref())
    }
}
