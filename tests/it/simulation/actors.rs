//! Those who act in a world: producers, retention, sinks that crash and sleep, other writers, and
//! readers who judge at any moment.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use frazil::domain::Ledger;
use frazil::lake::commit::{Commit, FileChange, TableChange};
use frazil::lake::writer::TableWriter;
use frazil::lake::{Lake, Table};
use frazil::upkeep;
use tokio_util::sync::CancellationToken;

use super::dice::Dice;
use super::mutant::Mutant;
use super::oracle::id_of;
use super::process::{Fate, Mortal, Odds, Trap};
use super::rows::{self, FOREIGN};
use super::world::World;

/// Writes the world's records: alone, in transactions that commit or abort, with gaps.
pub async fn produce(world: Arc<World>) {
    let dice = Dice::new(world.seed, "producer");
    let partitions = world.broker.partitions();
    for _ in 0..world.shape.records {
        let partition = usize::try_from(dice.below(partitions as u64)).unwrap();
        let payload = payload(&world, &dice, partition);
        let now_ms = world.clock.now_ms();
        if world.shape.transactions && dice.permille(150) {
            if world.broker.begin(partition, payload.clone(), now_ms) {
                let (broker, commit) = (world.broker.clone(), dice.permille(600));
                let open = dice.millis(1, 4_000);
                tokio::spawn(async move {
                    tokio::time::sleep(open).await;
                    broker.end_transaction(partition, commit);
                });
            }
        } else if world.shape.transactions && dice.permille(50) {
            world.broker.leave_gap(partition);
        } else {
            world.broker.produce(partition, payload, now_ms);
        }
        if dice.permille(100) {
            tokio::time::sleep(dice.millis(200, 4_000)).await;
        } else if dice.permille(500) {
            tokio::time::sleep(dice.millis(1, 100)).await;
        }
    }
}

