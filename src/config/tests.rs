use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;

const VERIFIER: &str = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn parse(text: &str) -> Result<Config, Problems> {
    Config::parse(Path::new("/etc/frazil/frazil.toml"), text.to_owned(), [])
}

fn problems(text: &str) -> Vec<String> {
    let problems = parse(text).expect_err("a problem");
    problems.0.iter().map(ToString::to_string).collect()
}

/// Golden: what the first release's files said must be read for ever.
#[test]
fn opens_what_the_first_release_wrote() {
    let config = parse(include_str!("../../tests/golden/config-v1.toml")).expect("version 1");
    assert_eq!(config.lake.warehouse, "s3://lake/prefix");
    assert_eq!(config.lake.name, "frazil");
    let DatabaseConfig::Postgres(url) = config.lake.catalog.control() else {
        panic!("a Postgres catalog");
    };
    assert_eq!(url.expose(), "postgres://frazil:hunter2@db:5432/lake");
    assert_eq!(config.lake.s3.endpoint.as_deref(), Some("http://s3:8333"));
    assert!(config.lake.s3.path_style);
    let SourceConfig::Kafka { brokers, settings } = &config.source else {
        panic!("a Kafka source");
    };
    assert_eq!(brokers, "kafka:9092");
    assert_eq!(settings["security.protocol"], "SASL_SSL");
    assert_eq!(settings["sasl.password"], "hunter2");
    assert_eq!(settings["fetch.wait.max.ms"], "100");
    assert_eq!(config.streams.folder, PathBuf::from("/etc/frazil/catalog"));
    assert_eq!(config.models.folder, PathBuf::from("/srv/sql"));
    assert_eq!(config.wire.listen.to_string(), "0.0.0.0:5433");
    assert_eq!(config.wire.users[0].access, UserAccess::Write);
    assert_eq!(config.wire.users[1].access, UserAccess::Read);
    assert_eq!(
        config.wire.users[1].statement_timeout,
        Some(Duration::from_secs(30))
    );
    assert_eq!(config.query.memory_bytes, 512 << 20);
    assert_eq!(config.upkeep.keep_daily, Duration::from_secs(30 * 86_400));
    assert_eq!(config.telemetry.format, LogFormat::Json);

    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2"), "a secret shows: {shown}");
    assert!(
        !shown.contains("SCRAM-SHA-256"),
        "a verifier shows: {shown}"
    );
}

#[test]
fn little_is_needed() {
    let config = parse("version = 1\n[lake]\nwarehouse = \"../data/lake\"\n").expect("valid");
    assert_eq!(config.lake.warehouse, "file:///etc/data/lake");
    assert_eq!(
        config.lake.catalog,
        CatalogConfig::Database(DatabaseConfig::Sqlite("/etc/data/lake/catalog.db".into()))
    );
    assert_eq!(
        config.source,
        SourceConfig::Embedded {
            path: "/etc/frazil/log.db".into()
        }
    );
    assert!(config.wire.listen.ip().is_loopback());
    assert!(config.ops.listen.ip().is_loopback());
    assert!(config.wire.users.is_empty());
}

#[test]
fn every_problem_has_its_line() {
    let text = r#"version = 1
[lake]
warehose = "x"
[source]
kind = "pulsar"
[wire]
listen = "here"
max_connections = 0
[[wire.users]]
name = "a"
verifier = "hunter2"
[upkeep]
interval = "soon"
[telemtry]
"#;
    let found = problems(text);
    let has = |start: &str, part: &str| {
        let start = format!("/etc/frazil/frazil.toml:{start}");
        assert!(
            found
                .iter()
                .any(|p| p.starts_with(&start) && p.contains(part)),
            "{start} {part} is not in {found:#?}"
        );
    };
    has("2:1", "lake.warehouse is missing");
    has("3:1", "did you mean \"warehouse\"?");
    has("5:8", "\"pulsar\" is not known, write kafka or embedded");
    has("7:10", "\"here\" is not an address");
    has("8:19", "1 or more");
    has("11:12", "frazil passwd");
    has("13:12", "\"soon\" is not a duration");
    has("14:2", "did you mean \"telemetry\"?");
    assert!(!found.iter().any(|p| p.contains("hunter2")), "{found:#?}");
}

