//! What a transaction has made of views, beside its tables.

use std::sync::Arc;

use super::TEMPORARY;
use super::state::Writes;
use crate::domain::TableName;
use crate::lake::commit::ViewChange;
use crate::query::loader::OwnViews;
use crate::query::views::View;

/// A view that the transaction makes, changes or drops.
#[derive(Clone, Debug)]
pub(in crate::query) struct PendingView {
    /// As the transaction found it; None where there was none of this name.
    pub base: Option<Arc<View>>,
    /// As it is for the transaction; None once it is dropped.
    pub draft: Option<Arc<View>>,
}

impl Writes {
    /// A view of the transaction's or session's own; Some(None) for one that it dropped.
    pub fn find_view(&self, name: &TableName) -> Option<Option<Arc<View>>> {
        match self.views.get(name) {
            Some(pending) => Some(pending.draft.clone()),
            None => self.temporary_views.get(name).cloned().map(Some),
        }
    }

    pub fn own_views(&self) -> OwnViews {
        let temporary = self.temporary_views.iter();
        let mut own: OwnViews = temporary
            .map(|(name, view)| (name.clone(), Some(Arc::clone(view))))
            .collect();
        for (name, pending) in &self.views {
            own.insert(name.clone(), pending.draft.clone());
        }
        own
    }

    /// Sets a view as the transaction has it from now on. `base` is what stood in the lake.
    pub fn put_view(&mut self, name: TableName, base: Option<Arc<View>>, draft: Option<Arc<View>>) {
        match self.views.get_mut(&name) {
            Some(pending) => pending.draft = draft,
            None => {
                self.views.insert(name, PendingView { base, draft });
            }
        }
    }

    /// The changes that COMMIT publishes; temporary views are not among them.
    pub fn view_changes(&self) -> Vec<ViewChange> {
        let lasting = self.views.iter();
        let lasting = lasting.filter(|(name, _)| name.namespace() != TEMPORARY);
        let changes = lasting.filter_map(|(name, pending)| {
            let at = |view: &Option<Arc<View>>| {
                let view = view.as_ref()?;
                Some(view.stored.metadata_location().to_owned())
            };
            let expected = at(&pending.base);
            (expected != at(&pending.draft)).then(|| ViewChange {
                view: name.clone(),
                expected,
                new: pending.draft.as_ref().map(|view| view.stored.clone()),
            })
        });
        changes.collect()
    }

    /// The transaction was published: temporary views stay as it left them.
    pub fn settle_views(&mut self) {
        for (name, pending) in std::mem::take(&mut self.views) {
            if name.namespace() != TEMPORARY {
                continue;
            }
            match pending.draft {
                Some(view) => self.temporary_views.insert(name, view),
                None => self.temporary_views.remove(&name),
            };
        }
    }
}
