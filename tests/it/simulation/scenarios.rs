//! Single misfortunes, one a test: what becomes of the rows, and what the operator reads.

use std::sync::Arc;
use std::time::Duration;

use frazil::declare::stream::{Start, Stream};
use frazil::lake::control::StreamStatus;
use frazil::sink::operator::{Removed, accept_rollback, accept_table};
use frazil::sink::source::{Connector, Source};
use frazil::sink::{accept_topic, set_offsets};
use tokio_util::sync::CancellationToken;

use super::mutant::Mutant;
use super::oracle::id_of;
use super::source::SimConnector;
use super::world::{MEMORY_BYTES, Shape, World, contract};

/// A world with no trouble of its own.
fn quiet(test: impl AsyncFnOnce(&Scene)) {
    quiet_of(contract(), test);
}

/// The same with another contract.
fn quiet_of(stream: Stream, test: impl AsyncFnOnce(&Scene)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let scene = Scene {
            world: World::of(stream, 7, Shape::quiet(), Mutant::None),
        };
        test(&scene).await;
    });
}

struct Scene {
    world: Arc<World>,
}

struct Running {
    cancel: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn stop(self) {
        self.cancel.cancel();
        self.task.await.unwrap();
    }
}

impl Scene {
    fn start(&self, process: &str) -> Running {
        let cancel = CancellationToken::new();
        let (world, name, token) = (self.world.clone(), process.to_owned(), cancel.clone());
        let task = tokio::spawn(async move { world.sink(&name, Arc::default(), token).await });
        Running { cancel, task }
    }

