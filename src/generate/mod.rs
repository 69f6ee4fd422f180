//! The demo's events: a shop's traffic, seeded, the same bytes for the same seed and options.
//!
//! Users come in sessions that walk a funnel (page, product, cart, purchase), with the rhythm of
//! the day in several regions and a skewed popularity of products. Among the records, as in life:
//! 1 in 200 is late (its timestamp lies hours or days before its neighbours'), 1 in 500 is an
//! earlier record sent again (same `event_id`, same bytes), 1 in 1,000 is malformed.
//!
//! Must never ask the clock or the machine for randomness, and must not use floating-point
//! functions of the platform's library: both would make the bytes depend on where they are made.

mod draw;
mod encode;
mod flaw;
mod generator;
mod session;
mod shop;

pub use generator::{BASE_TIME_MS, Counts, Generator, HISTORY_MS, Kind, Pace, Record};

/// The partition of a key: FNV-1a of its bytes, modulo the number of partitions. One rule for the
/// embedded log and Kafka, so that a restarted producer can tell by counting what it has sent.
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let partitions = u64::try_from(partitions.max(1)).expect("at least one");
    i32::try_from((hash >> 16) % partitions).expect("smaller than an i32")
}

#[cfg(test)]
mod tests;
