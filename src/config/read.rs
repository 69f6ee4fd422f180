//! From a document to the sections: keys, defaults, limits. One function a section.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::Section;
use super::http_url::http_url;
use super::kafka::{SettingPlaces, read_settings};
use super::secret::{Secret, redact_url};
use super::sections::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Reads all sections; problems are noted in the document, and the result is then not to be used.
pub(super) fn config(file: &Path, root: &Section) -> Config {
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    version(root);
    let (source, kafka_places) = source(&root.section("source"), &folder);
    let config = Config {
        file: file.to_owned(),
        lake: lake(&root.section("lake"), &folder),
        source,
        kafka_places,
        streams: streams(&root.section("streams"), &folder),
        models: models(&root.section("models"), &folder),
        wire: wire(&root.section("wire")),
        query: query(&root.section("query"), &folder),
        upkeep: upkeep(&root.section("upkeep")),
        ops: ops(&root.section("ops")),
        telemetry: telemetry(&root.section("telemetry")),
    };
    root.finish();
    config
}

/// The version of the configuration's layout, raised when a key changes its meaning.
const VERSION: i64 = 1;

fn version(root: &Section) {
    if !root.has("version") {
        root.problem(
            &root.origin(),
            format!("the first line must be: version = {VERSION}"),
        );
    }
    match root.integer("version") {
        None | Some(VERSION) => {}
        Some(newer) if newer > VERSION => root.problem_with(
            "version",
            format!(
                "this file has version {newer}, this program knows {VERSION}: use a newer frazil"
            ),
        ),
        Some(other) => {
            root.problem_with("version", format!("version {other} was never in use"));
        }
    }
}

fn lake(section: &Section, folder: &Path) -> LakeConfig {
    let warehouse = section
        .required_string("warehouse")
        .and_then(|text| warehouse(section, folder, &text))
        .unwrap_or_default();
    let catalog = catalog(section, folder, &warehouse);
    let s3 = section.section("s3");
    let config = LakeConfig {
        warehouse,
        name: section
            .string("name")
            .unwrap_or_else(|| "frazil".to_owned()),
        catalog,
        s3: S3Config {
            endpoint: s3.string("endpoint"),
            region: s3.string("region"),
            access_key_id: s3.string("access_key_id"),
            secret_access_key: s3.string("secret_access_key").map(Secret::new),
            session_token: s3.string("session_token").map(Secret::new),
            path_style: s3.boolean("path_style").unwrap_or(false),
        },
    };
    if config.s3.access_key_id.is_some() != config.s3.secret_access_key.is_some() {
        s3.problem(
            &s3.origin(),
            "access_key_id and secret_access_key go together: give both or none",
        );
    }
    s3.finish();
    section.finish();
    config
}

fn warehouse(section: &Section, folder: &Path, text: &str) -> Option<String> {
    let text = text.trim_end_matches('/');
    let url = match text.split_once("://") {
        Some(("s3", _)) => Some(text.to_owned()),
        Some(("file", path)) => local_url(folder, path),
        Some((scheme, _)) => {
            let message = format!(
                "warehouse: {scheme}:// is not known, write a folder or s3://bucket/prefix"
            );
            section.problem_with("warehouse", message);
            return None;
        }
        None => local_url(folder, text),
    };
    if url.is_none() {
        section.problem_with("warehouse", "warehouse: the folder's path is not UTF-8");
    }
    url
}

fn local_url(folder: &Path, path: &str) -> Option<String> {
    Some(format!("file://{}", resolve(folder, path).to_str()?))
}

fn catalog(section: &Section, folder: &Path, warehouse: &str) -> CatalogConfig {
    let text = section.string("catalog");
    let control = section.string("control");
    let rest = section.section("rest");
    if let Some(url) = text.as_deref().and_then(|text| text.strip_prefix("rest+")) {
        return CatalogConfig::Rest(Box::new(rest_catalog(section, &rest, folder, url, control)));
    }
    if control.is_some() {
        let message = "lake.control is for a catalog of rest+http://…: any other one is the control store's database too";
        section.problem_with("control", message);
    }
    if section.has("rest") {
        section.problem_with("rest", "[lake.rest] is for a catalog of rest+http://…");
    }
    CatalogConfig::Database(match text {
        Some(text) => database(section, "catalog", folder, &text),
        None => default_catalog(section, warehouse),
    })
}

