//! librdkafka's settings: ours, the operator's on top, and those that are nobody's to change
//! because an invariant stands on them.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

use super::raw::setting_names;
use crate::config::suggestion;
use crate::lake::{Error, Result};

/// Payload that librdkafka fetches ahead, over all partitions.
const PREFETCH_KIB: i64 = 64 * 1024;

/// What the consumer stands on, and why.
const FIXED: [(&str, &str, &str); 9] = [
    (
        "enable.auto.commit",
        "false",
        "offsets stand in the table, in the commit of their rows",
    ),
    (
        "enable.auto.offset.store",
        "false",
        "offsets stand in the table, in the commit of their rows",
    ),
    (
        "auto.offset.reset",
        "error",
        "lost offsets must be seen, not skipped",
    ),
    (
        "isolation.level",
        "read_committed",
        "records of aborted transactions must never be read",
    ),
    (
        "enable.partition.eof",
        "true",
        "the reader's position moves past markers at the end of a partition by it",
    ),
    ("check.crcs", "true", "broken records must be noticed"),
    (
        "allow.auto.create.topics",
        "false",
        "a misspelt topic must not be made",
    ),
    (
        "partition.assignment.strategy",
        "cooperative-sticky",
        "partitions that stay keep their place through a rebalance",
    ),
    (
        "group.protocol",
        "classic",
        "revocations are answered as the classic protocol has them",
    ),
];

/// Names that mean one of ours, that have a place of their own, or that can't be shared.
const REFUSED: [(&str, &str); 7] = [
    ("bootstrap.servers", "write brokers in [source]"),
    ("metadata.broker.list", "write brokers in [source]"),
    ("group.id", "write group_id in the stream"),
    (
        "group.instance.id",
        "the processes of a group would fence each other",
    ),
    (
        "auto.commit.enable",
        "offsets stand in the table, in the commit of their rows",
    ),
    (
        "enable.auto.commit.interval.ms",
        "nothing is committed by it",
    ),
    ("plugin.library.paths", "no foreign code is loaded"),
];

/// What the operator may change.
const DEFAULTS: [(&str, &str); 9] = [
    ("client.id", "frazil"),
    // How long the group waits for a revocation to be answered.
    ("max.poll.interval.ms", "120000"),
    // A full queue is looked at again soon: the default of a second starves the reader.
    ("fetch.queue.backoff.ms", "10"),
    ("fetch.max.bytes", "16777216"),
    ("reconnect.backoff.max.ms", "2000"),
    ("socket.keepalive.enable", "true"),
    // How soon new partitions of a topic are noticed.
    ("topic.metadata.refresh.interval.ms", "30000"),
    ("metadata.max.age.ms", "90000"),
    ("log.connection.close", "false"),
];

/// Settings of any client: address, security and the operator's own. `Invalid` for a refused one.
pub(super) fn client(brokers: &str, settings: &BTreeMap<String, String>) -> Result<ClientConfig> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    // What is logged is chosen by our own log, see context.rs.
    config.set_log_level(RDKafkaLogLevel::Info);
    for (name, value) in settings {
        let fixed = FIXED.iter().find(|(fixed, _, _)| fixed == name);
        let refused = REFUSED.iter().find(|(refused, _)| refused == name);
        let why = match (fixed, refused) {
            (Some((_, ours, _)), _) if ours == value => continue,
            (Some((_, _, why)), _) => why,
            (_, Some((_, why))) => why,
            (None, None) => {
                config.set(name, value);
                continue;
            }
        };
        return Err(Error::invalid(format!(
            "the Kafka setting {name} can't be set: {why}"
        )));
    }
    Ok(config)
}

/// Settings that can't be meant, each with what is wrong with it. Asks librdkafka itself, which
/// needs no network for it.
pub fn wrong_settings(settings: &BTreeMap<String, String>) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    for (name, value) in settings {
        if let Err(message) = check(name, value) {
            found.push((name.as_str(), message));
        }
    }
    found
}