/// An event, something that is none, or a tombstone.
fn payload(world: &World, dice: &Dice, partition: usize) -> Option<Vec<u8>> {
    let offset = world.broker.with_log(partition, |log| log.entries.len());
    let offset = i64::try_from(offset).unwrap();
    let id = id_of(i32::try_from(partition).unwrap(), offset);
    match dice.below(20) {
        0 => None,
        1 => Some(b"[not an event".to_vec()),
        _ => {
            let note = "x".repeat(usize::try_from(dice.log_scale(7)).unwrap());
            Some(format!(r#"{{"id":{id},"note":"{note}"}}"#).into_bytes())
        }
    }
}

/// Removes the oldest records now and then, whoever has read them or not.
pub async fn retain(world: Arc<World>) {
    let dice = Dice::new(world.seed, "retention");
    while !world.calm.is_cancelled() {
        tokio::time::sleep(dice.millis(2_000, 20_000)).await;
        let partition = usize::try_from(dice.below(world.broker.partitions() as u64)).unwrap();
        let log = &world.broker.logs()[partition];
        let span = u64::try_from(log.high() - log.low).unwrap();
        let share = if dice.permille(300) { span } else { span / 2 };
        let low = log.low + i64::try_from(dice.below(share + 1)).unwrap();
        world
            .history
            .note(format!("retention: [{partition}] starts at {low}"));
        world.broker.trim(partition, low);
    }
}

/// Store and catalog go away for a while.
pub async fn break_down(world: Arc<World>) {
    let dice = Dice::new(world.seed, "outages");
    while !world.calm.is_cancelled() {
        tokio::time::sleep(dice.millis(5_000, 40_000)).await;
        let duration = dice.millis(500, 60_000);
        if dice.permille(500) {
            world
                .history
                .note(format!("the store is down for {duration:?}"));
            world.weather.take_store_down(duration);
        } else {
            world
                .history
                .note(format!("the catalog is down for {duration:?}"));
            world.weather.take_catalog_down(duration);
        }
    }
}

/// Sets the time of day, forwards and back by minutes and hours.
pub async fn set_the_clock(world: Arc<World>) {
    let dice = Dice::new(world.seed, "clock");
    while !world.calm.is_cancelled() {
        tokio::time::sleep(dice.millis(2_000, 30_000)).await;
        let most_minutes = if dice.permille(500) { 5 } else { 300 };
        let offset = dice.millis(0, most_minutes * 60_000).as_millis();
        let offset = i64::try_from(offset).unwrap();
        let offset = if dice.permille(500) { offset } else { -offset };
        world.time_of_day.set_by(offset);
        world.weather.tally.clock_jumps.add();
        world
            .history
            .note(format!("the clock is set to {offset} ms off"));
    }
}

const SINKS: Odds = Odds {
    crash_log_polls: 10,
    sleep_log_polls: 9,
    longest_nap_ms: 60_000,
    trapped: 5,
    most_swaps: 8,
    longest_trapped_nap_ms: 40_000,
};

/// One machine: starts a sink process again and again, each with its fate.
pub async fn run_sinks(world: Arc<World>, machine: usize, end: CancellationToken) {
    let dice = Dice::new(world.seed, &format!("machine-{machine}"));
    for life in 0.. {
        let process = format!("sink-{machine}.{life}");
        let calm = world.calm.is_cancelled();
        let fate = Fate::draw(&dice, &SINKS, calm || !world.shape.crashes);
        world.history.note(format!("{process}: {fate:?}"));
        let stop = end.child_token();
        let (history, name) = (world.history.clone(), process.clone());
        let trap = Trap::of(fate);
        let sink = Mortal::new(
            world.sink(&process, trap.clone(), stop.clone()),
            fate,
            trap,
            move || {
                history.note(format!("{name}: naps"));
            },
        );
        tokio::pin!(sink);
        // A life that neither crashes nor ends is stopped in order after a while.
        let life_time = dice.millis(5_000, 90_000);
        let ended = tokio::select! {
            biased;
            ended = &mut sink => ended,
            () = tokio::time::sleep(life_time), if !calm && world.shape.crashes => {
                world.history.note(format!("{process}: stopped in order"));
                stop.cancel();
                sink.as_mut().await
            }
        };
        world.history.note(format!(
            "{process}: ended {}",
            if ended.is_some() {
                "in order"
            } else {
                "by a crash"
            }
        ));
        if end.is_cancelled() {
            return;
        }
        tokio::time::sleep(dice.millis(0, 5_000)).await;
    }
}

/// Expires snapshots and deletes what nothing reaches any more; its process dies now and then.
pub async fn keep_up(world: Arc<World>) {
    let dice = Dice::new(world.seed, "upkeep");
    let options = upkeep::Options {
        interval: Duration::from_secs(5),
        policy: upkeep::Policy {
            keep_all_ms: 20_000,
            keep_all_most: 15,
            keep_hourly_ms: 0,
            keep_daily_ms: 0,
        },
        safety_age: world.shape.safety_age(),
        sweep_interval: Duration::from_secs(5),
        dry_run: false,
        holder: "upkeep".to_owned(),
        totals: world.upkeep.clone(),
        expired: Arc::default(),
    };
    let stop = CancellationToken::new();
    while !world.calm.is_cancelled() {
        tokio::time::sleep(dice.millis(1_000, 20_000)).await;
        let fate = match dice.permille(300) {
            true => Fate::Crashes {
                after_polls: dice.log_scale(8),
            },
            false => Fate::Lives,
        };
        let lake = world.lake("upkeep", Arc::default());
        let pass = async {
            upkeep::thin(&lake, &options, &stop).await?;
            upkeep::pass(&lake, &options, |_| true, &stop).await
        };
        // What fails is tried again: its failures are its own tests' matter.
        let _ = Mortal::new(pass, fate, Arc::default(), || {}).await;
    }
}

/// Judges what a reader sees at odd moments; whatever is wrong ends the world.
pub async fn read(world: Arc<World>) -> Result<(), Vec<String>> {
    let dice = Dice::new(world.seed, "reader");
    while !world.calm.is_cancelled() {
        tokio::time::sleep(dice.millis(100, 15_000)).await;
        let wrong = world.judge().await;
        if !wrong.is_empty() {
            return Err(wrong);
        }
    }
    Ok(())
}

/// Another writer on the same tables: appends rows of its own, merges files, sets properties.
pub async fn meddle(world: Arc<World>) {
    let dice = Dice::new(world.seed, "foreign");
    let (lake, clear) = (world.lake("foreign", Arc::default()), world.clear_lake());
    while !world.calm.is_cancelled() {
        tokio::time::sleep(dice.millis(500, 12_000)).await;
        let name = match dice.permille(700) {
            true => &world.stream.table,
            false => &world.stream.dead_letters,
        };
        let Ok(table) = clear.table(name).await else {
            continue;
        };
        let change = match (world.mutant, dice.below(3)) {
            (Mutant::AppendsTwice, _) => append_again(&table, &dice).await,
            (Mutant::RewindsLedger, _) => {
                rewind(&world, &dice).await;
                continue;
            }
            (_, 0) => append_foreign(&lake, &table, &dice).await,
            (_, 1) => merge(&lake, &table, &dice).await,
            _ => Some(set_property(&table, &dice)),
        };
        let Some(change) = change else { continue };
        let what = format!("{:?}", change.files);
        let what = what.split(['(', ' ']).next().unwrap_or_default().to_owned();
        let done = commit(&lake, change).await;
        world.history.note(format!("foreign: {what} {done}"));
    }
}

async fn commit(lake: &Lake, change: TableChange) -> String {
    let commit = Commit {
        id: lake.entropy.uuid(),
        changes: vec![change],
        guards: Vec::new(),
    };
    match lake.commit(&commit).await {
        Ok(_) => "done".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn set_property(table: &Table, dice: &Dice) -> TableChange {
    let mut change = TableChange::new(table.name().clone(), FileChange::Nothing);
    change
        .set_properties
        .insert("owner".to_owned(), dice.below(1000).to_string());
    change
}

/// A row like one that is there, under another topic id.
async fn append_foreign(lake: &Lake, table: &Table, dice: &Dice) -> Option<TableChange> {
    let files = rows::live_files(table).await;
    let file = files.get(usize::try_from(dice.below(files.len() as u64)).unwrap())?;
    let batch = rows::read(table, file.file_path())
        .await
        .into_iter()
        .next()?;
    let row = batch.slice(0, 1);
    let mut writer = TableWriter::new(table)
        .ok()?
        .with_entropy(lake.entropy.clone());
    let columns: Vec<ArrayRef> = writer
        .schema()
        .fields()
        .iter()
        .map(|field| match field.name().as_str() {
            "_topic_id" => Arc::new(StringArray::from(vec![FOREIGN])) as ArrayRef,
            name => row.column_by_name(name).expect("same columns").clone(),
        })
        .collect();
    let row = RecordBatch::try_new(writer.schema(), columns).expect("same types");
    writer.write(row).await.ok()?;
    let files = writer.finish().await.ok()?;
    Some(TableChange::new(
        table.name().clone(),
        FileChange::Append(files),
    ))
}

/// Some files' rows in one file for each partition: compaction.
async fn merge(lake: &Lake, table: &Table, dice: &Dice) -> Option<TableChange> {
    let mut files = rows::live_files(table).await;
    files.retain(|_| dice.permille(500));
    if files.len() < 2 {
        return None;
    }
    let mut writer = TableWriter::new(table)
        .ok()?
        .with_entropy(lake.entropy.clone());
    for file in &files {
        for batch in rows::read(table, file.file_path()).await {
            let columns = batch.columns().to_vec();
            let batch = RecordBatch::try_new(writer.schema(), columns).expect("same types");
            writer.write(batch).await.ok()?;
        }
    }
    let add = writer.finish().await.ok()?;
    let remove = files.iter().map(|f| f.file_path().to_owned()).collect();
    Some(TableChange::new(
        table.name().clone(),
        FileChange::Replace { remove, add },
    ))
}

async fn append_again(table: &Table, dice: &Dice) -> Option<TableChange> {
    let files = rows::live_files(table).await;
    let file = files.get(usize::try_from(dice.below(files.len() as u64)).unwrap())?;
    Some(TableChange::new(
        table.name().clone(),
        FileChange::Append(vec![file.clone()]),
    ))
}

/// The ledger as an older snapshot left it, under rows that stay.
async fn rewind(world: &World, dice: &Dice) {
    let tables = world.history.tables();
    let older: Vec<_> = tables
        .iter()
        .filter(|old| old.name() == &world.stream.table)
        .filter_map(|old| old.metadata().properties().get(Ledger::PROPERTY))
        .collect();
    let pick = usize::try_from(dice.below(older.len() as u64)).unwrap();
    let Some(older) = older.get(pick) else { return };
    world
        .edit_metadata(|metadata| {
            metadata["properties"][Ledger::PROPERTY] = (*older).clone().into()
        })
        .await;
    world
        .history
        .note("mutant: the ledger was set back".to_owned());
}

/// How long a world may take to come to rest, in its own time.
pub const PATIENCE: Duration = Duration::from_secs(1_800);
