//! What the folders of a configuration declare: all of it, or all that is wrong with it.

use std::sync::Arc;

use crate::config::{Config, Problems};
use crate::declare;
use crate::declare::model::Model;
use crate::declare::stream::Stream;

/// Streams and models of a configuration.
#[derive(Clone, Debug)]
pub struct Declared {
    pub streams: Vec<Arc<Stream>>,
    pub models: Vec<Model>,
}

impl Declared {
    /// Reads both folders; every problem of both, and between them, is told.
    pub fn load(config: &Config) -> Result<Self, Problems> {
        let problems = declare::check(config);
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let streams = declare::streams(config)?;
        Ok(Self {
            streams: streams.into_iter().map(Arc::new).collect(),
            models: declare::models(config)?,
        })
    }
}
