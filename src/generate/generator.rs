//! The stream of records: visits begin, their events interleave by time, some go wrong.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::draw::Draw;
use super::encode::{Encoder, user_key};
use super::flaw::Flaw;
use super::session::{MEAN_EVENTS, Session, uuid};
use super::shop::{Popularity, REGIONS, User, traffic};

/// Where `frazil generate` lets its history end: 2026-11-01T00:00:00Z.
pub const BASE_TIME_MS: i64 = 1_793_491_200_000;

/// How long a history is: four weeks.
pub const HISTORY_MS: i64 = 28 * 86_400_000;

/// When events happen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// `records` over the [`HISTORY_MS`] before `end_ms`; goes on behind it at the same rate.
    History { records: u64, end_ms: i64 },
    /// From `start_ms` on, about `per_second`, among `known_users` from before.
    Live {
        start_ms: i64,
        per_second: f64,
        known_users: u64,
    },
}

/// What a record is, for those who count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ordinary,
    Late,
    Repeat,
    Malformed,
}

/// How many records of each kind were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub ordinary: u64,
    pub late: u64,
    pub repeats: u64,
    pub malformed: u64,
}

impl Counts {
    pub fn records(&self) -> u64 {
        self.ordinary + self.late + self.repeats + self.malformed
    }
}

/// About the record that [`Generator::next_record`] appended.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub kind: Kind,
    /// When the record is sent; its own timestamp, unless it is late or a repeat.
    pub sent_ms: i64,
    user: u64,
}

impl Record {
    /// Appends the record's key, the user's id.
    pub fn key(&self, out: &mut Vec<u8>) {
        user_key(out, self.user);
    }
}

/// One in so many records, at a random place of each block of so many.
#[derive(Debug, Clone)]
struct OneIn {
    block: u64,
    place: u64,
    at: u64,
    due: u64,
}

impl OneIn {
    fn new(block: u64, draw: &mut Draw) -> Self {
        Self {
            block,
            place: draw.below(block),
            at: 0,
            due: 0,
        }
    }

    fn step(&mut self, draw: &mut Draw) {
        self.due += u64::from(self.at == self.place);
        self.at += 1;
        if self.at == self.block {
            self.at = 0;
            self.place = draw.below(self.block);
        }
    }

    fn take(&mut self) -> bool {
        let due = self.due > 0;
        self.due -= u64::from(due);
        due
    }
}

/// A record that may be sent again.
#[derive(Debug, Clone)]
struct Sent {
    bytes: Vec<u8>,
    user: u64,
}

/// How far back a repeat reaches, in records.
const REPEAT_REACH: usize = 48;

/// How long a live stream runs unseen, so that it begins in full flow.
const WARM_UP_MS: i64 = 20 * 60_000;

/// Makes records one after the other; the same options, the same bytes.
#[derive(Debug)]
pub struct Generator {
    draw: Draw,
    pace: Pace,
    popularity: Popularity,
    encoder: Encoder,
    /// Visits that go on, by their next event; the number breaks ties, first begun first.
    agenda: BinaryHeap<Reverse<(i64, u32)>>,
    sessions: Vec<Session>,
    free: Vec<u32>,
    users: [u64; REGIONS.len()],
    next_visit_ms: i64,
    late: OneIn,
    repeat: OneIn,
    malformed: OneIn,
    recent: VecDeque<Sent>,
    counts: Counts,
}

impl Generator {
    /// The records of `frazil generate`: a history of `records` that ends at [`BASE_TIME_MS`].
    pub fn history(seed: u64, records: u64) -> Self {
        let end_ms = BASE_TIME_MS;
        Self::new(seed, Pace::History { records, end_ms })
    }

    pub fn new(seed: u64, pace: Pace) -> Self {
        let mut draw = Draw::new(seed);
        let (start_ms, known_users) = match pace {
            Pace::History { records, end_ms } => (end_ms - HISTORY_MS, 12 + records / 400),
            Pace::Live {
                start_ms,
                known_users,
                ..
            } => (start_ms - WARM_UP_MS, known_users),
        };
        let (late, repeat, malformed) = (
            OneIn::new(200, &mut draw),
            OneIn::new(500, &mut draw),
            OneIn::new(1_000, &mut draw),
        );
        let mut generator = Self {
            draw,
            pace,
            popularity: Popularity::new(),
            encoder: Encoder::default(),
            agenda: BinaryHeap::new(),
            sessions: Vec::new(),
            free: Vec::new(),
            users: [known_users.div_ceil(REGIONS.len() as u64).max(1); REGIONS.len()],
            next_visit_ms: start_ms,
            late,
            repeat,
            malformed,
            recent: VecDeque::with_capacity(REPEAT_REACH),
            counts: Counts::default(),
        };
        if matches!(pace, Pace::Live { .. }) {
            generator.warm_up(start_ms + WARM_UP_MS);
        }
        generator
    }

    /// How many records were made so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many users have been seen.
    pub fn users(&self) -> u64 {
        self.users.iter().sum()
    }

    /// When the next record is sent, milliseconds since 1970.
    pub fn next_ms(&mut self) -> i64 {
        self.begin_visits();
        self.agenda
            .peek()
            .map_or(self.next_visit_ms, |entry| entry.0.0)
    }

