//! `frazil demo`
mod outlet;
mod plan;
mod producer;
