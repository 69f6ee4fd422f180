//! The rows of a SQL cursor: read as they are asked for, and kept where the cursor may go back.
//! What is kept is counted against the memory of all queries, and bounded for each cursor.

use std::collections::VecDeque;

use datafusion::execution::memory_pool::MemoryReservation;

use super::connection::{Connection, Limits};
use super::encode::Style;
use super::rows::{Batch, Form, Rows};
use super::sqlstate::{Result, WireError};
use crate::query::QueryError;

/// What a SCROLL cursor may keep.
const MOST_BYTES: usize = 64 << 20;
/// What a cursor keeps that was not asked to scroll, though its query could be read backward.
const FEW_BYTES: usize = 1 << 20;

/// Which rows are kept once they have been passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Nothing,
    /// All, while they are few.
    Few,
    All,
}

/// Where a FETCH or MOVE goes. None: as far as there are rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Forward(Option<u64>),
    Backward(Option<u64>),
    Absolute(i64),
    /// The row that it stands on.
    Again,
}

impl Direction {
    /// So many rows on or, below zero, back.
    pub fn by(count: i64) -> Self {
        match count {
            0 => Self::Again,
            1.. => Self::Forward(Some(count.unsigned_abs())),
            _ => Self::Backward(Some(count.unsigned_abs())),
        }
    }
}

/// A cursor's rows, and where it stands among them.
pub(super) struct Scroll {
    rows: Rows,
    keep: Keep,
    memory: MemoryReservation,
    /// Batches that are held, the oldest first.
    held: VecDeque<Held>,
    /// Rows that have been read.
    read: u64,
    ended: bool,
    /// 0 before the first row, `read + 1` behind the last.
    at: u64,
}

struct Held {
    /// The number of its first row.
    first: u64,
    batch: Batch,
}

/// Where rows go.
pub(super) struct Target<'a> {
    pub connection: &'a mut Connection,
    pub limits: &'a Limits,
    pub style: Style,
    /// None: a MOVE, which sends nothing.
    pub form: Option<Form>,
}

impl Scroll {
    pub fn new(rows: Rows, keep: Keep, memory: MemoryReservation) -> Self {
        Self {
            rows,
            keep,
            memory,
            held: VecDeque::new(),
            read: 0,
            ended: false,
            at: 0,
        }
    }

    /// Goes there, and sends the rows on the way or, for a place, the row there. How many.
    pub async fn go(&mut self, direction: Direction, to: &mut Target<'_>) -> Result<u64> {
        match direction {
            Direction::Forward(count) => self.forward(count.unwrap_or(u64::MAX), to).await,
            Direction::Backward(count) => {
                self.check_backward()?;
                self.backward(count.unwrap_or(u64::MAX), to).await
            }
            Direction::Again => match self.is_on_row() {
                false => Ok(0),
                true if to.form.is_none() => Ok(1),
                true => {
                    self.check_backward()?;
                    self.send(self.at, to).await?;
                    Ok(1)
                }
            },
            Direction::Absolute(place) => self.place(place, to).await,
        }
    }

    /// Goes so many rows on or back, and sends the last of them.
    pub async fn relative(&mut self, count: i64, to: &mut Target<'_>) -> Result<u64> {
        let form = to.form.take();
        let others = count.unsigned_abs().saturating_sub(1);
        if count > 0 {
            self.forward(others, to).await?;
            to.form = form;
            return self.forward(1, to).await;
        }
        self.check_backward()?;
        self.backward(others, to).await?;
        to.form = form;
        self.backward(1, to).await
    }

