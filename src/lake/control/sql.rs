//! The control store in SQLite or Postgres.

use std::sync::Arc;

use async_trait::async_trait;

use super::lease::LeaseState;
use super::{Control, FilledTable, Lease, RunRecord, RunState, StoredModel, StreamStatus};
use crate::lake::Result;
use crate::lake::database::connection::{Arg, Row, Transaction};
use crate::lake::database::error::SqlError;
use crate::lake::database::{Dialect, SqlDatabase};

type SqlResult<T> = std::result::Result<T, SqlError>;

/// The control side of a [`SqlDatabase`].
#[derive(Clone, Debug)]
pub struct SqlControl {
    database: Arc<SqlDatabase>,
}

const RUN_COLUMNS: &str = "run_id, model, state, scheduled_at_ms, started_at_ms, ended_at_ms, \
                           source_snapshots, target_snapshot, row_count, error, holder";

impl SqlControl {
    pub fn new(database: Arc<SqlDatabase>) -> Self {
        Self { database }
    }

    fn at<T>(&self, result: SqlResult<T>, doing: &str) -> Result<T> {
        result.map_err(|error| error.at(self.database.name(), doing))
    }

    async fn try_acquire(&self, name: &str, holder: &str, ttl_ms: i64) -> SqlResult<Option<Lease>> {
        let mut transaction = self.database.begin().await?;
        let granted = grant(&mut transaction, &self.database, name, holder, ttl_ms).await;
        finish(transaction, granted).await
    }

    async fn try_renew(&self, lease: &Lease, ttl_ms: i64) -> SqlResult<bool> {
        let mut transaction = self.database.begin().await?;
        let renewed = extend(&mut transaction, &self.database, lease, ttl_ms).await;
        finish(transaction, renewed).await
    }

    async fn try_put_stream_status(&self, lines: &[&StreamStatus]) -> SqlResult<()> {
        let mut transaction = self.database.begin().await?;
        let mut put = Ok(());
        for line in lines {
            put = put_status(&mut transaction, line).await;
            if put.is_err() {
                break;
            }
        }
        finish(transaction, put).await
    }

    async fn try_runs(&self, model: Option<&str>, limit: usize) -> SqlResult<Vec<RunRecord>> {
        let filter = if model.is_some() {
            "WHERE model = $2"
        } else {
            ""
        };
        let sql = format!(
            "SELECT {RUN_COLUMNS} FROM frazil_runs {filter} \
             ORDER BY started_at_ms DESC, run_id DESC LIMIT $1"
        );
        let mut args = vec![Arg::Int(i64::try_from(limit).unwrap_or(i64::MAX))];
        args.extend(model.map(Arg::Text));
        let rows = self.database.query(&sql, &args).await?;
        rows.iter().map(read_run).collect()
    }
}

/// Commits what went well, rolls back what did not. None of these outcomes needs I5: each call
/// may be made again.
async fn finish<T>(transaction: Transaction, result: SqlResult<T>) -> SqlResult<T> {
    match result {
        Ok(value) => transaction.commit().await.map(|()| value),
        Err(error) => {
            transaction.rollback().await;
            Err(error)
        }
    }
}

#[async_trait]
impl Control for SqlControl {
    async fn acquire(&self, name: &str, holder: &str, ttl_ms: i64) -> Result<Option<Lease>> {
        super::check_lease_request(name, holder, ttl_ms)?;
        let granted = self.try_acquire(name, holder, ttl_ms).await;
        self.at(granted, &format!("acquiring the lease {name}"))
    }

    async fn renew(&self, lease: &Lease, ttl_ms: i64) -> Result<bool> {
        super::check_lease_request(&lease.name, &lease.holder, ttl_ms)?;
        let renewed = self.try_renew(lease, ttl_ms).await;
        self.at(renewed, &format!("renewing the lease {}", lease.name))
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        let sql = "UPDATE frazil_leases SET holder = NULL, expires_at_ms = 0 \
                   WHERE name = $1 AND holder = $2 AND generation = $3";
        let args = [
            Arg::Text(&lease.name),
            Arg::Text(&lease.holder),
            Arg::Int(lease.generation),
        ];
        let released = self.database.execute(sql, &args).await.map(|_| ());
        self.at(released, &format!("releasing the lease {}", lease.name))
    }

