//! What the folders of a configuration declare: all of it, or all that is wrong with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Config, Problem, Problems, SettingPlaces, SourceConfig};
use crate::declare;
use crate::declare::model::Model;
use crate::declare::stream::Stream;
use crate::sink::source::kafka::wrong_settings;

/// Streams and models of a configuration.
#[derive(Clone, Debug)]
pub struct Declared {
    pub streams: Vec<Arc<Stream>>,
    pub models: Vec<Model>,
}

impl Declared {
    /// Reads both folders; every problem of both, and between them, is told.
    pub fn load(config: &Config) -> Result<Self, Problems> {
        let mut problems = declare::check(config);
        problems.extend(kafka_problems(config));
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let streams = declare::streams(config)?;
        Ok(Self {
            streams: streams.into_iter().map(Arc::new).collect(),
            models: declare::models(config)?,
        })
    }
}

/// Settings that librdkafka doesn't know, or not with this value: found here and not by the first
/// connection, which may be long after the start.
fn kafka_problems(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut check = |settings: &BTreeMap<String, String>, places: &SettingPlaces| {
        for (name, message) in wrong_settings(settings) {
            let place = places.get(name).cloned().unwrap_or_default();
            problems.push(place.problem(message));
        }
    };
    if let SourceConfig::Kafka { settings, .. } = &config.source {
        check(settings, &config.kafka_places);
    }
    // Streams that can't be read are told already.
    for stream in declare::streams(config).unwrap_or_default() {
        check(&stream.kafka, &stream.places.kafka);
    }
    problems
}
