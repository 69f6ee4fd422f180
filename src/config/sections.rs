//! The sections of the configuration as types. What each key means stands here.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::kafka::SettingPlaces;
use super::secret::{Secret, redact_settings};

/// A process's configuration, complete and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file it came from; relative paths in it are relative to its folder.
    pub file: PathBuf,
    pub lake: LakeConfig,
    pub source: SourceConfig,
    /// Where the settings of `[source.kafka]` stand.
    pub kafka_places: SettingPlaces,
    pub streams: StreamsConfig,
    pub models: ModelsConfig,
    pub wire: WireConfig,
    pub query: QueryConfig,
    pub upkeep: UpkeepConfig,
    pub ops: OpsConfig,
    pub telemetry: TelemetryConfig,
}

/// `[lake]`: where tables live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LakeConfig {
    /// URL with no slash at its end: `file:///abs/path` (a folder was given) or `s3://bucket/prefix`.
    pub warehouse: String,
    /// The catalog's name inside its database, what pyiceberg calls the catalog.
    pub name: String,
    pub catalog: CatalogConfig,
    pub s3: S3Config,
}

impl LakeConfig {
    /// The warehouse's folder, when it is a local one.
    pub fn warehouse_folder(&self) -> Option<PathBuf> {
        self.warehouse.strip_prefix("file://").map(PathBuf::from)
    }
}

/// `lake.catalog`: who keeps the names of tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogConfig {
    /// A database, which holds the control store too.
    Database(DatabaseConfig),
    /// A server that speaks Iceberg's REST protocol.
    Rest(Box<RestConfig>),
}

impl CatalogConfig {
    /// The control store's database.
    pub fn control(&self) -> &DatabaseConfig {
        match self {
            Self::Database(database) => database,
            Self::Rest(rest) => &rest.control,
        }
    }
}

/// A database of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseConfig {
    /// `sqlite:///abs/file` or `sqlite:file`: one machine.
    Sqlite(PathBuf),
    /// `postgres://user:password@host:5432/database`: several processes. Holds a password.
    Postgres(Secret),
}

/// A catalog `rest+http://…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestConfig {
    pub server: RestOptions,
    /// `lake.control`.
    pub control: DatabaseConfig,
}

/// How a REST catalog is reached: `lake.catalog` without `rest+`, and `[lake.rest]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestOptions {
    /// `http://host:port/base`, with or without `/v1` at its end; no user and no password in it.
    pub url: String,
    /// What the server calls the catalog, where it has several.
    pub warehouse: Option<String>,
    /// Of all paths; a server that wants one says so itself.
    pub prefix: Option<String>,
    /// A bearer token that does not end.
    pub token: Option<Secret>,
    /// OAuth2 client credentials, `id:secret`.
    pub credential: Option<Secret>,
    pub scope: Option<String>,
    /// Where the credentials buy a token; the catalog's own `/v1/oauth/tokens` unless told.
    pub oauth_server: Option<String>,
}

/// `[lake.s3]`; all optional: what is missing is taken from the usual AWS places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct S3Config {
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<Secret>,
    pub session_token: Option<Secret>,
    /// `http://host/bucket/key` instead of `http://bucket.host/key`.
    pub path_style: bool,
}

/// `[source]`: where events come from.
#[derive(Clone, PartialEq, Eq)]
pub enum SourceConfig {
    Kafka {
        brokers: String,
        /// librdkafka settings, as they are.
        settings: BTreeMap<String, String>,
    },
    /// The embedded log: one SQLite file.
    Embedded { path: PathBuf },
}

impl fmt::Debug for SourceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kafka { brokers, settings } => f
                .debug_struct("Kafka")
                .field("brokers", brokers)
                .field("settings", &redact_settings(settings))
                .finish(),
            Self::Embedded { path } => f.debug_struct("Embedded").field("path", path).finish(),
        }
    }
}

/// `[streams]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsConfig {
    pub folder: PathBuf,
    /// Takes the place of every stream's own commit interval (a demo wants it short).
    pub commit_interval: Option<Duration>,
}

/// `[models]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelsConfig {
    pub folder: PathBuf,
    /// Runs at the same time, at most.
    pub concurrency: usize,
    /// Takes the place of every schedule (a demo wants it short).
    pub every: Option<Duration>,
    /// A run that takes longer is cancelled and fails.
    pub timeout: Duration,
    /// Tries of one run after trouble that may pass, the first included.
    pub attempts: usize,
    /// Ended runs kept of each model.
    pub keep_runs: usize,
}

/// `[wire]`: the Postgres wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireConfig {
    /// Loopback unless told otherwise.
    pub listen: SocketAddr,
    pub max_connections: usize,
    /// For users that name none of their own; None: no limit.
    pub statement_timeout: Option<Duration>,
    /// Nobody else can log in: there is no anonymous user.
    pub users: Vec<UserConfig>,
}

/// One of `[[wire.users]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserConfig {
    pub name: String,
    /// `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`, what `frazil passwd` prints.
    /// Not the password, yet enough to test guesses against: it is kept out of logs.
    pub verifier: Secret,
    pub access: UserAccess,
    pub statement_timeout: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserAccess {
    Read,
    /// Models may be created, refreshed, altered and dropped too.
    Write,
}

/// `[query]`: limits of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryConfig {
    pub memory_bytes: u64,
    /// None: the system's temporary folder.
    pub spill_folder: Option<PathBuf>,
    pub spill_bytes: u64,
    pub threads: usize,
}

/// `[upkeep]`: expiry and orphan removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpkeepConfig {
    pub interval: Duration,
    /// All snapshots younger than this stay, or beyond the newest `keep_all_snapshots`, where a
    /// table was only added to, the newest of each minute.
    pub keep_all: Duration,
    pub keep_all_snapshots: usize,
    /// Up to this age the newest of each hour stays.
    pub keep_hourly: Duration,
    /// Up to this age the newest of each day stays; older ones go.
    pub keep_daily: Duration,
    /// A file younger than this is never deleted (I9).
    pub safety_age: Duration,
}

/// `[ops]`: health and metrics over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpsConfig {
    pub listen: SocketAddr,
}

/// `[telemetry]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryConfig {
    pub format: LogFormat,
    /// `info`, `frazil::sink=debug,info` and the like.
    pub filter: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}
