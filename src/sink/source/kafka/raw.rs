//! The part of librdkafka that rdkafka's safe wrapper doesn't give: queues polled event by event,
//! with the offset of an end of partition, and the descriptions of cluster and topic.
//!
//! All `unsafe` of the program is here. Must never hand out a pointer, nor a reference that
//! outlives the event it points into.
#![expect(
    unsafe_code,
    reason = "librdkafka is a C library and rdkafka doesn't wrap these calls"
)]

mod asked;

use std::ffi::{CStr, CString, c_void};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as c;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::types::RDKafkaErrorCode;

pub(super) use self::asked::{Description, NoDescription, complaint, describe, topic_settings};
use super::context::Context;
use super::outbox::Signal;

pub(super) type Consumer = BaseConsumer<Context>;

/// Names of librdkafka's settings: of those that have a value when nobody sets them.
pub(super) fn setting_names() -> Vec<String> {
    let mut names = Vec::new();
    // SAFETY: the configuration lives through the calls and is destroyed once; the dump is an array
    // of `count` pointers to C strings, name and value by turns, ours until it is freed.
    unsafe {
        let settings = c::rd_kafka_conf_new();
        let mut count = 0_usize;
        let dump = c::rd_kafka_conf_dump(settings, &raw mut count);
        if !dump.is_null() {
            for name in slice::from_raw_parts(dump, count).iter().step_by(2) {
                names.push(CStr::from_ptr(*name).to_string_lossy().into_owned());
            }
            c::rd_kafka_conf_dump_free(dump, count);
        }
        c::rd_kafka_conf_destroy(settings);
    }
    names
}

/// A queue of the consumer. Keeps its consumer alive.
pub(super) struct Queue {
    queue: NonNull<c::rd_kafka_queue_t>,
    /// Whom the queue tells that it isn't empty any more.
    signal: Option<Arc<Signal>>,
    consumer: Arc<Consumer>,
}

// SAFETY: librdkafka's queues are made to be used from any thread, each call takes their lock.
unsafe impl Send for Queue {}

impl Queue {
    fn new(queue: *mut c::rd_kafka_queue_t, consumer: &Arc<Consumer>) -> Option<Self> {
        Some(Self {
            queue: NonNull::new(queue)?,
            signal: None,
            consumer: Arc::clone(consumer),
        })
    }

    /// The queue of rebalances and errors (and of records of partitions without their own).
    pub(super) fn of_group(consumer: &Arc<Consumer>) -> Option<Self> {
        // SAFETY: the client lives as long as `consumer`, which the queue keeps.
        let queue = unsafe { c::rd_kafka_queue_get_consumer(consumer.client().native_ptr()) };
        Self::new(queue, consumer)
    }

    /// The partition's own queue, cut off from the group's: a partition that isn't read doesn't
    /// hold up the others, and reading the group's queue goes on whatever is paused.
    pub(super) fn of_partition(
        consumer: &Arc<Consumer>,
        topic: &str,
        partition: i32,
    ) -> Option<Self> {
        let topic = CString::new(topic).ok()?;
        let client = consumer.client().native_ptr();
        // SAFETY: the client lives as long as `consumer`; the name is read during the call only.
        let queue = unsafe { c::rd_kafka_queue_get_partition(client, topic.as_ptr(), partition) };
        let queue = Self::new(queue, consumer)?;
        // SAFETY: the queue is alive, and null means to forward nowhere.
        unsafe { c::rd_kafka_queue_forward(queue.queue.as_ptr(), ptr::null_mut()) };
        Some(queue)
    }

    /// The queue of what a client without a group tells of itself.
    fn of_client(consumer: &Arc<Consumer>) -> Option<Self> {
        // SAFETY: the client lives as long as `consumer`, which the queue keeps.
        let queue = unsafe { c::rd_kafka_queue_get_main(consumer.client().native_ptr()) };
        Self::new(queue, consumer)
    }