#[test]
fn a_syntax_error_has_its_line() {
    let found = problems("version = 1\n[lake\nwarehouse = 1\n");
    assert!(
        found[0].starts_with("/etc/frazil/frazil.toml:2:"),
        "{found:?}"
    );
}

#[test]
fn versions_are_checked() {
    let rest = "[lake]\nwarehouse = \"/w\"\n";
    assert!(problems(&format!("version = 2\n{rest}"))[0].contains("use a newer frazil"));
    assert!(problems(&format!("version = 0\n{rest}"))[0].contains("never in use"));
    assert!(problems(rest)[0].contains("version = 1"));
}

#[test]
fn the_environment_lies_over_the_file() {
    let variables = [
        ("FRAZIL__LAKE__WAREHOUSE", "s3://b/x"),
        ("FRAZIL__LAKE__CATALOG", "sqlite:c.db"),
        ("FRAZIL__LAKE__S3__PATH_STYLE", "true"),
        ("FRAZIL__SOURCE__BROKERS", "k:9092"),
        ("FRAZIL__SOURCE__KAFKA__SASL_PASSWORD", "hunter2"),
        ("FRAZIL__WIRE__MAX_CONNECTIONS", "7"),
        ("FRAZIL_HOME", "not ours"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let file = Path::new("/etc/frazil.toml");
    let text = "version = 1\n[lake]\nwarehouse = \"/w\"\n".to_owned();
    let config = Config::parse(file, text.clone(), variables).expect("valid");
    assert_eq!(config.lake.warehouse, "s3://b/x");
    assert_eq!(
        config.lake.catalog,
        CatalogConfig::Database(DatabaseConfig::Sqlite("/etc/c.db".into()))
    );
    assert!(config.lake.s3.path_style);
    assert_eq!(config.wire.max_connections, 7);
    let SourceConfig::Kafka { settings, .. } = &config.source else {
        panic!("brokers make it Kafka");
    };
    assert_eq!(settings["sasl.password"], "hunter2");

    let wrong = [("FRAZIL__WIRE__LISTN".to_owned(), "x".to_owned())];
    let found = Config::parse(file, text, wrong)
        .expect_err("unknown")
        .to_string();
    assert!(
        found.starts_with(
            "FRAZIL__WIRE__LISTN: unknown key \"listn\" in [wire]: did you mean \"listen\"?"
        ),
        "{found}"
    );
}

#[test]
fn settings_that_break_an_invariant_are_refused() {
    let text = "version = 1\n[lake]\nwarehouse = \"/w\"\n[source]\nbrokers = \"b:1\"\n[source.kafka]\n\"auto.offset.reset\" = \"latest\"\nisolation.level = \"read_uncommitted\"\n";
    let found = problems(text);
    assert!(
        found[0].contains(":7:") && found[0].contains("auto.offset.reset can't be set"),
        "{found:?}"
    );
    assert!(
        found[1].contains(":8:") && found[1].contains("isolation.level can't be set"),
        "{found:?}"
    );
}

#[test]
fn a_catalog_url_in_an_error_shows_no_password() {
    let text = "version = 1\n[lake]\nwarehouse = \"/w\"\ncatalog = \"mysql://me:hunter2@db/x\"\n";
    let found = problems(text);
    assert!(found[0].contains("mysql://me:***@db/x"), "{found:?}");
}

#[test]
fn verifiers_are_taken() {
    let text = format!(
        "version = 1\n[lake]\nwarehouse = \"/w\"\n[[wire.users]]\nname = \"a\"\nverifier = \"{VERIFIER}\"\n"
    );
    assert_eq!(
        parse(&text).expect("valid").wire.users[0].verifier.expose(),
        VERIFIER
    );
}

/// What `docs/configuration.md` shows as defaults are the defaults.
#[test]
fn the_documented_defaults_are_the_defaults() {
    let page = include_str!("../../docs/configuration.md");
    let (_, rest) = page.split_once("```toml\n").expect("a sample");
    let (sample, _) = rest.split_once("```").expect("its end");
    let documented = parse(sample).expect("the sample is sound");
    let plain = parse("version = 1\n[lake]\nwarehouse = \"/data/lake\"\n").expect("sound");
    assert_eq!(documented, plain);
    // What is left out of the sample as it has no default is at least sound.
    let all: String = sample
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line))
        .filter(|line| !line.starts_with("kind = \"embedded\"") && !line.starts_with("path = "))
        .map(|line| format!("{}\n", line.replace("SCRAM-SHA-256$…", VERIFIER)))
        .collect();
    parse(&all).expect("with all that is optional too");
}

