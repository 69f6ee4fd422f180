//! The database behind a lake's catalog and control store. One for both, so that a swap of
//! pointers can check a lease in the same transaction.

mod memory;

pub use memory::MemoryDatabase;
