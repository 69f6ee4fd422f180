//! What a person's command about one stream stands on: the lake, the contract, and the source,
//! asked but never read. No services run.

use std::sync::Arc;

use super::declared::Declared;
use super::open::{OpenError, open_existing};
use super::sinks;
use crate::config::{Config, SourceConfig};
use crate::declare::stream::Stream;
use crate::lake::Lake;
use crate::sink::source::Source;
use crate::sink::source::embedded::EmbeddedLog;

/// An opened lake and one stream of its configuration.
#[derive(Debug)]
pub struct Operator {
    pub lake: Lake,
    pub stream: Arc<Stream>,
    source: SourceConfig,
    log: Option<EmbeddedLog>,
}

impl Operator {
    /// `Missing` when no file declares such a stream.
    pub async fn open(config: &Config, stream: &str) -> Result<Self, OpenError> {
        let declared = Declared::load(config)?;
        let found = declared.streams.iter().find(|known| known.name == stream);
        let Some(found) = found else {
            let names: Vec<&str> = declared.streams.iter().map(|s| s.name.as_str()).collect();
            return Err(OpenError::Missing(format!(
                "there is no stream {stream}; {} declares: {}",
                config.streams.folder.display(),
                names.join(", ")
            )));
        };
        let lake = open_existing(config).await?;
        let log = match &config.source {
            SourceConfig::Kafka { .. } => None,
            SourceConfig::Embedded { path } => Some(sinks::open_log(path, &lake).await?),
        };
        Ok(Self {
            lake,
            stream: Arc::clone(found),
            source: config.source.clone(),
            log,
        })
    }

    /// The stream's source, in a group of its own: the sinks' group is left in peace.
    pub async fn source(&self) -> crate::lake::Result<Box<dyn Source>> {
        let mut stream = self.stream.as_ref().clone();
        stream.group_id += "-operator";
        let connector = sinks::connector(&self.source, self.log.as_ref(), &Arc::new(stream));
        connector.connect().await
    }

    pub async fn close(self) {
        if let Some(log) = self.log {
            log.close().await;
        }
    }
}
