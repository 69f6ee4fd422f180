//! What people declare: streams (`catalog/*.toml`) and models (`sql/*.sql`).
//! Reads texts only: no catalog, no store, no network.

pub mod model;
pub mod stream;
