//! The proof of exactly-once: seeded worlds of sinks, catalog, store and broker in which
//! everything goes wrong, judged by what readers see at any moment and at the end.
//!
//! `FRAZIL_SIM_SEEDS=N` runs N seeds (200 else), `FRAZIL_SIM_SEED=S` one, with its history.

mod actors;
mod awaits;
mod broker;
#[path = "../../known/dated_store.rs"]
mod bytes;
mod clock;
mod curated;
mod dice;
mod faults;
mod history;
mod mutant;
mod oracle;
mod process;
pub mod rows;
mod scenarios;
mod source;
mod tally;
mod world;
mod writers;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use frazil::seams::Clock;
use tokio_util::sync::CancellationToken;

use self::dice::Dice;
use self::faults::Rates;
use self::mutant::Mutant;
use self::world::{Shape, World};

/// What became of a world.
struct Verdict {
    wrong: Vec<String>,
    history: Vec<String>,
    counted: Counted,
}

/// What happened in all worlds of a run, by name: one that brings no trouble proves nothing.
#[derive(Clone, Debug, Default)]
struct Counted(BTreeMap<&'static str, u64>);

impl Counted {
    fn of(world: &World) -> Self {
        let (metrics, lines) = (&world.metrics, world.history.lines());
        let tally = &world.weather.tally;
        let saying = |text: &str| lines.iter().filter(|line| line.contains(text)).count() as u64;
        let foreign = lines
            .iter()
            .filter(|line| line.starts_with("foreign") && line.ends_with("done"))
            .count() as u64;
        Self(BTreeMap::from([
            ("commits", metrics.commits()),
            ("rows", metrics.rows_committed()),
            ("dead letters", metrics.dead_letters_committed()),
            ("lost offsets", metrics.records_lost()),
            ("fenced commits", metrics.fenced()),
            ("unknown outcomes", metrics.unknown_outcomes()),
            ("failed commits", metrics.commit_failures()),
            ("batches discarded", metrics.batches_discarded()),
            ("crashes", saying("by a crash")),
            ("naps", saying(": naps")),
            ("foreign commits", foreign),
            ("snapshots expired", world.upkeep.snapshots_expired()),
            ("files deleted", world.upkeep.files_deleted()),
            ("retention passes", saying("retention: [")),
            ("store failed before", tally.store_before.get()),
            ("store failed after", tally.store_after.get()),
            ("catalog failed before", tally.catalog_before.get()),
            ("lost replies", tally.lost_replies.get()),
            ("late swaps", tally.late_swaps.get()),
            ("false conflicts", tally.false_conflicts.get()),
            ("calls in an outage", tally.outages.get()),
            ("source errors", tally.source_errors.get()),
            ("source troubles", tally.source_troubles.get()),
            ("revocations", tally.revocations.get()),
            ("sessions lost", tally.sessions_lost.get()),
            ("transactions committed", world.broker.transactions(true)),
            ("transactions aborted", world.broker.transactions(false)),
            ("clock jumps", tally.clock_jumps.get()),
            ("SQL commits", tally.sql_done.get()),
            ("SQL refusals", tally.sql_refused.get()),
            ("SQL unknown", tally.sql_unknown.get()),
            ("copies published", saying("curated.copy v")),
            ("counts published", saying("curated.counts v")),
        ]))
    }

    fn add(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(name).or_default() += count;
        }
    }

    /// What happened less often than this.
    fn rarer_than(&self, least: u64) -> Vec<&'static str> {
        let rare = self.0.iter().filter(|(_, count)| **count < least);
        rare.map(|(name, _)| *name).collect()
    }
}

/// So often at least each kind of trouble must come in 200 worlds.
const LEAST: u64 = 5;

