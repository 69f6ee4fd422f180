//! The sink: records of a topic become rows of an event table, each exactly once.

pub mod decode;
pub mod source;
