//! The sink role: one service for each stream, each with a source of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::open::OpenError;
use super::process::Shared;
use super::supervisor::{Service, Stage};
use crate::config::SourceConfig;
use crate::declare::stream::Stream;
use crate::lake::{self, Lake};
use crate::sink::source::embedded::{EmbeddedLog, EmbeddedSource, Retention};
use crate::sink::source::kafka::KafkaSource;
use crate::sink::source::{Connector, Source};
use crate::sink::{SinkSettings, run_stream};

/// What the embedded log may hold of one topic beyond what is still to be read, stored bytes.
pub const EMBEDDED_LOG_BYTES: u64 = 256 << 20;

/// How often the embedded log is cut to its size.
const RETENTION_BEAT: Duration = Duration::from_secs(30);

pub(super) async fn open_log(path: &Path, lake: &Lake) -> Result<EmbeddedLog, OpenError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| {
            OpenError::Machine(format!(
                "the folder {} can't be made: {error}",
                folder.display()
            ))
        })?;
    }
    EmbeddedLog::open(path, Arc::clone(&lake.entropy))
        .await
        .map_err(|error| OpenError::Lake {
            what: format!("the event log {} can't be opened", path.display()),
            error,
        })
}

/// A service for each stream, and one that keeps the embedded log small.
pub(super) fn services(shared: &Shared) -> Result<Vec<Service>, OpenError> {
    let mut services = Vec::new();
    for (stream, metrics) in shared.declared.streams.iter().zip(shared.sinks.iter()) {
        let connector = connector(&shared.config.source, shared.log.as_ref(), stream);
        let settings = SinkSettings {
            holder: shared.holder.clone(),
            oldest_batch: shared.config.upkeep.safety_age / 2,
            ..SinkSettings::default()
        };
        let (lake, stream, metrics) =
            (shared.lake.clone(), Arc::clone(stream), Arc::clone(metrics));
        let name = format!("sink {}", stream.name);
        services.push(Service::new(name, Stage::Sink, move |stop| async move {
            run_stream(lake, stream, connector, settings, metrics, stop).await;
            Ok(())
        }));
    }
    if let Some(log) = &shared.log {
        let (log, streams) = (log.clone(), shared.declared.streams.clone());
        let clock = Arc::clone(&shared.lake.clock);
        services.push(Service::new("log retention", Stage::Sink, move |stop| {
            retain(log, streams, clock, stop)
        }));
    }
    Ok(services)
}

/// What connects a stream to its source.
pub(super) fn connector(
    source: &SourceConfig,
    log: Option<&EmbeddedLog>,
    stream: &Arc<Stream>,
) -> Arc<dyn Connector> {
    let stream = Arc::clone(stream);
    match (log, source) {
        (Some(log), _) => Arc::new(EmbeddedConnector {
            log: log.clone(),
            stream,
        }),
        (None, SourceConfig::Kafka { brokers, settings }) => Arc::new(KafkaConnector {
            brokers: brokers.clone(),
            settings: settings.clone(),
            stream,
        }),
        (None, SourceConfig::Embedded { .. }) => {
            unreachable!("a process opens the embedded log that its configuration names")
        }
    }
}

struct KafkaConnector {
    brokers: String,
    settings: BTreeMap<String, String>,
    stream: Arc<Stream>,
}

#[async_trait]
impl Connector for KafkaConnector {
    async fn connect(&self) -> lake::Result<Box<dyn Source>> {
        let source = KafkaSource::open(&self.brokers, &self.settings, &self.stream).await?;
        Ok(Box::new(source))
    }
}

struct EmbeddedConnector {
    log: EmbeddedLog,
    stream: Arc<Stream>,
}

#[async_trait]
impl Connector for EmbeddedConnector {
    async fn connect(&self) -> lake::Result<Box<dyn Source>> {
        let (topic, group) = (&self.stream.topic, &self.stream.group_id);
        let source = EmbeddedSource::open(self.log.clone(), topic, group).await?;
        Ok(Box::new(source))
    }
}

/// Cuts the topics of all streams to size, now and then. What a stream hasn't committed stays.
async fn retain(
    log: EmbeddedLog,
    streams: Vec<Arc<Stream>>,
    clock: Arc<dyn crate::seams::Clock>,
    stop: CancellationToken,
) -> Result<(), String> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = clock.sleep(RETENTION_BEAT) => {}
        }
        for stream in &streams {
            let retention = Retention {
                bytes: EMBEDDED_LOG_BYTES,
                keep_for: Some(stream.group_id.clone()),
            };
            let done = async {
                let topic = log.topic(&stream.topic).await?;
                log.retain(&topic, &retention).await
            };
            match done.await {
                Ok(0) => {}
                Ok(batches) => tracing::info!(topic = stream.topic, batches, "old records went"),
                // Trouble with the log is told by the stream that reads it.
                Err(error) => tracing::warn!(topic = stream.topic, %error, "no retention"),
            }
        }
    }
}
