//! The source over the simulated broker: one member of its group.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use frazil::lake::{Error, Result};
use frazil::sink::source::{
    Chunk, Connector, RecordSpan, Source, SourceEvent, SourceIdentity, Watermarks,
};

use super::broker::{Broker, Entry, GroupEvent};
use super::dice::Dice;
use super::faults::Weather;
use super::mutant::Mutant;

pub struct SimConnector {
    pub broker: Arc<Broker>,
    pub weather: Arc<Weather>,
    pub seed: u64,
    pub name: String,
    pub mutant: Mutant,
}

#[async_trait]
impl Connector for SimConnector {
    async fn connect(&self) -> Result<Box<dyn Source>> {
        let member = self.broker.join();
        Ok(Box::new(SimSource {
            broker: self.broker.clone(),
            weather: self.weather.clone(),
            dice: Dice::new(self.seed, &format!("{}/source-{member}", self.name)),
            mutant: self.mutant,
            member,
            held: BTreeSet::new(),
            positions: BTreeMap::new(),
            paused: BTreeSet::new(),
            prefetched: VecDeque::new(),
        }))
    }
}

struct SimSource {
    broker: Arc<Broker>,
    weather: Arc<Weather>,
    dice: Dice,
    mutant: Mutant,
    member: u64,
    held: BTreeSet<i32>,
    /// Only of partitions that were sought.
    positions: BTreeMap<i32, i64>,
    paused: BTreeSet<i32>,
    prefetched: VecDeque<Chunk>,
}

impl SimSource {
    async fn call(&self) -> Result<()> {
        if self.dice.permille(300) {
            tokio::time::sleep(self.dice.millis(0, 3)).await;
        }
        if self.dice.permille(self.weather.rates().source) {
            self.weather.tally.source_errors.add();
            return Err(Error::unavailable("simulated: the broker does not answer"));
        }
        Ok(())
    }

    /// What the group says first; then records that were fetched before; then new ones.
    fn next_event(&mut self) -> Option<SourceEvent> {
        let Some(event) = self.broker.heartbeat(self.member) else {
            // A zombie's queue may still hold what it fetched before its session was over.
            if !self.prefetched.is_empty() && self.dice.permille(500) {
                return self.take_prefetched();
            }
            return Some(self.session_lost());
        };
        match event {
            Some(GroupEvent::Assigned(partitions)) => {
                for partition in &partitions {
                    self.held.insert(*partition);
                    self.forget(*partition);
                }
                return Some(SourceEvent::Assigned(partitions));
            }
            Some(GroupEvent::Revoked(partitions)) => {
                self.weather.tally.revocations.add();
                return Some(SourceEvent::Revoked(partitions));
            }
            None => {}
        }
        if !self.prefetched.is_empty() && self.dice.permille(700) {
            return self.take_prefetched();
        }
        self.fetch()
    }

    fn take_prefetched(&mut self) -> Option<SourceEvent> {
        let at = self
            .prefetched
            .iter()
            .position(|chunk| !self.paused.contains(&chunk.partition))?;
        self.prefetched.remove(at).map(SourceEvent::Records)
    }

    fn session_lost(&mut self) -> SourceEvent {
        self.weather.tally.sessions_lost.add();
        let lost: Vec<i32> = std::mem::take(&mut self.held).into_iter().collect();
        self.positions.clear();
        self.paused.clear();
        self.prefetched.clear();
        self.member = self.broker.join();
        SourceEvent::Lost(lost)
    }

    fn forget(&mut self, partition: i32) {
        self.positions.remove(&partition);
        self.paused.remove(&partition);
        self.prefetched.retain(|chunk| chunk.partition != partition);
    }

