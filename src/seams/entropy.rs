//! Randomness: ids of commits and files, jitter of retries.

use std::fmt::Debug;
use std::sync::Mutex;

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

/// Where randomness comes from.
pub trait Entropy: Debug + Send + Sync {
    fn next_u64(&self) -> u64;

    /// A version 4 UUID.
    fn uuid(&self) -> Uuid {
        Uuid::from_u64_pair(self.next_u64(), self.next_u64()).into_v4()
    }
}

trait IntoV4 {
    fn into_v4(self) -> Uuid;
}

impl IntoV4 for Uuid {
    fn into_v4(self) -> Uuid {
        uuid::Builder::from_random_bytes(self.into_bytes()).into_uuid()
    }
}

/// The operating system's generator.
#[derive(Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn next_u64(&self) -> u64 {
        #[expect(clippy::disallowed_methods, reason = "this is the seam")]
        let mut rng = rand::rng();
        rng.random()
    }
}

/// The same numbers for the same seed.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<ChaCha8Rng>);

impl SeededEntropy {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(ChaCha8Rng::seed_from_u64(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn next_u64(&self) -> u64 {
        self.0
            .lock()
            .expect("no holder of this lock panics")
            .next_u64()
    }
}
