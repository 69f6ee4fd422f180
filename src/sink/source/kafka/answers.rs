//! What the cluster answers to one question, in our words.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::ASK_TIMEOUT;
use super::raw::{self, Consumer, Description, NoDescription};
use crate::lake::{Error, Result};
use crate::sink::source::{Retention, SourceIdentity};

pub(super) fn identity(
    brokers: &str,
    topic: &str,
    consumer: &Arc<Consumer>,
) -> Result<SourceIdentity> {
    let Description {
        cluster_id,
        topic_id,
        partitions,
    } = raw::describe(consumer, topic, ASK_TIMEOUT)
        .map_err(|error| not_described(brokers, topic, &error))?;
    Ok(SourceIdentity {
        cluster_id,
        topic: topic.to_owned(),
        topic_id,
        partitions,
    })
}

pub(super) fn not_described(brokers: &str, topic: &str, error: &NoDescription) -> Error {
    let place = format!("Kafka at {brokers}");
    match error.code {
        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => {
            Error::not_found(format!("{place} has no topic {topic}"))
        }
        RDKafkaErrorCode::InvalidTopic => {
            Error::invalid(format!("{place}: {topic} can't be a topic's name"))
        }
        code => Error::unavailable(format!(
            "{place}: topic {topic} can't be described: {} ({code:?})",
            error.text
        )),
    }
}

pub(super) fn offset_at(
    consumer: &Arc<Consumer>,
    topic: &str,
    partition: i32,
    timestamp_ms: i64,
) -> std::result::Result<Option<i64>, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(1);
    // librdkafka takes the time in the offset's place; negative ones mean something else to it.
    list.add_partition_offset(topic, partition, Offset::Offset(timestamp_ms.max(0)))?;
    let found = consumer.offsets_for_times(list, ASK_TIMEOUT)?;
    let elements = found.elements();
    let Some(place) = elements.first() else {
        return Ok(None);
    };
    place.error()?;
    Ok(match place.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    })
}

/// -1 is for ever. A topic that is compacted only is not cut by age or size.
pub(super) fn retention(settings: &BTreeMap<String, String>) -> Retention {
    let limit = |name: &str| {
        let limit: i64 = settings.get(name)?.parse().ok()?;
        (limit >= 0).then_some(limit)
    };
    let policy = settings.get("cleanup.policy").map(String::as_str);
    match policy.is_none_or(|policy| policy.contains("delete")) {
        true => Retention {
            age_ms: limit("retention.ms"),
            partition_bytes: limit("retention.bytes"),
        },
        false => Retention::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_is_what_deletes_by_age_or_size() {
        let of = |policy: &str, ms: &str, bytes: &str| {
            let pairs = [
                ("cleanup.policy", policy),
                ("retention.ms", ms),
                ("retention.bytes", bytes),
            ];
            let found = retention(&pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
            (found.age_ms, found.partition_bytes)
        };
        assert_eq!(of("delete", "604800000", "-1"), (Some(604_800_000), None));
        assert_eq!(of("compact,delete", "-1", "1000"), (None, Some(1_000)));
        assert_eq!(of("compact", "604800000", "1000"), (None, None));
        assert_eq!(retention(&BTreeMap::new()), Retention::default());
    }
}
