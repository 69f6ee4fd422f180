//! A batch: what was read since the last cut, decoded and being written to data files of both
//! tables. Dropped unfinished, its files are orphans that upkeep removes.

use std::time::Duration;

use iceberg::spec::DataFile;

use crate::declare::stream::Stream;
use crate::lake::writer::TableWriter;
use crate::lake::{Error, ErrorKind, Lake, Result};
use crate::seams::Clock;
use crate::sink::decode::Decoder;
use crate::sink::source::{Chunk, SourceIdentity};
use crate::sink::tables::Tables;

/// Decoded rows are handed to the writers when they take this much memory.
const DECODED_BYTES: usize = 4 << 20;

/// When something began, by both clocks: the monotonic one stands still while the machine sleeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Began {
    elapsed: Duration,
    wall_ms: i64,
}

impl Began {
    pub fn now(clock: &dyn Clock) -> Self {
        Self {
            elapsed: clock.elapsed(),
            wall_ms: clock.now_ms(),
        }
    }

    /// The age by the monotonic clock, for rhythm.
    pub fn age(&self, clock: &dyn Clock) -> Duration {
        clock.elapsed().saturating_sub(self.elapsed)
    }

    /// The age by whichever clock says more, for safety (I9).
    pub fn oldest_age(&self, clock: &dyn Clock) -> Duration {
        let wall_ms = clock.now_ms().saturating_sub(self.wall_ms);
        let wall = Duration::from_millis(u64::try_from(wall_ms).unwrap_or(0));
        self.age(clock).max(wall)
    }
}

/// What a batch holds, in figures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub records: u64,
    pub payload_bytes: u64,
    pub rows: u64,
    pub dead_letters: u64,
}

/// A batch being filled.
pub(crate) struct Batch {
    decoder: Decoder,
    events: TableWriter,
    dead_letters: TableWriter,
    began: Option<Began>,
    figures: Figures,
}

impl Batch {
    pub fn new(lake: &Lake, stream: &Stream, tables: &Tables) -> Result<Self> {
        let writer =
            |table| TableWriter::new(table).map(|writer| writer.with_entropy(lake.entropy.clone()));
        let events = writer(&tables.events)?;
        let dead_letters = writer(&tables.dead_letters)?;
        let decoder = Decoder::new(stream, events.schema(), dead_letters.schema())?;
        Ok(Self {
            decoder,
            events,
            dead_letters,
            began: None,
            figures: Figures::default(),
        })
    }

    pub fn figures(&self) -> Figures {
        self.figures
    }

    /// When its first record came; None while it has none.
    pub fn began(&self) -> Option<Began> {
        self.began
    }

    pub fn memory_bytes(&self) -> usize {
        self.decoder.memory_bytes() + self.events.memory_bytes() + self.dead_letters.memory_bytes()
    }

    /// Takes a chunk; an error leaves the batch unusable.
    pub async fn push(
        &mut self,
        lake: &Lake,
        identity: &SourceIdentity,
        chunk: &Chunk,
    ) -> Result<()> {
        if chunk.records.is_empty() {
            return Ok(());
        }
        self.began
            .get_or_insert_with(|| Began::now(lake.clock.as_ref()));
        self.figures.records += chunk.records.len() as u64;
        self.figures.payload_bytes += chunk.bytes.len() as u64;
        self.decoder.push(identity, chunk, lake.clock.now_ms());
        if self.decoder.memory_bytes() >= DECODED_BYTES {
            self.write_decoded().await?;
        }
        Ok(())
    }

    async fn write_decoded(&mut self) -> Result<()> {
        let decoded = self.decoder.take()?;
        if decoded.events.num_rows() > 0 {
            self.figures.rows += decoded.events.num_rows() as u64;
            self.events.write(decoded.events).await?;
        }
        if decoded.dead_letters.num_rows() > 0 {
            self.figures.dead_letters += decoded.dead_letters.num_rows() as u64;
            self.dead_letters.write(decoded.dead_letters).await?;
        }
        Ok(())
    }

    /// Closes all files, durably. `Internal` when a record became neither row nor dead letter (I6).
    pub async fn finish(mut self) -> Result<Finished> {
        self.write_decoded().await?;
        let Figures {
            records,
            rows,
            dead_letters,
            ..
        } = self.figures;
        if rows + dead_letters != records {
            return Err(Error::new(
                ErrorKind::Internal,
                format!(
                    "{records} records became {rows} rows and {dead_letters} dead letters; nothing of this batch is committed"
                ),
            ));
        }
        Ok(Finished {
            events: self.events.finish().await?,
            dead_letters: self.dead_letters.finish().await?,
            figures: self.figures,
        })
    }
}

/// A batch whose files are complete.
#[derive(Clone, Debug, Default)]
pub(crate) struct Finished {
    pub events: Vec<DataFile>,
    pub dead_letters: Vec<DataFile>,
    pub figures: Figures,
}
