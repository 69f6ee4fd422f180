//! What the fuzz targets hold the parsers to, on their seeds and on seeds that were tampered with:
//! the same few thousand inputs each time, so that the targets can't rot. `fuzz/run` looks further,
//! led by coverage.
//!
//! `FRAZIL_FUZZ_RUNS=N` tries N of each.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[allow(dead_code, reason = "the targets' own package uses what is left")]
#[path = "../../fuzz/properties/mod.rs"]
mod properties;

use properties::{TARGETS, Target};

const RUNS: usize = 4_000;

fn holds(target: &Target) {
    let runs = match std::env::var("FRAZIL_FUZZ_RUNS") {
        Ok(text) => text.parse().expect("FRAZIL_FUZZ_RUNS is a number"),
        Err(_) => RUNS,
    };
    let seeds = (target.seeds)();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for run in 0..seeds.len().max(runs) {
        let mut input = seeds[run % seeds.len()].clone();
        if run >= seeds.len() {
            for _ in 0..rng.random_range(1..6) {
                tamper(&mut input, &seeds, target.words, &mut rng);
            }
        }
        if catch_unwind(AssertUnwindSafe(|| (target.check)(&input))).is_err() {
            let shown = String::from_utf8_lossy(&input);
            panic!("{}, input {run}: {shown}\n{input:?}", target.name);
        }
    }
}

/// One change of the kinds that fuzzers make.
fn tamper(input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str], rng: &mut ChaCha8Rng) {
    let at = rng.random_range(0..=input.len());
    let end = at + rng.random_range(0..=(input.len() - at).min(12));
    match rng.random_range(0..7) {
        0 if at < input.len() => input[at] ^= 1 << rng.random_range(0..8),
        1 if at < input.len() => input[at] = rng.random(),
        2 => drop(input.drain(at..end)),
        3 => {
            let again = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        4 => {
            let other = &seeds[rng.random_range(0..seeds.len())];
            let from = rng.random_range(0..=other.len());
            let to = other.len().min(from + 20);
            input.splice(at..end, other[from..to].iter().copied());
        }
        _ => {
            let word = words[rng.random_range(0..words.len())];
            input.splice(at..end, word.bytes());
        }
    }
}

#[test]
fn records() {
    holds(&properties::decode::TARGET);
}

#[test]
fn stream_files() {
    holds(&properties::stream::TARGET);
}

#[test]
fn model_statements() {
    holds(&properties::model::TARGET);
}

#[test]
fn clients_messages() {
    holds(&properties::wire::TARGET);
}

#[test]
fn every_target_is_tried_here() {
    let names = TARGETS.map(|target| target.name);
    assert_eq!(names, ["decode", "stream", "model", "wire"]);
}
