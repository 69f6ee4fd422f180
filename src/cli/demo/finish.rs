//! `--exit`: waits until all that was produced is committed and each model ran on it.

use std::time::Duration;

use anyhow::{anyhow, bail};

use super::progress::Progress;
use super::trouble::Trouble;
use super::watch::{Seen, Watch};
use crate::declare::graph;
use crate::declare::model::ModelStatement;
use crate::runtime::Shared;

/// The last line of `demo --exit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub events: u64,
    pub committed: u64,
    pub dead_letters: u64,
    pub snapshots: usize,
    pub runs: usize,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "events={} committed={} dead_letters={} snapshots={} runs={}",
            self.events, self.committed, self.dead_letters, self.snapshots, self.runs
        )
    }
}

/// Without any progress for so long, the wait is given up.
const PATIENCE: Duration = Duration::from_secs(180);

const BEAT: Duration = Duration::from_millis(300);

pub(super) struct Finish {
    pub shared: Shared,
    pub watch: Watch,
    pub progress: Progress,
    /// Records that the topic must hold.
    pub wanted: u64,
}

impl Finish {
    pub(super) async fn wait(mut self) -> anyhow::Result<Summary> {
        self.wait_for_commits().await?;
        self.run_models().await?;
        let seen = self.watch.look().await?;
        let (committed, dead_letters) = self.watch.count().await?;
        let summary = Summary {
            events: seen.events,
            committed,
            dead_letters,
            snapshots: seen.snapshots,
            runs: self.watch.succeeded_runs().await?,
        };
        if committed + dead_letters != seen.events {
            bail!(
                "the tables don't hold each record once: {summary}; this is a defect, please \
                 keep the folder and report it"
            );
        }
        Ok(summary)
    }

    async fn wait_for_commits(&mut self) -> anyhow::Result<()> {
        let clock = self.shared.lake.clock.clone();
        let mut last = Seen::default();
        let mut trouble = Trouble::default();
        let mut last_change = clock.elapsed();
        loop {
            let seen = self.watch.look().await?;
            self.progress.show(clock.elapsed(), seen);
            if seen.is_known && seen.events >= self.wanted && seen.lag() == 0 {
                return Ok(());
            }
            if (seen.events, seen.committed) != (last.events, last.committed) {
                last = seen;
                last_change = clock.elapsed();
            }
            trouble.look(&self.watch).await;
            if clock.elapsed().saturating_sub(last_change) > PATIENCE {
                let why = self.watch.trouble().await.unwrap_or_default();
                bail!(
                    "nothing was committed for {} s, {} of {} records are missing; {why} \
                     (frazil.log says more)",
                    PATIENCE.as_secs(),
                    self.wanted.max(seen.events) - seen.committed,
                    self.wanted.max(seen.events)
                );
            }
            clock.sleep(BEAT).await;
        }
    }

    /// Refreshes models that haven't read the last snapshot yet, sources first; a schedule that is
    /// quicker is as good.
    async fn run_models(&mut self) -> anyhow::Result<()> {
        let admin = self.shared.engine.model_admin();
        let admin = admin.ok_or_else(|| anyhow!("nobody runs models in this process"))?;
        let clock = self.shared.lake.clock.clone();
        let mut last = usize::MAX;
        let mut last_change = clock.elapsed();
        loop {
            let stale = self.watch.stale_models().await?;
            let seen = self.watch.look().await?;
            self.progress.show(clock.elapsed(), seen);
            if stale.is_empty() {
                return Ok(());
            }
            if stale.len() != last {
                last = stale.len();
                last_change = clock.elapsed();
            }
            let order = graph::order(&stale)
                .map_err(|circle| anyhow!("the models read each other in a circle: {circle:?}"))?;
            let model = &stale[order[0]];
            let refresh = ModelStatement::Refresh {
                name: model.name.clone(),
            };
            if let Err(error) = admin.execute("demo", &refresh).await {
                tracing::warn!(model = %model.name, %error, "refresh");
                if clock.elapsed().saturating_sub(last_change) > PATIENCE {
                    let why = self.watch.last_error(model).await;
                    bail!(
                        "no model became ready for {} s: {}",
                        PATIENCE.as_secs(),
                        why.unwrap_or_else(|| format!("{}: {error}", model.name))
                    );
                }
                clock.sleep(BEAT).await;
            }
        }
    }
}
