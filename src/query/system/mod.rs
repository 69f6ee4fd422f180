//! The schema `system`: what the program knows of itself, as tables.
//! Each is made when it is read, from the control store or this process; none is kept.

mod live;
mod queries;
mod runs;

use std::sync::Arc;

use super::engine::Engine;

/// Puts in the tables that this room itself has. Rooms above add theirs with
/// [`Engine::register_system_table`].
pub(super) fn register(engine: &Arc<Engine>) {
    let lake = engine.lake();
    engine.register_system_table("queries", queries::queries(engine.log(), &lake.clock));
    engine.register_system_table("runs", runs::runs(&lake.control));
    engine.register_system_table("models", runs::models(&lake.control));
    engine.register_system_table("streams", runs::streams(&lake.control));
}

pub use live::{LiveRows, LiveTable};
