//! A broker in memory: one topic with its partitions, transactions, retention and a consumer
//! group. Scripted by the actors of a simulation; never fails by itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use frazil::sink::source::{SourceIdentity, Watermarks};
use tokio::time::Instant;

pub const TOPIC: &str = "shop";

/// One offset of a log.
#[derive(Clone, Debug)]
pub enum Entry {
    Record {
        key: Option<Vec<u8>>,
        payload: Option<Vec<u8>>,
        timestamp_ms: i64,
        /// False until its transaction is committed; for ever when aborted.
        readable: bool,
    },
    /// A transaction's marker, or an offset that compaction removed.
    Gap,
}

impl Entry {
    pub fn is_readable(&self) -> bool {
        matches!(self, Self::Record { readable: true, .. })
    }
}

/// A partition's log: all that was ever in it, for the oracle, and where it starts now.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub entries: Vec<Entry>,
    pub low: i64,
    /// Every `low` there has been.
    pub lows: BTreeSet<i64>,
    /// First offset of the open transaction.
    open: Option<i64>,
}

impl Log {
    /// The last stable offset.
    pub fn high(&self) -> i64 {
        self.open.unwrap_or(self.end())
    }

    fn end(&self) -> i64 {
        i64::try_from(self.entries.len()).unwrap()
    }

    pub fn entry(&self, offset: i64) -> &Entry {
        &self.entries[usize::try_from(offset).unwrap()]
    }
}

/// Something that a member must be told.
#[derive(Clone, Debug)]
pub enum GroupEvent {
    Assigned(Vec<i32>),
    Revoked(Vec<i32>),
}

#[derive(Debug)]
struct Member {
    last_seen: Instant,
    target: BTreeSet<i32>,
    /// Granted and not yet released.
    owned: BTreeSet<i32>,
    /// Told to release, since when.
    revoking: BTreeSet<i32>,
    revoking_since: Instant,
    events: VecDeque<GroupEvent>,
}

#[derive(Debug)]
struct State {
    topic_id: String,
    logs: Vec<Log>,
    members: BTreeMap<u64, Member>,
    next_member: u64,
    eager: bool,
    /// Transactions that ended, aborted and committed.
    ended: [u64; 2],
}

#[derive(Debug)]
pub struct Broker {
    state: Mutex<State>,
    session: Duration,
}

impl Broker {
    pub fn new(partitions: usize, eager: bool, session: Duration) -> Self {
        let mut logs = vec![Log::default(); partitions];
        for log in &mut logs {
            log.lows.insert(0);
        }
        Self {
            state: Mutex::new(State {
                topic_id: "topic-1".to_owned(),
                logs,
                members: BTreeMap::new(),
                next_member: 1,
                eager,
                ended: [0; 2],
            }),
            session,
        }
    }

    pub fn identity(&self) -> SourceIdentity {
        let state = self.state.lock().unwrap();
        SourceIdentity {
            cluster_id: "sim".to_owned(),
            topic: TOPIC.to_owned(),
            topic_id: state.topic_id.clone(),
            partitions: i32::try_from(state.logs.len()).unwrap(),
        }
    }

    /// The topic is deleted and made again: another id, empty logs.
    pub fn recreate_topic(&self, topic_id: &str) {
        let mut state = self.state.lock().unwrap();
        state.topic_id = topic_id.to_owned();
        for log in &mut state.logs {
            *log = Log::default();
            log.lows.insert(0);
        }
    }

    pub fn logs(&self) -> Vec<Log> {
        self.state.lock().unwrap().logs.clone()
    }

    pub fn partitions(&self) -> usize {
        self.state.lock().unwrap().logs.len()
    }

    pub fn watermarks(&self, partition: i32) -> Option<Watermarks> {
        let state = self.state.lock().unwrap();
        let log = state.logs.get(usize::try_from(partition).unwrap())?;
        Some(Watermarks {
            low: log.low,
            high: log.high(),
        })
    }

    /// Looks at a log, or changes it.
    pub fn with_log<T>(&self, partition: usize, act: impl FnOnce(&mut Log) -> T) -> T {
        act(&mut self.state.lock().unwrap().logs[partition])
    }

    /// Appends one record outside a transaction.
    pub fn produce(&self, partition: usize, payload: Option<Vec<u8>>, timestamp_ms: i64) {
        self.with_log(partition, |log| {
            log.entries.push(record(payload, timestamp_ms, true));
        });
    }

    pub fn leave_gap(&self, partition: usize) {
        self.with_log(partition, |log| log.entries.push(Entry::Gap));
    }

    /// Opens a transaction with one record; nothing from here on can be read until it ends.
    /// False when one is open already.
    pub fn begin(&self, partition: usize, payload: Option<Vec<u8>>, timestamp_ms: i64) -> bool {
        self.with_log(partition, |log| {
            if log.open.is_some() {
                return false;
            }
            log.open = Some(log.end());
            log.entries.push(record(payload, timestamp_ms, false));
            true
        })
    }