    /// So many events in each partition.
    fn produce(&self, count: usize) {
        for partition in 0..self.world.broker.partitions() {
            for _ in 0..count {
                let offset = self
                    .world
                    .broker
                    .with_log(partition, |log| log.entries.len());
                let id = id_of(partition as i32, offset as i64);
                let payload = format!(r#"{{"id":{id}}}"#).into_bytes();
                let now_ms = self.world.clock.now_ms();
                self.world.broker.produce(partition, Some(payload), now_ms);
            }
        }
    }

    async fn wait(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    async fn all_is_well(&self) {
        assert_eq!(self.world.judge().await, Vec::<String>::new());
        assert_eq!(self.world.behind().await, Vec::<String>::new());
    }

    async fn status(&self) -> Vec<StreamStatus> {
        let lake = self.world.clear_lake();
        lake.control.stream_status().await.unwrap()
    }

    /// Whether some line of the status is in this state and says this.
    async fn says(&self, state: &str, text: &str) {
        let status = self.status().await;
        let found = status.iter().any(|line| {
            line.state == state && line.message.as_deref().unwrap_or_default().contains(text)
        });
        assert!(found, "nobody is {state} and says {text:?}: {status:#?}");
    }

    async fn everyone_reads(&self) {
        for line in self.status().await {
            assert_eq!(line.state, "reading", "{line:?}");
        }
    }

    async fn source(&self) -> Box<dyn Source> {
        let connector = SimConnector {
            broker: self.world.broker.clone(),
            weather: self.world.weather.clone(),
            seed: 1,
            name: "operator".to_owned(),
            mutant: Mutant::None,
        };
        connector.connect().await.unwrap()
    }

    async fn rows(&self) -> u64 {
        let (events, _) = self.world.tables().await.unwrap();
        let summary = events.metadata().current_snapshot().unwrap().summary();
        summary.additional_properties["total-records"]
            .parse()
            .unwrap()
    }
}

#[test]
fn goes_on_where_it_stopped() {
    quiet(async |scene| {
        scene.produce(30);
        let first = scene.start("first");
        scene.wait(10).await;
        scene.produce(10);
        first.stop().await;
        scene.produce(10);
        let second = scene.start("second");
        scene.wait(10).await;
        scene.all_is_well().await;
        assert_eq!(scene.rows().await, 100);
        second.stop().await;
    });
}

/// Long before the interval is over, and well within what memory holds.
#[test]
fn a_batch_of_its_full_size_is_committed_at_once() {
    let stream = Stream {
        commit_interval: Duration::from_secs(24 * 3600),
        ..contract()
    };
    let bytes = stream.commit_bytes;
    quiet_of(stream, async |scene| {
        let sink = scene.start("sink");
        let record = u64::try_from(r#"{"id":1000}"#.len()).unwrap();
        // In two partitions: each half of a third.
        let third = usize::try_from(bytes / record / 6).unwrap();
        scene.produce(third);
        scene.wait(5).await;
        assert_eq!(scene.world.metrics.records_read(), 2 * third as u64);
        assert_eq!(scene.world.metrics.commits(), 0, "far from full");
        scene.produce(5 * third);
        scene.wait(5).await;
        let metrics = &scene.world.metrics;
        assert!(metrics.commits() >= 1, "it was full");
        let committed = scene.rows().await;
        let left = metrics.records_read() - committed;
        assert!(left * record < bytes, "{left} records wait for the next");
        // The rest when it ends in order.
        sink.stop().await;
        assert_eq!(scene.rows().await, 12 * third as u64);
        scene.all_is_well().await;
    });
}

#[test]
fn an_idle_stream_commits_nothing() {
    quiet(async |scene| {
        scene.produce(5);
        let sink = scene.start("sink");
        scene.wait(10).await;
        let before = scene.world.history.tables().len();
        scene.wait(600).await;
        assert_eq!(scene.world.history.tables().len(), before);
        sink.stop().await;
    });
}

#[test]
fn control_records_move_the_ledger_at_a_bounded_rate() {
    quiet(async |scene| {
        scene.produce(5);
        let sink = scene.start("sink");
        scene.wait(10).await;
        let before = scene.world.history.tables().len();
        for _ in 0..300 {
            scene.world.broker.leave_gap(0);
            scene.wait(1).await;
        }
        let commits = scene.world.history.tables().len() - before;
        assert!(
            (5..=21).contains(&commits),
            "{commits} commits in 300 s, at most one in 15 s"
        );
        sink.stop().await;
        scene.all_is_well().await;
    });
}

#[test]
fn a_topic_made_again_waits_to_be_accepted() {
    quiet(async |scene| {
        scene.produce(20);
        let sink = scene.start("sink");
        scene.wait(10).await;
        scene.world.broker.recreate_topic("topic-2");
        scene.produce(30);
        scene.wait(60).await;
        scene.says("stopped", "topic-2").await;
        assert_eq!(scene.rows().await, 40, "nothing of the new topic");

        let lake = scene.world.clear_lake();
        let mut source = scene.source().await;
        let accepted = accept_topic(&lake, &scene.world.stream, source.as_mut(), Start::Earliest);
        accepted.await.unwrap();
        source.close().await.unwrap();
        scene.wait(60).await;
        assert_eq!(scene.rows().await, 100, "rows of both topics");
        let (events, _) = scene.world.tables().await.unwrap();
        let epochs: Vec<i64> = events
            .ledger()
            .unwrap()
            .entries()
            .map(|entry| entry.position.epoch)
            .collect();
        assert_eq!(epochs, [0, 0, 1, 1]);
        sink.stop().await;
    });
}

#[test]
fn what_retention_took_is_a_named_lost_range() {
    quiet(async |scene| {
        scene.produce(20);
        scene.start("first").stop_after(scene, 10).await;
        scene.produce(30);
        scene.world.broker.trim(0, 35);
        let sink = scene.start("second");
        scene.wait(20).await;
        scene.all_is_well().await;
        assert_eq!(scene.rows().await, 100 - 15);
        let told = scene.world.history.told(&scene.world.stream.table);
        let lost: Vec<_> = told.iter().filter(|told| told.lost).collect();
        assert_eq!(lost.len(), 1);
        assert_eq!((lost[0].range.from, lost[0].range.to), (20, 35));
        scene
            .says("reading", "LOST: offsets 20 to 34 of shop[0]")
            .await;
        sink.stop().await;
    });
}

#[test]
fn an_alarm_before_retention_takes_unread_records() {
    quiet(async |scene| {
        scene.produce(100);
        scene
            .world
            .weather
            .take_catalog_down(Duration::from_secs(1));
        scene.start("first").stop_after(scene, 20).await;
        scene.produce(1_000);
        scene.world.broker.trim(1, 95);
        // Reads, but can't commit: nothing lands, so unread records come close to the end.
        let sink = scene.start("second");
        scene.wait(1).await;
        scene
            .says("at_risk", "retention is about to take unread records")
            .await;
        scene.wait(60).await;
        scene.all_is_well().await;
        scene.everyone_reads().await;
        sink.stop().await;
    });
}

#[test]
fn a_truncated_log_stops_the_stream_for_good() {
    quiet(async |scene| {
        scene.produce(20);
        let sink = scene.start("first");
        scene.wait(10).await;
        scene.world.broker.truncate(0, 12);
        scene.wait(120).await;
        scene.says("stopped", "was truncated").await;
        // The log grows past the position again, with other records: still stopped.
        scene.produce(50);
        scene.wait(120).await;
        scene.says("stopped", "was truncated").await;
        // Nor does a process forget it that starts only now.
        sink.stop().await;
        let sink = scene.start("second");
        scene.wait(120).await;
        scene.says("stopped", "was truncated").await;
        assert_eq!(scene.rows().await, 40);

        let lake = scene.world.clear_lake();
        let identity = scene.world.broker.identity();
        set_offsets(&lake, &scene.world.stream, &identity, &[(0, 20)])
            .await
            .unwrap();
        scene.wait(60).await;
        assert_eq!(scene.rows().await, 40 + 42 + 50);
        sink.stop().await;
    });
}

#[test]
fn a_dropped_table_stops_the_stream_until_it_is_accepted() {
    quiet(async |scene| {
        scene.produce(20);
        let sink = scene.start("first");
        scene.wait(10).await;
        scene.world.drop_table().await;
        scene.produce(5);
        scene.wait(120).await;
        scene.says("stopped", "was dropped").await;
        sink.stop().await;
        let again = scene.start("second");
        scene.wait(120).await;
        scene.says("stopped", "was dropped").await;

        let lake = scene.world.clear_lake();
        accept_table(&lake, &scene.world.stream).await.unwrap();
        scene.wait(60).await;
        assert_eq!(
            scene.rows().await,
            50,
            "a new table holds all that Kafka still has"
        );
        again.stop().await;
    });
}

#[test]
fn a_table_accepted_before_its_sink_missed_it_is_filled_by_that_sink() {
    quiet(async |scene| {
        scene.produce(20);
        let sink = scene.start("sink");
        scene.wait(10).await;
        scene.world.drop_table().await;
        let lake = scene.world.clear_lake();
        accept_table(&lake, &scene.world.stream).await.unwrap();
        scene.produce(5);
        scene.wait(60).await;
        scene.everyone_reads().await;
        assert_eq!(scene.rows().await, 50, "all that Kafka still has");
        sink.stop().await;
    });
}

/// The dead letters may have lost their word of it, the control store has not.
#[test]
fn a_table_that_others_made_again_is_never_filled_unasked() {
    quiet(async |scene| {
        scene.produce(20);
        let sink = scene.start("sink");
        scene.wait(10).await;
        scene.world.forget_event_table().await;
        scene.world.drop_table().await;
        scene.wait(60).await;
        scene.says("stopped", "frazil stream accept-table").await;
        sink.stop().await;
        let again = scene.start("again");
        scene.wait(60).await;
        scene.says("stopped", "frazil stream accept-table").await;

        let lake = scene.world.clear_lake();
        accept_table(&lake, &scene.world.stream).await.unwrap();
        scene.wait(60).await;
        scene.everyone_reads().await;
        assert_eq!(scene.rows().await, 40);
        again.stop().await;
    });
}

#[test]
fn a_table_rolled_back_stops_the_stream() {
    quiet(async |scene| {
        let sink = scene.start("sink");
        scene.produce(20);
        scene.wait(10).await;
        scene.produce(20);
        scene.wait(10).await;
        let (events, _) = scene.world.tables().await.unwrap();
        let parent = events
            .metadata()
            .current_snapshot()
            .unwrap()
            .parent_snapshot_id();
        scene
            .world
            .edit_metadata(|metadata| {
                metadata["current-snapshot-id"] = parent.into();
                metadata["refs"]["main"]["snapshot-id"] = parent.into();
            })
            .await;
        scene.produce(20);
        scene.wait(60).await;
        scene.says("stopped", "rolled the table back").await;

        let lake = scene.world.clear_lake();
        let stream = &scene.world.stream;
        let moved = accept_rollback(&lake, stream, Removed::ReadAgain).await;
        let moved: Vec<(i64, i64)> = moved
            .unwrap()
            .iter()
            .map(|(_, from, to)| (from.next, to.next))
            .collect();
        assert_eq!(moved, [(40, 20), (40, 20)]);
        scene.wait(60).await;
        assert_eq!(scene.rows().await, 120, "each record once more");
        let again = accept_rollback(&lake, stream, Removed::ReadAgain).await;
        assert!(again.is_err(), "there is nothing to accept any more");
        sink.stop().await;
    });
}

#[test]
fn a_missing_ledger_is_never_start_over() {
    quiet(async |scene| {
        scene.produce(20);
        let sink = scene.start("sink");
        scene.wait(10).await;
        scene
            .world
            .edit_metadata(|metadata| {
                let properties = metadata["properties"].as_object_mut().unwrap();
                properties.remove("frazil.ledger").unwrap();
            })
            .await;
        scene.produce(20);
        scene.wait(60).await;
        scene.says("stopped", "ledger").await;
        assert_eq!(scene.rows().await, 40);
        sink.stop().await;
    });
}

#[test]
fn store_and_catalog_away_for_a_minute() {
    quiet(async |scene| {
        scene.produce(20);
        let sink = scene.start("sink");
        scene.wait(10).await;
        scene.world.weather.take_store_down(Duration::from_secs(60));
        scene.produce(20);
        scene.wait(30).await;
        scene.says("waiting", "503").await;
        scene.wait(60).await;
        scene.all_is_well().await;
        scene
            .world
            .weather
            .take_catalog_down(Duration::from_secs(60));
        scene.produce(20);
        scene.wait(30).await;
        scene.says("waiting", "catalog does not answer").await;
        scene.wait(60).await;
        scene.all_is_well().await;
        scene.everyone_reads().await;
        sink.stop().await;
    });
}

#[test]
fn no_more_is_read_than_memory_holds_while_the_store_is_away() {
    quiet(async |scene| {
        let sink = scene.start("sink");
        scene.wait(5).await;
        scene
            .world
            .weather
            .take_store_down(Duration::from_secs(120));
        scene.produce(20_000);
        scene.wait(40).await;
        let metrics = scene.world.metrics.clone();
        // It holds what its limit allows and reads no more; a batch that grew too old is dropped
        // and read again.
        for _ in 0..4 {
            let held = metrics.bytes_read() / (1 + metrics.batches_discarded());
            assert!(held <= MEMORY_BYTES, "{held} bytes in a batch");
            scene.wait(20).await;
        }
        assert!(metrics.records_read() < 40_000);
        scene.wait(200).await;
        scene.all_is_well().await;
        assert!(metrics.records_read() >= 40_000);
        sink.stop().await;
    });
}

impl Running {
    async fn stop_after(self, scene: &Scene, seconds: u64) {
        scene.wait(seconds).await;
        self.stop().await;
    }
}
