//! `frazil serve`: the process that runs until it is told to stop.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use super::exit::{Exit, Failure};
use crate::config::{Config, LogFormat};
use crate::runtime::signals::stop_signal;
use crate::runtime::supervisor::Ending;
use crate::runtime::{Declared, OpenError, Process, Role, Roles, Runtimes};
use crate::telemetry::{self, Form, Output};

/// Run sink, jobs, upkeep, wire and ops, or some of them, until SIGINT or SIGTERM
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Some of sink, jobs, upkeep, wire; ops is always on [default: all]
    #[arg(long, value_delimiter = ',', value_name = "ROLE,…")]
    roles: Vec<Role>,
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let config = Config::load(&options.config).map_err(Failure::usage)?;
    let form = match config.telemetry.format {
        LogFormat::Text => Form::Text,
        LogFormat::Json => Form::Json,
    };
    telemetry::init(form, &config.telemetry.filter, Output::Stderr).map_err(Failure::usage)?;
    let roles = match options.roles.as_slice() {
        [] => Roles::all(),
        some => Roles::of(some.iter().copied()),
    };
    let runtimes = Runtimes::start().context("threads can't be started")?;
    let result = runtimes.block_on(serve(Arc::new(config), roles, &runtimes));
    runtimes.end();
    result
}

async fn serve(config: Arc<Config>, roles: Roles, runtimes: &Runtimes) -> Result<Exit, Failure> {
    let asked = stop_signal().context("signals can't be handled")?;
    let declared = Declared::load(&config).map_err(Failure::usage)?;
    let mut process = Process::open(config, declared, runtimes)
        .await
        .map_err(open_failure)?;
    process.start(&roles).await.map_err(open_failure)?;
    let ending = process
        .run(async {
            let signal = asked.await;
            tracing::info!(signal, "stops in order");
        })
        .await;
    Ok(exit_of(&ending))
}

/// What is to be mended first is told apart from what went wrong.
pub(super) fn open_failure(error: OpenError) -> Failure {
    match error {
        OpenError::Declared(_) | OpenError::Missing(_) => Failure::usage(error),
        other => other.into(),
    }
}

/// Tells people how it ended, and scripts by the code.
pub(super) fn exit_of(ending: &Ending) -> Exit {
    for (name, reason) in &ending.failed {
        eprintln!("frazil: {name} failed while it stopped: {}", advice(reason));
    }
    for name in &ending.stragglers {
        eprintln!(
            "frazil: {name} did not stop in its time and was cut off; nothing is lost, what it \
             had not committed is done again at the next start"
        );
    }
    if let Some((name, reason)) = &ending.died {
        eprintln!("frazil: {name} died: {}", advice(reason));
        return Exit::ServiceDied;
    }
    if !ending.failed.is_empty() {
        return Exit::Failed;
    }
    if !ending.stragglers.is_empty() {
        return Exit::CutOff;
    }
    Exit::Done
}

/// The reason, and what to do where that is known.
pub(super) fn advice(reason: &str) -> String {
    if is_disk_full(reason) {
        format!("the disk is full: make room and start again, nothing is lost ({reason})")
    } else {
        reason.to_owned()
    }
}

pub(super) fn is_disk_full(reason: &str) -> bool {
    ["No space left", "disk is full", "os error 28"]
        .iter()
        .any(|sign| reason.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_have_their_codes() {
        let fine = Ending {
            died: None,
            failed: vec![],
            stragglers: vec![],
        };
        assert_eq!(exit_of(&fine), Exit::Done);
        let died = Ending {
            died: Some(("sink".into(), "it panicked".into())),
            ..fine.clone()
        };
        assert_eq!(exit_of(&died), Exit::ServiceDied);
        let late = Ending {
            stragglers: vec!["jobs".into()],
            ..fine
        };
        assert_eq!(exit_of(&late), Exit::CutOff);
    }

    #[test]
    fn a_full_disk_is_named() {
        let text = advice("the event log log.db: database or disk is full");
        assert!(text.starts_with("the disk is full"), "{text}");
        assert_eq!(advice("no such table"), "no such table");
    }
}
