//! SQL sessions in a world: two processes make, fill, change, rename and drop tables, and die, sleep
//! and lose replies as all do. The judge holds what any reader sees against what the sessions were
//! told: what was confirmed is there, what was refused is not, and of a transaction over two tables
//! there is never a half.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use frazil::domain::TableName;
use frazil::lake::Table;
use frazil::query::statement::{Statement, parse};
use frazil::query::{
    Access, Engine, EngineOptions, QueryError, QueryErrorKind, Session, SessionOptions,
};

use super::dice::Dice;
use super::process::{Fate, Mortal, Odds, Trap};
use super::rows;
use super::world::World;

const MACHINES: usize = 2;
/// Rows that a table is made with which has two names, one after the other.
const ROWS_OF_MADE: usize = 2;
/// Longer than any swap comes late.
const ALL_HAS_COME: Duration = Duration::from_secs(10);

const ODDS: Odds = Odds {
    crash_log_polls: 9,
    sleep_log_polls: 8,
    longest_nap_ms: 20_000,
    trapped: 4,
    most_swaps: 3,
    longest_trapped_nap_ms: 20_000,
};

/// What a session was told of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fact {
    There,
    Gone,
    /// Nothing: the process died, the reply was lost, or it is just being written.
    Unknown,
}

/// What a session knows of the table that it makes, renames and drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Nothing,
    Made,
    Renamed,
    Unknown,
}

/// All that sessions were told so far.
#[derive(Debug, Default)]
pub struct Known {
    rows: BTreeMap<i64, Fact>,
    stages: BTreeMap<usize, Stage>,
    /// Ids by file: files never change.
    files: BTreeMap<String, Arc<Vec<i64>>>,
}

fn name(text: &str) -> TableName {
    text.parse().expect("a table's name")
}

fn made(machine: usize) -> TableName {
    name(&format!("play.made_{machine}"))
}

fn renamed(machine: usize) -> TableName {
    name(&format!("play.renamed_{machine}"))
}

/// One process of a session after the other, until the world is calm; then one that must succeed.
pub async fn run(world: Arc<World>, machine: usize) {
    let dice = Dice::new(world.seed, &format!("writer-{machine}"));
    let next_id = Arc::new(AtomicI64::new(machine as i64 * 1_000_000));
    for life in 0.. {
        tokio::time::sleep(dice.millis(500, 8_000)).await;
        let calm = world.calm.is_cancelled();
        let fate = Fate::draw(&dice, &ODDS, calm || !world.shape.crashes);
        let process = format!("writer-{machine}.{life}");
        world.history.note(format!("{process}: {fate:?}"));
        let trap = Trap::of(fate);
        let options = EngineOptions {
            threads: 1,
            runtime: Some(tokio::runtime::Handle::current()),
            oldest_write: world.shape.safety_age() / 2,
            ..EngineOptions::default()
        };
        let engine = Engine::new(world.lake(&process, trap.clone()), options).expect("an engine");
        let session = engine.session(SessionOptions {
            user: "ann".to_owned(),
            access: Access::Write,
            application: None,
        });
        let writer = Writer {
            world: world.clone(),
            machine,
            session: session.expect("a session"),
            dice: Dice::new(world.seed, &process),
            next_id: next_id.clone(),
        };
        let (history, name) = (world.history.clone(), process.clone());
        let live = writer.live(calm);
        let ended = Mortal::new(live, fate, trap, move || {
            history.note(format!("{name}: naps"))
        })
        .await;
        if calm && ended == Some(true) {
            return;
        }
    }
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Done,
    Refused,
    Unknown,
}

struct Writer {
    world: Arc<World>,
    machine: usize,
    session: Session,
    dice: Dice,
    next_id: Arc<AtomicI64>,
}

impl Writer {
    /// Some statements; whether all of them were confirmed.
    async fn live(&self, calm: bool) -> bool {
        let mut all = self.make_tables().await == Told::Done;
        for _ in 0..self.dice.between(1, 8) {
            let told = match self.dice.below(10) {
                0..=4 => self.insert().await,
                5..=6 => self.delete().await,
                7 => self.update().await,
                _ => self.turn_over().await,
            };
            all &= told == Told::Done;
            tokio::time::sleep(self.dice.millis(50, 4_000)).await;
        }
        all || !calm
    }

    async fn make_tables(&self) -> Told {
        let make =
            |table| format!("CREATE TABLE IF NOT EXISTS play.{table} (id bigint, note text)");
        self.transaction(&[
            "CREATE SCHEMA IF NOT EXISTS play".to_owned(),
            make("one"),
            make("two"),
        ])
        .await
    }

