//! Composes a process from its configuration and supervises its services.
//! Must never do a room's work itself, nor let a process live on with a dead service.

mod declared;
mod figures;
mod keepers;
mod lakehouse;
mod open;
mod operator;
mod probe;
mod process;
mod roles;
mod runtimes;
mod samples;
pub mod signals;
mod sinks;
pub mod supervisor;
mod wires;

pub use declared::Declared;
pub use lakehouse::Lakehouse;
pub use open::{OpenError, open_engine, open_lake};
pub use operator::Operator;
pub use process::{Process, Shared};
pub use roles::{Role, Roles};
pub use runtimes::{Runtimes, STACK_BYTES};
pub use sinks::EMBEDDED_LOG_BYTES;
