//! librdkafka settings in a file: any name goes, but for those that would break an invariant.

use std::collections::BTreeMap;

use super::document::Section;

/// Settings that are not the operator's, and why.
const RESERVED: [(&str, &str); 13] = [
    ("bootstrap.servers", "write brokers in [source]"),
    ("metadata.broker.list", "write brokers in [source]"),
    ("group.id", "write group_id in the stream"),
    (
        "enable.auto.commit",
        "offsets stand in the table, in the commit of their rows",
    ),
    (
        "enable.auto.offset.store",
        "offsets stand in the table, in the commit of their rows",
    ),
    (
        "auto.commit.enable",
        "offsets stand in the table, in the commit of their rows",
    ),
    (
        "auto.offset.reset",
        "write start in the stream; lost offsets must be seen, not skipped",
    ),
    (
        "isolation.level",
        "records of aborted transactions must never be read",
    ),
    ("enable.partition.eof", "the reader needs it on"),
    ("check.crcs", "broken records must be noticed"),
    (
        "allow.auto.create.topics",
        "a misspelt topic must not be made",
    ),
    (
        "group.protocol",
        "fencing was proven with the classic protocol",
    ),
    ("plugin.library.paths", "no foreign code is loaded"),
];

/// The settings below a key; reserved ones are noted as problems.
pub fn read_settings(section: &Section, key: &'static str) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for (name, (value, origin)) in section.settings(key) {
        if let Some((_, why)) = RESERVED.iter().find(|(reserved, _)| *reserved == name) {
            section.problem(&origin, format!("{name} can't be set here: {why}"));
        }
        settings.insert(name, value);
    }
    settings
}