fn rest_catalog(
    section: &Section,
    rest: &Section,
    folder: &Path,
    url: &str,
    control: Option<String>,
) -> RestConfig {
    if let Err(reason) = http_url(url) {
        let message = format!(
            "catalog: the URL of a REST catalog (rest+http://host:port/path) {reason}: [lake.rest] \
             has warehouse, prefix, token and credential"
        );
        section.problem_with("catalog", message);
    }
    let oauth_server = rest.string("oauth_server");
    if let Some(Err(reason)) = oauth_server.as_deref().map(http_url) {
        let message = format!("oauth_server: the URL {reason}: credential and scope say the rest");
        rest.problem_with("oauth_server", message);
    }
    let control = match control {
        Some(text) => database(section, "control", folder, &text),
        None => {
            let message = "lake.control is missing: beside a REST catalog the control store needs a database of its own, postgres://user@host/database or sqlite:<file>";
            section.problem_with("catalog", message);
            DatabaseConfig::Sqlite(PathBuf::new())
        }
    };
    let server = RestOptions {
        url: url.to_owned(),
        warehouse: rest.string("warehouse"),
        prefix: rest.string("prefix"),
        token: rest.string("token").map(Secret::new),
        credential: rest.string("credential").map(Secret::new),
        scope: rest.string("scope"),
        oauth_server,
    };
    if server.token.is_some() && server.credential.is_some() {
        rest.problem_with("token", "token and credential: give one of them");
    }
    rest.finish();
    RestConfig { server, control }
}

fn database(section: &Section, key: &'static str, folder: &Path, text: &str) -> DatabaseConfig {
    let scheme = text.split(':').next().unwrap_or_default();
    if matches!(scheme, "postgres" | "postgresql") && text.contains("://") {
        return DatabaseConfig::Postgres(Secret::new(text));
    }
    if let Some(path) = text.strip_prefix("sqlite:") {
        // sqlite:///abs, sqlite://rel, sqlite:rel and sqlite:/abs are all in use somewhere.
        let path = path.strip_prefix("//").unwrap_or(path);
        if !path.is_empty() && !path.contains(['?', '#']) && path != ":memory:" {
            return DatabaseConfig::Sqlite(resolve(folder, path));
        }
    }
    let rest = if key == "catalog" {
        ", or rest+http://host:port of a REST catalog"
    } else {
        ""
    };
    section.problem_with(
        key,
        format!(
            "{key}: {:?} is not known, write sqlite:<file> or postgres://user@host/database{rest}",
            redact_url(text)
        ),
    );
    DatabaseConfig::Sqlite(PathBuf::new())
}

fn default_catalog(section: &Section, warehouse: &str) -> DatabaseConfig {
    match warehouse.strip_prefix("file://") {
        Some(path) => DatabaseConfig::Sqlite(Path::new(path).join("catalog.db")),
        None => {
            if !warehouse.is_empty() {
                let message = "lake.catalog is missing: a warehouse that is not a local folder needs postgres://… or sqlite:<file>";
                section.problem(&section.origin(), message);
            }
            DatabaseConfig::Sqlite(PathBuf::new())
        }
    }
}

fn source(section: &Section, folder: &Path) -> (SourceConfig, SettingPlaces) {
    let kinds = [("kafka", true), ("embedded", false)];
    let kind = section.choice("kind", &kinds);
    let brokers = section.string("brokers");
    let path = section.string("path");
    let (settings, places) = read_settings(section, "kafka");
    // Without a kind, what is given tells it; nothing given is a lake that is only read.
    let is_kafka = kind.unwrap_or(brokers.is_some());
    if is_kafka && path.is_some() {
        section.problem_with("path", "source.path is for kind = \"embedded\"");
    }
    if !is_kafka && brokers.is_some() {
        section.problem_with("brokers", "source.brokers is for kind = \"kafka\"");
    }
    if !is_kafka && !settings.is_empty() {
        section.problem_with("kafka", "[source.kafka] is for kind = \"kafka\"");
    }
    if is_kafka && brokers.as_deref().is_none_or(|text| text.trim().is_empty()) {
        section.problem_with(
            "brokers",
            "source.brokers is missing: host:port, or several with commas",
        );
    }
    section.finish();
    let source = if is_kafka {
        SourceConfig::Kafka {
            brokers: brokers.unwrap_or_default(),
            settings,
        }
    } else {
        SourceConfig::Embedded {
            path: resolve(folder, path.as_deref().unwrap_or("log.db")),
        }
    };
    (source, places)
}

fn streams(section: &Section, folder: &Path) -> StreamsConfig {
    let config = StreamsConfig {
        folder: resolve(
            folder,
            section.string("folder").as_deref().unwrap_or("catalog"),
        ),
        commit_interval: section.interval("commit_interval"),
    };
    section.finish();
    config
}

fn models(section: &Section, folder: &Path) -> ModelsConfig {
    let config = ModelsConfig {
        folder: resolve(folder, section.string("folder").as_deref().unwrap_or("sql")),
        concurrency: section.count("concurrency", 1).unwrap_or(1),
        every: section.interval("every"),
        timeout: section.interval("timeout").unwrap_or(HOUR),
        attempts: section.count("attempts", 1).unwrap_or(3),
        keep_runs: section.count("keep_runs", 1).unwrap_or(1_000),
    };
    section.finish();
    config
}

fn wire(section: &Section) -> WireConfig {
    let mut users: Vec<UserConfig> = Vec::new();
    for entry in section.sections("users") {
        let Some(user) = user(&entry) else { continue };
        if users.iter().any(|other| other.name == user.name) {
            entry.problem_with("name", format!("user {:?} stands here twice", user.name));
        }
        users.push(user);
    }
    let config = WireConfig {
        listen: listen(section, 5433),
        max_connections: section.count("max_connections", 1).unwrap_or(100),
        statement_timeout: timeout(section),
        users,
    };
    section.finish();
    config
}

