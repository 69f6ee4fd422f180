//! From a configuration to an opened lake and its engine.

use std::path::Path;
use std::sync::Arc;

use crate::config::{CatalogConfig, Config, DatabaseConfig, Problems, S3Config, Secret};
use crate::lake::catalog::Catalog;
use crate::lake::catalog::rest::RestCatalog;
use crate::lake::control::Control;
use crate::lake::database::{self, SqlOptions};
use crate::lake::store::{S3Options, Store, StoreOptions};
use crate::lake::{self, Lake};
use crate::query::{Engine, EngineOptions, QueryError};
use crate::seams::{Clock, OsEntropy, SystemClock};

/// Why a process can't be put together.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Configuration, streams or models are wrong.
    #[error(transparent)]
    Declared(#[from] Problems),
    #[error("{0}")]
    Missing(String),
    #[error("{what}: {error}")]
    Lake { what: String, error: lake::Error },
    #[error("the query engine can't start: {0}")]
    Engine(#[from] QueryError),
    /// An address can't be listened on, a folder can't be made.
    #[error("{0}")]
    Machine(String),
}

/// Opens catalog, control store and object stores. Makes what is missing of a local lakehouse.
pub async fn open_lake(config: &Config) -> Result<Lake, OpenError> {
    if let Some(folder) = config.lake.warehouse_folder() {
        make_folder(&folder)?;
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let (catalog, control) = open_catalog(config, &clock).await?;
    let store = Store::open(StoreOptions {
        s3: s3_options(&config.lake.s3),
        ..StoreOptions::default()
    });
    Ok(Lake {
        catalog,
        control,
        store,
        clock,
        entropy: Arc::new(OsEntropy),
        warehouse: config.lake.warehouse.clone(),
    })
}

/// The control store's database is the catalog's own, but for a REST catalog.
async fn open_catalog(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<dyn Catalog>, Arc<dyn Control>), OpenError> {
    let (url, shown) = match config.lake.catalog.control() {
        DatabaseConfig::Sqlite(file) => {
            if let Some(folder) = file.parent() {
                make_folder(folder)?;
            }
            let url = format!("sqlite://{}", file.display());
            (url.clone(), url)
        }
        DatabaseConfig::Postgres(url) => {
            let shown = crate::config::redact_url(url.expose());
            (url.expose().to_owned(), shown)
        }
    };
    let what = match &config.lake.catalog {
        CatalogConfig::Database(_) => "catalog",
        CatalogConfig::Rest(_) => "control store",
    };
    let failed = |error| OpenError::Lake {
        what: format!("the {what} {shown} can't be opened"),
        error,
    };
    let options = SqlOptions {
        catalog_name: config.lake.name.clone(),
        ..SqlOptions::default()
    };
    let url = url.parse().map_err(failed)?;
    let opened = database::open_with(&url, Arc::clone(clock), options).await;
    let (own, control) = opened.map_err(failed)?;
    let CatalogConfig::Rest(rest) = &config.lake.catalog else {
        return Ok((own, control));
    };
    let catalog = RestCatalog::open(&rest.server, own, Arc::clone(clock)).await;
    let catalog = catalog.map_err(|error| OpenError::Lake {
        what: format!("the REST catalog {} can't be opened", rest.server.url),
        error,
    })?;
    Ok((Arc::new(catalog), control))
}

/// Opens what is there, and makes nothing: `Missing` when there is no lakehouse yet.
pub(super) async fn open_existing(config: &Config) -> Result<Lake, OpenError> {
    if let DatabaseConfig::Sqlite(file) = config.lake.catalog.control()
        && !file.exists()
    {
        return Err(OpenError::Missing(format!(
            "there is no lakehouse yet: its database {} does not exist; \
             frazil serve or frazil demo makes one",
            file.display()
        )));
    }
    open_lake(config).await
}

/// The engine over a lake, within the configuration's limits.
pub fn open_engine(config: &Config, lake: Lake) -> Result<Arc<Engine>, OpenError> {
    let (config, upkeep) = (&config.query, &config.upkeep);
    let defaults = EngineOptions::default();
    if let Some(folder) = &config.spill_folder {
        make_folder(folder)?;
    }
    let options = EngineOptions {
        memory_bytes: usize::try_from(config.memory_bytes).unwrap_or(usize::MAX),
        spill_directory: config.spill_folder.clone(),
        spill_bytes: config.spill_bytes,
        threads: config.threads,
        oldest_write: defaults.oldest_write.min(upkeep.safety_age / 2),
        ..defaults
    };
    Ok(Engine::new(lake, options)?)
}

fn make_folder(folder: &Path) -> Result<(), OpenError> {
    std::fs::create_dir_all(folder).map_err(|error| {
        OpenError::Machine(format!(
            "the folder {} can't be made: {error}",
            folder.display()
        ))
    })
}

/// What the configuration doesn't say is taken from the variables that all AWS tools know.
fn s3_options(config: &S3Config) -> S3Options {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let secret = |secret: &Option<Secret>| secret.as_ref().map(|s| s.expose().to_owned());
    let configured = config.access_key_id.is_some();
    let or_variable = |value: Option<String>, name: &str| match value {
        None if !configured => variable(name),
        value => value,
    };
    S3Options {
        endpoint: config
            .endpoint
            .clone()
            .or_else(|| variable("AWS_ENDPOINT_URL_S3"))
            .or_else(|| variable("AWS_ENDPOINT_URL")),
        region: config
            .region
            .clone()
            .or_else(|| variable("AWS_REGION"))
            .or_else(|| variable("AWS_DEFAULT_REGION")),
        access_key_id: or_variable(config.access_key_id.clone(), "AWS_ACCESS_KEY_ID"),
        secret_access_key: or_variable(secret(&config.secret_access_key), "AWS_SECRET_ACCESS_KEY"),
        session_token: or_variable(secret(&config.session_token), "AWS_SESSION_TOKEN"),
        path_style: config.path_style,
    }
}
