//! The sink: records of a topic become rows of an event table, each exactly once.

pub mod decode;
mod halt;
mod ledger_commit;
mod metrics;
mod pipeline;
mod positions;
mod settings;
pub mod source;
pub mod status;
mod tables;

pub use ledger_commit::{accept_topic, set_offsets};
pub use metrics::SinkMetrics;
pub use pipeline::run_stream;
pub use settings::SinkSettings;
