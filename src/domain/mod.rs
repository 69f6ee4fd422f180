//! The words of the house as types: names, source positions, the ledger.
//! Must never do input or output, and must know no other room.

mod ledger;
mod table_name;

pub use ledger::{Ledger, LedgerEntry, OffsetRange, Position, SourcePartition};
pub use table_name::{InvalidTableName, TableName};
