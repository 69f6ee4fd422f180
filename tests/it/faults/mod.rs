//! What happens to a stream with real parts when each of them misbehaves: brokers, topics, records,
//! catalog, store, and people and engines that change the tables. `frazil serve` runs as a process;
//! what is asserted is what an operator reads and what readers count.

mod broker;
mod contract;
mod engines;
pub mod house;
mod outage;
mod process;
mod records;
mod rest;
mod retention;
mod security;
pub mod serve;
mod start;
mod storm;
mod table;
mod topic;
pub mod topics;
