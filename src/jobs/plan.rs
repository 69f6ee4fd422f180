//! What a run will do: one snapshot of each source pinned, the target as it stands, and whether
//! to replace, to append, or to leave it.

use std::collections::BTreeMap;

use iceberg::spec::{ManifestContentType, Snapshot};

use super::error::RunError;
use super::state::{Cursor, PublishedState, definition};
use crate::declare::model::{Kind, Model};
use crate::domain::TableName;
use crate::lake::catalog::Relation;
use crate::lake::{ErrorKind, Lake, Result, Table};
use crate::query::{Pin, QueryError, QueryErrorKind};

/// A run, planned on tables as they stood at one moment.
#[derive(Debug)]
pub(super) struct Plan {
    pub sources: BTreeMap<TableName, Option<i64>>,
    /// The target; None when it is to be made.
    pub base: Option<Table>,
    pub action: Action,
    /// For kind append: where the reader stands once this run is published.
    pub cursor: Option<Cursor>,
}

/// What happens to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// What it would compute is there, if the query asks neither clock nor chance.
    Unchanged,
    /// The whole result takes the place of what is there.
    Replace,
    /// Rows from files behind this data sequence number are added.
    Append { after: i64 },
}

impl Plan {
    pub async fn make(lake: &Lake, model: &Model) -> std::result::Result<Self, RunError> {
        let mut tables = BTreeMap::new();
        for name in &model.sources {
            tables.insert(name.clone(), source(lake, name).await?);
        }
        let sources: BTreeMap<TableName, Option<i64>> = tables
            .iter()
            .map(|(name, table)| (name.clone(), table.metadata().current_snapshot_id()))
            .collect();
        let base = match lake.table(&model.name).await {
            Ok(table) => Some(table),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let state = match &base {
            None => None,
            Some(table) => Some(own_state(model, table)?),
        };
        let unchanged = base
            .as_ref()
            .zip(state.as_ref())
            .is_some_and(|(table, state)| {
                state.definition == definition(model)
                    && state.sources == sources
                    && state.is_last(table)
            });
        let mut plan = Self {
            sources,
            base,
            action: if unchanged {
                Action::Unchanged
            } else {
                Action::Replace
            },
            cursor: None,
        };
        if model.kind == Kind::Append
            && let Some(table) = tables.values().next()
        {
            plan.increment(model, table, state.as_ref()).await?;
        }
        Ok(plan)
    }

    /// Decides how kind append goes on. Where the cursor is broken, everything is read anew: it
    /// never guesses (I8).
    async fn increment(
        &mut self,
        model: &Model,
        source: &Table,
        state: Option<&PublishedState>,
    ) -> Result<()> {
        let Some(snapshot) = source.metadata().current_snapshot() else {
            return Ok(());
        };
        let reached = Reach::of(source, snapshot, i64::MAX).await?;
        self.cursor = Some(Cursor {
            table_uuid: source.metadata().uuid(),
            sequence_number: snapshot.sequence_number(),
            files: reached.files,
            records: reached.records,
        });
        let (Some(state), Some(base)) = (state, &self.base) else {
            return Ok(());
        };
        let Some(cursor) = &state.cursor else {
            return Ok(());
        };
        let broken = self
            .broken(model, state, base, cursor, source, snapshot)
            .await?;
        self.action = match broken {
            Some(reason) => {
                tracing::warn!(model = %model.name, reason, "all rows are read anew");
                Action::Replace
            }
            None if snapshot.sequence_number() <= cursor.sequence_number => Action::Unchanged,
            None => Action::Append {
                after: cursor.sequence_number,
            },
        };
        Ok(())
    }

    /// Why the cursor can't be gone on from.
    async fn broken(
        &self,
        model: &Model,
        state: &PublishedState,
        base: &Table,
        cursor: &Cursor,
        source: &Table,
        snapshot: &Snapshot,
    ) -> Result<Option<&'static str>> {
        if state.definition != definition(model) {
            return Ok(Some("the model's definition changed"));
        }
        if !state.still_stands(base) {
            return Ok(Some(
                "the model's table was rolled back or replaced by somebody",
            ));
        }
        if cursor.table_uuid != source.metadata().uuid() {
            return Ok(Some("the source was dropped and made again"));
        }
        let reached = Reach::of(source, snapshot, cursor.sequence_number).await?;
        if reached.new_deletes {
            return Ok(Some("rows of the source were deleted"));
        }
        if (reached.files, reached.records) != (cursor.files, cursor.records) {
            return Ok(Some(
                "files of the source that were read already were replaced",
            ));
        }
        Ok(None)
    }

    /// What the session is told of each source.
    pub fn pins(&self) -> impl Iterator<Item = (TableName, Pin)> + '_ {
        let after_sequence_number = match self.action {
            Action::Append { after } => Some(after),
            Action::Replace | Action::Unchanged => None,
        };
        self.sources.iter().map(move |(name, snapshot_id)| {
            let pin = Pin {
                snapshot_id: *snapshot_id,
                after_sequence_number,
            };
            (name.clone(), pin)
        })
    }
}

async fn source(lake: &Lake, name: &TableName) -> std::result::Result<Table, RunError> {
    let error = match lake.table(name).await {
        Err(error) if error.kind() == ErrorKind::NotFound => error,
        found => return Ok(found?),
    };
    // A run names the snapshots that it read, and a view has none.
    if let Some(Relation::View(_)) = lake.relation(name).await? {
        let message = format!("the source {name} is a view, and models read tables only");
        let refused = QueryError::new(QueryErrorKind::FeatureNotSupported, message);
        return Err(refused
            .with_hint("Write the view's query into the model's.")
            .into());
    }
    tracing::debug!("{error}");
    let message = format!("the source {name} does not exist (yet)");
    Err(QueryError::new(QueryErrorKind::UndefinedTable, message).into())
}

/// The state of a table that is this model's; a table that isn't must not be overwritten.
fn own_state(model: &Model, table: &Table) -> std::result::Result<PublishedState, RunError> {
    match PublishedState::of(table) {
        Ok(Some(state)) if state.model == model.name => Ok(state),
        Ok(_) => Err(RunError::invalid(format!(
            "there is a table {} that is not this model's: give the model another name, or drop the table",
            model.name
        ))),
        Err(reason) => Err(RunError::Failed(QueryError::new(
            QueryErrorKind::Corrupt,
            reason,
        ))),
    }
}

/// Data files up to a data sequence number, as one snapshot holds them.
struct Reach {
    files: u64,
    records: u64,
    /// Delete files behind that number.
    new_deletes: bool,
}

impl Reach {
    async fn of(table: &Table, snapshot: &Snapshot, up_to: i64) -> Result<Self> {
        let mut reach = Self {
            files: 0,
            records: 0,
            new_deletes: false,
        };
        for file in table.manifest_list(snapshot).await?.iter() {
            let is_data = file.content == ManifestContentType::Data;
            for entry in table.manifest(file).await?.entries() {
                let number = entry.sequence_number().unwrap_or(file.sequence_number);
                match (entry.is_alive(), is_data, number <= up_to) {
                    (true, true, true) => {
                        reach.files += 1;
                        reach.records += entry.record_count();
                    }
                    (true, false, false) => reach.new_deletes = true,
                    _ => {}
                }
            }
        }
        Ok(reach)
    }
}
