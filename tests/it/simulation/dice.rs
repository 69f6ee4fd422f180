//! The one source of chance in a simulation: every actor has its own dice, derived from the seed
//! and the actor's name, so that one actor's throws don't shift another's.

use std::sync::Mutex;
use std::time::Duration;

use frazil::seams::Entropy;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

#[derive(Debug)]
pub struct Dice(Mutex<ChaCha8Rng>);

impl Dice {
    pub fn new(seed: u64, name: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_be_bytes());
        hash.update(name.as_bytes());
        Self(Mutex::new(ChaCha8Rng::from_seed(hash.finalize().into())))
    }

    /// True this often in a thousand.
    pub fn permille(&self, permille: u32) -> bool {
        self.below(1000) < u64::from(permille)
    }

    /// From 0 up to and without `end`; 0 for an empty range.
    pub fn below(&self, end: u64) -> u64 {
        if end == 0 {
            return 0;
        }
        self.0.lock().unwrap().random_range(0..end)
    }

    pub fn between(&self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    pub fn millis(&self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.between(from, to))
    }

    /// From 1 up to 2^`doublings`, each order of magnitude as likely.
    pub fn log_scale(&self, doublings: u32) -> u64 {
        let order = self.below(u64::from(doublings));
        self.between(1 << order, 2 << order)
    }
}

impl Entropy for Dice {
    fn next_u64(&self) -> u64 {
        self.0.lock().unwrap().random()
    }
}
