//! The query engine: DataFusion over the lake's tables, with limits, and nothing but the lake.
//! What statements write goes through `write`.
//! Whatever reads or writes files, the network or the environment from SQL is refused here, so
//! that every way in (wire, `frazil sql`, the library) is refused alike.

mod apply;
mod bags;
mod balance;
mod bounded;
mod carried;
mod catalog;
mod coalesced;
mod declared;
mod doubles;
mod engine;
mod error;
mod error_map;
mod exact;
pub mod fetch;
mod frames;
mod functions;
mod gather;
mod given;
mod guard;
mod joined;
mod kept;
mod literals;
mod loader;
mod log;
mod memory;
mod merged;
mod metadata_tables;
pub mod names;
mod numbers;
pub mod output;
mod pin;
pub mod postgres;
mod refuse;
mod resolve;
mod rewrite;
mod runtime;
mod scan;
mod session;
mod spelling;
pub mod statement;
mod stores;
mod stream;
mod system;
pub mod time_text;
mod travel;
mod views;
mod window;
pub mod write;
mod zeros;
mod zone;

pub use crate::declare::FrazilDialect;
pub use catalog::CATALOG_NAME;
pub use engine::{Engine, EngineOptions};
pub use error::{QueryError, QueryErrorKind};
pub use log::QueryFigures;
pub use pin::Pin;
pub use session::{Access, Session, SessionOptions};
pub use stream::RowStream;
pub use system::{LiveRows, LiveTable};

#[cfg(test)]
mod tests;
