//! Frazil: event streams into Apache Iceberg tables, served over the Postgres wire.
//!
//! The library is the embedded engine; the binary is a thin command line over it.
//! Dependencies between the rooms run one way, see `ARCHITECTURE.md`:
//! `cli → runtime → {sink | jobs | upkeep | wire | ops} → query → {lake | declare} →
//! {config | telemetry | seams} → domain`.

pub mod cli;
pub mod config;
pub mod declare;
pub mod domain;
pub mod generate;
pub mod jobs;
pub mod lake;
pub mod ops;
pub mod query;
pub mod runtime;
pub mod seams;
pub mod sink;
pub mod telemetry;
pub mod upkeep;
pub mod wire;

pub use runtime::Lakehouse;