    async fn insert(&self) -> Told {
        let count = i64::try_from(self.dice.between(1, 3)).unwrap();
        let first = self.next_id.fetch_add(count, Ordering::Relaxed);
        let ids: Vec<i64> = (first..first + count).collect();
        let rows: Vec<String> = ids.iter().map(|id| format!("({id}, 'new')")).collect();
        let insert = |table| format!("INSERT INTO play.{table} VALUES {}", rows.join(", "));
        let statements = [insert("one"), insert("two")];
        self.change(&ids, Fact::Gone, Fact::There, &statements)
            .await
    }

    async fn delete(&self) -> Told {
        let Some(id) = self.own_row() else {
            return Told::Done;
        };
        let delete = |table| format!("DELETE FROM play.{table} WHERE id = {id}");
        let statements = [delete("one"), delete("two")];
        self.change(&[id], Fact::There, Fact::Gone, &statements)
            .await
    }

    async fn update(&self) -> Told {
        let Some(id) = self.own_row() else {
            return Told::Done;
        };
        let update = |table| format!("UPDATE play.{table} SET note = 'old' WHERE id = {id}");
        self.transaction(&[update("one"), update("two")]).await
    }

    /// A row that this machine's sessions have written and nobody has touched since.
    fn own_row(&self) -> Option<i64> {
        let known = self.world.written.lock().unwrap();
        let first = self.machine as i64 * 1_000_000;
        let own = known.rows.range(first..first + 1_000_000);
        let there: Vec<i64> = own
            .filter(|(_, fact)| **fact == Fact::There)
            .map(|(id, _)| *id)
            .collect();
        let at = usize::try_from(self.dice.below(there.len() as u64)).unwrap();
        there.get(at).copied()
    }

    async fn change(&self, ids: &[i64], from: Fact, to: Fact, statements: &[String]) -> Told {
        let note = |fact| {
            let mut known = self.world.written.lock().unwrap();
            known.rows.extend(ids.iter().map(|id| (*id, fact)));
        };
        note(Fact::Unknown);
        let told = self.transaction(statements).await;
        match told {
            Told::Done => note(to),
            Told::Refused => note(from),
            Told::Unknown => {}
        }
        told
    }

    /// Makes a table, or renames the one that is there, or drops it.
    async fn turn_over(&self) -> Told {
        let (made, renamed) = (made(self.machine), renamed(self.machine));
        let stage = self.stage(None);
        let (to, statements) = match stage {
            Stage::Nothing => (
                Stage::Made,
                vec![
                    format!("CREATE TABLE {made} (id bigint)"),
                    format!("INSERT INTO {made} VALUES (1), (2)"),
                ],
            ),
            Stage::Made => (
                Stage::Renamed,
                vec![format!("ALTER TABLE {made} RENAME TO {}", renamed.name())],
            ),
            Stage::Renamed => (Stage::Nothing, vec![format!("DROP TABLE {renamed}")]),
            Stage::Unknown => {
                tokio::time::sleep(ALL_HAS_COME).await;
                let drop = |table: &TableName| format!("DROP TABLE IF EXISTS {table}");
                (Stage::Nothing, vec![drop(&made), drop(&renamed)])
            }
        };
        self.stage(Some(Stage::Unknown));
        let told = self.transaction(&statements).await;
        match told {
            Told::Done => self.stage(Some(to)),
            Told::Refused => self.stage(Some(stage)),
            Told::Unknown => Stage::Unknown,
        };
        told
    }

    /// The stage before; it becomes another one where one is given.
    fn stage(&self, to: Option<Stage>) -> Stage {
        let mut known = self.world.written.lock().unwrap();
        let stage = known.stages.entry(self.machine).or_insert(Stage::Nothing);
        let before = *stage;
        *stage = to.unwrap_or(before);
        before
    }

    async fn transaction(&self, statements: &[String]) -> Told {
        self.session.hold_tables();
        let done = self.try_transaction(statements).await;
        self.session.let_tables_go();
        let tally = &self.world.weather.tally;
        let told = match &done {
            Ok(()) => Told::Done,
            Err(error) if error.kind == QueryErrorKind::State("08007") => Told::Unknown,
            Err(_) => Told::Refused,
        };
        match told {
            Told::Done => tally.sql_done.add(),
            Told::Refused => tally.sql_refused.add(),
            Told::Unknown => tally.sql_unknown.add(),
        }
        let machine = self.machine;
        let line = format!("writer-{machine}: {statements:?} {told:?} {done:?}");
        self.world.history.note(line);
        told
    }