    async fn put_run(&self, run: &RunRecord) -> Result<()> {
        let sql = format!(
            "INSERT INTO frazil_runs ({RUN_COLUMNS}) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT (run_id) DO UPDATE SET model = excluded.model, state = excluded.state, \
             scheduled_at_ms = excluded.scheduled_at_ms, started_at_ms = excluded.started_at_ms, \
             ended_at_ms = excluded.ended_at_ms, source_snapshots = excluded.source_snapshots, \
             target_snapshot = excluded.target_snapshot, row_count = excluded.row_count, \
             error = excluded.error, holder = excluded.holder"
        );
        let args = [
            Arg::Text(&run.run_id),
            Arg::Text(&run.model),
            Arg::Text(state_name(run.state)),
            Arg::OptInt(run.scheduled_at_ms),
            Arg::Int(run.started_at_ms),
            Arg::OptInt(run.ended_at_ms),
            Arg::Text(&run.source_snapshots),
            Arg::OptInt(run.target_snapshot),
            Arg::OptInt(run.rows),
            Arg::OptText(run.error.as_deref()),
            Arg::Text(&run.holder),
        ];
        let put = self.database.execute(&sql, &args).await.map(|_| ());
        self.at(
            put,
            &format!("recording the run {} of {}", run.run_id, run.model),
        )
    }

    async fn runs(&self, model: Option<&str>, limit: usize) -> Result<Vec<RunRecord>> {
        let runs = self.try_runs(model, limit).await;
        self.at(runs, "reading runs")
    }

    async fn prune_runs(&self, keep: usize) -> Result<()> {
        let sql = "DELETE FROM frazil_runs WHERE run_id IN (SELECT run_id FROM (\
                   SELECT run_id, row_number() OVER (PARTITION BY model \
                   ORDER BY started_at_ms DESC, run_id DESC) AS place \
                   FROM frazil_runs WHERE state <> 'running') AS ended WHERE place > $1)";
        let args = [Arg::Int(i64::try_from(keep).unwrap_or(i64::MAX))];
        let pruned = self.database.execute(sql, &args).await.map(|_| ());
        self.at(pruned, "forgetting old runs")
    }

    async fn put_model(&self, model: &StoredModel) -> Result<()> {
        let sql = "INSERT INTO frazil_models (name, statement, owner, changed_at_ms) \
                   VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO UPDATE SET \
                   statement = excluded.statement, owner = excluded.owner, \
                   changed_at_ms = excluded.changed_at_ms";
        let args = [
            Arg::Text(&model.name),
            Arg::Text(&model.statement),
            Arg::Text(&model.owner),
            Arg::Int(model.changed_at_ms),
        ];
        let put = self.database.execute(sql, &args).await.map(|_| ());
        self.at(put, &format!("storing the model {}", model.name))
    }

    async fn drop_model(&self, name: &str) -> Result<bool> {
        let sql = "DELETE FROM frazil_models WHERE name = $1";
        let dropped = self.database.execute(sql, &[Arg::Text(name)]).await;
        self.at(dropped, &format!("dropping the model {name}"))
            .map(|rows| rows == 1)
    }

    async fn models(&self) -> Result<Vec<StoredModel>> {
        let sql = "SELECT name, statement, owner, changed_at_ms FROM frazil_models ORDER BY name";
        let read = async {
            let rows = self.database.query(sql, &[]).await?;
            rows.iter().map(read_model).collect()
        };
        self.at(read.await, "reading models")
    }

    async fn put_stream_status(&self, status: &[StreamStatus]) -> Result<()> {
        if status.is_empty() {
            return Ok(());
        }
        // In one order, so that two writers never wait for each other's rows.
        let mut lines: Vec<&StreamStatus> = status.iter().collect();
        lines.sort_by_key(|line| (&line.stream, &line.topic_id, line.partition));
        let put = self.try_put_stream_status(&lines).await;
        self.at(put, "recording where streams stand")
    }

    async fn stream_status(&self) -> Result<Vec<StreamStatus>> {
        let sql = "SELECT stream, topic, topic_id, partition_number, committed_offset, \
                   low_watermark, high_watermark, holder, state, message, seen_at_ms \
                   FROM frazil_stream_status ORDER BY stream, topic_id, partition_number";
        let read = async {
            let rows = self.database.query(sql, &[]).await?;
            rows.iter().map(read_status).collect()
        };
        self.at(read.await, "reading where streams stand")
    }

