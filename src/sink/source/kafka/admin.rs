//! Topics made for the demo and the tests. The sink itself never makes nor changes a topic.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;

use super::config;
use crate::lake::{Error, Result};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Makes the topic when it is missing, with the broker's default replication; one that is there
/// stays as it is. `Unavailable` when no broker answers.
///
/// It never expires by age: the records have the times of their history, and a broker that keeps
/// a week would delete what is older before anyone has read it.
pub async fn create_topic(
    brokers: &str,
    settings: &BTreeMap<String, String>,
    topic: &str,
    partitions: i32,
) -> Result<()> {
    let failed = |text: String| {
        Error::unavailable(format!(
            "Kafka at {brokers}: topic {topic} can't be made: {text}"
        ))
    };
    let client: AdminClient<DefaultClientContext> = config::client(brokers, settings)?
        .create()
        .map_err(|error| failed(error.to_string()))?;
    let wanted =
        NewTopic::new(topic, partitions, TopicReplication::Fixed(-1)).set("retention.ms", "-1");
    let options = AdminOptions::new()
        .request_timeout(Some(TIMEOUT))
        .operation_timeout(Some(TIMEOUT));
    let answers = client
        .create_topics([&wanted], &options)
        .await
        .map_err(|error| failed(error.to_string()))?;
    match answers.into_iter().next() {
        Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
        Some(Err((_, code))) => Err(failed(code.to_string())),
        None => Err(failed("no answer".to_owned())),
    }
}