fn shape_of(seed: u64) -> Shape {
    let dice = Dice::new(seed, "shape");
    // Half of the worlds are stormy, and in each some kinds of trouble are left out, so that one
    // doesn't hide another.
    let stormy = dice.permille(500);
    let rate = |most: u64| match dice.permille(600) {
        true => u32::try_from(dice.below(if stormy { most } else { most / 5 } + 1)).unwrap(),
        false => 0,
    };
    Shape {
        partitions: usize::try_from(dice.between(1, 4)).unwrap(),
        sinks: usize::try_from(dice.between(1, 4)).unwrap(),
        records: dice.between(20, 300),
        eager: dice.permille(500),
        session: dice.millis(2_000, 12_000),
        transactions: dice.permille(500),
        retention: dice.permille(300),
        crashes: dice.permille(800),
        foreign: dice.permille(500),
        upkeep: dice.permille(500),
        outages: dice.permille(300),
        jobs: dice.permille(200),
        rates: Rates {
            store_before: rate(60),
            store_after: rate(60),
            store_slow: rate(50),
            catalog_before: rate(80),
            lost_reply: rate(200),
            late_swap: rate(150),
            false_conflict: rate(150),
            source: rate(15),
        },
        writers: dice.permille(150),
        clock_jumps: dice.permille(200),
    }
}

/// Runs one world from its beginning to rest, on a stack that holds a query's plan.
fn run(seed: u64, shape: Shape, mutant: Mutant) -> Verdict {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(16 << 20);
        let running = thread.spawn_scoped(scope, || run_here(seed, shape, mutant));
        running.expect("a thread").join().expect("no world panics")
    })
}

fn run_here(seed: u64, shape: Shape, mutant: Mutant) -> Verdict {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let guard = runtime.enter();
    let world = World::new(seed, shape, mutant);
    drop(guard);
    let lived = AssertUnwindSafe(|| runtime.block_on(live(&world)));
    let wrong = catch_unwind(lived).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        vec![format!("panicked: {}", text.unwrap_or_default())]
    });
    Verdict {
        wrong,
        history: world.history.lines(),
        counted: Counted::of(&world),
    }
}

async fn live(world: &Arc<World>) -> Vec<String> {
    let shape = world.shape;
    let end = CancellationToken::new();
    let mut sinks = Vec::new();
    for machine in 0..shape.sinks {
        sinks.push(tokio::spawn(actors::run_sinks(
            world.clone(),
            machine,
            end.clone(),
        )));
    }
    let reader = tokio::spawn(actors::read(world.clone()));
    let mut others = Vec::new();
    if shape.retention {
        others.push(tokio::spawn(actors::retain(world.clone())));
    }
    if shape.foreign || !matches!(world.mutant, Mutant::None | Mutant::BlindRuns) {
        others.push(tokio::spawn(actors::meddle(world.clone())));
    }
    if shape.upkeep {
        others.push(tokio::spawn(actors::keep_up(world.clone())));
    }
    if shape.outages {
        others.push(tokio::spawn(actors::break_down(world.clone())));
    }
    if shape.clock_jumps {
        others.push(tokio::spawn(actors::set_the_clock(world.clone())));
    }
    let mut jobs = Vec::new();
    if shape.writers {
        for machine in 0..2 {
            jobs.push(tokio::spawn(writers::run(world.clone(), machine)));
        }
    }
    if shape.jobs {
        for machine in 0..2 {
            jobs.push(tokio::spawn(curated::run_jobs(world.clone(), machine)));
        }
    }
    actors::produce(world.clone()).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    world.history.note("calm".to_owned());
    world.calm.cancel();
    world.weather.calm_down();
    if let Err(wrong) = reader.await.expect("the reader does not panic") {
        return wrong;
    }
    let mut wrong = come_to_rest(world).await;
    for other in others {
        other.await.expect("no actor panics");
    }
    for job in jobs {
        if tokio::time::timeout(actors::PATIENCE, job).await.is_err() {
            wrong.push("jobs or SQL writers never came to an end".to_owned());
            if shape.jobs {
                wrong.extend(curated::behind(world).await);
            }
        }
    }
    end.cancel();
    for sink in sinks {
        let ended = tokio::time::timeout(Duration::from_secs(120), sink).await;
        if !matches!(ended, Ok(Ok(()))) {
            wrong.push(format!("a sink did not end in order: {ended:?}"));
        }
    }
    wrong.extend(world.judge().await);
    wrong
}