    /// How many transactions were committed, or aborted.
    pub fn transactions(&self, committed: bool) -> u64 {
        self.state.lock().unwrap().ended[usize::from(committed)]
    }

    /// Ends the open transaction with its marker: what it wrote can be read, or never.
    pub fn end_transaction(&self, partition: usize, commit: bool) {
        self.state.lock().unwrap().ended[usize::from(commit)] += 1;
        self.with_log(partition, |log| {
            let Some(first) = log.open.take() else { return };
            for entry in &mut log.entries[usize::try_from(first).unwrap()..] {
                if let Entry::Record { readable, .. } = entry
                    && !*readable
                {
                    *readable = commit;
                }
            }
            log.entries.push(Entry::Gap);
        });
    }

    /// Retention removes everything below `low`.
    pub fn trim(&self, partition: usize, low: i64) {
        self.with_log(partition, |log| {
            log.low = log.low.max(low.min(log.high()));
            log.lows.insert(log.low);
        });
    }

    /// An unclean leader election: the log loses its tail, for the reader and for the oracle.
    pub fn truncate(&self, partition: usize, end: i64) {
        self.with_log(partition, |log| {
            log.entries.truncate(usize::try_from(end).unwrap());
        });
    }

    pub fn join(&self) -> u64 {
        let mut state = self.state.lock().unwrap();
        let id = state.next_member;
        state.next_member += 1;
        let now = Instant::now();
        state.members.insert(
            id,
            Member {
                last_seen: now,
                target: BTreeSet::new(),
                owned: BTreeSet::new(),
                revoking: BTreeSet::new(),
                revoking_since: now,
                events: VecDeque::new(),
            },
        );
        state.rebalance();
        id
    }

    /// A sign of life. None when the member was put out: its session is over.
    pub fn heartbeat(&self, id: u64) -> Option<Option<GroupEvent>> {
        let mut state = self.state.lock().unwrap();
        state.expire(self.session);
        let member = state.members.get_mut(&id)?;
        member.last_seen = Instant::now();
        Some(member.events.pop_front())
    }

    pub fn release(&self, id: u64, partitions: &[i32]) {
        let mut state = self.state.lock().unwrap();
        if let Some(member) = state.members.get_mut(&id) {
            for partition in partitions {
                member.owned.remove(partition);
                member.revoking.remove(partition);
            }
            member.last_seen = Instant::now();
        }
        state.grant();
    }

    pub fn leave(&self, id: u64) {
        let mut state = self.state.lock().unwrap();
        if state.members.remove(&id).is_some() {
            state.rebalance();
        }
    }
}

impl State {
    fn expire(&mut self, session: Duration) {
        let now = Instant::now();
        let before = self.members.len();
        self.members.retain(|_, member| {
            let silent = now.duration_since(member.last_seen) > session;
            let slow = !member.revoking.is_empty()
                && now.duration_since(member.revoking_since) > session * 2;
            !silent && !slow
        });
        if self.members.len() != before {
            self.rebalance();
        }
    }

    /// Partitions over members in turn, starting elsewhere each time members change.
    fn rebalance(&mut self) {
        let ids: Vec<u64> = self.members.keys().copied().collect();
        for member in self.members.values_mut() {
            member.target.clear();
        }
        if ids.is_empty() {
            return;
        }
        let shift = usize::try_from(self.next_member).unwrap();
        for partition in 0..self.logs.len() {
            let id = ids[(partition + shift) % ids.len()];
            let member = self.members.get_mut(&id).unwrap();
            member.target.insert(i32::try_from(partition).unwrap());
        }
        let now = Instant::now();
        for member in self.members.values_mut() {
            let kept = match self.eager {
                true => BTreeSet::new(),
                false => member.target.clone(),
            };
            let taken: Vec<i32> = member
                .owned
                .iter()
                .filter(|p| !kept.contains(p) && !member.revoking.contains(p))
                .copied()
                .collect();
            if taken.is_empty() {
                continue;
            }
            member.revoking.extend(&taken);
            member.revoking_since = now;
            member.events.push_back(GroupEvent::Revoked(taken));
        }
        self.grant();
    }

    fn grant(&mut self) {
        if self.eager && self.members.values().any(|m| !m.revoking.is_empty()) {
            return;
        }
        let taken: BTreeSet<i32> = self
            .members
            .values()
            .flat_map(|member| member.owned.iter().copied())
            .collect();
        for member in self.members.values_mut() {
            let new: Vec<i32> = member.target.difference(&taken).copied().collect();
            if !new.is_empty() {
                member.owned.extend(&new);
                member.events.push_back(GroupEvent::Assigned(new));
            }
        }
    }
}

fn record(payload: Option<Vec<u8>>, timestamp_ms: i64, readable: bool) -> Entry {
    Entry::Record {
        key: Some(b"key".to_vec()),
        payload,
        timestamp_ms,
        readable,
    }
}
