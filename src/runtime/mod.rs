//! Composes a process from its configuration and supervises its services.
//! Must never do a room's work itself, nor let a process live on with a dead service.

mod declared;
mod lakehouse;
mod open;
pub mod signals;
pub mod supervisor;

pub use declared::Declared;
pub use lakehouse::Lakehouse;
pub use open::{OpenError, open_engine, open_lake};