    /// Appends one record to `out`: one line of JSON with no newline at its end.
    pub fn next_record(&mut self, out: &mut Vec<u8>) -> Record {
        self.late.step(&mut self.draw);
        self.repeat.step(&mut self.draw);
        self.malformed.step(&mut self.draw);
        if self.repeat.due > 0
            && let Some(record) = self.send_again(out)
        {
            self.repeat.take();
            self.counts.repeats += 1;
            return record;
        }
        let start = out.len();
        let (session, sent_ms) = self.take_event();
        let user = self.sessions[session].user.number;
        let event_id = uuid(&mut self.draw);
        let malformed = self.malformed.take();
        let late = !malformed && self.late.take();
        let happened_ms = if late {
            sent_ms - lateness_ms(&mut self.draw)
        } else {
            sent_ms
        };
        let event = &self.sessions[session];
        let parts = self.encoder.event(out, event, event_id, happened_ms);
        let kind = if malformed {
            let flaw = Flaw::pick(&mut self.draw);
            flaw.apply(out, start, &parts);
            self.counts.malformed += 1;
            Kind::Malformed
        } else {
            self.remember(&out[start..], user);
            if late {
                self.counts.late += 1;
                Kind::Late
            } else {
                self.counts.ordinary += 1;
                Kind::Ordinary
            }
        };
        self.move_on(session);
        Record {
            kind,
            sent_ms,
            user,
        }
    }

    /// The session whose event comes next, and when.
    fn take_event(&mut self) -> (usize, i64) {
        self.begin_visits();
        let Reverse((now_ms, index)) = self
            .agenda
            .pop()
            .expect("begin_visits leaves at least one visit on the agenda");
        (index as usize, now_ms)
    }

    /// Puts the session's next event on the agenda, or lets the visitor leave.
    fn move_on(&mut self, session: usize) {
        let index = u32::try_from(session).expect("visits at once are few");
        let visit = &mut self.sessions[session];
        if visit.advance(&mut self.draw, &self.popularity) {
            self.agenda.push(Reverse((visit.next_ms, index)));
        } else {
            self.free.push(index);
        }
    }

    /// Begins all visits that come before the next event on the agenda.
    fn begin_visits(&mut self) {
        while self
            .agenda
            .peek()
            .is_none_or(|entry| self.next_visit_ms <= entry.0.0)
        {
            let now_ms = self.next_visit_ms;
            let traffic = traffic(now_ms);
            let region = self.draw.weighted(&traffic);
            let user = self.visitor(region);
            let session = Session::begin(user, now_ms, &mut self.draw, &self.popularity);
            let index = match self.free.pop() {
                Some(index) => {
                    self.sessions[index as usize] = session;
                    index
                }
                None => {
                    self.sessions.push(session);
                    u32::try_from(self.sessions.len() - 1).expect("visits at once are few")
                }
            };
            self.agenda.push(Reverse((now_ms, index)));
            let visits_per_ms = self.visits_per_ms(now_ms) * traffic.iter().sum::<f64>();
            let gap_ms = self.draw.exponential() / visits_per_ms;
            self.next_visit_ms += gap_ms as i64;
            // The part of a millisecond that the cast dropped, so that fast streams keep their rate.
            self.next_visit_ms += i64::from(self.draw.chance(gap_ms.fract()));
        }
    }

    fn visits_per_ms(&self, now_ms: i64) -> f64 {
        match self.pace {
            Pace::History { records, end_ms } => {
                // Steers by what is left, so that the history ends where it should.
                let left = records.saturating_sub(self.counts.records()).max(1) as f64;
                let left_ms = (end_ms - now_ms).max(HISTORY_MS / 2_000) as f64;
                let planned = records.max(1) as f64 / HISTORY_MS as f64;
                (left / left_ms).clamp(planned / 4.0, planned * 4.0) / MEAN_EVENTS
            }
            Pace::Live { per_second, .. } => per_second / 1_000.0 / MEAN_EVENTS,
        }
    }

    /// A new user one time in five, else one seen before, of late rather than long ago.
    fn visitor(&mut self, region: usize) -> User {
        let known = self.users[region];
        if self.draw.chance(0.2) {
            self.users[region] += 1;
            return User::in_region(region, known);
        }
        let back = self.draw.unit() * self.draw.unit() * known as f64;
        User::in_region(region, known - 1 - (back as u64).min(known - 1))
    }

    fn remember(&mut self, bytes: &[u8], user: u64) {
        let mut sent = if self.recent.len() == REPEAT_REACH {
            self.recent.pop_front().expect("it is full")
        } else {
            Sent {
                bytes: Vec::with_capacity(512),
                user,
            }
        };
        sent.bytes.clear();
        sent.bytes.extend_from_slice(bytes);
        sent.user = user;
        self.recent.push_back(sent);
    }

    /// Sends one of the recent records again, none a third time.
    fn send_again(&mut self, out: &mut Vec<u8>) -> Option<Record> {
        let count = self.recent.len() as u64;
        if count == 0 {
            return None;
        }
        let index = self.draw.below(count) as usize;
        let sent = self.recent.remove(index)?;
        out.extend_from_slice(&sent.bytes);
        Some(Record {
            kind: Kind::Repeat,
            sent_ms: self.next_ms(),
            user: sent.user,
        })
    }

    fn warm_up(&mut self, until_ms: i64) {
        while self.next_ms() < until_ms {
            let (session, _) = self.take_event();
            self.move_on(session);
        }
    }
}

/// An hour to three days, short ones more often.
fn lateness_ms(draw: &mut Draw) -> i64 {
    let share = draw.unit() * draw.unit();
    3_600_000 + (share * 71.0 * 3_600_000.0) as i64
}