    fn fetch(&mut self) -> Option<SourceEvent> {
        let ready: Vec<i32> = self
            .positions
            .keys()
            .filter(|partition| !self.paused.contains(partition))
            .filter(|partition| self.prefetched.iter().all(|c| c.partition != **partition))
            .copied()
            .collect();
        if ready.is_empty() {
            return None;
        }
        let shift = usize::try_from(self.dice.below(ready.len() as u64)).unwrap();
        for turn in 0..ready.len() {
            let partition = ready[(turn + shift) % ready.len()];
            let position = self.positions[&partition];
            let (low, high) = self
                .broker
                .watermarks(partition)
                .map(|w| (w.low, w.high))
                .unwrap();
            if position < low || position > high {
                self.positions.remove(&partition);
                return Some(SourceEvent::OutOfRange {
                    partition,
                    wanted: position,
                });
            }
            let until = high.min(position + self.dice.log_scale(5) as i64);
            if position == until {
                continue;
            }
            let broker = self.broker.clone();
            let chunk = broker.with_log(usize::try_from(partition).unwrap(), |log| {
                self.chunk(partition, position, until, &log.entries)
            });
            self.positions.insert(partition, chunk.next_offset);
            if chunk.records.is_empty() && self.dice.permille(300) {
                // The position moved over gaps and nobody was told.
                continue;
            }
            if self.dice.permille(300) {
                self.prefetched.push_back(chunk);
                continue;
            }
            return Some(SourceEvent::Records(chunk));
        }
        None
    }

    fn chunk(&self, partition: i32, from: i64, until: i64, entries: &[Entry]) -> Chunk {
        let mut chunk = Chunk {
            partition,
            next_offset: until,
            ..Chunk::default()
        };
        for offset in from..until {
            let Entry::Record {
                key,
                payload,
                timestamp_ms,
                readable: true,
            } = &entries[usize::try_from(offset).unwrap()]
            else {
                continue;
            };
            if self.mutant.drops_record(&self.dice) {
                continue;
            }
            let mut put = |bytes: &Option<Vec<u8>>| {
                let bytes = bytes.as_ref()?;
                let start = chunk.bytes.len();
                chunk.bytes.extend_from_slice(bytes);
                Some(start..chunk.bytes.len())
            };
            let key = put(key);
            let payload = put(payload);
            chunk.records.push(RecordSpan {
                offset,
                timestamp_ms: Some(*timestamp_ms),
                key,
                payload,
            });
        }
        chunk
    }
}

#[async_trait]
impl Source for SimSource {
    async fn identity(&mut self) -> Result<SourceIdentity> {
        self.call().await?;
        Ok(self.broker.identity())
    }

    async fn poll(&mut self, wait: Duration) -> Result<SourceEvent> {
        self.call().await?;
        if let Some(event) = self.next_event() {
            return Ok(event);
        }
        tokio::time::sleep(wait.min(self.dice.millis(1, 200))).await;
        if self.dice.permille(self.weather.rates().source) {
            self.weather.tally.source_troubles.add();
            return Ok(SourceEvent::Trouble("simulated: broker away".to_owned()));
        }
        Ok(SourceEvent::Idle)
    }

    async fn seek(&mut self, partition: i32, offset: i64) -> Result<()> {
        self.call().await?;
        if !self.held.contains(&partition) {
            return Err(Error::conflict(format!(
                "simulated: partition {partition} is not assigned"
            )));
        }
        self.prefetched.retain(|chunk| chunk.partition != partition);
        self.positions.insert(partition, offset);
        Ok(())
    }

    async fn pause(&mut self, partitions: &[i32]) -> Result<()> {
        self.call().await?;
        self.paused.extend(partitions);
        Ok(())
    }

    async fn resume(&mut self, partitions: &[i32]) -> Result<()> {
        self.call().await?;
        self.paused
            .retain(|partition| !partitions.contains(partition));
        Ok(())
    }

    async fn release(&mut self, partitions: &[i32]) -> Result<()> {
        for partition in partitions {
            self.held.remove(partition);
            self.forget(*partition);
        }
        self.broker.release(self.member, partitions);
        Ok(())
    }

    async fn watermarks(&mut self, partition: i32) -> Result<Watermarks> {
        self.call().await?;
        self.broker
            .watermarks(partition)
            .ok_or_else(|| Error::not_found("simulated: no such partition"))
    }

    async fn offset_at(&mut self, partition: i32, timestamp_ms: i64) -> Result<i64> {
        self.call().await?;
        let log = self.broker.logs()[usize::try_from(partition).unwrap()].clone();
        let mut offsets = log.low..log.high();
        let found = offsets.find(|offset| match log.entry(*offset) {
            Entry::Record {
                timestamp_ms: at, ..
            } => *at >= timestamp_ms,
            Entry::Gap => false,
        });
        Ok(found.unwrap_or(log.high()))
    }

    async fn publish(&mut self, _next_offsets: &[(i32, i64)]) -> Result<()> {
        self.call().await
    }

    async fn close(&mut self) -> Result<()> {
        self.broker.leave(self.member);
        Ok(())
    }
}