    fn temporary(consumer: &Arc<Consumer>) -> Option<Self> {
        // SAFETY: the client lives as long as `consumer`, which the queue keeps.
        let queue = unsafe { c::rd_kafka_queue_new(consumer.client().native_ptr()) };
        Self::new(queue, consumer)
    }

    /// Raises the signal whenever the queue stops being empty.
    ///
    /// One handle at a time may do so: librdkafka keeps one callback for each queue, and a handle
    /// that is dropped switches it off.
    pub(super) fn raise(&mut self, signal: &Arc<Signal>) {
        unsafe extern "C" fn raise(_client: *mut c::rd_kafka_t, signal: *mut c_void) {
            // SAFETY: `signal` points into the Arc that the queue holds until after it has
            // switched this callback off (see Drop).
            unsafe { &*signal.cast::<Signal>() }.raise();
        }
        let signal = self.signal.insert(Arc::clone(signal));
        let opaque = Arc::as_ptr(signal).cast_mut().cast::<c_void>();
        // SAFETY: the queue is alive; what `opaque` points to outlives the callback, as above.
        unsafe { c::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), Some(raise), opaque) };
    }

    /// The next event; None after the time-out.
    pub(super) fn poll(&self, timeout: Duration) -> Option<Event<'_>> {
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is alive; the event belongs to us until it is destroyed.
        let event = unsafe { c::rd_kafka_queue_poll(self.queue.as_ptr(), timeout_ms) };
        Some(Event {
            event: NonNull::new(event)?,
            _queue: self,
        })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the queue is alive and is not used after. The callback is called and switched
        // off under the queue's lock, so that none runs when the signal is dropped.
        unsafe {
            if self.signal.is_some() {
                c::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            }
            c::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
        let _ = &self.consumer;
    }
}

/// One event of a queue.
pub(super) struct Event<'q> {
    event: NonNull<c::rd_kafka_event_t>,
    _queue: &'q Queue,
}

/// What an event is about.
pub(super) enum EventKind {
    /// Has one message or several.
    Fetch,
    Error(EventError),
    Assign(Vec<i32>),
    Revoke(Vec<i32>),
    /// What librdkafka tells of itself.
    Log {
        /// As syslog counts: 3 is an error, 4 a warning.
        level: i32,
        facility: String,
        text: String,
    },
    Other,
}

/// An error, or the end of a partition.
pub(super) struct EventError {
    pub code: RDKafkaErrorCode,
    pub text: String,
    pub fatal: bool,
    /// Partition and offset, where it is about one.
    pub place: Option<(i32, i64)>,
}

/// A record; its bytes lie in the event.
pub(super) struct Message<'e> {
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: Option<i64>,
    /// None where the log has none: brokers and records of old formats.
    pub leader_epoch: Option<i32>,
    pub key: Option<&'e [u8]>,
    pub payload: Option<&'e [u8]>,
}