    async fn place(&mut self, place: i64, to: &mut Target<'_>) -> Result<u64> {
        if place < 0 {
            let form = to.form.take();
            // A cursor that can't go back is not sent to the end first.
            self.check_backward()?;
            self.forward(u64::MAX, to).await?;
            self.backward(place.unsigned_abs() - 1, to).await?;
            to.form = form;
            return self.backward(1, to).await;
        }
        let place = place.unsigned_abs();
        if place <= self.at && self.at > 0 {
            self.check_backward()?;
            self.at = place;
            if place == 0 {
                return Ok(0);
            }
            self.send(place, to).await?;
            return Ok(1);
        }
        match i64::try_from(place - self.at) {
            Ok(0) => Ok(0),
            Ok(count) => self.relative(count, to).await,
            Err(_) => self.relative(i64::MAX, to).await,
        }
    }

    async fn forward(&mut self, count: u64, to: &mut Target<'_>) -> Result<u64> {
        let mut done = 0;
        while done < count && self.step(to).await? {
            self.send(self.at, to).await?;
            done += 1;
        }
        Ok(done)
    }

    async fn backward(&mut self, count: u64, to: &mut Target<'_>) -> Result<u64> {
        let mut done = 0;
        while done < count && self.at > 0 {
            self.at -= 1;
            if self.at == 0 {
                break;
            }
            self.send(self.at, to).await?;
            done += 1;
        }
        Ok(done)
    }

    fn is_on_row(&self) -> bool {
        (1..=self.read).contains(&self.at)
    }

    /// One row on; false behind the last.
    async fn step(&mut self, to: &mut Target<'_>) -> Result<bool> {
        while self.at >= self.read && !self.ended {
            self.load(to).await?;
        }
        if self.at >= self.read {
            self.at = self.read + 1;
            return Ok(false);
        }
        self.at += 1;
        Ok(true)
    }

    async fn load(&mut self, to: &mut Target<'_>) -> Result<()> {
        if self.keep == Keep::Nothing {
            self.held.clear();
            self.memory.free();
        }
        let Some(batch) = self.rows.batch(to.connection, to.limits).await? else {
            self.ended = true;
            return Ok(());
        };
        let held = self.memory.size() + batch.bytes;
        match self.keep {
            Keep::All if held > MOST_BYTES => return Err(too_much()),
            Keep::Few if held > FEW_BYTES => {
                self.keep = Keep::Nothing;
                self.held.clear();
                self.memory.free();
            }
            _ => {}
        }
        if self.keep != Keep::Nothing {
            let grown = self.memory.try_grow(batch.bytes);
            grown.map_err(|error| WireError::from(QueryError::from(error)))?;
        }
        let first = self.read + 1;
        self.read += batch.length as u64;
        self.held.push_back(Held { first, batch });
        Ok(())
    }

    async fn send(&mut self, row: u64, to: &mut Target<'_>) -> Result<()> {
        let Some(form) = &to.form else {
            return Ok(());
        };
        let behind = self.held.partition_point(|held| held.first <= row);
        let held = behind.checked_sub(1).and_then(|index| self.held.get(index));
        let held = held.ok_or_else(forward_only)?;
        let index = usize::try_from(row - held.first).unwrap_or(usize::MAX);
        if index >= held.batch.length {
            return Err(forward_only());
        }
        let out = to.connection.output();
        form.write(&held.batch.columns, index, &to.style, out)?;
        to.connection.metrics.rows(1);
        if to.connection.is_chunk_full() {
            to.connection.flush_watched(to.limits).await?;
            // A long result must not keep other sessions of this thread waiting.
            tokio::task::consume_budget().await;
        }
        Ok(())
    }

    fn check_backward(&self) -> Result<()> {
        match self.keep {
            Keep::Nothing => Err(forward_only()),
            Keep::Few | Keep::All => Ok(()),
        }
    }
}

fn forward_only() -> WireError {
    WireError::new("55000", "cursor can only scan forward")
        .with_hint("Declare it with SCROLL option to enable backward scan.")
}

fn too_much() -> WireError {
    let most = MOST_BYTES >> 20;
    WireError::new(
        "54000",
        format!("a SCROLL cursor keeps the rows that it has read, at most {most} MiB of them"),
    )
    .with_hint("Declare it with NO SCROLL, or make a temporary table of its query.")
}
