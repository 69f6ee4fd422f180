//! Every source keeps the same promises: one suite, run on the embedded log and on Apache Kafka.

mod conformance;
mod embedded;
mod kafka;