impl Event<'_> {
    pub(super) fn kind(&self) -> EventKind {
        // SAFETY: the event is alive until `self` is dropped, in this call and those below.
        match unsafe { c::rd_kafka_event_type(self.event.as_ptr()) } {
            c::RD_KAFKA_EVENT_FETCH => EventKind::Fetch,
            c::RD_KAFKA_EVENT_ERROR => EventKind::Error(self.error()),
            c::RD_KAFKA_EVENT_REBALANCE => match self.code() {
                RDKafkaErrorCode::AssignPartitions => EventKind::Assign(self.partitions()),
                // Whatever else: librdkafka waits for an unassignment.
                _ => EventKind::Revoke(self.partitions()),
            },
            c::RD_KAFKA_EVENT_LOG => self.log().unwrap_or(EventKind::Other),
            _ => EventKind::Other,
        }
    }

    fn code(&self) -> RDKafkaErrorCode {
        // SAFETY: the event is alive.
        unsafe { c::rd_kafka_event_error(self.event.as_ptr()) }.into()
    }

    fn error(&self) -> EventError {
        // SAFETY: the event is alive, and its text lives as long.
        let text = unsafe { text(c::rd_kafka_event_error_string(self.event.as_ptr())) };
        // SAFETY: the event is alive. The partition is made for us, and destroyed after reading.
        let place = unsafe {
            let place = c::rd_kafka_event_topic_partition(self.event.as_ptr());
            place.as_ref().map(|found| {
                let copied = (found.partition, found.offset);
                c::rd_kafka_topic_partition_destroy(place);
                copied
            })
        };
        EventError {
            code: self.code(),
            text,
            // SAFETY: the event is alive.
            fatal: unsafe { c::rd_kafka_event_error_is_fatal(self.event.as_ptr()) } != 0,
            place,
        }
    }

    fn log(&self) -> Option<EventKind> {
        let (mut facility, mut said, mut level) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the event is alive, and so are the texts it gives while it lives.
        unsafe {
            let event = self.event.as_ptr();
            if c::rd_kafka_event_log(event, &mut facility, &mut said, &mut level) != 0 {
                return None;
            }
            Some(EventKind::Log {
                level,
                facility: text(facility),
                text: text(said),
            })
        }
    }

    fn partitions(&self) -> Vec<i32> {
        // SAFETY: the event is alive and owns the list, which is only read, within its count.
        unsafe {
            let list = c::rd_kafka_event_topic_partition_list(self.event.as_ptr());
            let Some(list) = list.as_ref().filter(|list| list.cnt > 0) else {
                return Vec::new();
            };
            let elements = slice::from_raw_parts(list.elems, list.cnt as usize);
            elements.iter().map(|element| element.partition).collect()
        }
    }

    /// The next message of a [`EventKind::Fetch`].
    pub(super) fn next_message(&mut self) -> Option<Message<'_>> {
        // SAFETY: the event is alive, and a message lives until it is destroyed, which the
        // borrow of `self` outlasts. Key and payload are null or have the length given.
        unsafe {
            let pointer = c::rd_kafka_event_message_next(self.event.as_ptr());
            let message = pointer.as_ref()?;
            let timestamp_ms = c::rd_kafka_message_timestamp(pointer, ptr::null_mut());
            let leader_epoch = c::rd_kafka_message_leader_epoch(pointer);
            Some(Message {
                partition: message.partition,
                offset: message.offset,
                timestamp_ms: (timestamp_ms >= 0).then_some(timestamp_ms),
                leader_epoch: (leader_epoch >= 0).then_some(leader_epoch),
                key: bytes(message.key, message.key_len),
                payload: bytes(message.payload, message.len),
            })
        }
    }
}

impl Drop for Event<'_> {
    fn drop(&mut self) {
        // SAFETY: the event is ours and not used after.
        unsafe { c::rd_kafka_event_destroy(self.event.as_ptr()) };
    }
}

/// Makes a seek by this list of one partition look first whether the record before the offset has
/// this leader epoch.
pub(super) fn set_leader_epoch(list: &TopicPartitionList, leader_epoch: i32) {
    // SAFETY: the list is alive and ours alone; its first element is there if its count says so.
    unsafe {
        let Some(native) = list.ptr().as_ref().filter(|native| native.cnt > 0) else {
            return;
        };
        c::rd_kafka_topic_partition_set_leader_epoch(native.elems, leader_epoch);
    }
}

/// # Safety
/// `start` is null, or `length` bytes are readable there for `'e`.
unsafe fn bytes<'e>(start: *const c_void, length: usize) -> Option<&'e [u8]> {
    if start.is_null() {
        return None;
    }
    // SAFETY: by the caller.
    Some(unsafe { slice::from_raw_parts(start.cast(), length) })
}

/// # Safety
/// `text` is null or points to a C string that lives during the call.
unsafe fn text(text: *const std::ffi::c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: by the caller.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}
