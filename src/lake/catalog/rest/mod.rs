//! An Iceberg REST catalog: its server keeps the pointers and writes the metadata files, out of
//! requirements and updates. What it can't do is refused or said in words, never made up for:
//!
//! - a commit is a compare-and-swap on all that a requirement can name (uuid, every branch and tag,
//!   schema, spec, sort order), not on properties; those that decide anything here (the ledger)
//!   move only together with `main`;
//! - several tables move by `POST …/transactions/commit` or not at all, and no server makes or
//!   drops tables in one;
//! - a drop and a rename have no requirement: the table is looked at just before;
//! - guards stand in another database: they are asked just before, and what they guard asserts the
//!   snapshot of its target besides;
//! - several tables are read one by one, until two looks at all of them show the same.

mod client;
mod commit;
mod listing;
mod login;
mod messages;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use iceberg::spec::TableMetadata;
use reqwest::StatusCode;

use self::client::{Answer, Client, Request};
use self::messages::{Config, LoadedTable, NewNamespace};
use super::{Catalog, Guard, Pointer, Swap, SwapOutcome};
pub use crate::config::RestOptions;
use crate::domain::TableName;
use crate::lake::{Error, Result};
use crate::seams::Clock;

/// Tables loaded at once.
const LOADS_AT_ONCE: usize = 8;
/// Looks at several tables before they are held to change too fast to be seen together.
const MAX_LOOKS: u32 = 12;
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const TRANSACTIONS: &str = "POST /v1/{prefix}/transactions/commit";

/// A REST catalog. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RestCatalog {
    client: Arc<Client>,
    prefix: Arc<Option<String>>,
    transactions: bool,
    /// The control store's own database: it knows the leases that guards name.
    guards: Arc<dyn Catalog>,
    clock: Arc<dyn Clock>,
}

impl RestCatalog {
    /// Asks the server how it wants to be used. `guards` is the catalog side of the control
    /// store's database.
    pub async fn open(
        options: &RestOptions,
        guards: Arc<dyn Catalog>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let client = Client::new(options, Arc::clone(&clock))?;
        let mut request = Request::get(vec!["config"]);
        if let Some(warehouse) = &options.warehouse {
            request = request.query("warehouse", warehouse);
        }
        let answer = client.ask(&request).await?;
        if !answer.status.is_success() {
            return Err(refused(&answer, "its configuration"));
        }
        let config: Config = answer.parse()?;
        let given = |from: &std::collections::BTreeMap<String, Option<String>>| {
            from.get("prefix").cloned().flatten()
        };
        let prefix = given(&config.overrides)
            .or_else(|| options.prefix.clone())
            .or_else(|| given(&config.defaults));
        // A server that lists nothing has what the specification names, transactions among it.
        let transactions = config
            .endpoints
            .is_none_or(|all| all.iter().any(|endpoint| endpoint == TRANSACTIONS));
        Ok(Self {
            client: Arc::new(client),
            prefix: Arc::new(prefix.filter(|prefix| !prefix.is_empty())),
            transactions,
            guards,
            clock,
        })
    }

    /// The path behind `/v1/{prefix}/`.
    fn path<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        let prefix = self.prefix.as_deref();
        let prefix = prefix.into_iter().flat_map(|prefix| prefix.split('/'));
        prefix.chain(rest.iter().copied()).collect()
    }

    fn table_path<'a>(&'a self, table: &'a TableName) -> Vec<&'a str> {
        self.path(&["namespaces", table.namespace(), "tables", table.name()])
    }

    async fn load_one(&self, table: &TableName) -> Result<Option<Pointer>> {
        let answer = self
            .client
            .ask(&Request::get(self.table_path(table)))
            .await?;
        match answer.status {
            StatusCode::OK => pointer(&answer, table).map(Some),
            StatusCode::NOT_FOUND if answer.is_missing() => Ok(None),
            StatusCode::NOT_FOUND => Err(self.stray(&answer, &table.to_string())),
            _ => Err(refused(&answer, &table.to_string())),
        }
    }

    /// A 404 that no catalog says: of a wrong URL, or of something before the server that has lost
    /// it for now. What it was asked about may well be there.
    fn stray(&self, answer: &Answer, what: &str) -> Error {
        Error::unavailable(format!(
            "the catalog {} does not say whether there is {what}: its answer is not an Iceberg \
             catalog's; is the URL right, and the server up behind it? {}",
            self.client.name(),
            answer.told()
        ))
    }

    /// One look at each, at some time each.
    async fn look(&self, tables: &[TableName]) -> Result<Vec<Option<Pointer>>> {
        let loads: Vec<_> = tables
            .iter()
            .map(|table| {
                let (catalog, table) = (self.clone(), table.clone());
                async move { catalog.load_one(&table).await }
            })
            .collect();
        futures::stream::iter(loads)
            .buffered(LOADS_AT_ONCE)
            .try_collect()
            .await
    }
}

