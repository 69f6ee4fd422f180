//! Looks at the demo from outside, as anybody could: tables, ledger and runs.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::producer::Figures;
use crate::declare::model::Model;
use crate::domain::TableName;
use crate::lake::control::{RunRecord, RunState};
use crate::lake::{ErrorKind, Table};
use crate::runtime::Shared;

/// What was seen at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Records in the topic.
    pub events: u64,
    /// Records whose rows or dead letters are visible: what the ledger says.
    pub committed: u64,
    /// Whether `events` is the topic's own word: while the producer still asks for the topic's
    /// ends, what was committed before is all that is known.
    pub is_known: bool,
    /// Snapshots of the event table that are kept.
    pub snapshots: usize,
    /// Runs of models that succeeded, of those that are remembered.
    pub runs: usize,
}

impl Seen {
    pub(super) fn lag(&self) -> u64 {
        self.events.saturating_sub(self.committed)
    }
}

/// Runs looked at, at most.
const RUNS: usize = 10_000;
const RUNS_BEAT: Duration = Duration::from_secs(3);

#[derive(Clone)]
pub(super) struct Watch {
    shared: Shared,
    figures: Arc<Figures>,
    /// When runs were counted last, and how many there were.
    runs: Arc<Mutex<Option<(Duration, usize)>>>,
}

impl Watch {
    pub(super) fn new(shared: Shared, figures: Arc<Figures>) -> Self {
        Self {
            shared,
            figures,
            runs: Arc::default(),
        }
    }

    /// Looks, and tells the producer how far the sink is.
    pub(super) async fn look(&self) -> anyhow::Result<Seen> {
        let mut seen = Seen::default();
        for stream in &self.shared.declared.streams {
            if let Some(table) = self.table(&stream.table).await? {
                let positions = table.ledger()?;
                let next = positions.entries().map(|entry| entry.position.next);
                seen.committed += next
                    .map(|next| u64::try_from(next).unwrap_or(0))
                    .sum::<u64>();
                seen.snapshots += table.metadata().snapshots().len();
            }
        }
        self.figures
            .committed
            .store(seen.committed, Ordering::Relaxed);
        seen.runs = self.count_runs().await?;
        // The producer may still be asking the topic for its ends.
        seen.is_known = self.figures.is_known.load(Ordering::Acquire);
        seen.events = self.figures.events().max(seen.committed);
        Ok(seen)
    }

    /// Counted now and then: there may be thousands.
    async fn count_runs(&self) -> anyhow::Result<usize> {
        let now = self.shared.lake.clock.elapsed();
        let last = *self.runs.lock().expect("no holder of this lock panics");
        if let Some((then, count)) = last
            && now.saturating_sub(then) < RUNS_BEAT
        {
            return Ok(count);
        }
        let count = self.succeeded_runs().await?;
        *self.runs.lock().expect("no holder of this lock panics") = Some((now, count));
        Ok(count)
    }

    /// Runs on record that succeeded.
    pub(super) async fn succeeded_runs(&self) -> anyhow::Result<usize> {
        Ok(self.runs().await?.iter().filter(|run| is_done(run)).count())
    }