#[test]
fn the_documented_rest_catalog_is_sound() {
    let page = include_str!("../../docs/configuration.md");
    let (_, page) = page.split_once("## A REST catalog").expect("its part");
    let (_, rest) = page.split_once("```toml\n").expect("a sample");
    let (sample, _) = rest.split_once("```").expect("its end");
    let config = parse(sample).expect("the sample is sound");
    let CatalogConfig::Rest(rest) = &config.lake.catalog else {
        panic!("a REST catalog");
    };
    assert_eq!(rest.server.url, "https://catalog.example:8181/base");
    assert_eq!(rest.server.warehouse.as_deref(), Some("lake"));
    let credential = rest.server.credential.as_ref().expect("one");
    assert_eq!(credential.expose(), "id:secret");
    assert!(matches!(rest.control, DatabaseConfig::Postgres(_)));
    assert!(!format!("{config:?}").contains("id:secret"));
}

#[test]
fn a_rest_catalog_needs_a_control_store_and_hides_its_secrets() {
    let with = |lines: &str| {
        let head = "version = 1\n[lake]\nwarehouse = \"s3://b\"\n";
        problems(&format!("{head}{lines}\n")).join("\n")
    };
    let found = with("catalog = \"rest+http://h:1\"");
    assert!(found.contains("lake.control is missing"), "{found}");
    let found = with("catalog = \"rest+http://h:1\"\ncontrol = \"rest+http://h:1\"");
    assert!(found.contains("control: "), "{found}");
    let own = "control = \"sqlite:c.db\"";
    for url in [
        "rest+http://me:s3cret@h/",
        "rest+http://h/?token=s3cret",
        "rest+ftp://me:s3cret@h",
    ] {
        let found = with(&format!("catalog = \"{url}\"\n{own}"));
        assert!(found.contains("catalog: "), "{found}");
        assert!(!found.contains("s3cret"), "{found}");
    }
    let found = with(&format!("catalog = \"sqlite:x.db\"\n{own}"));
    assert!(found.contains("lake.control is for"), "{found}");
    let found = with("catalog = \"sqlite:x.db\"\nrest.token = \"s3cret\"");
    assert!(found.contains("[lake.rest] is for"), "{found}");
    for server in ["http://me:s3cret@h/t", "https://h/t?token=s3cret", "s3cret"] {
        let server = format!("rest.oauth_server = \"{server}\"");
        let found = with(&format!("catalog = \"rest+http://h:1\"\n{own}\n{server}"));
        assert!(found.contains("oauth_server: "), "{found}");
        assert!(!found.contains("s3cret"), "{found}");
    }
    let both = "rest.token = \"a\"\nrest.credential = \"b\"";
    let found = with(&format!("catalog = \"rest+http://h:1\"\n{own}\n{both}"));
    assert!(found.contains("give one of them"), "{found}");
}