#[async_trait]
impl Catalog for RestCatalog {
    /// The moment is the one between two looks that show the same: no place comes back.
    async fn load_all(&self, tables: &[TableName]) -> Result<Vec<Option<Pointer>>> {
        let mut seen = self.look(tables).await?;
        if tables.len() < 2 {
            return Ok(seen);
        }
        for look in 1..MAX_LOOKS {
            let again = self.look(tables).await?;
            if is_same(&again, &seen) {
                return Ok(seen);
            }
            seen = again;
            self.clock.sleep(FIRST_PAUSE * look).await;
        }
        let names: Vec<String> = tables.iter().map(ToString::to_string).collect();
        Err(Error::unavailable(format!(
            "{} change too fast to be read together from the catalog {}",
            names.join(", "),
            self.client.name()
        )))
    }

    async fn list(&self) -> Result<Vec<TableName>> {
        self.all_tables().await
    }

    async fn namespaces(&self) -> Result<Vec<String>> {
        self.all_namespaces().await
    }

    async fn create_namespace(&self, namespace: &str) -> Result<()> {
        super::check_namespace(namespace)?;
        let new = NewNamespace {
            namespace: [namespace],
            properties: std::collections::BTreeMap::new(),
        };
        // Made twice it is there once: this may be sent again.
        let request = Request::post(self.path(&["namespaces"]), &new)?;
        let answer = self.client.ask(&request).await?;
        if answer.status.is_success() || answer.status == StatusCode::CONFLICT {
            return Ok(());
        }
        Err(refused(&answer, &format!("the namespace {namespace}")))
    }

    async fn swap(&self, swaps: &[Swap], guards: &[Guard]) -> Result<SwapOutcome> {
        super::check_swaps(swaps)?;
        if !guards.is_empty() {
            // Nothing was sent yet.
            let asked = self.guards.swap(&[], guards).await;
            let held = asked.map_err(commit::nothing_moved)?;
            if held != SwapOutcome::Swapped {
                return Ok(held);
            }
        }
        self.carry_out(swaps).await
    }

    fn writes_metadata(&self) -> bool {
        true
    }

    fn moves_together(&self) -> bool {
        self.transactions
    }

    async fn make(&self, table: &TableName, metadata: &TableMetadata) -> Result<bool> {
        self.make_table(table, metadata).await
    }
}

fn pointer(answer: &Answer, table: &TableName) -> Result<Pointer> {
    let loaded: LoadedTable = answer.parse()?;
    let metadata_location = loaded
        .metadata_location
        .ok_or_else(|| Error::corrupt(format!("the catalog names no metadata file of {table}")))?;
    Ok(Pointer {
        metadata_location,
        metadata: Some(Bytes::from(String::from(Box::<str>::from(loaded.metadata)))),
    })
}

/// An answer that no new try would change.
fn refused(answer: &Answer, what: &str) -> Error {
    Error::invalid(format!("the catalog refuses {what}: {}", answer.told()))
}

/// Whether two looks show the same. The server may write one metadata in another order each time.
fn is_same(one: &[Option<Pointer>], other: &[Option<Pointer>]) -> bool {
    let same = |(one, other): (&Option<Pointer>, &Option<Pointer>)| {
        let (Some(one), Some(other)) = (one, other) else {
            return one == other;
        };
        one == other
            || one.metadata_location == other.metadata_location && parsed(one) == parsed(other)
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}

/// None where it can't be read, which whoever reads the table will say.
fn parsed(pointer: &Pointer) -> Option<TableMetadata> {
    serde_json::from_slice(pointer.metadata.as_ref()?).ok()
}
