//! The Postgres wire: a listener, and one task for each client.
//!
//! pgwire's message types and their encoding are used; its generic handlers are not: the session
//! loop here has no type parameters, so that cancel, time-outs and a vanished client act at every
//! point, rows stream with the socket's own backpressure, and an edit compiles in seconds.
//! Statements go to [`crate::query`], which refuses what SQL may not do; this room adds what is
//! Postgres's: its protocol, settings, transactions, cursors, catalogs, errors.

mod absent;
mod cancel;
mod catalog;
mod connection;
mod copy;
mod cursors;
mod encode;
mod extended;
pub mod frame;
mod grant;
mod known;
mod listener;
mod metrics;
mod params;
mod portal;
mod prepared;
mod rows;
mod run;
pub mod scram;
mod scroll;
mod session;
mod settings;
mod showing;
mod simple;
mod sqlstate;
mod startup;
mod transaction;
mod utility;
mod write;

pub use listener::{Server, StartError, User, WireOptions, serve};
pub use metrics::{WireFigures, WireMetrics};
