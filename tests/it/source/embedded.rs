//! The embedded log as a source.

use std::sync::Arc;

use async_trait::async_trait;
use frazil::seams::OsEntropy;
use frazil::sink::source::Source;
use frazil::sink::source::embedded::{EmbeddedLog, EmbeddedSource, NewRecord, Retention};
use tempfile::TempDir;

use super::conformance::{self, Fixture, PARTITIONS};

struct Embedded {
    log: EmbeddedLog,
    _folder: TempDir,
}

#[async_trait]
impl Fixture for Embedded {
    async fn append(&self, records: &[NewRecord<'_>]) -> Vec<i64> {
        self.log.append("shop", records).await.unwrap()
    }

    async fn source(&self) -> Box<dyn Source> {
        let source = EmbeddedSource::open(self.log.clone(), "shop", "g").await;
        Box::new(source.unwrap())
    }

    async fn recreate(&self) {
        self.log.delete_topic("shop").await.unwrap();
        self.log.create_topic("shop", PARTITIONS).await.unwrap();
    }

    /// Everything goes but what a group of its own has not read yet.
    async fn expire(&self, partition: i32, below: i64) {
        let topic = self.log.topic("shop").await.unwrap();
        let group = format!("expire {partition} {below}");
        self.log
            .publish(&group, &topic, &[(partition, below)])
            .await
            .unwrap();
        let retention = Retention {
            bytes: 0,
            keep_for: Some(group),
        };
        self.log.retain(&topic, &retention).await.unwrap();
    }
}

#[tokio::test]
async fn keeps_the_promises_of_a_source() {
    conformance::all(async || {
        let folder = TempDir::new().unwrap();
        let log = EmbeddedLog::open(&folder.path().join("log.db"), Arc::new(OsEntropy))
            .await
            .unwrap();
        log.create_topic("shop", PARTITIONS).await.unwrap();
        Embedded {
            log,
            _folder: folder,
        }
    })
    .await;
}
