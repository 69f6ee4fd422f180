//! Runs over a lake in memory: what is published, what is refused, what stands on record.

mod admin;
mod append;
mod faults;
mod leases;
mod publish;
mod schedules;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use iceberg::spec::{
    DataFile, NestedField, PrimitiveType, Schema, SortOrder, Type, UnboundPartitionSpec,
};
use tokio_util::sync::CancellationToken;

use super::runner::RunEnd;
use super::*;
use crate::domain::TableName;
use crate::lake::Lake;
use crate::lake::commit::{Commit, FileChange, NewTable, TableChange};
use crate::lake::control::RunRecord;
use crate::lake::database::MemoryDatabase;
use crate::lake::store::Store;
use crate::lake::writer::TableWriter;
use crate::query::{Access, EngineOptions, QueryError, SessionOptions};
use crate::seams::{ManualClock, SeededEntropy, SystemClock};

/// A lake, and the clock by which its leases run out.
struct World {
    lake: Lake,
    engine: Arc<Engine>,
    lease_clock: Arc<ManualClock>,
}

fn world() -> World {
    let lease_clock = Arc::new(ManualClock::at(1_000_000));
    let database = MemoryDatabase::new(lease_clock.clone());
    let lake = Lake {
        catalog: database.catalog(),
        control: database.control(),
        store: Store::memory(),
        clock: Arc::new(SystemClock::default()),
        entropy: Arc::new(SeededEntropy::new(11)),
        warehouse: "file:///warehouse".to_owned(),
    };
    let options = EngineOptions {
        memory_bytes: 64 << 20,
        threads: 1,
        ..EngineOptions::default()
    };
    World {
        engine: Engine::new(lake.clone(), options).unwrap(),
        lake,
        lease_clock,
    }
}

async fn write_files(table: &crate::lake::Table, rows: &[(i64, &str)]) -> Vec<DataFile> {
    let mut writer = TableWriter::new(table).unwrap();
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
    let kinds: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1)));
    let batch = RecordBatch::try_from_iter([("id", ids), ("kind", kinds)]).unwrap();
    let fitted = shape::fit(&batch, &writer.schema()).unwrap();
    writer.write(fitted).await.unwrap();
    writer.finish().await.unwrap()
}

fn name(text: &str) -> TableName {
    text.parse().unwrap()
}

fn model(statement: &str) -> Model {
    match parse_statement(statement).unwrap() {
        ModelStatement::Create { model, .. } => *model,
        other => panic!("{other:?}"),
    }
}

fn options(holder: &str) -> JobsOptions {
    JobsOptions {
        holder: holder.to_owned(),
        concurrency: 2,
        timeout: Duration::from_secs(60),
        attempts: 2,
        backoff: Duration::from_millis(1),
        lease_ttl: Duration::from_secs(30),
        keep_runs: 100,
    }
}

impl World {
    fn jobs(&self, models: &[&str]) -> Arc<Jobs> {
        let models = models.iter().map(|statement| model(statement)).collect();
        Jobs::new(Arc::clone(&self.engine), models, options("p1"))
    }

    /// Adds rows (id, kind) to a table, which is made when it is missing.
    async fn add(&self, table: &str, rows: &[(i64, &str)]) {
        self.write(table, rows, FileChange::Append).await;
    }

    /// Puts these rows in the place of all others.
    async fn replace(&self, table: &str, rows: &[(i64, &str)]) {
        self.write(table, rows, |add| FileChange::OverwriteAll { add })
            .await;
    }

    async fn write(
        &self,
        table: &str,
        rows: &[(i64, &str)],
        change: impl FnOnce(Vec<DataFile>) -> FileChange,
    ) {
        let name = name(table);
        let field =
            |id, name, kind| Arc::new(NestedField::optional(id, name, Type::Primitive(kind)));
        let fields = [
            field(1, "id", PrimitiveType::Long),
            field(2, "kind", PrimitiveType::String),
        ];
        let new = NewTable {
            schema: Schema::builder().with_fields(fields).build().unwrap(),
            partition: UnboundPartitionSpec::builder().build(),
            sort_order: SortOrder::unsorted_order(),
            properties: Default::default(),
        };
        let (base, create) = match self.lake.table(&name).await {
            Ok(base) => (base, None),
            Err(_) => (self.lake.stage(&name, &new).unwrap(), Some(new)),
        };
        let files = if rows.is_empty() {
            Vec::new()
        } else {
            write_files(&base, rows).await
        };
        let mut change = TableChange::new(name, change(files));
        change.create = create;
        let commit = Commit {
            id: self.lake.entropy.uuid(),
            changes: vec![change],
            guards: Vec::new(),
        };
        self.lake.commit(&commit).await.unwrap();
    }

    /// Rows of a query as text, sorted.
    async fn rows(&self, query: &str) -> Result<Vec<String>, QueryError> {
        let session = self.engine.session(SessionOptions {
            user: "ann".to_owned(),
            access: Access::Read,
            application: None,
        })?;
        let mut stream = session.sql(query).await?;
        let mut rows = Vec::new();
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let format = FormatOptions::default().with_null("-");
            let columns: Vec<ArrayFormatter<'_>> = batch
                .columns()
                .iter()
                .map(|column| ArrayFormatter::try_new(column, &format).unwrap())
                .collect();
            for row in 0..batch.num_rows() {
                let cells: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
                rows.push(cells.join(" "));
            }
        }
        rows.sort();
        Ok(rows)
    }

    async fn snapshot(&self, table: &str) -> Option<i64> {
        let table = self.lake.table(&name(table)).await.unwrap();
        table.metadata().current_snapshot_id()
    }

    async fn runs(&self, model: &str) -> Vec<RunRecord> {
        self.lake.control.runs(Some(model), 1_000).await.unwrap()
    }
}

impl Jobs {
    /// One run by hand that must come to its end.
    async fn once(&self, name: &str) -> RunRecord {
        let models = self.models().await.unwrap();
        let model = models
            .iter()
            .find(|model| model.name.to_string() == name)
            .unwrap();
        match self
            .run_model(model, None, &CancellationToken::new())
            .await
            .unwrap()
        {
            RunEnd::Ran(record, _) => *record,
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// Waits until something holds; 20 s is for ever here.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..2_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not come");
}