    async fn table(&self, name: &TableName) -> anyhow::Result<Option<Table>> {
        match self.shared.lake.table(name).await {
            Ok(table) => Ok(Some(table)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{name} can't be read")),
        }
    }

    async fn runs(&self) -> anyhow::Result<Vec<RunRecord>> {
        let runs = self.shared.lake.control.runs(None, RUNS).await;
        runs.context("the runs can't be read")
    }

    /// Models none of whose runs read what their sources hold now.
    pub(super) async fn stale_models(&self) -> anyhow::Result<Vec<Model>> {
        let runs = self.runs().await?;
        let mut current: BTreeMap<TableName, Option<i64>> = BTreeMap::new();
        for source in self.shared.declared.models.iter().flat_map(|m| &m.sources) {
            if !current.contains_key(source) {
                let table = self.table(source).await?;
                let snapshot = table.and_then(|t| t.metadata().current_snapshot_id());
                current.insert(source.clone(), snapshot);
            }
        }
        let models = self.shared.declared.models.iter();
        Ok(models
            .filter(|model| !runs.iter().any(|run| has_read(run, model, &current)))
            .cloned()
            .collect())
    }

    /// Why the last run of a model failed, if it did.
    pub(super) async fn last_error(&self, model: &Model) -> Option<String> {
        let name = model.name.to_string();
        let runs = self.shared.lake.control.runs(Some(&name), 1).await.ok()?;
        let run = runs.into_iter().next()?;
        run.error.map(|error| format!("{name}: {error}"))
    }

    /// What the streams say of themselves, when something is wrong with one.
    pub(super) async fn trouble(&self) -> Option<String> {
        let lines = self.shared.lake.control.stream_status().await.ok()?;
        lines
            .into_iter()
            .filter(|line| line.holder == self.shared.holder)
            .find_map(|line| Some(format!("stream {}: {}", line.stream, line.message?)))
    }

    /// Rows of the event tables and of the dead letters, counted by a query.
    pub(super) async fn count(&self) -> anyhow::Result<(u64, u64)> {
        let (mut events, mut dead_letters) = (0, 0);
        for stream in &self.shared.declared.streams {
            events += self.count_rows(&stream.table).await?;
            dead_letters += self.count_rows(&stream.dead_letters).await?;
        }
        Ok((events, dead_letters))
    }

    async fn count_rows(&self, table: &TableName) -> anyhow::Result<u64> {
        use crate::query::statement::{Statement, parse};
        use crate::query::{Access, SessionOptions};
        if self.table(table).await?.is_none() {
            return Ok(0);
        }
        let session = self.shared.engine.session(SessionOptions {
            user: "demo".to_owned(),
            access: Access::Read,
            application: None,
        })?;
        let text = format!("SELECT count(*) FROM {table}");
        let Some(Statement::Sql(statement)) = parse(&text)?.pop() else {
            return Err(anyhow!("{text:?} is no statement"));
        };
        let mut rows = session
            .execute(session.plan(&statement).await?, &text)
            .await?;
        let batch = rows.next().await.ok_or_else(|| anyhow!("no row"))??;
        let counts = batch
            .column(0)
            .as_any()
            .downcast_ref::<arrow::array::Int64Array>();
        let count = counts
            .ok_or_else(|| anyhow!("a count is a bigint"))?
            .value(0);
        Ok(u64::try_from(count)?)
    }
}

fn is_done(run: &RunRecord) -> bool {
    run.state == RunState::Succeeded
}

fn has_read(run: &RunRecord, model: &Model, current: &BTreeMap<TableName, Option<i64>>) -> bool {
    if !is_done(run) || run.model != model.name.to_string() {
        return false;
    }
    let Ok(read) = serde_json::from_str::<serde_json::Value>(&run.source_snapshots) else {
        return false;
    };
    model.sources.iter().all(|source| {
        let snapshot = &read[source.to_string()];
        current.get(source).copied().flatten() == snapshot.as_i64()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_counts_only_when_it_read_what_is_there_now() {
        let text = "CREATE MATERIALIZED VIEW curated.m WITH (schedule = '* * * * *', \
                    kind = 'full') AS SELECT count(*) AS n FROM shop.events";
        let model = crate::declare::parse_model("m.sql".as_ref(), text).unwrap();
        let source: TableName = "shop.events".parse().unwrap();
        let run = |state, read: &str| RunRecord {
            run_id: "r".into(),
            model: "curated.m".into(),
            state,
            scheduled_at_ms: None,
            started_at_ms: 0,
            ended_at_ms: None,
            source_snapshots: read.into(),
            target_snapshot: None,
            rows: None,
            error: None,
            holder: "h".into(),
        };
        let now = BTreeMap::from([(source, Some(7))]);
        let read = |state, read: &str| has_read(&run(state, read), &model, &now);
        assert!(read(RunState::Succeeded, r#"{"shop.events":7}"#));
        assert!(!read(RunState::Succeeded, r#"{"shop.events":6}"#));
        assert!(!read(RunState::Succeeded, "{}"));
        assert!(!read(RunState::Failed, r#"{"shop.events":7}"#));
    }
}