    async fn try_transaction(&self, statements: &[String]) -> Result<(), QueryError> {
        for text in statements {
            let Some(Statement::Sql(statement)) = parse(text)?.pop() else {
                panic!("{text} is plain SQL");
            };
            if let Err(error) = self.session.write(&statement, &[], text).await {
                self.session.discard_writes().await;
                return Err(error);
            }
        }
        self.session.commit_writes().await
    }
}

/// What is wrong with what a reader sees of the sessions' tables now.
pub async fn judge(world: &World) -> Vec<String> {
    if !world.shape.writers {
        return Vec::new();
    }
    let mut names = vec![name("play.one"), name("play.two")];
    for machine in 0..MACHINES {
        names.extend([made(machine), renamed(machine)]);
    }
    let (facts, stages) = {
        let known = world.written.lock().unwrap();
        (known.rows.clone(), known.stages.clone())
    };
    // Of the same moment: nothing waits in between.
    let lake = world.clear_lake();
    let pointers = lake.catalog.load_all(&names).await.expect("no faults here");
    let mut tables = Vec::new();
    for (name, pointer) in names.iter().zip(pointers) {
        tables.push(match pointer {
            Some(pointer) => {
                let table = Table::read(&lake.store, name, &pointer.metadata_location).await;
                let table = table.expect("what is current can be read");
                Some(ids(world, &table).await)
            }
            None => None,
        });
    }
    let mut wrong = rows_wrong(&facts, &tables[0], &tables[1]);
    for machine in 0..MACHINES {
        let stage = stages.get(&machine).copied().unwrap_or(Stage::Nothing);
        let (made, renamed) = (&tables[2 + 2 * machine], &tables[3 + 2 * machine]);
        wrong.extend(names_wrong(machine, stage, made, renamed));
    }
    wrong
}

type Ids = Option<Vec<i64>>;

fn rows_wrong(facts: &BTreeMap<i64, Fact>, one: &Ids, two: &Ids) -> Vec<String> {
    let mut wrong = Vec::new();
    if one != two {
        wrong.push(format!("half a transaction: {one:?} and {two:?}"));
    }
    let rows = one.clone().unwrap_or_default();
    let found: BTreeSet<i64> = rows.iter().copied().collect();
    if found.len() < rows.len() {
        wrong.push(format!("an SQL row is there twice: {rows:?}"));
    }
    for (id, fact) in facts {
        match (fact, found.contains(id)) {
            (Fact::There, false) => {
                wrong.push(format!("SQL row {id} was confirmed and is missing"))
            }
            (Fact::Gone, true) => wrong.push(format!("SQL row {id} is there and shouldn't be")),
            _ => {}
        }
    }
    let unheard = found.iter().filter(|id| !facts.contains_key(id));
    wrong.extend(unheard.map(|id| format!("SQL row {id} was never written")));
    wrong
}

fn names_wrong(machine: usize, stage: Stage, made: &Ids, renamed: &Ids) -> Option<String> {
    let as_told = match stage {
        Stage::Nothing => made.is_none() && renamed.is_none(),
        Stage::Made => made.is_some() && renamed.is_none(),
        Stage::Renamed => made.is_none() && renamed.is_some(),
        Stage::Unknown => made.is_none() || renamed.is_none(),
    };
    let whole = [made, renamed].into_iter().flatten();
    let whole = whole.map(Vec::len).all(|rows| rows == ROWS_OF_MADE);
    (!as_told || !whole).then(|| {
        format!("the tables of writer {machine} are {made:?} and {renamed:?}, it knows {stage:?}")
    })
}

/// The ids of a table's rows, in order.
async fn ids(world: &World, table: &Table) -> Vec<i64> {
    let mut all = Vec::new();
    for file in rows::live_files(table).await {
        let path = file.file_path();
        let cached = world.written.lock().unwrap().files.get(path).cloned();
        let ids = match cached {
            Some(ids) => ids,
            None => {
                let mut ids = Vec::new();
                for batch in rows::read(table, path).await {
                    let column = batch.column_by_name("id").expect("an id").clone();
                    ids.extend(column.as_primitive::<Int64Type>().values());
                }
                let (path, ids) = (path.to_owned(), Arc::new(ids));
                let mut known = world.written.lock().unwrap();
                known.files.insert(path, ids.clone());
                ids
            }
        };
        all.extend(ids.iter().copied());
    }
    all.sort_unstable();
    all
}
