//! What librdkafka tells of itself, into our log. Must never log a setting: some are secrets.

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;

/// The callbacks of all our Kafka clients.
#[derive(Clone, Debug)]
pub(super) struct Context {
    /// Names the client in the log.
    pub topic: String,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let topic = self.topic.as_str();
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => {
                tracing::error!(target: "frazil::kafka", topic, facility, "{message}");
            }
            RDKafkaLogLevel::Warning => {
                tracing::warn!(target: "frazil::kafka", topic, facility, "{message}");
            }
            _ => tracing::debug!(target: "frazil::kafka", topic, facility, "{message}"),
        }
    }
}

impl ConsumerContext for Context {}
