//! Questions to the cluster that rdkafka's wrapper has no call for: who it is, which topic bears a
//! name, and the topic's settings. None is answered from librdkafka's cache.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as c;
use rdkafka::consumer::Consumer as _;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::{Consumer, Event, EventError, EventKind, Queue, text};

/// What the cluster says of a topic, now.
#[derive(Debug)]
pub(in super::super) struct Description {
    pub cluster_id: String,
    pub topic_id: String,
    pub partitions: i32,
}

/// Why there is no description.
#[derive(Debug)]
pub(in super::super) struct NoDescription {
    pub code: RDKafkaErrorCode,
    pub text: String,
}

/// Asks the cluster for its id and the topic's (invariant I4): both requests go to a broker, none
/// is answered from librdkafka's cache. Blocks up to twice the time-out.
pub(in super::super) fn describe(
    consumer: &Arc<Consumer>,
    topic: &str,
    timeout: Duration,
) -> Result<Description, NoDescription> {
    let cluster_id = describe_cluster(consumer, timeout)?;
    let (topic_id, partitions) = describe_topic(consumer, topic, timeout)?;
    Ok(Description {
        cluster_id,
        topic_id,
        partitions,
    })
}

fn describe_cluster(consumer: &Arc<Consumer>, timeout: Duration) -> Result<String, NoDescription> {
    let operation = c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECLUSTER;
    let client = consumer.client().native_ptr();
    let queue = ask(consumer, operation, timeout, |options, queue| {
        // SAFETY: client, options and queue are alive during the call, which copies the options.
        unsafe { c::rd_kafka_DescribeCluster(client, options, queue) };
    })?;
    let event = answer(&queue, timeout)?;
    // SAFETY: the event is alive; its result and the result's id live as long.
    let id = unsafe {
        let result = c::rd_kafka_event_DescribeCluster_result(event.event.as_ptr());
        if result.is_null() {
            return Err(unexpected());
        }
        text(c::rd_kafka_DescribeCluster_result_cluster_id(result))
    };
    if id.is_empty() {
        return Err(unexpected());
    }
    Ok(id)
}

fn describe_topic(
    consumer: &Arc<Consumer>,
    topic: &str,
    timeout: Duration,
) -> Result<(String, i32), NoDescription> {
    let name = topic_name(topic)?;
    let operation = c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    let client = consumer.client().native_ptr();
    let queue = ask(consumer, operation, timeout, |options, queue| {
        let mut names = [name.as_ptr()];
        // SAFETY: client, options and queue are alive during the call; the collection copies the
        // one name, and is destroyed after the call has copied it.
        unsafe {
            let topics = c::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), 1);
            c::rd_kafka_DescribeTopics(client, topics, options, queue);
            c::rd_kafka_TopicCollection_destroy(topics);
        }
    })?;
    let event = answer(&queue, timeout)?;
    // SAFETY: the event is alive, and what its result holds lives as long; the array is read
    // within its count.
    unsafe {
        let result = c::rd_kafka_event_DescribeTopics_result(event.event.as_ptr());
        if result.is_null() {
            return Err(unexpected());
        }
        let mut count = 0;
        let topics = c::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if topics.is_null() || count != 1 {
            return Err(unexpected());
        }
        let topic = *topics;
        let error = c::rd_kafka_TopicDescription_error(topic);
        if !error.is_null() {
            let code = c::rd_kafka_error_code(error);
            if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(NoDescription {
                    code: code.into(),
                    text: text(c::rd_kafka_error_string(error)),
                });
            }
        }
        let id = text(c::rd_kafka_Uuid_base64str(
            c::rd_kafka_TopicDescription_topic_id(topic),
        ));
        let mut partitions = 0;
        c::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
        Ok((id, i32::try_from(partitions).unwrap_or(i32::MAX)))
    }
}

/// What a client that only asked has told meanwhile of what is wrong: a question that can't be sent
/// comes to a time-out, and that the password is wrong, say, stands here alone.
pub(in super::super) fn complaint(consumer: &Arc<Consumer>) -> Option<String> {
    let queue = Queue::of_client(consumer)?;
    let mut complaint: Option<EventError> = None;
    // Bounded: it may go on complaining while it is listened to.
    for _ in 0..1_000 {
        let Some(event) = queue.poll(Duration::ZERO) else {
            break;
        };
        let EventKind::Error(error) = event.kind() else {
            continue;
        };
        if is_telling(error.code) || !complaint.as_ref().is_some_and(|old| is_telling(old.code)) {
            complaint = Some(error);
        }
    }
    complaint.map(|error| error.text)
}

