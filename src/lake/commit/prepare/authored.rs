//! One table's part of a commit where the catalog's server writes metadata files: what it is asked
//! to make of the base, and how to find out that it did. Writes nothing.

use iceberg::spec::{TableMetadataBuildResult, TableMetadataBuilder};

use super::{
    COMMIT_ID_SUMMARY, CommitError, ManifestListFile, NewFile, Prepared, Work, names_commit,
    refused,
};
use crate::lake::catalog::{Edit, Swap};
use crate::lake::{Error, Result, Table};

impl Work<'_> {
    /// Whether this is the very table that this change had made.
    pub fn has_made(&self, base: &Table) -> bool {
        let staged = self.staged.as_ref();
        self.authored && staged.is_some_and(|own| own.metadata().uuid() == base.metadata().uuid())
    }

    /// Whether there is nothing to do but to make the table.
    pub fn only_makes(&self) -> bool {
        let change = self.change;
        change.create.is_some()
            && !self.makes_snapshot()
            && !self.reshapes()
            && !change.drop
            && change.tags.is_empty()
            && change.remove_snapshots.is_empty()
            && change.renamed_from.is_none()
    }

    /// Whether this change is visible in `base`, as far as that can be told by itself: a drop and a
    /// rename leave nothing that they could be known by.
    pub fn is_done(&self, base: Option<&Table>) -> bool {
        let Some(base) = base.filter(|_| !self.change.drop) else {
            return false;
        };
        if self.makes_snapshot() {
            return names_commit(base, &self.commit_id.to_string());
        }
        let signed = base.metadata().properties().get(COMMIT_ID_SUMMARY);
        signed.is_some_and(|id| *id == self.commit_id.to_string())
            || (self.only_makes() && (!self.change.must_create || self.has_made(base)))
    }

    /// Names the commit in the table itself, where no snapshot does: a metadata file that the
    /// server writes can't be known by its name (I5).
    pub(super) fn signed(
        &self,
        builder: TableMetadataBuilder,
        base: &Table,
    ) -> Result<TableMetadataBuilder> {
        let signature = (COMMIT_ID_SUMMARY.to_owned(), self.commit_id.to_string());
        let builder = builder.set_properties([signature].into_iter().collect());
        builder.map_err(|error| refused(base, error))
    }

    /// For a catalog that writes the metadata: what it is to make of the base.
    pub(super) fn edited(
        &self,
        base: Table,
        holder: Option<String>,
        built: TableMetadataBuildResult,
        files: Vec<NewFile>,
        shared_file: Option<NewFile>,
        list: Option<ManifestListFile>,
    ) -> Result<Prepared, CommitError> {
        let name = self.change.table.clone();
        let mut edit = Edit::new(base.metadata(), base.refs(), built.changes);
        edit.renamed_from.clone_from(&self.change.renamed_from);
        if edit.renamed_from.is_some() && !edit.updates.is_empty() {
            return Err(Error::invalid(format!(
                "{name}: a REST catalog can't rename a table and change it at once; commit the \
                 rename by itself"
            ))
            .into());
        }
        Ok(Prepared {
            swap: Swap {
                table: name,
                expected: holder,
                new: Some(base.metadata_location().to_owned()),
                edit: Some(edit),
            },
            table: base,
            metadata_bytes: 0,
            list,
            files,
            shared_file,
            obsolete: Vec::new(),
        })
    }
}
