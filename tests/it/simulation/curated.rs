//! Curated jobs in a world: two processes that run the same models and die, sleep through their
//! leases and lose replies as sinks do; and the judge of what they publish.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, Int64Type};
use frazil::declare::model::Model;
use frazil::declare::parse_model;
use frazil::domain::TableName;
use frazil::jobs::state::PublishedState;
use frazil::jobs::{Jobs, JobsOptions};
use frazil::lake::Table;
use frazil::query::{Engine, EngineOptions};
use tokio_util::sync::CancellationToken;

use super::dice::Dice;
use super::process::{Fate, Mortal, Odds, Trap};
use super::rows::{self, Row};
use super::world::World;

/// Every row once, added to what is there.
const COPY: &str = "CREATE MATERIALIZED VIEW curated.copy
WITH (schedule = 'every 10s', kind = 'append')
AS SELECT id, _topic_id, _partition, _offset FROM shop.events";

/// All counted anew.
const COUNTS: &str = "CREATE MATERIALIZED VIEW curated.counts
WITH (schedule = 'every 10s', kind = 'full')
AS SELECT _topic_id, _partition, count(*) AS rows, sum(_offset) AS offsets FROM shop.events
   GROUP BY _topic_id, _partition";

fn models() -> Vec<Model> {
    [("copy", COPY), ("counts", COUNTS)]
        .map(|(name, text)| {
            parse_model(Path::new(&format!("sql/{name}.sql")), text).expect("a valid model")
        })
        .into()
}

const JOBS: Odds = Odds {
    crash_log_polls: 9,
    sleep_log_polls: 8,
    longest_nap_ms: 30_000,
    trapped: 4,
    most_swaps: 3,
    longest_trapped_nap_ms: 30_000,
};

/// One process of jobs after the other on one machine, until the world is calm; then one that
/// brings everything up to date.
pub async fn run_jobs(world: Arc<World>, machine: usize) {
    let dice = Dice::new(world.seed, &format!("jobs-{machine}"));
    for life in 0.. {
        tokio::time::sleep(dice.millis(1_000, 15_000)).await;
        let calm = world.calm.is_cancelled();
        let fate = Fate::draw(&dice, &JOBS, calm || !world.shape.crashes);
        let process = format!("jobs-{machine}.{life}");
        world.history.note(format!("{process}: {fate:?}"));
        let trap = Trap::of(fate);
        let lake = world.lake(&process, trap.clone());
        let options = EngineOptions {
            threads: 1,
            runtime: Some(tokio::runtime::Handle::current()),
            ..EngineOptions::default()
        };
        let engine = Engine::new(lake, options).expect("an engine");
        let jobs = Jobs::new(engine, models(), options_of(&process));
        let stop = CancellationToken::new();
        let (history, name) = (world.history.clone(), process.clone());
        let run = async { jobs.run_all_once(&stop).await.map(|runs| runs.len()) };
        let ended = Mortal::new(run, fate, trap, move || {
            history.note(format!("{name}: naps"))
        })
        .await;
        world.history.note(format!("{process}: {ended:?}"));
        if calm && behind(&world).await.is_empty() {
            return;
        }
    }
}

fn options_of(process: &str) -> JobsOptions {
    JobsOptions {
        holder: process.to_owned(),
        concurrency: 2,
        timeout: Duration::from_secs(60),
        attempts: 2,
        backoff: Duration::from_millis(500),
        lease_ttl: Duration::from_secs(6),
        keep_runs: 10,
    }
}

/// What is wrong with the curated tables: each must be what its query gives on the very snapshot
/// that it names.
pub async fn judge(world: &World, events: &Table) -> Vec<String> {
    let mut wrong = Vec::new();
    for model in models() {
        let Some(table) = world.table(&model.name).await else {
            continue;
        };
        let Some(source) = source_of(&table, &world.stream.table) else {
            wrong.push(format!("{} says nothing of its source", model.name));
            continue;
        };
        let rows = match source.map(|id| events.metadata().snapshot_by_id(id)) {
            None => Vec::new(),
            Some(Some(snapshot)) => {
                wrong.extend(went_back(world, &model.name, snapshot.sequence_number()));
                world.rows_at(events, snapshot).await
            }
            // Upkeep has expired it.
            Some(None) => continue,
        };
        if let Some(difference) = difference(world, &model, &table, &rows).await {
            wrong.push(format!("{difference}, of snapshot {source:?}"));
        }
    }
    wrong
}

/// Who read an older snapshot must not publish over who read a newer one (I8).
fn went_back(world: &World, name: &TableName, number: i64) -> Option<String> {
    let mut last = world.read_up_to.lock().expect("nobody panics with it");
    let before = last.insert(name.clone(), number).unwrap_or(number);
    (number < before).then(|| format!("{name} went back from source {before} to {number}"))
}

/// What the curated tables still lack of the events as they are now.
pub async fn behind(world: &World) -> Vec<String> {
    let Some((events, _)) = world.tables().await else {
        return vec!["there are no events".to_owned()];
    };
    let rows = world.rows(&events).await;
    let mut behind = Vec::new();
    for model in models() {
        match world.table(&model.name).await {
            None => behind.push(format!("{} was never made", model.name)),
            Some(table) => behind.extend(difference(world, &model, &table, &rows).await),
        }
    }
    behind
}

/// The snapshot that was read; None within for a source that had none yet.
fn source_of(table: &Table, source: &TableName) -> Option<Option<i64>> {
    let state = PublishedState::of(table).expect("a state that can be read")?;
    state.sources.get(source).copied()
}

async fn difference(world: &World, model: &Model, table: &Table, events: &[Row]) -> Option<String> {
    let (found, wanted) = if model.name.to_string() == "curated.copy" {
        let mut found = world.rows(table).await;
        let mut wanted = events.to_vec();
        found.sort();
        wanted.sort();
        (format!("{found:?}"), format!("{wanted:?}"))
    } else {
        (
            format!("{:?}", counts(table).await),
            format!("{:?}", counted(events)),
        )
    };
    (found != wanted).then(|| format!("{} holds {found}, not {wanted}", model.name))
}

type Counts = BTreeMap<(String, i32), (i64, i64)>;

fn counted(events: &[Row]) -> Counts {
    let mut counts = Counts::new();
    for (topic, partition, offset, _) in events {
        let count = counts.entry((topic.clone(), *partition)).or_default();
        count.0 += 1;
        count.1 += offset;
    }
    counts
}

async fn counts(table: &Table) -> Counts {
    let mut counts = Counts::new();
    for file in rows::live_files(table).await {
        for batch in rows::read(table, file.file_path()).await {
            let column = |name: &str| batch.column_by_name(name).expect(name).clone();
            let (topics, partitions) = (column("_topic_id"), column("_partition"));
            let (rows, offsets) = (column("rows"), column("offsets"));
            let offsets = arrow::compute::cast(&offsets, &arrow::datatypes::DataType::Int64);
            let offsets = offsets.expect("a whole number");
            for row in 0..batch.num_rows() {
                let key = (
                    topics.as_string::<i32>().value(row).to_owned(),
                    partitions.as_primitive::<Int32Type>().value(row),
                );
                let count = (
                    rows.as_primitive::<Int64Type>().value(row),
                    offsets.as_primitive::<Int64Type>().value(row),
                );
                assert_eq!(counts.insert(key, count), None, "a group is there twice");
            }
        }
    }
    counts
}
