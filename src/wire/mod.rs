//! The Postgres wire: listener, sessions, encoding.

mod encode;
mod frame;
pub mod scram;
mod sqlstate;
