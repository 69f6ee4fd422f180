//! Composes a process from its configuration and supervises its services.
//! Must never do a room's work itself, nor let a process live on with a dead service.

pub mod signals;
pub mod supervisor;
