//! A process's fate: its future is dropped, or stands still for a while, after a number of polls,
//! so at any await.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

use super::dice::Dice;

#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// Runs on.
    Lives,
    /// Is dropped at the poll after so many.
    Crashes { after_polls: u64 },
    /// Stands still for a while (a long pause of its machine), then goes on as if nothing was;
    /// again after as many polls.
    Sleeps { after_polls: u64, nap: Duration },
    /// Crashes or stands still right before or after a swap of the catalog.
    Trapped {
        after_swaps: u64,
        nap: Option<Duration>,
    },
}

/// How processes of one kind fare. Polls are drawn on a scale of powers of two up to this one.
pub struct Odds {
    pub crash_log_polls: u32,
    pub sleep_log_polls: u32,
    pub longest_nap_ms: u64,
    /// Of ten processes, so many come to a trap (beside two that crash and two that sleep).
    pub trapped: u64,
    pub most_swaps: u64,
    pub longest_trapped_nap_ms: u64,
}

impl Fate {
    /// Of the next process; `calm` when all live.
    pub fn draw(dice: &Dice, odds: &Odds, calm: bool) -> Self {
        match dice.below(10) {
            _ if calm => Self::Lives,
            0..=1 => Self::Crashes {
                after_polls: dice.log_scale(odds.crash_log_polls),
            },
            2..=3 => Self::Sleeps {
                after_polls: dice.log_scale(odds.sleep_log_polls),
                nap: dice.millis(100, odds.longest_nap_ms),
            },
            lot if lot < 4 + odds.trapped => Self::Trapped {
                after_swaps: dice.between(1, odds.most_swaps),
                nap: dice
                    .permille(700)
                    .then(|| dice.millis(4_000, odds.longest_trapped_nap_ms)),
            },
            _ => Self::Lives,
        }
    }
}

/// Springs when a process has come by so many times; its next poll meets its fate.
#[derive(Debug, Default)]
pub struct Trap {
    left: AtomicU64,
    sprung: AtomicBool,
}

impl Trap {
    pub fn of(fate: Fate) -> Arc<Self> {
        let trap = Self::default();
        if let Fate::Trapped { after_swaps, .. } = fate {
            trap.left.store(after_swaps, Ordering::Relaxed);
        }
        Arc::new(trap)
    }

    /// Comes by; suspends when it springs.
    pub async fn pass(&self) {
        if self.left.load(Ordering::Relaxed) > 0 && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.sprung.store(true, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    }
}

/// Runs a future to its fate; `None` when it crashed.
pub struct Mortal<F> {
    inner: Option<Pin<Box<F>>>,
    fate: Fate,
    trap: Arc<Trap>,
    polls: u64,
    asleep: Option<Pin<Box<Sleep>>>,
    on_nap: Box<dyn Fn() + Send>,
}

impl<F: Future> Mortal<F> {
    pub fn new(inner: F, fate: Fate, trap: Arc<Trap>, on_nap: impl Fn() + Send + 'static) -> Self {
        Self {
            inner: Some(Box::pin(inner)),
            fate,
            trap,
            polls: 0,
            asleep: None,
            on_nap: Box::new(on_nap),
        }
    }
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(asleep) = &mut this.asleep {
            if asleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            this.asleep = None;
        }
        this.polls += 1;
        let nap = match this.fate {
            Fate::Crashes { after_polls } if this.polls > after_polls => None,
            Fate::Sleeps { after_polls, nap } if this.polls > after_polls => Some(nap),
            Fate::Trapped { nap, .. } if this.trap.sprung.swap(false, Ordering::Relaxed) => nap,
            _ => Some(Duration::ZERO),
        };
        let Some(nap) = nap else {
            this.inner = None;
            return Poll::Ready(None);
        };
        if !nap.is_zero() {
            this.polls = 0;
            (this.on_nap)();
            let mut asleep = Box::pin(tokio::time::sleep(nap));
            if asleep.as_mut().poll(cx).is_pending() {
                this.asleep = Some(asleep);
                return Poll::Pending;
            }
        }
        let inner = this.inner.as_mut().expect("not polled after its end");
        inner.as_mut().poll(cx).map(Some)
    }
}
