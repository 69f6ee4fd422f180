//! `frazil check`: configuration, streams and models read and checked, with no network.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Failure};
use crate::config::{Config, Problems};
use crate::runtime::Declared;

/// Check the configuration, catalog/ and sql/; no network, nothing is changed
#[derive(Debug, Args)]
#[command(
    after_help = "Prints every problem as file:line:column: message and ends with exit code 2."
)]
pub(super) struct Options {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "frazil.toml")]
    config: PathBuf,
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let config = Config::load(&options.config);
    match config.and_then(|config| Declared::load(&config)) {
        Ok(declared) => {
            println!(
                "{}: fine, with {} and {}",
                options.config.display(),
                counted(declared.streams.len(), "stream"),
                counted(declared.models.len(), "model"),
            );
            Ok(Exit::Done)
        }
        Err(Problems(problems)) => {
            for problem in &problems {
                eprintln!("{problem}");
            }
            eprintln!("frazil: {} to mend", counted(problems.len(), "problem"));
            Ok(Exit::Usage)
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}
