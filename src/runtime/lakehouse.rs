//! The embedded engine: a lakehouse opened in this process, with no server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::record_batch::RecordBatch;

use super::open::{OpenError, open_engine, open_existing};
use crate::config::Config;
use crate::declare;
use crate::jobs::{Jobs, JobsOptions};
use crate::lake::Lake;
use crate::query::statement::{Statement, parse};
use crate::query::{
    Access, Engine, QueryError, QueryErrorKind, RowStream, Session, SessionOptions,
};

/// Who statements are of: there is no login in one's own process.
const USER: &str = "embedded";

/// A lakehouse, opened: SQL over its tables, under the same refusals as over the wire (no files,
/// no network, no environment from SQL).
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use frazil::Lakehouse;
///
/// // A folder with a frazil.toml, the file itself, or s3://bucket/prefix.
/// let lakehouse = Lakehouse::open("./frazil-demo").await?;
/// let batches = lakehouse
///     .sql("SELECT type, count(*) AS events FROM shop.events GROUP BY type")
///     .await?;
/// println!("{}", arrow::util::pretty::pretty_format_batches(&batches)?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Lakehouse {
    config: Arc<Config>,
    engine: Arc<Engine>,
    /// Carries out statements about models; runs nothing by itself.
    _jobs: Arc<Jobs>,
}

impl Lakehouse {
    /// Opens what lies at `location`: a configuration file, a folder that holds `frazil.toml`, a
    /// local warehouse with its `catalog.db`, or a warehouse's URL (then `FRAZIL__LAKE__CATALOG`
    /// names the catalog's database). Makes nothing: what isn't there is an error.
    pub async fn open(location: impl AsRef<str>) -> Result<Self, OpenError> {
        Self::open_config(configuration(location.as_ref())?).await
    }

    /// Opens the lakehouse of a configuration.
    pub async fn open_config(config: Config) -> Result<Self, OpenError> {
        let lake = open_existing(&config).await?;
        let holder = format!("embedded-{}", lake.entropy.uuid());
        let engine = open_engine(&config, lake)?;
        // A folder that isn't there, or isn't right, is told by those who run models.
        let models = declare::models(&config).unwrap_or_else(|problems| {
            tracing::debug!(%problems, "models are left out");
            Vec::new()
        });
        let options = JobsOptions::new(holder, &config.models);
        let jobs = Jobs::new(Arc::clone(&engine), models, options);
        Ok(Self {
            config: Arc::new(config),
            engine,
            _jobs: jobs,
        })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub fn lake(&self) -> &Lake {
        self.engine.lake()
    }

    /// A session of its own, for settings that last and for plans.
    pub fn session(&self) -> Result<Session, QueryError> {
        self.engine.session(SessionOptions {
            user: USER.to_owned(),
            access: Access::Write,
            application: Some("frazil".to_owned()),
        })
    }

    /// Runs one statement and collects its rows (a statement about a model has none). What it
    /// returns lies in memory: for large results take [`Self::stream`].
    pub async fn sql(&self, text: &str) -> Result<Vec<RecordBatch>, QueryError> {
        if let [Statement::Model(statement)] = parse(text)?.as_slice() {
            let admin = self.engine.model_admin().ok_or_else(nobody)?;
            admin.execute(USER, statement).await?;
            return Ok(Vec::new());
        }
        let mut rows = self.stream(text).await?;
        let mut batches = Vec::new();
        while let Some(batch) = rows.next().await {
            batches.push(batch?);
        }
        if batches.is_empty() {
            batches.push(RecordBatch::new_empty(Arc::clone(rows.schema())));
        }
        Ok(batches)
    }

    /// Runs one statement; its rows come as they are made.
    pub async fn stream(&self, text: &str) -> Result<RowStream, QueryError> {
        let mut statements = parse(text)?;
        match (statements.pop(), statements.is_empty()) {
            (Some(Statement::Sql(statement)), true) => {
                let session = self.session()?;
                let plan = session.plan(&statement).await?;
                session.execute(plan, text).await
            }
            (Some(Statement::Model(_)), true) => Err(QueryError::new(
                QueryErrorKind::FeatureNotSupported,
                "a statement about a model has no rows to stream",
            )),
            (None, _) => Err(QueryError::new(
                QueryErrorKind::Syntax,
                "there is no statement in this text",
            )),
            (_, false) => Err(QueryError::new(
                QueryErrorKind::Syntax,
                "this takes one statement at a time",
            )),
        }
    }
}

fn nobody() -> QueryError {
    QueryError::new(
        QueryErrorKind::FeatureNotSupported,
        "nobody carries out statements about models here",
    )
}

/// The configuration behind a location, see [`Lakehouse::open`].
pub fn configuration(location: &str) -> Result<Config, OpenError> {
    let local = location.strip_prefix("file://").unwrap_or(location);
    if local.contains("://") {
        let text = format!("version = 1\n[lake]\nwarehouse = {}\n", quoted(location));
        return Ok(from_text(Path::new(location), text)?);
    }
    let path = PathBuf::from(local);
    let inside = path.join("frazil.toml");
    if path.is_file() {
        Ok(Config::load(&path)?)
    } else if inside.is_file() {
        Ok(Config::load(&inside)?)
    } else if path.join("catalog.db").is_file() {
        let text = "version = 1\n[lake]\nwarehouse = \".\"\n".to_owned();
        Ok(from_text(&inside, text)?)
    } else if path.is_dir() {
        Err(OpenError::Missing(format!(
            "{} holds no frazil.toml and no catalog.db: it is not a lakehouse",
            path.display()
        )))
    } else {
        Err(OpenError::Missing(format!(
            "{} does not exist; name the configuration, its folder or a warehouse's URL with \
             --config",
            path.display()
        )))
    }
}

fn from_text(file: &Path, text: String) -> Result<Config, crate::config::Problems> {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Config::parse(file, text, variables)
}

/// A text as a TOML string: JSON's escapes are TOML's too.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text always serialises")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CatalogConfig, DatabaseConfig};

    #[test]
    fn finds_the_configuration_in_all_its_places() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().to_str().unwrap().to_owned();
        let missing = configuration(&place).unwrap_err().to_string();
        assert!(missing.contains("not a lakehouse"), "{missing}");
        let missing = configuration(&format!("{place}/nothing")).unwrap_err();
        assert!(missing.to_string().contains("does not exist"), "{missing}");

        std::fs::write(folder.path().join("catalog.db"), "").unwrap();
        let config = configuration(&place).unwrap();
        assert_eq!(config.lake.warehouse_folder(), Some(folder.path().into()));
        assert_eq!(
            config.lake.catalog,
            CatalogConfig::Database(DatabaseConfig::Sqlite(folder.path().join("catalog.db")))
        );

        let text = "version = 1\n[lake]\nwarehouse = \"tables\"\n";
        std::fs::write(folder.path().join("frazil.toml"), text).unwrap();
        for location in [
            place.clone(),
            format!("{place}/frazil.toml"),
            format!("file://{place}"),
        ] {
            let config = configuration(&location).unwrap();
            assert_eq!(
                config.lake.warehouse_folder(),
                Some(folder.path().join("tables"))
            );
        }
    }

    #[test]
    fn a_url_needs_a_catalog() {
        let error = configuration("s3://bucket/lake").unwrap_err().to_string();
        assert!(error.contains("lake.catalog is missing"), "{error}");
    }
}
