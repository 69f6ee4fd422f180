//! Changes of a REST catalog: tables made, moved, dropped, renamed. Each request is sent once, and
//! the answer decides what is known: 2xx it took place; 409, and 404 in the protocol's own words,
//! another was first; other 4xx nothing took place; 5xx, 408, any other 404 and silence nobody knows
//! (the specification says so of 500, 502 and 504; 503 may come from something before the server).

use iceberg::TableRequirement;
use iceberg::spec::{FormatVersion, TableMetadata};
use reqwest::{Method, StatusCode};

use super::client::{Answer, Request, Silence, is_passing};
use super::messages::{Identifier, LoadedTable, Rename, TableCommit, Transaction};
use super::{RestCatalog, refused};
use crate::domain::TableName;
use crate::lake::catalog::edit::{self, Edit};
use crate::lake::catalog::{Catalog, Swap, SwapOutcome};
use crate::lake::{Error, ErrorKind, Result};

/// What is known after a request that was to change something.
enum Reply {
    Done(Answer),
    /// Another was first, or what it was to change is not there.
    Conflict(Answer),
    /// A 404 that no catalog says.
    Stray(Answer),
}

impl RestCatalog {
    pub(super) async fn carry_out(&self, swaps: &[Swap]) -> Result<SwapOutcome> {
        if let Some((renamed, from)) = rename(swaps) {
            return self.rename(renamed, from).await;
        }
        match swaps {
            [] => Ok(SwapOutcome::Swapped),
            [drop] if drop.new.is_none() => self.drop_table(drop).await,
            [one] => self.commit_one(one).await,
            several => self.commit_several(several).await,
        }
    }

    async fn commit_one(&self, swap: &Swap) -> Result<SwapOutcome> {
        let table = &swap.table;
        let edit = edit_of(swap)?;
        let request = Request::post(self.table_path(table), &change(table, edit))?;
        match self.write(&request, &table.to_string()).await? {
            Reply::Done(_) => Ok(SwapOutcome::Swapped),
            Reply::Conflict(answer) => {
                tracing::debug!(%table, answer = answer.told(), "the catalog refused a commit");
                Ok(SwapOutcome::Moved(table.clone()))
            }
            Reply::Stray(answer) => Err(self.stray(&answer, &table.to_string())),
        }
    }

    /// All or none, by the server's word. Offsets come last: where a server is caught between two
    /// tables, rows without their offsets are written again, the other way round they were lost.
    async fn commit_several(&self, swaps: &[Swap]) -> Result<SwapOutcome> {
        let names: Vec<String> = swaps.iter().map(|swap| swap.table.to_string()).collect();
        let names = names.join(", ");
        if !self.transactions {
            return Err(self.no_transactions(&names));
        }
        if swaps.iter().any(|swap| swap.new.is_none()) {
            return Err(Error::invalid(format!(
                "{names} can't be changed together: a REST catalog drops a table by itself only; \
                 do it in a transaction of its own"
            )));
        }
        let mut changes = Vec::with_capacity(swaps.len());
        for swap in super::super::tables_in_order(swaps) {
            let edit = edit_of(swap)?;
            if edit.renamed_from.is_some() {
                return Err(Error::invalid(format!(
                    "{names} can't be changed together: a REST catalog renames a table by itself \
                     only; do it in a transaction of its own"
                )));
            }
            changes.push((edit.moves_ledger(), change(&swap.table, edit)));
        }
        changes.sort_by_key(|(moves_ledger, _)| *moves_ledger);
        let transaction = Transaction {
            table_changes: changes.into_iter().map(|(_, change)| change).collect(),
        };
        let path = self.path(&["transactions", "commit"]);
        match self
            .write(&Request::post(path, &transaction)?, &names)
            .await?
        {
            Reply::Done(_) => Ok(SwapOutcome::Swapped),
            Reply::Conflict(answer) | Reply::Stray(answer)
                if answer.status == StatusCode::NOT_FOUND =>
            {
                self.not_found(swaps, &names).await
            }
            // Which table it was is in the answer's words only.
            Reply::Conflict(answer) | Reply::Stray(answer) => {
                tracing::debug!(
                    tables = names,
                    answer = answer.told(),
                    "the catalog refused a commit"
                );
                Ok(SwapOutcome::Moved(swaps[0].table.clone()))
            }
        }
    }

