//! TRUNCATE, and DELETE of all rows: files are let go by name, none is read.

use datafusion::sql::sqlparser::ast::{self, TruncateIdentityOption};

use super::target::Target;
use super::{Result, Writer, Written, unsupported};
use crate::query::scan::RowTable;

impl Writer<'_> {
    pub(super) async fn truncate(&self, truncate: &ast::Truncate) -> Result<Written> {
        if truncate.partitions.is_some() || truncate.on_cluster.is_some() {
            return Err(unsupported(
                "TRUNCATE of a part of a table is not supported",
            ));
        }
        let restart = matches!(truncate.identity, Some(TruncateIdentityOption::Restart));
        let mut targets = Vec::with_capacity(truncate.table_names.len());
        for table in &truncate.table_names {
            targets.push(self.table(&table.name).await?);
        }
        for mut target in targets {
            if restart {
                for column in target.declared.columns.values_mut() {
                    column.sequence = column.sequence.map(|_| 1);
                }
                let declared = target.declared.clone();
                target.draft.declare(&declared)?;
            }
            self.empty(target);
        }
        Ok(Written::tag("TRUNCATE TABLE"))
    }

    /// Takes all rows out of a table.
    pub(super) fn empty(&self, mut target: Target) {
        target.draft.clear();
        target.draft.depends = true;
        self.put(target);
    }

    /// The rows of a table, by its metadata.
    pub(super) async fn count_all(&self, target: &Target) -> Result<u64> {
        let table = RowTable::new(target.draft.readable()?).await?;
        Ok(table
            .files()
            .iter()
            .map(|entry| entry.file().record_count())
            .sum())
    }
}
