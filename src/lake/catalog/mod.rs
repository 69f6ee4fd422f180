//! The catalog: a name's pointer to the metadata file that is current.
//! Backends differ; what they promise doesn't (one conformance suite runs over all), but for what a
//! REST catalog can't promise: `rest` says it.

mod edit;
pub mod memory;
pub mod rest;
pub mod sql;

use std::collections::BTreeSet;
use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use iceberg::spec::TableMetadata;

pub use self::edit::Edit;
use super::control::Lease;
use super::{Error, Result};
use crate::domain::TableName;

/// Where a table stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    pub metadata_location: String,
    /// The metadata's JSON, of a catalog whose server hands it out: its word counts, whatever
    /// stands in the file.
    pub metadata: Option<Bytes>,
}

impl Pointer {
    pub fn at(metadata_location: impl Into<String>) -> Self {
        Self {
            metadata_location: metadata_location.into(),
            metadata: None,
        }
    }
}

/// One pointer's move: from `expected` (None: the table must not exist) to `new` (None: drop).
#[derive(Clone, Debug, PartialEq)]
pub struct Swap {
    pub table: TableName,
    pub expected: Option<String>,
    pub new: Option<String>,
    /// What makes the new metadata out of the expected one: for a catalog that writes metadata
    /// itself, which gives it a place of its own choosing, too.
    pub edit: Option<Edit>,
}

/// What bears a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relation {
    Table(Pointer),
    /// Where its metadata stands.
    View(String),
}

/// A view's move, as a table's: from the metadata file `expected` (None: nothing has the name, or
/// the same swap takes it away) to `new` (None: drop).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewSwap {
    pub view: TableName,
    pub expected: Option<String>,
    pub new: Option<String>,
}

/// What must hold in the very transaction that moves the pointers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The lease is still held by this holder in this generation (I8). Its expiry is not asked:
    /// a holder that nobody has displaced may still publish.
    Lease(Lease),
}

/// What became of a swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SwapOutcome {
    /// All pointers moved.
    Swapped,
    /// None moved; this table's pointer stood elsewhere.
    Moved(TableName),
    /// None moved; this guard did not hold.
    GuardFailed(Guard),
}

/// A catalog of tables: names to metadata files, with an atomic compare-and-swap over several.
#[async_trait]
pub trait Catalog: Debug + Send + Sync {
    /// The pointers of these tables, in their order, all as of one moment: what one swap moved is
    /// seen moved for all of them or for none.
    async fn load_all(&self, tables: &[TableName]) -> Result<Vec<Option<Pointer>>>;

    async fn load(&self, table: &TableName) -> Result<Option<Pointer>> {
        let mut pointers = self.load_all(std::slice::from_ref(table)).await?;
        Ok(pointers.pop().flatten())
    }

    /// What bears these names, in their order, all as of one moment.
    async fn load_relations(&self, names: &[TableName]) -> Result<Vec<Option<Relation>>> {
        let pointers = self.load_all(names).await?;
        let table = |pointer: Option<Pointer>| pointer.map(Relation::Table);
        Ok(pointers.into_iter().map(table).collect())
    }

    /// All tables, sorted by name. Views are skipped.
    async fn list(&self) -> Result<Vec<TableName>>;

    /// Whether views can be kept in this catalog.
    fn keeps_views(&self) -> bool {
        false
    }

    /// All views with their metadata files, sorted by name.
    async fn views(&self) -> Result<Vec<(TableName, String)>> {
        Ok(Vec::new())
    }

    /// All namespaces, sorted: declared ones and those of tables.
    async fn namespaces(&self) -> Result<Vec<String>>;

    /// Declares a namespace; no error when it exists.
    async fn create_namespace(&self, namespace: &str) -> Result<()>;

    /// Forgets a declared namespace; false when something stands in it. No error when there is none.
    async fn drop_namespace(&self, namespace: &str) -> Result<bool> {
        Err(Error::invalid(format!(
            "the namespace {namespace} can't be dropped through this catalog"
        )))
    }

