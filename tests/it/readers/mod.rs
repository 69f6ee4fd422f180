//! Other engines on our tables.

mod bounds;
mod house;
mod values;
