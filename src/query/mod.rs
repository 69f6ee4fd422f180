//! The query engine: DataFusion over the lake's tables, with limits, and nothing but the lake.
//! Whatever reads or writes files, the network or the environment from SQL is refused here, so
//! that every way in (wire, `frazil sql`, the library) is refused alike.

mod error;
mod session;
pub mod statement;

pub use error::{QueryError, QueryErrorKind};
pub use session::{Access, Engine, EngineOptions, RowStream, Session, SessionOptions};
