//! The integration tests, one binary (each extra one would link DataFusion again).
//! Tests that need Apache Kafka, Postgres or the S3 server are `#[ignore]`d with the reason;
//! `./test` starts these parts and runs everything.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod cli;
mod corrupt;
mod curated;
mod database;
mod demo;
mod faults;
mod full_disk;
mod fuzz;
mod golden;
mod hostile_files;
mod kill;
#[path = "../known/mod.rs"]
#[allow(dead_code, reason = "one model's rows are for the unit tests")]
mod known;
mod newcomer;
#[allow(
    dead_code,
    reason = "not every part is used yet by every build of the tests"
)]
mod parts;
mod postgres;
mod readers;
mod refused;
mod s3;
mod simulation;
mod source;
mod sql_command;
mod stop;
mod wire;
