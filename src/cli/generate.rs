//! `frazil generate`: the demo's records as JSON lines.

use std::io::{self, Write};

use anyhow::Context;
use clap::Args;

use super::exit::{Exit, Failure};
use super::output::written;
use crate::generate::Generator;

/// Print shop events as JSON lines: the same seed and number, the same bytes
#[derive(Debug, Args)]
pub(super) struct Options {
    /// How many records, repeats and malformed ones included
    #[arg(long, value_name = "N")]
    events: u64,
    /// Another seed makes other events
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
}

/// Lines are handed over in blocks of this size.
const BLOCK_BYTES: usize = 256 * 1024;

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    write_lines(options, &mut io::stdout().lock()).context("stdout can't be written")?;
    Ok(Exit::Done)
}

fn write_lines(options: &Options, out: &mut impl Write) -> io::Result<()> {
    let mut generator = Generator::history(options.seed, options.events);
    let mut block = Vec::with_capacity(BLOCK_BYTES + 4096);
    for _ in 0..options.events {
        generator.next_record(&mut block);
        block.push(b'\n');
        if block.len() >= BLOCK_BYTES {
            if !written(out.write_all(&block))? {
                return Ok(());
            }
            block.clear();
        }
    }
    written(out.write_all(&block).and_then(|()| out.flush())).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Reader {
        bytes: usize,
        leaves_after: usize,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.bytes >= self.leaves_after {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.bytes += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_may_leave() {
        let options = Options {
            events: 10_000,
            seed: 1,
        };
        let mut reader = Reader {
            bytes: 0,
            leaves_after: 1_000_000,
        };
        write_lines(&options, &mut reader).unwrap();
        assert!(reader.bytes < 2_000_000);
    }

    #[test]
    fn n_records_are_n_lines() {
        for events in [0, 1, 2_500] {
            let mut out = Vec::new();
            write_lines(&Options { events, seed: 5 }, &mut out).unwrap();
            let lines = out.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(lines as u64, events);
        }
    }
}