    async fn put_filled_table(&self, filled: &FilledTable) -> Result<()> {
        let sql = "INSERT INTO frazil_filled_tables (table_name, table_uuid, stream, since_ms) \
                   VALUES ($1, $2, $3, $4) ON CONFLICT (table_name) DO UPDATE SET \
                   table_uuid = excluded.table_uuid, stream = excluded.stream, \
                   since_ms = excluded.since_ms";
        let args = [
            Arg::Text(&filled.table),
            Arg::Text(&filled.uuid),
            Arg::Text(&filled.stream),
            Arg::Int(filled.since_ms),
        ];
        let put = self.database.execute(sql, &args).await.map(|_| ());
        self.at(put, &format!("recording who fills {}", filled.table))
    }

    async fn filled_table(&self, table: &str) -> Result<Option<FilledTable>> {
        let sql = "SELECT table_name, table_uuid, stream, since_ms \
                   FROM frazil_filled_tables WHERE table_name = $1";
        let read = async {
            let rows = self.database.query(sql, &[Arg::Text(table)]).await?;
            rows.first().map(read_filled).transpose()
        };
        self.at(read.await, &format!("reading who fills {table}"))
    }

    async fn forget_filled_table(&self, table: &str) -> Result<()> {
        let sql = "DELETE FROM frazil_filled_tables WHERE table_name = $1";
        let forgotten = self.database.execute(sql, &[Arg::Text(table)]).await;
        let what = format!("forgetting who fills {table}");
        self.at(forgotten.map(|_| ()), &what)
    }
}

/// Whether the lease is still held as it was granted. The row stays locked until the transaction
/// ends: whoever wants to displace the holder waits for it, and swaps under one lease don't wait
/// for each other.
pub(crate) async fn holds(
    transaction: &mut Transaction,
    dialect: Dialect,
    lease: &Lease,
) -> SqlResult<bool> {
    let lock = match dialect {
        Dialect::Sqlite => "",
        Dialect::Postgres => " FOR SHARE",
    };
    Ok(read_lease(transaction, &lease.name, lock)
        .await?
        .is_some_and(|row| row.is_held_as(lease)))
}

/// Reads the row and keeps it from others until the transaction ends (SQLite's has the whole file).
async fn lock_lease(
    transaction: &mut Transaction,
    dialect: Dialect,
    name: &str,
) -> SqlResult<Option<LeaseState>> {
    let lock = match dialect {
        Dialect::Sqlite => "",
        Dialect::Postgres => " FOR UPDATE",
    };
    read_lease(transaction, name, lock).await
}