    /// A transaction met 404: one of its tables is gone, or the server has no transactions though it
    /// did not say so.
    async fn not_found(&self, swaps: &[Swap], names: &str) -> Result<SwapOutcome> {
        for swap in swaps {
            if self.load_one(&swap.table).await?.is_none() {
                return Ok(SwapOutcome::Moved(swap.table.clone()));
            }
        }
        Err(self.no_transactions(names))
    }

    fn no_transactions(&self, names: &str) -> Error {
        Error::invalid(format!(
            "{names} can't be committed together: the catalog {} has no transactions over \
             several tables (POST /v1/{{prefix}}/transactions/commit)",
            self.client.name()
        ))
    }

    /// The files stay, as far as the server goes by that.
    async fn drop_table(&self, swap: &Swap) -> Result<SwapOutcome> {
        let table = &swap.table;
        if !self.stands(table, swap.expected.as_deref()).await? {
            return Ok(SwapOutcome::Moved(table.clone()));
        }
        let request = Request {
            method: Method::DELETE,
            ..Request::get(self.table_path(table))
        };
        let request = request.query("purgeRequested", "false");
        match self.write(&request, &table.to_string()).await? {
            Reply::Done(_) => Ok(SwapOutcome::Swapped),
            Reply::Conflict(_) => Ok(SwapOutcome::Moved(table.clone())),
            Reply::Stray(answer) => Err(self.stray(&answer, &table.to_string())),
        }
    }

    async fn rename(&self, renamed: &Swap, from: &Swap) -> Result<SwapOutcome> {
        if !self.stands(&from.table, from.expected.as_deref()).await? {
            return Ok(SwapOutcome::Moved(from.table.clone()));
        }
        let rename = Rename {
            source: identifier(&from.table),
            destination: identifier(&renamed.table),
        };
        let request = Request::post(self.path(&["tables", "rename"]), &rename)?;
        match self.write(&request, &from.table.to_string()).await? {
            Reply::Done(_) => Ok(SwapOutcome::Swapped),
            Reply::Conflict(_) => Ok(SwapOutcome::Moved(renamed.table.clone())),
            Reply::Stray(answer) => Err(self.stray(&answer, &from.table.to_string())),
        }
    }

    async fn stands(&self, table: &TableName, expected: Option<&str>) -> Result<bool> {
        // Nothing was sent yet, so nothing can have moved.
        let found = self.load_one(table).await.map_err(nothing_moved)?;
        let found = found.map(|pointer| pointer.metadata_location);
        Ok(found.as_deref() == expected)
    }

    /// Makes it with all ids as given but those of schema, spec and sort order, by one commit that
    /// asserts that there is no such table.
    pub(super) async fn make_table(
        &self,
        table: &TableName,
        metadata: &TableMetadata,
    ) -> Result<bool> {
        let updates = edit::creation(metadata);
        let commit = TableCommit {
            identifier: identifier(table),
            requirements: &[TableRequirement::NotExist],
            updates: &updates,
        };
        let request = Request::post(self.table_path(table), &commit)?;
        let mut reply = self.write(&request, &table.to_string()).await?;
        if let Reply::Conflict(answer) = &reply
            && answer.status == StatusCode::NOT_FOUND
        {
            self.create_namespace(table.namespace())
                .await
                .map_err(nothing_moved)?;
            reply = self.write(&request, &table.to_string()).await?;
        }
        match reply {
            Reply::Done(answer) => {
                let loaded: LoadedTable = answer.parse()?;
                check_made(table, metadata, loaded.metadata.get())?;
                Ok(true)
            }
            Reply::Conflict(answer) if answer.status == StatusCode::CONFLICT => Ok(false),
            Reply::Conflict(answer) => Err(refused(&answer, &format!("to make {table}"))),
            Reply::Stray(answer) => Err(self.stray(&answer, &table.to_string())),
        }
    }