/// Without faults everything readable must be committed soon.
async fn come_to_rest(world: &World) -> Vec<String> {
    let started = tokio::time::Instant::now();
    loop {
        let behind = world.behind().await;
        if behind.is_empty() {
            return Vec::new();
        }
        if started.elapsed() > actors::PATIENCE {
            let mut wrong = behind;
            let status = world.clear_lake().control.stream_status().await;
            wrong.push(format!("never came to rest; the status says {status:?}"));
            return wrong;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

fn explain(seed: u64, shape: &Shape, verdict: &Verdict) -> String {
    let tail = verdict.history.len().saturating_sub(60);
    format!(
        "seed {seed} fails (FRAZIL_SIM_SEED={seed} runs it alone)\n{shape:?}\nwrong:\n  {}\nhistory:\n  {}",
        verdict
            .wrong
            .iter()
            .take(20)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n  "),
        verdict.history[tail..].join("\n  ")
    )
}

/// Runs worlds on two threads until one fails or all are done.
fn first_failure(
    seeds: std::ops::Range<u64>,
    run: impl Fn(u64) -> Option<String> + Sync,
) -> Option<String> {
    let next = AtomicU64::new(seeds.start);
    let failed = std::sync::Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while failed.lock().unwrap().is_none() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    if let Some(text) = run(seed) {
                        failed.lock().unwrap().get_or_insert(text);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap()
}

fn fails(seed: u64, shape: Shape, mutant: Mutant) -> Option<String> {
    let verdict = run(seed, shape, mutant);
    (!verdict.wrong.is_empty()).then(|| explain(seed, &shape, &verdict))
}

#[test]
fn every_record_is_there_exactly_once() {
    if let Some(seed) = number("FRAZIL_SIM_SEED") {
        let shape = shape_of(seed);
        let verdict = run(seed, shape, Mutant::None);
        println!("{shape:#?}\n{}", verdict.history.join("\n"));
        println!("{:#?}", verdict.counted);
        assert!(
            verdict.wrong.is_empty(),
            "{}",
            explain(seed, &shape, &verdict)
        );
        return;
    }
    let seeds = number("FRAZIL_SIM_SEEDS").unwrap_or(200);
    let all = std::sync::Mutex::new(Counted::default());
    let failure = first_failure(0..seeds, |seed| {
        let (shape, verdict) = (shape_of(seed), run(seed, shape_of(seed), Mutant::None));
        all.lock().unwrap().add(&verdict.counted);
        (!verdict.wrong.is_empty()).then(|| explain(seed, &shape, &verdict))
    });
    if let Some(failure) = failure {
        panic!("{failure}");
    }
    let all = all.into_inner().unwrap();
    println!("{seeds} seeds: {all:?}");
    if seeds >= 200 {
        let rare = all.rarer_than(LEAST);
        assert!(rare.is_empty(), "too few {rare:?} in these worlds: {all:?}");
    }
}

#[test]
fn a_seed_reproduces() {
    for seed in [1, 2, 3] {
        let first = run(seed, shape_of(seed), Mutant::None).history;
        let second = run(seed, shape_of(seed), Mutant::None).history;
        let differ = first.iter().zip(&second).position(|(a, b)| a != b);
        if let Some(at) = differ {
            let (first, second) = (&first[..=at], &second[at]);
            panic!("seed {seed}: once {first:#?}, then {second}");
        }
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}

/// The oracle can fail: it finds each deliberate fault within a few worlds.
fn is_caught(mutant: Mutant, verdict: &str) {
    let found = first_failure(0..20, |seed| {
        let shape = Shape {
            sinks: 3,
            records: 200,
            crashes: true,
            jobs: mutant == Mutant::BlindRuns,
            ..shape_of(seed)
        };
        fails(seed, shape, mutant).filter(|text| text.contains(verdict))
    });
    let found = found.unwrap_or_else(|| panic!("{mutant:?} went unseen in 20 worlds"));
    println!("{found}");
}

#[test]
fn a_catalog_that_swaps_blindly_is_caught() {
    is_caught(Mutant::BlindSwap, "was seen and is gone");
}

#[test]
fn a_run_published_over_another_is_caught() {
    is_caught(Mutant::BlindRuns, "went back");
}

#[test]
fn a_commit_half_visible_is_caught() {
    is_caught(Mutant::HalfSwap, "is missing");
}

#[test]
fn a_dropped_record_is_caught() {
    is_caught(Mutant::DropsRecords, "is missing");
}

#[test]
fn a_ledger_that_leaves_its_rows_is_caught() {
    is_caught(Mutant::RewindsLedger, "is there and shouldn't be");
}

#[test]
fn a_blind_retry_is_caught() {
    is_caught(Mutant::AppendsTwice, "is there twice");
}
