//! Tests of the engine as its callers see it.

mod apply;
mod doubles;
mod engine;
mod joined;
mod refusals;
mod windows;
mod zeros;

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use arrow::util::pretty::pretty_format_batches;

use super::{Access, Engine, EngineOptions, QueryError, Session, SessionOptions};
use crate::lake::Lake;
use crate::lake::database::MemoryDatabase;
use crate::lake::store::Store;
use crate::seams::{SeededEntropy, SystemClock};

/// A lake in memory.
pub(in crate::query) fn lake() -> Lake {
    let clock = Arc::new(SystemClock::default());
    let database = MemoryDatabase::new(clock.clone());
    Lake {
        catalog: database.catalog(),
        control: database.control(),
        store: Store::memory(),
        clock,
        entropy: Arc::new(SeededEntropy::new(7)),
        warehouse: "file:///warehouse".to_owned(),
    }
}

/// Small limits, so that tests reach them.
pub(in crate::query) fn small() -> EngineOptions {
    EngineOptions {
        memory_bytes: 32 << 20,
        threads: 2,
        ..EngineOptions::default()
    }
}

pub(in crate::query) fn engine() -> Arc<Engine> {
    Engine::new(lake(), small()).expect("starts")
}

pub(in crate::query) fn session(engine: &Arc<Engine>) -> Session {
    let options = SessionOptions {
        user: "ann".to_owned(),
        access: Access::Read,
        application: Some("tests".to_owned()),
    };
    engine.session(options).expect("opens")
}

pub(in crate::query) async fn rows(
    session: &Session,
    text: &str,
) -> Result<Vec<RecordBatch>, QueryError> {
    session.sql(text).await?.collect().await
}

/// The answer as a table of text.
pub(in crate::query) async fn shown(session: &Session, text: &str) -> String {
    match rows(session, text).await {
        Ok(batches) => pretty_format_batches(&batches).expect("prints").to_string(),
        Err(error) => panic!("{text}: {error:?}"),
    }
}

/// The lines between a table's frames.
pub(in crate::query) async fn lines(session: &Session, text: &str) -> Vec<String> {
    shown(session, text)
        .await
        .lines()
        .skip(3)
        .filter(|line| !line.starts_with('+'))
        .map(|line| {
            line.trim_matches('|')
                .split('|')
                .map(str::trim)
                .collect::<Vec<_>>()
                .join(",")
        })
        .collect()
}

pub(in crate::query) async fn failure(session: &Session, text: &str) -> QueryError {
    match rows(session, text).await {
        Ok(batches) => panic!("{text} gave {batches:?}"),
        Err(error) => error,
    }
}