    /// Moves all pointers or none, with the guards checked in the same transaction.
    ///
    /// Guards are asked first. At most one swap for each table.
    ///
    /// `Unavailable` means that the outcome is unknown: the caller must look before it goes on
    /// (I5). Every other error means that nothing moved; a database that was away before anything
    /// could have moved is a `Conflict`: load again (which says whether it is still away).
    async fn swap(&self, swaps: &[Swap], guards: &[Guard]) -> Result<SwapOutcome>;

    /// [`Self::swap`] that moves views as well, where [`Self::keeps_views`].
    async fn swap_all(
        &self,
        swaps: &[Swap],
        views: &[ViewSwap],
        guards: &[Guard],
    ) -> Result<SwapOutcome> {
        match views {
            [] => self.swap(swaps, guards).await,
            [first, ..] => Err(Error::invalid(format!(
                "{} can't be kept: this catalog keeps no views",
                first.view
            ))),
        }
    }

    /// Whether the catalog's server writes metadata files itself, out of each swap's
    /// [`Swap::edit`], and makes tables by [`Self::make`] only.
    fn writes_metadata(&self) -> bool {
        false
    }

    /// Whether it can move the pointers of several tables in one swap.
    fn moves_together(&self) -> bool {
        true
    }

    /// Makes a table as this metadata says, without snapshots, its uuid with it; what ids its
    /// schema, spec and sort order get is the server's affair, the fields' are as given. False
    /// when the name is taken. Only where [`Self::writes_metadata`]; errors as of [`Self::swap`].
    async fn make(&self, table: &TableName, _metadata: &TableMetadata) -> Result<bool> {
        Err(Error::invalid(format!(
            "{table} is made by a swap in this catalog"
        )))
    }
}

/// What no backend can carry out: two moves of one table, or a move from nothing to nothing.
pub(crate) fn check_swaps(swaps: &[Swap]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for swap in swaps {
        if !seen.insert(&swap.table) {
            return Err(Error::invalid(format!(
                "{} is in one commit twice",
                swap.table
            )));
        }
        if swap.expected.is_none() && swap.new.is_none() {
            return Err(Error::invalid(format!(
                "{} can be neither made nor dropped: there is no metadata location",
                swap.table
            )));
        }
    }
    Ok(())
}

/// Swaps by table name, for a catalog without views; see [`in_order`].
pub(crate) fn tables_in_order(swaps: &[Swap]) -> Vec<&Swap> {
    let mut swaps: Vec<&Swap> = swaps.iter().collect();
    swaps.sort_by(|a, b| a.table.cmp(&b.table));
    swaps
}

/// A move of a name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move<'a> {
    Table(&'a Swap),
    View(&'a ViewSwap),
}

impl<'a> Move<'a> {
    pub fn name(&self) -> &'a TableName {
        match self {
            Self::Table(swap) => &swap.table,
            Self::View(swap) => &swap.view,
        }
    }

    pub fn expected(&self) -> Option<&'a String> {
        match self {
            Self::Table(swap) => swap.expected.as_ref(),
            Self::View(swap) => swap.expected.as_ref(),
        }
    }

    pub fn target(&self) -> Option<&'a String> {
        match self {
            Self::Table(swap) => swap.new.as_ref(),
            Self::View(swap) => swap.new.as_ref(),
        }
    }
}

/// Moves by name: every writer takes row locks in this order, so that two never wait for each
/// other. Where a view takes a table's name or the other way, the one that goes is first.
pub(crate) fn in_order<'a>(swaps: &'a [Swap], views: &'a [ViewSwap]) -> Vec<Move<'a>> {
    let tables = swaps.iter().map(Move::Table);
    let mut moves: Vec<Move<'a>> = tables.chain(views.iter().map(Move::View)).collect();
    moves.sort_by_key(|one| (one.name(), one.expected().is_none()));
    moves
}

/// A namespace must be one that a [`TableName`] can have.
pub(crate) fn check_namespace(namespace: &str) -> Result<()> {
    TableName::new(namespace, "t")
        .map(|_| ())
        .map_err(|_| Error::invalid(format!("{namespace:?} can't be a namespace: letters, digits and _, the first no digit, at most 63")))
}