fn check(name: &str, value: &str) -> std::result::Result<(), String> {
    let one = BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let config = client("localhost:9092", &one).map_err(|error| error.to_string())?;
    match config.create_native_config() {
        Ok(_) => Ok(()),
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            let known = setting_names();
            let near = suggestion(name, known.iter().map(String::as_str));
            let advice = near.map_or_else(String::new, |near| format!(": did you mean {near:?}?"));
            Err(format!("librdkafka has no setting {name:?}{advice}"))
        }
        Err(KafkaError::ClientConfig(_, text, ..)) => Err(text),
        Err(error) => Err(error.to_string()),
    }
}

/// Settings of the consumer of a topic with so many partitions.
pub(super) fn consumer(
    brokers: &str,
    settings: &BTreeMap<String, String>,
    group_id: &str,
    partitions: i32,
) -> Result<ClientConfig> {
    let mut config = client(brokers, settings)?;
    // Each partition has a queue of its own, so the limit of a queue is a share of the whole.
    let share = (PREFETCH_KIB / i64::from(partitions.max(1))).clamp(64, 16 * 1024);
    let fetch_bytes = (share * 1024).min(1 << 20);
    let shares = [
        ("queued.max.messages.kbytes", share.to_string()),
        ("max.partition.fetch.bytes", fetch_bytes.to_string()),
    ];
    let defaults = DEFAULTS.map(|(name, value)| (name, value.to_owned()));
    for (name, value) in defaults.into_iter().chain(shares) {
        if config.get(name).is_none() {
            config.set(name, value);
        }
    }
    for (name, value, _) in FIXED {
        config.set(name, value);
    }
    config.set("group.id", group_id);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs.map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    #[test]
    fn the_operators_settings_win_but_for_the_fixed() {
        let own = settings(&[
            ("fetch.max.bytes", "1000000"),
            ("sasl.username", "shop"),
            ("isolation.level", "read_committed"),
        ]);
        let config = consumer("b:1", &own, "g", 4).unwrap();
        assert_eq!(config.get("fetch.max.bytes"), Some("1000000"));
        assert_eq!(config.get("sasl.username"), Some("shop"));
        assert_eq!(config.get("group.id"), Some("g"));
        assert_eq!(config.get("auto.offset.reset"), Some("error"));
        assert_eq!(config.get("queued.max.messages.kbytes"), Some("16384"));
    }

    #[test]
    fn what_guards_an_invariant_is_refused_with_the_reason() {
        for (name, value) in [
            ("enable.auto.commit", "true"),
            ("auto.offset.reset", "latest"),
            ("isolation.level", "read_uncommitted"),
            ("partition.assignment.strategy", "range"),
            ("group.instance.id", "x"),
            ("group.id", "x"),
        ] {
            let error = consumer("b:1", &settings(&[(name, value)]), "g", 1).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(name) && text.contains(": "), "{text}");
        }
    }

    #[test]
    fn what_librdkafka_does_not_know_is_found_without_a_broker() {
        let own = settings(&[
            ("security.protcol", "SASL_SSL"),
            ("security.protocol", "sasl_ssl"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.password", "hunter2"),
            ("fetch.wait.max.ms", "soon"),
            ("session.timeout.ms", "-1"),
            ("enable.ssl.certificate.verification", "perhaps"),
            ("group.instance.id", "x"),
        ]);
        let wrong: BTreeMap<&str, String> = wrong_settings(&own).into_iter().collect();
        let names: Vec<&str> = wrong.keys().copied().collect();
        assert_eq!(
            names,
            [
                "enable.ssl.certificate.verification",
                "fetch.wait.max.ms",
                "group.instance.id",
                "security.protcol",
                "session.timeout.ms"
            ]
        );
        let misspelt = &wrong["security.protcol"];
        assert!(
            misspelt.contains("did you mean \"security.protocol\""),
            "{misspelt}"
        );
        assert!(wrong_settings(&BTreeMap::new()).is_empty());
    }

    #[test]
    fn the_prefetch_of_all_partitions_stays_bounded() {
        for (partitions, kib) in [(1, "16384"), (64, "1024"), (100_000, "64")] {
            let config = consumer("b:1", &BTreeMap::new(), "g", partitions).unwrap();
            assert_eq!(config.get("queued.max.messages.kbytes"), Some(kib));
        }
    }
}
