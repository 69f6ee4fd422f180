//! The sink: records of a topic become rows of an event table, each exactly once.

pub mod decode;
mod gone;
mod halt;
mod last_read;
mod ledger_commit;
mod metrics;
pub mod operator;
mod pipeline;
mod positions;
mod risk;
mod settings;
pub mod source;
pub mod status;
mod tables;
mod truncation;

pub use metrics::SinkMetrics;
pub use operator::{accept_topic, set_offsets};
pub use pipeline::run_stream;
pub use settings::SinkSettings;
