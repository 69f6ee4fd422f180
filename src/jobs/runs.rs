//! Runs on record: begun, ended, found abandoned.

use super::state::run_of;
use crate::domain::TableName;
use crate::lake::control::{RunRecord, RunState};
use crate::lake::{ErrorKind, Lake, Result};

/// Runs looked at to find a model's last tick and those that never ended.
pub(super) const RUNS_LOOKED_AT: usize = 200;

/// Abandoned runs of one tick after which the tick counts as run: what kills its process every
/// time must not do so for ever.
const MOST_ABANDONED: usize = 3;

/// The newest tick that counts as run, from a model's newest runs. One that runs now counts too:
/// who asks holds no lease. An abandoned one doesn't, until it was abandoned too often.
pub(super) fn last_tick(runs: &[RunRecord]) -> Option<i64> {
    let counts = |run: &&RunRecord| match run.state {
        RunState::Succeeded | RunState::Failed => true,
        RunState::Running => false,
        RunState::Abandoned => {
            let same = |other: &&RunRecord| {
                other.scheduled_at_ms == run.scheduled_at_ms && other.state == RunState::Abandoned
            };
            runs.iter().filter(same).count() >= MOST_ABANDONED
        }
    };
    runs.iter()
        .filter(counts)
        .filter_map(|run| run.scheduled_at_ms)
        .max()
}

/// Ends what earlier holders of the lease left running. Only the holder of the lease may ask.
/// A run whose snapshot is in the table was published, whatever its process could still say.
pub(super) async fn settle(lake: &Lake, model: &TableName) -> Result<()> {
    let runs = lake
        .control
        .runs(Some(&model.to_string()), RUNS_LOOKED_AT)
        .await?;
    let mut left: Vec<RunRecord> = runs
        .into_iter()
        .filter(|run| run.state == RunState::Running)
        .collect();
    if left.is_empty() {
        return Ok(());
    }
    let table = match lake.table(model).await {
        Ok(table) => Some(table),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    for run in &mut left {
        let published = table.as_ref().and_then(|table| {
            let mut snapshots = table.metadata().snapshots();
            snapshots.find(|snapshot| run_of(snapshot) == Some(run.run_id.as_str()))
        });
        run.ended_at_ms = Some(lake.clock.now_ms());
        match published {
            Some(snapshot) => {
                run.state = RunState::Succeeded;
                run.target_snapshot = Some(snapshot.snapshot_id());
            }
            None => {
                run.state = RunState::Abandoned;
                run.error =
                    Some("its process ended or was displaced before it published".to_owned());
            }
        }
        lake.control.put_run(run).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(state: RunState, scheduled_at_ms: Option<i64>) -> RunRecord {
        RunRecord {
            run_id: "r".into(),
            model: "a.m".into(),
            state,
            scheduled_at_ms,
            started_at_ms: 0,
            ended_at_ms: None,
            source_snapshots: "{}".into(),
            target_snapshot: None,
            rows: None,
            error: None,
            holder: "h".into(),
        }
    }

    #[test]
    fn a_tick_counts_once_its_run_has_ended() {
        assert_eq!(last_tick(&[]), None);
        assert_eq!(
            last_tick(&[run(RunState::Succeeded, None)]),
            None,
            "a REFRESH is no tick"
        );
        let runs = [
            run(RunState::Running, Some(9)),
            run(RunState::Failed, Some(5)),
        ];
        assert_eq!(last_tick(&runs), Some(5));
        let mut runs = vec![run(RunState::Abandoned, Some(9)); 2];
        assert_eq!(last_tick(&runs), None, "it is run again after a crash");
        runs.push(run(RunState::Abandoned, Some(9)));
        assert_eq!(last_tick(&runs), Some(9), "but not for ever");
    }
}
