//! Health, readiness and metrics over HTTP, on loopback unless told otherwise: in every role.
//! Must never answer "ready" from a guess, nor do work that a scrape could overload.

mod metrics;
mod server;

pub use metrics::{Figure, FigureKind, FigureSource, Metrics};
pub use server::{Check, Probe, serve};
