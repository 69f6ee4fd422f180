//! The Postgres wire, driven by real clients: psql and tokio-postgres, and by bytes that no client
//! would send.

mod catalogs;
mod extended;
pub mod fixture;
mod hostile;
mod life;
mod numbers;
mod process;
mod psql;
mod repeatable;
mod scrolling;
mod simple;
mod views;
mod writing;
