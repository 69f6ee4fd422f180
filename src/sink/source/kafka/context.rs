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

impl Context {
    /// Logs what librdkafka says of itself; levels as syslog counts them, 3 is an error.
    pub(super) fn say(&self, level: i32, facility: &str, message: &str) {
        let topic = self.topic.as_str();
        match level {
            ..=3 => tracing::error!(target: "frazil::kafka", topic, facility, "{message}"),
            4 => tracing::warn!(target: "frazil::kafka", topic, facility, "{message}"),
            _ => tracing::debug!(target: "frazil::kafka", topic, facility, "{message}"),
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.say(level as i32, facility, message);
    }
}

impl ConsumerContext for Context {}