fn user(section: &Section) -> Option<UserConfig> {
    let name = section.required_string("name");
    if !section.has("verifier") {
        let message = "verifier is missing: frazil passwd prints one";
        section.problem(&section.origin(), message);
    }
    let verifier = section.parsed("verifier", |text| {
        check_verifier(text).map(|()| Secret::new(text))
    });
    let choices = [("read", UserAccess::Read), ("write", UserAccess::Write)];
    let access = section.choice("access", &choices);
    let statement_timeout = timeout(section);
    section.finish();
    let name = name?;
    if name.is_empty() || name.len() > 63 {
        section.problem_with("name", "a user's name has 1 to 63 bytes");
    }
    Some(UserConfig {
        name,
        verifier: verifier?,
        access: access.unwrap_or(UserAccess::Read),
        statement_timeout,
    })
}

/// `"0s"` means none, as in Postgres.
fn timeout(section: &Section) -> Option<Duration> {
    section
        .duration("statement_timeout")
        .filter(|timeout| !timeout.is_zero())
}

/// The shape that Postgres itself stores (RFC 5802's keys, base64). Never shows the text.
fn check_verifier(text: &str) -> Result<(), String> {
    use base64::Engine as _;
    let bytes = |part: &str| base64::engine::general_purpose::STANDARD.decode(part).ok();
    let sound = || {
        let (iterations, rest) = text.strip_prefix("SCRAM-SHA-256$")?.split_once(':')?;
        let (salt, keys) = rest.split_once('$')?;
        let (stored, server) = keys.split_once(':')?;
        let iterations: u32 = iterations.parse().ok()?;
        let lengths = (
            bytes(salt)?.len(),
            bytes(stored)?.len(),
            bytes(server)?.len(),
        );
        (iterations >= 4_096 && lengths.0 >= 8 && (lengths.1, lengths.2) == (32, 32)).then_some(())
    };
    sound().ok_or_else(|| {
        "this is not a SCRAM-SHA-256 verifier of at least 4096 iterations: frazil passwd prints one; a password must not stand here"
            .to_owned()
    })
}

fn query(section: &Section, folder: &Path) -> QueryConfig {
    let cores = || std::thread::available_parallelism().map_or(2, usize::from);
    let config = QueryConfig {
        memory_bytes: section.bytes("memory").unwrap_or(1 << 30),
        spill_folder: section
            .string("spill_folder")
            .map(|text| resolve(folder, &text)),
        spill_bytes: section.bytes("spill").unwrap_or(10 << 30),
        threads: section.count("threads", 1).unwrap_or_else(cores),
    };
    section.finish();
    config
}

fn upkeep(section: &Section) -> UpkeepConfig {
    let config = UpkeepConfig {
        interval: section.interval("interval").unwrap_or(10 * MINUTE),
        keep_all: section.duration("keep_all").unwrap_or(HOUR),
        keep_all_snapshots: section.count("keep_all_snapshots", 1).unwrap_or(100),
        keep_hourly: section.duration("keep_hourly").unwrap_or(DAY),
        keep_daily: section.duration("keep_daily").unwrap_or(30 * DAY),
        safety_age: section.interval("safety_age").unwrap_or(DAY),
    };
    if config.keep_all > config.keep_hourly || config.keep_hourly > config.keep_daily {
        let message = "upkeep: keep_all ≤ keep_hourly ≤ keep_daily must hold";
        section.problem(&section.origin(), message);
    }
    section.finish();
    config
}

fn ops(section: &Section) -> OpsConfig {
    let config = OpsConfig {
        listen: listen(section, 9433),
    };
    section.finish();
    config
}

fn telemetry(section: &Section) -> TelemetryConfig {
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let config = TelemetryConfig {
        format: section
            .choice("format", &formats)
            .unwrap_or(LogFormat::Text),
        filter: section
            .string("filter")
            .unwrap_or_else(|| "info".to_owned()),
    };
    section.finish();
    config
}

/// `listen`, on loopback unless told otherwise.
fn listen(section: &Section, port: u16) -> SocketAddr {
    let address = section.parsed("listen", |text| {
        text.parse().map_err(|_| {
            format!("{text:?} is not an address, write ip:port such as 127.0.0.1:{port}")
        })
    });
    address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port)))
}

/// A path relative to the configuration's folder, made absolute without asking the disk for it.
fn resolve(folder: &Path, path: &str) -> PathBuf {
    let joined = folder.join(path);
    let absolute = std::path::absolute(&joined).unwrap_or(joined);
    absolute
        .components()
        .fold(PathBuf::new(), |mut clean, part| {
            // `a/../b` in a table's location would be another name for the same file.
            if part == std::path::Component::ParentDir {
                clean.pop();
            } else {
                clean.push(part);
            }
            clean
        })
}
