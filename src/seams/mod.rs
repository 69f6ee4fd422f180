//! Clock and randomness, so that a simulation can own both.
//! Time, sleep and randomness are taken from here only; the simulation passes its own.

mod clock;
mod entropy;
mod manual_clock;

pub use clock::{Clock, SystemClock};
pub use entropy::{Entropy, OsEntropy, SeededEntropy};
pub use manual_clock::ManualClock;
