//! librdkafka settings in a file: any name goes, but for those that would break an invariant.

use std::collections::BTreeMap;

use super::document::Section;
use super::problem::Place;

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

/// Where each setting stands, by its name.
pub type SettingPlaces = BTreeMap<String, Place>;

/// The settings below a key, and where they stand; reserved ones are noted as problems. Whether
/// the others are librdkafka's is known where librdkafka is.
pub fn read_settings(
    section: &Section,
    key: &'static str,
) -> (BTreeMap<String, String>, SettingPlaces) {
    let mut settings = BTreeMap::new();
    let mut places = SettingPlaces::new();
    for (name, (value, origin)) in section.settings(key) {
        if let Some((_, why)) = RESERVED.iter().find(|(reserved, _)| *reserved == name) {
            section.problem(&origin, format!("{name} can't be set here: {why}"));
        }
        places.insert(name.clone(), section.place(&origin));
        settings.insert(name, value);
    }
    (settings, places)
}