    async fn write(&self, request: &Request<'_>, what: &str) -> Result<Reply> {
        let name = self.client.name();
        let answer = match self.client.send(request).await {
            Ok(answer) => answer,
            Err(Silence::Unanswered(reason)) => {
                return Err(Error::unavailable(format!(
                    "the catalog {name} did not answer about {what}: {reason}"
                )));
            }
            Err(Silence::Unsent(reason)) => {
                return Err(Error::conflict(format!(
                    "the catalog {name} can't be reached: {reason}"
                )));
            }
            Err(Silence::NoLogin(error)) => return Err(nothing_moved(error)),
        };
        match answer.status {
            status if status.is_success() => Ok(Reply::Done(answer)),
            StatusCode::CONFLICT => Ok(Reply::Conflict(answer)),
            StatusCode::NOT_FOUND if answer.is_missing() => Ok(Reply::Conflict(answer)),
            StatusCode::NOT_FOUND => Ok(Reply::Stray(answer)),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::TOO_EARLY => Err(Error::conflict(format!(
                "the catalog {name} is busy: {}",
                answer.told()
            ))),
            status if is_passing(status) => Err(Error::unavailable(format!(
                "the catalog {name} does not say what became of {what}: {}",
                answer.told()
            ))),
            _ => Err(refused(&answer, &format!("a change of {what}"))),
        }
    }
}

/// Trouble before anything was sent: no reason to look for an outcome.
pub(super) fn nothing_moved(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Unavailable => Error::conflict(error.to_string()),
        _ => error,
    }
}

/// A swap of one name for another.
fn rename(swaps: &[Swap]) -> Option<(&Swap, &Swap)> {
    let [a, b] = swaps else {
        return None;
    };
    let pair = |new: &'_ Swap, old: &'_ Swap| {
        let from = new.edit.as_ref()?.renamed_from.as_ref()?;
        let fits = new.expected.is_none() && old.new.is_none() && *from == old.table;
        fits.then_some(())
    };
    if pair(a, b).is_some() {
        Some((a, b))
    } else {
        pair(b, a).map(|()| (b, a))
    }
}

fn edit_of(swap: &Swap) -> Result<&Edit> {
    let edit = swap.edit.as_ref().filter(|_| swap.expected.is_some());
    edit.ok_or_else(|| {
        Error::invalid(format!(
            "{} can't be put in place: a REST catalog takes changes of a table that is there",
            swap.table
        ))
    })
}

fn identifier(table: &TableName) -> Identifier {
    Identifier {
        namespace: vec![table.namespace().to_owned()],
        name: table.name().to_owned(),
    }
}

fn change<'a>(table: &TableName, edit: &'a Edit) -> TableCommit<'a> {
    TableCommit {
        identifier: identifier(table),
        requirements: &edit.requirements,
        updates: &edit.updates,
    }
}

/// A server that gave other ids than asked for made a table that our files don't fit.
fn check_made(table: &TableName, asked: &TableMetadata, made: &str) -> Result<()> {
    let made: TableMetadata = serde_json::from_str(made).map_err(|error| {
        Error::corrupt(format!(
            "the catalog's answer about {table} can't be read: {error}"
        ))
    })?;
    let fields = |metadata: &TableMetadata| metadata.current_schema().as_struct().clone();
    let spec = |metadata: &TableMetadata| metadata.default_partition_spec().fields().to_vec();
    let place = |metadata: &TableMetadata| metadata.location().trim_end_matches('/').to_owned();
    let wrong = if made.uuid() != asked.uuid() {
        "another uuid"
    } else if fields(&made) != fields(asked) {
        "other columns or other ids of them"
    } else if spec(&made) != spec(asked) {
        "another partitioning"
    } else if place(&made) != place(asked) {
        "another location"
    } else if made.format_version() != FormatVersion::V2 {
        "another format version"
    } else {
        return Ok(());
    };
    Err(Error::invalid(format!(
        "the catalog made {table} with {wrong} than it was asked for: drop it, and use a catalog \
         that goes by assert-create as the specification says"
    )))
}