/// Rather than that no broker is left.
fn is_telling(code: RDKafkaErrorCode) -> bool {
    code != RDKafkaErrorCode::AllBrokersDown
}

/// Asks the cluster for the topic's settings, those of the broker that hold for it among them.
pub(in super::super) fn topic_settings(
    consumer: &Arc<Consumer>,
    topic: &str,
    timeout: Duration,
) -> Result<BTreeMap<String, String>, NoDescription> {
    let name = topic_name(topic)?;
    let operation = c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS;
    let client = consumer.client().native_ptr();
    let queue = ask(consumer, operation, timeout, |options, queue| {
        // SAFETY: client, options and queue are alive during the call, which copies the one
        // resource; that is ours, and destroyed after.
        unsafe {
            let topic = c::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC;
            let mut resource = c::rd_kafka_ConfigResource_new(topic, name.as_ptr());
            c::rd_kafka_DescribeConfigs(client, &raw mut resource, 1, options, queue);
            c::rd_kafka_ConfigResource_destroy(resource);
        }
    })?;
    let event = answer(&queue, timeout)?;
    let mut settings = BTreeMap::new();
    // SAFETY: the event is alive, and what its result holds lives as long; the arrays are read
    // within their counts.
    unsafe {
        let result = c::rd_kafka_event_DescribeConfigs_result(event.event.as_ptr());
        if result.is_null() {
            return Err(unexpected());
        }
        let mut count = 0;
        let resources = c::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
        if resources.is_null() || count != 1 {
            return Err(unexpected());
        }
        let resource = *resources;
        let code = c::rd_kafka_ConfigResource_error(resource);
        if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(NoDescription {
                code: code.into(),
                text: text(c::rd_kafka_ConfigResource_error_string(resource)),
            });
        }
        let entries = c::rd_kafka_ConfigResource_configs(resource, &raw mut count);
        for place in 0..if entries.is_null() { 0 } else { count } {
            let entry = *entries.add(place);
            let name = text(c::rd_kafka_ConfigEntry_name(entry));
            settings.insert(name, text(c::rd_kafka_ConfigEntry_value(entry)));
        }
    }
    Ok(settings)
}

fn topic_name(topic: &str) -> Result<CString, NoDescription> {
    CString::new(topic).map_err(|_| NoDescription {
        code: RDKafkaErrorCode::InvalidTopic,
        text: "a topic's name has no zero byte".to_owned(),
    })
}

/// Sends a request whose answer comes to the queue that is returned.
fn ask(
    consumer: &Arc<Consumer>,
    operation: c::rd_kafka_admin_op_t,
    timeout: Duration,
    send: impl FnOnce(*const c::rd_kafka_AdminOptions_t, *mut c::rd_kafka_queue_t),
) -> Result<Queue, NoDescription> {
    let queue = Queue::temporary(consumer).ok_or_else(unexpected)?;
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client lives as long as `consumer`; the options are ours, used and destroyed
    // here; a null error buffer of length 0 is not written to.
    unsafe {
        let client = consumer.client().native_ptr();
        let options = c::rd_kafka_AdminOptions_new(client, operation);
        if options.is_null() {
            return Err(unexpected());
        }
        // A time-out out of range leaves the default, which is bounded too.
        c::rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, ptr::null_mut(), 0);
        send(options, queue.queue.as_ptr());
        c::rd_kafka_AdminOptions_destroy(options);
    }
    Ok(queue)
}

fn answer(queue: &Queue, timeout: Duration) -> Result<Event<'_>, NoDescription> {
    // The request has its own time-out; a little more, so that it is the one to say why.
    let event = queue.poll(timeout + Duration::from_secs(1));
    let event = event.ok_or_else(|| NoDescription {
        code: RDKafkaErrorCode::OperationTimedOut,
        text: "no answer in time".to_owned(),
    })?;
    match event.code() {
        RDKafkaErrorCode::NoError => Ok(event),
        code => Err(NoDescription {
            code,
            text: event.error().text,
        }),
    }
}

fn unexpected() -> NoDescription {
    NoDescription {
        code: RDKafkaErrorCode::Fail,
        text: "librdkafka gave no usable answer".to_owned(),
    }
}