async fn read_lease(
    transaction: &mut Transaction,
    name: &str,
    lock: &str,
) -> SqlResult<Option<LeaseState>> {
    let sql = format!(
        "SELECT holder, generation, expires_at_ms FROM frazil_leases WHERE name = $1{lock}"
    );
    let rows = transaction.query(&sql, &[Arg::Text(name)]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    Ok(Some(LeaseState {
        holder: row.opt_text(0)?,
        generation: row.int(1)?,
        expires_at_ms: row.int(2)?,
    }))
}

async fn grant(
    transaction: &mut Transaction,
    database: &SqlDatabase,
    name: &str,
    holder: &str,
    ttl_ms: i64,
) -> SqlResult<Option<Lease>> {
    // A row to lock: of two who ask for a new lease at once, one waits for the other.
    let sql = "INSERT INTO frazil_leases (name, holder, generation, expires_at_ms) \
               VALUES ($1, NULL, 0, 0) ON CONFLICT DO NOTHING";
    transaction.execute(sql, &[Arg::Text(name)]).await?;
    let state = lock_lease(transaction, database.dialect(), name)
        .await?
        .unwrap_or_default();
    // Asked for after the lock, whose wait may have been long.
    let now_ms = database.now_ms(transaction).await?;
    let Some(lease) = state.grant(name, holder, now_ms, ttl_ms) else {
        return Ok(None);
    };
    let sql = "UPDATE frazil_leases SET holder = $2, generation = $3, expires_at_ms = $4 \
               WHERE name = $1";
    let args = [
        Arg::Text(name),
        Arg::Text(holder),
        Arg::Int(lease.generation),
        Arg::Int(lease.expires_at_ms),
    ];
    transaction.execute(sql, &args).await?;
    Ok(Some(lease))
}

async fn extend(
    transaction: &mut Transaction,
    database: &SqlDatabase,
    lease: &Lease,
    ttl_ms: i64,
) -> SqlResult<bool> {
    let state = lock_lease(transaction, database.dialect(), &lease.name).await?;
    if !state.is_some_and(|row| row.is_held_as(lease)) {
        return Ok(false);
    }
    let expires_at_ms = database.now_ms(transaction).await?.saturating_add(ttl_ms);
    let sql = "UPDATE frazil_leases SET expires_at_ms = $2 WHERE name = $1";
    let args = [Arg::Text(&lease.name), Arg::Int(expires_at_ms)];
    transaction.execute(sql, &args).await?;
    Ok(true)
}

async fn put_status(transaction: &mut Transaction, line: &StreamStatus) -> SqlResult<()> {
    let sql = "INSERT INTO frazil_stream_status (stream, topic, topic_id, partition_number, \
               committed_offset, low_watermark, high_watermark, holder, state, message, \
               seen_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
               ON CONFLICT (stream, topic_id, partition_number) DO UPDATE SET \
               topic = excluded.topic, committed_offset = excluded.committed_offset, \
               low_watermark = excluded.low_watermark, high_watermark = excluded.high_watermark, \
               holder = excluded.holder, state = excluded.state, message = excluded.message, \
               seen_at_ms = excluded.seen_at_ms";
    let args = [
        Arg::Text(&line.stream),
        Arg::Text(&line.topic),
        Arg::Text(&line.topic_id),
        Arg::Int(i64::from(line.partition)),
        Arg::Int(line.committed_offset),
        Arg::Int(line.low_watermark),
        Arg::Int(line.high_watermark),
        Arg::Text(&line.holder),
        Arg::Text(&line.state),
        Arg::OptText(line.message.as_deref()),
        Arg::Int(line.seen_at_ms),
    ];
    transaction.execute(sql, &args).await.map(|_| ())
}

/// As stored: renaming one breaks every database.
fn state_name(state: RunState) -> &'static str {
    match state {
        RunState::Running => "running",
        RunState::Succeeded => "succeeded",
        RunState::Failed => "failed",
        RunState::Abandoned => "abandoned",
    }
}

fn read_state(name: &str) -> SqlResult<RunState> {
    [
        RunState::Running,
        RunState::Succeeded,
        RunState::Failed,
        RunState::Abandoned,
    ]
    .into_iter()
    .find(|state| state_name(*state) == name)
    .ok_or_else(|| SqlError::Corrupt(format!("{name:?} is no state of a run")))
}

fn read_run(row: &Row) -> SqlResult<RunRecord> {
    Ok(RunRecord {
        run_id: row.text(0)?,
        model: row.text(1)?,
        state: read_state(&row.text(2)?)?,
        scheduled_at_ms: row.opt_int(3)?,
        started_at_ms: row.int(4)?,
        ended_at_ms: row.opt_int(5)?,
        source_snapshots: row.text(6)?,
        target_snapshot: row.opt_int(7)?,
        rows: row.opt_int(8)?,
        error: row.opt_text(9)?,
        holder: row.text(10)?,
    })
}

fn read_model(row: &Row) -> SqlResult<StoredModel> {
    Ok(StoredModel {
        name: row.text(0)?,
        statement: row.text(1)?,
        owner: row.text(2)?,
        changed_at_ms: row.int(3)?,
    })
}

fn read_filled(row: &Row) -> SqlResult<FilledTable> {
    Ok(FilledTable {
        table: row.text(0)?,
        uuid: row.text(1)?,
        stream: row.text(2)?,
        since_ms: row.int(3)?,
    })
}

fn read_status(row: &Row) -> SqlResult<StreamStatus> {
    let partition = row.int(3)?;
    Ok(StreamStatus {
        stream: row.text(0)?,
        topic: row.text(1)?,
        topic_id: row.text(2)?,
        partition: i32::try_from(partition)
            .map_err(|_| SqlError::Corrupt(format!("{partition} is no partition")))?,
        committed_offset: row.int(4)?,
        low_watermark: row.int(5)?,
        high_watermark: row.int(6)?,
        holder: row.text(7)?,
        state: row.text(8)?,
        message: row.opt_text(9)?,
        seen_at_ms: row.int(10)?,
    })
}
